//! What programs read with.

use rusqlite::{Connection, OptionalExtension as _, params};
use xunyuan_core::error::Error;
use xunyuan_core::id::UserId;

use super::damaged;

/// What a token opens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// Records with their history and what is in dispute.
    Records,
    /// Duties.
    Duties,
    /// Reports.
    Reports,
}

impl Right {
    /// Every right.
    pub const ALL: [Self; 3] = [Self::Records, Self::Duties, Self::Reports];

    /// Its stable id.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Records => "records:read",
            Self::Duties => "duties:read",
            Self::Reports => "reports:read",
        }
    }

    /// The right of that id.
    #[must_use]
    pub fn of_id(id: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|right| right.id() == id)
    }
}

/// What a program reads with, in the name of a person: no more than that person may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token {
    /// Names it where it is listed; opens nothing.
    pub id: String,
    /// In whose name.
    pub user: UserId,
    /// What it is for.
    pub name: String,
    /// What it opens.
    pub rights: Vec<Right>,
    /// The units that it is limited to; empty for all that the person sees.
    pub units: Vec<String>,
    /// When it was made, milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it ends.
    pub expires_at_ms: i64,
    /// When it was last used, to a few minutes.
    pub used_at_ms: Option<i64>,
    /// When it was revoked.
    pub revoked_at_ms: Option<i64>,
}

const COLUMNS: &str =
    "id, user, name, rights, units, created_at_ms, expires_at_ms, used_at_ms, revoked_at_ms FROM token";

/// Writes a new token.
pub(crate) fn insert(conn: &Connection, token_hash: &[u8; 32], token: &Token) -> Result<(), Error> {
    let rights: Vec<&str> = token.rights.iter().map(|right| right.id()).collect();
    conn.execute(
        "INSERT INTO token (id, token_hash, user, name, rights, units, created_at_ms, expires_at_ms)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            token.id,
            token_hash,
            token.user.as_str(),
            token.name,
            rights.join(" "),
            token.units.join(" "),
            token.created_at_ms,
            token.expires_at_ms
        ],
    )?;
    Ok(())
}

/// The token with that hash.
pub(crate) fn find(conn: &Connection, token_hash: &[u8; 32]) -> Result<Option<Token>, Error> {
    let mut select = conn.prepare_cached(&format!("SELECT {COLUMNS} WHERE token_hash = ?1"))?;
    let found = select.query_row([token_hash], read).optional()?;
    found.transpose()
}

/// Tokens of a person, or of everybody, the newest first.
pub(crate) fn list(conn: &Connection, user: Option<&UserId>) -> Result<Vec<Token>, Error> {
    let mut select = conn.prepare_cached(&format!(
        "SELECT {COLUMNS} WHERE ?1 IS NULL OR user = ?1 ORDER BY created_at_ms DESC, id"
    ))?;
    let rows = select.query_map([user.map(UserId::as_str)], read)?;
    rows.map(|row| row?).collect()
}

/// How many tokens of a person still open anything.
pub(crate) fn live(conn: &Connection, user: &UserId, now_ms: i64) -> Result<u32, Error> {
    let mut select = conn.prepare_cached(
        "SELECT count(*) FROM token WHERE user = ?1 AND revoked_at_ms IS NULL AND expires_at_ms > ?2",
    )?;
    Ok(select.query_row(params![user.as_str(), now_ms], |row| row.get(0))?)
}

/// Revokes a token, of one person where one is named; false where there is none.
pub(crate) fn revoke(conn: &Connection, id: &str, user: Option<&UserId>, now_ms: i64) -> Result<bool, Error> {
    let changed = conn.execute(
        "UPDATE token SET revoked_at_ms = coalesce(revoked_at_ms, ?3)
         WHERE id = ?1 AND (?2 IS NULL OR user = ?2)",
        params![id, user.map(UserId::as_str), now_ms],
    )?;
    Ok(changed == 1)
}

/// Notes that a token was used.
pub(crate) fn touch(conn: &Connection, id: &str, now_ms: i64) -> Result<(), Error> {
    conn.execute("UPDATE token SET used_at_ms = ?2 WHERE id = ?1", params![id, now_ms])?;
    Ok(())
}

/// Takes tokens away that ended, or were revoked, before a time.
pub(crate) fn clear(conn: &Connection, before_ms: i64) -> Result<(), Error> {
    conn.execute(
        "DELETE FROM token WHERE min(expires_at_ms, coalesce(revoked_at_ms, expires_at_ms)) < ?1",
        [before_ms],
    )?;
    Ok(())
}

/// Ends every token: the file was put back, and one that was revoked since must not open anything again.
pub(crate) fn end_all(conn: &Connection) -> Result<(), Error> {
    conn.execute("DELETE FROM token", [])?;
    Ok(())
}

fn read(row: &rusqlite::Row<'_>) -> rusqlite::Result<Result<Token, Error>> {
    let words = |text: String| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let rights = words(row.get(3)?).iter().map(|id| Right::of_id(id)).collect::<Option<Vec<_>>>();
    let Some(rights) = rights else { return Ok(Err(damaged("a token has a right that is not known"))) };
    Ok(Ok(Token {
        id: row.get(0)?,
        user: UserId(row.get(1)?),
        name: row.get(2)?,
        rights,
        units: words(row.get(4)?),
        created_at_ms: row.get(5)?,
        expires_at_ms: row.get(6)?,
        used_at_ms: row.get(7)?,
        revoked_at_ms: row.get(8)?,
    }))
}
