//! What is owed: slots of the schedule, duties, reminders.

use xunyuan_core::duty;
use xunyuan_core::replica::{DutyView, SlotView};
use xunyuan_core::rules::schedule::SlotState;

use crate::words::Words;

/// How far a slot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum SlotStatus {
    /// Too early.
    Upcoming,
    /// May be started.
    Open,
    /// Being filled in.
    InProgress,
    /// Done.
    Done,
    /// Late, may still be done.
    Late,
    /// Nobody did it.
    Missed,
    /// Its time is over and somebody may hold it unsynced.
    Unknown,
}

/// One inspection of today's schedule.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct SlotCard {
    /// What `start_slot` takes.
    pub key: String,
    /// The checklist's name.
    pub title: String,
    /// The checklist's id.
    pub checklist: String,
    /// The project's id.
    pub project: String,
    /// The project's name.
    pub project_name: String,
    /// The sheet that every device opens for it.
    pub document: String,
    /// Local start, `2026-11-23T09:00:00`.
    pub starts: String,
    /// From this local time it is late.
    pub late_from: String,
    /// How far it is.
    pub status: SlotStatus,
    /// The status in words.
    pub status_name: String,
    /// True when its sheet is on this device.
    pub is_started: bool,
}

/// How a duty stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum DutyStatus {
    /// Not due yet.
    Open,
    /// Due soon.
    AtRisk,
    /// Overdue.
    Breached,
    /// Past due, and somebody may have done it unsynced.
    Unknown,
    /// Done in time.
    Met,
    /// Done in time, synced late.
    MetSyncedLate,
}

/// One thing that somebody owes.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Duty {
    /// Its name for ever.
    pub key: String,
    /// What it is.
    pub title: String,
    /// What it is about, in words.
    pub about: String,
    /// The record or sheet, where it is about one.
    pub document: Option<String>,
    /// The project's name.
    pub project_name: String,
    /// When it is due, milliseconds since 1970.
    pub due_ms: Option<i64>,
    /// How it stands, as far as is known here.
    pub status: DutyStatus,
    /// The status in words.
    pub status_name: String,
}

/// One reminder, to be shown at its time.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Reminder {
    /// The same each time it is computed, so that an app schedules it once.
    pub key: String,
    /// When to show it, milliseconds since 1970.
    pub at_ms: i64,
    /// What to say.
    pub sentence: String,
    /// The record or sheet it is about.
    pub document: Option<String>,
}

impl SlotCard {
    /// A slot in words.
    pub(crate) fn of(words: &Words<'_>, view: &SlotView) -> Self {
        let slot = &view.slot;
        Self {
            key: slot.key.clone(),
            title: words.title(&slot.title).to_owned(),
            checklist: slot.checklist.id.clone(),
            project: slot.project.clone(),
            project_name: words.project(&slot.project),
            document: slot.document.to_string(),
            starts: slot.starts.to_string(),
            late_from: slot.late.to_string(),
            status: match view.state {
                SlotState::Upcoming => SlotStatus::Upcoming,
                SlotState::Open => SlotStatus::Open,
                SlotState::InProgress => SlotStatus::InProgress,
                SlotState::Done => SlotStatus::Done,
                SlotState::Late => SlotStatus::Late,
                SlotState::Missed => SlotStatus::Missed,
                SlotState::Unknown => SlotStatus::Unknown,
            },
            status_name: words.slot_state(view.state).to_owned(),
            is_started: view.is_started,
        }
    }
}

impl DutyStatus {
    pub(super) const fn of(status: duty::Status) -> Self {
        match status {
            duty::Status::Open => Self::Open,
            duty::Status::AtRisk => Self::AtRisk,
            duty::Status::Breached => Self::Breached,
            duty::Status::Unknown => Self::Unknown,
            duty::Status::Met => Self::Met,
            duty::Status::MetSyncedLate => Self::MetSyncedLate,
        }
    }
}

impl Duty {
    /// A duty in words.
    pub(crate) fn of(words: &Words<'_>, view: &DutyView) -> Self {
        let duty = &view.duty;
        Self {
            key: duty.key.clone(),
            title: words.title(&duty.title).to_owned(),
            about: words.duty_about(view),
            document: duty.subject.document().map(|document| document.to_string()),
            project_name: words.project(&duty.unit),
            due_ms: duty.due_ms,
            status: DutyStatus::of(view.status),
            status_name: words.duty_status(view.status).to_owned(),
        }
    }
}

impl Reminder {
    /// A reminder in words.
    pub(crate) fn of(words: &Words<'_>, reminder: &duty::Reminder) -> Self {
        Self {
            key: reminder.key.clone(),
            at_ms: reminder.at_ms,
            sentence: words.sentence(&reminder.sentence).to_owned(),
            document: reminder.document.map(|document| document.to_string()),
        }
    }
}
