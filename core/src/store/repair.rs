//! What a repair reads and writes: the rows of a scope's log in their order, and the last signed heads.

use rusqlite::{Connection, OptionalExtension, params};

use super::documents::{COLUMNS, RecordRow, record_row};
use super::{bytes, signed, unsigned};
use crate::error::Error;
use crate::id::ScopeId;

/// One place of a scope's log as this store holds it.
pub(crate) enum Stored {
    /// A record in full.
    Record(Box<RecordRow>),
    /// A stub with the chain at it.
    Stub([u8; 32]),
    /// Something that is no row of this store.
    Unreadable,
}

/// Scopes that hold another number of rows than their cursor says; definitions have no rows of their own.
pub(crate) fn miscounted(connection: &Connection) -> Result<Vec<ScopeId>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT scope FROM scope
         WHERE granted = 1 AND scope NOT LIKE '%/definitions'
           AND cursor != (SELECT count(*) FROM record WHERE record.scope = scope.scope AND former = 0)
                       + (SELECT count(*) FROM stub WHERE stub.scope = scope.scope)",
    )?;
    let rows = statement.query_map([], |row| row.get(0).map(ScopeId))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The rows of a scope's current log, in order.
pub(crate) fn walk(
    connection: &Connection,
    scope: &ScopeId,
    mut take: impl FnMut(u64, Stored) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS}, 1 FROM record WHERE scope = ?1 AND former = 0
         UNION ALL
         SELECT scope, seq, x'', x'', x'', '', 0, x'', x'', x'', chain, 0 FROM stub WHERE scope = ?1
         ORDER BY seq"
    ))?;
    let mut rows = statement.query([scope.as_str()])?;
    while let Some(row) = rows.next()? {
        let seq = unsigned(row.get(1)?);
        let stored = if row.get(11)? {
            record_row(row).map_or(Stored::Unreadable, |record| Stored::Record(Box::new(record)))
        } else {
            bytes(row, 10).map_or(Stored::Unreadable, Stored::Stub)
        };
        take(seq, stored)?;
    }
    Ok(())
}

/// The places of a scope's current log up to `up_to` with the chain at each, in order.
pub(crate) fn places(
    connection: &Connection,
    scope: &ScopeId,
    up_to: u64,
    mut take: impl FnMut(u64, [u8; 32]) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut statement = connection.prepare_cached(
        "SELECT seq, chain FROM record WHERE scope = ?1 AND seq <= ?2 AND former = 0
         UNION ALL SELECT seq, chain FROM stub WHERE scope = ?1 AND seq <= ?2
         ORDER BY seq",
    )?;
    let mut rows = statement.query(params![scope.as_str(), signed(up_to)])?;
    while let Some(row) = rows.next()? {
        take(unsigned(row.get(0)?), bytes(row, 1)?)?;
    }
    Ok(())
}

/// The record at a place of the current log.
pub(crate) fn record_at(
    connection: &Connection,
    scope: &ScopeId,
    seq: u64,
) -> Result<Option<RecordRow>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM record WHERE scope = ?1 AND seq = ?2 AND former = 0"
    ))?;
    Ok(statement.query_row(params![scope.as_str(), signed(seq)], record_row).optional()?)
}

/// Takes out whatever stands at a place of the current log: the sound row takes it.
pub(crate) fn clear_place(connection: &Connection, scope: &ScopeId, seq: u64) -> Result<(), Error> {
    let at = params![scope.as_str(), signed(seq)];
    connection.execute("DELETE FROM record WHERE scope = ?1 AND seq = ?2 AND former = 0", at)?;
    connection.execute("DELETE FROM stub WHERE scope = ?1 AND seq = ?2", at)?;
    Ok(())
}

/// True when rows of the scope are here as stubs only.
pub(crate) fn has_stubs(connection: &Connection, scope: &ScopeId) -> Result<bool, Error> {
    Ok(connection.prepare_cached("SELECT 1 FROM stub WHERE scope = ?1")?.exists([scope.as_str()])?)
}

/// Keeps the last head that the server signed for a scope.
pub(crate) fn put_proof(connection: &Connection, scope: &ScopeId, head: &[u8]) -> Result<(), Error> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO proof (scope, head) VALUES (?1, ?2)")?
        .execute(params![scope.as_str(), head])?;
    Ok(())
}

/// The last head that the server signed for a scope.
pub(crate) fn proof(connection: &Connection, scope: &ScopeId) -> Result<Option<Vec<u8>>, Error> {
    let mut statement = connection.prepare_cached("SELECT head FROM proof WHERE scope = ?1")?;
    Ok(statement.query_row([scope.as_str()], |row| row.get(0)).optional()?)
}
