//! The one thread that writes, and group commit.
//!
//! Jobs that wait together share one transaction and one fsync. Each has its own savepoint, so that a
//! failing job does not undo the others; no job's outcome leaves before the commit that covers it.

use rusqlite::Connection;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;
use xunyuan_core::definition::Catalog;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{DocumentId, ScopeId};
use xunyuan_core::projection;

use super::HubOptions;
use super::cache::Documents;
use super::definitions;
use super::mend::Waiting;
use super::shared::{Poke, Shared};
use super::store;

/// Pages of the write-ahead log from which it is folded into the file: 8 MiB.
const FOLD_PAGES: i32 = 2_000;
/// Waits for the disk that folding takes: the log, the file, and the header of the log's next round.
const FOLD_SYNCS: u64 = 3;

/// Texts that enter the index of search in one transaction: some hundredths of a second.
const INDEX_MAX: u32 = 200;
/// Rows of the log that are looked at for their form at rest in one transaction: as long.
const COMPACT_MAX: u32 = 200;
/// The newest rows of the log stay as they came.
const RECENT: u32 = 1_000;

/// How often beginning is tried again while another process writes; each try waits for seconds.
const BEGIN_TRIES_MAX: u32 = 10;

/// What a job works with: the connection inside its savepoint, and what memory holds of the log.
pub(super) struct Writer {
    pub(super) conn: Connection,
    pub(super) documents: Documents,
    pub(super) catalog: Arc<Catalog>,
    pub(super) shared: Arc<Shared>,
    /// Rows of holes that are not closed yet.
    pub(super) waiting: Waiting,
    moved: BTreeMap<ScopeId, u64>,
    catalog_moved: bool,
    /// What the file said of other connections' commits, and how many definitions it held.
    others: Option<(i64, u64)>,
    /// Pages in the write-ahead log after the last commit.
    log_pages: Arc<AtomicI32>,
}

/// Says how a job ended, once the commit is known.
type Deliver = Box<dyn FnOnce(Result<(), Error>) + Send>;
/// A job, done with a writer or told why there is none: true when it worked, and how its caller hears of it.
pub(super) type Job = Box<dyn FnOnce(Result<&mut Writer, Error>) -> (bool, Deliver) + Send>;

/// Why a job was not done.
#[derive(Debug)]
pub(super) enum WriteFailure {
    /// Too many jobs wait already.
    Overloaded,
    /// The job or its commit failed; nothing of it was saved.
    Failed(Error),
}

impl From<WriteFailure> for Error {
    fn from(failure: WriteFailure) -> Self {
        match failure {
            WriteFailure::Failed(error) => error,
            WriteFailure::Overloaded => Self::new(
                ErrorKind::Busy,
                "服务器繁忙,请稍后重试",
                "the branch server is busy; try again in a moment",
            ),
        }
    }
}

impl Writer {
    /// A writer over an open file.
    ///
    /// # Errors
    /// `Storage` when the file's commits cannot be watched.
    pub(super) fn new(
        mut conn: Connection,
        shared: Arc<Shared>,
        documents_max: usize,
    ) -> Result<Self, Error> {
        let catalog = shared.catalog();
        let documents = Documents::new(documents_max);
        let log_pages = Arc::new(AtomicI32::new(0));
        let (counted, held) = (shared.clone(), log_pages.clone());
        store::watch(&mut conn, move |pages| {
            counted.counters.note_fsyncs(1);
            held.store(pages, Ordering::Relaxed);
        })?;
        let mut writer = Self {
            conn,
            documents,
            catalog,
            shared,
            waiting: Waiting::default(),
            moved: BTreeMap::new(),
            catalog_moved: false,
            others: None,
            log_pages,
        };
        writer.notice_others();
        Ok(writer)
    }

    /// Notes that a scope's log has grown: said to listeners after the commit.
    pub(super) fn note_moved(&mut self, scope: &ScopeId, seq: u64) {
        self.moved.insert(scope.clone(), seq);
    }

