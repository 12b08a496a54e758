//! What every handler shares: the hub, the clock, the limits and the way from async to blocking.
//!
//! The hub's calls block (SQLite), so they run beside the async threads, at most
//! `limits.exchanges_max` at a time. Who waits longer than `limits.exchange_wait_ms` for a turn is
//! sent away with 503 and comes back: a queue without end would only move the wait into the server.

use std::future::Future;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use xunyuan_core::error::Error;
use xunyuan_core::wire::pin::Pin;

use crate::clock::Clock;
use crate::config::{HookConfig, LimitConfig, SecondFactorPolicy};
use crate::door::Shown;
use crate::hub::{Hub, Sight, VerifyReport};
use crate::metrics::{Held, Metrics};
use crate::problem::Problem;

/// Heavy work beside the hub that is done at a time, such as a password's 19 MiB.
const BESIDE_MAX: usize = 2;

/// A verification of the whole log that runs beside everything else, and how the last one ended.
#[derive(Debug, Default)]
pub struct Verification {
    /// True while one runs.
    pub is_running: AtomicBool,
    /// Records that it has checked so far.
    pub records: AtomicU64,
    /// When the last one ended, and what it found; nothing where it could not be done.
    pub last: Mutex<Option<(i64, Option<VerifyReport>)>>,
}

/// How people reach the console.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Console {
    /// The address that links name, without a slash at the end.
    pub url: String,
    /// True where a session's cookie must never travel in the open.
    pub secure: bool,
    /// Who must have a second factor.
    pub second_factor: SecondFactorPolicy,
    /// True where enrolment links name the server's key.
    pub names_key: bool,
}

/// The state of one running server; cheap to clone.
#[derive(Clone)]
pub struct App {
    /// The branch: protocol and store.
    pub hub: Hub,
    /// What time it is.
    pub clock: Clock,
    /// How much is taken on at once.
    pub limits: LimitConfig,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// What the server shows in TLS; `None` while it speaks plain HTTP.
    pub shown: Option<Arc<Shown>>,
    /// How people reach the console.
    pub console: Arc<Console>,
    /// How other programs are told of events.
    pub hooks: HookConfig,
    /// A check of the whole log.
    pub verification: Arc<Verification>,
    slots: Arc<Semaphore>,
    beside: Arc<Semaphore>,
    streams: Arc<Semaphore>,
    transfers: Arc<Semaphore>,
    stopping: watch::Receiver<bool>,
}

/// The switch that tells an [`App`] to stop.
#[derive(Debug)]
pub struct Stop(watch::Sender<bool>);

impl Stop {
    /// Ends the poke streams and turns new hub calls away.
    pub fn now(&self) {
        self.0.send_replace(true);
    }
}

impl App {
    /// The state for a hub, and the switch that stops it.
    #[must_use]
    pub fn new(hub: Hub, clock: Clock, limits: LimitConfig, console: Console) -> (Self, Stop) {
        let (stop, stopping) = watch::channel(false);
        let app = Self {
            hub,
            clock,
            slots: Arc::new(Semaphore::new(limits.exchanges_max)),
            streams: Arc::new(Semaphore::new(limits.poke_streams_max)),
            transfers: Arc::new(Semaphore::new(limits.transfers_max)),
            beside: Arc::new(Semaphore::new(BESIDE_MAX)),
            metrics: Arc::new(Metrics::default()),
            shown: None,
            console: Arc::new(console),
            verification: Arc::default(),
            hooks: HookConfig::default(),
            limits,
            stopping,
        };
        (app, Stop(stop))
    }

    /// What enrolment links say of the server's key: its pin where the server speaks TLS itself and devices are
    /// to trust that key alone.
    #[must_use]
    pub fn pin(&self) -> Option<Pin> {
        let is_told = self.console.names_key && self.console.url.starts_with("https://");
        self.shown.as_ref().filter(|_| is_told).map(|shown| shown.pin())
    }

    /// Runs a blocking call of the hub when a slot is free.
    ///
    /// The slot belongs to the call, not to the request: a caller that hangs up frees nothing early.
    ///
    /// # Errors
    /// 503 when no slot becomes free in time or the server is stopping; 500 when the call panics.
    pub async fn call<T, F>(&self, work: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Hub, i64) -> T + Send + 'static,
    {
        let slot = self.slot().await?;
        let running = self.metrics.running();
        let (hub, now_ms) = (self.hub.clone(), self.clock.now_ms());
        let joined = tokio::task::spawn_blocking(move || {
            let _held = (slot, running);
            work(&hub, now_ms)
        });
        joined.await.map_err(Problem::internal)
    }

