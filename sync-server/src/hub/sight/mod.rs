//! What one person may see of the branch.
//!
//! Receives a person; hands on lists, records, devices, duties and the log, each cut down to the scopes that
//! the person holds. Every page and every interface for people reads through it, so that none can forget the
//! filter. Forbidden here: writing, and reading what no scope or role answers for.

mod audit;
mod duties;
mod feed;
mod fleet;
mod reports;
mod tiles;

use serde_json::Value as Json;
use std::collections::BTreeMap;
use std::sync::Arc;
use xunyuan_core::definition::Catalog;
use xunyuan_core::document::model::Model;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{ChangeHash, DocumentId, ScopeId, UserId};
use xunyuan_core::projection::{self, Filter, Row};

use super::cache::{Held, changes_of};
use super::history::LoggedChange;
use super::{Hub, store};

pub use duties::DutyWish;
pub use feed::{Changed, Feed, FeedFailure};

/// Rows up to which a list is counted: beyond, it only says that there are more.
const COUNT_MAX: u32 = 10_000;

/// The branch as one person may see it, with the definitions of one moment.
#[derive(Clone, Debug)]
pub struct Sight {
    hub: Hub,
    catalog: Arc<Catalog>,
    user: UserId,
    scopes: Vec<ScopeId>,
    /// True where only some of the person's units are looked at: then nothing of the branch as a whole is seen.
    is_part: bool,
}

/// A record in a list, with what its fields hold.
#[derive(Clone, Debug, PartialEq)]
pub struct Listed {
    /// Its row.
    pub row: Row,
    /// Single values and shared texts by field, sets as arrays.
    pub fields: BTreeMap<String, Json>,
}

/// A page of a list.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// What stands on it.
    pub rows: Vec<T>,
    /// How many there are on all pages together.
    pub count: u32,
    /// True where there are more than were counted.
    pub is_more: bool,
}

/// A record as the log has it.
#[derive(Clone, Debug)]
pub struct Seen {
    /// Its row.
    pub row: Row,
    /// What it says.
    pub model: Model,
    /// The changes after which nothing has come: who writes names what was seen by them.
    pub heads: Vec<ChangeHash>,
}

impl Hub {
    /// The branch as a person may see it now.
    #[must_use]
    pub fn sight(&self, user: &UserId) -> Sight {
        let catalog = self.catalog();
        Sight { hub: self.clone(), user: user.clone(), scopes: catalog.grants(user), catalog, is_part: false }
    }
}

impl Sight {
    /// The definitions that everything is read by.
    #[must_use]
    pub const fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Whose it is.
    #[must_use]
    pub const fn user(&self) -> &UserId {
        &self.user
    }

    /// The scopes that the person holds, sorted.
    #[must_use]
    pub fn scopes(&self) -> &[ScopeId] {
        &self.scopes
    }

    /// True when records of a stream are seen anywhere.
    #[must_use]
    pub fn sees_stream(&self, stream: &str) -> bool {
        self.scopes.iter().any(|scope| scope.stream() == stream)
    }

    /// The same within some units alone; within all of the person's where none is named.
    #[must_use]
    pub fn within(mut self, units: &[String]) -> Self {
        if !units.is_empty() {
            self.scopes.retain(|scope| units.iter().any(|unit| unit == scope.unit()));
            self.is_part = true;
        }
        self
    }

    /// The units, projects and branch, of which anything is seen.
    #[must_use]
    pub fn units(&self) -> Vec<&str> {
        let mut units: Vec<&str> = self.scopes.iter().map(ScopeId::unit).collect();
        units.dedup();
        units
    }

    /// Records that fit, with how many there are.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn list(&self, filter: &Filter) -> Result<Page<Listed>, Error> {
        let filter = self.narrowed(filter);
        self.hub.inner.shared.read(|conn| {
            let count = projection::count_up_to(conn, &filter, COUNT_MAX + 1)?;
            let rows = projection::list(conn, &filter)?.into_iter().map(|row| {
                let fields = projection::fields(conn, row.document)?;
                Ok(Listed { row, fields })
            });
            let rows = rows.collect::<Result<_, Error>>()?;
            Ok(Page { rows, count: count.min(COUNT_MAX), is_more: count > COUNT_MAX })
        })
    }

    /// How many records fit, at most `most`.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn count(&self, filter: &Filter, most: u32) -> Result<u32, Error> {
        let filter = self.narrowed(filter);
        self.hub.inner.shared.read(|conn| projection::count_up_to(conn, &filter, most))
    }

    /// A record with all that it says.
    ///
    /// # Errors
    /// `NotFound` where there is none, or none in the person's scopes; `Corrupt` when it cannot be read.
    pub fn record(&self, document: DocumentId) -> Result<Seen, Error> {
        self.hub.inner.shared.read(|conn| {
            let row = projection::row(conn, document)?.filter(|row| self.holds(&row.scope));
            let row = row.ok_or_else(unknown)?;
            let known = store::document::find(conn, document)?.ok_or_else(unknown)?;
            let mut held = Held::new(&self.catalog, document, known)?;
            let mut changes = Vec::new();
            for logged in store::log::of_document(conn, document)? {
                changes.extend(changes_of(&logged)?);
            }
            held.document.apply(&changes)?;
            Ok(Seen { row, model: held.document.model()?, heads: held.document.heads() })
        })
    }

    /// True where there is such a record and the person may see it.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn holds_record(&self, document: DocumentId) -> Result<bool, Error> {
        let row = self.hub.inner.shared.read(|conn| projection::row(conn, document))?;
        Ok(row.is_some_and(|row| self.holds(&row.scope)))
    }

    /// Every change of a record in the order of the log, with what proves it.
    ///
    /// # Errors
    /// As [`Sight::record`].
    pub fn history(&self, document: DocumentId) -> Result<Vec<LoggedChange>, Error> {
        let row = self.hub.inner.shared.read(|conn| projection::row(conn, document))?;
        row.filter(|row| self.holds(&row.scope)).ok_or_else(unknown)?;
        self.hub.history(document)
    }

    /// Records that a number, temporary or official, or the start of an id may mean.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn find(&self, text: &str) -> Result<Vec<Row>, Error> {
        let found = self.hub.inner.shared.read(|conn| projection::find(conn, text))?;
        Ok(found.into_iter().filter(|row| self.holds(&row.scope)).collect())
    }

    /// The branch.
    pub(in crate::hub) const fn hub(&self) -> &Hub {
        &self.hub
    }

    /// True when the scope is among the person's.
    pub(in crate::hub) fn holds(&self, scope: &ScopeId) -> bool {
        self.scopes.binary_search(scope).is_ok()
    }

    /// The filter within the person's scopes: those alone of which its records can be.
    fn narrowed(&self, filter: &Filter) -> Filter {
        let stream = filter.definition.as_deref().and_then(|id| {
            let reference = self.catalog.reference_of(id)?;
            self.catalog.stream_of(reference)
        });
        let fits = |scope: &&ScopeId| {
            stream.is_none_or(|stream| scope.stream() == stream)
                && filter.project.as_deref().is_none_or(|project| scope.unit() == project)
                && filter.scope.as_ref().is_none_or(|one| one == *scope)
        };
        let scopes = self.scopes.iter().filter(fits).cloned().collect();
        Filter { scopes: Some(scopes), ..filter.clone() }
    }
}

/// There is no such record, or none that the person may know of: the same answer for both.
pub(in crate::hub) fn unknown() -> Error {
    Error::new(
        ErrorKind::NotFound,
        "没有这条记录,或不在您的权限范围内",
        "there is no such record, or it is not among those that you may see",
    )
}
