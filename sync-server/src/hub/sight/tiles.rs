//! What tiles and charts count, within what a person may see.

use std::collections::BTreeMap;
use xunyuan_core::error::Error;
use xunyuan_core::id::ScopeId;
use xunyuan_core::projection::{self, Flow, Within};

use super::Sight;

impl Sight {
    /// Open records of a ledger by how grave they are and by age, see [`projection::ages`].
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn ages(&self, of: &str, bounds_ms: &[i64]) -> Result<Vec<(Option<String>, usize, u32)>, Error> {
        let scopes = self.scopes_of(of);
        self.hub.inner.shared.read(|conn| projection::ages(conn, within(of, &scopes), bounds_ms))
    }

    /// Records of a ledger or checklist begun and ended span by span, see [`projection::flows`].
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn flows(&self, of: &str, start_ms: i64, span_ms: i64, count: usize) -> Result<Vec<Flow>, Error> {
        let scopes = self.scopes_of(of);
        self.hub
            .inner
            .shared
            .read(|conn| projection::flows(conn, within(of, &scopes), start_ms, span_ms, count))
    }

    /// Records of a ledger by the values of two fields, see [`projection::pairs`].
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn pairs(
        &self,
        of: &str,
        fields: (&str, &str),
        open_only: bool,
    ) -> Result<BTreeMap<(String, String), u32>, Error> {
        let scopes = self.scopes_of(of);
        self.hub.inner.shared.read(|conn| projection::pairs(conn, within(of, &scopes), fields, open_only))
    }

    /// When somebody was at which checkpoint, see [`projection::scans`].
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn scans(&self, of: &str, since_ms: i64) -> Result<Vec<(String, Option<i64>)>, Error> {
        let scopes = self.scopes_of(of);
        self.hub.inner.shared.read(|conn| projection::scans(conn, within(of, &scopes), since_ms))
    }

    /// True when records of a ledger or checklist are seen anywhere.
    #[must_use]
    pub fn sees(&self, of: &str) -> bool {
        !self.scopes_of(of).is_empty()
    }

    /// The person's scopes in which records of a ledger or checklist can be.
    fn scopes_of(&self, of: &str) -> Vec<ScopeId> {
        let reference = self.catalog.reference_of(of);
        let Some(stream) = reference.and_then(|reference| self.catalog.stream_of(reference)) else {
            return Vec::new();
        };
        self.scopes.iter().filter(|scope| scope.stream() == stream).cloned().collect()
    }
}

const fn within<'w>(definition: &'w str, scopes: &'w [ScopeId]) -> Within<'w> {
    Within { definition, scopes }
}
