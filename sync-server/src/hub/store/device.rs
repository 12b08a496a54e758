//! Enrolled devices.

use rusqlite::{Connection, OptionalExtension as _, Row, params};
use xunyuan_core::error::Error;
use xunyuan_core::id::{DeviceId, UserId};

use super::unsigned;

/// A device as enrolled, with what it last said of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct DeviceRow {
    pub(crate) device: DeviceId,
    pub(crate) public_key: [u8; 32],
    pub(crate) user: UserId,
    pub(crate) code: String,
    pub(crate) enrolled_at_ms: i64,
    pub(crate) revoked_at_ms: Option<i64>,
    /// It is what a person writes under in the console.
    pub(crate) is_console: bool,
    pub(crate) app: String,
    pub(crate) last_seen_ms: Option<i64>,
    pub(crate) seen: Seen,
}

/// What a device said of itself in an exchange.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    pub(crate) schema: u32,
    pub(crate) skew_ms: i64,
    pub(crate) pending_changes: u32,
    pub(crate) pending_photos: u32,
    pub(crate) conflicts: u32,
}

const COLUMNS: &str = "device, public_key, user, code, enrolled_at_ms, revoked_at_ms, app, last_seen_ms, \
     store_schema, skew_ms, pending_changes, pending_photos, conflicts, is_console";

/// The device that holds a token.
pub(crate) fn of_token(conn: &Connection, token_hash: &[u8; 32]) -> Result<Option<DeviceRow>, Error> {
    Ok(conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM device WHERE token_hash = ?1"))?
        .query_row([token_hash], read)
        .optional()?)
}

/// A device by id.
pub(crate) fn find(conn: &Connection, device: DeviceId) -> Result<Option<DeviceRow>, Error> {
    Ok(conn
        .prepare_cached(&format!("SELECT {COLUMNS} FROM device WHERE device = ?1"))?
        .query_row([device.0], read)
        .optional()?)
}

/// Every device in the order of their codes.
pub(crate) fn all(conn: &Connection) -> Result<Vec<DeviceRow>, Error> {
    let mut select =
        conn.prepare_cached(&format!("SELECT {COLUMNS} FROM device ORDER BY length(code), code"))?;
    Ok(select.query_map([], read)?.collect::<Result<_, _>>()?)
}

/// True when a device has this code.
pub(crate) fn has_code(conn: &Connection, code: &str) -> Result<bool, Error> {
    Ok(conn.prepare_cached("SELECT 1 FROM device WHERE code = ?1")?.exists([code])?)
}

/// Number of devices ever enrolled.
pub(crate) fn count(conn: &Connection) -> Result<u64, Error> {
    unsigned(conn.query_row("SELECT count(*) FROM device", [], |row| row.get(0))?)
}

/// Enrolls a device.
pub(crate) fn insert(conn: &Connection, row: &DeviceRow, token_hash: &[u8; 32]) -> Result<(), Error> {
    conn.execute(
        "INSERT INTO device (device, public_key, user, code, token_hash, enrolled_at_ms, app, is_console)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        params![
            row.device.0,
            row.public_key,
            row.user.as_str(),
            row.code,
            token_hash,
            row.enrolled_at_ms,
            row.app,
            row.is_console
        ],
    )?;
    Ok(())
}

/// Gives a device another token: the reply that carried the first one was lost.
pub(crate) fn put_token(conn: &Connection, device: DeviceId, token_hash: &[u8; 32]) -> Result<(), Error> {
    conn.execute("UPDATE device SET token_hash = ?2 WHERE device = ?1", params![device.0, token_hash])?;
    Ok(())
}

/// Revokes a device; the first time stands. False where there is no such device.
pub(crate) fn revoke(conn: &Connection, device: DeviceId, now_ms: i64) -> Result<bool, Error> {
    let changed = conn.execute(
        "UPDATE device SET revoked_at_ms = coalesce(revoked_at_ms, ?2) WHERE device = ?1",
        params![device.0, now_ms],
    )?;
    Ok(changed > 0)
}

/// Writes down what a device last said of itself.
pub(crate) fn put_seen(
    conn: &Connection,
    device: DeviceId,
    at_ms: i64,
    app: &str,
    seen: &Seen,
) -> Result<(), Error> {
    conn.prepare_cached(
        "UPDATE device SET last_seen_ms = ?2, app = ?3, store_schema = ?4, skew_ms = ?5,
         pending_changes = ?6, pending_photos = ?7, conflicts = ?8 WHERE device = ?1",
    )?
    .execute(params![
        device.0,
        at_ms,
        app,
        seen.schema,
        seen.skew_ms,
        seen.pending_changes,
        seen.pending_photos,
        seen.conflicts
    ])?;
    Ok(())
}

fn read(row: &Row<'_>) -> rusqlite::Result<DeviceRow> {
    Ok(DeviceRow {
        device: DeviceId(row.get(0)?),
        public_key: row.get(1)?,
        user: UserId(row.get(2)?),
        code: row.get(3)?,
        enrolled_at_ms: row.get(4)?,
        revoked_at_ms: row.get(5)?,
        is_console: row.get(13)?,
        app: row.get(6)?,
        last_seen_ms: row.get(7)?,
        seen: Seen {
            schema: row.get::<_, Option<u32>>(8)?.unwrap_or(0),
            skew_ms: row.get::<_, Option<i64>>(9)?.unwrap_or(0),
            pending_changes: row.get(10)?,
            pending_photos: row.get(11)?,
            conflicts: row.get(12)?,
        },
    })
}
