//! What has changed since somebody last looked, in the order in which the branch took it in.
//!
//! The place of a record is that of its newest row over all logs: the one writer gives places in the order of its
//! commits, so that none appears behind one that was already handed out, whatever clocks of devices say. A place
//! is good for one epoch and for what was looked at then: rights that came later bring records whose rows are old.

use std::str::FromStr;
use xunyuan_core::error::Error;
use xunyuan_core::id::{ScopeId, hash_parts};
use xunyuan_core::projection::{self, RowKind};

use super::{Listed, Sight};
use crate::hub::store;

/// Rows of the logs that one page passes over.
const WALK_MAX: i64 = 10_000;

/// Which records to follow; `Default` follows all that are seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Feed {
    /// Inspections or entries only.
    pub kind: Option<RowKind>,
    /// Id of a ledger or checklist.
    pub definition: Option<String>,
    /// One unit only.
    pub unit: Option<String>,
}

/// A page of what has changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Changed {
    /// Records as they stand now, the one that changed last at the end.
    pub rows: Vec<Listed>,
    /// From where to go on.
    pub next: String,
    /// True where more waits already.
    pub is_more: bool,
}

/// Why there is no page.
#[derive(Debug)]
pub enum FeedFailure {
    /// The place cannot be read.
    Unreadable,
    /// The place is of another epoch, or was given for other records or rights: the reader begins anew.
    Ended,
    /// Reading failed.
    Internal(Error),
}

impl From<Error> for FeedFailure {
    fn from(error: Error) -> Self {
        Self::Internal(error)
    }
}

/// How far a reader has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    epoch: u64,
    /// What was looked at.
    tag: u32,
    /// The last row of the logs that was passed.
    id: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}-{:08x}-{}", self.epoch, self.tag, self.id)
    }
}

impl FromStr for Place {
    type Err = FeedFailure;

    fn from_str(text: &str) -> Result<Self, FeedFailure> {
        let read = || {
            let mut parts = text.splitn(3, '-');
            let epoch = u64::from_str_radix(parts.next()?, 16).ok()?;
            let tag = u32::from_str_radix(parts.next()?, 16).ok()?;
            let id = parts.next()?.parse().ok()?;
            Some(Self { epoch, tag, id })
        };
        // Only what it would be written as again.
        read().filter(|place| place.to_string() == text).ok_or(FeedFailure::Unreadable)
    }
}

impl Sight {
    /// Records that were made or changed after `since`, from the beginning without one, at most `limit`.
    ///
    /// A record appears once, where its newest change stands; one that changes while pages are read appears again,
    /// further on. Whoever goes on from [`Changed::next`] misses none.
    ///
    /// # Errors
    /// See [`FeedFailure`].
    pub fn changed_since(
        &self,
        feed: &Feed,
        since: Option<&str>,
        limit: u32,
    ) -> Result<Changed, FeedFailure> {
        let scopes = self.followed(feed);
        let tag = tag_of(feed, &scopes);
        let since = since.map(Place::from_str).transpose()?;
        let page = self.hub.inner.shared.read(|conn| {
            let epoch = store::server::epoch(conn)?;
            let last = store::log::last_id(conn)?;
            let after = match since {
                None => 0,
                Some(place) => {
                    let id = i64::try_from(place.id).unwrap_or(i64::MAX);
                    // Beyond the end: the file was put back, and has not found out yet.
                    if (place.epoch, place.tag) != (epoch, tag) || id > last {
                        return Ok(None);
                    }
                    id
                }
            };
            let up_to = last.min(after.saturating_add(WALK_MAX));
            let found =
                store::log::changed(conn, &scopes, feed.definition.as_deref(), (after, up_to), limit)?;
            let is_full = found.len() >= usize::try_from(limit).unwrap_or(usize::MAX);
            let reached = found.last().filter(|_| is_full).map_or(up_to.max(after), |(id, _)| *id);
            let mut rows = Vec::with_capacity(found.len());
            for (_, document) in found {
                // What the branch cannot read has no row.
                let Some(row) = projection::row(conn, document)? else { continue };
                if feed.kind.is_none_or(|kind| kind == row.kind) {
                    rows.push(Listed { row, fields: projection::fields(conn, document)? });
                }
            }
            let next = Place { epoch, tag, id: reached.unsigned_abs() }.to_string();
            Ok(Some(Changed { rows, next, is_more: reached < last }))
        })?;
        page.ok_or(FeedFailure::Ended)
    }

    /// The scopes in which followed records can be.
    fn followed(&self, feed: &Feed) -> Vec<ScopeId> {
        let of = feed.definition.as_deref().and_then(|id| {
            let reference = self.catalog.reference_of(id)?;
            self.catalog.stream_of(reference)
        });
        let fits = |scope: &&ScopeId| {
            of.is_none_or(|stream| scope.stream() == stream)
                && feed.unit.as_deref().is_none_or(|unit| scope.unit() == unit)
        };
        self.scopes.iter().filter(fits).cloned().collect()
    }
}

/// What is looked at, in short.
fn tag_of(feed: &Feed, scopes: &[ScopeId]) -> u32 {
    let kind = match feed.kind {
        None => "",
        Some(RowKind::Inspection) => "inspection",
        Some(RowKind::Entry) => "entry",
    };
    let mut parts = vec![kind.as_bytes(), feed.definition.as_deref().unwrap_or_default().as_bytes()];
    parts.extend(scopes.iter().map(|scope| scope.as_str().as_bytes()));
    let hash = hash_parts("xunyuan/feed/1", &parts);
    u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written_and_no_other_way() {
        let place = Place { epoch: 0xab, tag: 0x1f, id: 42 };
        let text = place.to_string();
        assert_eq!(text, "00000000000000ab-0000001f-42");
        assert!(matches!(text.parse::<Place>(), Ok(read) if read == place));
        for wrong in ["", "42", "ab-1f-42", "00000000000000ab-0000001f-+42", "00000000000000ab-0000001f-4-2"]
        {
            assert!(wrong.parse::<Place>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn other_records_or_rights_have_another_tag() {
        let scopes = [ScopeId::new("pj.a/desk"), ScopeId::new("pj.a/patrol")];
        let entries = Feed { kind: Some(RowKind::Entry), ..Feed::default() };
        let tags = [
            tag_of(&Feed::default(), &scopes),
            tag_of(&Feed::default(), &scopes[..1]),
            tag_of(&entries, &scopes),
            tag_of(&Feed { definition: Some("led.a".to_owned()), ..Feed::default() }, &scopes),
        ];
        let different: std::collections::BTreeSet<u32> = tags.into_iter().collect();
        assert_eq!(different.len(), 4);
    }
}
