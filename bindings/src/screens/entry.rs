//! One line of a ledger, as one screen.

use std::collections::HashMap;
use xunyuan_core::definition::Ledger;
use xunyuan_core::rules::entry::{self, EntryView, FieldContent, TransitionView};
use xunyuan_core::rules::keys;

use super::duty::Duty;
use super::form::FieldForm;
use super::sheet::Beside;
use super::value::{Choice, Lack, Value, Written};
use crate::words::Words;

/// Everything a screen shows of one entry.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct EntryScreen {
    /// The document id: what every action on the entry takes.
    pub document: String,
    /// The ledger's id.
    pub ledger: String,
    /// The version of it that the entry pins.
    pub version: u32,
    /// The ledger's name.
    pub title: String,
    /// The project's or branch's id, once written.
    pub project: Option<String>,
    /// Its name.
    pub project_name: String,
    /// The official number, once the branch has given it.
    pub number: Option<String>,
    /// The number given on the device.
    pub temporary_number: Option<String>,
    /// The state's id.
    pub state: String,
    /// The state's name.
    pub state_name: String,
    /// True in a final state.
    pub is_final: bool,
    /// Fields in the order of the ledger.
    pub fields: Vec<EntryField>,
    /// The history, causes first.
    pub events: Vec<EntryEvent>,
    /// What can happen next, whoever does it.
    pub steps: Vec<Step>,
    /// Marks that stay: escalations, feedback, disputes.
    pub marks: Vec<String>,
    /// Keys and events where people must decide: what `resolve` takes.
    pub clashes: Vec<String>,
    /// True while something must be decided.
    pub needs_decision: bool,
    /// The day it is due, `YYYY-MM-DD`.
    pub due: Option<String>,
    /// The promised time, milliseconds since 1970.
    pub promised_at_ms: Option<i64>,
    /// The name of who handles it.
    pub handler: Option<String>,
    /// The name of who took it first.
    pub first_contact: Option<String>,
    /// Required fields that nobody has filled in.
    pub missing: Vec<Lack>,
    /// What is owed on it and not done.
    pub duties: Vec<Duty>,
    /// True while some of it waits for the branch.
    pub is_pending: bool,
    /// The document in which a sealed entry goes on.
    pub continued_in: Option<String>,
}

/// A field of an entry.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct EntryField {
    /// What it takes.
    pub form: FieldForm,
    /// What it holds.
    pub content: EntryContent,
    /// Current values with their authors, the one that counts first; none for texts, sets and lines.
    pub values: Vec<Written>,
    /// True when people must decide between values.
    pub is_clash: bool,
}

/// What a field holds.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
pub enum EntryContent {
    /// Nothing yet.
    Empty,
    /// One value.
    One {
        /// The value.
        value: Value,
        /// The value in words.
        text: String,
    },
    /// A text that everybody writes in.
    Text {
        /// The whole text.
        text: String,
    },
    /// Elements of a set, or SHA-256 of photos.
    Set {
        /// The elements with their names.
        elements: Vec<Choice>,
    },
    /// Lines.
    Lines {
        /// The lines.
        lines: Vec<EntryLine>,
    },
}

/// A line of an entry.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct EntryLine {
    /// Its id.
    pub id: String,
    /// Values by field of the line.
    pub values: HashMap<String, Written>,
}

/// An event of an entry's history.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct EntryEvent {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub title: String,
    /// The id of who did it.
    pub by: String,
    /// The name of who did it.
    pub by_name: String,
    /// When, by their clock, milliseconds since 1970.
    pub at_ms: i64,
    /// What it carries, in words.
    pub text: String,
    /// True when it lost against a concurrent event.
    pub is_contested: bool,
}

/// A step that the state allows.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Step {
    /// The event to record.
    pub id: String,
    /// Its name.
    pub title: String,
    /// The name of the state it leads to; nothing where it stays.
    pub to: Option<String>,
    /// Names of the roles that may take it; none: whoever writes the ledger.
    pub by: Vec<String>,
    /// What it asks for that no field holds yet: to be given with the event.
    pub missing: Vec<String>,
    /// True when this person may take it as far as is known here.
    pub is_open: bool,
}

