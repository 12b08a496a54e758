//! What people sign in to the console with, and where they are signed in.

use rusqlite::{Connection, OptionalExtension as _, params};
use xunyuan_core::error::Error;
use xunyuan_core::id::UserId;

use super::unsigned;

/// What a person signs in with.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Account {
    /// Argon2id in PHC form; `None` until the person has set a password.
    pub password: Option<String>,
    /// The secret of one-time codes; `None` without a second factor.
    pub second_factor: Option<Vec<u8>>,
    /// Wrong attempts since the last good one.
    pub failures: u64,
    /// No attempt is looked at before, milliseconds since 1970.
    pub locked_until_ms: i64,
}

/// A browser in which somebody is signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// SHA-256 of its cookie.
    pub token_hash: [u8; 32],
    /// Who.
    pub user: UserId,
    /// True while the second factor is missing: it opens nothing else.
    pub is_half: bool,
    /// As the browser names itself.
    pub browser: String,
    /// When the person signed in, milliseconds since 1970.
    pub created_at_ms: i64,
    /// When it was last used, to a few minutes.
    pub seen_at_ms: i64,
}

/// The account of a person; none where nobody has given the person a link.
pub(crate) fn find(conn: &Connection, user: &UserId) -> Result<Option<Account>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT password, second_factor, failures, locked_until_ms FROM account WHERE user = ?1",
    )?;
    let found = select
        .query_row([user.as_str()], |row| {
            Ok((row.get(0)?, row.get(1)?, row.get::<_, i64>(2)?, row.get::<_, i64>(3)?))
        })
        .optional()?;
    found
        .map(|(password, second_factor, failures, locked_until_ms)| {
            Ok(Account { password, second_factor, failures: unsigned(failures)?, locked_until_ms })
        })
        .transpose()
}

