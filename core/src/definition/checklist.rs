//! Checklists: sections of items, repeated groups, scoring and sign-off.

use serde::Deserialize;
use std::collections::BTreeMap;

use super::expr::Expr;
use super::field::Field;
use super::label::{SeedRef, Title, first_version};
use super::unset_reference;
use crate::id::DefinitionRef;

/// What a checklist is used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChecklistKind {
    /// A round or a check on site.
    Inspection,
    /// An audit against standards.
    Audit,
    /// A visit with talking points.
    Visit,
    /// Preparation of an event, item by item with owners and days.
    EventChecklist,
}

/// How answers become a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoringMethod {
    /// Weighted mean of the options' scores, percent.
    WeightedPercent,
    /// Share of audited items that conform, percent, with counts by severity.
    ConformityRate,
    /// The number of failing items.
    CountFail,
    /// No score.
    None,
}

/// What a failing critical item makes of the whole sheet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CriticalResult {
    /// The sheet fails whatever the score.
    Fail,
}

/// The scoring rule of a checklist.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scoring {
    /// The method.
    pub method: ScoringMethod,
    /// True when items answered "not applicable" do not count.
    #[serde(default)]
    pub na_excluded: bool,
    /// The sheet passes from this score, percent.
    pub pass_threshold_percent: Option<f64>,
    /// What a failing critical item does.
    pub critical_fail_result: Option<CriticalResult>,
    /// Severities that are counted in the result.
    #[serde(default)]
    pub report_counts: Vec<String>,
}

/// How an item is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ItemKind {
    /// An option of the item's response set.
    Choice,
    /// A number with unit and limits.
    Number,
    /// Text.
    Text,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A time of day, `HH:MM`.
    Time,
}

impl ItemKind {
    /// The spelling in definitions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Choice => "choice",
            Self::Number => "number",
            Self::Text => "text",
            Self::Date => "date",
            Self::Time => "time",
        }
    }
}

/// A clause of a standard that an item audits.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClauseRef {
    /// Standard id of the clause catalogue.
    pub std: String,
    /// Clause number as printed, e.g. `8.1.2`.
    pub clause: String,
}

impl ClauseRef {
    /// The clause's id in the catalogue: `<std>.<clause>`.
    #[must_use]
    pub fn id(&self) -> String {
        format!("{}.{}", self.std, self.clause)
    }
}

/// A law or paper behind an item.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PaperRef {
    /// What sort of paper, e.g. `law`.
    pub kind: String,
    /// Its name, Chinese.
    pub text_zh: String,
    /// The wording was not checked against the source.
    #[serde(default)]
    pub verify_before_use: bool,
}

/// Who prepares an item of an event, and by when.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Task {
    /// The role that owns it.
    pub owner_role: String,
    /// Days from the anchor, negative before it.
    pub due_offset_days: i32,
    /// The header field with the anchoring day.
    pub anchor: String,
}

/// The finding that a failing answer raises.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FindingSpec {
    /// Severity, unless the option says it.
    pub default_severity: Option<String>,
    /// True when the chosen option carries the severity.
    #[serde(default)]
    pub severity_from_option: bool,
    /// The department that corrects.
    pub default_owner_dept: String,
    /// Hours to the due day; `None` takes the severity's days.
    pub default_due_hours: Option<f64>,
}

/// What a failing answer asks of the person.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OnFail {
    /// A note is required.
    #[serde(default)]
    pub require_note: bool,
    /// Fewest photos.
    #[serde(default)]
    pub require_photo_min: u32,
    /// Fewest pieces of evidence: photos or a note.
    #[serde(default)]
    pub require_evidence_min: u32,
    /// The finding to raise.
    pub create_finding: Option<FindingSpec>,
}

/// One line to answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// Stable id, unique in the checklist.
    pub id: String,
    /// The question.
    pub title: Title,
    /// How it is answered.
    #[serde(rename = "type")]
    pub kind: ItemKind,
    /// True when a complete sheet must have it (while it is visible).
    #[serde(default)]
    pub required: bool,
    /// The options of a choice.
    pub response_set: Option<String>,
    /// Weight in the score; 0 does not count.
    #[serde(default)]
    pub weight: f64,
    /// Its failure fails the sheet.
    #[serde(default)]
    pub critical: bool,
    /// How to look, Chinese.
    pub help_zh: Option<String>,
    /// What evidence to ask for, Chinese.
    pub evidence_hint_zh: Option<String>,
    /// Unit of a number.
    pub unit: Option<String>,
    /// Decimals of a number.
    pub decimals: Option<u32>,
    /// Hard lower limit of a number.
    pub min: Option<f64>,
    /// Hard upper limit of a number.
    pub max: Option<f64>,
    /// At least one photo, whatever the answer.
    #[serde(default)]
    pub photo_required: bool,
    /// The item exists only while this holds.
    pub visible_if: Option<Expr>,
    /// A number fails when this holds.
    pub fail_if: Option<Expr>,
    /// What failing asks for.
    pub on_fail: Option<OnFail>,
    /// Clauses that the item audits.
    #[serde(default)]
    pub clauses: Vec<ClauseRef>,
    /// Papers behind it.
    #[serde(default)]
    pub refs: Vec<PaperRef>,
    /// Owner and day, in event checklists.
    pub task: Option<Task>,
    /// Kept for old sheets, no longer asked.
    #[serde(default)]
    pub retired: bool,
}

