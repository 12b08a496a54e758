//! Records that the server has lost: rows of a log that a restore from a backup cut off.
//!
//! Their data stays visible; they are given back until the server's log holds them again. Statements name the index of
//! what is lost: left to itself SQLite walks the whole scope along a wider one, once for every record that arrives.

use rusqlite::{Connection, OptionalExtension, params};

use super::documents::{COLUMNS, RecordRow, record_row};
use super::{bytes, signed};
use crate::error::{Error, Refusal};
use crate::id::{ChangeHash, DocumentId, ScopeId};

/// The chain at a row of the current log that is here; zeros at 0.
pub(crate) fn chain_at(
    connection: &Connection,
    scope: &ScopeId,
    seq: u64,
) -> Result<Option<[u8; 32]>, Error> {
    if seq == 0 {
        return Ok(Some([0; 32]));
    }
    let mut statement = connection.prepare_cached(
        "SELECT chain FROM record WHERE scope = ?1 AND seq = ?2 AND former = 0
         UNION ALL SELECT chain FROM stub WHERE scope = ?1 AND seq = ?2",
    )?;
    Ok(statement.query_row(params![scope.as_str(), signed(seq)], |row| bytes(row, 0)).optional()?)
}

/// True when rows after `seq` are here as stubs only: what they held cannot be counted out again.
pub(crate) fn has_stubs_after(connection: &Connection, scope: &ScopeId, seq: u64) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached("SELECT 1 FROM stub WHERE scope = ?1 AND seq > ?2")?;
    Ok(statement.exists(params![scope.as_str(), signed(seq)])?)
}

/// The records of the current log after `seq`.
pub(crate) fn after(connection: &Connection, scope: &ScopeId, seq: u64) -> Result<Vec<RecordRow>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM record WHERE scope = ?1 AND seq > ?2 AND former = 0 ORDER BY seq"
    ))?;
    let rows = statement.query_map(params![scope.as_str(), signed(seq)], record_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Marks the records after `seq` as lost by the server.
pub(crate) fn cut_after(connection: &Connection, scope: &ScopeId, seq: u64) -> Result<(), Error> {
    let at = params![scope.as_str(), signed(seq)];
    connection.execute(
        "DELETE FROM record WHERE scope = ?1 AND seq > ?2 AND former = 0
           AND last_hash IN (SELECT last_hash FROM record WHERE scope = ?1 AND former > 0)",
        at,
    )?;
    connection.execute("UPDATE record SET former = 1 WHERE scope = ?1 AND seq > ?2 AND former = 0", at)?;
    connection.execute("DELETE FROM stub WHERE scope = ?1 AND seq > ?2", at)?;
    connection.execute(
        "UPDATE document SET wanted = 0
         WHERE wanted = 1 AND NOT EXISTS (SELECT 1 FROM stub WHERE stub.document = document.document)",
        [],
    )?;
    Ok(())
}

/// What waits to be given back, in the order of the lost logs, up to `bytes_max` (at least one).
pub(crate) fn waiting(connection: &Connection, bytes_max: usize) -> Result<Vec<RecordRow>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM record WHERE former > 0 AND former = 1
           AND scope IN (SELECT scope FROM scope WHERE granted = 1 AND proven_at_ms IS NOT NULL)
         ORDER BY scope, seq"
    ))?;
    let mut rows = statement.query([])?;
    let (mut waiting, mut total) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let row = record_row(row)?;
        total += row.changes.len();
        if total > bytes_max && !waiting.is_empty() {
            break;
        }
        waiting.push(row);
    }
    Ok(waiting)
}

/// The lost record that ended in this change.
pub(crate) fn find(
    connection: &Connection,
    scope: &ScopeId,
    last_hash: ChangeHash,
) -> Result<Option<RecordRow>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM record INDEXED BY record_former
         WHERE scope = ?1 AND last_hash = ?2 AND former > 0"
    ))?;
    Ok(statement.query_row(params![scope.as_str(), last_hash.as_bytes()], record_row).optional()?)
}

/// Lets go of a lost record whose changes the current log holds in other rows.
pub(crate) fn remove(connection: &Connection, scope: &ScopeId, last_hash: ChangeHash) -> Result<(), Error> {
    connection
        .prepare_cached(
            "DELETE FROM record INDEXED BY record_former
         WHERE scope = ?1 AND last_hash = ?2 AND former > 0",
        )?
        .execute(params![scope.as_str(), last_hash.as_bytes()])?;
    Ok(())
}

/// Notes that the server refused a record that was given back, and why; it stays here as a draft.
pub(crate) fn set_refused(
    connection: &Connection,
    scope: &ScopeId,
    last_hash: ChangeHash,
    refusal: &Refusal,
) -> Result<(), Error> {
    connection.execute(
        "UPDATE record INDEXED BY record_former SET former = 2
         WHERE scope = ?1 AND last_hash = ?2 AND former > 0 AND former = 1",
        params![scope.as_str(), last_hash.as_bytes()],
    )?;
    let Refusal { code, sentence } = refusal;
    connection.execute(
        "INSERT OR REPLACE INTO not_taken (scope, last_hash, code, zh, en) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![scope.as_str(), last_hash.as_bytes(), code, sentence.zh, sentence.en],
    )?;
    Ok(())
}

/// Lets a refused record be given back once more.
pub(crate) fn set_waiting(
    connection: &Connection,
    scope: &ScopeId,
    last_hash: ChangeHash,
) -> Result<(), Error> {
    connection.execute(
        "UPDATE record INDEXED BY record_former SET former = 1
         WHERE scope = ?1 AND last_hash = ?2 AND former > 0 AND former = 2",
        params![scope.as_str(), last_hash.as_bytes()],
    )?;
    Ok(())
}

/// Records that the server refused when they were given back, with the reasons, in the order of the lost
/// logs.
pub(crate) fn refused(connection: &Connection) -> Result<Vec<(RecordRow, Refusal)>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, code, zh, en FROM record JOIN not_taken USING (scope, last_hash)
         WHERE former > 0 AND former = 2 ORDER BY scope, seq"
    ))?;
    let rows = statement.query_map([], |row| {
        let refusal =
            Refusal::new(&row.get::<_, String>(11)?, row.get::<_, String>(12)?, row.get::<_, String>(13)?);
        Ok((record_row(row)?, refusal))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The records of a document that the server has lost, in the order of the lost log; true for those that
/// it then refused.
pub(crate) fn of_document(
    connection: &Connection,
    document: DocumentId,
) -> Result<Vec<(RecordRow, bool)>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, former = 2 FROM record WHERE document = ?1 AND former > 0 ORDER BY seq"
    ))?;
    let rows = statement.query_map([document.as_bytes()], |row| Ok((record_row(row)?, row.get(11)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Number of records that wait to be given back.
pub(crate) fn waiting_count(connection: &Connection) -> Result<u32, Error> {
    let mut statement =
        connection.prepare_cached("SELECT count(*) FROM record WHERE former > 0 AND former = 1")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}