    /// Puts new definitions in force: for everyone else after the commit.
    pub(super) fn put_catalog(&mut self, catalog: Catalog) {
        self.catalog = Arc::new(catalog);
        self.catalog_moved = true;
        self.documents.clear();
    }

    /// Does something about one document in a savepoint of its own; none when the document cannot be read, or
    /// Automerge panicked over it. Then nothing of it was written, it is no longer in memory, and whatever
    /// else is done goes on.
    ///
    /// # Errors
    /// When the store itself failed: nothing of the whole job may be kept.
    pub(super) fn about<T>(
        &mut self,
        document: DocumentId,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<Option<T>, Error> {
        self.conn.prepare_cached("SAVEPOINT document")?.execute([])?;
        let done = catch_unwind(AssertUnwindSafe(|| work(&mut *self)));
        match done {
            Ok(Err(error)) if error.kind() != ErrorKind::Protocol => return Err(error),
            Ok(Ok(value)) => {
                self.conn.prepare_cached("RELEASE document")?.execute([])?;
                return Ok(Some(value));
            }
            Ok(Err(error)) => tracing::error!(%error, "a document cannot be read; run verify"),
            Err(_) => tracing::error!("a panic over one document was caught; run verify"),
        }
        self.conn.execute_batch("ROLLBACK TO document; RELEASE document")?;
        self.documents.remove(document);
        Ok(None)
    }

    /// Does jobs until every sender is gone.
    pub(super) fn run(mut self, jobs: &Receiver<Job>, group_max: usize, idle_flush: Duration) {
        let mut is_behind = true;
        loop {
            // While upkeep waits, jobs go first; then a step of it whenever there is none.
            let patience = if is_behind { Duration::ZERO } else { idle_flush };
            match jobs.recv_timeout(patience) {
                Ok(first) => {
                    self.group(first, jobs, group_max);
                    is_behind = true;
                }
                Err(RecvTimeoutError::Timeout) => {
                    if !is_behind {
                        self.notice_others();
                        self.flush_idle();
                    }
                    is_behind = is_behind && self.look_after();
                }
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
        self.flush_idle();
        if let Err(error) = self.conn.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)") {
            tracing::warn!(%error, "the write-ahead log was not folded in");
        }
    }

    /// One transaction over as many jobs as wait.
    fn group(&mut self, first: Job, jobs: &Receiver<Job>, group_max: usize) {
        if let Err(error) = self.begin() {
            tracing::error!(%error, "a write transaction did not begin");
            let (_, deliver) = first(Err(again(&error)));
            return deliver(Err(error));
        }
        self.notice_others();
        let mut delivers = vec![self.one(first)];
        while delivers.len() < group_max && !self.conn.is_autocommit() {
            let Ok(job) = jobs.try_recv() else { break };
            delivers.push(self.one(job));
        }
        let outcome = self.flush_seen().and_then(|()| self.commit());
        self.settle(&outcome);
        self.shared.counters.note_commit(delivers.len());
        for deliver in delivers {
            deliver(outcome.as_ref().copied().map_err(again));
        }
        self.fold();
    }

    /// Folds a long write-ahead log into the file once everyone has their answer: SQLite by itself would do
    /// it inside a commit that somebody waits for.
    fn fold(&self) {
        if self.log_pages.load(Ordering::Relaxed) < FOLD_PAGES {
            return;
        }
        self.log_pages.store(0, Ordering::Relaxed);
        self.shared.counters.note_fsyncs(FOLD_SYNCS);
        if let Err(error) = store::fold(&self.conn) {
            tracing::warn!(%error, "the write-ahead log was not folded in");
        }
    }

    /// A command beside this process may have published definitions: they come into force here too.
    fn notice_others(&mut self) {
        let version = match store::server::data_version(&self.conn) {
            Ok(version) if self.others.is_some_and(|(seen, _)| seen == version) => return,
            Ok(version) => version,
            Err(error) => return tracing::error!(%error, "the file was not looked at"),
        };
        let count = match store::definition::count(&self.conn) {
            Ok(count) => count,
            Err(error) => return tracing::error!(%error, "definitions were not counted"),
        };
        let before = self.others.replace((version, count));
        // It may have been a device that was revoked.
        self.shared.note_rights();
        if before.is_none_or(|(_, known)| known == count) {
            return;
        }
        match definitions::load(&self.conn) {
            Ok(catalog) => self.put_others(catalog),
            Err(error) => tracing::error!(%error, "definitions were not read back"),
        }
    }

    fn put_others(&mut self, catalog: Catalog) {
        self.catalog = Arc::new(catalog);
        self.documents.clear();
        self.shared.put_catalog(self.catalog.clone());
        let scope = self.catalog.definitions_scope();
        let head = scope.as_ref().map(|scope| store::scope::head(&self.conn, scope));
        if let (Some(scope), Some(Ok(head))) = (scope, head) {
            // Nobody listening is no error.
            let _ = self.shared.pokes.send(Poke { scope, seq: head.seq });
        }
    }

    /// One job inside its savepoint.
    fn one(&mut self, job: Job) -> Deliver {
        if let Err(error) = self.conn.execute_batch("SAVEPOINT job") {
            tracing::error!(%error, "a savepoint was not made");
        }
        let done = catch_unwind(AssertUnwindSafe(|| job(Ok(&mut *self))));
        let worked = matches!(done, Ok((true, _)));
        let close = if worked { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
        // Where SQLite itself undid the whole transaction there is no savepoint left; the commit then fails
        // for the whole group, which is what its callers must hear.
        if let Err(error) = self.conn.execute_batch(close) {
            tracing::error!(%error, "a savepoint was not closed");
        }
        if !worked {
            self.forget();
        }
        match done {
            Ok((_, deliver)) => deliver,
            Err(_) => Box::new(|_| ()),
        }
    }

    /// Drops what memory may hold ahead of the log.
    fn forget(&mut self) {
        self.documents.clear();
        match store::server::epoch(&self.conn) {
            Ok(epoch) => self.shared.identity.put_writing(epoch),
            Err(error) => tracing::error!(%error, "the epoch was not read back"),
        }
        if self.catalog_moved {
            match definitions::load(&self.conn) {
                Ok(catalog) => self.catalog = Arc::new(catalog),
                Err(error) => tracing::error!(%error, "definitions were not read back"),
            }
        }
    }

    /// Begins a transaction; a command that writes beside this process is waited for.
    fn begin(&self) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            match self.conn.execute_batch("BEGIN IMMEDIATE").map_err(Error::from) {
                Err(error) if error.kind() == ErrorKind::Busy && tries < BEGIN_TRIES_MAX => tries += 1,
                begun => return begun,
            }
        }
    }

