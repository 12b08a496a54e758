//! What the branch itself writes: official numbers and notes on late edits, as changes of its own actor;
//! and the rows that lists read.

use std::collections::BTreeMap;
use xunyuan_core::definition::{Catalog, Ledger};
use xunyuan_core::document::line_id;
use xunyuan_core::document::model::{Edit, Event, Model, Stamped, Value};
use xunyuan_core::error::Error;
use xunyuan_core::id::{ActorId, DocumentId, ScopeId, short_hash};
use xunyuan_core::projection;
use xunyuan_core::rules::{self, Author, entry, keys, number};
use xunyuan_core::wire::run;

use super::admit::{log_run, op_counter, pack};
use super::cache::Held;
use super::shared::Identity;
use super::store::{
    self,
    log::{Origin, RunRow},
};
use super::writer::Writer;

/// What the branch notes when content arrives on a record that meanwhile reached a final state.
pub(super) type Late = Option<BTreeMap<String, Value>>;

/// The branch's actor in a document: another one in every epoch, so that a restored server never goes on
/// under an actor whose later changes a device may hold.
pub(super) fn actor_of(identity: &Identity, document: DocumentId) -> ActorId {
    let parts: [&[u8]; 3] = [&identity.seed, &identity.epoch.to_be_bytes(), document.as_bytes()];
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

/// Adds the branch's own change to a document that has just taken a run in, where there is anything to say.
pub(super) fn answer(writer: &mut Writer, held: &mut Held, late: &Late, now_ms: i64) -> Result<(), Error> {
    let catalog = writer.catalog.clone();
    let Some(ledger) = catalog.ledger(&held.row.definition) else { return Ok(()) };
    let model = held.document.model()?;
    let document = held.document.id();
    let actor = actor_of(&writer.shared.identity, document);
    let user = writer.shared.identity.user.clone();
    let mut edits = Vec::new();
    if let Some(number) = official_number(writer, ledger, &model, now_ms)? {
        let stamped = Stamped { value: Value::Text(number), by: user.clone(), at_ms: now_ms };
        edits.push(Edit::Put { key: keys::field(keys::NUMBER), stamped });
    }
    if let Some(data) = late {
        edits.push(Edit::Event(Event {
            id: line_id(actor, held.document.next_seq(actor), 0),
            kind: keys::LATE_EDIT.to_owned(),
            by: user.clone(),
            at_ms: now_ms,
            from: entry::state(ledger, &model).to_owned(),
            after: model.latest_events(),
            data: data.clone(),
        }));
    }
    if edits.is_empty() {
        return Ok(());
    }
    let author = Author { user: &user, is_server: true };
    if let Err(refusal) = rules::check(&catalog, &held.row.scope, &author, &model, &edits) {
        // The record stands without it rather than the exchange failing.
        tracing::error!(code = %refusal.code, "the branch's own change is against its own rules");
        return Ok(());
    }
    write(writer, held, actor, &edits, now_ms)
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

/// The next official number for an entry that has none, under its ledger's pattern.
fn official_number(
    writer: &Writer,
    ledger: &Ledger,
    model: &Model,
    now_ms: i64,
) -> Result<Option<String>, Error> {
    let key = keys::field(keys::NUMBER);
    let takes_numbers = ledger.field(keys::NUMBER).is_some() && !model.events.is_empty();
    if !takes_numbers || model.value(&key).is_some() {
        return Ok(None);
    }
    let day = local_day(&writer.catalog, now_ms);
    let Some(series) = number::counter_key(&writer.catalog, ledger, model, day) else { return Ok(None) };
    let running = store::server::count_up(&writer.conn, &series)?;
    let running = u32::try_from(running).unwrap_or(u32::MAX);
    Ok(Some(number::official(ledger, &series, running)))
}

/// The branch's calendar day.
fn local_day(catalog: &Catalog, now_ms: i64) -> jiff::civil::Date {
    let now = jiff::Timestamp::from_millisecond(now_ms).unwrap_or_default();
    let zone = catalog.timezone().and_then(|name| jiff::tz::TimeZone::get(name).ok());
    zone.unwrap_or(jiff::tz::TimeZone::UTC).to_datetime(now).date()
}

/// Writes the rows of a document that has changed.
pub(super) fn project(writer: &mut Writer, scope: &ScopeId, document: DocumentId) -> Result<(), Error> {
    let catalog = writer.catalog.clone();
    let Some(held) = writer.documents.take(&writer.conn, &catalog, document)? else { return Ok(()) };
    let model = held.document.model()?;
    writer.documents.put(held);
    rows(&writer.conn, &catalog, scope, &model)
}

/// Writes the rows of every document again: rows also say what definitions make of a document, such as
/// when it is due, and those have changed.
pub(super) fn project_all(writer: &mut Writer) -> Result<(), Error> {
    for (scope, _) in store::scope::all(&writer.conn)? {
        for document in store::document::of_scope(&writer.conn, &scope)? {
            project(writer, &scope, document)?;
        }
    }
    Ok(())
}

/// The one call into the projection, for admission and verification alike.
pub(super) fn rows(
    conn: &rusqlite::Connection,
    catalog: &Catalog,
    scope: &ScopeId,
    model: &Model,
) -> Result<(), Error> {
    projection::write(conn, catalog, scope, model)
}
