//! A replica that an app holds open: shared by its threads, exchanged by a thread of its own.
//!
//! Receives an open replica and what the platform says of itself; hands on short holds of it, exchanges
//! and news. Nothing here outlives [`Held::close`], nothing waits for an app's code, and a panic of the
//! core is a failure of one call. Forbids knowing what a record says.

mod news;
mod status;
mod worker;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};
use xunyuan_core::id::DocumentId;
use xunyuan_core::replica::Replica;
use xunyuan_core::sqlite::FileKey;
use xunyuan_core::time::Moment;

use crate::clock::Clock;
use crate::failure::{Failure, FailureKind};
use crate::files::{Carried, Shelf};
use crate::net::Carrier;
use crate::place;
use crate::sync::{Line, Outcome};
use worker::Wishes;

pub use news::{Level, News, Told};
pub use status::{Activity, Standing};
pub use worker::{Network, Waiter};

/// How a replica is held.
#[derive(Clone, Debug)]
pub struct Habits {
    /// Longest time between two exchanges while there is signal.
    pub every: Duration,
    /// True when records may travel on a network that costs.
    pub on_metered: bool,
    /// False while only a person's wish starts an exchange.
    pub by_itself: bool,
}

/// One replica, held open.
pub struct Held {
    file: PathBuf,
    key: Option<FileKey>,
    replica: Mutex<Option<Replica>>,
    clock: Mutex<Clock>,
    carrier: Mutex<Carrier>,
    wishes: Mutex<Wishes>,
    wished: Condvar,
    news: News,
}

impl Held {
    /// Holds an open replica and begins to exchange it; `key` is what its file opens with, where it is encrypted.
    ///
    /// # Errors
    /// `Storage` when the system gives no thread.
    pub fn new(
        replica: Replica,
        file: &Path,
        key: Option<FileKey>,
        clock: Clock,
        carrier: Carrier,
        habits: Habits,
    ) -> Result<Arc<Self>, Failure> {
        let held = Arc::new(Self {
            file: file.to_owned(),
            key,
            replica: Mutex::new(Some(replica)),
            clock: Mutex::new(clock),
            carrier: Mutex::new(carrier),
            wishes: Mutex::new(Wishes::new(habits)),
            wished: Condvar::new(),
            news: News::default(),
        });
        if let Some((_, notice)) = held.clock().notice() {
            held.log(Level::Warning, notice);
        }
        let working = Arc::clone(&held);
        let named = thread::Builder::new().name("xunyuan-sync".to_owned());
        named.spawn(move || worker::run(&working)).map_err(|error| {
            Failure::storage(
                "no_thread",
                format!("系统没有给出线程({error});请重启本机"),
                format!("the system gives no thread ({error}); restart this device"),
            )
        })?;
        Ok(held)
    }

    /// The replica file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The clock as it is now.
    #[must_use]
    pub fn clock(&self) -> Clock {
        locked(&self.clock).clone()
    }

    /// Goes on by another clock: the person crossed a time zone.
    pub fn set_clock(&self, clock: Clock) {
        *locked(&self.clock) = clock;
    }

    /// Lends the replica for reading: one short piece of work that no other thread is in.
    ///
    /// # Errors
    /// `Closed` after [`Held::close`], `Erased` once the branch shut the device out, `Internal` for a
    /// panic, what the work fails with.
    pub fn read<T>(&self, work: impl FnOnce(&mut Replica) -> Result<T, Failure>) -> Result<T, Failure> {
        self.lend(|replica| if replica.is_erased() { Err(Failure::erased()) } else { work(replica) })
    }

    /// Lends the replica for one action of the person at this moment; `work` says which documents it
    /// touched. The worker and whoever listens hear of it.
    ///
    /// # Errors
    /// As [`Held::read`], and `Storage` when the system gives no randomness.
    pub fn act<T>(
        &self,
        work: impl FnOnce(&mut Replica, &Moment) -> Result<(T, Vec<DocumentId>), Failure>,
    ) -> Result<T, Failure> {
        let moment = self.clock().moment()?;
        let (value, touched) = self.read(|replica| work(replica, &moment))?;
        self.news.changed(touched);
        self.wish(Wishes::edited);
        Ok(value)
    }

    /// Closes the file: every later call fails, threads end by themselves, none of them is waited for.
    pub fn close(&self) {
        self.wish(Wishes::close);
        self.news.close();
        drop(locked(&self.replica).take());
    }

    /// Exchanges with the branch, on this thread, until nothing is left to say or `until` is reached;
    /// an exchange that is under way is waited for first. What could not be finished is not lost: it is
    /// `is_finished` that is false.
    ///
    /// # Errors
    /// `Closed`.
    pub fn exchange(self: &Arc<Self>, until: Option<Instant>) -> Result<Outcome, Failure> {
        if !self.begin_exchange(until)? {
            return Ok(Outcome::default());
        }
        Ok(self.exchange_begun(until))
    }

