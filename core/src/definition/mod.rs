//! Definitions: checklists, ledgers, rules and everything they point into, as data.
//!
//! Receives JSON (files of a directory, records from the wire or the store) and hands on typed,
//! immutable versions and the [`Catalog`] that finds them. A version is named by id, number and the
//! SHA-256 of its canonical bytes. Forbidden here: documents, stores, clocks, and any id of a particular
//! data set; whatever the engine does with one ledger it does because that ledger's definition says so.

mod body;
mod canonical;
mod catalog;
mod catalogues;
mod check;
mod checklist;
mod deadline;
mod embedded;
mod expr;
mod field;
mod grants;
mod guard;
mod guard_syntax;
mod holidays;
mod label;
mod ledger;
mod linear;
mod number;
mod organisation;
mod papers;
mod reader;
mod report;
mod rulebook;
mod staffing;
mod supervision;
mod tiles;

use std::fmt;

pub use catalog::Catalog;
pub use catalogues::{
    Category, CategoryNode, CategorySet, Clause, ClauseCatalogue, Level, ResponseOption, ResponseSet,
    ResponseSets, ReturnVisit, Standard,
};
pub use check::{GUARD_FACTS, parse_files, parse_files_onto};
pub use checklist::{
    Checklist, ChecklistKind, ClauseRef, CriticalResult, FindingSpec, GroupMerge, Item, ItemKind, OnFail,
    PaperRef, RepeatGroup, Scoring, ScoringMethod, Section, Signoff, SignoffKind, Task,
};
pub use deadline::{Deadline, EventName, LineDate, Lookup, MonthlyBy, NoOverlap, Retained, Span};
pub use embedded::{embedded, sample_organisation, shipped_files};
pub use expr::{EXPRESSION_OPS, Expr, Facts, Limit, Subject};
pub use field::{Choice, Element, Field, FieldType, MergePolicy, Target};
pub use guard::{Comparison, Fact, Guard};
pub use holidays::{Day, DaysOff, HolidayStatus, HolidayYear, Holidays};
pub use label::{Fault, Named, Provenance, ProvenanceKind, SeedRef, Title};
pub use ledger::{BY_RULE, EVENT_DATA, FastPath, Ledger, STEP_BACK, State, Tier, Transition};
pub use number::{NumberPart, NumberPattern};
pub use organisation::{
    AssignMode, Assignment, Checkpoint, DevicePolicy, Frequency, MonthPlan, Organisation, Param, PhotoPolicy,
    Place, Posting, Project, Quote, Recurrence, Role, RoleBook, RoleScope, Schedule, Signal, Tag, TagKind,
    Unit, User, Window,
};
pub use papers::{
    Ambiguity, FlowStep, Form, Nonconformity, PlannedTraining, QuizQuestion, Severity, Topic, Training,
    Upgrade,
};
pub use report::{
    Choose, ColumnKind, During, EventReading, Footing, Happened, LINE_SOURCES, Layout, Paper, PaperBox, Part,
    Reading, Report, ReportColumn, Reports, Source, Tally, Test, Which,
};
pub use rulebook::{
    Applies, Calendar, ESCALATION, Escalation, Evaluation, NoteForm, Reminder, ReportScope, Rule, RuleBook,
    Satisfaction, WatchedObject,
};
pub use staffing::{
    PerHouseholds, Post, PostFormula, Rounding, Share, Staffing, StaffingExample, Surge, SurgeFormula,
};
pub use tiles::{Show, Tile, TilePage, Tiles};

use crate::error::{Error, ErrorKind, Sentence};
use crate::id::{ContentHash, DefinitionRef};
use crate::limits::DEFINITION_BYTES_MAX;

/// What a definition defines.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DefinitionKind {
    /// A checklist.
    Checklist,
    /// A ledger.
    Ledger,
    /// Deadline rules.
    Rules,
    /// Response sets.
    ResponseSets,
    /// A category tree.
    Categories,
    /// Standards and clauses.
    Clauses,
    /// Roles and departments.
    Roles,
    /// Reports.
    Reports,
    /// The model of findings.
    Nonconformity,
    /// Staffing formulas.
    Staffing,
    /// The training plan.
    Training,
    /// A paper form.
    Form,
    /// Public holidays.
    Holidays,
    /// Tiles of the console.
    Tiles,
    /// Branch, projects and people.
    Organisation,
}

impl DefinitionKind {
    /// All kinds.
    pub const ALL: [Self; 15] = [
        Self::Checklist,
        Self::Ledger,
        Self::Rules,
        Self::ResponseSets,
        Self::Categories,
        Self::Clauses,
        Self::Roles,
        Self::Reports,
        Self::Nonconformity,
        Self::Staffing,
        Self::Training,
        Self::Form,
        Self::Holidays,
        Self::Tiles,
        Self::Organisation,
    ];

