//! The thread that exchanges: it waits for an edit, a poke, the time or a person's wish.

use std::sync::{Arc, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::news::Level;
use super::status::Activity;
use super::{Habits, Held, locked};
use crate::failure::{Failure, FailureKind};
use crate::net::{Backoff, Carrier, Pokes};
use crate::sync::Outcome;

/// How long after an edit it is exchanged: a person who fills in a sheet answers every few seconds.
const EDIT_PAUSE: Duration = Duration::from_secs(3);

/// What the platform says of the network.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// There is none.
    Absent,
    /// One that costs, or that the person wants to spare.
    Metered,
    /// One that may be used freely.
    #[default]
    Free,
}

/// Somebody who waits for the end of an exchange.
pub type Waiter = Box<dyn FnOnce(Result<Outcome, Failure>) + Send>;

/// What the worker is wished to do, and what it is doing.
pub(super) struct Wishes {
    habits: Habits,
    network: Network,
    /// A person wants it now.
    now: bool,
    /// When the first edit was made that no exchange has carried yet.
    edited: Option<Instant>,
    /// The branch has something new, or signal came back.
    poked: bool,
    /// The next exchange when nothing happens.
    next: Instant,
    /// After a failure: not before then, unless a person wants it.
    not_before: Option<Instant>,
    backoff: Backoff,
    waiters: Vec<Waiter>,
    failure: Option<Failure>,
    is_exchanging: bool,
    is_listening: bool,
    is_erased: bool,
    is_closed: bool,
}

/// When the next exchange is due.
enum Due {
    Now,
    At(Instant),
    Never,
}

impl Wishes {
    pub(super) fn new(habits: Habits) -> Self {
        Self {
            habits,
            network: Network::default(),
            now: false,
            edited: None,
            poked: false,
            next: Instant::now(),
            not_before: None,
            backoff: Backoff::default(),
            waiters: Vec::new(),
            failure: None,
            is_exchanging: false,
            is_listening: false,
            is_erased: false,
            is_closed: false,
        }
    }

    pub(super) fn edited(&mut self) {
        self.edited.get_or_insert_with(Instant::now);
    }

    pub(super) const fn close(&mut self) {
        self.is_closed = true;
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.is_closed
    }

    /// True when something is wanted that goes before files.
    pub(super) const fn is_wanted(&self) -> bool {
        self.is_closed || self.now || self.poked || self.edited.is_some()
    }

    pub(super) fn standing(&self) -> (Activity, Option<Failure>) {
        let activity = if self.is_exchanging {
            Activity::Exchanging
        } else if !self.is_automatic() {
            Activity::Paused
        } else if self.failure.is_some() {
            Activity::Waiting
        } else {
            Activity::Resting
        };
        (activity, self.failure.clone())
    }

    /// True while exchanges start without a person.
    fn is_automatic(&self) -> bool {
        let may_travel = match self.network {
            Network::Absent => false,
            Network::Metered => self.habits.on_metered,
            Network::Free => true,
        };
        self.habits.by_itself && may_travel && !self.is_erased
    }

    fn due(&self, now: Instant) -> Due {
        if self.now {
            return Due::Now;
        }
        if !self.is_automatic() {
            return Due::Never;
        }
        let edited = self.edited.map(|edited| edited + EDIT_PAUSE);
        let poked = self.poked.then_some(now);
        let wanted = [edited, poked].into_iter().flatten().fold(self.next, Instant::min);
        let at = self.not_before.map_or(wanted, |not_before| wanted.max(not_before));
        if at <= now { Due::Now } else { Due::At(at) }
    }

    /// Notes that an exchange begins: it carries all that was wished for until now.
    fn begin(&mut self) {
        (self.is_exchanging, self.poked, self.edited) = (true, false, None);
    }

    fn end(&mut self, outcome: &Outcome) {
        let now = Instant::now();
        self.next = now + self.habits.every;
        self.failure.clone_from(&outcome.failure);
        self.poked |= !outcome.is_finished;
        let Some(failure) = &outcome.failure else {
            self.backoff.reset();
            self.not_before = None;
            return;
        };
        self.is_erased |= failure.kind() == FailureKind::Erased;
        let wait = if failure.kind() == FailureKind::NoConnection {
            self.backoff.next(outcome.retry_after_ms).min(self.habits.every)
        } else {
            // What a person must do something about does not get better by asking every second.
            self.habits.every
        };
        self.not_before = Some(now + wait);
    }
}

impl Held {
    /// Wants an exchange now, whatever the network costs; `waiter` hears how it ended.
    pub fn sync_now(&self, waiter: Option<Waiter>) {
        let mut late = waiter;
        self.wish(|wishes| {
            wishes.now = true;
            if !wishes.is_closed {
                wishes.waiters.extend(late.take());
            }
        });
        if let Some(waiter) = late {
            waiter(Err(Failure::closed()));
        }
    }

