//! The rows that lists read: written with every change, and all of them again, in bounded steps, when the
//! definitions have changed.
//!
//! Rows also say what definitions make of a document, such as when it is due. A publication therefore leaves
//! a task in the file, with the place up to which it is done; where documents are few it is done at once. Any
//! process that has the file open goes on with it, and other writes get their turn between two steps.

use rusqlite::Connection;
use xunyuan_core::definition::Catalog;
use xunyuan_core::document::model::Model;
use xunyuan_core::document::replay::Replay;
use xunyuan_core::error::Error;
use xunyuan_core::id::{DocumentId, ScopeId};
use xunyuan_core::projection;
use xunyuan_core::wire::run;

use super::Hub;
use super::files;
use super::store;
use super::writer::Writer;

/// Documents whose rows are written in one transaction: other writes wait for no more than this.
const STEP_MAX: u32 = 100;

impl Hub {
    /// Writes one bounded part of the rows that a publication left for later; true when more of them wait.
    ///
    /// # Errors
    /// `Busy` when the hub is closed or overloaded, `Storage` or `Full` when writing fails; nothing was
    /// written then.
    pub fn write_rows(&self) -> Result<bool, Error> {
        if self.inner.shared.read(are_written)? { Ok(false) } else { Ok(self.write(step)?) }
    }

    /// Writes all rows that wait, for a caller that reads them. Other writes get their turn in between.
    ///
    /// # Errors
    /// As [`Hub::write_rows`].
    pub fn write_all_rows(&self) -> Result<(), Error> {
        while self.write_rows()? {}
        Ok(())
    }

    /// Documents whose rows wait to be written again, at least 1 while the task is not done.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn waiting_rows(&self) -> Result<u64, Error> {
        self.inner.shared.read(waiting)
    }
}

/// True when no rows wait to be written again.
pub(super) fn are_written(conn: &Connection) -> Result<bool, Error> {
    Ok(store::server::rows_done_to(conn)?.is_none())
}

/// Documents whose rows wait to be written again.
pub(super) fn waiting(conn: &Connection) -> Result<u64, Error> {
    match store::server::rows_done_to(conn)? {
        Some(place) => Ok(store::document::count_after(conn, &place)?.max(1)),
        None => Ok(0),
    }
}

/// Has the rows of every document written again, the first of them now.
pub(super) fn write_again(writer: &mut Writer) -> Result<(), Error> {
    store::server::put_rows_done_to(&writer.conn, Some(&[]))?;
    step(writer).map(|_| ())
}

/// Goes on with the task for a step; true when more waits.
pub(super) fn step(writer: &mut Writer) -> Result<bool, Error> {
    let Some(place) = store::server::rows_done_to(&writer.conn)? else { return Ok(false) };
    let documents = store::document::after(&writer.conn, &place, STEP_MAX)?;
    for (document, scope) in &documents {
        project_beside(writer, scope, *document)?;
    }
    let last = documents.last().filter(|_| documents.len() >= STEP_MAX as usize);
    store::server::put_rows_done_to(&writer.conn, last.map(|(document, _)| document.as_bytes()))?;
    Ok(last.is_some())
}

/// Writes the rows of a document that has changed. One that cannot be read keeps the rows it had.
pub(super) fn project(writer: &mut Writer, scope: &ScopeId, document: DocumentId) -> Result<(), Error> {
    let catalog = writer.catalog.clone();
    let projected = writer.about(document, |writer| {
        let Some(held) = writer.documents.take(&writer.conn, &catalog, document)? else { return Ok(()) };
        let model = held.document.model()?;
        writer.documents.put(held);
        store_rows(writer, &catalog, scope, &model)
    });
    projected.map(|_| ())
}

/// As [`project`], and leaves memory to the documents that people are working on.
fn project_beside(writer: &mut Writer, scope: &ScopeId, document: DocumentId) -> Result<(), Error> {
    if writer.documents.holds(document) {
        return project(writer, scope, document);
    }
    let catalog = writer.catalog.clone();
    let projected = writer.about(document, |writer| {
        let model = match replayed(&writer.conn, &catalog, document)? {
            Some(model) => model,
            None => match writer.documents.take(&writer.conn, &catalog, document)? {
                Some(held) => held.document.model()?,
                None => return Ok(()),
            },
        };
        store_rows(writer, &catalog, scope, &model)
    });
    projected.map(|_| ())
}

/// What a document says, where its history can be read without Automerge.
fn replayed(conn: &Connection, catalog: &Catalog, document: DocumentId) -> Result<Option<Model>, Error> {
    let Some(row) = store::document::find(conn, document)? else { return Ok(None) };
    if catalog.text_keys(&row.definition).is_none_or(|keys| !keys.is_empty()) {
        return Ok(None);
    }
    let mut replay = Replay::new(document, &row.definition);
    for row in store::log::of_document(conn, document)? {
        let Some(run) = &row.run else { continue };
        for (chunk, hash) in run::unpack_hashed(&run.packed, run.actor)? {
            if !replay.take(&chunk, hash) {
                return Ok(None);
            }
        }
    }
    Ok(Some(replay.into_model()))
}

/// Writes rows, and notes which files they name.
fn store_rows(writer: &Writer, catalog: &Catalog, scope: &ScopeId, model: &Model) -> Result<(), Error> {
    let projected = projection::project(catalog, scope, model)?;
    projected.store(&writer.conn)?;
    files::note(writer, scope, model.document, &projected.files)
}
