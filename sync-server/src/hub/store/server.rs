//! What this branch server is: its key, its epoch, its branch; and the counters it keeps.

use rusqlite::{Connection, OptionalExtension as _, TransactionBehavior, params};
use xunyuan_core::error::Error;
use xunyuan_core::id::hash_parts;

use super::{damaged, unsigned};

/// The one row of `server`.
#[derive(Clone)]
pub(crate) struct ServerRow {
    /// Secret seed of the signing key.
    pub(crate) seed: [u8; 32],
    /// The epoch that cursors belong to; never 0.
    pub(crate) epoch: u64,
}

/// Reads the server's row; makes it from `entropy` in a new file, and draws a new epoch in a file that
/// is a backup.
pub(crate) fn prepare(conn: &mut Connection, entropy: &[u8; 32]) -> Result<ServerRow, Error> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let row = found_or_made(&transaction, entropy)?;
    note_epoch(&transaction, row.epoch)?;
    transaction.commit()?;
    Ok(row)
}

fn found_or_made(conn: &Connection, entropy: &[u8; 32]) -> Result<ServerRow, Error> {
    let found: Option<([u8; 32], [u8; 8], bool)> = conn
        .query_row("SELECT seed, epoch, is_backup FROM server", [], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })
        .optional()?;
    match found {
        Some((seed, epoch, false)) => Ok(ServerRow { seed, epoch: u64::from_be_bytes(epoch) }),
        Some((seed, old, true)) => {
            let epoch = draw_epoch(entropy, &old);
            note_epoch(conn, u64::from_be_bytes(old))?;
            put_epoch(conn, epoch)?;
            Ok(ServerRow { seed, epoch })
        }
        None => {
            let seed = hash_parts("xunyuan/server-seed/1", &[entropy]);
            let epoch = draw_epoch(entropy, &[]);
            conn.execute(
                "INSERT INTO server (id, seed, epoch, is_backup) VALUES (1, ?1, ?2, 0)",
                params![seed, epoch.to_be_bytes()],
            )?;
            Ok(ServerRow { seed, epoch })
        }
    }
}

/// Begins a new epoch over the logs as they are; `shown` is one that the file may not have known of.
pub(crate) fn begin_epoch(conn: &Connection, entropy: &[u8; 32], shown: u64) -> Result<u64, Error> {
    let old = epoch(conn)?;
    let epoch = draw_epoch(entropy, &old.to_be_bytes());
    note_epoch(conn, shown)?;
    note_epoch(conn, epoch)?;
    put_epoch(conn, epoch)?;
    Ok(epoch)
}

/// The epoch that cursors belong to.
pub(crate) fn epoch(conn: &Connection) -> Result<u64, Error> {
    let epoch = conn.prepare_cached("SELECT epoch FROM server")?.query_row([], |row| row.get(0))?;
    Ok(u64::from_be_bytes(epoch))
}

/// True for an epoch that this file has lived in, or has heard of.
pub(crate) fn has_lived(conn: &Connection, epoch: u64) -> Result<bool, Error> {
    Ok(conn.prepare_cached("SELECT 1 FROM epoch WHERE epoch = ?1")?.exists([epoch.to_be_bytes()])?)
}

fn note_epoch(conn: &Connection, epoch: u64) -> Result<(), Error> {
    conn.execute("INSERT OR IGNORE INTO epoch (epoch) VALUES (?1)", [epoch.to_be_bytes()])?;
    Ok(())
}

fn put_epoch(conn: &Connection, epoch: u64) -> Result<(), Error> {
    conn.execute("UPDATE server SET epoch = ?1, is_backup = 0", [epoch.to_be_bytes()])?;
    conn.execute("UPDATE scope SET cut_seq = seq, cut_chain = chain", [])?;
    super::token::end_all(conn)?;
    super::account::end_all_sessions(conn)
}

/// Writes down which branch this is.
pub(crate) fn put_branch(conn: &Connection, branch: &str) -> Result<(), Error> {
    match conn.execute("UPDATE server SET branch = ?1", [branch])? {
        1 => Ok(()),
        _ => Err(damaged("the server row is missing")),
    }
}

/// Marks a copied file as a backup: opening it to serve starts a new epoch.
pub(crate) fn mark_backup(conn: &Connection) -> Result<(), Error> {
    conn.execute("UPDATE server SET is_backup = 1", [])?;
    Ok(())
}

/// The task of writing the rows of every document again.
const ROWS: &str = "project";

/// While the rows of every document are written again: the last document that is done, in the order of ids,
/// and nothing before the first.
pub(crate) fn rows_done_to(conn: &Connection) -> Result<Option<Vec<u8>>, Error> {
    let mut select = conn.prepare_cached("SELECT place FROM upkeep WHERE task = ?1")?;
    Ok(select.query_row([ROWS], |row| row.get(0)).optional()?)
}

/// Notes how far the rows are written; `None` when all are.
pub(crate) fn put_rows_done_to(conn: &Connection, place: Option<&[u8]>) -> Result<(), Error> {
    match place {
        Some(place) => conn
            .prepare_cached("INSERT OR REPLACE INTO upkeep (task, place) VALUES (?1, ?2)")?
            .execute(params![ROWS, place])?,
        None => conn.prepare_cached("DELETE FROM upkeep WHERE task = ?1")?.execute([ROWS])?,
    };
    Ok(())
}

/// Another number after every commit of another connection to the file.
pub(crate) fn data_version(conn: &Connection) -> Result<i64, Error> {
    Ok(conn.pragma_query_value(None, "data_version", |row| row.get(0))?)
}

/// The next number of a series, from 1.
pub(crate) fn count_up(conn: &Connection, key: &str) -> Result<u64, Error> {
    let last: i64 = conn
        .prepare_cached(
            "INSERT INTO counter (key, last) VALUES (?1, 1)
             ON CONFLICT (key) DO UPDATE SET last = last + 1 RETURNING last",
        )?
        .query_row([key], |row| row.get(0))?;
    unsigned(last)
}

/// Lets a series go on after a number that was given already.
pub(crate) fn count_at_least(conn: &Connection, key: &str, running: u32) -> Result<(), Error> {
    conn.prepare_cached(
        "INSERT INTO counter (key, last) VALUES (?1, ?2)
         ON CONFLICT (key) DO UPDATE SET last = max(last, ?2)",
    )?
    .execute(params![key, running])?;
    Ok(())
}

/// Fits a signed 64-bit column on every device; never 0, which stands for no contact yet.
fn draw_epoch(entropy: &[u8; 32], old: &[u8]) -> u64 {
    let mut epoch = [0; 8];
    epoch.copy_from_slice(&hash_parts("xunyuan/epoch/1", &[entropy, old])[..8]);
    (u64::from_be_bytes(epoch) >> 1).max(1)
}
