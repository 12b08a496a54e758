//! Compaction: runs of the log in their form at rest.
//!
//! A row stays what it says, with its place, chain, hashes and signature; only the bytes of its changes are coded
//! ([`rest`]), read back and compared before they take the place of the others. Steps are bounded, and
//! one goes on where the last one that was committed ended.

use rusqlite::{Connection, OptionalExtension as _, params};
use xunyuan_core::error::Error;
use xunyuan_core::id::{ActorId, ChangeHash};
use xunyuan_core::wire::rest;

use super::log::RUN;

/// Looks at the next `most` rows, all but the `recent` newest, in the caller's transaction. True when more are
/// left.
pub(crate) fn compact_some(conn: &Connection, recent: u32, most: u32) -> Result<bool, Error> {
    let mut select = conn.prepare_cached(
        "SELECT id, kind, actor, last_hash, length(hashes) / 32, changes FROM log
         WHERE id > ?1 AND id <= (SELECT max(id) FROM log) - ?2 ORDER BY id LIMIT ?3",
    )?;
    let mut update = conn.prepare_cached("UPDATE log SET changes = ?2 WHERE id = ?1")?;
    let mut rows = select.query(params![last(conn)?, recent, most])?;
    let (mut compacted, mut last) = (Vec::new(), None);
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        last = Some(id);
        if row.get::<_, u8>(1)? != RUN {
            continue;
        }
        // A damaged row is left for its repair.
        let parts = (row.get(2), row.get(3), row.get::<_, i64>(4), row.get::<_, Vec<u8>>(5));
        let (Ok(actor), Ok(last_hash), Ok(changes), Ok(packed)) = parts else { continue };
        let changes = usize::try_from(changes).unwrap_or(0);
        if let Some(coded) = rest::compacted(&packed, ActorId(actor), Some(changes), &ChangeHash(last_hash)) {
            compacted.push((id, coded));
        }
    }
    drop(rows);
    for (id, coded) in compacted {
        update.execute(params![id, coded])?;
    }
    if let Some(last) = last {
        conn.prepare_cached("INSERT OR REPLACE INTO compaction (id, log_id) VALUES (1, ?1)")?
            .execute([last])?;
    }
    is_behind(conn, recent)
}

/// True when more than the `recent` newest rows were not looked at.
pub(crate) fn is_behind(conn: &Connection, recent: u32) -> Result<bool, Error> {
    let newest: Option<i64> =
        conn.prepare_cached("SELECT max(id) FROM log")?.query_row([], |row| row.get(0))?;
    let end = newest.unwrap_or(0).saturating_sub(i64::from(recent));
    Ok(end > last(conn)?)
}

fn last(conn: &Connection) -> Result<i64, Error> {
    let mut select = conn.prepare_cached("SELECT log_id FROM compaction")?;
    Ok(select.query_row([], |row| row.get(0)).optional()?.unwrap_or(0))
}
