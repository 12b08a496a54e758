//! The replica's store: one SQLite file, one writer, one transaction per action.
//!
//! Receives changes, records and standings as plain rows; hands them back. Knows neither what a
//! document says nor how rows for lists are made; the replica writes those in the same transaction.
//! A row of the outbox without an answer *is* the pending mark.

pub mod documents;
pub(crate) mod former;
pub mod identity;
pub mod outbox;
pub(crate) mod repair;
pub mod schema;
pub mod scopes;
pub(crate) mod stubs;
pub(crate) mod withdrawn;

use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

use crate::error::Error;
use crate::sqlite::{self, Sharing};

/// The open file of one replica.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    schema_version: u32,
}

impl Store {
    /// Opens or creates the file; `steps` are this store's and the read model's schema steps.
    ///
    /// # Errors
    /// As [`sqlite::open`].
    pub fn open(path: &Path, steps: &[&str]) -> Result<Self, Error> {
        let connection = sqlite::open(path, steps, Sharing::Exclusive)?;
        let schema_version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok(Self { connection, schema_version })
    }

    /// Runs one action: everything it writes becomes durable together before this returns, or
    /// nothing does.
    ///
    /// # Errors
    /// What `action` returns, or `Full`/`Storage` when the commit fails; nothing was written then.
    pub fn write<T>(&mut self, action: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let result = action(&transaction)?;
        transaction.commit()?;
        Ok(result)
    }

    /// As [`Store::write`], and what is deleted is overwritten in the file.
    ///
    /// # Errors
    /// As [`Store::write`].
    pub(crate) fn write_erasing<T>(
        &mut self,
        action: impl FnOnce(&Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.connection.pragma_update(None, "secure_delete", true)?;
        let result = self.write(action);
        self.connection.pragma_update(None, "secure_delete", false)?;
        result
    }

    /// Folds the write-ahead log in and empties it: what was deleted is not read there either.
    ///
    /// # Errors
    /// `Full` or `Storage`.
    pub(crate) fn fold_in(&self) -> Result<(), Error> {
        Ok(self.connection.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)")?)
    }

    /// The connection, for reading.
    #[must_use]
    pub const fn reader(&self) -> &Connection {
        &self.connection
    }

    /// Number of schema steps the file has taken.
    #[must_use]
    pub const fn schema_version(&self) -> u32 {
        self.schema_version
    }
}

/// What a revoked device erases.
const ERASED: [&str; 12] = [
    "record",
    "stub",
    "outbox",
    "document",
    "definition",
    "scope",
    "counter",
    "discarded",
    "draft_text",
    "not_taken",
    "proof",
    "certificate",
];

/// Erases what a revoked device holds: every table, its key and token.
///
/// The file remains, so that it can say that it was erased.
pub(crate) fn erase(connection: &Connection) -> Result<(), Error> {
    for table in ERASED {
        connection.execute(&format!("DELETE FROM {table}"), [])?;
    }
    connection.execute("UPDATE identity SET token = '', seed = zeroblob(32)", [])?;
    Ok(())
}

/// A column of exactly `N` bytes.
pub(crate) fn bytes<const N: usize>(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<[u8; N]> {
    let value = row.get_ref(column)?.as_blob()?;
    <[u8; N]>::try_from(value).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Blob, Box::new(error))
    })
}

/// SQLite keeps signed numbers: a seq or count as one.
pub(crate) const fn signed(number: u64) -> i64 {
    number.cast_signed()
}

/// The inverse of [`signed`].
pub(crate) const fn unsigned(number: i64) -> u64 {
    number.cast_unsigned()
}
