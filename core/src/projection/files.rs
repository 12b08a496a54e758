//! The files that documents name, as rows: which record names which file, and which files a record names.

use rusqlite::{Connection, Row, params};

use crate::error::Error;
use crate::id::{DocumentId, FileHash, ScopeId, UserId};
use crate::projection::coding;
use crate::rules::file::{FileRef, NamedFile};

/// A record that names a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileUse {
    /// The record.
    pub document: DocumentId,
    /// Its scope.
    pub scope: ScopeId,
    /// Who put the file there.
    pub by: UserId,
}

/// Writes the rows of one document.
pub(super) fn insert(conn: &Connection, id: i64, files: &[NamedFile]) -> Result<(), Error> {
    if files.is_empty() {
        return Ok(());
    }
    let mut insert = conn.prepare_cached(
        "INSERT INTO projected_file (id, place, hash, key, bytes, media_type, taken_at_ms, user, at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for (place, NamedFile { key, file, by, at_ms }) in (0_i64..).zip(files) {
        insert.execute(params![
            id,
            place,
            file.hash.as_bytes(),
            key,
            file.bytes.cast_signed(),
            file.media_type,
            file.taken_at_ms,
            by.as_str(),
            at_ms,
        ])?;
    }
    Ok(())
}

/// The files that a document names, in the order of its keys; none for an unknown document.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn files_of(conn: &Connection, document: DocumentId) -> Result<Vec<NamedFile>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT n.hash, n.key, n.bytes, n.media_type, n.taken_at_ms, n.user, n.at_ms \
         FROM projected AS p JOIN projected_file AS n ON n.id = p.id WHERE p.document = ?1 ORDER BY n.place",
    )?;
    let mut rows = select.query([document.as_bytes()])?;
    let mut files = Vec::new();
    while let Some(row) = rows.next()? {
        files.push(NamedFile {
            key: row.get(1)?,
            file: FileRef {
                hash: hash_of(row, 0)?,
                bytes: row.get::<_, i64>(2)?.cast_unsigned(),
                media_type: row.get(3)?,
                taken_at_ms: row.get(4)?,
            },
            by: UserId(row.get(5)?),
            at_ms: row.get(6)?,
        });
    }
    Ok(files)
}

/// The records that name a file.
///
/// # Errors
/// `Busy`, `Corrupt` or `Storage` when reading fails.
pub fn uses_of(conn: &Connection, hash: FileHash) -> Result<Vec<FileUse>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT DISTINCT p.document, p.scope, n.user FROM projected_file AS n \
         JOIN projected AS p ON p.id = n.id WHERE n.hash = ?1 ORDER BY p.document, n.user",
    )?;
    let mut rows = select.query([hash.as_bytes()])?;
    let mut uses = Vec::new();
    while let Some(row) = rows.next()? {
        let document = row.get_ref(0)?.as_blob().map_err(|_| coding::damaged())?;
        uses.push(FileUse {
            document: DocumentId::from_slice(document)?,
            scope: ScopeId::new(row.get::<_, String>(1)?),
            by: UserId(row.get(2)?),
        });
    }
    Ok(uses)
}

fn hash_of(row: &Row<'_>, column: usize) -> Result<FileHash, Error> {
    FileHash::from_slice(row.get_ref(column)?.as_blob().map_err(|_| coding::damaged())?)
}
