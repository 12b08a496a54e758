//! The branch server's logic without HTTP.
//!
//! Receives exchange bodies, enrolments and definitions with the time they arrived; hands on replies,
//! pokes and lists. Blocking: one thread writes, group by group; readers work beside it. Forbidden here:
//! HTTP, clocks, randomness, and SQL outside `store`. What the protocol refuses is a verdict, an order to
//! the device or a failure value; an [`Error`] is for what went wrong at the branch itself.

mod accounts;
mod admit;
mod backup;
mod cache;
mod definitions;
mod desk;
mod devices;
mod duties;
mod evidence;
mod exchange;
mod files;
mod fork;
mod history;
mod hooks;
mod lock;
mod mend;
mod numbers;
mod own;
mod pull;
mod readmit;
mod repair;
mod reports;
mod rows;
mod shared;
mod sight;
mod store;
#[cfg(test)]
mod tests;
mod tokens;
mod verify;
mod writer;

use std::path::{Path, PathBuf};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::broadcast;
use xunyuan_core::definition::Catalog;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{DocumentId, FileHash, ScopeId, UserId};
use xunyuan_core::projection;
use xunyuan_core::wire::key::Key;
use xunyuan_core::wire::pin::{Pin, Voucher};

pub use accounts::{Attempt, PasswordLink};
pub use backup::BackupProgress;
pub use definitions::Publication;
pub use desk::{ActFailure, Action, Deed, SetChange};
pub use devices::{AuthFailure, Device, DeviceStatus, EnrollFailure, Invitation};
pub use duties::{DutyFilter, DutyView, Look};
pub use evidence::RefusedRun;
pub use exchange::ExchangeFailure;
pub use files::{Cleared, FileFailure, FileInfo, FileShown, FilesReport, Incomplete, Packed, Upload};
pub use history::{LoggedChange, Said};
pub use hooks::{Attempted, HookWish, Patience, Round};
pub use shared::{Poke, SERVER_USER};
pub use sight::{Changed, DutyWish, Feed, FeedFailure, Listed, Page, Seen, Sight};
pub use store::account::{Account, Session};
pub use store::hook::{Delivery, DeliveryFilter, DeliveryState, Hook, HookEvent, HookForm};
pub use store::log::LogLine;
pub use store::token::{Right, Token};
pub use tokens::{MadeToken, TokenFailure, TokenWish};
pub use verify::{BadRow, VerifyReport};

use crate::vault::{Vault, VaultOptions};
use shared::{Epochs, Identity, Shared};
use writer::{Job, WriteFailure, Writer};

/// How long seen-marks of devices usually wait for a transaction of their own.
const IDLE_FLUSH: Duration = Duration::from_secs(2);
/// The branch's file inside its data directory.
const FILE: &str = "branch.sqlite3";

/// How a hub is opened.
#[derive(Clone, Debug)]
pub struct HubOptions {
    /// Fresh random bytes: they make the server's key in a new directory and the epoch after a restore.
    pub entropy: [u8; 32],
    /// Most documents that stay in memory.
    pub documents_max: usize,
    /// Most runs that are prepared for the writer at a time, each counted with the size of its changes; with
    /// `documents_max` this bounds what documents take of memory.
    pub ahead_max: usize,
    /// Most writes that may wait; more are refused as overload.
    pub queue_max: usize,
    /// Most writes in one transaction.
    pub group_max: usize,
    /// How long notes of who was seen may wait for a transaction of their own.
    pub idle_flush: Duration,
    /// True for a command that works beside the process that serves: it takes no lock on the directory.
    /// SQLite keeps the two apart, and the serving process notices what the command published.
    pub beside: bool,
    /// Where the bytes of files lie.
    pub vault: VaultOptions,
}

impl HubOptions {
    /// The usual sizes, with fresh random bytes.
    #[must_use]
    pub const fn new(entropy: [u8; 32]) -> Self {
        Self {
            entropy,
            documents_max: 256,
            ahead_max: 320,
            queue_max: 256,
            group_max: 64,
            idle_flush: IDLE_FLUSH,
            beside: false,
            vault: VaultOptions::Directory,
        }
    }
}

/// A branch server: its logs, devices and definitions. Clones share one store.
#[derive(Clone)]
pub struct Hub {
    inner: Arc<Inner>,
}

