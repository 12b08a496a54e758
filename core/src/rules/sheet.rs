//! What a sheet holds, item by item: the plain records of an inspection's view.

use crate::definition::{ItemKind, Title};
use crate::document::model::{Stamped, Value};
use crate::error::Sentence;
use crate::id::{DefinitionRef, DocumentId, UserId};

/// How far a sheet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum InspectionState {
    /// Being filled in.
    Open,
    /// Finished; corrections are amendments.
    Completed,
    /// Finished and seen by a supervisor.
    Reviewed,
}

impl InspectionState {
    /// Stable id: `open`, `completed` or `reviewed`.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Completed => "completed",
            Self::Reviewed => "reviewed",
        }
    }

    /// The state's name.
    #[must_use]
    pub fn title(self) -> Title {
        let (zh, en) = match self {
            Self::Open => ("填写中", "Open"),
            Self::Completed => ("已完成", "Completed"),
            Self::Reviewed => ("已复核", "Reviewed"),
        };
        Title { zh: zh.to_owned(), en: en.to_owned() }
    }
}

/// An inspection as people see it.
#[derive(Clone, Debug, PartialEq)]
pub struct InspectionView {
    /// Which document.
    pub document: DocumentId,
    /// The checklist version in force: the pinned one, or the one it was moved to.
    pub checklist: DefinitionRef,
    /// The checklist's name.
    pub title: Title,
    /// The project, once the head names it.
    pub project: Option<String>,
    /// How far the sheet is.
    pub state: InspectionState,
    /// Header fields in order.
    pub header: Vec<HeaderView>,
    /// Sections in order.
    pub sections: Vec<SectionView>,
    /// Repeated groups in order.
    pub groups: Vec<GroupView>,
    /// Scans of checkpoints, and those still asked for.
    pub scans: Vec<ScanView>,
    /// Places to sign.
    pub signoffs: Vec<SignoffView>,
    /// What a complete sheet still lacks, in the order of the sheet.
    pub missing: Vec<Missing>,
    /// The result so far.
    pub score: Score,
    /// Who finished the sheet and when; the earliest where several did.
    pub completed: Option<Signed>,
    /// Who reviewed it last and when.
    pub reviewed: Option<Signed>,
    /// Corrections after completion, with their reasons.
    pub amendments: Vec<Amendment>,
    /// Keys of answers, header fields and notes where people must decide.
    pub clashes: Vec<String>,
    /// Answers that the checklist version in force does not ask for; kept for ever.
    pub orphans: Vec<Orphan>,
}

/// Who did something, and when by their clock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signed {
    /// The person.
    pub by: UserId,
    /// Device time, milliseconds since 1970.
    pub at_ms: i64,
}

/// A correction of a finished sheet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Amendment {
    /// Who and when.
    pub signed: Signed,
    /// Why.
    pub reason: String,
}

/// A header field.
#[derive(Clone, Debug, PartialEq)]
pub struct HeaderView {
    /// Field id.
    pub id: String,
    /// Its name, where the definition gives one.
    pub title: Option<Title>,
    /// True when a complete sheet must have it.
    pub required: bool,
    /// Current values, the one that counts first; elements of a set field.
    pub values: Vec<Stamped>,
    /// True when people must decide between values.
    pub is_clash: bool,
}

/// A section.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionView {
    /// Section id.
    pub id: String,
    /// The heading.
    pub title: Title,
    /// Items in order, hidden ones included.
    pub items: Vec<ItemView>,
    /// Visible items.
    pub visible: u32,
    /// Visible items with an answer.
    pub answered: u32,
    /// Visible items that fail.
    pub failed: u32,
}

