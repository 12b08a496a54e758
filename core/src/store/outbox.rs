//! The outbox: changes written on this device that no cursor covers yet.
//!
//! A row is *pending* until the server answers; *logged* once it is accepted but the cursor has not
//! reached it; *forked* while it is held back because its author id was used elsewhere; *refused* when
//! the server said no, kept with the reason until the person decides.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension as _, params};

use super::{bytes, signed, unsigned};
use crate::error::{Error, Refusal};
use crate::id::{ActorId, ChangeHash, DocumentId, ScopeId};

/// Bytes that a run takes beside its changes, roughly.
const RUN_OVERHEAD: usize = 250;

/// One change of the outbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxRow {
    /// Order of writing on this device.
    pub ordinal: i64,
    /// Which document.
    pub document: DocumentId,
    /// Its scope.
    pub scope: ScopeId,
    /// Author id.
    pub actor: ActorId,
    /// Place among the author's changes, from 1.
    pub seq: u64,
    /// The change's hash.
    pub hash: ChangeHash,
    /// True when it directly builds on the change of the previous seq.
    pub follows: bool,
    /// The whole change chunk.
    pub bytes: Vec<u8>,
    /// Device time of writing, milliseconds since 1970.
    pub written_at_ms: i64,
    /// Place in the log, once the server accepted it.
    pub logged_seq: Option<u64>,
    /// The server's refusal, if it refused.
    pub refusal: Option<Refusal>,
}

/// Refused work that the person gave up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscardedRow {
    /// The record it was for.
    pub document: DocumentId,
    /// Author id of the changes, as the branch lists the refusal.
    pub actor: ActorId,
    /// How many changes.
    pub changes: u32,
    /// Why the branch had refused them.
    pub refusal_code: String,
    /// Device time of giving up, milliseconds since 1970.
    pub at_ms: i64,
}

/// What takes the place of a change that had to be made again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RenewedChange<'c> {
    /// The new author id.
    pub(crate) actor: ActorId,
    /// Its place among that author's changes.
    pub(crate) seq: u64,
    /// Its hash.
    pub(crate) hash: ChangeHash,
    /// True when it directly builds on the change of the previous seq.
    pub(crate) follows: bool,
    /// The whole change chunk.
    pub(crate) bytes: &'c [u8],
}

/// Adds a change; one that is there already (offered again after a reset) is left alone.
pub(crate) fn append(connection: &Connection, row: &OutboxRow) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT OR IGNORE INTO outbox (document, scope, actor, seq, hash, follows, bytes, written_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![
            row.document.as_bytes(),
            row.scope.as_str(),
            row.actor.as_bytes(),
            signed(row.seq),
            row.hash.as_bytes(),
            row.follows,
            row.bytes,
            row.written_at_ms,
        ])?;
    Ok(())
}

/// Changes to offer to the server, in order of writing, up to `bytes_max` (at least one).
pub(crate) fn pending(connection: &Connection, bytes_max: usize) -> Result<Vec<OutboxRow>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "{SELECT} WHERE logged_seq IS NULL AND refusal_code IS NULL AND forked = 0 ORDER BY ordinal"
    ))?;
    let mut rows = statement.query([])?;
    let (mut pending, mut total) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let row = outbox_row(row)?;
        total += row.bytes.len() + if row.follows { 0 } else { RUN_OVERHEAD };
        if total > bytes_max && !pending.is_empty() {
            break;
        }
        pending.push(row);
    }
    Ok(pending)
}

/// Changes of one document that are part of what the person sees: all but the refused.
pub(crate) fn of_document(connection: &Connection, document: DocumentId) -> Result<Vec<OutboxRow>, Error> {
    let mut statement = connection
        .prepare_cached(&format!("{SELECT} WHERE document = ?1 AND refusal_code IS NULL ORDER BY ordinal"))?;
    Ok(statement.query_map([document.as_bytes()], outbox_row)?.collect::<Result<_, _>>()?)
}

