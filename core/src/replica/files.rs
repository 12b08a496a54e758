//! Photos and other files of records: keeping, the queue to the branch, what comes from it, what may leave.
//!
//! The shell writes the bytes beside the replica before it calls [`Replica::keep_file`], and carries them; here is
//! only what is to be done and what was. Text goes first: a file is offered once the branch has the record that
//! names it.

use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet};

use super::Replica;
use crate::definition::{Catalog, PhotoPolicy};
use crate::document::model::Model;
use crate::error::{Error, ErrorKind, Refusal};
use crate::id::{DocumentId, FileHash, ScopeId, UserId};
use crate::projection;
use crate::rules::file::{FileCounts, FileRef, NamedFile, StillWith};
use crate::store::files::{self, FileRow, FileState, Thumbnail};
use crate::store::{Durability, Store, identity, outbox};
use crate::time::Moment;
use crate::wire::offer::{OFFERED_MAX, OfferReply, Standing};

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// A file of somebody else's that the branch lacked is not asked about again before.
const ASK_AGAIN_MS: i64 = 10 * MINUTE_MS;
/// Longest wait after failed tries of one file.
const WAIT_MAX_MS: i64 = 60 * MINUTE_MS;
/// Name of the count that holds the day, since 1970, of the last clearing.
const CLEARED_DAY: &str = "files_cleared_day";
/// Files that are looked at in one step of clearing.
const CLEARED_AT_ONCE: u32 = 1_000;
/// Most thumbnails that are fetched in one go.
const THUMBNAILS_MAX: u32 = 200;

/// A file of a record, as the person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FileView {
    /// The file, where it stands and who put it there; its key is empty where no record names it any more.
    pub named: NamedFile,
    /// How it stands.
    pub state: FileState,
    /// Its thumbnail.
    pub thumbnail: Thumbnail,
}

/// What the shell found out about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileNote {
    /// The branch has so many bytes of it.
    Sent(u64),
    /// The branch has it whole.
    Confirmed,
    /// It cannot be sent, or fetched, until the person does something.
    Refused(Refusal),
    /// It did not work this time.
    Failed,
    /// Its bytes came and are on disk.
    Here,
    /// Its thumbnail came and is on disk.
    ThumbnailHere,
    /// There is no thumbnail of it.
    NoThumbnail,
}

/// Writes the rows of a document, and notes the files that it names.
pub(super) fn write_rows(
    connection: &Connection,
    catalog: &Catalog,
    scope: &ScopeId,
    model: &Model,
) -> Result<(), Error> {
    let projected = projection::project(catalog, scope, model)?;
    projected.store(connection)?;
    files::note_named(connection, &projected.files, projected.row.listed_at_ms)
}

impl Replica {
    /// What the organisation wants of photos.
    #[must_use]
    pub fn photo_policy(&self) -> PhotoPolicy {
        self.catalog.device_policy().map(|policy| policy.photos.clone()).unwrap_or_default()
    }

    /// Notes a file whose bytes, and thumbnail where it has one, are on disk beside the replica. After this a
    /// record may name it.
    ///
    /// # Errors
    /// Storage errors.
    pub fn keep_file(&mut self, file: &FileRef, has_thumbnail: bool, moment: &Moment) -> Result<(), Error> {
        let row = FileRow {
            hash: file.hash,
            bytes: file.bytes,
            media_type: file.media_type.clone(),
            taken_at_ms: file.taken_at_ms,
            kept_at_ms: Some(moment.unix_ms),
            is_here: true,
            thumbnail: if has_thumbnail { Thumbnail::Here } else { Thumbnail::None },
            branch_at_ms: None,
            sent: 0,
            refusal: None,
            tries: 0,
            due_ms: 0,
            is_wanted: false,
            given_up_at_ms: None,
        };
        self.store.write(|connection| files::keep(connection, &row))
    }