impl EntryScreen {
    /// The screen of an entry, for a person with these roles.
    pub(crate) fn of(words: &Words<'_>, roles: &[String], view: &EntryView, beside: Beside) -> Self {
        let ledger = words.catalog.ledger(&view.ledger).map(|ledger| &**ledger);
        let person = |id: &String| words.person(&xunyuan_core::id::UserId::new(id));
        let contested = view.contests.iter().filter(|contest| contest.is_open);
        let contested = contested.map(|contest| keys::event(&contest.event));
        Self {
            document: view.document.to_string(),
            ledger: view.ledger.id.clone(),
            version: view.ledger.version,
            title: words.title(&view.title).to_owned(),
            project: view.project.clone(),
            project_name: view.project.as_deref().map_or_else(String::new, |id| words.project(id)),
            number: view.number.clone(),
            temporary_number: view.temporary_number.clone(),
            state: view.state.clone(),
            state_name: words.title(&view.state_title).to_owned(),
            is_final: view.is_final,
            fields: view.fields.iter().map(|one| field(words, view, ledger, one)).collect(),
            events: view.events.iter().map(|one| event(words, view, one)).collect(),
            steps: view.transitions.iter().map(|one| step(words, roles, view, one)).collect(),
            marks: view.marks.clone(),
            clashes: view.clashes.iter().cloned().chain(contested).collect(),
            needs_decision: view.needs_decision,
            due: view.due.clone(),
            promised_at_ms: view.promised_at_ms,
            handler: view.handler.as_ref().map(person),
            first_contact: view.first_contact.as_ref().map(person),
            missing: Lack::all(words, &view.missing),
            duties: beside.duties,
            is_pending: beside.is_pending,
            continued_in: beside.continued_in,
        }
    }
}

fn field(
    words: &Words<'_>,
    view: &EntryView,
    ledger: Option<&Ledger>,
    field: &entry::FieldView,
) -> EntryField {
    let known = ledger.and_then(|ledger| ledger.field(&field.id));
    let content = match &field.content {
        FieldContent::Empty => EntryContent::Empty,
        FieldContent::One(value) => {
            EntryContent::One { value: Value::of(value), text: words.field_value(known, value) }
        }
        FieldContent::Text(text) => EntryContent::Text { text: text.clone() },
        FieldContent::Set(elements) => {
            let element = |id: &String| Choice {
                id: id.clone(),
                title: words.name_of(id).unwrap_or_else(|| id.clone()),
            };
            EntryContent::Set { elements: elements.iter().map(element).collect() }
        }
        FieldContent::Lines(lines) => {
            let line = |line: &entry::LineView| EntryLine {
                id: line.id.clone(),
                values: line
                    .fields
                    .iter()
                    .map(|(id, stamped)| {
                        let sub = known.and_then(|field| field.entry_field(id));
                        let text = words.field_value(sub, &stamped.value);
                        (id.clone(), Written::of(words, stamped, text))
                    })
                    .collect(),
            };
            EntryContent::Lines { lines: lines.iter().map(line).collect() }
        }
    };
    let key = keys::field(&field.id);
    let written = |stamped| Written::of(words, stamped, words.key_value(&view.ledger, &key, &stamped.value));
    EntryField {
        form: known.map_or_else(|| FieldForm::unknown(&field.id), |known| FieldForm::of(words, known)),
        content,
        values: field.values.iter().map(written).collect(),
        is_clash: field.is_clash,
    }
}

fn event(words: &Words<'_>, view: &EntryView, event: &entry::EventView) -> EntryEvent {
    EntryEvent {
        id: event.event.id.clone(),
        kind: event.event.kind.clone(),
        title: words.title(&event.title).to_owned(),
        by: event.event.by.to_string(),
        by_name: words.person(&event.event.by),
        at_ms: event.event.at_ms,
        text: words.event_data(&view.ledger, &event.event.data),
        is_contested: event.is_contested,
    }
}

fn step(words: &Words<'_>, roles: &[String], view: &EntryView, step: &TransitionView) -> Step {
    Step {
        id: step.id.clone(),
        title: words.title(&step.title).to_owned(),
        to: step.to.as_ref().map(|state| words.state(&view.ledger, state)),
        by: step.by.iter().map(|role| words.role(role)).collect(),
        missing: step.missing.clone(),
        is_open: step.is_open_to(roles),
    }
}
