//! Rows for lists as they must be: written from a model into tables of their own.

use rusqlite::Connection;
use xunyuan_core::definition::Catalog;
use xunyuan_core::document::model::Model;
use xunyuan_core::id::{DocumentId, ScopeId};
use xunyuan_core::projection;

/// Empty tables in memory, made once for a run.
#[derive(Debug)]
pub(super) struct Rows {
    conn: Connection,
    none: [u8; 32],
}

impl Rows {
    /// Makes the tables.
    ///
    /// # Panics
    /// When SQLite has no memory.
    pub(super) fn new() -> Self {
        let conn = Connection::open_in_memory().expect("a database in memory opens");
        conn.execute_batch(&projection::STEPS.concat()).expect("the projection's tables can be made");
        conn.set_prepared_statement_cache_capacity(64);
        let none = projection::fingerprint_of(&conn, DocumentId([0; 16])).expect("rows can be read");
        Self { conn, none }
    }

    /// Fingerprint of the rows that a document with this content has.
    ///
    /// # Panics
    /// When they cannot be written.
    pub(super) fn of(&self, catalog: &Catalog, scope: &ScopeId, model: &Model) -> [u8; 32] {
        if model.events.is_empty() && model.registers.is_empty() {
            return self.none;
        }
        projection::write(&self.conn, catalog, scope, model).expect("rows can be written");
        projection::fingerprint_of(&self.conn, model.document).expect("rows can be read")
    }

    /// Fingerprint of a document without rows.
    pub(super) const fn none(&self) -> [u8; 32] {
        self.none
    }
}
