//! What the branch itself writes, as changes of its own actor: official numbers and notes on late edits.

use std::collections::BTreeMap;
use xunyuan_core::definition::Catalog;
use xunyuan_core::document::line_id;
use xunyuan_core::document::model::{Edit, Event, Model, Value};
use xunyuan_core::error::Error;
use xunyuan_core::id::{ActorId, DocumentId, short_hash};
use xunyuan_core::rules::{self, Author, entry, keys};
use xunyuan_core::wire::run;

use super::admit::{log_run, op_counter, pack};
use super::cache::Held;
use super::shared::Identity;
use super::store::log::{Origin, RunRow};
use super::writer::Writer;

/// What the branch notes when content arrives on a record that meanwhile reached a final state.
pub(super) type Late = Option<BTreeMap<String, Value>>;

/// The branch's actor in a document: another one in every epoch, so that a restored server never goes on
/// under an actor whose later changes a device may hold.
pub(super) fn actor_of(identity: &Identity, document: DocumentId) -> ActorId {
    let parts: [&[u8]; 3] = [&identity.seed, &identity.writing_epoch().to_be_bytes(), document.as_bytes()];
    ActorId(short_hash("xunyuan/server-actor/1", &parts))
}

/// True when an actor is the branch's own.
pub(super) fn is_own_actor(identity: &Identity, document: DocumentId, actor: ActorId) -> bool {
    actor_of(identity, document) == actor
}

/// What has to be noted of a run: `before` is its causal past, `after` the document with it.
pub(super) fn late(catalog: &Catalog, before: &Model, after: &Model, edits: &[Edit]) -> Late {
    entry::late_edit(catalog.ledger(&before.definition)?, before, after, edits)
}

/// Notes on a document that content arrived after its final state.
pub(super) fn note_late(
    writer: &mut Writer,
    held: &mut Held,
    data: &BTreeMap<String, Value>,
    now_ms: i64,
) -> Result<(), Error> {
    let catalog = writer.catalog.clone();
    let Some(ledger) = catalog.ledger(&held.row.definition) else { return Ok(()) };
    let model = held.document.model()?;
    let actor = actor_of(&writer.shared.identity, held.document.id());
    let edits = [Edit::Event(Event {
        id: line_id(actor, held.document.next_seq(actor), 0),
        kind: keys::LATE_EDIT.to_owned(),
        by: writer.shared.identity.user.clone(),
        at_ms: now_ms,
        from: entry::state(ledger, &model).to_owned(),
        after: model.latest_events(),
        data: data.clone(),
    })];
    say(writer, held, &model, &edits, now_ms)
}

/// Adds a change of the branch's own to a document, under the same rules as everybody's.
pub(super) fn say(
    writer: &mut Writer,
    held: &mut Held,
    model: &Model,
    edits: &[Edit],
    now_ms: i64,
) -> Result<(), Error> {
    let user = writer.shared.identity.user.clone();
    let author = Author { user: &user, is_server: true };
    if let Err(refusal) = rules::check(&writer.catalog, &held.row.scope, &author, model, edits) {
        // The record stands without it rather than the exchange failing.
        tracing::error!(code = %refusal.code, "the branch's own change is against its own rules");
        return Ok(());
    }
    let actor = actor_of(&writer.shared.identity, held.document.id());
    write(writer, held, actor, edits, now_ms)
}

/// Writes and signs one change of the branch's actor.
fn write(
    writer: &mut Writer,
    held: &mut Held,
    actor: ActorId,
    edits: &[Edit],
    now_ms: i64,
) -> Result<(), Error> {
    let identity = &writer.shared.identity;
    let (document, scope) = (held.document.id(), held.row.scope.clone());
    let change = held.document.edit(actor, edits)?;
    let signed = run::signing_bytes(&scope, &document, &actor, &identity.user, &change.hash);
    let origin = Origin { device: identity.device, user: identity.user.clone(), received_at_ms: now_ms };
    let row = RunRow {
        actor,
        first_seq: change.seq,
        changes: vec![(change.hash, op_counter(&change))],
        signature: identity.key.sign(&signed),
        packed: pack(std::slice::from_ref(&change))?,
    };
    log_run(writer, &scope, document, &origin, &row, held)?;
    Ok(())
}