/// The changes of an author to a document that are part of what the person sees.
pub(crate) fn hashes_of(
    connection: &Connection,
    document: DocumentId,
    actor: ActorId,
) -> Result<Vec<ChangeHash>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT hash FROM outbox WHERE document = ?1 AND actor = ?2 AND refusal_code IS NULL",
    )?;
    let own = params![document.as_bytes(), actor.as_bytes()];
    Ok(statement.query_map(own, |row| Ok(ChangeHash(bytes(row, 0)?)))?.collect::<Result<_, _>>()?)
}

/// The change at a place among an author's changes, where it is in the outbox and not refused.
pub(crate) fn hash_at(
    connection: &Connection,
    document: DocumentId,
    actor: ActorId,
    seq: u64,
) -> Result<Option<ChangeHash>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT hash FROM outbox WHERE document = ?1 AND actor = ?2 AND seq = ?3 AND refusal_code IS NULL",
    )?;
    let place = params![document.as_bytes(), actor.as_bytes(), signed(seq)];
    Ok(statement.query_row(place, |row| Ok(ChangeHash(bytes(row, 0)?))).optional()?)
}

/// Changes of one document that the server has not accepted, the refused among them, in order of
/// writing.
pub(crate) fn unaccepted(connection: &Connection, document: DocumentId) -> Result<Vec<OutboxRow>, Error> {
    let mut statement = connection
        .prepare_cached(&format!("{SELECT} WHERE document = ?1 AND logged_seq IS NULL ORDER BY ordinal"))?;
    Ok(statement.query_map([document.as_bytes()], outbox_row)?.collect::<Result<_, _>>()?)
}

/// Changes the server refused, in order of writing.
pub(crate) fn refused(connection: &Connection) -> Result<Vec<OutboxRow>, Error> {
    let mut statement =
        connection.prepare_cached(&format!("{SELECT} WHERE refusal_code IS NOT NULL ORDER BY ordinal"))?;
    Ok(statement.query_map([], outbox_row)?.collect::<Result<_, _>>()?)
}

/// The rows that one log record of `actor` covers: everything unrefused up to `last_hash`.
pub(crate) fn covered_by(
    connection: &Connection,
    document: DocumentId,
    last_hash: ChangeHash,
) -> Result<Vec<OutboxRow>, Error> {
    let mut statement = connection.prepare_cached(&format!(
        "{SELECT} WHERE document = ?1 AND refusal_code IS NULL
           AND EXISTS (SELECT 1 FROM outbox AS last WHERE last.hash = ?2
                       AND last.document = outbox.document AND last.actor = outbox.actor
                       AND outbox.seq <= last.seq)
         ORDER BY seq"
    ))?;
    let rows = statement.query_map(params![document.as_bytes(), last_hash.as_bytes()], outbox_row)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Notes that the server accepted, or already had, everything of `actor` up to `last_hash`.
pub(crate) fn set_logged(connection: &Connection, last_hash: ChangeHash, seq: u64) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE outbox SET logged_seq = ?2
             FROM (SELECT document, actor, seq FROM outbox WHERE hash = ?1) AS last
             WHERE outbox.document = last.document AND outbox.actor = last.actor
               AND outbox.seq <= last.seq AND outbox.logged_seq IS NULL AND outbox.refusal_code IS NULL",
        )?
        .execute(params![last_hash.as_bytes(), signed(seq)])?;
    Ok(())
}

/// Notes that the server refused `first`: with it everything later by the same actor on the document.
pub(crate) fn set_refused(
    connection: &Connection,
    first: ChangeHash,
    refusal: &Refusal,
) -> Result<(), Error> {
    connection.execute(
        "UPDATE outbox SET refusal_code = ?2, refusal_zh = ?3, refusal_en = ?4
         FROM (SELECT document, actor, seq FROM outbox WHERE hash = ?1) AS first
         WHERE outbox.document = first.document AND outbox.actor = first.actor
           AND outbox.seq >= first.seq AND outbox.logged_seq IS NULL AND outbox.refusal_code IS NULL",
        params![first.as_bytes(), refusal.code, refusal.sentence.zh, refusal.sentence.en],
    )?;
    Ok(())
}

