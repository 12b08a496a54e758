//! Photos and other files of records, as an app shows them.

use xunyuan_core::id::DocumentId;
use xunyuan_core::projection::Row;
use xunyuan_core::replica::FileView;
use xunyuan_core::rules::file::FileCounts;
use xunyuan_core::store::files::{self, Thumbnail};

use crate::files::Shelf;
use crate::words::Words;

/// How a file stands.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum FileState {
    /// Here, and nothing of it was sent.
    Waiting,
    /// Here, and the branch has some of it.
    PartlySent {
        /// Bytes that the branch has.
        bytes: u64,
    },
    /// All of it was sent; the branch has not confirmed it yet.
    Sent,
    /// The branch has it, and so has this device.
    Confirmed,
    /// It cannot be sent: replace it, discard it, or try again.
    Refused {
        /// Why: a stable code.
        code: String,
        /// Why, in words.
        reason: String,
    },
    /// The person gave it up before it was sent.
    GivenUp,
    /// The branch has it; its bytes are not here until they are fetched.
    AtBranch,
    /// On somebody else's device, as far as is known.
    Elsewhere,
}

/// A photo or another file of a record.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct FileCard {
    /// SHA-256 of its bytes: what every action on it takes.
    pub sha256: String,
    /// The first record that names it.
    pub document: Option<String>,
    /// Where in the record it stands, in words.
    pub place: String,
    /// How it stands.
    pub state: FileState,
    /// Size, bytes.
    pub bytes: u64,
    /// Media type.
    pub media_type: String,
    /// When it was taken, milliseconds since 1970.
    pub taken_at_ms: Option<i64>,
    /// When it was put into the record, device time, milliseconds since 1970.
    pub added_at_ms: i64,
    /// The name of who put it there.
    pub by: String,
    /// Its thumbnail, a small JPEG, where it is on this device.
    pub thumbnail: Option<String>,
    /// Its bytes, where they are on this device.
    pub original: Option<String>,
}

/// The files of a record.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct FilesScreen {
    /// The files, in the order of their places.
    pub files: Vec<FileCard>,
    /// How many there are.
    pub all: u32,
    /// How many the branch has.
    pub at_branch: u32,
    /// How many are here, and who has the others, in words; nothing for a record without files.
    pub summary: Option<String>,
}

impl FileCard {
    /// A file in words.
    pub(crate) fn of(
        words: &Words<'_>,
        shelf: &Shelf,
        view: &FileView,
        record: Option<(DocumentId, Option<&Row>)>,
    ) -> Self {
        let named = &view.named;
        let hash = named.file.hash;
        let row = record.and_then(|(_, row)| row);
        let place = row.and_then(|row| words.key_name(&row.definition, &named.key));
        let path = |path: std::path::PathBuf| path.exists().then(|| path.display().to_string());
        Self {
            sha256: hash.to_string(),
            document: record.map(|(document, _)| document.to_string()),
            place: place.unwrap_or_else(|| named.key.clone()),
            state: state(words, &view.state),
            bytes: named.file.bytes,
            media_type: named.file.media_type.clone(),
            taken_at_ms: named.file.taken_at_ms,
            added_at_ms: named.at_ms,
            by: words.person(&named.by),
            thumbnail: (view.thumbnail == Thumbnail::Here).then(|| path(shelf.thumbnail(hash))).flatten(),
            original: path(shelf.original(hash)),
        }
    }
}

impl FilesScreen {
    /// The files of a record in words.
    pub(crate) fn of(
        words: &Words<'_>,
        shelf: &Shelf,
        row: &Row,
        (views, counts): (&[FileView], &FileCounts),
    ) -> Self {
        let card = |view: &FileView| FileCard::of(words, shelf, view, Some((row.document, Some(row))));
        let said = counts.sentence(|user| words.person(user), |at_ms| words.time(at_ms));
        Self {
            files: views.iter().map(card).collect(),
            all: counts.all,
            at_branch: counts.at_branch,
            summary: said.map(|said| words.sentence(&said).to_owned()),
        }
    }
}

fn state(words: &Words<'_>, state: &files::FileState) -> FileState {
    match state {
        files::FileState::Waiting => FileState::Waiting,
        files::FileState::Partly(bytes) => FileState::PartlySent { bytes: *bytes },
        files::FileState::Sent => FileState::Sent,
        files::FileState::Confirmed => FileState::Confirmed,
        files::FileState::Refused(refusal) => FileState::Refused {
            code: refusal.code.clone(),
            reason: words.sentence(&refusal.sentence).to_owned(),
        },
        files::FileState::GivenUp => FileState::GivenUp,
        files::FileState::AtBranch => FileState::AtBranch,
        files::FileState::Elsewhere => FileState::Elsewhere,
    }
}
