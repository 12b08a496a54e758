//! What the writer and the readers of one hub share.

use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, RwLock};
use tokio::sync::{broadcast, watch};
use xunyuan_core::definition::Catalog;
use xunyuan_core::error::Error;
use xunyuan_core::id::{DeviceId, ScopeId, UserId};
use xunyuan_core::wire::key::Key;

use super::repair::Losses;
use super::store::{self, device::Seen};

/// The person that the branch server's own runs are signed for.
pub const SERVER_USER: &str = "sys.server";
/// Idle read connections that are kept: opening one reads the whole schema.
const READERS_KEPT: usize = 16;

/// A scope's log has reached a row: a hint to exchange, nothing more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Poke {
    /// Which scope.
    pub scope: ScopeId,
    /// Its last row.
    pub seq: u64,
}

/// Who the server is.
pub(super) struct Identity {
    /// Its signing key.
    pub(super) key: Key,
    /// The secret that the key and the server's actors come from.
    pub(super) seed: [u8; 32],
    /// The epoch that cursors belong to, and the one that the writer is about to commit.
    pub(super) epochs: Epochs,
    /// The id under which its own runs are in the log.
    pub(super) device: DeviceId,
    /// The person that they are signed for.
    pub(super) user: UserId,
}

impl Identity {
    /// The epoch that cursors belong to.
    pub(super) fn epoch(&self) -> u64 {
        self.epochs.committed.load(Ordering::Acquire)
    }

    /// The epoch under which the writer writes: a new one counts here before its commit.
    pub(super) fn writing_epoch(&self) -> u64 {
        self.epochs.writing.load(Ordering::Acquire)
    }

    /// The writer has begun a new epoch in a transaction that is not committed yet.
    pub(super) fn put_writing(&self, epoch: u64) {
        self.epochs.writing.store(epoch, Ordering::Release);
    }

    /// Says how the transaction ended, with the epoch that the file has now.
    pub(super) fn settle_epoch(&self, is_committed: bool) {
        if is_committed {
            self.epochs.committed.store(self.writing_epoch(), Ordering::Release);
        } else {
            self.put_writing(self.epoch());
        }
    }
}

/// A server that finds that its file was put back begins a new epoch while it serves.
#[derive(Debug)]
pub(super) struct Epochs {
    committed: AtomicU64,
    writing: AtomicU64,
}

impl Epochs {
    /// The epoch as the file says it.
    pub(super) const fn of(epoch: u64) -> Self {
        Self { committed: AtomicU64::new(epoch), writing: AtomicU64::new(epoch) }
    }
}

/// Shared by every clone of a hub and its writer.
pub(super) struct Shared {
    pub(super) identity: Identity,
    pub(super) pokes: broadcast::Sender<Poke>,
    /// Moves whenever devices or grants may have changed: who listens looks whether it still may.
    pub(super) rights: watch::Sender<u64>,
    pub(super) seen: SeenMarks,
    pub(super) counters: Counters,
    /// Runs that are looked at ahead of their turn.
    pub(super) ahead: Budget,
    pub(super) losses: Losses,
    catalog: RwLock<Arc<Catalog>>,
    path: PathBuf,
    readers: Mutex<Vec<Connection>>,
}

impl Shared {
    pub(super) fn new(identity: Identity, catalog: Catalog, path: PathBuf, ahead_max: usize) -> Self {
        Self {
            identity,
            pokes: broadcast::Sender::new(1_024),
            rights: watch::Sender::new(0),
            seen: SeenMarks::default(),
            counters: Counters::default(),
            ahead: Budget::new(ahead_max),
            losses: Losses::default(),
            catalog: RwLock::new(Arc::new(catalog)),
            path,
            readers: Mutex::default(),
        }
    }

