//! The log itself, as far as a person sees it.

use xunyuan_core::error::Error;
use xunyuan_core::id::ScopeId;

use super::{Page, Sight, unknown};
use crate::hub::store::log::LogLine;
use crate::hub::{Standing, store};

impl Sight {
    /// Where the log of every scope ends that the person holds and in which anything has happened.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn standings(&self) -> Result<Vec<Standing>, Error> {
        let mut standings = self.hub.standings()?;
        standings.retain(|standing| self.holds(&standing.scope));
        Ok(standings)
    }

    /// Rows of a scope's log, the latest first, each with whether the record may be opened.
    ///
    /// # Errors
    /// `NotFound` for a scope that the person does not hold; `Storage` or `Corrupt` when reading fails.
    pub fn log(&self, scope: &ScopeId, offset: u32, limit: u32) -> Result<Page<LogLine>, Error> {
        if !self.holds(scope) {
            return Err(unknown());
        }
        self.hub.inner.shared.read(|conn| {
            let head = store::scope::head(conn, scope)?;
            let rows = store::log::latest(conn, scope, offset, limit)?;
            Ok(Page { rows, count: u32::try_from(head.seq).unwrap_or(u32::MAX), is_more: false })
        })
    }
}
