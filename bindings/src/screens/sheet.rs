//! A checklist being answered, as one screen.

use std::collections::HashMap;
use xunyuan_core::definition;
use xunyuan_core::rules::keys;
use xunyuan_core::rules::sheet::{self, InspectionState, InspectionView, ItemView, Signed};

use super::card::Card;
use super::duty::Duty;
use super::form::{FieldForm, options_of_set};
use super::value::{Choice, Lack, Written};
use crate::words::Words;

/// How far a sheet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum SheetState {
    /// Being filled in.
    Open,
    /// Finished; corrections are amendments.
    Completed,
    /// Finished and seen by a supervisor.
    Reviewed,
}

/// How an item is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ItemKind {
    /// An option.
    Choice,
    /// A number.
    Number,
    /// A text.
    Text,
    /// A day, `YYYY-MM-DD`.
    Date,
    /// A time of day, `HH:MM`.
    Time,
}

/// Everything a screen shows of one sheet.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct SheetScreen {
    /// The document id: what every action on the sheet takes.
    pub document: String,
    /// The checklist's id.
    pub checklist: String,
    /// The version of it that is in force on the sheet.
    pub version: u32,
    /// The checklist's name.
    pub title: String,
    /// The project's id, once the head names it.
    pub project: Option<String>,
    /// The project's name.
    pub project_name: String,
    /// How far the sheet is.
    pub state: SheetState,
    /// The state in words.
    pub state_name: String,
    /// Header fields in order.
    pub header: Vec<HeaderField>,
    /// Sections in order, hidden items included.
    pub sections: Vec<Section>,
    /// Repeated groups in order.
    pub groups: Vec<Group>,
    /// Checkpoints that are asked for or were scanned.
    pub scans: Vec<Scan>,
    /// Places to sign.
    pub signoffs: Vec<Signoff>,
    /// What a complete sheet still lacks.
    pub missing: Vec<Lack>,
    /// The result so far.
    pub score: Score,
    /// Who finished it and when.
    pub completed: Option<Signature>,
    /// Who reviewed it last and when.
    pub reviewed: Option<Signature>,
    /// Corrections after completion.
    pub amendments: Vec<Amendment>,
    /// Keys where people must decide: what `resolve` takes.
    pub clashes: Vec<String>,
    /// Answers that the checklist in force does not ask for.
    pub kept: Vec<Kept>,
    /// The options of every set that an item names, retired ones left out.
    pub options: HashMap<String, Vec<Choice>>,
    /// What is owed on the sheet and not done.
    pub duties: Vec<Duty>,
    /// True while some of it waits for the branch.
    pub is_pending: bool,
    /// The document in which a sealed sheet goes on.
    pub continued_in: Option<String>,
}

/// What an answer led to.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Answered {
    /// The sheet after the answer.
    pub sheet: SheetScreen,
    /// Entries that the answer raised.
    pub raised: Vec<Card>,
}

/// A header field.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct HeaderField {
    /// What it takes.
    pub form: FieldForm,
    /// Current values, the one that counts first; elements of a set.
    pub values: Vec<Written>,
    /// True when people must decide between values.
    pub is_clash: bool,
}

/// A section.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Section {
    /// Its id.
    pub id: String,
    /// The heading.
    pub title: String,
    /// Items in order, hidden ones included.
    pub items: Vec<Item>,
    /// Visible items.
    pub visible: u32,
    /// Visible items with an answer.
    pub answered: u32,
    /// Visible items that fail.
    pub failed: u32,
}

/// An item.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Item {
    /// Its id.
    pub id: String,
    /// The question.
    pub title: String,
    /// How it is answered.
    pub kind: ItemKind,
    /// The set of its options in [`SheetScreen::options`].
    pub option_set: Option<String>,
    /// Unit of a number.
    pub unit: Option<String>,
    /// False while its condition does not hold.
    pub is_visible: bool,
    /// True when a complete sheet must have it.
    pub is_required: bool,
    /// True when its failure fails the sheet.
    pub is_critical: bool,
    /// Current answers: none, one, or several that clash, the one that counts first.
    pub answers: Vec<Written>,
    /// True when people answered differently without knowing of each other.
    pub is_clash: bool,
    /// True when it fails.
    pub is_fail: bool,
    /// Share of its weight that it scores, 0 to 1.
    pub score: Option<f64>,
    /// Severity of the finding that the answer raises.
    pub severity: Option<String>,
    /// Current notes.
    pub notes: Vec<Written>,
    /// SHA-256 of its photos.
    pub photos: Vec<String>,
    /// What it still lacks.
    pub missing: Vec<Lack>,
}

/// A repeated group.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Group {
    /// Its id.
    pub id: String,
    /// The heading.
    pub title: String,
    /// What a line takes.
    pub fields: Vec<FieldForm>,
    /// Its lines.
    pub lines: Vec<GroupLine>,
}

