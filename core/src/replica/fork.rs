//! Going on after a fork: the store was copied or restored, and two of it wrote under one author id.
//!
//! What the other one wrote under it first is in the branch's log and stays. Unanswered work of this
//! one is made again under a fresh author id: it says the same, is concurrent with what it was
//! concurrent with, and nothing that the branch already has is written twice.

use rusqlite::Connection;

use super::Replica;
use super::apply::project;
use super::sync::Progress;
use crate::document::RawChange;
use crate::document::renewal::Renewal;
use crate::error::Error;
use crate::id::{ActorId, DocumentId, ScopeId};
use crate::rules::number;
use crate::store::outbox::{self, OutboxRow, RenewedChange};
use crate::store::{documents, identity};
use crate::time::Moment;

impl Replica {
    /// Makes again what is held back in scopes that hold everything the branch has of them: what the
    /// log took of it has left the outbox by now, the rest is nowhere else.
    pub(super) fn renew_forked(
        &mut self,
        proven: &[ScopeId],
        moment: &Moment,
        progress: &mut Progress,
    ) -> Result<(), Error> {
        for scope in proven {
            let held = outbox::forked(self.store.reader(), scope)?;
            let mut documents: Vec<DocumentId> = held.iter().map(|(document, _)| *document).collect();
            documents.dedup();
            for document in documents {
                let is_forked = |row: &OutboxRow| held.contains(&(document, row.ordinal));
                let catalog = &self.catalog;
                progress.renewed += self.store.write(|connection| {
                    let renewed = renew(connection, document, moment, is_forked)?;
                    if let Some(row) = documents::find(connection, document)? {
                        project(connection, catalog, &row)?;
                    }
                    Ok(renewed)
                })?;
                progress.more = true;
                self.loaded.remove(&document);
            }
        }
        Ok(())
    }
}

/// Makes again whatever of the outbox stands in the place of changes that a log record of `actor` up to
/// `last_seq` holds, and says how many changes that were.
pub(super) fn give_way(
    connection: &Connection,
    document: DocumentId,
    actor: ActorId,
    last_seq: u64,
    moment: &Moment,
) -> Result<u32, Error> {
    let stands_in = |row: &OutboxRow| row.actor == actor && row.seq <= last_seq;
    if !outbox::unaccepted(connection, document)?.iter().any(stands_in) {
        return Ok(0);
    }
    renew(connection, document, moment, stands_in)
}

/// Makes changes of the outbox again under fresh author ids: those that `is_forked` names, everything
/// later by their authors, and whatever builds on them.
fn renew(
    connection: &Connection,
    document: DocumentId,
    moment: &Moment,
    is_forked: impl Fn(&OutboxRow) -> bool,
) -> Result<u32, Error> {
    let mut renewal = Renewal::new(document, moment.entropy);
    let mut renewed = 0;
    for row in outbox::unaccepted(connection, document)? {
        let change = RawChange::parse(row.bytes.clone())?;
        if !is_forked(&row) && !renewal.concerns(&change) {
            continue;
        }
        let follows = row.follows && renewal.author(row.actor).is_some();
        let RawChange { actor, seq, hash, bytes, .. } = renewal.renew(&change)?;
        outbox::renew(connection, row.ordinal, &RenewedChange { actor, seq, hash, follows, bytes: &bytes })?;
        renewed += 1;
    }
    let actor = documents::find(connection, document)?.and_then(|row| row.actor);
    if let Some(now) = actor.and_then(|actor| renewal.author(actor)) {
        documents::set_actor(connection, document, Some(now))?;
    }
    if renewed > 0 {
        note_copy(connection, moment)?;
    }
    Ok(renewed)
}

/// Notes that another copy of this store exists: its temporary numbers begin with a code of their own
/// from now on, since the copy counts on where this one does.
pub(super) fn note_copy(connection: &Connection, moment: &Moment) -> Result<(), Error> {
    let code = number::copy_code(&identity::device_code(connection)?, &moment.entropy);
    identity::set_device_code(connection, &code)
}