    /// A file that was kept, as records name it.
    ///
    /// # Errors
    /// Storage errors.
    pub(super) fn kept(&self, hash: FileHash) -> Result<Option<FileRef>, Error> {
        let row = files::find(self.store.reader(), hash)?;
        Ok(row.filter(|row| !row.media_type.is_empty()).map(|row| FileRef {
            hash: row.hash,
            bytes: row.bytes,
            media_type: row.media_type,
            taken_at_ms: row.taken_at_ms,
        }))
    }

    /// The files of a record, in the order of its places.
    ///
    /// # Errors
    /// Storage errors.
    pub fn files_of(&self, document: DocumentId) -> Result<Vec<FileView>, Error> {
        let connection = self.store.reader();
        projection::files_of(connection, document)?.into_iter().map(|named| view(connection, named)).collect()
    }

    /// Files that wait for the branch, or for the person, in the order of sending.
    ///
    /// # Errors
    /// Storage errors.
    pub fn unsent_files(&self) -> Result<Vec<(FileView, Vec<DocumentId>)>, Error> {
        let connection = self.store.reader();
        let mut views = Vec::new();
        for row in files::unsent(connection)? {
            let documents: Vec<DocumentId> =
                projection::uses_of(connection, row.hash)?.into_iter().map(|used| used.document).collect();
            let named = match documents.first() {
                Some(document) => projection::files_of(connection, *document)?
                    .into_iter()
                    .find(|named| named.file.hash == row.hash),
                None => None,
            };
            let named = named.unwrap_or_else(|| self.unnamed(&row));
            views.push((FileView { named, state: row.state(), thumbnail: row.thumbnail }, documents));
        }
        Ok(views)
    }

    /// Files that begin with these digits of their hash, among those of the records here and the unsent ones.
    ///
    /// # Errors
    /// Storage errors.
    pub fn find_files(&self, digits: &str) -> Result<Vec<(FileView, Vec<DocumentId>)>, Error> {
        let connection = self.store.reader();
        let mut found = Vec::new();
        for row in files::beginning_with(connection, digits)? {
            let documents: Vec<DocumentId> =
                projection::uses_of(connection, row.hash)?.into_iter().map(|used| used.document).collect();
            let mut named = None;
            if let Some(document) = documents.first() {
                let files = projection::files_of(connection, *document)?;
                named = files.into_iter().find(|named| named.file.hash == row.hash);
            }
            let named = named.unwrap_or_else(|| self.unnamed(&row));
            found.push((FileView { named, state: row.state(), thumbnail: row.thumbnail }, documents));
        }
        Ok(found)
    }

    /// A file that no record here names.
    fn unnamed(&self, row: &FileRow) -> NamedFile {
        NamedFile {
            key: String::new(),
            file: FileRef {
                hash: row.hash,
                bytes: row.bytes,
                media_type: row.media_type.clone(),
                taken_at_ms: row.taken_at_ms,
            },
            by: self.identity.user.clone(),
            at_ms: row.kept_at_ms.unwrap_or_default(),
        }
    }

    /// How many of a record's files the branch has, as far as this device knows, and who has the others.
    ///
    /// # Errors
    /// Storage errors.
    pub fn file_counts(&self, document: DocumentId) -> Result<FileCounts, Error> {
        let connection = self.store.reader();
        let mut counts = FileCounts::default();
        let (mut seen, mut missing) = (BTreeSet::new(), BTreeMap::<UserId, u32>::new());
        for FileView { named, state, .. } in self.files_of(document)? {
            if !seen.insert(named.file.hash) {
                continue;
            }
            counts.all += 1;
            match state {
                FileState::Confirmed | FileState::AtBranch => counts.at_branch += 1,
                FileState::Refused(_) => counts.refused += 1,
                FileState::Waiting | FileState::Partly(_) | FileState::Sent => counts.waiting += 1,
                FileState::GivenUp | FileState::Elsewhere => *missing.entry(named.by).or_default() += 1,
            }
        }
        for (user, count) in missing {
            let seen_ms = files::seen(connection, &user)?;
            counts.still_with.push(StillWith { user, count, seen_ms });
        }
        Ok(counts)
    }

