//! Rows that the branch's log has lost, put back into the very places that they had.
//!
//! A device that holds them gives them; the chain proves them: folded from the row before a hole, they must
//! lead to the row behind it, or to the head. So nobody can bring in a row that was not there, and a log
//! row never changes. What does not close a hole yet waits in memory for what other devices hold.

use std::collections::{BTreeMap, BTreeSet};
use xunyuan_core::document::RawChange;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{ChangeHash, DefinitionRef, DocumentId, ScopeId};
use xunyuan_core::wire::log::Chain;
use xunyuan_core::wire::repair::{Given, Repair};
use xunyuan_core::wire::{key, run};

use super::admit::op_counter;
use super::devices::Device;
use super::repair::link;
use super::rows;
use super::store;
use super::store::document::{ActorRow, DocumentRow};
use super::store::log::{LogRow, Origin, RUN, RunRow};
use super::writer::Writer;

/// Most bytes of rows that wait for the rest of their hole.
const WAITING_BYTES_MAX: usize = 16 * 1024 * 1024;

/// Rows that were given and whose hole is not closed yet.
#[derive(Debug, Default)]
pub(super) struct Waiting {
    rows: BTreeMap<ScopeId, BTreeMap<u64, LogRow>>,
    bytes: usize,
}

impl Waiting {
    fn put(&mut self, scope: &ScopeId, row: LogRow) {
        self.bytes += row.run.as_ref().map_or(0, |run| run.packed.len()) + 512;
        if self.bytes > WAITING_BYTES_MAX {
            // They are asked for again: whoever gave them still has them.
            self.rows.clear();
            self.bytes = 0;
        }
        self.rows.entry(scope.clone()).or_default().insert(row.seq, row);
    }
}

/// Takes in the rows that a device gives, and closes the holes that are then complete.
pub(super) fn take(
    writer: &mut Writer,
    device: &Device,
    repair: &Repair,
    definitions: &[DefinitionRef],
) -> Result<(), Error> {
    let Some(loss) = writer.shared.losses.of(&repair.scope) else { return Ok(()) };
    let mut given = BTreeSet::new();
    for row in repair.give.iter().filter(|row| loss.holes.contains(&row.seq)) {
        let definition = usize::try_from(row.run.definition).ok().and_then(|place| definitions.get(place));
        if let (Some(public_key), Some(definition)) = (signer(writer, device, row)?, definition)
            && let Some(row) = checked(&repair.scope, row, &public_key, definition)
        {
            given.insert(row.seq);
            writer.waiting.put(&repair.scope, row);
        }
    }
    while let Some(first) = given.pop_first() {
        let hole = hole_around(&loss.holes, first);
        given.retain(|seq| *seq > hole.1);
        close(writer, &repair.scope, hole)?;
    }
    Ok(())
}

/// The key under which a row must be signed; none for an author that the branch does not know.
fn signer(writer: &Writer, device: &Device, given: &Given) -> Result<Option<[u8; 32]>, Error> {
    let identity = &writer.shared.identity;
    if given.device == device.id && given.user == device.user {
        return Ok(Some(device.public_key));
    }
    if given.device == identity.device && given.user == identity.user {
        return Ok(Some(identity.key.public()));
    }
    let row = store::device::find(&writer.conn, given.device)?.filter(|row| row.user == given.user);
    Ok(row.map(|row| row.public_key))
}

/// The row as the log would hold it, where it is what it says and who signed it signed it.
fn checked(
    scope: &ScopeId,
    given: &Given,
    public_key: &[u8; 32],
    definition: &DefinitionRef,
) -> Option<LogRow> {
    let Given { seq, document, device, user, received_at_ms, run } = given;
    let signed = run::signing_bytes(scope, document, &run.actor, user, &run.last_hash);
    if !key::verify(public_key, &signed, &run.signature) {
        return None;
    }
    let chunks = run::unpack(&run.changes, run.actor).ok()?;
    let changes: Vec<RawChange> = chunks.into_iter().map(RawChange::parse).collect::<Result<_, _>>().ok()?;
    let hashes: Vec<(ChangeHash, u32)> =
        changes.iter().map(|change| (change.hash, op_counter(change))).collect();
    let first_seq = changes.first()?.seq;
    if hashes.last()?.0 != run.last_hash {
        return None;
    }
    Some(LogRow {
        seq: *seq,
        kind: RUN,
        document: *document,
        origin: Origin { device: *device, user: user.clone(), received_at_ms: *received_at_ms },
        last_hash: run.last_hash,
        chain: Chain::default(),
        run: Some(RunRow {
            actor: run.actor,
            first_seq,
            changes: hashes,
            packed: run.changes.clone(),
            signature: run.signature,
        }),
        definition: Some(definition.clone()),
    })
}

