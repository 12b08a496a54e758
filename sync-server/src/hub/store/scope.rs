//! The head of each scope's log.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use xunyuan_core::error::Error;
use xunyuan_core::id::ScopeId;
use xunyuan_core::wire::log::{Chain, Digest};

use super::{signed, unsigned};

/// Where a scope's log ends and what it holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct HeadRow {
    /// Last row; 0 for an empty log.
    pub(crate) seq: u64,
    /// Chain at that row.
    pub(crate) chain: Chain,
    /// Digest of all that is in the scope.
    pub(crate) digest: Digest,
}

/// The head of a scope; that of an empty log where nothing has arrived yet.
pub(crate) fn head(conn: &Connection, scope: &ScopeId) -> Result<HeadRow, Error> {
    conn.prepare_cached("SELECT seq, chain, count, sum FROM scope WHERE scope = ?1")?
        .query_row([scope.as_str()], read)
        .optional()?
        .map_or_else(|| Ok(HeadRow::default()), checked)
}

/// Where the log ended when the epoch began, with the chain there; `None` where it was empty.
pub(crate) fn cut(conn: &Connection, scope: &ScopeId) -> Result<Option<(u64, Chain)>, Error> {
    let found: Option<(i64, [u8; 32])> = conn
        .prepare_cached("SELECT cut_seq, cut_chain FROM scope WHERE scope = ?1 AND cut_seq > 0")?
        .query_row([scope.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    found.map(|(seq, chain)| Ok((unsigned(seq)?, Chain(chain)))).transpose()
}

/// Moves the head of a scope.
pub(crate) fn put_head(conn: &Connection, scope: &ScopeId, head: &HeadRow) -> Result<(), Error> {
    conn.prepare_cached(
        "INSERT INTO scope (scope, seq, chain, count, sum) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (scope) DO UPDATE SET seq = ?2, chain = ?3, count = ?4, sum = ?5",
    )?
    .execute(params![
        scope.as_str(),
        signed(head.seq)?,
        head.chain.0,
        signed(head.digest.count)?,
        head.digest.sum
    ])?;
    Ok(())
}

/// Every scope that has a log, sorted, with its head.
pub(crate) fn all(conn: &Connection) -> Result<Vec<(ScopeId, HeadRow)>, Error> {
    let mut select = conn.prepare_cached("SELECT seq, chain, count, sum, scope FROM scope ORDER BY scope")?;
    let rows = select.query_map([], |row| Ok((row.get::<_, String>(4)?, read(row)?)))?;
    let mut scopes = Vec::new();
    for row in rows {
        let (scope, head) = row?;
        scopes.push((ScopeId::new(scope), checked(head)?));
    }
    Ok(scopes)
}

type Columns = (i64, [u8; 32], i64, [u8; 32]);

fn read(row: &Row<'_>) -> rusqlite::Result<Columns> {
    Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?))
}

fn checked((seq, chain, count, sum): Columns) -> Result<HeadRow, Error> {
    Ok(HeadRow { seq: unsigned(seq)?, chain: Chain(chain), digest: Digest { count: unsigned(count)?, sum } })
}