    /// What to ask the branch about now: files to send whose records it has, files of colleagues that are not
    /// known to have arrived, and once a day those that it confirmed and that are still here.
    ///
    /// # Errors
    /// Storage errors.
    pub fn file_questions(&self, moment: &Moment) -> Result<Vec<FileHash>, Error> {
        if self.is_erased() {
            return Ok(Vec::new());
        }
        let connection = self.store.reader();
        let now_ms = moment.unix_ms;
        let mut asked: Vec<FileHash> = self.sendable(now_ms)?.into_iter().map(|row| row.hash).collect();
        asked.truncate(OFFERED_MAX);
        let room = |asked: &[FileHash]| u32::try_from(OFFERED_MAX - asked.len()).unwrap_or(0);
        let since_ms = self.listed_since_ms(moment);
        let unknown = files::unknown(connection, since_ms, now_ms - ASK_AGAIN_MS, room(&asked))?;
        asked.extend(unknown.into_iter().map(|row| row.hash));
        let old = files::confirmed_before(connection, now_ms - DAY_MS, room(&asked))?;
        asked.extend(old.into_iter().map(|row| row.hash));
        Ok(asked)
    }

    /// Files to send whose records the branch has and whose time has come.
    fn sendable(&self, now_ms: i64) -> Result<Vec<FileRow>, Error> {
        let connection = self.store.reader();
        let mut rows = Vec::new();
        for row in files::unsent(connection)? {
            if row.refusal.is_none() && row.due_ms <= now_ms && is_named_at_branch(connection, row.hash)? {
                rows.push(row);
            }
        }
        Ok(rows)
    }

    /// Records listed since then have their thumbnails here.
    fn listed_since_ms(&self, moment: &Moment) -> i64 {
        let days = i64::from(self.photo_policy().thumbnail_days);
        if days == 0 { i64::MAX } else { moment.unix_ms.saturating_sub(days * DAY_MS) }
    }

    /// Takes what the branch said of the files that it was asked about. What it wants shown is returned: the
    /// challenge for each such file whose bytes are here.
    ///
    /// # Errors
    /// `Protocol` when the answer does not fit the question; storage errors.
    pub fn take_standings(
        &mut self,
        asked: &[FileHash],
        reply: OfferReply,
        moment: &Moment,
    ) -> Result<Vec<(FileHash, String)>, Error> {
        if reply.files.len() != asked.len() {
            return Err(super::apply::unasked());
        }
        let mut challenges = Vec::new();
        // It can be asked again: nobody waits for the disk.
        Store::together(self, Durability::Soon, |replica| {
            replica.store.write(|connection| {
                for (hash, standing) in asked.iter().zip(reply.files) {
                    take_standing(connection, *hash, standing, moment.unix_ms, &mut challenges)?;
                }
                for person in &reply.people {
                    files::put_seen(connection, &person.user, person.seen_ms)?;
                }
                Ok(())
            })
        })?;
        Ok(challenges)
    }

    /// The files to send now, in order: those of which the branch last said that it lacks them.
    ///
    /// # Errors
    /// Storage errors.
    pub fn uploads(&self, moment: &Moment) -> Result<Vec<FileRow>, Error> {
        if self.is_erased() { Ok(Vec::new()) } else { self.sendable(moment.unix_ms) }
    }

    /// Files whose thumbnails are to be fetched now.
    ///
    /// # Errors
    /// Storage errors.
    pub fn thumbnails_to_fetch(&self, moment: &Moment) -> Result<Vec<FileRow>, Error> {
        if self.is_erased() {
            return Ok(Vec::new());
        }
        let since_ms = self.listed_since_ms(moment);
        files::without_thumbnail(self.store.reader(), since_ms, moment.unix_ms, THUMBNAILS_MAX)
    }

