//! What can wait until nobody does: the rows of a long catch-up, newest first, in bounded steps.
//!
//! An answer that touches few documents brings their rows along. One that touches more stores and proves
//! them first; each document stays marked until its rows are written, [`super::Status`] counts them, and
//! a step may be the last thing that happens before the app is killed: the next one goes on from the marks.

use super::Replica;
use super::apply::project;
use crate::error::Error;
use crate::store::documents::{self, Waiting};
use crate::store::{Durability, Store};

/// Documents whose rows are written in the transaction that stores them.
const AT_ONCE_MAX: u32 = 100;
/// Documents whose rows are written in one later transaction: some tenths of a second on a slow phone.
const STEP_MAX: u32 = 200;

/// Where the replica is in the rows that wait.
#[derive(Debug)]
pub(super) enum Late {
    /// None waits but those that cannot be built yet.
    Done,
    /// Those after this document, in the order of writing, are still to be tried.
    After(Option<Waiting>),
}

impl Replica {
    /// Writes one bounded part of the rows that a long catch-up left for later, newest records first.
    /// True when more of them wait.
    ///
    /// [`Replica::poll_request`] does the same whenever no exchange is due; call this to show how far it is.
    ///
    /// # Errors
    /// Storage errors.
    pub fn write_rows(&mut self) -> Result<bool, Error> {
        if let Late::After(last) = &self.late {
            let waiting = documents::unprojected(self.store.reader(), last.as_ref(), STEP_MAX)?;
            self.write_some(&waiting)?;
            self.late = match waiting.into_iter().last() {
                Some(last) => Late::After(Some(last)),
                None => Late::Done,
            };
        }
        Ok(self.has_late_rows())
    }

    /// True while rows wait that have not been tried.
    pub(super) const fn has_late_rows(&self) -> bool {
        matches!(self.late, Late::After(_))
    }

    /// Notes that documents were marked.
    pub(super) fn rows_wait(&mut self) {
        self.late = Late::After(None);
    }

    /// Writes the rows that wait when they are few enough to be part of the answer that brought them.
    pub(super) fn write_few_rows(&mut self) -> Result<(), Error> {
        if self.has_late_rows() {
            let waiting = documents::unprojected(self.store.reader(), None, AT_ONCE_MAX + 1)?;
            if waiting.len() <= AT_ONCE_MAX as usize {
                self.write_some(&waiting)?;
                self.late = Late::Done;
            }
        }
        Ok(())
    }

    fn write_some(&mut self, waiting: &[Waiting]) -> Result<(), Error> {
        if waiting.is_empty() {
            return Ok(());
        }
        // Rows can be written again from the documents: nobody waits for the disk.
        Store::together(self, Durability::Soon, |replica| {
            let catalog = &replica.catalog;
            replica.store.write(|connection| {
                waiting.iter().try_for_each(|one| project(connection, catalog, &one.row).map(drop))
            })
        })
    }
}