/// A heading with its items.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// Stable id.
    pub id: String,
    /// The heading.
    pub title: Title,
    /// Its items in order.
    pub items: Vec<Item>,
}

/// How lines of a group merge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupMerge {
    /// Lines have ids; all lines of all people are kept.
    SetUnionByEntryId,
}

/// Lines that people add as they need.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RepeatGroup {
    /// Stable id.
    pub id: String,
    /// The heading.
    pub title: Title,
    /// Fewest lines.
    #[serde(default)]
    pub min: u32,
    /// Most lines.
    pub max: u32,
    /// How lines merge.
    pub merge: GroupMerge,
    /// The ledger that gets an entry for each line; fields of equal id are carried over.
    pub creates_entry: Option<String>,
    /// Fields that are carried over into a field of another id.
    #[serde(default)]
    pub carries: BTreeMap<String, String>,
    /// The fields of a line.
    pub fields: Vec<Field>,
}

impl RepeatGroup {
    /// The field of a line.
    #[must_use]
    pub fn field(&self, id: &str) -> Option<&Field> {
        self.fields.iter().find(|field| field.id == id)
    }
}

/// What kind of sign-off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignoffKind {
    /// A drawn signature.
    Signature,
    /// A review by a supervisor: an event, never a gate to sync.
    Review,
}

/// A place to sign.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Signoff {
    /// Stable id.
    pub id: String,
    /// The role that signs.
    pub role: String,
    /// Signature or review.
    #[serde(rename = "type")]
    pub kind: SignoffKind,
    /// True when a complete sheet must have it.
    #[serde(default)]
    pub required: bool,
    /// True when it only makes sense with signal.
    #[serde(default)]
    pub online_only: bool,
    /// A remark, Chinese.
    pub note_zh: Option<String>,
}

/// A checklist version.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Checklist {
    /// Id, version and hash of this very text.
    #[serde(skip, default = "unset_reference")]
    pub reference: DefinitionRef,
    /// Stable id.
    pub id: String,
    /// Version, from 1.
    #[serde(default = "first_version")]
    pub version: u32,
    /// What it is used for.
    pub kind: ChecklistKind,
    /// The stream whose scope holds its inspections.
    pub stream: String,
    /// Its name.
    pub title: Title,
    /// Where the founding paper asks for it.
    pub seed_ref: Option<SeedRef>,
    /// How it is scored.
    pub scoring: Scoring,
    /// Roles that fill it in.
    pub who: Vec<String>,
    /// The schedule that opens it by default.
    pub default_schedule: Option<String>,
    /// The `source` option of findings that its failing answers raise.
    pub finding_source: Option<String>,
    /// True when the checkpoints of the project must be scanned.
    #[serde(default)]
    pub checkpoints_required: bool,
    /// A rule on who may audit what, Chinese.
    pub independence_rule_zh: Option<String>,
    /// The head of the sheet.
    pub header_fields: Vec<Field>,
    /// Sections in order.
    pub sections: Vec<Section>,
    /// Repeated groups.
    #[serde(default)]
    pub repeat_groups: Vec<RepeatGroup>,
    /// Places to sign.
    #[serde(default)]
    pub signoff: Vec<Signoff>,
}

impl Checklist {
    /// All items of all sections in order, retired ones included.
    pub fn items(&self) -> impl Iterator<Item = &Item> {
        self.sections.iter().flat_map(|section| &section.items)
    }

    /// The item with this id.
    #[must_use]
    pub fn item(&self, id: &str) -> Option<&Item> {
        self.items().find(|item| item.id == id)
    }

    /// The section that holds an item.
    #[must_use]
    pub fn section_of(&self, item: &str) -> Option<&Section> {
        self.sections.iter().find(|section| section.items.iter().any(|i| i.id == item))
    }

    /// The header field with this id.
    #[must_use]
    pub fn header_field(&self, id: &str) -> Option<&Field> {
        self.header_fields.iter().find(|field| field.id == id)
    }

    /// The repeated group with this id.
    #[must_use]
    pub fn group(&self, id: &str) -> Option<&RepeatGroup> {
        self.repeat_groups.iter().find(|group| group.id == id)
    }

    /// The sign-off with this id.
    #[must_use]
    pub fn signoff(&self, id: &str) -> Option<&Signoff> {
        self.signoff.iter().find(|signoff| signoff.id == id)
    }
}
