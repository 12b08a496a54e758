//! Who the replica is, the definitions it holds, and its running numbers.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension, params};

use super::bytes;
use crate::error::{Error, ErrorKind};
use crate::id::{ContentHash, DefinitionRef, DeviceId, UserId};
use crate::wire::pin::Pin;

/// One person on one device, as enrolled.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The person.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// Short code of the device, first part of temporary numbers.
    pub device_code: String,
    /// Ed25519 secret.
    pub seed: [u8; 32],
    /// Bearer token.
    pub token: String,
    /// Where the branch answers, without trailing slash.
    pub server_url: String,
    /// The server's Ed25519 public key.
    pub server_key: [u8; 32],
    /// The one key that the server may show in TLS; `None` where public certificates are trusted.
    pub pin: Option<Pin>,
    /// Server clock when the branch last vouched for the pin, milliseconds since 1970.
    pub pin_at_ms: i64,
    /// The branch, e.g. `br.hz`.
    pub branch: String,
    /// Server clock minus device clock at the last exchange, milliseconds.
    pub clock_offset_ms: Option<i64>,
}

impl std::fmt::Debug for Identity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Identity").field("device", &self.device).finish_non_exhaustive()
    }
}

/// Writes the identity of a new replica.
pub(crate) fn insert(connection: &Connection, identity: &Identity) -> Result<(), Error> {
    connection.execute(
        "INSERT INTO identity (id, user, device, device_code, seed, token, server_url, server_key, branch,
                               pin, pin_at_ms)
         VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        params![
            identity.user.as_str(),
            identity.device.as_bytes(),
            identity.device_code,
            identity.seed,
            identity.token,
            identity.server_url,
            identity.server_key,
            identity.branch,
            identity.pin.map(|pin| pin.0),
            identity.pin_at_ms,
        ],
    )?;
    Ok(())
}

/// The identity of this file.
pub(crate) fn load(connection: &Connection) -> Result<Identity, Error> {
    connection
        .query_row(
            "SELECT user, device, device_code, seed, token, server_url, server_key, branch, clock_offset_ms,
                    pin, pin_at_ms
             FROM identity",
            [],
            |row| {
                Ok(Identity {
                    user: UserId(row.get(0)?),
                    device: DeviceId(bytes(row, 1)?),
                    device_code: row.get(2)?,
                    seed: bytes(row, 3)?,
                    token: row.get(4)?,
                    server_url: row.get(5)?,
                    server_key: bytes(row, 6)?,
                    branch: row.get(7)?,
                    clock_offset_ms: row.get(8)?,
                    pin: if row.get_ref(9)? == ValueRef::Null { None } else { Some(Pin(bytes(row, 9)?)) },
                    pin_at_ms: row.get(10)?,
                })
            },
        )
        .optional()?
        .ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "此文件尚未登记;请先用邀请链接登记设备",
                "this file is not enrolled; enrol the device with an invitation link first",
            )
        })
}

/// Notes the server's clock against the device's.
pub(crate) fn set_clock_offset(connection: &Connection, offset_ms: i64) -> Result<(), Error> {
    connection.execute("UPDATE identity SET clock_offset_ms = ?1", [offset_ms])?;
    Ok(())
}

/// Notes that the server now shows another key in TLS.
pub(crate) fn set_pin(connection: &Connection, pin: Pin, at_ms: i64) -> Result<(), Error> {
    connection.execute("UPDATE identity SET pin = ?1, pin_at_ms = ?2", params![pin.0, at_ms])?;
    Ok(())
}

/// The code that temporary numbers begin with now.
pub(crate) fn device_code(connection: &Connection) -> Result<String, Error> {
    Ok(connection.query_row("SELECT device_code FROM identity", [], |row| row.get(0))?)
}

/// Lets temporary numbers begin with another code from now on.
pub(crate) fn set_device_code(connection: &Connection, code: &str) -> Result<(), Error> {
    connection.execute("UPDATE identity SET device_code = ?1", [code])?;
    Ok(())
}

