//! Where an action of this replica begins: on a document that is here or new, under an author id of its own.

use super::Replica;
use crate::action::{Draft, Pen};
use crate::error::Error;
use crate::id::{ActorId, DefinitionRef, DocumentId, ScopeId, short_hash};
use crate::store::documents::{self, DocumentRow};
use crate::store::outbox;
use crate::time::Moment;

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
        let waiting = outbox::hashes_of(self.store.reader(), row.document, actor)?;
        let document = self.load(row.document, &row.definition)?;
        let is_beside = waiting.iter().any(|own| !document.holds(own));
        Ok(if is_beside { fresh } else { actor })
    }

    fn draft_of(&mut self, row: DocumentRow, moment: &Moment) -> Result<Draft, Error> {
        let actor = self.actor_of(&row, moment)?;
        let document = self.load(row.document, &row.definition)?;
        let (model, seq) = (document.model()?, document.next_seq(actor));
        let pen = Pen { actor, seq, user: self.identity.user.clone(), at_ms: moment.unix_ms };
        Ok(Draft::new(model, row.scope, pen))
    }
}

/// A new author id for a document, taken from the moment's entropy.
pub(super) fn fresh_actor(document: DocumentId, moment: &Moment) -> ActorId {
    ActorId(short_hash("xunyuan/actor/1", &[&moment.entropy, document.as_bytes()]))
}
