//! The replica's store: one SQLite file, one writer, one transaction per action.
//!
//! Receives changes, records and standings as plain rows; hands them back. Knows neither what a
//! document says nor how rows for lists are made; the replica writes those in the same transaction.
//! A row of the outbox without an answer *is* the pending mark.

pub(crate) mod compaction;
pub(crate) mod damaged;
pub mod documents;
pub mod files;
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

use crate::error::{Error, ErrorKind};
use crate::sqlite::{self, FileKey, Sharing};

/// The open file of one replica.
#[derive(Debug)]
pub struct Store {
    connection: Connection,
    schema_version: u32,
    /// True while the actions of [`Store::together`] share one transaction.
    is_shared: bool,
    /// True once one of them failed: then none may be committed.
    has_failed: bool,
    /// True once one of them wants the write-ahead log emptied behind them.
    folds_in: bool,
}

/// What the end of a transaction promises.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// It is on disk: a person, or the branch, may rely on it.
    OnDisk,
    /// It outlives the process. A power failure may undo it, whole and never out of order; for notes
    /// that the next exchange makes again.
    Soon,
}

impl Store {
    /// Opens or creates the file; `steps` are this store's and the read model's schema steps.
    ///
    /// # Errors
    /// As [`sqlite::open`].
    pub fn open(path: &Path, steps: &[&str], key: Option<&FileKey>) -> Result<Self, Error> {
        let connection = sqlite::open(path, steps, Sharing::Exclusive, key)?;
        let schema_version = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
        Ok(Self { connection, schema_version, is_shared: false, has_failed: false, folds_in: false })
    }

    /// Runs one action: everything it writes becomes durable together before this returns, or
    /// nothing does. Inside [`Store::together`] that holds for all of its actions as one.
    ///
    /// # Errors
    /// What `action` returns, or `Full`/`Storage` when the commit fails; nothing was written then.
    pub fn write<T>(&mut self, action: impl FnOnce(&Connection) -> Result<T, Error>) -> Result<T, Error> {
        if self.is_shared {
            let result = action(&self.connection);
            self.has_failed |= result.is_err();
            return result;
        }
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

    /// Has the file written anew once the actions of [`Store::together`] are committed: what was deleted, and
    /// what earlier versions of its rows left in free pages, is not to be read there.
    pub(crate) const fn fold_in_after(&mut self) {
        self.folds_in = true;
    }

    /// Writes the file anew and empties the write-ahead log where an action asked for that.
    ///
    /// # Errors
    /// `Full` or `Storage`.
    pub(crate) fn fold_in(&mut self) -> Result<(), Error> {
        if self.folds_in {
            // Records are numbered anew by this: what lies at rest is looked for again.
            self.connection
                .execute_batch("VACUUM; DELETE FROM compaction; PRAGMA wal_checkpoint(TRUNCATE)")?;
            self.folds_in = false;
        }
        Ok(())
    }

    /// Runs several actions of the store's holder as one: one transaction, one wait for the disk. A
    /// crash at any point leaves all of them or none. Within itself it adds to what was begun.
    ///
    /// # Errors
    /// What `work` returns, or `Full`/`Storage` when the commit fails, or when an action failed and
    /// `work` went on all the same; nothing was written then.
    pub fn together<H: AsMut<Self>, T>(
        holder: &mut H,
        durability: Durability,
        work: impl FnOnce(&mut H) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if holder.as_mut().is_shared {
            return work(holder);
        }
        let shared = Shared { holder };
        shared.holder.as_mut().begin(durability)?;
        let value = work(&mut *shared.holder)?;
        shared.holder.as_mut().commit()?;
        Ok(value)
    }

    fn begin(&mut self, durability: Durability) -> Result<(), Error> {
        if durability == Durability::Soon {
            self.connection.pragma_update(None, "synchronous", "NORMAL")?;
        }
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        (self.is_shared, self.has_failed) = (true, false);
        Ok(())
    }

    fn commit(&mut self) -> Result<(), Error> {
        if self.has_failed {
            return Err(Error::new(
                ErrorKind::Storage,
                "本机未能保存分公司的答复;将重试",
                "the branch's answer could not be saved as a whole; it will be asked for again",
            ));
        }
        Ok(self.connection.execute_batch("COMMIT")?)
    }

    /// Ends what [`Store::together`] began: what was not committed is undone, by a panic as well.
    fn end(&mut self) {
        self.is_shared = false;
        if !self.connection.is_autocommit() {
            // A connection that cannot even roll back is unusable, and says so at its next action.
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        let _ = self.connection.pragma_update(None, "synchronous", "FULL");
    }

    /// The connection, for watching what runs on it.
    #[cfg(test)]
    pub(crate) const fn watched(&mut self) -> &mut Connection {
        &mut self.connection
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
const ERASED: [&str; 16] = [
    "record",
    "stub",
    "outbox",
    "damaged",
    "document",
    "definition",
    "scope",
    "counter",
    "discarded",
    "draft_text",
    "not_taken",
    "proof",
    "certificate",
    "file",
    "person_seen",
    "compaction",
];

/// The actions of [`Store::together`] while they run.
struct Shared<'h, H: AsMut<Store>> {
    holder: &'h mut H,
}

impl<H: AsMut<Store>> Drop for Shared<'_, H> {
    fn drop(&mut self) {
        self.holder.as_mut().end();
    }
}

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
