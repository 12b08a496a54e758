//! An action being put together: edits stamped with who and when, events with what they come after.

use std::collections::BTreeMap;

use super::{Replica, Work};
use crate::document::line_id;
use crate::document::model::{Edit, Event, Model, Stamped, Value};
use crate::error::Error;
use crate::id::{ActorId, DefinitionRef, DocumentId, ScopeId, UserId, short_hash};
use crate::store::documents::{self, DocumentRow};
use crate::store::outbox;
use crate::time::Moment;

/// One document's part of an action.
pub(super) struct Draft {
    /// What the document says, this action's edits included.
    pub(super) model: Model,
    work: Work,
    actor: ActorId,
    seq: u64,
    ids_taken: u32,
    user: UserId,
    at_ms: i64,
}

impl Draft {
    /// Writes a register.
    pub(super) fn put(&mut self, key: String, value: Value) {
        let stamped = Stamped { value, by: self.user.clone(), at_ms: self.at_ms };
        self.push(Edit::Put { key, stamped });
    }

    /// Writes a shared text, and who did under `key`.
    pub(super) fn put_text(&mut self, text_key: &str, key: String, text: &str) {
        self.push(Edit::Text { key: text_key.to_owned(), to: Some(text.to_owned()) });
        self.put(key, Value::Bool(!text.trim().is_empty()));
    }

    /// Appends an event that has seen everything in the model.
    pub(super) fn event(&mut self, kind: &str, from: &str, data: BTreeMap<String, Value>) {
        let event = Event {
            id: self.line_id(),
            kind: kind.to_owned(),
            by: self.user.clone(),
            at_ms: self.at_ms,
            from: from.to_owned(),
            after: self.model.latest_events(),
            data,
        };
        self.push(Edit::Event(event));
    }

    /// Adds an edit made elsewhere by the rules.
    pub(super) fn push(&mut self, edit: Edit) {
        self.model.apply(&edit);
        self.work.edits.push(edit);
    }

    /// A fresh id for an event or a line.
    pub(super) fn line_id(&mut self) -> String {
        let id = line_id(self.actor, self.seq, self.ids_taken);
        self.ids_taken += 1;
        id
    }

    /// The next change of the same document, for one who has seen this one.
    pub(super) fn following(&self) -> Self {
        let work = Work {
            document: self.work.document,
            scope: self.work.scope.clone(),
            definition: self.work.definition.clone(),
            edits: Vec::new(),
        };
        let seq = if self.is_empty() { self.seq } else { self.seq + 1 };
        Self { model: self.model.clone(), work, seq, ids_taken: 0, user: self.user.clone(), ..*self }
    }

    /// What follows was written at this device time, milliseconds since 1970.
    pub(super) const fn written_at(&mut self, at_ms: i64) {
        self.at_ms = at_ms;
    }

    /// The scope of its record.
    pub(super) const fn scope(&self) -> &ScopeId {
        &self.work.scope
    }

    /// True when the action would write nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.work.edits.is_empty()
    }

    /// The work to perform.
    pub(super) fn into_work(self) -> Work {
        self.work
    }
}

impl Replica {
    /// Begins an action on a document that is here.
    pub(super) fn draft(&mut self, document: DocumentId, moment: &Moment) -> Result<Draft, Error> {
        let row = self.row(document)?;
        self.draft_of(row, moment)
    }

    /// Begins an action on a document that may not be here yet.
    pub(super) fn draft_new(
        &mut self,
        document: DocumentId,
        scope: ScopeId,
        definition: DefinitionRef,
        moment: &Moment,
    ) -> Result<Draft, Error> {
        let row = documents::find(self.store.reader(), document)?;
        let row = row.unwrap_or(DocumentRow { document, scope, definition, actor: None });
        self.draft_of(row, moment)
    }

    /// The author id that this replica writes the document under: the one it has, or a fresh one where it has
    /// none or some of its work stands beside the document (see `with_lost`).
    pub(super) fn actor_of(&mut self, row: &DocumentRow, moment: &Moment) -> Result<ActorId, Error> {
        let fresh = fresh_actor(row.document, moment);
        let Some(actor) = row.actor else { return Ok(fresh) };
        let waiting = outbox::of_document(self.store.reader(), row.document)?;
        let document = self.load(row.document, &row.definition)?;
        let is_beside = waiting.iter().any(|own| own.actor == actor && !document.holds(&own.hash));
        Ok(if is_beside { fresh } else { actor })
    }

    fn draft_of(&mut self, row: DocumentRow, moment: &Moment) -> Result<Draft, Error> {
        let actor = self.actor_of(&row, moment)?;
        let document = self.load(row.document, &row.definition)?;
        let (model, seq) = (document.model()?, document.next_seq(actor));
        let work =
            Work { document: row.document, scope: row.scope, definition: row.definition, edits: Vec::new() };
        let user = self.identity.user.clone();
        Ok(Draft { model, work, actor, seq, ids_taken: 0, user, at_ms: moment.unix_ms })
    }
}

/// A new author id for a document, taken from the moment's entropy.
pub(super) fn fresh_actor(document: DocumentId, moment: &Moment) -> ActorId {
    ActorId(short_hash("xunyuan/actor/1", &[&moment.entropy, document.as_bytes()]))
}
