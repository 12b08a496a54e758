//! Deadline rules: what is due when, who is reminded and who hears of it next.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::deadline::Deadline;
use super::guard::Guard;
use super::label::{Provenance, Title, first_version};

/// The event by which the branch notes on a record that a rule was not kept; every record knows it.
pub const ESCALATION: &str = "escalation";

/// The rules of the organisation.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleBook {
    /// Stable id.
    #[serde(default = "rules_id")]
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// IANA time zone in which days are counted.
    pub timezone: String,
    /// Calendars that deadlines may name.
    #[serde(default)]
    pub calendars: Vec<Calendar>,
    /// Where the branch writes down what it escalates without a record to write it on.
    pub notes: Option<NoteForm>,
    /// The rules.
    pub rules: Vec<Rule>,
}

/// The ledger entry that the branch makes when something is escalated that has no record of its own: a
/// report that nobody sent, a patrol that nobody made.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoteForm {
    /// The ledger.
    pub ledger: String,
    /// The field for the heading.
    pub title: String,
    /// The field for the sentence.
    pub body: String,
    /// The field that takes the project, where the entry has one for those it concerns.
    pub concerns: Option<String>,
    /// What the other required fields hold.
    #[serde(default)]
    pub fields: BTreeMap<String, String>,
    /// The event that makes it known, after its creation.
    pub event: Option<String>,
}

/// The id of a rule file that names none.
pub(crate) fn rules_id() -> String {
    "set.rules".to_owned()
}

/// A calendar of working days: Monday to Friday, as public holidays and make-up days change them.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calendar {
    /// Stable id.
    pub id: String,
    /// The parameter in which a project names weekdays of its own, e.g. `mon tue wed thu fri sat`: on
    /// these it works, public holiday or not.
    pub weekdays_param: Option<String>,
    /// A remark, Chinese.
    pub note_zh: Option<String>,
}

/// Where a rule is evaluated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Evaluation {
    /// On the device, as a hint.
    DeviceHint,
    /// At the branch, as the truth.
    ServerAuthoritative,
}

/// One rule.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Stable id.
    pub id: String,
    /// Its name.
    pub title: Title,
    /// Where it comes from.
    pub source: Provenance,
    /// What it is about.
    pub applies_to: Applies,
    /// When something is due.
    pub deadline: Deadline,
    /// Who owes it: the first of these that names somebody. Role ids, fields that hold a person, or
    /// `assignee`, `device_user`.
    #[serde(default)]
    pub owes: Vec<String>,
    /// Who is reminded before.
    #[serde(default)]
    pub remind: Vec<Reminder>,
    /// Who hears of it after.
    #[serde(default)]
    pub escalate: Vec<Escalation>,
    /// Where it is evaluated.
    pub evaluate_on: Vec<Evaluation>,
    /// What fulfils it before its time, besides leaving the states it applies to.
    pub satisfied_by: Option<Satisfaction>,
    /// Examples with the expected outcome, in the rule's own words.
    #[serde(default)]
    pub test_cases: Vec<serde_json::Value>,
    /// A remark, Chinese.
    pub note_zh: Option<String>,
    /// What holds without signal, Chinese.
    pub offline_note_zh: Option<String>,
}

/// Which units a rule runs for that is not about one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReportScope {
    /// Once for the branch.
    Branch,
    /// Once for each project.
    Project,
}

/// What an object rule watches.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchedObject {
    /// Each enrolled device.
    Device,
    /// The records of all ledgers.
    AllLedgers,
}

/// What a rule is about. Exactly one of ledger, template, report, schedule and object is named.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Applies {
    /// Entries of this ledger.
    pub ledger: Option<String>,
    /// ... while they are in one of these states; empty: in any.
    #[serde(default)]
    pub states: Vec<String>,
    /// ... for which this holds.
    pub filter: Option<Guard>,
    /// ... about this event.
    pub event: Option<String>,
    /// ... about this field.
    pub field: Option<String>,
    /// Inspections of this checklist.
    pub template: Option<String>,
    /// This report.
    pub report: Option<String>,
    /// ... once for each of these; once for the branch where nothing is said.
    pub scope: Option<ReportScope>,
    /// Slots of this schedule.
    pub schedule: Option<String>,
    /// Something else that is watched.
    pub object: Option<WatchedObject>,
}

/// A reminder before a deadline.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reminder {
    /// Minutes before.
    pub before_min: Option<u32>,
    /// Days before.
    pub before_days: Option<u32>,
    /// At an event instead of a time: `state_change`.
    pub on: Option<String>,
    /// Role ids, fields that hold a person, or `assignee`, `device_user`.
    pub to: Vec<String>,
}

/// Who hears of a missed deadline.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Escalation {
    /// Minutes after.
    pub after_min: Option<u32>,
    /// Days after.
    pub after_days: Option<u32>,
    /// At an occasion instead of a time: `arrival`, as soon as the branch learns of the record.
    pub on: Option<String>,
    /// The ledger's event that says it, one that rules may record; the general one where nothing is said.
    pub event: Option<String>,
    /// Role ids.
    pub to: Vec<String>,
    /// A mark that the record shows.
    pub mark: Option<String>,
}

/// What fulfils a rule.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Satisfaction {
    /// The event's name: of the record itself, or of an entry of `ledger`.
    pub event: Option<String>,
    /// It must be of the same local day.
    #[serde(default)]
    pub same_local_day: bool,
    /// Entries of this ledger fulfil it, of the same project or of the branch.
    pub ledger: Option<String>,
    /// ... for which this holds.
    pub filter: Option<Guard>,
    /// ... whose field of this name holds the period that is due.
    pub period: Option<String>,
    /// Lines of this field of the record fulfil it.
    pub lines: Option<String>,
    /// ... whose subfield of this name holds a person
    pub who: Option<String>,
    /// ... of each project in this field: one duty for each.
    pub each: Option<String>,
}
