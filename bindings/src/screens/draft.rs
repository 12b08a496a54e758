//! What the branch refused, as drafts.

use xunyuan_core::projection::Row;
use xunyuan_core::replica::{DraftView, RefusedDraft};

use crate::words::Words;

/// A draft in a list.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct DraftCard {
    /// What every action on the draft takes.
    pub id: String,
    /// The record it is for.
    pub document: String,
    /// What people call the record; the start of its id where it is not here.
    pub name: String,
    /// The checklist's or ledger's name.
    pub title: String,
    /// How many changes it holds.
    pub changes: u32,
    /// Device time of its first change, milliseconds since 1970.
    pub first_written_at_ms: i64,
    /// Device time of its last change, milliseconds since 1970.
    pub last_written_at_ms: i64,
    /// Why the branch refused it: a stable code.
    pub code: String,
    /// Why the branch refused it, in words.
    pub reason: String,
    /// The name of who wrote it, where it is work that the branch had lost and did not take back.
    pub given_back_for: Option<String>,
}

/// A draft with what it says.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct DraftScreen {
    /// The draft.
    pub card: DraftCard,
    /// What was written, in the order of writing.
    pub lines: Vec<DraftLine>,
    /// False when a part of it cannot be read here; it can still be taken out as a file.
    pub is_readable: bool,
}

/// One thing that was written.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct DraftLine {
    /// What it is called.
    pub title: String,
    /// Device time of writing, milliseconds since 1970.
    pub at_ms: i64,
    /// What was written, in words.
    pub text: String,
}

impl DraftCard {
    /// A draft in words.
    pub(crate) fn of(words: &Words<'_>, draft: &RefusedDraft, row: Option<&Row>) -> Self {
        Self {
            id: draft.id.to_string(),
            document: draft.document.to_string(),
            name: row.map_or_else(|| draft.document.short(), Row::name),
            title: words.definition_title(&draft.definition).unwrap_or(&draft.definition.id).to_owned(),
            changes: draft.changes,
            first_written_at_ms: draft.first_written_at_ms,
            last_written_at_ms: draft.last_written_at_ms,
            code: draft.refusal.code.clone(),
            reason: words.sentence(&draft.refusal.sentence).to_owned(),
            given_back_for: draft.given_back_for.as_ref().map(|user| words.person(user)),
        }
    }
}

impl DraftScreen {
    /// A draft with what it says, in words.
    pub(crate) fn of(words: &Words<'_>, view: &DraftView, row: Option<&Row>) -> Self {
        let lines = view.steps.iter().map(|step| DraftLine {
            title: words.title(&step.title).to_owned(),
            at_ms: step.at_ms,
            text: words.draft_content(&view.draft.definition, &step.content),
        });
        Self {
            card: DraftCard::of(words, &view.draft, row),
            lines: lines.collect(),
            is_readable: view.is_readable,
        }
    }
}
