//! The append-only log: one row per signed run or definition version.

use rusqlite::{Connection, OptionalExtension as _, Row, params, params_from_iter};
use xunyuan_core::error::Error;
use xunyuan_core::id::{
    ActorId, ChangeHash, ContentHash, DefinitionRef, DeviceId, DocumentId, ScopeId, UserId,
};
use xunyuan_core::wire::log::{Chain, Link};
use xunyuan_core::wire::rest;

use super::{damaged, scope, signed, unsigned};

/// Kind of a row that carries a run.
pub(crate) const RUN: u8 = 1;
/// Kind of a row that carries a definition version.
pub(crate) const DEFINITION: u8 = 2;

/// The changes of a row that is about to be appended.
#[derive(Clone, Debug)]
pub(crate) struct RunRow {
    /// Author id inside the changes.
    pub(crate) actor: ActorId,
    /// Seq of the first change.
    pub(crate) first_seq: u64,
    /// Hash and last operation counter of each change.
    pub(crate) changes: Vec<(ChangeHash, u32)>,
    /// The packed run.
    pub(crate) packed: Vec<u8>,
    /// Signature over the run.
    pub(crate) signature: [u8; 64],
}

/// Who a row comes from and when.
#[derive(Clone, Debug)]
pub(crate) struct Origin {
    /// Who signed.
    pub(crate) device: DeviceId,
    /// For whom.
    pub(crate) user: UserId,
    /// Server clock on arrival, milliseconds since 1970.
    pub(crate) received_at_ms: i64,
}

/// One row as it is read back; `run` is empty for a definition.
#[derive(Clone, Debug)]
pub(crate) struct LogRow {
    pub(crate) seq: u64,
    pub(crate) kind: u8,
    pub(crate) document: DocumentId,
    pub(crate) origin: Origin,
    pub(crate) last_hash: ChangeHash,
    pub(crate) chain: Chain,
    pub(crate) run: Option<RunRow>,
    /// What the document is a record of; none for a definition.
    pub(crate) definition: Option<DefinitionRef>,
}

/// Appends a run; the scope's head, chain and digest move with it. Says the new row's place.
pub(crate) fn append_run(
    conn: &Connection,
    scope: &ScopeId,
    document: DocumentId,
    origin: &Origin,
    run: &RunRow,
) -> Result<u64, Error> {
    let hashes: Vec<ChangeHash> = run.changes.iter().map(|(hash, _)| *hash).collect();
    append(conn, scope, RUN, document, origin, &hashes, Some(run))
}

/// Appends a definition version. Says the new row's place.
pub(crate) fn append_definition(
    conn: &Connection,
    scope: &ScopeId,
    document: DocumentId,
    origin: &Origin,
    hash: ContentHash,
) -> Result<u64, Error> {
    append(conn, scope, DEFINITION, document, origin, &[ChangeHash(hash.0)], None)
}

fn append(
    conn: &Connection,
    scope: &ScopeId,
    kind: u8,
    document: DocumentId,
    origin: &Origin,
    hashes: &[ChangeHash],
    run: Option<&RunRow>,
) -> Result<u64, Error> {
    let last_hash = *hashes.last().ok_or_else(|| damaged("a row without changes"))?;
    let mut head = scope::head(conn, scope)?;
    head.seq += 1;
    let link = Link {
        seq: head.seq,
        kind,
        document,
        last_hash,
        device: origin.device,
        user: &origin.user,
        received_at_ms: origin.received_at_ms,
    };
    head.chain = head.chain.next(scope, &link);
    for hash in hashes {
        head.digest.add(&document, hash);
    }
    insert(conn, scope, &link, &head.chain, hashes, run)?;
    scope::put_head(conn, scope, &head)?;
    Ok(head.seq)
}