    /// Files whose bytes the person wants here.
    ///
    /// # Errors
    /// Storage errors.
    pub fn files_to_fetch(&self) -> Result<Vec<FileRow>, Error> {
        if self.is_erased() { Ok(Vec::new()) } else { files::wanted(self.store.reader()) }
    }

    /// Notes what the shell found out about a file. A confirmation is on disk when this returns.
    ///
    /// # Errors
    /// Storage errors.
    pub fn note_file(&mut self, hash: FileHash, note: &FileNote, moment: &Moment) -> Result<(), Error> {
        let durability = match note {
            FileNote::Refused(_) | FileNote::Here => Durability::OnDisk,
            // What power takes back of these, the branch is asked for again.
            FileNote::Confirmed
            | FileNote::Sent(_)
            | FileNote::Failed
            | FileNote::ThumbnailHere
            | FileNote::NoThumbnail => Durability::Soon,
        };
        Store::together(self, durability, |replica| {
            replica.store.write(|connection| match note {
                FileNote::Sent(bytes) => files::put_sent(connection, hash, *bytes),
                FileNote::Confirmed => files::put_confirmed(connection, hash, moment.unix_ms),
                FileNote::Refused(refusal) => files::put_refused(connection, hash, refusal),
                FileNote::Failed => {
                    let tries = files::find(connection, hash)?.map_or(0, |row| row.tries);
                    let wait_ms = (MINUTE_MS << tries.min(6)).min(WAIT_MAX_MS);
                    files::put_failed(connection, hash, moment.unix_ms.saturating_add(wait_ms))
                }
                FileNote::Here => files::put_here(connection, hash),
                FileNote::ThumbnailHere => files::put_thumbnail(connection, hash, Thumbnail::Here),
                FileNote::NoThumbnail => files::put_thumbnail(connection, hash, Thumbnail::None),
            })
        })
    }

    /// Lets a file be tried again at once.
    ///
    /// # Errors
    /// `NotFound` when it is not known here; storage errors.
    pub fn retry_file(&mut self, hash: FileHash) -> Result<(), Error> {
        self.known_file(hash)?;
        self.store.write(|connection| files::put_again(connection, hash))
    }

    /// Wants the bytes of a file here, or no longer.
    ///
    /// # Errors
    /// `NotFound` when it is not known here; storage errors.
    pub fn want_file(&mut self, hash: FileHash, is_wanted: bool) -> Result<(), Error> {
        let row = self.known_file(hash)?;
        let is_wanted = is_wanted && !row.is_here;
        self.store.write(|connection| files::put_wanted(connection, hash, is_wanted))
    }