    /// The exchange of whoever has the turn, which it gives back. Once the branch was reached, its pokes are
    /// listened to.
    fn exchange_begun(self: &Arc<Self>, until: Option<Instant>) -> Outcome {
        let carried = catch_unwind(AssertUnwindSafe(|| self.carry(until)));
        let outcome =
            carried.unwrap_or_else(|_| Outcome { failure: Some(Failure::defect()), ..Outcome::default() });
        self.end_exchange(&outcome);
        if outcome.failure.is_none() {
            self.listen();
        }
        outcome
    }

    /// The news of this replica.
    #[must_use]
    pub const fn news(&self) -> &News {
        &self.news
    }

    /// One line of the log. Counts, codes and durations only.
    pub(crate) fn log(&self, level: Level, text: impl Into<String>) {
        self.news.log(level, text.into());
    }

    fn carry(&self, until: Option<Instant>) -> Outcome {
        let began = Instant::now();
        let (carrier, clock) = (locked(&self.carrier).clone(), self.clock());
        let line = Line { carrier: &carrier, clock: &clock, until };
        let is_closed = || locked(&self.wishes).is_closed();
        let mut outcome = line.exchange(
            &mut |work| {
                self.lend(|replica| {
                    work(replica);
                    Ok(())
                })
            },
            &mut |_| !is_closed(),
        );
        if outcome.wiped || (outcome.is_finished && outcome.failure.is_none()) {
            self.carry_files(&line, &mut outcome);
        }
        let passed = began.elapsed().as_millis();
        match &outcome.failure {
            None => self.log(
                Level::Info,
                format!(
                    "exchange: {} requests, {} changes delivered, {} records received, {passed} ms",
                    outcome.requests, outcome.acknowledged, outcome.received
                ),
            ),
            Some(failure) => {
                self.log(Level::Warning, format!("exchange: {} after {passed} ms", failure.code()));
            }
        }
        outcome
    }

    /// Carries files, once everything else is said. What is edited or poked meanwhile goes first.
    fn carry_files(&self, line: &Line<'_>, outcome: &mut Outcome) {
        let carried = line.files(
            &Shelf::beside(&self.file),
            &mut |work| {
                self.lend(|replica| {
                    work(replica);
                    Ok(())
                })
            },
            &mut |_| !locked(&self.wishes).is_wanted(),
        );
        let Carried { sent, fetched, thumbnails, .. } = carried;
        if sent + fetched + thumbnails > 0 || !carried.refused.is_empty() {
            let refused = carried.refused.len();
            self.log(Level::Info, format!("files: {sent} sent, {fetched} fetched, {refused} refused"));
            self.news.everything_changed();
        }
        outcome.bytes_sent += carried.bytes_sent;
        outcome.bytes_received += carried.bytes_received;
        outcome.is_finished &= carried.is_finished;
        outcome.retry_after_ms = carried.retry_after_ms.or(outcome.retry_after_ms);
        outcome.failure = outcome.failure.take().or(carried.failure);
    }

    /// Lends the replica whatever its state.
    fn lend<T>(&self, work: impl FnOnce(&mut Replica) -> Result<T, Failure>) -> Result<T, Failure> {
        let mut place = locked(&self.replica);
        let replica = place.as_mut().ok_or_else(Failure::closed)?;
        // What a panic left half done in memory is dropped with the replica; the file knows only whole
        // transactions.
        match catch_unwind(AssertUnwindSafe(|| work(replica))) {
            Ok(result) => result.map_err(|failure| self.set_aside(&mut place, failure)),
            Err(_) => {
                *place = None;
                *place = place::open(&self.file, self.key.as_ref(), &self.clock()).ok();
                self.log(Level::Error, "a defect: the replica was opened again".to_owned());
                Err(Failure::defect())
            }
        }
    }

    /// A store that turns out to be damaged is closed and set aside.
    fn set_aside(&self, place: &mut Option<Replica>, failure: Failure) -> Failure {
        if failure.kind() != FailureKind::Corrupt {
            return failure;
        }
        *place = None;
        self.log(Level::Error, "the file is damaged and was set aside".to_owned());
        place::damaged(&self.file, failure, &self.clock())
    }

    fn wish(&self, say: impl FnOnce(&mut Wishes)) {
        say(&mut locked(&self.wishes));
        self.wished.notify_all();
    }
}

/// The content of a lock. Nothing panics while it holds one: a thread that died elsewhere is no reason
/// to refuse a person's work.
fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}