/// An item.
#[derive(Clone, Debug, PartialEq)]
pub struct ItemView {
    /// Item id.
    pub id: String,
    /// The question.
    pub title: Title,
    /// How it is answered.
    pub kind: ItemKind,
    /// The options, for a choice.
    pub response_set: Option<String>,
    /// Unit of a number.
    pub unit: Option<String>,
    /// True while its condition holds; a hidden item asks for nothing and does not score.
    pub is_visible: bool,
    /// True when a complete sheet must have it.
    pub required: bool,
    /// True when its failure fails the sheet.
    pub critical: bool,
    /// Current answers: none, one, or several written concurrently (winner first).
    pub answers: Vec<Stamped>,
    /// The option of the first answer.
    pub option_title: Option<Title>,
    /// True when people answered differently without knowing of each other.
    pub is_clash: bool,
    /// True when an answer fails, or nobody has decided a clash.
    pub is_fail: bool,
    /// Share of its weight that it scores, 0 to 1; `None` where it does not count.
    pub score: Option<f64>,
    /// Weight in the score.
    pub weight: f64,
    /// Severity of the finding that the answers raise, highest first where they differ.
    pub severity: Option<String>,
    /// Current notes: one, or several written concurrently.
    pub notes: Vec<Stamped>,
    /// SHA-256 of its photos, sorted.
    pub photos: Vec<String>,
    /// What it still lacks.
    pub missing: Vec<Missing>,
}

impl ItemView {
    /// The answer that counts, where there is one.
    #[must_use]
    pub fn answer(&self) -> Option<&Value> {
        self.answers.first().map(|stamped| &stamped.value)
    }
}

/// A repeated group with its lines.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupView {
    /// Group id.
    pub id: String,
    /// The heading.
    pub title: Title,
    /// Lines by id.
    pub lines: Vec<GroupLine>,
}

/// A line of a repeated group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupLine {
    /// Line id.
    pub id: String,
    /// Values by field; withdrawn ones are left out.
    pub fields: Vec<(String, Stamped)>,
    /// Photos by field.
    pub photos: Vec<(String, String)>,
}

/// A checkpoint that the sheet asks for or that was scanned.
#[derive(Clone, Debug, PartialEq)]
pub struct ScanView {
    /// Checkpoint id.
    pub checkpoint: String,
    /// Its name, where the organisation knows it.
    pub title: Option<Title>,
    /// True when the visible sections need it.
    pub required: bool,
    /// Who was there; empty until someone was.
    pub scans: Vec<Signed>,
    /// Why the tag could not be read, where it was bypassed.
    pub bypass: Option<String>,
}

/// A place to sign.
#[derive(Clone, Debug, PartialEq)]
pub struct SignoffView {
    /// Sign-off id.
    pub id: String,
    /// The role that signs.
    pub role: String,
    /// True for a review event, false for a signature.
    pub is_review: bool,
    /// True when a complete sheet must have it.
    pub required: bool,
    /// Who signed or reviewed.
    pub signed: Option<Signed>,
}

/// What kind of thing is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MissingKind {
    /// A required header field.
    Header,
    /// A required answer.
    Answer,
    /// A note that the answer asks for.
    Note,
    /// Photos that the item or the answer asks for.
    Photo,
    /// A note or a photo that the answer asks for.
    Evidence,
    /// A scan of a checkpoint, or a bypass with a reason.
    Scan,
    /// Lines of a group, or a required field of a line.
    Group,
    /// A signature.
    Signoff,
    /// A required field of an entry.
    Field,
}

/// One thing that a complete record lacks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// What kind.
    pub kind: MissingKind,
    /// Id of the item, field, checkpoint, group or sign-off.
    pub id: String,
    /// What to do.
    pub sentence: Sentence,
}

/// The result of a sheet so far.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Score {
    /// Percent, for methods that give one; `None` before anything counts.
    pub percent: Option<f64>,
    /// Visible items that count and have an answer.
    pub counted: u32,
    /// Visible items that fail.
    pub failed: u32,
    /// Visible critical items that fail.
    pub critical_failed: u32,
    /// Items left out as not applicable.
    pub excluded: u32,
    /// Failing items by severity, in the order that the checklist reports them.
    pub counts: Vec<(String, u32)>,
    /// Pass or fail; `None` while required answers are missing or where the method gives no verdict.
    pub passed: Option<bool>,
}

/// An answer that no longer belongs to a question.
#[derive(Clone, Debug, PartialEq)]
pub struct Orphan {
    /// The key it is kept under.
    pub key: String,
    /// What was written.
    pub values: Vec<Stamped>,
    /// Why it does not fit.
    pub reason: Sentence,
}