/// A line of a repeated group.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct GroupLine {
    /// Its id.
    pub id: String,
    /// Values by field.
    pub values: HashMap<String, Written>,
    /// SHA-256 of photos by field.
    pub photos: HashMap<String, Vec<String>>,
}

/// A checkpoint.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Scan {
    /// Its id.
    pub checkpoint: String,
    /// Its name.
    pub title: String,
    /// True when the sheet asks for it.
    pub is_required: bool,
    /// Who was there.
    pub scans: Vec<Signature>,
    /// Why the tag could not be read.
    pub bypass: Option<String>,
}

/// A place to sign.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Signoff {
    /// Its id.
    pub id: String,
    /// The name of the role that signs.
    pub role: String,
    /// True where a review takes the place of a signature.
    pub is_review: bool,
    /// True when a complete sheet must have it.
    pub is_required: bool,
    /// Who signed.
    pub signed: Option<Signature>,
}

/// Who did something, and when by their clock.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Signature {
    /// The person's id.
    pub by: String,
    /// The person's name.
    pub by_name: String,
    /// Milliseconds since 1970.
    pub at_ms: i64,
}

/// A correction of a finished sheet.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Amendment {
    /// Who and when.
    pub signature: Signature,
    /// Why.
    pub reason: String,
}

/// An answer that no longer belongs to a question.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Kept {
    /// The key it is kept under.
    pub key: String,
    /// What was written.
    pub values: Vec<Written>,
    /// Why it does not fit.
    pub reason: String,
}

/// The result of a sheet so far.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Score {
    /// Percent, for methods that give one.
    pub percent: Option<f64>,
    /// Visible items that count and have an answer.
    pub counted: u32,
    /// Visible items that fail.
    pub failed: u32,
    /// Visible critical items that fail.
    pub critical_failed: u32,
    /// Items left out as not applicable.
    pub excluded: u32,
    /// Failing items by severity.
    pub by_severity: HashMap<String, u32>,
    /// Pass or fail; nothing while answers are missing or where the method gives no verdict.
    pub is_passed: Option<bool>,
}

/// What a sheet's screen says beside the sheet.
pub(crate) struct Beside {
    /// What is owed on the record and not done.
    pub(crate) duties: Vec<Duty>,
    /// True while some of it waits for the branch.
    pub(crate) is_pending: bool,
    /// Where a sealed record goes on.
    pub(crate) continued_in: Option<String>,
}

impl SheetScreen {
    /// The screen of a sheet.
    pub(crate) fn of(words: &Words<'_>, view: &InspectionView, beside: Beside) -> Self {
        let checklist = words.catalog.checklist(&view.checklist);
        let sets = view.sections.iter().flat_map(|section| &section.items);
        let sets = sets.filter_map(|item| item.response_set.as_deref());
        Self {
            document: view.document.to_string(),
            checklist: view.checklist.id.clone(),
            version: view.checklist.version,
            title: words.title(&view.title).to_owned(),
            project: view.project.clone(),
            project_name: view.project.as_deref().map_or_else(String::new, |id| words.project(id)),
            state: match view.state {
                InspectionState::Open => SheetState::Open,
                InspectionState::Completed => SheetState::Completed,
                InspectionState::Reviewed => SheetState::Reviewed,
            },
            state_name: words.title(&view.state.title()).to_owned(),
            header: view.header.iter().map(|field| header(words, view, checklist, field)).collect(),
            sections: view.sections.iter().map(|one| section(words, view, one)).collect(),
            groups: view.groups.iter().map(|one| group(words, view, checklist, one)).collect(),
            scans: view.scans.iter().map(|one| scan(words, one)).collect(),
            signoffs: view.signoffs.iter().map(|one| signoff(words, one)).collect(),
            missing: Lack::all(words, &view.missing),
            score: score(&view.score),
            completed: view.completed.as_ref().map(|signed| signature(words, signed)),
            reviewed: view.reviewed.as_ref().map(|signed| signature(words, signed)),
            amendments: view.amendments.iter().map(|one| amendment(words, one)).collect(),
            clashes: view.clashes.clone(),
            kept: view.orphans.iter().map(|orphan| kept(words, view, orphan)).collect(),
            options: sets.map(|set| (set.to_owned(), options_of_set(words, set))).collect(),
            duties: beside.duties,
            is_pending: beside.is_pending,
            continued_in: beside.continued_in,
        }
    }
}

fn header(
    words: &Words<'_>,
    view: &InspectionView,
    checklist: Option<&std::sync::Arc<definition::Checklist>>,
    field: &sheet::HeaderView,
) -> HeaderField {
    let known = checklist.and_then(|list| list.header_fields.iter().find(|known| known.id == field.id));
    let key = keys::header(&field.id);
    HeaderField {
        form: known.map_or_else(|| FieldForm::unknown(&field.id), |known| FieldForm::of(words, known)),
        values: written(words, view, &key, &field.values),
        is_clash: field.is_clash,
    }
}

