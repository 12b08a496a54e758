//! How many files of a record are here, and who has the others: for terminal, console and reports.

use std::collections::{BTreeMap, BTreeSet};
use xunyuan_core::error::Error;
use xunyuan_core::id::{DocumentId, FileHash, UserId};
use xunyuan_core::projection::{self, Row};
use xunyuan_core::rules::file::{FileCounts, NamedFile, StillWith};

use super::Hub;
use super::store;

/// A file of a record, and whether it is here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileShown {
    /// The file, where it stands and who put it there.
    pub named: NamedFile,
    /// True when its bytes are here and may be read where the record may.
    pub is_here: bool,
}

/// A record that waits for files.
#[derive(Clone, Debug, PartialEq)]
pub struct Incomplete {
    /// The record.
    pub row: Row,
    /// What is here of it and what is not.
    pub counts: FileCounts,
    /// Device time at which the first missing file was put there, milliseconds since 1970.
    pub since_ms: i64,
}

impl Hub {
    /// The files of a record, in the order of its places.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn files_of(&self, document: DocumentId) -> Result<Vec<FileShown>, Error> {
        self.inner.shared.read(|conn| {
            let missing = store::file::missing_of(conn, document)?;
            let missing: BTreeSet<FileHash> = missing.into_iter().map(|row| row.hash).collect();
            let named = projection::files_of(conn, document)?;
            Ok(named
                .into_iter()
                .map(|named| FileShown { is_here: !missing.contains(&named.file.hash), named })
                .collect())
        })
    }

    /// How many files of a record are here, and who has the others, last heard of when.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn file_counts(&self, document: DocumentId) -> Result<FileCounts, Error> {
        let shown = self.files_of(document)?;
        let is_complete = shown.iter().all(|file| file.is_here);
        let seen = if is_complete { BTreeMap::new() } else { self.people_seen()? };
        Ok(counted(&shown, &seen))
    }

    /// Records that wait for files, those that waited longest first; `limit` bounds the files that are looked at.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn incomplete(&self, limit: u32) -> Result<Vec<Incomplete>, Error> {
        let missing = self.inner.shared.read(|conn| store::file::all_missing(conn, limit))?;
        let seen = self.people_seen()?;
        let (mut done, mut records) = (BTreeSet::new(), Vec::new());
        for waiting in missing {
            if !done.insert(waiting.document) {
                continue;
            }
            let row = self.inner.shared.read(|conn| projection::row(conn, waiting.document))?;
            if let Some(row) = row {
                let counts = counted(&self.files_of(waiting.document)?, &seen);
                records.push(Incomplete { row, counts, since_ms: waiting.since_ms });
            }
        }
        Ok(records)
    }

    /// When the branch last heard of each person's devices, milliseconds since 1970.
    ///
    /// # Errors
    /// `Storage` or `Corrupt` when reading fails.
    pub fn people_seen(&self) -> Result<BTreeMap<UserId, i64>, Error> {
        let mut seen = BTreeMap::new();
        for device in self.devices()? {
            if let Some(at_ms) = device.last_seen_ms {
                let latest = seen.entry(device.user).or_insert(at_ms);
                *latest = at_ms.max(*latest);
            }
        }
        Ok(seen)
    }
}

fn counted(shown: &[FileShown], seen: &BTreeMap<UserId, i64>) -> FileCounts {
    let mut counts = FileCounts::default();
    let (mut known, mut missing) = (BTreeSet::new(), BTreeMap::<&UserId, u32>::new());
    for FileShown { named, is_here } in shown {
        if !known.insert(named.file.hash) {
            continue;
        }
        counts.all += 1;
        if *is_here {
            counts.at_branch += 1;
        } else {
            *missing.entry(&named.by).or_default() += 1;
        }
    }
    let still_with = |(user, count): (&UserId, u32)| StillWith {
        user: user.clone(),
        count,
        seen_ms: seen.get(user).copied(),
    };
    counts.still_with = missing.into_iter().map(still_with).collect();
    counts
}