/// People who have set a password, with whether they have a second factor.
pub(crate) fn with_password(conn: &Connection) -> Result<Vec<(UserId, bool)>, Error> {
    let mut select = conn.prepare_cached(
        "SELECT user, second_factor IS NOT NULL FROM account WHERE password IS NOT NULL ORDER BY user",
    )?;
    let rows = select.query_map([], |row| Ok((UserId(row.get(0)?), row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}

/// Makes an account where there is none.
pub(crate) fn ensure(conn: &Connection, user: &UserId) -> Result<(), Error> {
    conn.execute("INSERT OR IGNORE INTO account (user) VALUES (?1)", [user.as_str()])?;
    Ok(())
}

/// Sets a password; what was locked is open again.
pub(crate) fn put_password(conn: &Connection, user: &UserId, password: &str) -> Result<(), Error> {
    ensure(conn, user)?;
    conn.execute(
        "UPDATE account SET password = ?2, failures = 0, locked_until_ms = 0 WHERE user = ?1",
        params![user.as_str(), password],
    )?;
    Ok(())
}

/// Sets the second factor, or takes it away.
pub(crate) fn put_second_factor(
    conn: &Connection,
    user: &UserId,
    secret: Option<&[u8]>,
) -> Result<(), Error> {
    conn.execute(
        "UPDATE account SET second_factor = ?2, code_step = 0 WHERE user = ?1",
        params![user.as_str(), secret],
    )?;
    Ok(())
}

/// Uses a one-time code up; false where this code or a later one was used before.
pub(crate) fn use_code(conn: &Connection, user: &UserId, step: i64) -> Result<bool, Error> {
    let changed = conn.execute(
        "UPDATE account SET code_step = ?2 WHERE user = ?1 AND code_step < ?2",
        params![user.as_str(), step],
    )?;
    Ok(changed == 1)
}

/// Writes down how many attempts went wrong and until when no other is looked at.
pub(crate) fn put_failures(
    conn: &Connection,
    user: &UserId,
    failures: u64,
    locked_until_ms: i64,
) -> Result<(), Error> {
    conn.execute(
        "UPDATE account SET failures = ?2, locked_until_ms = ?3 WHERE user = ?1",
        params![user.as_str(), super::signed(failures)?, locked_until_ms],
    )?;
    Ok(())
}

/// Writes a new link with which a person sets a password; those made before end.
pub(crate) fn insert_link(
    conn: &Connection,
    secret_hash: &[u8; 32],
    user: &UserId,
    expires_at_ms: i64,
) -> Result<(), Error> {
    conn.execute("DELETE FROM password_link WHERE user = ?1", [user.as_str()])?;
    conn.execute(
        "INSERT INTO password_link (secret_hash, user, expires_at_ms) VALUES (?1, ?2, ?3)",
        params![secret_hash, user.as_str(), expires_at_ms],
    )?;
    Ok(())
}

/// Whom a link is for, when it ends, and whether it was used.
pub(crate) fn link(conn: &Connection, secret_hash: &[u8; 32]) -> Result<Option<(UserId, i64, bool)>, Error> {
    Ok(conn
        .query_row(
            "SELECT user, expires_at_ms, used_at_ms IS NOT NULL FROM password_link WHERE secret_hash = ?1",
            [secret_hash],
            |row| Ok((UserId(row.get(0)?), row.get(1)?, row.get(2)?)),
        )
        .optional()?)
}

/// Uses a link up.
pub(crate) fn use_link(conn: &Connection, secret_hash: &[u8; 32], now_ms: i64) -> Result<(), Error> {
    conn.execute(
        "UPDATE password_link SET used_at_ms = ?2 WHERE secret_hash = ?1",
        params![secret_hash, now_ms],
    )?;
    Ok(())
}

/// Writes a new session; those that nobody has used since `idle_since_ms` go.
pub(crate) fn insert_session(conn: &Connection, session: &Session, idle_since_ms: i64) -> Result<(), Error> {
    conn.execute("DELETE FROM session WHERE seen_at_ms < ?1", [idle_since_ms])?;
    conn.execute(
        "INSERT INTO session (token_hash, user, is_half, browser, created_at_ms, seen_at_ms) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        params![
            session.token_hash,
            session.user.as_str(),
            session.is_half,
            session.browser,
            session.created_at_ms,
            session.seen_at_ms
        ],
    )?;
    Ok(())
}

const SESSION: &str = "SELECT token_hash, user, is_half, browser, created_at_ms, seen_at_ms FROM session";

/// The session of a token.
pub(crate) fn session(conn: &Connection, token_hash: &[u8; 32]) -> Result<Option<Session>, Error> {
    let mut select = conn.prepare_cached(&format!("{SESSION} WHERE token_hash = ?1"))?;
    Ok(select.query_row([token_hash], read_session).optional()?)
}

/// Every session of a person, the last used first.
pub(crate) fn sessions(conn: &Connection, user: &UserId) -> Result<Vec<Session>, Error> {
    let mut select =
        conn.prepare_cached(&format!("{SESSION} WHERE user = ?1 ORDER BY seen_at_ms DESC, token_hash"))?;
    let rows = select.query_map([user.as_str()], read_session)?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read_session(row: &rusqlite::Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        token_hash: row.get(0)?,
        user: UserId(row.get(1)?),
        is_half: row.get(2)?,
        browser: row.get(3)?,
        created_at_ms: row.get(4)?,
        seen_at_ms: row.get(5)?,
    })
}

/// Notes that a session was used.
pub(crate) fn touch_session(conn: &Connection, token_hash: &[u8; 32], now_ms: i64) -> Result<(), Error> {
    conn.execute("UPDATE session SET seen_at_ms = ?2 WHERE token_hash = ?1", params![token_hash, now_ms])?;
    Ok(())
}

/// Ends one session.
pub(crate) fn end_session(conn: &Connection, token_hash: &[u8; 32]) -> Result<(), Error> {
    conn.execute("DELETE FROM session WHERE token_hash = ?1", [token_hash])?;
    Ok(())
}

/// Ends every session of a person but one.
pub(crate) fn end_sessions(conn: &Connection, user: &UserId, but: Option<&[u8; 32]>) -> Result<(), Error> {
    conn.execute(
        "DELETE FROM session WHERE user = ?1 AND token_hash IS NOT ?2",
        params![user.as_str(), but],
    )?;
    Ok(())
}

/// Signs everybody out: the file was put back, and who was signed out since must not be in again.
pub(crate) fn end_all_sessions(conn: &Connection) -> Result<(), Error> {
    conn.execute("DELETE FROM session", [])?;
    Ok(())
}