/// First and last place of the hole that a place lies in.
fn hole_around(holes: &BTreeSet<u64>, seq: u64) -> (u64, u64) {
    let (mut first, mut last) = (seq, seq);
    while first > 1 && holes.contains(&(first - 1)) {
        first -= 1;
    }
    while holes.contains(&(last + 1)) {
        last += 1;
    }
    (first, last)
}

/// Puts the rows of a hole back, where all of them are here and the chain leads through them.
fn close(writer: &mut Writer, scope: &ScopeId, (first, last): (u64, u64)) -> Result<(), Error> {
    let Some(waiting) = writer.waiting.rows.get_mut(scope) else { return Ok(()) };
    let Ok(count) = usize::try_from(last - first + 1) else { return Ok(()) };
    if waiting.range(first..=last).count() < count {
        return Ok(());
    }
    let mut rows: Vec<LogRow> = (first..=last).filter_map(|seq| waiting.remove(&seq)).collect();
    let before = if first == 1 {
        Some(Chain::default())
    } else {
        store::log::chain_at(&writer.conn, scope, first - 1)?
    };
    let Some(mut chain) = before else { return Ok(()) };
    for row in &mut rows {
        chain = chain.next(scope, &link(row));
        row.chain = chain;
    }
    let head = store::scope::head(&writer.conn, scope)?;
    let leads_on = if last == head.seq {
        chain == head.chain
    } else {
        store::log::at(&writer.conn, scope, last + 1)?
            .is_some_and(|behind| chain.next(scope, &link(&behind)) == behind.chain)
    };
    if !leads_on {
        // Either a row is not the one that was here, or the row behind the hole is damaged as well.
        if last < head.seq {
            writer.shared.losses.widen(scope, last + 1);
        }
        return Ok(());
    }
    let mut touched = BTreeSet::new();
    for row in &rows {
        store::log::put_back(&writer.conn, scope, row)?;
        note(writer, scope, row)?;
        touched.insert(row.document);
    }
    writer.shared.losses.mended(scope, &(first..=last).collect());
    writer.documents.clear();
    for document in touched {
        recount(writer, document)?;
        match rows::project(writer, scope, document) {
            // More of it is missing; its rows stay as they were until that is back.
            Err(error) if error.kind() == ErrorKind::Protocol => {}
            projected => projected?,
        }
    }
    tracing::info!(rows = rows.len(), "rows that the log had lost are back in their places");
    Ok(())
}

/// Document and actor of a row that is back, where they were lost too.
fn note(writer: &Writer, scope: &ScopeId, row: &LogRow) -> Result<(), Error> {
    let (Some(run), Some(definition)) = (&row.run, &row.definition) else { return Ok(()) };
    if store::document::find(&writer.conn, row.document)?.is_none() {
        let document =
            DocumentRow { scope: scope.clone(), definition: definition.clone(), changes: 0, actors: 0 };
        store::document::put(&writer.conn, row.document, &document)?;
    }
    let last_seq = run.first_seq + run.changes.len() as u64 - 1;
    let known = store::document::actors(&writer.conn, row.document)?;
    if known.get(&run.actor).is_none_or(|actor| actor.last_seq < last_seq) {
        let actor = ActorRow { device: row.origin.device, last_seq };
        store::document::put_actor(&writer.conn, row.document, run.actor, &row.origin.user, &actor)?;
    }
    Ok(())
}

/// What a document's row counts, from the log.
fn recount(writer: &Writer, document: DocumentId) -> Result<(), Error> {
    let Some(mut row) = store::document::find(&writer.conn, document)? else { return Ok(()) };
    row.actors = store::document::actors(&writer.conn, document)?.len() as u64;
    row.changes = store::log::changes_of(&writer.conn, document)?;
    store::document::put(&writer.conn, document, &row)
}
