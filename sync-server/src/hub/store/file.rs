//! Files that records name: which of them are here, who showed that they hold one, where one may be read, and
//! which are still missing.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use xunyuan_core::error::Error;
use xunyuan_core::id::{DeviceId, DocumentId, FileHash, ScopeId, UserId};

use super::{damaged, signed, unsigned};

/// Whether a file has a thumbnail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thumbnail {
    /// None was made yet.
    Unmade,
    /// It is there.
    Made,
    /// None can be made.
    None,
}

/// A file that is here whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FileRow {
    pub(crate) hash: FileHash,
    pub(crate) bytes: u64,
    pub(crate) media_type: String,
    pub(crate) received_at_ms: i64,
    pub(crate) device: DeviceId,
    pub(crate) thumbnail: Thumbnail,
}

/// A place of a record whose file is not here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MissingRow {
    pub(crate) hash: FileHash,
    pub(crate) document: DocumentId,
    pub(crate) scope: ScopeId,
    pub(crate) user: UserId,
    pub(crate) since_ms: i64,
}

const COLUMNS: &str = "hash, bytes, media_type, received_at_ms, device, thumbnail";

/// Notes a file that has arrived whole; one that is known stays as it is.
pub(crate) fn insert(conn: &Connection, row: &FileRow) -> Result<(), Error> {
    conn.prepare_cached(
        "INSERT INTO file (hash, bytes, media_type, received_at_ms, device, thumbnail)
         VALUES (?1, ?2, ?3, ?4, ?5, 0) ON CONFLICT (hash) DO UPDATE SET loose_at_ms = NULL",
    )?
    .execute(params![
        row.hash.0,
        signed(row.bytes)?,
        row.media_type,
        row.received_at_ms,
        row.device.0
    ])?;
    Ok(())
}

/// A file that is here.
pub(crate) fn find(conn: &Connection, hash: FileHash) -> Result<Option<FileRow>, Error> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} FROM file WHERE hash = ?1"))?;
    select.query_row([hash.0], read).optional()?.transpose()
}

/// Files after a hash, in the order of hashes.
pub(crate) fn page(conn: &Connection, after: Option<FileHash>, limit: u32) -> Result<Vec<FileRow>, Error> {
    let mut select =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM file WHERE hash > ?1 ORDER BY hash LIMIT ?2"))?;
    let after: &[u8] = after.as_ref().map_or(&[], FileHash::as_bytes);
    select.query_map(params![after, limit], read)?.map(|row| row?).collect()
}

/// Number and bytes of all files.
pub(crate) fn count(conn: &Connection) -> Result<(u64, u64), Error> {
    let (count, bytes) =
        conn.query_row("SELECT count, bytes FROM file_total", [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok((unsigned(count)?, unsigned(bytes)?))
}

/// Whether a file has a thumbnail.
pub(crate) fn put_thumbnail(conn: &Connection, hash: FileHash, thumbnail: Thumbnail) -> Result<(), Error> {
    let code = match thumbnail {
        Thumbnail::Unmade => 0,
        Thumbnail::Made => 1,
        Thumbnail::None => 2,
    };
    conn.prepare_cached("UPDATE file SET thumbnail = ?2 WHERE hash = ?1")?.execute(params![hash.0, code])?;
    Ok(())
}

/// Since when no record names the file; null while one does.
pub(crate) fn loose_since(conn: &Connection, hash: FileHash) -> Result<Option<i64>, Error> {
    let mut select = conn.prepare_cached("SELECT loose_at_ms FROM file WHERE hash = ?1")?;
    Ok(select.query_row([hash.0], |row| row.get(0)).optional()?.flatten())
}

/// Notes since when no record names the file.
pub(crate) fn put_loose(conn: &Connection, hash: FileHash, since_ms: Option<i64>) -> Result<(), Error> {
    conn.prepare_cached("UPDATE file SET loose_at_ms = ?2 WHERE hash = ?1")?
        .execute(params![hash.0, since_ms])?;
    Ok(())
}

/// Takes a file out: it is not here any more.
pub(crate) fn remove(conn: &Connection, hash: FileHash) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM file WHERE hash = ?1")?.execute([hash.0])?;
    Ok(())
}

/// Forgets who held a file and where it could be read.
pub(crate) fn forget(conn: &Connection, hash: FileHash) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM file_holder WHERE hash = ?1")?.execute([hash.0])?;
    conn.prepare_cached("DELETE FROM file_scope WHERE hash = ?1")?.execute([hash.0])?;
    Ok(())
}

/// Notes that a person showed to hold the bytes.
pub(crate) fn put_holder(conn: &Connection, hash: FileHash, user: &UserId) -> Result<(), Error> {
    conn.prepare_cached("INSERT OR IGNORE INTO file_holder (hash, user) VALUES (?1, ?2)")?
        .execute(params![hash.0, user.as_str()])?;
    Ok(())
}

