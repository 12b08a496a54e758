//! Stubs: records of documents that ended long ago, kept as proof without their changes.

use rusqlite::{Connection, OptionalExtension, params};

use super::{bytes, signed};
use crate::error::Error;
use crate::id::{ChangeHash, DocumentId, ScopeId};

/// Keeps the stub of a record.
pub(crate) fn insert(
    connection: &Connection,
    scope: &ScopeId,
    seq: u64,
    document: DocumentId,
    last_hash: ChangeHash,
    chain: [u8; 32],
) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT INTO stub (scope, seq, document, last_hash, chain) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![scope.as_str(), signed(seq), document.as_bytes(), last_hash.as_bytes(), chain])?;
    note_wanted(connection, document)
}

/// Notes whether a document that is here has records of which only stubs are.
pub(crate) fn note_wanted(connection: &Connection, document: DocumentId) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE document SET wanted = EXISTS (SELECT 1 FROM stub WHERE stub.document = ?1)
             WHERE document = ?1",
        )?
        .execute([document.as_bytes()])?;
    Ok(())
}

/// Takes out the stub that a full record now replaces, and hands on its chain; `None` when there is
/// none like it.
pub(crate) fn take(
    connection: &Connection,
    scope: &ScopeId,
    seq: u64,
    last_hash: ChangeHash,
) -> Result<Option<[u8; 32]>, Error> {
    let mut statement = connection.prepare_cached(
        "DELETE FROM stub WHERE scope = ?1 AND seq = ?2 AND last_hash = ?3 RETURNING chain",
    )?;
    let named = params![scope.as_str(), signed(seq), last_hash.as_bytes()];
    Ok(statement.query_row(named, |row| bytes(row, 0)).optional()?)
}

/// Documents with stubs that were touched again, here or elsewhere: their changes are needed.
pub(crate) fn wanted(connection: &Connection, most: usize) -> Result<Vec<DocumentId>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT document FROM document WHERE wanted = 1 AND EXISTS (SELECT 1 FROM stub WHERE stub.document = document.document) ORDER BY document LIMIT ?1")?;
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    let rows = statement.query_map([most], |row| Ok(DocumentId(bytes(row, 0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Documents whose last record arrived at the branch before a time and that hold no unanswered work.
pub(crate) fn candidates(connection: &Connection, before_ms: i64) -> Result<Vec<DocumentId>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT document FROM document
         WHERE received_at_ms BETWEEN 1 AND ?1 - 1
           AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.document = document.document)
           AND NOT EXISTS (SELECT 1 FROM record WHERE record.document = document.document AND former > 0)
         ORDER BY received_at_ms, document",
    )?;
    let rows = statement.query_map([before_ms], |row| Ok(DocumentId(bytes(row, 0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Turns a document's records into stubs and lets go of it.
pub(crate) fn shrink(connection: &Connection, document: DocumentId) -> Result<(), Error> {
    connection.execute(
        "INSERT INTO stub (scope, seq, document, last_hash, chain)
         SELECT scope, seq, document, last_hash, chain FROM record WHERE document = ?1",
        [document.as_bytes()],
    )?;
    connection.execute("DELETE FROM record WHERE document = ?1", [document.as_bytes()])?;
    connection.execute("DELETE FROM document WHERE document = ?1", [document.as_bytes()])?;
    Ok(())
}
