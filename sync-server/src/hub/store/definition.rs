//! Published definition versions.

use rusqlite::{Connection, OptionalExtension as _, params};
use xunyuan_core::error::Error;
use xunyuan_core::id::{ContentHash, DefinitionRef, DocumentId};

use super::{signed, unsigned};

/// One published version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DefinitionRow {
    pub(crate) reference: DefinitionRef,
    pub(crate) json: Vec<u8>,
    /// Its place in the definitions scope.
    pub(crate) seq: u64,
}

/// Every version, in the order of publication.
pub(crate) fn all(conn: &Connection) -> Result<Vec<DefinitionRow>, Error> {
    let mut select = conn.prepare("SELECT id, version, hash, json, seq FROM definition ORDER BY seq")?;
    let mut rows = select.query([])?;
    let mut definitions = Vec::new();
    while let Some(row) = rows.next()? {
        definitions.push(DefinitionRow {
            reference: DefinitionRef {
                id: row.get(0)?,
                version: row.get(1)?,
                hash: ContentHash(row.get(2)?),
            },
            json: row.get(3)?,
            seq: unsigned(row.get(4)?)?,
        });
    }
    Ok(definitions)
}

/// Number of published versions.
pub(crate) fn count(conn: &Connection) -> Result<u64, Error> {
    unsigned(conn.query_row("SELECT count(*) FROM definition", [], |row| row.get(0))?)
}

/// The published hash and place of a version.
pub(crate) fn find(conn: &Connection, id: &str, version: u32) -> Result<Option<(ContentHash, u64)>, Error> {
    let found: Option<([u8; 32], i64)> = conn
        .query_row(
            "SELECT hash, seq FROM definition WHERE id = ?1 AND version = ?2",
            params![id, version],
            |row| Ok((row.get(0)?, row.get(1)?)),
        )
        .optional()?;
    found.map(|(hash, seq)| Ok((ContentHash(hash), unsigned(seq)?))).transpose()
}

/// Reference and canonical bytes of the version that stands under a derived id.
pub(crate) fn of_document(
    conn: &Connection,
    document: DocumentId,
) -> Result<Option<(DefinitionRef, Vec<u8>)>, Error> {
    Ok(conn
        .prepare_cached("SELECT id, version, hash, json FROM definition WHERE document = ?1")?
        .query_row([document.0], |row| {
            let hash = ContentHash(row.get(2)?);
            Ok((DefinitionRef { id: row.get(0)?, version: row.get(1)?, hash }, row.get(3)?))
        })
        .optional()?)
}

/// Writes a version that was just appended to the log.
pub(crate) fn insert(
    conn: &Connection,
    document: DocumentId,
    row: &DefinitionRow,
    now_ms: i64,
) -> Result<(), Error> {
    conn.execute(
        "INSERT INTO definition (document, id, version, hash, json, seq, published_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        params![
            document.0,
            row.reference.id,
            row.reference.version,
            row.reference.hash.0,
            row.json,
            signed(row.seq)?,
            now_ms
        ],
    )?;
    Ok(())
}