/// True when a person has shown to hold the bytes.
pub(crate) fn is_holder(conn: &Connection, hash: FileHash, user: &UserId) -> Result<bool, Error> {
    let mut select = conn.prepare_cached("SELECT 1 FROM file_holder WHERE hash = ?1 AND user = ?2")?;
    Ok(select.exists(params![hash.0, user.as_str()])?)
}

/// The scopes in which a file may be read.
pub(crate) fn scopes(conn: &Connection, hash: FileHash) -> Result<Vec<ScopeId>, Error> {
    let mut select = conn.prepare_cached("SELECT scope FROM file_scope WHERE hash = ?1 ORDER BY scope")?;
    Ok(select
        .query_map([hash.0], |row| Ok(ScopeId::new(row.get::<_, String>(0)?)))?
        .collect::<Result<_, _>>()?)
}

/// Lets a file be read in a scope; what waited for it there waits no longer.
pub(crate) fn put_scope(conn: &Connection, hash: FileHash, scope: &ScopeId) -> Result<(), Error> {
    conn.prepare_cached("INSERT OR IGNORE INTO file_scope (hash, scope) VALUES (?1, ?2)")?
        .execute(params![hash.0, scope.as_str()])?;
    Ok(())
}

/// What is here in a scope waits there no longer.
pub(crate) fn settle(conn: &Connection, hash: FileHash) -> Result<(), Error> {
    conn.prepare_cached(
        "DELETE FROM file_missing WHERE hash = ?1 AND EXISTS
           (SELECT 1 FROM file_scope AS s WHERE s.hash = ?1 AND s.scope = file_missing.scope)",
    )?
    .execute([hash.0])?;
    Ok(())
}

/// Notes that a record waits for a file.
pub(crate) fn put_missing(conn: &Connection, row: &MissingRow) -> Result<(), Error> {
    conn.prepare_cached(
        "INSERT OR IGNORE INTO file_missing (document, hash, scope, user, since_ms) VALUES (?1, ?2, ?3, ?4, ?5)",
    )?
    .execute(params![row.document.0, row.hash.0, row.scope.as_str(), row.user.as_str(), row.since_ms])?;
    Ok(())
}

/// What a record waits for.
pub(crate) fn missing_of(conn: &Connection, document: DocumentId) -> Result<Vec<MissingRow>, Error> {
    missing(conn, "WHERE document = ?1 ORDER BY hash", [document.0])
}

/// A record waits for this file no longer.
pub(crate) fn drop_missing(conn: &Connection, document: DocumentId, hash: FileHash) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM file_missing WHERE document = ?1 AND hash = ?2")?
        .execute(params![document.0, hash.0])?;
    Ok(())
}

/// What all records wait for, those that waited longest first.
pub(crate) fn all_missing(conn: &Connection, limit: u32) -> Result<Vec<MissingRow>, Error> {
    missing(conn, "ORDER BY since_ms, document, hash LIMIT ?1", [limit])
}

/// Number of files that records wait for.
pub(crate) fn missing_count(conn: &Connection) -> Result<u64, Error> {
    unsigned(conn.query_row("SELECT count(DISTINCT hash) FROM file_missing", [], |row| row.get(0))?)
}

fn missing(
    conn: &Connection,
    condition: &str,
    values: impl rusqlite::Params,
) -> Result<Vec<MissingRow>, Error> {
    let mut select = conn.prepare_cached(&format!(
        "SELECT hash, document, scope, user, since_ms FROM file_missing {condition}"
    ))?;
    let rows = select.query_map(values, |row| {
        Ok(MissingRow {
            hash: FileHash(row.get(0)?),
            document: DocumentId(row.get(1)?),
            scope: ScopeId::new(row.get::<_, String>(2)?),
            user: UserId(row.get(3)?),
            since_ms: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read(row: &Row<'_>) -> rusqlite::Result<Result<FileRow, Error>> {
    let bytes = unsigned(row.get(1)?);
    let thumbnail = match row.get::<_, i64>(5)? {
        0 => Ok(Thumbnail::Unmade),
        1 => Ok(Thumbnail::Made),
        2 => Ok(Thumbnail::None),
        _ => Err(damaged("a thumbnail has an unknown state")),
    };
    let (hash, media_type, received_at_ms) = (FileHash(row.get(0)?), row.get(2)?, row.get(3)?);
    let device = DeviceId(row.get(4)?);
    Ok(bytes.and_then(|bytes| {
        Ok(FileRow { hash, bytes, media_type, received_at_ms, device, thumbnail: thumbnail? })
    }))
}