/// Notes that the server refused this change, and says nothing of others.
pub(crate) fn set_refused_alone(
    connection: &Connection,
    hash: ChangeHash,
    refusal: &Refusal,
) -> Result<(), Error> {
    connection.execute(
        "UPDATE outbox SET refusal_code = ?2, refusal_zh = ?3, refusal_en = ?4
         WHERE hash = ?1 AND logged_seq IS NULL",
        params![hash.as_bytes(), refusal.code, refusal.sentence.zh, refusal.sentence.en],
    )?;
    Ok(())
}

/// Changes that the server has not accepted, refused or not.
pub(crate) fn unanswered(connection: &Connection) -> Result<Vec<ChangeHash>, Error> {
    let mut statement = connection.prepare_cached("SELECT hash FROM outbox WHERE logged_seq IS NULL")?;
    Ok(statement.query_map([], |row| Ok(ChangeHash(bytes(row, 0)?)))?.collect::<Result<_, _>>()?)
}

/// Makes a refused or held-back change pending again.
pub(crate) fn offer_again(connection: &Connection, hash: ChangeHash) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE outbox SET refusal_code = NULL, refusal_zh = NULL, refusal_en = NULL, forked = 0
             WHERE hash = ?1",
        )?
        .execute([hash.as_bytes()])?;
    Ok(())
}

/// Holds back `first` and everything later by the same actor on the document: the server wants
/// another author id for it.
pub(crate) fn set_forked(connection: &Connection, first: ChangeHash) -> Result<(), Error> {
    connection.execute(
        "UPDATE outbox SET forked = 1
         FROM (SELECT document, actor, seq FROM outbox WHERE hash = ?1) AS first
         WHERE outbox.document = first.document AND outbox.actor = first.actor
           AND outbox.seq >= first.seq AND outbox.logged_seq IS NULL AND outbox.refusal_code IS NULL",
        [first.as_bytes()],
    )?;
    Ok(())
}

