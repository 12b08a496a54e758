//! Documents held, and the log records their changes came in.

use rusqlite::{Connection, OptionalExtension, params};

use super::{bytes, former, signed, unsigned};
use crate::error::Error;
use crate::id::{ActorId, ChangeHash, ContentHash, DefinitionRef, DeviceId, DocumentId, ScopeId, UserId};
use crate::wire::rest;

/// A document held by this replica.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DocumentRow {
    /// Which document.
    pub document: DocumentId,
    /// The scope it belongs to for ever.
    pub scope: ScopeId,
    /// The definition that its genesis pins.
    pub definition: DefinitionRef,
    /// The author id this replica writes it under, once it has.
    pub actor: Option<ActorId>,
}

/// A log record that carries changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordRow {
    /// Scope and place in its log.
    pub scope: ScopeId,
    /// From 1.
    pub seq: u64,
    /// Which document.
    pub document: DocumentId,
    /// Author id of the changes.
    pub actor: ActorId,
    /// Who signed.
    pub device: DeviceId,
    /// For whom.
    pub user: UserId,
    /// Server clock at arrival, milliseconds since 1970.
    pub received_at_ms: i64,
    /// Hash of the run's last change.
    pub last_hash: ChangeHash,
    /// The packed run.
    pub changes: Vec<u8>,
    /// Signature over the run.
    pub signature: [u8; 64],
    /// The scope's chain at this row.
    pub chain: [u8; 32],
}

/// A document whose rows wait to be rebuilt.
#[derive(Clone, Debug)]
pub(crate) struct Waiting {
    /// Which.
    pub(crate) row: DocumentRow,
    /// When the branch took its last record, milliseconds since 1970.
    pub(crate) received_at_ms: i64,
}

/// Notes a document, with the time at which the branch took the record that brought it, 0 for one written
/// here; one that is held already keeps what it has.
pub(crate) fn insert(connection: &Connection, row: &DocumentRow, received_at_ms: i64) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO document (document, scope, definition_id, definition_version, definition_hash, actor,
                                   projected, received_at_ms, wanted)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, 0, ?7, EXISTS (SELECT 1 FROM stub WHERE stub.document = ?1))
             ON CONFLICT (document) DO NOTHING",
        )?
        .execute(params![
            row.document.as_bytes(),
            row.scope.as_str(),
            row.definition.id,
            row.definition.version,
            row.definition.hash.as_bytes(),
            row.actor.map(|actor| actor.0),
            received_at_ms,
        ])?;
    Ok(())
}

/// Sets or clears the author id under which this replica writes the document.
pub(crate) fn set_actor(
    connection: &Connection,
    document: DocumentId,
    actor: Option<ActorId>,
) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE document SET actor = ?2 WHERE document = ?1")?
        .execute(params![document.as_bytes(), actor.map(|actor| actor.0)])?;
    Ok(())
}

/// Notes whether the document's rows for lists and search are up to date.
pub(crate) fn set_projected(
    connection: &Connection,
    document: DocumentId,
    projected: bool,
) -> Result<(), Error> {
    connection
        .prepare_cached("UPDATE document SET projected = ?2 WHERE document = ?1 AND projected <> ?2")?
        .execute(params![document.as_bytes(), projected])?;
    Ok(())
}

/// Marks the rows of every document as waiting: they also say what definitions make of it.
pub(crate) fn forget_projections(connection: &Connection) -> Result<(), Error> {
    connection.execute("UPDATE document SET projected = 0", [])?;
    Ok(())
}