struct Inner {
    shared: Arc<Shared>,
    path: PathBuf,
    open: Mutex<Option<Open>>,
    /// The bytes of files.
    vault: Vault,
    /// Held by who makes a thumbnail: one at a time.
    thumbnails: Mutex<()>,
    /// The last file that was looked at for clearing.
    cleared_to: Mutex<Option<FileHash>>,
}

/// What a hub holds until it is closed. The lock goes last.
struct Open {
    jobs: SyncSender<Job>,
    thread: JoinHandle<()>,
    _lock: Option<lock::Lock>,
}

/// Where a scope's log ends and what it holds: what a device must show too once it has caught up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which scope.
    pub scope: ScopeId,
    /// Last row.
    pub seq: u64,
    /// Chain at that row.
    pub chain: [u8; 32],
    /// Number of changes and definitions.
    pub count: u64,
    /// Their sum.
    pub sum: [u8; 32],
}

impl Standing {
    /// The standing of a scope in which nothing has happened.
    #[must_use]
    pub fn empty(scope: &ScopeId) -> Self {
        Self { scope: scope.clone(), seq: 0, chain: [0; 32], count: 0, sum: [0; 32] }
    }
}

/// What the hub counts of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Scopes that have a log.
    pub scopes: u64,
    /// Rows over all logs.
    pub records: u64,
    /// Documents over all scopes.
    pub documents: u64,
    /// Documents in memory.
    pub documents_in_memory: u64,
    /// Documents whose rows wait to be written again.
    pub waiting_rows: u64,
    /// Devices ever enrolled.
    pub devices: u64,
    /// Refused runs that are kept.
    pub refusals: u64,
    /// Transactions since the hub was opened.
    pub commits: u64,
    /// Writes in them.
    pub writes: u64,
    /// Files that are here.
    pub files: u64,
    /// Their bytes.
    pub file_bytes: u64,
    /// Files that records name and that are not here.
    pub files_missing: u64,
    /// Times that the writer waited for the disk: once for each transaction that changed something, and a
    /// few times when the write-ahead log is folded in.
    pub fsyncs: u64,
}

impl Hub {
    /// Opens the branch's data directory, or makes it.
    ///
    /// # Errors
    /// `Busy` naming the process that has it open, `Newer` when a newer version wrote the file,
    /// `Corrupt` when it is damaged, `Storage` when the directory cannot be used.
    pub fn open(dir: &Path, options: &HubOptions) -> Result<Self, Error> {
        std::fs::create_dir_all(dir).map_err(|cause| {
            Error::new(ErrorKind::Storage, "无法创建数据目录", "the data directory cannot be made")
                .caused_by(cause)
        })?;
        let lock = if options.beside { None } else { Some(lock::Lock::take(dir)?) };
        let path = dir.join(FILE);
        let mut conn = store::open(&path)?;
        let server = store::server::prepare(&mut conn, &options.entropy)?;
        let key = Key::from_seed(&server.seed);
        let identity = Identity {
            device: key.device_id(),
            user: UserId::new(SERVER_USER),
            seed: server.seed,
            epochs: Epochs::of(server.epoch),
            key,
        };
        let catalog = definitions::load(&conn)?;
        let shared = Arc::new(Shared::new(identity, catalog, path.clone(), options.ahead_max));
        if !options.beside {
            repair::count(&shared)?;
        }
        let writer = Writer::new(conn, shared.clone(), options.documents_max)?;
        let (jobs, thread) = writer::start(writer, options)?;
        let open = Mutex::new(Some(Open { jobs, thread, _lock: lock }));
        let inner = Inner {
            shared,
            path,
            open,
            vault: Vault::open(dir, &options.vault)?,
            thumbnails: Mutex::default(),
            cleared_to: Mutex::default(),
        };
        let hub = Self { inner: Arc::new(inner) };
        // Few documents are done here; of more, the rest waits.
        hub.write_rows()?;
        Ok(hub)
    }

    /// The definitions in force.
    #[must_use]
    pub fn catalog(&self) -> Arc<Catalog> {
        self.inner.shared.catalog()
    }

    /// The branch's unit id, once an organisation is loaded.
    #[must_use]
    pub fn branch(&self) -> Option<String> {
        self.catalog().organisation().map(|organisation| organisation.branch.id.clone())
    }