fn insert(
    conn: &Connection,
    scope: &ScopeId,
    link: &Link<'_>,
    chain: &Chain,
    hashes: &[ChangeHash],
    run: Option<&RunRow>,
) -> Result<(), Error> {
    let first_seq = run.map(|run| signed(run.first_seq)).transpose()?;
    let more = i64::try_from(hashes.len()).unwrap_or(i64::MAX) - 1;
    conn.prepare_cached(
        "INSERT INTO log (scope, seq, kind, document, actor, first_seq, last_seq, device, user,
         received_at_ms, last_hash, chain, signature, hashes, max_ops, changes)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16)",
    )?
    .execute(params![
        scope.as_str(),
        signed(link.seq)?,
        link.kind,
        link.document.0,
        run.map(|run| run.actor.0),
        first_seq,
        first_seq.map(|first| first.saturating_add(more)),
        link.device.0,
        link.user.as_str(),
        link.received_at_ms,
        link.last_hash.0,
        chain.0,
        run.map_or(&[][..], |run| &run.signature),
        hashes.iter().flat_map(|hash| hash.0).collect::<Vec<u8>>(),
        run.map_or_else(Vec::new, |run| run.changes.iter().flat_map(|(_, op)| op.to_be_bytes()).collect()),
        run.map_or(&[][..], |run| run.packed.as_slice()),
    ])?;
    Ok(())
}

const COLUMNS: &str = "l.seq, l.kind, l.document, l.device, l.user, l.received_at_ms, l.last_hash, l.chain, \
     l.actor, l.first_seq, l.signature, l.hashes, l.max_ops, l.changes, \
     d.definition, d.definition_version, d.definition_hash";

/// Reads rows of a scope after `cursor` in order, until `take` says no more.
pub(crate) fn read_after(
    conn: &Connection,
    scope: &ScopeId,
    cursor: u64,
    mut take: impl FnMut(LogRow) -> Result<bool, Error>,
) -> Result<(), Error> {
    let mut select = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM log AS l LEFT JOIN document AS d ON d.document = l.document
         WHERE l.scope = ?1 AND l.seq > ?2 ORDER BY l.seq"
    ))?;
    let mut rows = select.query(params![scope.as_str(), signed(cursor)?])?;
    while let Some(row) = rows.next()? {
        if !take(read(row)?)? {
            break;
        }
    }
    Ok(())
}

/// The rows of one document in log order.
pub(crate) fn of_document(conn: &Connection, document: DocumentId) -> Result<Vec<LogRow>, Error> {
    let mut select = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM log AS l LEFT JOIN document AS d ON d.document = l.document
         WHERE l.document = ?1 ORDER BY l.seq"
    ))?;
    let mut rows = select.query([document.0])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// When the last record of a document arrived, milliseconds since 1970.
pub(crate) fn last_received_ms(conn: &Connection, document: DocumentId) -> Result<i64, Error> {
    let mut select =
        conn.prepare_cached("SELECT coalesce(max(received_at_ms), 0) FROM log WHERE document = ?1")?;
    Ok(select.query_row([document.0], |row| row.get(0))?)
}

/// The chain at a row; none where there is no such row.
pub(crate) fn chain_at(conn: &Connection, scope: &ScopeId, seq: u64) -> Result<Option<Chain>, Error> {
    let Ok(seq) = i64::try_from(seq) else { return Ok(None) };
    Ok(conn
        .prepare_cached("SELECT chain FROM log WHERE scope = ?1 AND seq = ?2")?
        .query_row(params![scope.as_str(), seq], |row| row.get(0))
        .optional()?
        .map(Chain))
}

/// Place of the row that holds a change of a document, without loading the document.
pub(crate) fn seq_of_change(
    conn: &Connection,
    document: DocumentId,
    hash: &ChangeHash,
) -> Result<Option<u64>, Error> {
    let mut select =
        conn.prepare_cached("SELECT seq, hashes FROM log WHERE document = ?1 ORDER BY seq DESC")?;
    let mut rows = select.query([document.0])?;
    while let Some(row) = rows.next()? {
        let hashes = row.get_ref(1)?.as_blob().map_err(rusqlite::Error::from)?;
        if hashes.chunks_exact(32).any(|one| one == hash.as_bytes()) {
            return unsigned(row.get(0)?).map(Some);
        }
    }
    Ok(None)
}

/// A row as a walk over a log that may be damaged finds it.
pub(crate) enum Stored {
    /// A row.
    Row(Box<LogRow>),
    /// Something that is none.
    Unreadable,
}

