//! Official numbers: given once per entry by the branch, never twice, also after a restore.
//!
//! A restored branch has forgotten which numbers it gave since the backup. It learns them as its own
//! runs are given back: the counters go on after the highest seen. Where it has meanwhile given such a
//! number again, the earlier record keeps it and the later one gets a new one, with a note of the old.

use std::collections::BTreeMap;
use xunyuan_core::definition::{Catalog, Ledger};
use xunyuan_core::document::line_id;
use xunyuan_core::document::model::{Edit, Event, Model, Stamped, Value};
use xunyuan_core::error::Error;
use xunyuan_core::id::DocumentId;
use xunyuan_core::projection;
use xunyuan_core::rules::{entry, keys, number};

use super::cache::Held;
use super::own;
use super::rows;
use super::store;
use super::writer::Writer;

/// Event data of a renumbered entry: the number that it had.
const DATA_WAS: &str = "was";

/// Gives an entry its official number, where it has none.
pub(super) fn give(writer: &mut Writer, document: DocumentId, now_ms: i64) -> Result<(), Error> {
    let catalog = writer.catalog.clone();
    let Some(mut held) = writer.documents.take(&writer.conn, &catalog, document)? else { return Ok(()) };
    if let Some(ledger) = catalog.ledger(&held.row.definition) {
        let model = held.document.model()?;
        let is_numbered = model.value(&keys::field(keys::NUMBER)).is_some();
        if !is_numbered && let Some(number) = next(writer, ledger, &model, now_ms)? {
            let edits = [numbered(writer, number, now_ms)];
            own::say(writer, &mut held, &model, &edits, now_ms)?;
        }
    }
    writer.documents.put(held);
    Ok(())
}

/// Learns from a run of the branch's own that is given back: its counter goes on after the number, and
/// an entry that has it too gets another.
pub(super) fn learn(writer: &mut Writer, held: &Held, now_ms: i64) -> Result<(), Error> {
    let catalog = writer.catalog.clone();
    let Some(ledger) = catalog.ledger(&held.row.definition) else { return Ok(()) };
    let model = held.document.model()?;
    let Some(number) = model.text(&keys::field(keys::NUMBER)).map(str::to_owned) else { return Ok(()) };
    if let Some((series, running)) = number::series_of(ledger, &number) {
        store::server::count_at_least(&writer.conn, &series, running)?;
    }
    for row in projection::find(&writer.conn, &number)? {
        let is_double = row.document != model.document && row.number.as_deref() == Some(number.as_str());
        if is_double {
            writer.about(row.document, |writer| renumber(writer, row.document, &number, now_ms))?;
            // Its row must say so before the next number is learnt: that may be the one it got.
            rows::project(writer, &row.scope, row.document)?;
        }
    }
    Ok(())
}

fn renumber(writer: &mut Writer, document: DocumentId, was: &str, now_ms: i64) -> Result<(), Error> {
    let catalog = writer.catalog.clone();
    let Some(mut held) = writer.documents.take(&writer.conn, &catalog, document)? else { return Ok(()) };
    if let Some(ledger) = catalog.ledger(&held.row.definition) {
        let model = held.document.model()?;
        if let Some(number) = next(writer, ledger, &model, now_ms)? {
            let actor = own::actor_of(&writer.shared.identity, document);
            let data = BTreeMap::from([
                (keys::DATA_KEYS.to_owned(), Value::Text(keys::field(keys::NUMBER))),
                (DATA_WAS.to_owned(), Value::Text(was.to_owned())),
            ]);
            let note = Edit::Event(Event {
                id: line_id(actor, held.document.next_seq(actor), 0),
                kind: keys::LATE_EDIT.to_owned(),
                by: writer.shared.identity.user.clone(),
                at_ms: now_ms,
                from: entry::state(ledger, &model).to_owned(),
                after: model.latest_events(),
                data,
            });
            let edits = [numbered(writer, number, now_ms), note];
            own::say(writer, &mut held, &model, &edits, now_ms)?;
        }
    }
    writer.documents.put(held);
    Ok(())
}

fn numbered(writer: &Writer, number: String, now_ms: i64) -> Edit {
    let by = writer.shared.identity.user.clone();
    Edit::Put {
        key: keys::field(keys::NUMBER),
        stamped: Stamped { value: Value::Text(number), by, at_ms: now_ms },
    }
}

/// The next official number for an entry under its ledger's pattern.
fn next(writer: &Writer, ledger: &Ledger, model: &Model, now_ms: i64) -> Result<Option<String>, Error> {
    if ledger.field(keys::NUMBER).is_none() || model.events.is_empty() {
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