    /// The value of the key `schema` that marks a definition of this kind.
    #[must_use]
    pub const fn schema(self) -> &'static str {
        match self {
            Self::Checklist => "xy/template@1",
            Self::Ledger => "xy/ledger@1",
            Self::Rules => "xy/rules@1",
            Self::ResponseSets => "xy/response-sets@1",
            Self::Categories => "xy/categories@1",
            Self::Clauses => "xy/clause-catalog@1",
            Self::Roles => "xy/org@1",
            Self::Reports => "xy/reports@1",
            Self::Nonconformity => "xy/nonconformity@1",
            Self::Staffing => "xy/staffing@1",
            Self::Training => "xy/training@1",
            Self::Form => "xy/form@1",
            Self::Holidays => "xy/holidays@1",
            Self::Tiles => "xy/tiles@1",
            Self::Organisation => "xy/sample-org@1",
        }
    }

    fn of_schema(schema: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.schema() == schema)
    }
}

/// One immutable version of a definition, as it is stored, sent and hashed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition {
    /// Id, version and hash of `json`.
    pub reference: DefinitionRef,
    /// What it defines.
    pub kind: DefinitionKind,
    /// Canonical JSON: sorted keys, no spaces.
    pub json: Vec<u8>,
}

impl Definition {
    /// Reads one definition from the wire, the store or a file of its own.
    ///
    /// Checks the text by itself: shape, expressions, guards. What it points to is checked by
    /// the whole-set check, [`parse_files`]. Bytes that are not canonical are made so.
    ///
    /// # Errors
    /// `Invalid` with place and reason, for everything from broken JSON to an unknown key.
    pub fn parse(json: &[u8]) -> Result<Self, Error> {
        if json.len() > DEFINITION_BYTES_MAX {
            return Err(too_large());
        }
        let value = canonical::read(json).map_err(|error| {
            Error::new(
                ErrorKind::Invalid,
                format!("定义不是合法的 JSON(第 {} 行第 {} 列)", error.line(), error.column()),
                format!(
                    "the definition is not valid JSON (line {}, column {})",
                    error.line(),
                    error.column()
                ),
            )
            .caused_by(error)
        })?;
        let parsed = body::parse(&value).map_err(|place| place.into_error())?;
        Ok(parsed.definition)
    }
}

fn too_large() -> Error {
    Error::new(
        ErrorKind::Invalid,
        format!("定义超过 {DEFINITION_BYTES_MAX} 字节的上限"),
        format!("the definition is larger than the limit of {DEFINITION_BYTES_MAX} bytes"),
    )
}

/// A file of a definition directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name within the directory.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// One thing wrong with a set of definition files. Displays as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file.
    pub file: String,
    /// JSON pointer of the place; empty for the whole file.
    pub pointer: String,
    /// What is wrong.
    pub sentence: Sentence,
    /// What is allowed instead; empty when the sentence says it all.
    pub allowed: Vec<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pointer = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(f, "{} {}: {} | {}", self.file, pointer, self.sentence.zh, self.sentence.en)?;
        if !self.allowed.is_empty() {
            write!(f, " (可用 allowed: {})", self.allowed.join(", "))?;
        }
        Ok(())
    }
}

/// The reference of a typed definition that was not given its own yet.
pub(crate) const fn unset_reference() -> DefinitionRef {
    DefinitionRef { id: String::new(), version: 0, hash: ContentHash([0; 32]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_the_same_however_its_keys_are_ordered_and_spaced() {
        let shipped =
            embedded().iter().find(|definition| definition.kind == DefinitionKind::Checklist).unwrap();
        let value: serde_json::Value = serde_json::from_slice(&shipped.json).unwrap();
        let mut entries: Vec<_> = value.as_object().unwrap().iter().collect();
        entries.reverse();
        let text: Vec<String> =
            entries.iter().map(|(key, value)| format!("{key:?} :\n  {value:#}")).collect();
        let again = Definition::parse(format!("{{ {} }}", text.join(" ,\n")).as_bytes()).unwrap();
        assert_eq!(again, *shipped);
        assert_eq!(Definition::parse(&shipped.json).unwrap(), *shipped);
    }

    #[test]
    fn what_cannot_be_a_definition_is_refused_with_its_place() {
        let shipped = String::from_utf8(embedded()[0].json.clone()).unwrap();
        for (text, expected) in [
            ("{".to_owned(), "line 1"),
            ("[]".to_owned(), "JSON object"),
            ("{}".to_owned(), "/schema"),
            (shipped.replacen('{', "{\"colour\":1,", 1), "/colour: unknown key"),
            (format!("{shipped}{}", " ".repeat(DEFINITION_BYTES_MAX)), "larger than the limit"),
            (shipped.replacen("\"version\":1", "\"version\":1.00000000000000000001e0", 1), "version"),
        ] {
            let error = Definition::parse(text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid);
            assert!(error.to_string().contains(expected), "{error}");
        }
    }
}
