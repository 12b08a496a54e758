//! What a person does, put together as edits of one document: stamped with who and when, events with what
//! they come after.
//!
//! Receives what a document says, who writes, and what the person wants; hands on edits for the rules to
//! judge. The same on a device and at the branch's desk, so that both write alike. Forbids stores, the wire
//! and deciding whether something may be written: that is for the rules.

mod entry;

use std::collections::BTreeMap;

use crate::definition::Catalog;
use crate::document::line_id;
use crate::document::model::{Edit, Event, Model, Stamped, Value};
use crate::id::{ActorId, DefinitionRef, DocumentId, ScopeId, UserId};
use crate::rules::keys::{self, Key};
use crate::rules::{entry as entries, inspection};

pub use entry::{add_line, begin_entry, change_set, edit_fields, edit_line, record_event};

/// What one action writes into one document.
#[derive(Clone, Debug)]
pub struct Work {
    /// Which document.
    pub document: DocumentId,
    /// The scope that it is a record of.
    pub scope: ScopeId,
    /// The definition that it pins.
    pub definition: DefinitionRef,
    /// What is written, in order.
    pub edits: Vec<Edit>,
}

/// Who writes, under which author id and number of change, when.
#[derive(Clone, Debug)]
pub struct Pen {
    /// The author id inside the change.
    pub actor: ActorId,
    /// The number of the change under that author id.
    pub seq: u64,
    /// The person.
    pub user: UserId,
    /// When, milliseconds since 1970.
    pub at_ms: i64,
}

/// One document's part of an action.
#[derive(Clone, Debug)]
pub struct Draft {
    /// What the document says, this action's edits included.
    pub model: Model,
    work: Work,
    pen: Pen,
    ids_taken: u32,
    /// What elements of sets say beyond being there.
    elements: BTreeMap<String, Value>,
}

impl Draft {
    /// An action on a document that says `model`.
    #[must_use]
    pub fn new(model: Model, scope: ScopeId, pen: Pen) -> Self {
        let (document, definition) = (model.document, model.definition.clone());
        let work = Work { document, scope, definition, edits: Vec::new() };
        Self { model, work, pen, ids_taken: 0, elements: BTreeMap::new() }
    }

    /// Writes a register.
    pub fn put(&mut self, key: String, value: Value) {
        let stamped = Stamped { value, by: self.pen.user.clone(), at_ms: self.pen.at_ms };
        self.push(Edit::Put { key, stamped });
    }

    /// Notes what an element of a set says where it is put in: of a file, what it is.
    pub fn note_element(&mut self, element: &str, said: Value) {
        self.elements.insert(element.to_owned(), said);
    }

    /// Puts an element into a set.
    pub fn put_element(&mut self, field: &str, element: &str) {
        let said = self.elements.get(element).cloned().unwrap_or(Value::Bool(true));
        self.put(keys::set(field, element), said);
    }

    /// Writes a shared text, and who did under `key`.
    pub fn put_text(&mut self, text_key: &str, key: String, text: &str) {
        self.push(Edit::Text { key: text_key.to_owned(), to: Some(text.to_owned()) });
        self.put(key, Value::Bool(!text.trim().is_empty()));
    }

    /// Appends an event that has seen everything in the model.
    pub fn event(&mut self, kind: &str, from: &str, data: BTreeMap<String, Value>) {
        let event = Event {
            id: self.line_id(),
            kind: kind.to_owned(),
            by: self.pen.user.clone(),
            at_ms: self.pen.at_ms,
            from: from.to_owned(),
            after: self.model.latest_events(),
            data,
        };
        self.push(Edit::Event(event));
    }

    /// Adds an edit made elsewhere by the rules.
    pub fn push(&mut self, edit: Edit) {
        self.model.apply(&edit);
        self.work.edits.push(edit);
    }

    /// A fresh id for an event or a line.
    pub fn line_id(&mut self) -> String {
        let id = line_id(self.pen.actor, self.pen.seq, self.ids_taken);
        self.ids_taken += 1;
        id
    }

    /// The next change of the same document, for one who has seen this one.
    #[must_use]
    pub fn following(&self) -> Self {
        let seq = if self.is_empty() { self.pen.seq } else { self.pen.seq + 1 };
        Self::new(self.model.clone(), self.work.scope.clone(), Pen { seq, ..self.pen.clone() })
    }

    /// What follows was written at this device time, milliseconds since 1970.
    pub const fn written_at(&mut self, at_ms: i64) {
        self.pen.at_ms = at_ms;
    }

    /// The scope of its record.
    #[must_use]
    pub const fn scope(&self) -> &ScopeId {
        &self.work.scope
    }

    /// True when a register or a text that the action writes is one of those asked for.
    #[must_use]
    pub fn touches(&self, register: impl Fn(&str) -> bool, text: impl Fn(&str) -> bool) -> bool {
        self.work.edits.iter().any(|edit| match edit {
            Edit::Put { key, .. } => register(key),
            Edit::Text { key, .. } => text(key),
            Edit::Event(_) => false,
        })
    }

    /// True when the action would write nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.work.edits.is_empty()
    }

    /// The work to perform.
    #[must_use]
    pub fn into_work(self) -> Work {
        self.work
    }
}

/// The state that a record is in; empty before it begins.
#[must_use]
pub fn state_of(catalog: &Catalog, model: &Model) -> String {
    if model.events.is_empty() {
        return String::new();
    }
    match catalog.ledger(&model.definition) {
        Some(ledger) => entries::state(ledger, model).to_owned(),
        None => inspection::state(model).id().to_owned(),
    }
}

/// Decides a clash by the value to keep: an event, and for a value also its register. The other values stay
/// in the history.
pub fn decide(catalog: &Catalog, draft: &mut Draft, key: &str, value: Value, reason: &str) {
    let from = state_of(catalog, &draft.model);
    let mut data = BTreeMap::from([(keys::DATA_KEY.to_owned(), Value::Text(key.to_owned()))]);
    if !reason.is_empty() {
        data.insert(keys::DATA_REASON.to_owned(), Value::Text(reason.to_owned()));
    }
    if Key::parse(key).is_some() {
        draft.put(key.to_owned(), value);
    } else {
        data.insert("choice".to_owned(), value);
    }
    draft.event(keys::RESOLVE, &from, data);
}

/// Notes a supervisor's review of a sheet.
pub fn review(draft: &mut Draft, note: &str) {
    let from = inspection::state(&draft.model).id();
    let mut data = BTreeMap::new();
    if !note.is_empty() {
        data.insert("note".to_owned(), Value::Text(note.to_owned()));
    }
    draft.event(keys::REVIEW, from, data);
}