    fn commit(&self) -> Result<(), Error> {
        Ok(self.conn.execute_batch("COMMIT")?)
    }

    /// After the commit: listeners hear what moved. After a failed one: memory forgets.
    fn settle(&mut self, outcome: &Result<(), Error>) {
        let moved = std::mem::take(&mut self.moved);
        self.shared.identity.settle_epoch(outcome.is_ok());
        match outcome {
            Ok(()) => {
                if std::mem::take(&mut self.catalog_moved) {
                    self.shared.put_catalog(self.catalog.clone());
                    self.others = None;
                    self.notice_others();
                }
                for (scope, seq) in moved {
                    // Nobody listening is no error.
                    let _ = self.shared.pokes.send(Poke { scope, seq });
                }
            }
            Err(error) => {
                tracing::error!(%error, "a write transaction failed and was undone");
                if !self.conn.is_autocommit() {
                    let _ = self.conn.execute_batch("ROLLBACK");
                }
                self.forget();
                self.catalog_moved = false;
            }
        }
        self.shared.counters.note_documents(self.documents.len());
    }

    /// Writes seen-marks that no other transaction took along.
    fn flush_idle(&mut self) {
        if self.shared.seen.is_empty() {
            return;
        }
        let outcome = self.begin().and_then(|()| self.flush_seen()).and_then(|()| self.commit());
        self.settle(&outcome);
    }