/// Walks over the rows of a scope in order, whatever is in them.
pub(crate) fn walk(
    conn: &Connection,
    scope: &ScopeId,
    mut take: impl FnMut(u64, Stored),
) -> Result<(), Error> {
    let mut select = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM log AS l LEFT JOIN document AS d ON d.document = l.document
         WHERE l.scope = ?1 ORDER BY l.seq"
    ))?;
    let mut rows = select.query([scope.as_str()])?;
    while let Some(row) = rows.next()? {
        let seq = unsigned(row.get(0)?)?;
        take(seq, read(row).map_or(Stored::Unreadable, |row| Stored::Row(Box::new(row))));
    }
    Ok(())
}

/// The places of a scope's log up to `up_to` with the chain at each, in order.
pub(crate) fn places(
    conn: &Connection,
    scope: &ScopeId,
    up_to: u64,
    mut take: impl FnMut(u64, Chain) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut select =
        conn.prepare_cached("SELECT seq, chain FROM log WHERE scope = ?1 AND seq <= ?2 ORDER BY seq")?;
    let mut rows = select.query(params![scope.as_str(), i64::try_from(up_to).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        // What is no chain is a damaged row: the caller knows it by its place.
        take(unsigned(row.get(0)?)?, Chain(row.get(1).unwrap_or_default()))?;
    }
    Ok(())
}

/// A row of the log as people look through it: without its changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// Its place in the scope.
    pub seq: u64,
    /// True for a definition version, else a run.
    pub is_definition: bool,
    /// The document, or the id derived from the definition version.
    pub document: DocumentId,
    /// Who signed.
    pub device: DeviceId,
    /// For whom.
    pub user: UserId,
    /// Server clock on arrival, milliseconds since 1970.
    pub received_at_ms: i64,
    /// How many changes it carries.
    pub changes: u32,
    /// Hash of the last change, or of the definition's content.
    pub last_hash: ChangeHash,
    /// The chain at this row.
    pub chain: [u8; 32],
}

/// The last row of all logs, in the order in which the branch took them in; 0 before the first.
pub(crate) fn last_id(conn: &Connection) -> Result<i64, Error> {
    Ok(conn.prepare_cached("SELECT coalesce(max(id), 0) FROM log")?.query_row([], |row| row.get(0))?)
}

/// Documents whose newest row lies behind `after` and not behind `up_to`, each with the place of that row, in the
/// order of the places, at most `most`. The `+` keeps the walk in that order: by scope it would read all of one.
pub(crate) fn changed(
    conn: &Connection,
    scopes: &[ScopeId],
    definition: Option<&str>,
    (after, up_to): (i64, i64),
    most: u32,
) -> Result<Vec<(i64, DocumentId)>, Error> {
    let marks = vec!["?"; scopes.len()].join(", ");
    let of = if definition.is_some() {
        "AND l.document IN (SELECT document FROM document WHERE document = l.document AND definition = ?)"
    } else {
        ""
    };
    let sql = format!(
        "SELECT l.id, l.document FROM log AS l WHERE l.id > {after} AND l.id <= {up_to} AND l.kind = {RUN}
         AND +l.scope IN ({marks}) {of}
         AND NOT EXISTS (SELECT 1 FROM log AS n WHERE n.document = l.document AND n.id > l.id)
         ORDER BY l.id LIMIT {most}"
    );
    let mut select = conn.prepare(&sql)?;
    let values = scopes.iter().map(ScopeId::as_str).chain(definition);
    let rows =
        select.query_map(params_from_iter(values), |row| Ok((row.get(0)?, DocumentId(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Rows of a scope, the latest first.
pub(crate) fn latest(
    conn: &Connection,
    scope: &ScopeId,
    offset: u32,
    limit: u32,
) -> Result<Vec<LogLine>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT seq, kind, document, device, user, received_at_ms, length(hashes) / 32, last_hash, chain
         FROM log WHERE scope = ?1 ORDER BY seq DESC LIMIT ?2 OFFSET ?3",
    )?;
    let rows = select.query_map(params![scope.as_str(), limit, offset], |row| {
        let seq: i64 = row.get(0)?;
        let line = LogLine {
            seq: 0,
            is_definition: row.get::<_, u8>(1)? == DEFINITION,
            document: DocumentId(row.get(2)?),
            device: DeviceId(row.get(3)?),
            user: UserId(row.get(4)?),
            received_at_ms: row.get(5)?,
            changes: row.get(6)?,
            last_hash: ChangeHash(row.get(7)?),
            chain: row.get(8)?,
        };
        Ok((seq, line))
    })?;
    rows.map(|row| {
        let (seq, line) = row?;
        Ok(LogLine { seq: unsigned(seq)?, ..line })
    })
    .collect()
}

/// The row at a place.
pub(crate) fn at(conn: &Connection, scope: &ScopeId, seq: u64) -> Result<Option<LogRow>, Error> {
    let Ok(place) = i64::try_from(seq) else { return Ok(None) };
    let mut select = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} FROM log AS l LEFT JOIN document AS d ON d.document = l.document
         WHERE l.scope = ?1 AND l.seq = ?2"
    ))?;
    let mut rows = select.query(params![scope.as_str(), place])?;
    rows.next()?.map(read).transpose()
}

