//! The exchange with the branch as a state machine without input or output.
//!
//! The shell drives it and carries the bytes; the same code runs under a phone's HTTP client, the
//! terminal and the simulated network of the tests. The one legal order:
//!
//! 1. [`Exchange::wake`] when there is something to do: a save, a poke, a person asking.
//! 2. [`Exchange::is_due`]; when true, send what the replica builds and call [`Exchange::sent`].
//! 3. Answer every sent request with exactly one of [`Exchange::answered`] or [`Exchange::failed`].
//! 4. When nothing is due, [`Exchange::poll_timeout`] says when to look again.
//!
//! Receives what was asked and what was answered; hands on what to do next. Forbids stores, clocks
//! and sockets: `now_ms` is an argument.

pub mod compare;
pub mod mending;
pub mod page;

use std::collections::BTreeMap;

use crate::id::{ChangeHash, DocumentId, ScopeId};
use crate::wire::message::{Run, ScopeRequest};

/// First wait after a failure, milliseconds; doubles with each further one.
const BACKOFF_FIRST_MS: i64 = 1_000;
/// Longest wait after failures, milliseconds.
const BACKOFF_MAX_MS: i64 = 5 * 60 * 1_000;
/// Longest wait together with its random part, milliseconds.
const WAIT_MAX_MS: i64 = BACKOFF_MAX_MS * 3 / 2;

/// A run as it was pushed: what a verdict is about.
#[derive(Clone, Debug, PartialEq)]
pub struct SentRun {
    /// Which document.
    pub document: DocumentId,
    /// Hashes of its changes, in order; of a run given back only the last.
    pub hashes: Vec<ChangeHash>,
    /// The scope of a run that is given back, `None` for own new work.
    pub back_to: Option<ScopeId>,
    /// Own new work as it was signed, which is what its row of the log will hold.
    pub run: Option<Run>,
    /// Seq of its last change.
    pub last_seq: u64,
}

/// What one request said of a scope that is repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AskedRepair {
    /// Which scope.
    pub scope: ScopeId,
    /// Places of rows that the server lacks and that are done with by this request.
    pub given: Vec<u64>,
}

/// What one request asked and pushed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Asked {
    /// Where the replica stood in each scope.
    pub scopes: Vec<ScopeRequest>,
    /// The runs, in the order of the push.
    pub runs: Vec<SentRun>,
    /// True when documents were wanted in full.
    pub wanted_any: bool,
    /// What was said of scopes that are repaired.
    pub repairs: Vec<AskedRepair>,
}

impl Asked {
    /// The runs of own new work by document and last change.
    #[must_use]
    pub fn own_runs(&self) -> BTreeMap<(DocumentId, ChangeHash), &SentRun> {
        let own = self.runs.iter().filter(|sent| sent.run.is_some());
        own.filter_map(|sent| Some(((sent.document, *sent.hashes.last()?), sent))).collect()
    }
}

/// Where one replica is in its exchange with the branch.
#[derive(Clone, Debug, Default)]
pub struct Exchange {
    in_flight: Option<Asked>,
    wanted: bool,
    not_before_ms: i64,
    failures: u32,
    turn: usize,
}

impl Exchange {
    /// Says that there is something to exchange; a request follows as soon as it may.
    pub const fn wake(&mut self) {
        self.wanted = true;
    }

    /// Says that a person or a regained network wants it now: waiting after failures ends.
    pub const fn wake_now(&mut self) {
        self.wanted = true;
        self.not_before_ms = i64::MIN;
    }

    /// True when a request should be built and sent now.
    #[must_use]
    pub const fn is_due(&self, now_ms: i64) -> bool {
        // Further off than any wait: the device's clock was put back meanwhile.
        let has_jumped = self.not_before_ms.saturating_sub(now_ms) > WAIT_MAX_MS;
        self.wanted && self.in_flight.is_none() && (now_ms >= self.not_before_ms || has_jumped)
    }

    /// Notes what was sent.
    pub fn sent(&mut self, asked: Asked) {
        self.in_flight = Some(asked);
        self.wanted = false;
    }

    /// Takes what the answered request had asked; `None` when nothing was under way.
    pub const fn answered(&mut self) -> Option<Asked> {
        self.failures = 0;
        self.not_before_ms = i64::MIN;
        self.in_flight.take()
    }