    /// The epoch that cursors belong to: another one after every restore.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.inner.shared.identity.epoch()
    }

    /// The server's public key: heads are signed with its secret half.
    #[must_use]
    pub fn public_key(&self) -> [u8; 32] {
        self.inner.shared.identity.key.public()
    }

    /// The branch's word that a TLS key is its own.
    #[must_use]
    pub fn vouch_for(&self, pin: Pin, now_ms: i64) -> Voucher {
        Voucher::signed(pin, now_ms, &self.inner.shared.identity.key)
    }

    /// The scopes that a person holds now, sorted.
    ///
    /// # Errors
    /// `Busy` when the hub is closed.
    pub fn grants(&self, user: &UserId) -> Result<Vec<ScopeId>, Error> {
        self.jobs()?;
        Ok(self.catalog().grants(user))
    }

    /// Hears of every scope whose log grows. A missed poke costs delay, never data.
    #[must_use]
    pub fn subscribe(&self) -> broadcast::Receiver<Poke> {
        self.inner.shared.pokes.subscribe()
    }

    /// Tells whether the store can be read and written.
    ///
    /// # Errors
    /// What a write would fail with.
    pub fn healthy(&self) -> Result<(), Error> {
        self.inner.shared.read(|conn| store::scope::all(conn).map(|_| ()))?;
        Ok(self.write(|_| Ok(()))?)
    }

    /// Where every scope's log ends and what it holds, sorted by scope.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn standings(&self) -> Result<Vec<Standing>, Error> {
        let scopes = self.inner.shared.read(store::scope::all)?;
        Ok(scopes
            .into_iter()
            .map(|(scope, head)| Standing {
                scope,
                seq: head.seq,
                chain: head.chain.0,
                count: head.digest.count,
                sum: head.digest.sum,
            })
            .collect())
    }

    /// Hash of all rows of a scope in a fixed order: equal to that of any device that holds the same.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn fingerprint(&self, scope: &ScopeId) -> Result<[u8; 32], Error> {
        self.inner.shared.read(|conn| projection::fingerprint(conn, scope))
    }

    /// Hash of all rows of one record.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn fingerprint_of(&self, document: DocumentId) -> Result<[u8; 32], Error> {
        self.inner.shared.read(|conn| projection::fingerprint_of(conn, document))
    }

    /// What the hub counts of itself.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn stats(&self) -> Result<Stats, Error> {
        let counted = self.inner.shared.counters.read();
        self.inner.shared.read(|conn| {
            let (files, file_bytes) = store::file::count(conn)?;
            Ok(Stats {
                files,
                file_bytes,
                files_missing: store::file::missing_count(conn)?,
                scopes: store::scope::all(conn)?.len() as u64,
                records: store::log::count(conn)?,
                documents: store::document::count(conn)?,
                documents_in_memory: counted.documents as u64,
                waiting_rows: rows::waiting(conn)?,
                devices: store::device::count(conn)?,
                refusals: store::refusal::count(conn)?,
                commits: counted.commits,
                writes: counted.jobs,
                fsyncs: counted.fsyncs,
            })
        })
    }

    /// Puts all rows of the log but the `recent` newest into their form at rest, in steps; the hub does it by
    /// itself while nobody asks for anything.
    ///
    /// # Errors
    /// What a write fails with.
    pub fn compact(&self, recent: u32) -> Result<(), Error> {
        while self.write(move |writer| writer.compact_some(recent))? {}
        Ok(())
    }

    /// Ends the hub: what was accepted is on disk, the write-ahead log is folded in, the directory is
    /// free. Clones answer `Busy` from now on. Closing twice is no error.
    ///
    /// # Errors
    /// `Storage` when the writer had ended badly.
    pub fn close(&self) -> Result<(), Error> {
        self.inner.close()
    }

    /// Hands work to the one writer and waits for its commit.
    fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, WriteFailure> {
        let jobs = self.jobs().map_err(WriteFailure::Failed)?;
        writer::submit(&jobs, work)
    }

    fn jobs(&self) -> Result<SyncSender<Job>, Error> {
        let open = self.inner.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|open| open.jobs.clone()).ok_or_else(writer::closed)
    }
}

impl std::fmt::Debug for Hub {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Hub").field("path", &self.inner.path).finish_non_exhaustive()
    }
}

impl Inner {
    fn close(&self) -> Result<(), Error> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Open { jobs, thread, _lock }) = open else { return Ok(()) };
        drop(jobs);
        self.shared.close_readers();
        thread
            .join()
            .map_err(|_| Error::new(ErrorKind::Storage, "写入线程异常结束", "the writing thread ended badly"))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        if self.close().is_err() {
            tracing::error!("the writing thread ended badly");
        }
    }
}
