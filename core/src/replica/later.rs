//! What can wait until nobody does: the rows of a long catch-up, newest first, in bounded steps.
//!
//! An answer that touches few documents brings their rows along. One that touches more stores and proves
//! them first; each document stays marked until its rows are written, [`super::Status`] counts them, and
//! a step may be the last thing that happens before the app is killed: the next one goes on from the marks.

use super::Replica;
use super::apply::project;
use crate::error::Error;
use crate::projection;
use crate::store::documents::{self, Waiting};
use crate::store::{Durability, Store, compaction};

/// Documents whose rows are written in the transaction that stores them.
const AT_ONCE_MAX: u32 = 100;
/// Documents whose rows are written in one later transaction: some tenths of a second on a slow phone.
const STEP_MAX: u32 = 200;
/// Texts that enter the index in one transaction: as long.
const INDEX_MAX: u32 = 400;
/// Records that are looked at for their form at rest in one transaction: less than that.
const COMPACT_MAX: u32 = 100;
/// The newest records stay as they came.
const RECENT: u32 = 200;

/// Where the replica is in the rows that wait.
#[derive(Debug)]
pub(super) enum Late {
    /// None waits but those that cannot be built yet.
    Done,
    /// As before; the index of the text may be behind, or records may wait for their form at rest.
    Upkeep,
    /// Those after this document, in the order of writing, are still to be tried.
    After(Option<Waiting>),
}

impl Replica {
    /// Writes one bounded part of the rows that a long catch-up left for later, newest records first, then of
    /// the index of their text, then of the form at rest of older records. True when more waits.
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
                None => Late::Upkeep,
            };
        } else if let Late::Upkeep = &self.late {
            self.late = if self.look_after()? { Late::Upkeep } else { Late::Done };
        }
        Ok(self.has_late_rows())
    }

    /// Puts one bounded part of the records, all but the `recent` newest, into their form at rest. True when
    /// more of them are left.
    ///
    /// [`Replica::poll_request`] does it when there is nothing else to do.
    ///
    /// # Errors
    /// Storage errors.
    pub fn compact(&mut self, recent: u32) -> Result<bool, Error> {
        if !compaction::is_behind(self.store.reader(), recent)? {
            return Ok(false);
        }
        Store::together(self, Durability::Soon, |replica| {
            replica.store.write(|connection| compaction::compact_some(connection, recent, COMPACT_MAX))
        })
    }

    /// True while something waits that has not been tried.
    pub(super) const fn has_late_rows(&self) -> bool {
        matches!(self.late, Late::After(_) | Late::Upkeep)
    }

    /// Notes that documents were marked.
    pub(super) fn rows_wait(&mut self) {
        self.late = Late::After(None);
    }

    /// Writes the rows that wait when they are few enough to be part of the answer that brought them.
    pub(super) fn write_few_rows(&mut self) -> Result<(), Error> {
        if let Late::After(_) = &self.late {
            let waiting = documents::unprojected(self.store.reader(), None, AT_ONCE_MAX + 1)?;
            if waiting.len() <= AT_ONCE_MAX as usize {
                self.write_some(&waiting)?;
                self.late = Late::Upkeep;
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

    /// A step of what makes the store smaller or faster; false when there is none worth a transaction.
    fn look_after(&mut self) -> Result<bool, Error> {
        let connection = self.store.reader();
        if projection::is_behind(connection)? {
            Store::together(self, Durability::Soon, |replica| {
                replica.store.write(|connection| projection::index_some(connection, INDEX_MAX))
            })?;
        } else if compaction::is_behind(connection, RECENT + COMPACT_MAX)? {
            self.compact(RECENT)?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}
