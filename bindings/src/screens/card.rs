//! Records in lists: pages, search, histories, conflicts.

use std::collections::BTreeMap;
use xunyuan_core::duty::Status;
use xunyuan_core::projection::{self, ClashRow, Filter, LineKind, Row, RowKind};

use super::duty::DutyStatus;
use super::value::Written;
use crate::words::Words;
use xunyuan_core::document::model::Stamped;

/// What sort of record a card stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum CardKind {
    /// A checklist being answered.
    Sheet,
    /// One line of a ledger.
    Entry,
}

/// One record in a list.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Card {
    /// The document id.
    pub document: String,
    /// Sheet or entry.
    pub kind: CardKind,
    /// What people call it: official number, else temporary, else the start of the document id.
    pub name: String,
    /// The checklist's or ledger's id.
    pub definition: String,
    /// The checklist's or ledger's name.
    pub title: String,
    /// One line that tells it from its neighbours.
    pub summary: String,
    /// The project's id.
    pub project: String,
    /// The project's name.
    pub project_name: String,
    /// The state's id.
    pub state: String,
    /// The state's name.
    pub state_name: String,
    /// True where the state ends its life.
    pub is_final: bool,
    /// Official number.
    pub number: Option<String>,
    /// Number given offline.
    pub temporary_number: Option<String>,
    /// The name of who began it.
    pub created_by: Option<String>,
    /// When, device time, milliseconds since 1970.
    pub created_at_ms: i64,
    /// Latest device time of anything in it, milliseconds since 1970.
    pub updated_at_ms: i64,
    /// When it is due, milliseconds since 1970.
    pub due_ms: Option<i64>,
    /// True when that is over and the record is not.
    pub is_overdue: bool,
    /// The name of who works on it.
    pub handler: Option<String>,
    /// Score of a sheet, percent.
    pub score: Option<f64>,
    /// Result of a sheet.
    pub result: Option<String>,
    /// Clashes and contested events that wait for a decision.
    pub undecided: u32,
    /// The most urgent thing that is owed on it.
    pub duty: Option<DutyStatus>,
    /// True while some of it waits for the branch.
    pub is_pending: bool,
    /// The document in which a sealed record goes on.
    pub continued_in: Option<String>,
}

/// Which records to list; nothing set lists the newest of everything.
#[derive(Clone, Debug, Default, PartialEq, Eq, uniffi::Record)]
pub struct CardFilter {
    /// Sheets or entries only.
    #[uniffi(default = None)]
    pub kind: Option<CardKind>,
    /// One ledger or checklist only.
    #[uniffi(default = None)]
    pub definition: Option<String>,
    /// One project only.
    #[uniffi(default = None)]
    pub project: Option<String>,
    /// One state only.
    #[uniffi(default = None)]
    pub state: Option<String>,
    /// Only what is overdue now.
    #[uniffi(default = false)]
    pub overdue: bool,
    /// Only what the person may call "mine".
    #[uniffi(default = false)]
    pub mine: bool,
    /// Only what is not finished.
    #[uniffi(default = false)]
    pub open: bool,
    /// Only what waits for a decision.
    #[uniffi(default = false)]
    pub undecided: bool,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct CardPage {
    /// The records, newest first.
    pub cards: Vec<Card>,
    /// How many fit in all.
    pub total: u64,
    /// Where the next page begins; nothing after the last.
    pub next: Option<u32>,
}

/// One line of a record's history.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct HistoryLine {
    /// True for something that happened, false for a value as it stands.
    pub is_event: bool,
    /// What, in words.
    pub title: String,
    /// The id of who.
    pub by: String,
    /// The name of who.
    pub by_name: String,
    /// Device time, milliseconds since 1970.
    pub at_ms: i64,
    /// The name of the state after it; empty where it has none.
    pub state_name: String,
    /// What it said, in words.
    pub text: String,
    /// True where the merge left it contested.
    pub is_contested: bool,
}

/// What two people wrote differently.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Conflict {
    /// The record.
    pub document: String,
    /// What `resolve` takes.
    pub key: String,
    /// What people call the record.
    pub name: String,
    /// One line of the record.
    pub summary: String,
    /// What it is about, in words.
    pub title: String,
    /// Why it waits: a stable code.
    pub reason: String,
    /// The choices in the order that `resolve` counts from 0; the first stands until the decision.
    pub choices: Vec<Written>,
}