fn section(words: &Words<'_>, view: &InspectionView, section: &sheet::SectionView) -> Section {
    Section {
        id: section.id.clone(),
        title: words.title(&section.title).to_owned(),
        items: section.items.iter().map(|one| item(words, view, one)).collect(),
        visible: section.visible,
        answered: section.answered,
        failed: section.failed,
    }
}

fn item(words: &Words<'_>, view: &InspectionView, item: &ItemView) -> Item {
    Item {
        id: item.id.clone(),
        title: words.title(&item.title).to_owned(),
        kind: match item.kind {
            definition::ItemKind::Choice => ItemKind::Choice,
            definition::ItemKind::Number => ItemKind::Number,
            definition::ItemKind::Text => ItemKind::Text,
            definition::ItemKind::Date => ItemKind::Date,
            definition::ItemKind::Time => ItemKind::Time,
        },
        option_set: item.response_set.clone(),
        unit: item.unit.clone(),
        is_visible: item.is_visible,
        is_required: item.required,
        is_critical: item.critical,
        answers: written(words, view, &keys::item(&item.id), &item.answers),
        is_clash: item.is_clash,
        is_fail: item.is_fail,
        score: item.score,
        severity: item.severity.clone(),
        notes: written(words, view, &keys::note(&item.id), &item.notes),
        photos: item.photos.clone(),
        missing: Lack::all(words, &item.missing),
    }
}

fn group(
    words: &Words<'_>,
    view: &InspectionView,
    checklist: Option<&std::sync::Arc<definition::Checklist>>,
    group: &sheet::GroupView,
) -> Group {
    let known = checklist.and_then(|list| list.repeat_groups.iter().find(|known| known.id == group.id));
    let line = |line: &sheet::GroupLine| {
        let values = line.fields.iter().map(|(id, stamped)| {
            let key = keys::group(&group.id, &line.id, id);
            let text = words.key_value(&view.checklist, &key, &stamped.value);
            (id.clone(), Written::of(words, stamped, text))
        });
        let mut photos: HashMap<String, Vec<String>> = HashMap::new();
        for (field, sha256) in &line.photos {
            photos.entry(field.clone()).or_default().push(sha256.clone());
        }
        GroupLine { id: line.id.clone(), values: values.collect(), photos }
    };
    Group {
        id: group.id.clone(),
        title: words.title(&group.title).to_owned(),
        fields: known.map_or_else(Vec::new, |known| {
            known.fields.iter().map(|field| FieldForm::of(words, field)).collect()
        }),
        lines: group.lines.iter().map(line).collect(),
    }
}

fn scan(words: &Words<'_>, scan: &sheet::ScanView) -> Scan {
    let title = scan.title.as_ref().map_or(scan.checkpoint.as_str(), |title| words.title(title));
    Scan {
        checkpoint: scan.checkpoint.clone(),
        title: title.to_owned(),
        is_required: scan.required,
        scans: scan.scans.iter().map(|signed| signature(words, signed)).collect(),
        bypass: scan.bypass.clone(),
    }
}

fn signoff(words: &Words<'_>, signoff: &sheet::SignoffView) -> Signoff {
    Signoff {
        id: signoff.id.clone(),
        role: words.role(&signoff.role),
        is_review: signoff.is_review,
        is_required: signoff.required,
        signed: signoff.signed.as_ref().map(|signed| signature(words, signed)),
    }
}

fn amendment(words: &Words<'_>, amendment: &sheet::Amendment) -> Amendment {
    Amendment { signature: signature(words, &amendment.signed), reason: amendment.reason.clone() }
}

fn kept(words: &Words<'_>, view: &InspectionView, orphan: &sheet::Orphan) -> Kept {
    Kept {
        key: orphan.key.clone(),
        values: written(words, view, &orphan.key, &orphan.values),
        reason: words.sentence(&orphan.reason).to_owned(),
    }
}

fn signature(words: &Words<'_>, signed: &Signed) -> Signature {
    Signature { by: signed.by.to_string(), by_name: words.person(&signed.by), at_ms: signed.at_ms }
}

fn score(score: &sheet::Score) -> Score {
    Score {
        percent: score.percent,
        counted: score.counted,
        failed: score.failed,
        critical_failed: score.critical_failed,
        excluded: score.excluded,
        by_severity: score.counts.iter().cloned().collect(),
        is_passed: score.passed,
    }
}

fn written(
    words: &Words<'_>,
    view: &InspectionView,
    key: &str,
    values: &[xunyuan_core::document::model::Stamped],
) -> Vec<Written> {
    let one = |stamped| Written::of(words, stamped, words.key_value(&view.checklist, key, &stamped.value));
    values.iter().map(one).collect()
}
