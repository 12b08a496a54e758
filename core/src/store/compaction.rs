//! Compaction: records that the branch has taken, in their form at rest.
//!
//! A record stays the row it is, with its place, chain and signature; only the bytes of its changes are coded
//! ([`rest`]), read back and compared before they take the place of the others. What is pending is
//! no record. Steps are bounded, and one goes on where the last one that was committed ended.

use rusqlite::{Connection, OptionalExtension, params};

use super::bytes;
use crate::error::Error;
use crate::id::{ActorId, ChangeHash};
use crate::wire::rest;

/// Looks at the next `most` records, all but the `recent` newest, in the caller's transaction. True when more
/// are left.
pub(crate) fn compact_some(connection: &Connection, recent: u32, most: u32) -> Result<bool, Error> {
    let from = last(connection)?;
    let mut select = connection.prepare_cached(
        "SELECT rowid, actor, last_hash, changes FROM record
         WHERE rowid > ?1 AND rowid <= (SELECT max(rowid) FROM record) - ?2 ORDER BY rowid LIMIT ?3",
    )?;
    let rows: Vec<(i64, ActorId, ChangeHash, Vec<u8>)> = select
        .query_map(params![from, recent, most], |row| {
            // A damaged row is left for its repair.
            let (actor, last_hash) = (bytes(row, 1).unwrap_or_default(), bytes(row, 2).unwrap_or_default());
            Ok((row.get(0)?, ActorId(actor), ChangeHash(last_hash), row.get(3).unwrap_or_default()))
        })?
        .collect::<Result<_, _>>()?;
    let mut update = connection.prepare_cached("UPDATE record SET changes = ?2 WHERE rowid = ?1")?;
    for (row, actor, last_hash, changes) in &rows {
        if let Some(compacted) = rest::compacted(changes, *actor, None, last_hash) {
            update.execute(params![row, compacted])?;
        }
    }
    if let Some((last, ..)) = rows.last() {
        connection
            .prepare_cached("INSERT OR REPLACE INTO compaction (id, last) VALUES (1, ?1)")?
            .execute([last])?;
    }
    is_behind(connection, recent)
}

/// True when more than the `recent` newest records were not looked at.
pub(crate) fn is_behind(connection: &Connection, recent: u32) -> Result<bool, Error> {
    let newest: Option<i64> =
        connection.prepare_cached("SELECT max(rowid) FROM record")?.query_row([], |row| row.get(0))?;
    let end = newest.unwrap_or(0).saturating_sub(i64::from(recent));
    Ok(end > last(connection)?)
}

fn last(connection: &Connection) -> Result<i64, Error> {
    let mut select = connection.prepare_cached("SELECT last FROM compaction")?;
    Ok(select.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
}