    /// Notes that no usable answer came: nothing is lost, it is tried again after a wait.
    ///
    /// `retry_after_ms` is the server's wish; `jitter` any random number, so that a thousand devices
    /// do not come back in the same second.
    pub fn failed(&mut self, now_ms: i64, retry_after_ms: Option<i64>, jitter: u32) {
        self.in_flight = None;
        self.wanted = true;
        self.failures = self.failures.saturating_add(1);
        let doubled = BACKOFF_FIRST_MS << (self.failures - 1).min(20);
        let wait = retry_after_ms.unwrap_or(doubled).clamp(0, BACKOFF_MAX_MS);
        let spread = wait / 2 * i64::from(jitter % 1_000) / 1_000;
        self.not_before_ms = now_ms.saturating_add(wait + spread);
    }

    /// When to look again, milliseconds since 1970; `None` when there is nothing to wait for. After the
    /// longest wait it is worth looking anyway: the clock may have been put back.
    #[must_use]
    pub const fn poll_timeout(&self) -> Option<i64> {
        if self.wanted && self.in_flight.is_none() { Some(self.not_before_ms) } else { None }
    }

    /// True while the answer to a request is awaited.
    #[must_use]
    pub const fn is_under_way(&self) -> bool {
        self.in_flight.is_some()
    }

    /// Failures in a row.
    #[must_use]
    pub const fn failures(&self) -> u32 {
        self.failures
    }

    /// The scopes to ask about this time, at most `most`: all of them in turns.
    pub fn take_turn<T: Clone>(&mut self, all: &[T], most: usize) -> Vec<T> {
        if all.len() <= most || most == 0 {
            self.turn = 0;
            return all.iter().take(most).cloned().collect();
        }
        let start = self.turn % all.len();
        let taken = all.iter().cycle().skip(start).take(most).cloned().collect();
        self.turn = (start + most) % all.len();
        taken
    }

    /// True when [`Exchange::take_turn`] has not come round yet.
    #[must_use]
    pub const fn is_mid_turn(&self, most: usize) -> bool {
        self.turn >= most
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_request_at_a_time_and_only_when_wanted() {
        let mut exchange = Exchange::default();
        assert!(!exchange.is_due(0));
        assert_eq!(exchange.poll_timeout(), None);
        exchange.wake();
        assert!(exchange.is_due(0));
        exchange.sent(Asked::default());
        exchange.wake();
        assert!(!exchange.is_due(0), "an answer is awaited");
        assert_eq!(exchange.answered(), Some(Asked::default()));
        assert!(exchange.is_due(0), "a wish made meanwhile is kept");
    }

    #[test]
    fn failures_wait_longer_each_time_and_a_person_need_not() {
        let mut exchange = Exchange::default();
        let mut last = 0;
        for _ in 0..4 {
            exchange.wake();
            exchange.sent(Asked::default());
            exchange.failed(0, None, 0);
            let wait = exchange.poll_timeout().unwrap();
            assert!(wait > last);
            last = wait;
        }
        assert!(!exchange.is_due(last - 1));
        assert!(exchange.is_due(last));
        exchange.wake_now();
        assert!(exchange.is_due(0));
        for _ in 0..100 {
            exchange.failed(0, None, u32::MAX);
        }
        assert!(exchange.poll_timeout().unwrap() <= WAIT_MAX_MS);
        assert!(exchange.is_due(-WAIT_MAX_MS - 1), "a clock that was put back delays nothing by years");
        exchange.failed(0, Some(7_000), 0);
        assert_eq!(exchange.poll_timeout(), Some(7_000));
    }

    #[test]
    fn scopes_take_turns() {
        let mut exchange = Exchange::default();
        let all: Vec<u32> = (0..5).collect();
        assert_eq!(exchange.take_turn(&all, 2), [0, 1]);
        assert!(exchange.is_mid_turn(2));
        assert_eq!(exchange.take_turn(&all, 2), [2, 3]);
        assert_eq!(exchange.take_turn(&all, 2), [4, 0]);
        assert!(!exchange.is_mid_turn(2));
        assert_eq!(exchange.take_turn(&all, 9), all);
    }
}
