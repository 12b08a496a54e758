//! Refused runs, kept as evidence.

use rusqlite::{Connection, params};
use xunyuan_core::error::{Error, Refusal, Sentence};
use xunyuan_core::id::{ChangeHash, DeviceId, DocumentId, ScopeId, UserId};

use super::unsigned;

/// Refused runs of one device whose bytes are kept; later ones are listed without bytes, so that a
/// broken device cannot fill the branch's disk.
const KEPT_PER_DEVICE: i64 = 1_000;
/// Refused runs of one device that are listed at all.
const LISTED_PER_DEVICE: i64 = 10_000;

/// One refused run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusalRow {
    pub(crate) scope: ScopeId,
    pub(crate) document: DocumentId,
    pub(crate) device: DeviceId,
    pub(crate) user: UserId,
    pub(crate) last_hash: ChangeHash,
    pub(crate) refusal: Refusal,
    pub(crate) at_ms: i64,
    pub(crate) times: u64,
    pub(crate) bytes: Vec<u8>,
}

/// Writes a refused run down, or counts one more attempt of the same.
pub(crate) fn put(conn: &Connection, row: &RefusalRow) -> Result<(), Error> {
    let counted = conn
        .prepare_cached(
            "UPDATE refusal SET times = times + 1
             WHERE device = ?1 AND document = ?2 AND last_hash = ?3 AND code = ?4",
        )?
        .execute(params![row.device.0, row.document.0, row.last_hash.0, row.refusal.code])?;
    if counted > 0 {
        return Ok(());
    }
    let listed: i64 = conn
        .prepare_cached("SELECT count(*) FROM refusal WHERE device = ?1")?
        .query_row([row.device.0], |row| row.get(0))?;
    if listed >= LISTED_PER_DEVICE {
        return Ok(());
    }
    let bytes: &[u8] = if listed < KEPT_PER_DEVICE { &row.bytes } else { &[] };
    conn.prepare_cached(
        "INSERT INTO refusal (scope, document, device, user, last_hash, code, zh, en, at_ms, times, bytes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10)",
    )?
    .execute(params![
        row.scope.as_str(),
        row.document.0,
        row.device.0,
        row.user.as_str(),
        row.last_hash.0,
        row.refusal.code,
        row.refusal.sentence.zh,
        row.refusal.sentence.en,
        row.at_ms,
        bytes
    ])?;
    Ok(())
}

/// Refused runs, newest first.
pub(crate) fn list(conn: &Connection, limit: u32) -> Result<Vec<RefusalRow>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT scope, document, device, user, last_hash, code, zh, en, at_ms, times, bytes
         FROM refusal ORDER BY id DESC LIMIT ?1",
    )?;
    let mut rows = select.query([limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(RefusalRow {
            scope: ScopeId(row.get(0)?),
            document: DocumentId(row.get(1)?),
            device: DeviceId(row.get(2)?),
            user: UserId(row.get(3)?),
            last_hash: ChangeHash(row.get(4)?),
            refusal: Refusal { code: row.get(5)?, sentence: Sentence { zh: row.get(6)?, en: row.get(7)? } },
            at_ms: row.get(8)?,
            times: unsigned(row.get(9)?)?,
            bytes: row.get(10)?,
        });
    }
    Ok(found)
}

/// Number of refused runs.
pub(crate) fn count(conn: &Connection) -> Result<u64, Error> {
    unsigned(conn.query_row("SELECT count(*) FROM refusal", [], |row| row.get(0))?)
}