    /// Reads of what somebody may see, as [`App::call`] does.
    ///
    /// # Errors
    /// As [`App::call`], and what `work` fails with.
    pub async fn see<T: Send + 'static>(
        &self,
        sight: &Sight,
        work: impl FnOnce(&Sight) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Problem> {
        let sight = sight.clone();
        self.call(move |_, _| work(&sight)).await?.map_err(|error| Problem::of(&error))
    }

    /// Runs heavy work that is no call of the hub, a few at a time.
    ///
    /// # Errors
    /// As [`App::call`].
    pub async fn beside<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, Problem> {
        let wait = Duration::from_millis(self.limits.exchange_wait_ms);
        let turn = tokio::time::timeout(wait, Arc::clone(&self.beside).acquire_owned()).await;
        let Ok(Ok(turn)) = turn else {
            self.metrics.overloaded();
            return Err(Problem::busy());
        };
        let joined = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        joined.await.map_err(Problem::internal)
    }

    /// Begins to check every chain, signature and row; nothing where that is going on already.
    pub fn verify(&self) {
        let state = Arc::clone(&self.verification);
        if state.is_running.swap(true, Ordering::AcqRel) {
            return;
        }
        state.records.store(0, Ordering::Release);
        let (hub, clock) = (self.hub.clone(), self.clock.clone());
        tokio::task::spawn_blocking(move || {
            let counted = Arc::clone(&state);
            let report = hub.verify(move |records| counted.records.store(records, Ordering::Release));
            if let Err(error) = &report {
                tracing::error!(%error, "the log could not be verified");
            }
            let mut last = state.last.lock().unwrap_or_else(PoisonError::into_inner);
            *last = Some((clock.now_ms(), report.ok()));
            drop(last);
            state.is_running.store(false, Ordering::Release);
        });
    }

    async fn slot(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.turn(&self.slots).await
    }

    /// A place among the files that are sent and fetched, given back on drop.
    ///
    /// # Errors
    /// 503 when none becomes free in time or the server is stopping.
    pub async fn transfer(&self) -> Result<OwnedSemaphorePermit, Problem> {
        self.turn(&self.transfers).await
    }

    async fn turn(&self, places: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
        if *self.stopping.borrow() {
            return Err(Problem::busy());
        }
        let wait = Duration::from_millis(self.limits.exchange_wait_ms);
        let turn = tokio::time::timeout(wait, Arc::clone(places).acquire_owned()).await;
        match turn {
            Ok(Ok(slot)) => Ok(slot),
            Ok(Err(_)) | Err(_) => {
                self.metrics.overloaded();
                Err(Problem::busy())
            }
        }
    }

    /// A place among the listening devices, given back on drop.
    ///
    /// # Errors
    /// 503 when all places are taken or the server is stopping.
    pub fn listen(&self) -> Result<Listening, Problem> {
        if *self.stopping.borrow() {
            return Err(Problem::busy());
        }
        let place = Arc::clone(&self.streams).try_acquire_owned().map_err(|_| {
            self.metrics.overloaded();
            Problem::busy()
        })?;
        Ok(Listening { _place: place, _counted: self.metrics.listening() })
    }

    /// True once the server is told to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        *self.stopping.borrow()
    }

    /// Resolves when the server is told to stop.
    pub fn stopped(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut stopping = self.stopping.clone();
        async move {
            // An error means that the switch is gone, and with it the server.
            let _ = stopping.wait_for(|stop| *stop).await;
        }
    }

    /// Waits until no call of the hub runs, at most `limits.stop_grace_s`; false when some still do.
    pub async fn idle(&self) -> bool {
        let all = u32::try_from(self.limits.exchanges_max).unwrap_or(u32::MAX);
        let grace = Duration::from_secs(self.limits.stop_grace_s);
        matches!(tokio::time::timeout(grace, self.slots.acquire_many(all)).await, Ok(Ok(_)))
    }
}

/// One listening device's place.
#[derive(Debug)]
pub struct Listening {
    _place: OwnedSemaphorePermit,
    _counted: Held,
}
