//! Damage in what only this file holds: rows of the outbox as they really are, and what was set aside of them.
//!
//! A change whose bytes are not those that were written can neither be shown nor sent. It leaves the outbox,
//! and everything that can still be told of it is kept until its author decides.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};

use super::{bytes, signed, unsigned};
use crate::error::{Error, Refusal};
use crate::id::{ActorId, ChangeHash, ContentHash, DefinitionRef, DocumentId, ScopeId};

/// A row of the outbox as it is, each value only where it can be read as one.
#[derive(Clone, Debug)]
pub(crate) struct RawRow {
    pub(crate) ordinal: i64,
    pub(crate) document: Option<DocumentId>,
    pub(crate) scope: Option<ScopeId>,
    pub(crate) actor: Option<ActorId>,
    pub(crate) seq: Option<u64>,
    pub(crate) hash: Option<ChangeHash>,
    pub(crate) bytes: Vec<u8>,
    pub(crate) written_at_ms: Option<i64>,
    /// False when one of the other columns holds something else than it may.
    pub(crate) is_whole: bool,
    /// True when the document that it names is here.
    pub(crate) is_held: bool,
    /// True when the reason of a refusal can be read, where it was refused.
    has_reason: bool,
}

/// What is kept of a damaged change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DamagedRow {
    /// Its place in the outbox.
    pub(crate) ordinal: i64,
    /// Names it to the person.
    pub(crate) id: ActorId,
    /// The record that it was written into.
    pub(crate) document: DocumentId,
    pub(crate) scope: ScopeId,
    pub(crate) definition: DefinitionRef,
    /// The hash under which the branch may have it.
    pub(crate) hash: Option<ChangeHash>,
    pub(crate) written_at_ms: i64,
    /// The chunk as it is now.
    pub(crate) bytes: Vec<u8>,
}

/// Reads every row of the outbox, whatever stands in it.
pub(crate) fn each(connection: &Connection, mut take: impl FnMut(RawRow)) -> Result<(), Error> {
    let mut statement = connection.prepare(
        "SELECT ordinal, document, scope, actor, seq, hash, bytes, written_at_ms, follows, logged_seq, forked,
                refusal_code, refusal_zh, refusal_en,
                EXISTS (SELECT 1 FROM document WHERE document.document = outbox.document)
         FROM outbox ORDER BY ordinal",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        take(raw(row)?);
    }
    Ok(())
}

fn raw(row: &Row<'_>) -> rusqlite::Result<RawRow> {
    let is_number = |column| matches!(row.get_ref(column), Ok(ValueRef::Integer(_)));
    let is_null = |column| matches!(row.get_ref(column), Ok(ValueRef::Null));
    let is_text = |column| row.get::<_, String>(column).is_ok();
    let has_reason = (11..=13).all(is_text);
    let is_refusal = is_null(11) || has_reason;
    Ok(RawRow {
        ordinal: row.get(0)?,
        document: bytes(row, 1).ok().map(DocumentId),
        scope: row.get(2).ok().map(ScopeId),
        actor: bytes(row, 3).ok().map(ActorId),
        seq: row.get(4).ok().map(unsigned),
        hash: bytes(row, 5).ok().map(ChangeHash),
        bytes: match row.get_ref(6)? {
            ValueRef::Blob(value) | ValueRef::Text(value) => value.to_owned(),
            ValueRef::Null | ValueRef::Integer(_) | ValueRef::Real(_) => Vec::new(),
        },
        written_at_ms: row.get(7).ok(),
        is_whole: is_number(8) && (is_null(9) || is_number(9)) && is_number(10) && is_refusal,
        is_held: row.get(14)?,
        has_reason,
    })
}

/// Writes the columns of an outbox row again that say what its chunk says. Whether the branch has answered for
/// it is asked anew; a refusal stays where its reason can be read.
pub(crate) fn put_right(connection: &Connection, row: &RawRow) -> Result<(), Error> {
    connection.execute(
        "UPDATE OR REPLACE outbox SET document = ?2, scope = ?3, actor = ?4, seq = ?5, hash = ?6,
                written_at_ms = ?7, follows = 0, logged_seq = NULL, forked = 0
         WHERE ordinal = ?1",
        params![
            row.ordinal,
            row.document.map(|document| document.0),
            row.scope.as_ref().map(ScopeId::as_str),
            row.actor.map(|actor| actor.0),
            row.seq.map(signed),
            row.hash.map(|hash| hash.0),
            row.written_at_ms.unwrap_or_default(),
        ],
    )?;
    if !row.has_reason {
        connection.execute(
            "UPDATE outbox SET refusal_code = NULL, refusal_zh = NULL, refusal_en = NULL WHERE ordinal = ?1",
            [row.ordinal],
        )?;
    }
    Ok(())
}

