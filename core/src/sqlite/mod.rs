//! The one opener of SQLite files, for a replica's store and for the branch's.
//!
//! Sets the pragmas that "saved means on disk" rests on, steps the schema up, and refuses files that
//! a newer version wrote. The schema version of a file is the number of steps it has taken: the loop
//! stamps it, so a wrong number cannot be typed. A file may be encrypted, page by page, under a key that
//! the caller brings; write-ahead log and temporary files are then encrypted as well.

mod key;
mod recode;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, TransactionBehavior};
use std::path::Path;
use std::time::Duration;

use crate::error::{Error, ErrorKind};

pub use key::FileKey;
pub use recode::recode;

/// Marks a file as this product's: `PRAGMA application_id`, "XYUN".
const APPLICATION_ID: i32 = 0x5859_554e;

/// Prepared statements that a connection keeps: the product has about a hundred.
const STATEMENTS_KEPT: usize = 160;
/// Pages that a connection keeps in memory, KiB: what the upper levels of all indexes of a full device take.
const PAGES_KEPT_KIB: i64 = 8 * 1024;

/// Pages of the write-ahead log after which it is folded into the file: a page that is written again and
/// again meanwhile is folded in once.
const LOG_PAGES: i64 = 4_000;

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sharing {
    /// One process holds the file until it closes it; a second one is refused as busy.
    Exclusive,
    /// Several connections may read while one writes.
    Shared,
}

/// Opens or creates a file and brings its schema to the last of `steps`.
///
/// Each step is SQL text that was released and never changes; new ones are appended.
///
/// # Errors
/// `Busy` when another process holds the file, `Newer` when it has taken more steps than there are, `Key`
/// when the key does not fit, `Corrupt` when it is damaged or belongs to another program. Nothing is deleted
/// or changed then.
pub fn open(
    path: &Path,
    steps: &[&str],
    sharing: Sharing,
    key: Option<&FileKey>,
) -> Result<Connection, Error> {
    let connection = begun(path, sharing, key).map_err(|error| key::explain(error, path, key))?;
    let mut connection = prepared(connection)?;
    step_up(&mut connection, steps)?;
    if sharing == Sharing::Exclusive {
        recode::clear(path);
    }
    Ok(connection)
}

/// Opens a file and reads its first page.
fn begun(path: &Path, sharing: Sharing, key: Option<&FileKey>) -> Result<Connection, Error> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(Duration::from_secs(3))?;
    if let Some(key) = key {
        key.unlock(&connection)?;
    }
    if sharing == Sharing::Exclusive {
        connection.pragma_update(None, "locking_mode", "EXCLUSIVE")?;
    }
    keep_statements(&connection)?;
    let owner: i32 = connection.pragma_query_value(None, "application_id", |row| row.get(0))?;
    let taken: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if owner != APPLICATION_ID && (owner != 0 || taken != 0) {
        return Err(not_ours());
    }
    Ok(connection)
}

/// Opens an existing file for reading beside a writer.
///
/// # Errors
/// As [`open`]; the schema is not touched.
pub fn open_reader(path: &Path) -> Result<Connection, Error> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    connection.busy_timeout(Duration::from_secs(3))?;
    keep_statements(&connection)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}

fn prepared(connection: Connection) -> Result<Connection, Error> {
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", true)?;
    connection.pragma_update(None, "cache_size", -PAGES_KEPT_KIB)?;
    connection.pragma_update(None, "wal_autocheckpoint", LOG_PAGES)?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

fn not_ours() -> Error {
    Error::new(ErrorKind::Corrupt, "这个文件不是巡园的数据文件", "this file is not a Xunyuan data file")
}

/// Prepares each statement once: it stays in memory, and its plan does not depend on the values it is given.
fn keep_statements(connection: &Connection) -> Result<(), Error> {
    connection.set_prepared_statement_cache_capacity(STATEMENTS_KEPT);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn step_up(connection: &mut Connection, steps: &[&str]) -> Result<(), Error> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Exclusive)?;
    let taken: u32 = transaction.pragma_query_value(None, "user_version", |row| row.get(0))?;
    let taken = usize::try_from(taken).unwrap_or(usize::MAX);
    if taken > steps.len() {
        return Err(Error::new(
            ErrorKind::Newer,
            "数据文件由更新版本写成;请先升级本程序(文件未改动)",
            "a newer version wrote this data file; update this program first (the file is unchanged)",
        ));
    }
    if taken == 0 {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
    }
    for (done, step) in steps.iter().enumerate().skip(taken) {
        transaction.execute_batch(step)?;
        let version = i64::try_from(done + 1).unwrap_or(i64::MAX);
        transaction.pragma_update(None, "user_version", version)?;
    }
    transaction.commit()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    pub(super) const ONE: &str = "CREATE TABLE a (x INTEGER) STRICT;";
    const TWO: &str = "ALTER TABLE a ADD COLUMN y INTEGER;";

    pub(super) fn path(name: &str) -> std::path::PathBuf {
        let dir = std::env::temp_dir().join(format!("xunyuan-sqlite-{}-{name}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        dir.join("file")
    }

    #[test]
    fn steps_are_taken_once_and_newer_files_are_refused() {
        let file = path("steps");
        drop(open(&file, &[ONE], Sharing::Exclusive, None).unwrap());
        let stepped = open(&file, &[ONE, TWO], Sharing::Exclusive, None).unwrap();
        stepped.execute("INSERT INTO a (x, y) VALUES (1, 2)", []).unwrap();
        drop(stepped);
        assert_eq!(open(&file, &[ONE], Sharing::Exclusive, None).unwrap_err().kind(), ErrorKind::Newer);
        let again = open(&file, &[ONE, TWO], Sharing::Exclusive, None).unwrap();
        let rows: i64 = again.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(rows, 1);
    }

    #[test]
    fn a_second_process_is_refused() {
        let file = path("busy");
        let _held = open(&file, &[ONE], Sharing::Exclusive, None).unwrap();
        assert_eq!(open(&file, &[ONE], Sharing::Exclusive, None).unwrap_err().kind(), ErrorKind::Busy);
    }

    #[test]
    fn other_files_are_refused_and_kept() {
        let file = path("other");
        std::fs::write(&file, b"not a database at all, but longer than a header would be........").unwrap();
        assert_eq!(open(&file, &[ONE], Sharing::Exclusive, None).unwrap_err().kind(), ErrorKind::Corrupt);
        assert!(std::fs::read(&file).unwrap().starts_with(b"not a database"));
    }
}