    /// Notes what network there is, and how the branch is reached over it.
    pub fn set_network(&self, network: Network, carrier: Option<Carrier>) {
        if let Some(carrier) = carrier {
            *locked(&self.carrier) = carrier;
        }
        self.wish(|wishes| {
            if wishes.network != network {
                wishes.network = network;
                // What did not get through before may get through now.
                wishes.not_before = None;
                wishes.poked |= network != Network::Absent;
            }
        });
        self.news.standing_changed();
    }

    /// Lets exchanges start by themselves, or not until a person wants one.
    pub fn set_by_itself(&self, by_itself: bool) {
        self.wish(|wishes| {
            wishes.poked |= by_itself && !wishes.habits.by_itself;
            wishes.habits.by_itself = by_itself;
        });
        self.news.standing_changed();
    }

    /// Takes the turn to exchange, after whoever has it; false when `until` comes first.
    pub(super) fn begin_exchange(&self, until: Option<Instant>) -> Result<bool, Failure> {
        let mut wishes = locked(&self.wishes);
        while wishes.is_exchanging && !wishes.is_closed {
            let left = until.map(|until| until.saturating_duration_since(Instant::now()));
            wishes = match left {
                Some(left) if left.is_zero() => return Ok(false),
                Some(left) => {
                    self.wished.wait_timeout(wishes, left).unwrap_or_else(PoisonError::into_inner).0
                }
                None => self.wished.wait(wishes).unwrap_or_else(PoisonError::into_inner),
            };
        }
        if wishes.is_closed {
            return Err(Failure::closed());
        }
        // Whoever waits is served by the worker: this exchange may have to end before all is said.
        wishes.now = !wishes.waiters.is_empty();
        wishes.begin();
        drop(wishes);
        self.news.standing_changed();
        Ok(true)
    }

    /// Gives the turn back and tells what the exchange brought.
    pub(super) fn end_exchange(&self, outcome: &Outcome) {
        self.wish(|wishes| {
            wishes.is_exchanging = false;
            wishes.end(outcome);
        });
        if outcome.wiped || !outcome.left.is_empty() || !outcome.refused.is_empty() {
            self.news.everything_changed();
        }
        self.news.changed(outcome.touched.iter().copied());
    }

    /// Waits until an exchange is due and takes the turn; hands on who waits for it, `None` once all is closed.
    fn next_turn(&self) -> Option<Vec<Waiter>> {
        let mut wishes = locked(&self.wishes);
        loop {
            if wishes.is_closed {
                let waiters = std::mem::take(&mut wishes.waiters);
                drop(wishes);
                waiters.into_iter().for_each(|waiter| waiter(Err(Failure::closed())));
                return None;
            }
            let now = Instant::now();
            wishes = match wishes.due(now) {
                Due::Now if wishes.is_exchanging => {
                    self.wished.wait(wishes).unwrap_or_else(PoisonError::into_inner)
                }
                Due::Now => {
                    wishes.now = false;
                    wishes.begin();
                    let waiters = std::mem::take(&mut wishes.waiters);
                    drop(wishes);
                    self.news.standing_changed();
                    return Some(waiters);
                }
                Due::At(at) => {
                    let left = at.saturating_duration_since(now);
                    self.wished.wait_timeout(wishes, left).unwrap_or_else(PoisonError::into_inner).0
                }
                Due::Never => self.wished.wait(wishes).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// Listens for pokes while exchanges start by themselves and the network is free: a stream that is
    /// never silent costs a phone its battery elsewhere.
    pub(super) fn listen(self: &Arc<Self>) {
        let is_wanted =
            |wishes: &Wishes| !wishes.is_closed && wishes.is_automatic() && wishes.network == Network::Free;
        {
            let mut wishes = locked(&self.wishes);
            if wishes.is_listening || !is_wanted(&wishes) {
                return;
            }
            wishes.is_listening = true;
        }
        let carrier = locked(&self.carrier).clone();
        let pokes = self.lend(|replica| {
            let identity = replica.identity();
            Ok(Pokes {
                server_url: identity.server_url.clone(),
                token: identity.token.clone(),
                pin: identity.pin,
                carrier,
            })
        });
        let held = Arc::clone(self);
        let listening = move || {
            if let Ok(pokes) = pokes {
                pokes.listen(|| is_wanted(&locked(&held.wishes)), || held.wish(|wishes| wishes.poked = true));
            }
            held.wish(|wishes| wishes.is_listening = false);
        };
        if thread::Builder::new().name("xunyuan-pokes".to_owned()).spawn(listening).is_err() {
            self.log(Level::Warning, "no thread for pokes: exchanges by time only");
            self.wish(|wishes| wishes.is_listening = false);
        }
    }
}

/// Exchanges until the replica is closed.
pub(super) fn run(held: &Arc<Held>) {
    while let Some(waiters) = held.next_turn() {
        let outcome = held.exchange_begun(None);
        let closed = outcome.failure.as_ref().filter(|failure| failure.kind() == FailureKind::Closed);
        for waiter in waiters {
            waiter(closed.map_or_else(|| Ok(outcome.clone()), |closed| Err(closed.clone())));
        }
    }
}