/// What a card says beside the row.
pub(crate) struct Beside {
    /// True while some of it waits for the branch.
    pub(crate) is_pending: bool,
    /// Where a sealed record goes on.
    pub(crate) continued_in: Option<String>,
    /// The most urgent thing that is owed on it.
    pub(crate) duty: Option<Status>,
    /// The time now, milliseconds since 1970.
    pub(crate) now_ms: i64,
}

impl Card {
    /// A row in words.
    pub(crate) fn of(words: &Words<'_>, row: &Row, beside: Beside) -> Self {
        Self {
            document: row.document.to_string(),
            kind: match row.kind {
                RowKind::Inspection => CardKind::Sheet,
                RowKind::Entry => CardKind::Entry,
            },
            name: row.name(),
            definition: row.definition.id.clone(),
            title: words.definition_title(&row.definition).unwrap_or(&row.title).to_owned(),
            summary: row.summary.clone(),
            project: row.project.clone(),
            project_name: words.project(&row.project),
            state: row.state.clone(),
            state_name: words.state(&row.definition, &row.state),
            is_final: row.terminal,
            number: row.number.clone(),
            temporary_number: row.temp_number.clone(),
            created_by: row.created_by.as_ref().map(|user| words.person(user)),
            created_at_ms: row.created_at_ms,
            updated_at_ms: row.updated_at_ms,
            due_ms: row.due_ms,
            is_overdue: !row.terminal && row.due_ms.is_some_and(|due| due < beside.now_ms),
            handler: row.handler.as_ref().map(|user| words.person(user)),
            score: row.score,
            result: row.result.clone(),
            undecided: row.clashes + row.contested,
            duty: beside.duty.map(DutyStatus::of),
            is_pending: beside.is_pending,
            continued_in: beside.continued_in,
        }
    }
}

impl CardFilter {
    /// The filter as the core takes it, for `user` now.
    pub(crate) fn into_core(self, user: &xunyuan_core::id::UserId, now_ms: i64) -> Filter {
        Filter {
            kind: self.kind.map(|kind| match kind {
                CardKind::Sheet => RowKind::Inspection,
                CardKind::Entry => RowKind::Entry,
            }),
            definition: self.definition,
            project: self.project,
            state: self.state,
            overdue_at_ms: self.overdue.then_some(now_ms),
            mine: self.mine.then(|| user.clone()),
            open_only: self.open,
            undecided_only: self.undecided,
            ..Filter::default()
        }
    }
}

impl HistoryLine {
    /// A line in words; `texts` are the record's shared texts by field.
    pub(crate) fn of(
        words: &Words<'_>,
        row: &Row,
        line: &projection::HistoryLine,
        texts: &BTreeMap<String, String>,
    ) -> Self {
        Self {
            is_event: line.kind == LineKind::Event,
            title: words.what(&row.definition, line),
            by: line.by.to_string(),
            by_name: words.person(&line.by),
            at_ms: line.at_ms,
            state_name: words.state(&row.definition, &line.state),
            text: words.said(&row.definition, line, texts),
            is_contested: line.contested,
        }
    }
}

impl Conflict {
    /// A clash in words; `row` is missing while its rows are being written.
    pub(crate) fn of(words: &Words<'_>, clash: &ClashRow, row: Option<&Row>) -> Self {
        let choice = |choice: &projection::Choice| {
            let stamped = Stamped { value: choice.value.clone(), by: choice.by.clone(), at_ms: choice.at_ms };
            let text = row.map_or_else(
                || words.value(&choice.value),
                |row| words.key_value(&row.definition, &clash.key, &choice.value),
            );
            Written::of(words, &stamped, text)
        };
        Self {
            document: clash.document.to_string(),
            key: clash.key.clone(),
            name: row.map_or_else(|| clash.document.to_string(), Row::name),
            summary: row.map_or_else(String::new, |row| row.summary.clone()),
            title: row.and_then(|row| words.key_name(&row.definition, &clash.key)).unwrap_or_default(),
            reason: clash.reason.clone(),
            choices: clash.choices.iter().map(choice).collect(),
        }
    }
}