    /// How a file stands, whatever record names it.
    ///
    /// # Errors
    /// `NotFound` when it is not known here; storage errors.
    pub fn known_file(&self, hash: FileHash) -> Result<FileRow, Error> {
        files::find(self.store.reader(), hash)?.ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                "本机没有这个文件;请用 photos 查看",
                "this device does not know such a file; list them with photos",
            )
        })
    }

    /// Files whose bytes leave the device now because originals take more than the organisation allows: only
    /// what the branch has too, the oldest first. They count as gone when this returns; the shell then removes
    /// the bytes, never the thumbnails.
    ///
    /// With `all` every such file leaves: the disk is full.
    ///
    /// # Errors
    /// Storage errors.
    pub fn let_originals_go(&mut self, all: bool) -> Result<Vec<FileHash>, Error> {
        let most = u64::from(self.photo_policy().originals_mb_max) * 1024 * 1024;
        let connection = self.store.reader();
        let mut bytes = files::bytes_here(connection)?;
        if bytes <= most && !all {
            return Ok(Vec::new());
        }
        let mut gone = Vec::new();
        for row in files::spare(connection)? {
            if bytes <= most && !all {
                break;
            }
            bytes = bytes.saturating_sub(row.bytes);
            gone.push(row.hash);
        }
        self.store.write(|connection| gone.iter().try_for_each(|hash| files::put_gone(connection, *hash)))?;
        Ok(gone)
    }

    /// Once a day, files that nothing here names any more: their records left the device, or they were withdrawn.
    /// What the branch may still lack stays while a draft may name it, and a day longer where none ever did. They
    /// are forgotten when this returns; the shell then removes their bytes and thumbnails. `None` where this was done
    /// today.
    ///
    /// # Errors
    /// Storage errors.
    pub fn clear_files(&mut self, moment: &Moment) -> Result<Option<Vec<FileHash>>, Error> {
        let today = u32::try_from(moment.unix_ms.div_euclid(DAY_MS)).unwrap_or(0);
        let is_done = identity::number(self.store.reader(), CLEARED_DAY)? == Some(today);
        if is_done || self.is_erased() || self.has_late_rows() {
            return Ok(None);
        }
        let gone = self.unnamed_files(moment)?;
        self.store.write(|connection| {
            gone.iter().try_for_each(|hash| files::remove(connection, *hash))?;
            identity::set_number(connection, CLEARED_DAY, today)
        })?;
        Ok(Some(gone))
    }

    fn unnamed_files(&self, moment: &Moment) -> Result<Vec<FileHash>, Error> {
        let connection = self.store.reader();
        let has_drafts = !outbox::refused(connection)?.is_empty();
        let day_ago_ms = moment.unix_ms.saturating_sub(DAY_MS);
        let (mut after, mut gone) = (0, Vec::new());
        loop {
            let page = files::page(connection, after, CLEARED_AT_ONCE)?;
            let Some((last, _)) = page.last() else { return Ok(gone) };
            after = *last;
            for (_, row) in page {
                let is_young = row.kept_at_ms.is_some_and(|at_ms| at_ms > day_ago_ms);
                let may_be_lacked = row.branch_at_ms.is_none() && row.is_here;
                let stays = is_young || (may_be_lacked && row.given_up_at_ms.is_none() && has_drafts);
                if !stays && projection::uses_of(connection, row.hash)?.is_empty() {
                    gone.push(row.hash);
                }
            }
        }
    }

    /// Number and bytes of the files that the branch lacks.
    pub(super) fn unsent_file_count(&self) -> Result<(u32, u64), Error> {
        files::unsent_count(self.store.reader())
    }
}

/// A file of a record as the person sees it.
fn view(connection: &Connection, named: NamedFile) -> Result<FileView, Error> {
    let row = files::find(connection, named.file.hash)?;
    let (state, thumbnail) =
        row.map_or((FileState::Elsewhere, Thumbnail::Absent), |row| (row.state(), row.thumbnail));
    Ok(FileView { named, state, thumbnail })
}

/// True when the branch has a record that names the file, as far as its answers tell.
fn is_named_at_branch(connection: &Connection, hash: FileHash) -> Result<bool, Error> {
    for used in projection::uses_of(connection, hash)? {
        let waiting = outbox::of_document(connection, used.document)?;
        if !waiting.iter().any(|row| row.logged_seq.is_none() && row.refusal.is_none()) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn take_standing(
    connection: &Connection,
    hash: FileHash,
    standing: Standing,
    now_ms: i64,
    challenges: &mut Vec<(FileHash, String)>,
) -> Result<(), Error> {
    let is_here = files::find(connection, hash)?.is_some_and(|row| row.is_here);
    match standing {
        Standing::Here => files::put_confirmed(connection, hash, now_ms),
        Standing::Lacking { received } => files::put_lacking(connection, hash, received, now_ms),
        Standing::Prove { challenge } => {
            files::put_lacking(connection, hash, 0, now_ms)?;
            if is_here {
                challenges.push((hash, challenge));
            }
            Ok(())
        }
        // Its record is not there: it was lost with a restore, or is about to be refused.
        Standing::Unnamed => {
            files::put_lacking(connection, hash, 0, now_ms)?;
            if is_here { files::put_failed(connection, hash, now_ms + ASK_AGAIN_MS) } else { Ok(()) }
        }
    }
}