/// Ordinals of the changes of a scope that are held back, by document.
pub(crate) fn forked(connection: &Connection, scope: &ScopeId) -> Result<Vec<(DocumentId, i64)>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT document, ordinal FROM outbox WHERE forked = 1 AND scope = ?1 ORDER BY document, ordinal",
    )?;
    let rows = statement.query_map([scope.as_str()], |row| Ok((DocumentId(bytes(row, 0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// True while any change is held back.
pub(crate) fn has_forked(connection: &Connection) -> Result<bool, Error> {
    Ok(connection.prepare_cached("SELECT 1 FROM outbox WHERE forked = 1 LIMIT 1")?.exists([])?)
}

/// Puts a change that was made again under another author id into the place of the old one.
pub(crate) fn renew(connection: &Connection, ordinal: i64, change: &RenewedChange<'_>) -> Result<(), Error> {
    connection
        .prepare_cached(
            "UPDATE outbox SET actor = ?2, seq = ?3, hash = ?4, follows = ?5, bytes = ?6, forked = 0
             WHERE ordinal = ?1",
        )?
        .execute(params![
            ordinal,
            change.actor.as_bytes(),
            signed(change.seq),
            change.hash.as_bytes(),
            change.follows,
            change.bytes,
        ])?;
    Ok(())
}

/// Notes that refused changes of a document were given up: that they were there, not what they said.
pub(crate) fn note_discarded(connection: &Connection, row: &DiscardedRow) -> Result<(), Error> {
    connection.execute(
        "INSERT INTO discarded (document, actor, changes, refusal_code, at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (document, actor) DO UPDATE SET changes = changes + ?3, at_ms = ?5",
        params![row.document.as_bytes(), row.actor.as_bytes(), row.changes, row.refusal_code, row.at_ms],
    )?;
    Ok(())
}

/// What was given up, latest first.
pub(crate) fn discarded(connection: &Connection) -> Result<Vec<DiscardedRow>, Error> {
    let mut statement = connection.prepare_cached(
        "SELECT document, actor, changes, refusal_code, at_ms FROM discarded ORDER BY at_ms DESC, document",
    )?;
    let rows = statement.query_map([], |row| {
        Ok(DiscardedRow {
            document: DocumentId(bytes(row, 0)?),
            actor: ActorId(bytes(row, 1)?),
            changes: row.get(2)?,
            refusal_code: row.get(3)?,
            at_ms: row.get(4)?,
        })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Makes logged but uncovered changes of a scope pending again: their log is gone.
pub(crate) fn forget_logged(connection: &Connection, scope: &ScopeId) -> Result<(), Error> {
    connection.execute("UPDATE outbox SET logged_seq = NULL WHERE scope = ?1", [scope.as_str()])?;
    Ok(())
}

/// Takes out the changes of a document that a cursor now covers.
pub(crate) fn remove(
    connection: &Connection,
    document: DocumentId,
    hashes: &[ChangeHash],
) -> Result<(), Error> {
    let mut held = connection.prepare_cached("SELECT hash, ordinal FROM outbox WHERE document = ?1")?;
    let held: Vec<(ChangeHash, i64)> = held
        .query_map([document.as_bytes()], |row| Ok((ChangeHash(bytes(row, 0)?), row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    if held.is_empty() {
        return Ok(());
    }
    let covered: HashSet<&ChangeHash> = hashes.iter().collect();
    if held.iter().all(|(hash, _)| covered.contains(hash)) {
        connection
            .prepare_cached("DELETE FROM outbox WHERE document = ?1")?
            .execute([document.as_bytes()])?;
        return Ok(());
    }
    let mut delete = connection.prepare_cached("DELETE FROM outbox WHERE ordinal = ?1")?;
    for (_, ordinal) in held.iter().filter(|(hash, _)| covered.contains(hash)) {
        delete.execute([ordinal])?;
    }
    Ok(())
}

/// The records of the changes that wait for an answer, one for each change.
pub(crate) fn waiting(connection: &Connection) -> Result<Vec<DocumentId>, Error> {
    let mut statement = connection
        .prepare_cached("SELECT document FROM outbox WHERE logged_seq IS NULL AND refusal_code IS NULL")?;
    Ok(statement.query_map([], |row| Ok(DocumentId(bytes(row, 0)?)))?.collect::<Result<_, _>>()?)
}

/// Number of changes that wait for an answer.
pub(crate) fn pending_count(connection: &Connection) -> Result<u32, Error> {
    let mut statement = connection
        .prepare_cached("SELECT count(*) FROM outbox WHERE logged_seq IS NULL AND refusal_code IS NULL")?;
    Ok(statement.query_row([], |row| row.get(0))?)
}

const SELECT: &str = "SELECT ordinal, document, scope, actor, seq, hash, follows, bytes, written_at_ms,
                             logged_seq, refusal_code, refusal_zh, refusal_en FROM outbox";

fn outbox_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<OutboxRow> {
    let refusal = match row.get::<_, Option<String>>(10)? {
        None => None,
        Some(code) => Some(Refusal::new(&code, row.get::<_, String>(11)?, row.get::<_, String>(12)?)),
    };
    Ok(OutboxRow {
        ordinal: row.get(0)?,
        document: DocumentId(bytes(row, 1)?),
        scope: ScopeId(row.get(2)?),
        actor: ActorId(bytes(row, 3)?),
        seq: unsigned(row.get(4)?),
        hash: ChangeHash(bytes(row, 5)?),
        follows: row.get(6)?,
        bytes: row.get(7)?,
        written_at_ms: row.get(8)?,
        logged_seq: row.get::<_, Option<i64>>(9)?.map(unsigned),
        refusal,
    })
}