/// Puts a row into the place that it had: the chain has proven that it is the one.
pub(crate) fn put_back(conn: &Connection, scope: &ScopeId, row: &LogRow) -> Result<(), Error> {
    conn.prepare_cached("DELETE FROM log WHERE scope = ?1 AND seq = ?2")?
        .execute(params![scope.as_str(), signed(row.seq)?])?;
    let hashes: Vec<ChangeHash> = match &row.run {
        Some(run) => run.changes.iter().map(|(hash, _)| *hash).collect(),
        None => vec![row.last_hash],
    };
    let link = Link {
        seq: row.seq,
        kind: row.kind,
        document: row.document,
        last_hash: row.last_hash,
        device: row.origin.device,
        user: &row.origin.user,
        received_at_ms: row.origin.received_at_ms,
    };
    insert(conn, scope, &link, &row.chain, &hashes, row.run.as_ref())
}

/// Number of changes of a document in the log.
pub(crate) fn changes_of(conn: &Connection, document: DocumentId) -> Result<u64, Error> {
    let mut select =
        conn.prepare_cached("SELECT coalesce(sum(length(hashes) / 32), 0) FROM log WHERE document = ?1")?;
    unsigned(select.query_row([document.0], |row| row.get(0))?)
}

/// Number of rows of a scope.
pub(crate) fn count_of(conn: &Connection, scope: &ScopeId) -> Result<u64, Error> {
    let mut select = conn.prepare_cached("SELECT count(*) FROM log WHERE scope = ?1")?;
    unsigned(select.query_row([scope.as_str()], |row| row.get(0))?)
}

/// Number of rows over all scopes.
pub(crate) fn count(conn: &Connection) -> Result<u64, Error> {
    unsigned(conn.query_row("SELECT count(*) FROM log", [], |row| row.get(0))?)
}

fn read(row: &Row<'_>) -> Result<LogRow, Error> {
    let kind: u8 = row.get(1)?;
    let hashes: Vec<u8> = row.get(11)?;
    let run = if kind == RUN {
        let max_ops: Vec<u8> = row.get(12)?;
        if hashes.len() / 32 != max_ops.len() / 4 {
            return Err(damaged("a row of the log has not one counter per change"));
        }
        let changes = hashes.chunks_exact(32).zip(max_ops.chunks_exact(4)).map(|(hash, op)| {
            let op = <[u8; 4]>::try_from(op).map_err(|_| damaged("a counter is cut short"))?;
            Ok((ChangeHash::from_slice(hash)?, u32::from_be_bytes(op)))
        });
        Some(RunRow {
            actor: ActorId(row.get(8)?),
            first_seq: unsigned(row.get(9)?)?,
            changes: changes.collect::<Result<_, Error>>()?,
            packed: rest::restored(row.get(13)?),
            signature: row.get(10)?,
        })
    } else {
        None
    };
    let definition = row.get::<_, Option<String>>(14)?.map(|id| {
        Ok::<_, Error>(DefinitionRef { id, version: row.get(15)?, hash: ContentHash(row.get(16)?) })
    });
    Ok(LogRow {
        seq: unsigned(row.get(0)?)?,
        kind,
        document: DocumentId(row.get(2)?),
        origin: Origin {
            device: DeviceId(row.get(3)?),
            user: UserId(row.get(4)?),
            received_at_ms: row.get(5)?,
        },
        last_hash: ChangeHash(row.get(6)?),
        chain: Chain(row.get(7)?),
        run,
        definition: definition.transpose()?,
    })
}