/// Keeps a published definition; of one that is held already it is noted when it was published.
pub(crate) fn insert_definition(
    connection: &Connection,
    reference: &DefinitionRef,
    json: &[u8],
    published_at_ms: i64,
) -> Result<(), Error> {
    connection.execute(
        "INSERT INTO definition (id, version, hash, json, published_at_ms) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id, version) DO UPDATE SET published_at_ms = excluded.published_at_ms
         WHERE published_at_ms = 0",
        params![reference.id, reference.version, reference.hash.as_bytes(), json, published_at_ms],
    )?;
    Ok(())
}

/// When the branch published a definition version; `None` where that was not kept.
pub(crate) fn published_at_ms(
    connection: &Connection,
    reference: &DefinitionRef,
) -> Result<Option<i64>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT published_at_ms FROM definition WHERE id = ?1 AND version = ?2")?;
    let found = statement.query_row(params![reference.id, reference.version], |row| row.get(0)).optional()?;
    Ok(found.filter(|at_ms| *at_ms != 0))
}

/// Takes a definition version out.
pub(crate) fn remove_definition(connection: &Connection, reference: &DefinitionRef) -> Result<(), Error> {
    connection.execute(
        "DELETE FROM definition WHERE id = ?1 AND version = ?2",
        params![reference.id, reference.version],
    )?;
    Ok(())
}

/// Every definition version held, as canonical JSON.
pub(crate) fn definitions(connection: &Connection) -> Result<Vec<(DefinitionRef, Vec<u8>)>, Error> {
    let mut statement =
        connection.prepare_cached("SELECT id, version, hash, json FROM definition ORDER BY id, version")?;
    Ok(statement.query_map([], definition_row)?.collect::<Result<_, _>>()?)
}

/// The definition versions whose rows can be read, where some cannot.
pub(crate) fn readable_definitions(connection: &Connection) -> Result<Vec<(DefinitionRef, Vec<u8>)>, Error> {
    let mut statement = connection.prepare("SELECT id, version, hash, json FROM definition")?;
    let mut rows = statement.query([])?;
    let mut readable = Vec::new();
    while let Some(row) = rows.next()? {
        readable.extend(definition_row(row));
    }
    Ok(readable)
}

/// Holds exactly these definition versions from now on; when they were published is not known any more.
pub(crate) fn replace_definitions(
    connection: &Connection,
    definitions: &[(DefinitionRef, Vec<u8>)],
) -> Result<(), Error> {
    connection.execute("DELETE FROM definition", [])?;
    definitions.iter().try_for_each(|(reference, json)| insert_definition(connection, reference, json, 0))
}

fn definition_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(DefinitionRef, Vec<u8>)> {
    let hash = ContentHash(bytes(row, 2)?);
    Ok((DefinitionRef { id: row.get(0)?, version: row.get(1)?, hash }, row.get(3)?))
}

/// Keeps the certificate of the enrolment.
pub(crate) fn put_certificate(connection: &Connection, certificate: &str) -> Result<(), Error> {
    connection.execute("INSERT OR REPLACE INTO certificate (id, text) VALUES (1, ?1)", [certificate])?;
    Ok(())
}

/// The certificate of the enrolment, where the branch gave one.
pub(crate) fn certificate(connection: &Connection) -> Result<Option<String>, Error> {
    let mut statement = connection.prepare_cached("SELECT text FROM certificate")?;
    Ok(statement.query_row([], |row| row.get(0)).optional()?)
}

/// A number kept under a name.
pub(crate) fn number(connection: &Connection, name: &str) -> Result<Option<u32>, Error> {
    let mut statement = connection.prepare_cached("SELECT value FROM counter WHERE name = ?1")?;
    Ok(statement.query_row([name], |row| row.get(0)).optional()?)
}

/// Keeps a number under a name.
pub(crate) fn set_number(connection: &Connection, name: &str, value: u32) -> Result<(), Error> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO counter (name, value) VALUES (?1, ?2)")?
        .execute(params![name, value])?;
    Ok(())
}

/// The next number of a running count, from 1.
pub(crate) fn next_number(connection: &Connection, name: &str) -> Result<u32, Error> {
    Ok(connection.query_row(
        "INSERT INTO counter (name, value) VALUES (?1, 1)
         ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
        [name],
        |row| row.get(0),
    )?)
}