/// Documents whose rows wait to be rebuilt, at most `most`: those that the branch took last first, or those
/// that come after `last` in that order.
pub(crate) fn unprojected(
    connection: &Connection,
    last: Option<&Waiting>,
    most: u32,
) -> Result<Vec<Waiting>, Error> {
    let mut statement = connection.prepare_cached(UNPROJECTED)?;
    let (at_ms, document) =
        last.map_or((i64::MAX, DocumentId([0; 16])), |last| (last.received_at_ms, last.row.document));
    let rows = statement.query_map(params![at_ms, document.as_bytes(), most], |row| {
        Ok(Waiting { row: document_row(row)?, received_at_ms: row.get(6)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many documents' rows wait to be rebuilt.
pub(crate) fn unprojected_count(connection: &Connection) -> Result<u32, Error> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM document WHERE projected = 0")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// The row of one document.
pub(crate) fn find(connection: &Connection, document: DocumentId) -> Result<Option<DocumentRow>, Error> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE document = ?1"))?;
    Ok(statement.query_row([document.as_bytes()], document_row).optional()?)
}

/// Every document held, in the order of their ids.
pub(crate) fn all(connection: &Connection) -> Result<Vec<DocumentRow>, Error> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} ORDER BY document"))?;
    Ok(statement.query_map([], document_row)?.collect::<Result<_, _>>()?)
}

/// Keeps one record of the current log and drops its twin of a former one; its document is here.
pub(crate) fn insert_record(connection: &Connection, row: &RecordRow) -> Result<(), Error> {
    former::remove(connection, &row.scope, row.last_hash)?;
    connection
        .prepare_cached(
            "UPDATE document SET received_at_ms = ?2 WHERE document = ?1 AND received_at_ms < ?2",
        )?
        .execute(params![row.document.as_bytes(), row.received_at_ms])?;
    connection
        .prepare_cached(
            "INSERT INTO record (scope, seq, document, actor, device, user, received_at_ms, last_hash,
                                 changes, signature, chain, former)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, 0)",
        )?
        .execute(params![
            row.scope.as_str(),
            signed(row.seq),
            row.document.as_bytes(),
            row.actor.as_bytes(),
            row.device.as_bytes(),
            row.user.as_str(),
            row.received_at_ms,
            row.last_hash.as_bytes(),
            row.changes,
            row.signature,
            row.chain,
        ])?;
    Ok(())
}

/// The records of a document that a former log held and the branch has not answered for, in that log's order.
pub(crate) fn lost_records(connection: &Connection, document: DocumentId) -> Result<Vec<RecordRow>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM record WHERE document = ?1 AND former = 1 ORDER BY seq"
    ))?;
    Ok(statement.query_map([document.as_bytes()], record_row)?.collect::<Result<_, _>>()?)
}

/// The records of a document that the server's current log holds, in its order.
pub(crate) fn current_records(
    connection: &Connection,
    document: DocumentId,
) -> Result<Vec<RecordRow>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM record WHERE document = ?1 AND former = 0 ORDER BY seq"
    ))?;
    Ok(statement.query_map([document.as_bytes()], record_row)?.collect::<Result<_, _>>()?)
}

/// The columns that [`record_row`] reads.
pub(super) const COLUMNS: &str =
    "scope, seq, document, actor, device, user, received_at_ms, last_hash, changes, signature, chain";

/// Newest first through an index that holds only what waits.
const UNPROJECTED: &str =
    "SELECT document, scope, definition_id, definition_version, definition_hash, actor, received_at_ms
     FROM document WHERE projected = 0
       AND (received_at_ms < ?1 OR (received_at_ms = ?1 AND document > ?2))
     ORDER BY received_at_ms DESC, document LIMIT ?3";

const SELECT: &str =
    "SELECT document, scope, definition_id, definition_version, definition_hash, actor FROM document";

fn document_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<DocumentRow> {
    let has_actor = row.get_ref(5)? != rusqlite::types::ValueRef::Null;
    let actor = if has_actor { Some(ActorId(bytes(row, 5)?)) } else { None };
    Ok(DocumentRow {
        document: DocumentId(bytes(row, 0)?),
        scope: ScopeId(row.get(1)?),
        definition: DefinitionRef {
            id: row.get(2)?,
            version: row.get(3)?,
            hash: ContentHash(bytes(row, 4)?),
        },
        actor,
    })
}

pub(super) fn record_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<RecordRow> {
    Ok(RecordRow {
        scope: ScopeId(row.get(0)?),
        seq: unsigned(row.get(1)?),
        document: DocumentId(bytes(row, 2)?),
        actor: ActorId(bytes(row, 3)?),
        device: DeviceId(bytes(row, 4)?),
        user: UserId(row.get(5)?),
        received_at_ms: row.get(6)?,
        last_hash: ChangeHash(bytes(row, 7)?),
        changes: rest::restored(row.get(8)?),
        signature: bytes(row, 9)?,
        chain: bytes(row, 10)?,
    })
}
