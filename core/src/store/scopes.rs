//! Where the replica stands in each scope.

use rusqlite::{Connection, OptionalExtension, params};

use super::{bytes, signed, unsigned};
use crate::error::Error;
use crate::id::ScopeId;

/// The standing in one scope.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScopeRow {
    /// Which scope.
    pub scope: ScopeId,
    /// False once the grant was withdrawn.
    pub granted: bool,
    /// Server epoch of the cursor; 0 before the first contact.
    pub epoch: u64,
    /// Last seq held.
    pub cursor: u64,
    /// Chain at the cursor.
    pub chain: [u8; 32],
    /// Number of changes and definitions up to the cursor.
    pub count: u64,
    /// Their digest sum.
    pub sum: [u8; 32],
    /// True when own runs must travel too.
    pub want_own: bool,
    /// When the standing last equalled a signed head, milliseconds since 1970.
    pub proven_at_ms: Option<i64>,
}

impl ScopeRow {
    /// The standing before the first contact.
    #[must_use]
    pub const fn new(scope: ScopeId) -> Self {
        Self {
            scope,
            granted: true,
            epoch: 0,
            cursor: 0,
            chain: [0; 32],
            count: 0,
            sum: [0; 32],
            want_own: false,
            proven_at_ms: None,
        }
    }
}

/// Writes a standing.
pub(crate) fn save(connection: &Connection, row: &ScopeRow) -> Result<(), Error> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO scope
               (scope, granted, epoch, cursor, chain, count, sum, want_own, proven_at_ms)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        )?
        .execute(params![
            row.scope.as_str(),
            row.granted,
            signed(row.epoch),
            signed(row.cursor),
            row.chain,
            signed(row.count),
            row.sum,
            row.want_own,
            row.proven_at_ms,
        ])?;
    Ok(())
}

/// The standing in one scope.
pub(crate) fn find(connection: &Connection, scope: &ScopeId) -> Result<Option<ScopeRow>, Error> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} WHERE scope = ?1"))?;
    Ok(statement.query_row([scope.as_str()], scope_row).optional()?)
}

/// Every standing, in the order of the scopes' names.
pub(crate) fn all(connection: &Connection) -> Result<Vec<ScopeRow>, Error> {
    let mut statement = connection.prepare_cached(&format!("{SELECT} ORDER BY scope"))?;
    Ok(statement.query_map([], scope_row)?.collect::<Result<_, _>>()?)
}

const SELECT: &str =
    "SELECT scope, granted, epoch, cursor, chain, count, sum, want_own, proven_at_ms FROM scope";

fn scope_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<ScopeRow> {
    Ok(ScopeRow {
        scope: ScopeId(row.get(0)?),
        granted: row.get(1)?,
        epoch: unsigned(row.get(2)?),
        cursor: unsigned(row.get(3)?),
        chain: bytes(row, 4)?,
        count: unsigned(row.get(5)?),
        sum: bytes(row, 6)?,
        want_own: row.get(7)?,
        proven_at_ms: row.get(8)?,
    })
}