    /// The definitions in force, as committed.
    pub(super) fn catalog(&self) -> Arc<Catalog> {
        self.catalog.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn put_catalog(&self, catalog: Arc<Catalog>) {
        *self.catalog.write().unwrap_or_else(PoisonError::into_inner) = catalog;
        self.note_rights();
    }

    /// Says that devices or grants may have changed.
    pub(super) fn note_rights(&self) {
        self.rights.send_modify(|times| *times = times.wrapping_add(1));
    }

    /// Reads in one transaction of its own, so that all of it is of one moment.
    pub(super) fn read<T>(&self, work: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let pooled = locked(&self.readers).pop();
        let conn = match pooled {
            Some(conn) => conn,
            None => store::open_reader(&self.path)?,
        };
        conn.execute_batch("BEGIN")?;
        let outcome = work(&conn);
        conn.execute_batch("COMMIT")?;
        let mut readers = locked(&self.readers);
        if readers.len() < READERS_KEPT {
            readers.push(conn);
        }
        outcome
    }

    /// Closes the idle read connections.
    pub(super) fn close_readers(&self) {
        locked(&self.readers).clear();
    }
}

/// What a device last said, waiting for a transaction to write it down.
#[derive(Clone, Debug)]
pub(super) struct SeenMark {
    pub(super) at_ms: i64,
    pub(super) app: String,
    pub(super) seen: Seen,
}

/// Seen-marks in memory: an exchange that changes nothing writes nothing by itself.
#[derive(Debug, Default)]
pub(super) struct SeenMarks(Mutex<BTreeMap<DeviceId, SeenMark>>);

impl SeenMarks {
    pub(super) fn put(&self, device: DeviceId, mark: SeenMark) {
        locked(&self.0).insert(device, mark);
    }

    pub(super) fn of(&self, device: &DeviceId) -> Option<SeenMark> {
        locked(&self.0).get(device).cloned()
    }

    pub(super) fn take(&self) -> BTreeMap<DeviceId, SeenMark> {
        std::mem::take(&mut locked(&self.0))
    }

    pub(super) fn is_empty(&self) -> bool {
        locked(&self.0).is_empty()
    }
}

/// How much may be prepared for the writer at a time: who asks for more waits until others are done.
#[derive(Debug)]
pub(super) struct Budget {
    most: usize,
    used: Mutex<usize>,
    freed: Condvar,
}

impl Budget {
    pub(super) const fn new(most: usize) -> Self {
        Self { most, used: Mutex::new(0), freed: Condvar::new() }
    }

    /// Takes a part, at most all of it, until the part is dropped.
    pub(super) fn take(&self, wanted: usize) -> Part<'_> {
        let size = wanted.min(self.most);
        let used = locked(&self.used);
        let mut used = self
            .freed
            .wait_while(used, |used| *used + size > self.most)
            .unwrap_or_else(PoisonError::into_inner);
        *used += size;
        Part { budget: self, size }
    }
}

/// A taken part of a [`Budget`].
#[derive(Debug)]
pub(super) struct Part<'b> {
    budget: &'b Budget,
    size: usize,
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        *locked(&self.budget.used) -= self.size;
        self.budget.freed.notify_all();
    }
}

/// What the hub counts of itself since it was opened.
#[derive(Debug, Default)]
pub(super) struct Counters {
    commits: AtomicU64,
    jobs: AtomicU64,
    fsyncs: AtomicU64,
    documents: AtomicUsize,
}

/// The counters at one moment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    /// Transactions.
    pub(super) commits: u64,
    /// Jobs in them.
    pub(super) jobs: u64,
    /// Waits for the disk.
    pub(super) fsyncs: u64,
    /// Documents in memory.
    pub(super) documents: usize,
}

impl Counters {
    pub(super) fn note_commit(&self, jobs: usize) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        self.jobs.fetch_add(jobs as u64, Ordering::Relaxed);
    }

    pub(super) fn note_fsyncs(&self, count: u64) {
        self.fsyncs.fetch_add(count, Ordering::Relaxed);
    }

    pub(super) fn note_documents(&self, count: usize) {
        self.documents.store(count, Ordering::Relaxed);
    }

    pub(super) fn read(&self) -> Counted {
        Counted {
            commits: self.commits.load(Ordering::Relaxed),
            jobs: self.jobs.load(Ordering::Relaxed),
            fsyncs: self.fsyncs.load(Ordering::Relaxed),
            documents: self.documents.load(Ordering::Relaxed),
        }
    }
}

/// A panic elsewhere while it was held leaves these plain collections whole.
pub(super) fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::Budget;
    use std::sync::mpsc::channel;

    #[test]
    fn no_more_is_taken_than_there_is() {
        let budget = Budget::new(3);
        let first = budget.take(2);
        let (sender, taken) = channel();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let _all = budget.take(100);
                sender.send(()).unwrap();
            });
            let second = budget.take(1);
            assert!(taken.recv_timeout(std::time::Duration::from_millis(50)).is_err());
            drop((first, second));
            taken.recv().unwrap();
        });
    }
}
