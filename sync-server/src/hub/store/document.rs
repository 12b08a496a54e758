//! What each document is, and whose its actors are.

use rusqlite::{Connection, OptionalExtension as _, params};
use std::collections::BTreeMap;
use xunyuan_core::error::Error;
use xunyuan_core::id::{ActorId, ContentHash, DefinitionRef, DeviceId, DocumentId, ScopeId, UserId};

use super::{signed, unsigned};

/// What a document is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DocumentRow {
    /// The scope it belongs to for ever.
    pub(crate) scope: ScopeId,
    /// The definition version it is a record of.
    pub(crate) definition: DefinitionRef,
    /// Changes in the log.
    pub(crate) changes: u64,
    /// Actors among them.
    pub(crate) actors: u64,
}

/// Whose an actor is and how far it has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ActorRow {
    /// The device of its first change.
    pub(crate) device: DeviceId,
    /// Seq of its last change.
    pub(crate) last_seq: u64,
}

/// A document, where one with this id has arrived.
pub(crate) fn find(conn: &Connection, document: DocumentId) -> Result<Option<DocumentRow>, Error> {
    let found: Option<(String, String, u32, [u8; 32], i64, i64)> = conn
        .prepare_cached(
            "SELECT scope, definition, definition_version, definition_hash, changes, actors
             FROM document WHERE document = ?1",
        )?
        .query_row([document.0], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?, row.get(4)?, row.get(5)?))
        })
        .optional()?;
    let Some((scope, id, version, hash, changes, actors)) = found else { return Ok(None) };
    Ok(Some(DocumentRow {
        scope: ScopeId(scope),
        definition: DefinitionRef { id, version, hash: ContentHash(hash) },
        changes: unsigned(changes)?,
        actors: unsigned(actors)?,
    }))
}

/// Writes a document's row.
pub(crate) fn put(conn: &Connection, document: DocumentId, row: &DocumentRow) -> Result<(), Error> {
    conn.prepare_cached(
        "INSERT INTO document (document, scope, definition, definition_version, definition_hash, changes,
         actors) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
         ON CONFLICT (document) DO UPDATE SET changes = ?6, actors = ?7",
    )?
    .execute(params![
        document.0,
        row.scope.as_str(),
        row.definition.id,
        row.definition.version,
        row.definition.hash.0,
        signed(row.changes)?,
        signed(row.actors)?
    ])?;
    Ok(())
}

/// Binds an actor to its device, or moves its last seq.
pub(crate) fn put_actor(
    conn: &Connection,
    document: DocumentId,
    actor: ActorId,
    user: &UserId,
    row: &ActorRow,
) -> Result<(), Error> {
    conn.prepare_cached(
        "INSERT INTO actor (document, actor, device, user, last_seq) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (document, actor) DO UPDATE SET last_seq = ?5",
    )?
    .execute(params![document.0, actor.0, row.device.0, user.as_str(), signed(row.last_seq)?])?;
    Ok(())
}

/// The actors of a document.
pub(crate) fn actors(conn: &Connection, document: DocumentId) -> Result<BTreeMap<ActorId, ActorRow>, Error> {
    let mut select = conn.prepare_cached("SELECT actor, device, last_seq FROM actor WHERE document = ?1")?;
    let mut rows = select.query([document.0])?;
    let mut actors = BTreeMap::new();
    while let Some(row) = rows.next()? {
        let found = ActorRow { device: DeviceId(row.get(1)?), last_seq: unsigned(row.get(2)?)? };
        actors.insert(ActorId(row.get(0)?), found);
    }
    Ok(actors)
}

/// The ids of a scope's documents, sorted.
pub(crate) fn of_scope(conn: &Connection, scope: &ScopeId) -> Result<Vec<DocumentId>, Error> {
    let mut select =
        conn.prepare_cached("SELECT document FROM document WHERE scope = ?1 ORDER BY document")?;
    let rows = select.query_map([scope.as_str()], |row| row.get(0).map(DocumentId))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Documents after a place in the order of their ids, with their scopes, at most `most`.
pub(crate) fn after(conn: &Connection, place: &[u8], most: u32) -> Result<Vec<(DocumentId, ScopeId)>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT document, scope FROM document WHERE document > ?1 ORDER BY document LIMIT ?2",
    )?;
    let rows =
        select.query_map(params![place, most], |row| Ok((DocumentId(row.get(0)?), ScopeId(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Number of documents after a place in the order of their ids.
pub(crate) fn count_after(conn: &Connection, place: &[u8]) -> Result<u64, Error> {
    let mut select = conn.prepare_cached("SELECT count(*) FROM document WHERE document > ?1")?;
    unsigned(select.query_row([place], |row| row.get(0))?)
}

/// Number of documents over all scopes.
pub(crate) fn count(conn: &Connection) -> Result<u64, Error> {
    unsigned(conn.query_row("SELECT count(*) FROM document", [], |row| row.get(0))?)
}
