//! The index of the text, which follows the rows when nobody waits.
//!
//! A record can be found as soon as its rows are written: search looks through the texts that are not in the
//! index yet, and there are never many. A text that changes is one of them again.

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::error::Error;

/// Texts that search looks through one by one; with more, the oldest move into the index. Some milliseconds.
const UNINDEXED_MAX: u32 = 4_000;

/// Moves at most `most` texts into the index, in the caller's transaction, where more than search should look
/// through are not in it. True when there are still too many.
///
/// # Errors
/// `Full`, `Busy` or `Storage` when writing fails.
pub fn index_some(conn: &Connection, most: u32) -> Result<bool, Error> {
    if !is_behind(conn)? {
        return Ok(false);
    }
    let mut select = conn.prepare_cached(
        "SELECT u.id, b.body FROM projected_unindexed AS u JOIN projected_body AS b ON b.id = u.id
         ORDER BY u.id LIMIT ?1",
    )?;
    let mut insert = conn.prepare_cached("INSERT INTO projected_index (rowid, body) VALUES (?1, ?2)")?;
    let mut rows = select.query([most])?;
    let mut last = None;
    while let Some(row) = rows.next()? {
        let id: i64 = row.get(0)?;
        insert.execute(params![id, row.get::<_, String>(1)?])?;
        last = Some(id);
    }
    drop(rows);
    conn.prepare_cached("DELETE FROM projected_unindexed WHERE id <= ?1")?.execute([last])?;
    is_behind(conn)
}

/// True when search would have to look through more texts than it should.
///
/// # Errors
/// `Busy` or `Storage` when reading fails.
pub fn is_behind(conn: &Connection) -> Result<bool, Error> {
    let mut select = conn.prepare_cached("SELECT 1 FROM projected_unindexed LIMIT 1 OFFSET ?1")?;
    Ok(select.query_row([UNINDEXED_MAX], |_| Ok(())).optional()?.is_some())
}

/// Writes the text of a record. One that has changed leaves the index until its turn comes again.
pub(super) fn put_text(conn: &Connection, id: i64, text: &str, is_new: bool) -> Result<(), Error> {
    if !is_new {
        // What is damaged is another text.
        let mut same = conn.prepare_cached("SELECT 1 FROM projected_body WHERE id = ?1 AND body = ?2")?;
        if same.exists(params![id, text])? {
            return Ok(());
        }
        remove_text(conn, id)?;
    }
    conn.prepare_cached("INSERT INTO projected_body (id, body) VALUES (?1, ?2)")?
        .execute(params![id, text])?;
    conn.prepare_cached("INSERT INTO projected_unindexed (id) VALUES (?1)")?.execute([id])?;
    Ok(())
}

/// Takes the text of a record out, of the index as well where it is there.
pub(super) fn remove_text(conn: &Connection, id: i64) -> Result<(), Error> {
    let is_indexed =
        conn.prepare_cached("DELETE FROM projected_unindexed WHERE id = ?1")?.execute([id])? == 0;
    if is_indexed {
        // The index holds no text: what is to be taken out of it is said.
        conn.prepare_cached(
            "INSERT INTO projected_index (projected_index, rowid, body)
             SELECT 'delete', id, body FROM projected_body WHERE id = ?1",
        )?
        .execute([id])?;
    }
    conn.prepare_cached("DELETE FROM projected_body WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Empties the index, so that it keeps no trace of what was removed: it is filled again as it was.
///
/// # Errors
/// `Full`, `Busy` or `Storage` when writing fails.
pub fn forget_removed(conn: &Connection) -> Result<(), Error> {
    conn.execute("INSERT INTO projected_index (projected_index) VALUES ('delete-all')", [])?;
    conn.execute("INSERT OR IGNORE INTO projected_unindexed (id) SELECT id FROM projected_body", [])?;
    Ok(())
}
