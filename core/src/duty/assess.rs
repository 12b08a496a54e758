//! The status of a duty at a time, when it has to be looked at again, and who then hears of it.

use super::days::before;
use super::{Days, Duty, Outcome};
use crate::definition::{Escalation, Rule};
use crate::id::hash_parts;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;

/// How a duty stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Owed, with time left.
    Open,
    /// Owed, with little time left.
    AtRisk,
    /// Not done, or done too late.
    Breached,
    /// The time is over, and a device that should know has not exchanged since; or the clock of the deed is
    /// no evidence.
    Unknown,
    /// Done in time.
    Met,
    /// Done in time, and the branch heard of it afterwards.
    MetSyncedLate,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Open, Self::AtRisk, Self::Breached, Self::Unknown, Self::Met, Self::MetSyncedLate];

    /// Stable id in snake case.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::AtRisk => "at_risk",
            Self::Breached => "breached",
            Self::Unknown => "unknown",
            Self::Met => "met",
            Self::MetSyncedLate => "met_synced_late",
        }
    }

    /// The status with this id.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.id() == id)
    }

    /// True when nothing that happens can change it any more but a correction.
    #[must_use]
    pub const fn is_settled(self) -> bool {
        matches!(self, Self::Met | Self::MetSyncedLate)
    }
}

/// How a duty stands at `now_ms`, when everything that was written until `known_until_ms` has arrived.
#[must_use]
pub fn status(days: &Days<'_>, rule: &Rule, duty: &Duty, now_ms: i64, known_until_ms: i64) -> Status {
    let due_ms = duty.due_ms.unwrap_or(i64::MAX);
    match &duty.outcome {
        Outcome::Broken { .. } => Status::Breached,
        Outcome::Done(deed) => {
            let is_received_late = deed.received_ms.is_some_and(|received_ms| received_ms > due_ms);
            match (deed.at_ms <= due_ms, is_received_late) {
                (true, false) => Status::Met,
                // A clock that is no evidence proves nothing about a time before the arrival.
                (_, true) if deed.is_suspicious => Status::Unknown,
                (true, true) => Status::MetSyncedLate,
                (false, _) => Status::Breached,
            }
        }
        Outcome::Waiting if now_ms <= due_ms => {
            if now_ms >= risk_from_ms(days, rule, duty) {
                Status::AtRisk
            } else {
                Status::Open
            }
        }
        Outcome::Waiting if known_until_ms > due_ms => Status::Breached,
        Outcome::Waiting => Status::Unknown,
    }
}

/// From when a duty is at risk: from the first reminder on, else in the last quarter of its time. A reminder
/// that would come before there is anything to do says nothing about risk.
#[must_use]
pub fn risk_from_ms(days: &Days<'_>, rule: &Rule, duty: &Duty) -> i64 {
    let Some(due_ms) = duty.due_ms else { return i64::MAX };
    let first = rule.remind.iter().filter_map(|reminder| match (reminder.before_min, reminder.before_days) {
        (Some(minutes), _) if minutes > 0 => Some(due_ms.saturating_sub(i64::from(minutes) * MINUTE_MS)),
        (_, Some(count)) if count > 0 => Some(days.start_of(before(days.day(due_ms), count))),
        _ => None,
    });
    let first = first.filter(|at_ms| *at_ms > duty.opens_ms);
    first.min().unwrap_or_else(|| due_ms.saturating_sub(due_ms.saturating_sub(duty.opens_ms) / 4))
}

/// Minutes or days as milliseconds; `None` where neither is named.
fn lead_ms(minutes: Option<u32>, days: Option<u32>) -> Option<i64> {
    let minutes = minutes.map(|minutes| i64::from(minutes) * MINUTE_MS);
    minutes.or_else(|| days.map(|days| i64::from(days) * DAY_MS))
}

/// One step of an escalation that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step<'r> {
    /// Its place in the rule.
    pub place: usize,
    /// What the rule says.
    pub says: &'r Escalation,
    /// Since when it is due, milliseconds since 1970.
    pub at_ms: i64,
    /// The id of the event that says so: the same whoever writes it, before and after a restore.
    pub event: String,
}

/// True for a duty whose steps of escalation run.
#[must_use]
pub const fn is_breach(status: Status) -> bool {
    matches!(status, Status::Breached)
}

/// The steps of a rule's escalation that are due for a duty.
///
/// A step at a time after the due time is due when the duty is breached and was not done before it; one
/// at arrival as soon as the duty is known and not done.
#[must_use]
pub fn steps<'r>(rule: &'r Rule, duty: &Duty, status: Status, now_ms: i64) -> Vec<Step<'r>> {
    let due = |(place, says): (usize, &'r Escalation)| {
        let at_ms = if says.on.is_some() {
            duty.is_waiting().then_some(duty.opens_ms)
        } else {
            threshold_ms(duty, says)
                .filter(|at_ms| is_breach(status) && *at_ms <= now_ms && !done_by(duty, *at_ms))
        }?;
        Some(Step { place, says, at_ms, event: event_id(duty, place) })
    };
    rule.escalate.iter().enumerate().filter_map(due).collect()
}

/// When a duty has to be looked at again if nothing arrives before; `None` where time changes nothing.
#[must_use]
pub fn next_look_ms(days: &Days<'_>, rule: &Rule, duty: &Duty, status: Status, now_ms: i64) -> Option<i64> {
    if status.is_settled() {
        return None;
    }
    let waiting = duty.is_waiting();
    let own = [Some(risk_from_ms(days, rule, duty)), duty.due_ms.map(|due_ms| due_ms.saturating_add(1))];
    let own = own.into_iter().flatten().filter(|_| waiting);
    let steps = rule.escalate.iter().filter(|says| says.on.is_none());
    let steps = steps.filter_map(|says| threshold_ms(duty, says)).filter(|at_ms| !done_by(duty, *at_ms));
    own.chain(steps).filter(|at_ms| *at_ms > now_ms).min()
}

fn threshold_ms(duty: &Duty, says: &Escalation) -> Option<i64> {
    let from_ms = match duty.outcome {
        Outcome::Broken { at_ms } => at_ms,
        Outcome::Waiting | Outcome::Done(_) => duty.due_ms?.saturating_add(1),
    };
    Some(from_ms.saturating_add(lead_ms(says.after_min, says.after_days)?))
}

fn done_by(duty: &Duty, at_ms: i64) -> bool {
    matches!(&duty.outcome, Outcome::Done(deed) if deed.at_ms < at_ms)
}

fn event_id(duty: &Duty, place: usize) -> String {
    let hash = hash_parts("xunyuan/escalation/1", &[duty.key.as_bytes(), &(place as u64).to_be_bytes()]);
    data_encoding::HEXLOWER.encode(&hash[..6])
}
