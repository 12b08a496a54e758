//! Links that make one device each.

use rusqlite::{Connection, OptionalExtension as _, params};
use xunyuan_core::error::Error;
use xunyuan_core::id::{DeviceId, UserId};

/// An invitation as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct InvitationRow {
    pub(crate) user: UserId,
    pub(crate) expires_at_ms: i64,
    /// The device that came with it.
    pub(crate) device: Option<DeviceId>,
}

/// Writes a new invitation.
pub(crate) fn insert(
    conn: &Connection,
    secret_hash: &[u8; 32],
    user: &UserId,
    now_ms: i64,
    expires_at_ms: i64,
) -> Result<(), Error> {
    conn.execute(
        "INSERT INTO invitation (secret_hash, user, created_at_ms, expires_at_ms) VALUES (?1, ?2, ?3, ?4)",
        params![secret_hash, user.as_str(), now_ms, expires_at_ms],
    )?;
    Ok(())
}

/// The invitation of a secret.
pub(crate) fn find(conn: &Connection, secret_hash: &[u8; 32]) -> Result<Option<InvitationRow>, Error> {
    Ok(conn
        .query_row(
            "SELECT user, expires_at_ms, device FROM invitation WHERE secret_hash = ?1",
            [secret_hash],
            |row| {
                Ok(InvitationRow {
                    user: UserId(row.get(0)?),
                    expires_at_ms: row.get(1)?,
                    device: row.get::<_, Option<[u8; 16]>>(2)?.map(DeviceId),
                })
            },
        )
        .optional()?)
}

/// Uses an invitation up.
pub(crate) fn put_used(
    conn: &Connection,
    secret_hash: &[u8; 32],
    device: DeviceId,
    now_ms: i64,
) -> Result<(), Error> {
    conn.execute(
        "UPDATE invitation SET used_at_ms = ?2, device = ?3 WHERE secret_hash = ?1",
        params![secret_hash, now_ms, device.0],
    )?;
    Ok(())
}