    /// A step of what nobody waits for, in a transaction of its own: texts enter the index of search, older rows of
    /// the log their form at rest. True when there is more.
    fn look_after(&mut self) -> bool {
        let step = || -> Result<bool, Error> {
            let conn = &self.conn;
            let is_unindexed = projection::is_behind(conn)?;
            if !is_unindexed && !store::compaction::is_behind(conn, RECENT + COMPACT_MAX)? {
                return Ok(false);
            }
            self.begin()?;
            if is_unindexed {
                projection::index_some(conn, INDEX_MAX)?;
            } else {
                self.compact_some(RECENT)?;
            }
            self.commit().map(|()| true)
        };
        let outcome = step();
        if matches!(outcome, Ok(false)) {
            return false;
        }
        let is_done = outcome.is_ok();
        self.settle(&outcome.map(drop));
        self.fold();
        is_done
    }

    /// Puts the next older rows of the log into their form at rest; true when more are left.
    pub(super) fn compact_some(&self, recent: u32) -> Result<bool, Error> {
        store::compaction::compact_some(&self.conn, recent, COMPACT_MAX)
    }

    fn flush_seen(&self) -> Result<(), Error> {
        for (device, mark) in self.shared.seen.take() {
            store::device::put_seen(&self.conn, device, mark.at_ms, &mark.app, &mark.seen)?;
        }
        Ok(())
    }
}

/// Starts the thread that writes.
///
/// # Errors
/// `Storage` when no thread can be started.
pub(super) fn start(
    writer: Writer,
    options: &HubOptions,
) -> Result<(SyncSender<Job>, std::thread::JoinHandle<()>), Error> {
    let HubOptions { group_max, idle_flush, .. } = *options;
    let (sender, receiver) = sync_channel(options.queue_max);
    let thread = std::thread::Builder::new()
        .name("hub-writer".to_owned())
        .spawn(move || writer.run(&receiver, group_max, idle_flush))
        .map_err(|cause| {
            Error::new(ErrorKind::Storage, "无法启动写入线程", "the writing thread cannot be started")
                .caused_by(cause)
        })?;
    Ok((sender, thread))
}

/// Hands work to the writer and waits until it is committed.
pub(super) fn submit<T: Send + 'static>(
    sender: &SyncSender<Job>,
    work: impl FnOnce(&mut Writer) -> Result<T, Error> + Send + 'static,
) -> Result<T, WriteFailure> {
    let (reply, answer) = sync_channel(1);
    let job: Job = Box::new(move |writer| {
        let done = writer.and_then(work);
        let worked = done.is_ok();
        let deliver: Deliver = Box::new(move |committed| {
            // A caller that no longer waits needs no answer.
            let _ = reply.send(done.and_then(|value| committed.map(|()| value)));
        });
        (worked, deliver)
    });
    sender.try_send(job).map_err(|error| match error {
        TrySendError::Full(_) => WriteFailure::Overloaded,
        TrySendError::Disconnected(_) => WriteFailure::Failed(closed()),
    })?;
    match answer.recv() {
        Ok(outcome) => outcome.map_err(WriteFailure::Failed),
        Err(_) => Err(WriteFailure::Failed(Error::new(
            ErrorKind::Storage,
            "本次写入失败,没有保存;请重试",
            "this write failed and was not saved; try again",
        ))),
    }
}

/// The hub was closed.
pub(super) fn closed() -> Error {
    Error::new(ErrorKind::Busy, "服务器正在停止", "the branch server is stopping")
}

/// The same error once more, for each caller of a group.
fn again(error: &Error) -> Error {
    Error::new(error.kind(), error.sentence().zh.clone(), error.sentence().en.clone())
}
