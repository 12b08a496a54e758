//! Scopes whose grant was withdrawn: what they still hold here, and taking it out.
//!
//! Drafts stay: the changes that the branch refused, the record's definition, and the shared texts as
//! their author read them, because the record that they were written into leaves.

use rusqlite::{Connection, OptionalExtension, params};

use super::bytes;
use super::documents::{COLUMNS, RecordRow, record_row};
use crate::error::Error;
use crate::id::{ChangeHash, DeviceId, DocumentId, ScopeId};

/// A shared text as it read with one refused change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DraftText {
    /// The change.
    pub(crate) hash: ChangeHash,
    /// Id of the text.
    pub(crate) field: String,
    /// The whole text.
    pub(crate) text: String,
}

/// True when anything of the scope is here that is not a draft.
pub(crate) fn holds_any(connection: &Connection, scope: &ScopeId) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM scope WHERE scope = ?1 AND cursor > 0
         UNION ALL SELECT 1 FROM record WHERE scope = ?1
         UNION ALL SELECT 1 FROM stub WHERE scope = ?1
         UNION ALL SELECT 1 FROM outbox WHERE scope = ?1 AND refusal_code IS NULL",
    )?;
    Ok(statement.exists([scope.as_str()])?)
}

/// True when work of the scope has no answer of the branch yet.
pub(crate) fn waits(connection: &Connection, scope: &ScopeId) -> Result<bool, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT 1 FROM outbox WHERE scope = ?1 AND logged_seq IS NULL AND refusal_code IS NULL",
    )?;
    Ok(statement.exists([scope.as_str()])?)
}

/// Lets work be offered that was held back until the scope would be known in full: it never will be.
/// Says how many changes that were.
pub(crate) fn offer_held_back(connection: &Connection, scope: &ScopeId) -> Result<usize, Error> {
    Ok(connection
        .execute("UPDATE outbox SET forked = 0 WHERE scope = ?1 AND forked = 1", [scope.as_str()])?)
}

/// This device's own records of the scope: those that the server has lost, or all.
pub(crate) fn own_records(
    connection: &Connection,
    scope: &ScopeId,
    own: DeviceId,
    all: bool,
) -> Result<Vec<RecordRow>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM record
         WHERE scope = ?1 AND device = ?2 AND (former = 1 OR (?3 AND former = 0)) ORDER BY seq"
    ))?;
    let rows = statement.query_map(params![scope.as_str(), own.as_bytes(), all], record_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// The documents of the scope.
pub(crate) fn documents(connection: &Connection, scope: &ScopeId) -> Result<Vec<DocumentId>, Error> {
    let mut statement = connection.prepare_cached("SELECT document FROM document WHERE scope = ?1")?;
    let rows = statement.query_map([scope.as_str()], |row| Ok(DocumentId(bytes(row, 0)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Takes out everything of the scope but its drafts.
pub(crate) fn remove(connection: &Connection, scope: &ScopeId) -> Result<(), Error> {
    for sql in [
        "DELETE FROM record WHERE scope = ?1",
        "DELETE FROM stub WHERE scope = ?1",
        "DELETE FROM outbox WHERE scope = ?1 AND refusal_code IS NULL",
        "DELETE FROM document WHERE scope = ?1
           AND NOT EXISTS (SELECT 1 FROM outbox WHERE outbox.document = document.document)
           AND NOT EXISTS (SELECT 1 FROM damaged WHERE damaged.document = document.document)",
        "UPDATE document SET actor = NULL, projected = 1, wanted = 0, received_at_ms = 0 WHERE scope = ?1",
    ] {
        connection.execute(sql, [scope.as_str()])?;
    }
    Ok(())
}

/// Keeps a shared text of a draft.
pub(crate) fn keep_text(connection: &Connection, kept: &DraftText) -> Result<(), Error> {
    connection.execute(
        "INSERT OR IGNORE INTO draft_text (hash, field, text) VALUES (?1, ?2, ?3)",
        params![kept.hash.as_bytes(), kept.field, kept.text],
    )?;
    Ok(())
}

/// A shared text of a draft as it was kept.
pub(crate) fn text(connection: &Connection, hash: ChangeHash, field: &str) -> Result<Option<String>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT text FROM draft_text WHERE hash = ?1 AND field = ?2")?;
    Ok(statement.query_row(params![hash.as_bytes(), field], |row| row.get(0)).optional()?)
}

/// Lets go of texts and reasons whose drafts have left.
pub(crate) fn drop_texts(connection: &Connection) -> Result<(), Error> {
    connection.execute(
        "DELETE FROM draft_text WHERE hash NOT IN (SELECT hash FROM outbox WHERE refusal_code IS NOT NULL)",
        [],
    )?;
    connection.execute(
        "DELETE FROM not_taken WHERE last_hash NOT IN (SELECT last_hash FROM record WHERE former > 0 AND former = 2)",
        [],
    )?;
    Ok(())
}