/// The record that an author id of this device belongs to, where another row still says so.
pub(crate) fn document_of(connection: &Connection, actor: ActorId) -> Result<Option<DocumentId>, Error> {
    let mut statement = connection.prepare(
        "SELECT document FROM document WHERE actor = ?1
         UNION ALL SELECT outbox.document FROM outbox JOIN document USING (document) WHERE outbox.actor = ?1
         UNION ALL SELECT record.document FROM record WHERE record.actor = ?1",
    )?;
    let mut rows = statement.query([actor.as_bytes()])?;
    while let Some(row) = rows.next()? {
        if let Ok(document) = bytes(row, 0) {
            return Ok(Some(DocumentId(document)));
        }
    }
    Ok(None)
}

/// Takes a damaged change out of the outbox and keeps what is left of it.
pub(crate) fn set_aside(connection: &Connection, row: &DamagedRow) -> Result<(), Error> {
    connection.execute(
        "INSERT OR REPLACE INTO damaged (ordinal, id, document, scope, definition_id, definition_version,
                                         definition_hash, hash, written_at_ms, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            row.ordinal,
            row.id.as_bytes(),
            row.document.as_bytes(),
            row.scope.as_str(),
            row.definition.id,
            row.definition.version,
            row.definition.hash.as_bytes(),
            row.hash.map(|hash| hash.0),
            row.written_at_ms,
            row.bytes,
        ],
    )?;
    connection.execute("DELETE FROM outbox WHERE ordinal = ?1", [row.ordinal])?;
    Ok(())
}

/// What builds on a damaged change cannot be sent without it, whether the branch said that it has it or not.
pub(crate) fn refuse(connection: &Connection, ordinal: i64, refusal: &Refusal) -> Result<(), Error> {
    connection.execute(
        "UPDATE outbox SET refusal_code = ?2, refusal_zh = ?3, refusal_en = ?4, logged_seq = NULL, forked = 0
         WHERE ordinal = ?1 AND refusal_code IS NULL",
        params![ordinal, refusal.code, refusal.sentence.zh, refusal.sentence.en],
    )?;
    Ok(())
}

/// What was set aside, in the order of writing.
pub(crate) fn all(connection: &Connection) -> Result<Vec<DamagedRow>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT ordinal, id, document, scope, definition_id, definition_version, definition_hash, hash,
                written_at_ms, bytes
         FROM damaged ORDER BY ordinal",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(DamagedRow {
            ordinal: row.get(0)?,
            id: ActorId(bytes(row, 1)?),
            document: DocumentId(bytes(row, 2)?),
            scope: ScopeId(row.get(3)?),
            definition: DefinitionRef {
                id: row.get(4)?,
                version: row.get(5)?,
                hash: ContentHash(bytes(row, 6)?),
            },
            hash: row.get::<_, Option<[u8; 32]>>(7)?.map(ChangeHash),
            written_at_ms: row.get(8)?,
            bytes: row.get(9)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// How many changes were set aside.
pub(crate) fn count(connection: &Connection) -> Result<u32, Error> {
    let mut statement = connection.prepare_cached("SELECT count(*) FROM damaged")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

/// Lets go of one.
pub(crate) fn remove(connection: &Connection, ordinal: i64) -> Result<(), Error> {
    connection.execute("DELETE FROM damaged WHERE ordinal = ?1", [ordinal])?;
    Ok(())
}

/// The branch has changes after all that were damaged here: they have come back with its log, and what builds
/// on them is offered again.
pub(crate) fn came_back(
    connection: &Connection,
    document: DocumentId,
    hashes: &[ChangeHash],
    builds_on: &str,
) -> Result<(), Error> {
    let mut any = connection.prepare_cached("SELECT 1 FROM damaged WHERE document = ?1 LIMIT 1")?;
    if !any.exists([document.as_bytes()])? {
        return Ok(());
    }
    let mut delete = connection.prepare_cached("DELETE FROM damaged WHERE document = ?1 AND hash = ?2")?;
    let mut found = 0;
    for hash in hashes {
        found += delete.execute(params![document.as_bytes(), hash.as_bytes()])?;
    }
    if found > 0 && !any.exists([document.as_bytes()])? {
        connection.execute(
            "UPDATE outbox SET refusal_code = NULL, refusal_zh = NULL, refusal_en = NULL
             WHERE document = ?1 AND refusal_code = ?2",
            params![document.as_bytes(), builds_on],
        )?;
    }
    Ok(())
}
