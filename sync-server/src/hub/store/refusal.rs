//! Refused runs, kept as evidence.

use rusqlite::{Connection, Row, params, params_from_iter};
use xunyuan_core::error::{Error, Refusal, Sentence};
use xunyuan_core::id::{
    ActorId, ChangeHash, ContentHash, DefinitionRef, DeviceId, DocumentId, ScopeId, UserId,
};
use xunyuan_core::wire::message::Author;

use super::unsigned;

/// Refused runs of one device that are listed, so that a broken device cannot fill the branch's disk.
const LISTED_PER_DEVICE: i64 = 10_000;
/// Bytes of refused runs of one device that are kept; later ones are listed without theirs.
const BYTES_PER_DEVICE: i64 = 64 * 1024 * 1024;

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
    pub(crate) run: Option<RefusedRow>,
}

/// What tells how to read a refused run; missing in rows that an earlier version kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RefusedRow {
    pub(crate) actor: ActorId,
    pub(crate) definition: Option<DefinitionRef>,
    pub(crate) signature: [u8; 64],
    pub(crate) author: Option<Author>,
}

/// Writes a refused run down, or counts one more attempt of the same; true where it was not known before.
pub(crate) fn put(conn: &Connection, row: &RefusalRow) -> Result<bool, Error> {
    let counted = conn
        .prepare_cached(
            "UPDATE refusal SET times = times + 1
             WHERE device = ?1 AND document = ?2 AND last_hash = ?3 AND code = ?4",
        )?
        .execute(params![row.device.0, row.document.0, row.last_hash.0, row.refusal.code])?;
    if counted > 0 {
        return Ok(false);
    }
    let (listed, kept): (i64, i64) = conn
        .prepare_cached("SELECT count(*), coalesce(sum(length(bytes)), 0) FROM refusal WHERE device = ?1")?
        .query_row([row.device.0], |row| Ok((row.get(0)?, row.get(1)?)))?;
    if listed >= LISTED_PER_DEVICE {
        return Ok(false);
    }
    let bytes: &[u8] = if kept < BYTES_PER_DEVICE { &row.bytes } else { &[] };
    let run = row.run.as_ref();
    let definition = run.and_then(|run| run.definition.as_ref());
    let author = run.and_then(|run| run.author.as_ref());
    conn.prepare_cached(
        "INSERT INTO refusal (scope, document, device, user, last_hash, code, zh, en, at_ms, times, bytes,
                              actor, definition, definition_version, definition_hash, signature,
                              author_device, author_user)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 1, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17)",
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
        bytes,
        run.map(|run| run.actor.0),
        definition.map(|known| known.id.as_str()),
        definition.map(|known| known.version),
        definition.map(|known| known.hash.0),
        run.map(|run| run.signature),
        author.map(|author| author.device.0),
        author.map(|author| author.user.as_str()),
    ])?;
    Ok(true)
}

/// Refused runs, newest first.
pub(crate) fn list(conn: &Connection, limit: u32) -> Result<Vec<RefusalRow>, Error> {
    let mut select = conn.prepare_cached(&format!("{SELECT} ORDER BY id DESC LIMIT ?1"))?;
    let mut rows = select.query([limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// In which scopes refused runs are looked for.
#[derive(Clone, Debug)]
pub(crate) enum Within {
    /// In these.
    Only(Vec<ScopeId>),
    /// In all but these: a device may name a scope that nobody holds.
    AllBut(Vec<ScopeId>),
}

impl Within {
    fn condition(&self) -> String {
        let (scopes, not) = match self {
            Self::Only(scopes) => (scopes, ""),
            Self::AllBut(scopes) => (scopes, "NOT "),
        };
        format!("scope {not}IN ({})", vec!["?"; scopes.len()].join(", "))
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        let (Self::Only(scopes) | Self::AllBut(scopes)) = self;
        scopes.iter().map(ScopeId::as_str)
    }
}

/// How many refused runs there are within, counted up to `most`.
pub(crate) fn count_in(conn: &Connection, within: &Within, most: u32) -> Result<u32, Error> {
    let sql =
        format!("SELECT count(*) FROM (SELECT 1 FROM refusal WHERE {} LIMIT {most})", within.condition());
    Ok(conn.prepare_cached(&sql)?.query_row(params_from_iter(within.names()), |row| row.get(0))?)
}

/// Refused runs within, newest first.
pub(crate) fn list_in(
    conn: &Connection,
    within: &Within,
    offset: u32,
    limit: u32,
) -> Result<Vec<RefusalRow>, Error> {
    let sql = format!("{SELECT} WHERE {} ORDER BY id DESC LIMIT {limit} OFFSET {offset}", within.condition());
    let mut select = conn.prepare_cached(&sql)?;
    let mut rows = select.query(params_from_iter(within.names()))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// Hands out every refused run, oldest first.
pub(crate) fn each(
    conn: &Connection,
    mut take: impl FnMut(RefusalRow) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut select = conn.prepare_cached(&format!("{SELECT} ORDER BY id"))?;
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        take(read(row)?)?;
    }
    Ok(())
}

/// Number of refused runs.
pub(crate) fn count(conn: &Connection) -> Result<u64, Error> {
    unsigned(conn.query_row("SELECT count(*) FROM refusal", [], |row| row.get(0))?)
}

const SELECT: &str = "SELECT scope, document, device, user, last_hash, code, zh, en, at_ms, times, bytes,
                             actor, definition, definition_version, definition_hash, signature,
                             author_device, author_user FROM refusal";

fn read(row: &Row<'_>) -> Result<RefusalRow, Error> {
    let run = match (row.get::<_, Option<[u8; 16]>>(11)?, row.get::<_, Option<[u8; 64]>>(15)?) {
        (Some(actor), Some(signature)) => {
            let definition = match (row.get(12)?, row.get(13)?, row.get::<_, Option<[u8; 32]>>(14)?) {
                (Some(id), Some(version), Some(hash)) => {
                    Some(DefinitionRef { id, version, hash: ContentHash(hash) })
                }
                _ => None,
            };
            let author = match (row.get::<_, Option<[u8; 16]>>(16)?, row.get(17)?) {
                (Some(device), Some(user)) => Some(Author { device: DeviceId(device), user: UserId(user) }),
                _ => None,
            };
            Some(RefusedRow { actor: ActorId(actor), definition, signature, author })
        }
        _ => None,
    };
    Ok(RefusalRow {
        scope: ScopeId(row.get(0)?),
        document: DocumentId(row.get(1)?),
        device: DeviceId(row.get(2)?),
        user: UserId(row.get(3)?),
        last_hash: ChangeHash(row.get(4)?),
        refusal: Refusal { code: row.get(5)?, sentence: Sentence { zh: row.get(6)?, en: row.get(7)? } },
        at_ms: row.get(8)?,
        times: unsigned(row.get(9)?)?,
        bytes: row.get(10)?,
        run,
    })
}
