//! Every statement of SQL that the branch server runs, one file per noun.
//!
//! Receives values and hands on values; knows nothing of admission, grants or HTTP. Each function works
//! on the connection it is given and inside the caller's transaction. No other room of the server may
//! write SQL, so that a second engine can come later behind this one.

pub(crate) mod account;
pub(crate) mod compaction;
pub(crate) mod definition;
pub(crate) mod device;
pub(crate) mod document;
pub(crate) mod duty;
pub(crate) mod file;
pub(crate) mod hook;
pub(crate) mod invitation;
pub(crate) mod log;
pub(crate) mod owed;
pub(crate) mod refusal;
mod schema;
pub(crate) mod scope;
pub(crate) mod server;
pub(crate) mod token;

use rusqlite::Connection;
use rusqlite::hooks::Wal;
use rusqlite::wal::CheckpointMode;
use std::path::Path;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::sqlite::{self, Sharing};

/// Opens or creates the branch's file for its one writer.
///
/// # Errors
/// `Newer` when a newer version wrote the file, `Corrupt` when it is damaged or foreign, `Busy` when
/// another program holds it.
pub(crate) fn open(path: &Path) -> Result<Connection, Error> {
    let conn = sqlite::open(path, schema::STEPS, Sharing::Shared, None)?;
    conn.set_prepared_statement_cache_capacity(128);
    Ok(conn)
}

/// Calls `written` after each commit of this connection that wrote, with the pages that the write-ahead log
/// then holds. Folding them into the file is left to [`fold`].
pub(crate) fn watch(
    conn: &mut Connection,
    mut written: impl FnMut(i32) + Send + 'static,
) -> Result<(), Error> {
    conn.wal_hook(Some(move |_: &mut Wal, pages: i32| {
        written(pages);
        Ok(())
    }))?;
    Ok(())
}

/// Folds the write-ahead log into the file, as far as no reader still needs it.
pub(crate) fn fold(conn: &Connection) -> Result<(), Error> {
    conn.wal_checkpoint_v2(None::<&str>, CheckpointMode::PASSIVE)?;
    Ok(())
}

/// Opens one more connection for reading beside the writer.
///
/// # Errors
/// As [`open`]; the schema is not touched.
pub(crate) fn open_reader(path: &Path) -> Result<Connection, Error> {
    let conn = sqlite::open_reader(path)?;
    conn.set_prepared_statement_cache_capacity(64);
    Ok(conn)
}

/// SQLite's integers are signed: a stored count reads back as unsigned.
fn unsigned(value: i64) -> Result<u64, Error> {
    u64::try_from(value).map_err(|_| damaged("a count is negative"))
}

/// A count as SQLite stores it.
fn signed(value: u64) -> Result<i64, Error> {
    i64::try_from(value).map_err(|_| damaged("a count is out of range"))
}

/// What was read cannot have been written by this program.
fn damaged(what: &str) -> Error {
    Error::new(
        ErrorKind::Damaged,
        "分公司数据文件的内容不一致;请运行 verify 并从备份恢复",
        format!("the branch's data file is inconsistent ({what}); run verify and restore a backup"),
    )
}
