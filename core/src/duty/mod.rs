//! Duties: who owes what by when, and what follows when it is not done.
//!
//! Receives the rules of the catalog, the rows and histories of records, the standing of devices and the
//! time; hands on duties with their status, reminders, and what is to be escalated. Pure functions: a
//! device evaluates them as a hint on its local day, the branch as the truth. A duty is a function of
//! records and rules, its status of the duty, the time and what has arrived: nothing is called missed
//! while the device that should know has not exchanged. Forbids stores, documents, clocks, and any
//! particular rule, ledger or checklist.

mod assess;
mod days;
mod overlap;
mod owners;
mod parts;
mod period;
mod record;
mod remind;
mod retain;
mod single;
mod slots;
#[cfg(test)]
mod tests;

pub use assess::{Status, Step, is_breach, next_look_ms, risk_from_ms, status, steps};
pub use days::Days;
pub use overlap::{Stay, overlaps, stays};
pub use owners::{owes, people};
pub use parts::part_of;
pub use period::{Period, fulfilment, settle, unit_duties, units};
pub use record::{Arrival, Record};
pub use remind::{Reminder, news, reminders};
pub use retain::kept_until;
pub use single::of_record;
pub use slots::{begun, of_slot, silence, slots_of};

use crate::definition::Title;
use crate::id::{DeviceId, DocumentId, UserId};

/// Who owes something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// A person.
    User(UserId),
    /// Anyone who holds the role in the duty's unit.
    Role(String),
}

impl Owner {
    /// The person's or the role's id.
    #[must_use]
    pub fn id(&self) -> &str {
        match self {
            Self::User(user) => user.as_str(),
            Self::Role(role) => role,
        }
    }
}

/// What a duty is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Subject {
    /// A record that is there.
    Record(DocumentId),
    /// An inspection of a schedule: its slot, and the sheet that everybody opens for it.
    Slot {
        /// `<schedule>@<local start>`.
        slot: String,
        /// The sheet.
        document: DocumentId,
    },
    /// A ledger or a report of a unit.
    Unit(String),
    /// A device.
    Device(DeviceId),
}

impl Subject {
    /// The record or sheet.
    #[must_use]
    pub const fn document(&self) -> Option<DocumentId> {
        match self {
            Self::Record(document) | Self::Slot { document, .. } => Some(*document),
            Self::Unit(_) | Self::Device(_) => None,
        }
    }

    /// The id of what it is about, as text.
    #[must_use]
    pub fn id(&self) -> String {
        match self {
            Self::Record(document) => document.to_string(),
            Self::Slot { slot, .. } => slot.clone(),
            Self::Unit(id) => id.clone(),
            Self::Device(device) => device.to_string(),
        }
    }
}

/// What fulfilled a duty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deed {
    /// The event, line or record that did.
    pub event: String,
    /// When, milliseconds since 1970: by the device's clock, or by arrival where that clock is no evidence.
    pub at_ms: i64,
    /// When the branch received it; `None` where nobody knows, as on a device.
    pub received_ms: Option<i64>,
    /// True when the clock of the device that wrote it was too far off to be evidence.
    pub is_suspicious: bool,
}

/// How a duty ended, or that it has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nobody has done it yet.
    Waiting,
    /// It was done.
    Done(Deed),
    /// It cannot be done any more: what had to hold did not, since this time.
    Broken {
        /// Milliseconds since 1970.
        at_ms: i64,
    },
}

/// One thing that somebody owes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Duty {
    /// Its name for ever: the same on every device and at the branch, before and after a restart.
    pub key: String,
    /// The rule.
    pub rule: String,
    /// The rule's name.
    pub title: Title,
    /// The project, or the branch.
    pub unit: String,
    /// What it is about.
    pub subject: Subject,
    /// Who owes it; empty where nobody holds the role.
    pub owners: Vec<Owner>,
    /// Which of several it is. The period it belongs to: `2026-11-23`, `2026-11`, `2026Q4`, `2026`; the project
    /// that owes it for itself; the line or item that it is about; empty where there is but one.
    pub period: String,
    /// Since when it is owed, milliseconds since 1970.
    pub opens_ms: i64,
    /// When it is due, milliseconds since 1970; `None` where it has no time.
    pub due_ms: Option<i64>,
    /// How it ended.
    pub outcome: Outcome,
}

impl Duty {
    /// True while nobody has done it and it can still be done.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.outcome == Outcome::Waiting
    }
}

/// The name of a duty: rule, what it is about, and the instance among several.
fn key(rule: &str, subject: &str, instance: &str) -> String {
    if instance.is_empty() { format!("{rule}|{subject}") } else { format!("{rule}|{subject}|{instance}") }
}
