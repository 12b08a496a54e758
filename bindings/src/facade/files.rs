//! Photos and other files of records: put in, looked at, tried again, exchanged, fetched.

use std::path::Path;
use xunyuan_core::id::{DocumentId, FileHash};
use xunyuan_core::rules::file::FileRef;

use super::scene::Scene;
use super::{Replica, SyncError, document, settled};
use crate::failure::Failure;
use crate::files::{self, Shelf};
use crate::screens::{FileCard, FilesScreen};

#[uniffi::export]
impl Replica {
    /// Puts photos, sound, PDFs or a drawn signature into a record: at an item or a sign-off of a sheet, into a
    /// field of an entry, or `GROUP/LINE/FIELD`. Each is on disk with its thumbnail before the record names it. A
    /// finished sheet wants a reason.
    #[uniffi::method(default(reason = None))]
    pub fn attach_files(
        &self,
        document: String,
        place: String,
        files: Vec<String>,
        reason: Option<String>,
    ) -> Result<FilesScreen, SyncError> {
        self.with_files(&document, &files, |scene, document, kept| {
            scene.replica.attach(document, &place, kept, reason.as_deref(), scene.moment)?;
            Ok(())
        })
    }

    /// The files of a record, and how many of them the branch has.
    pub fn files(&self, document: String) -> Result<FilesScreen, SyncError> {
        self.look(|scene| files_of(scene, &self.shelf(), self::document(&document)?))
    }

    /// The files that wait for the branch, or for the person, in the order of sending.
    pub fn waiting_files(&self) -> Result<Vec<FileCard>, SyncError> {
        let shelf = self.shelf();
        self.look(|scene| {
            let waiting = scene.replica.unsent_files()?;
            let card = |(view, documents): &(_, Vec<DocumentId>)| {
                let document = documents.first().copied();
                let row = document.and_then(|document| scene.replica.record(document).ok());
                FileCard::of(&scene.words, &shelf, view, document.map(|document| (document, row.as_ref())))
            };
            Ok(waiting.iter().map(card).collect())
        })
    }

    /// Tries a file again that could not be sent, and wants an exchange.
    pub fn retry_file(&self, sha256: String) -> Result<(), SyncError> {
        self.look(|scene| Ok(scene.replica.retry_file(hash(&sha256)?)?))?;
        self.sync_now();
        Ok(())
    }

    /// Puts another file in the place of one; the history keeps that the other was there.
    #[uniffi::method(default(reason = None))]
    pub fn replace_file(
        &self,
        document: String,
        sha256: String,
        file: String,
        reason: Option<String>,
    ) -> Result<FilesScreen, SyncError> {
        self.with_files(&document, &[file], |scene, document, kept| {
            for new in kept {
                let old = hash(&sha256)?;
                scene.replica.replace_file(document, old, new, reason.as_deref(), scene.moment)?;
            }
            Ok(())
        })
    }

    /// Takes a file out of a record; the history keeps that it was there.
    #[uniffi::method(default(reason = None))]
    pub fn discard_file(
        &self,
        document: String,
        sha256: String,
        reason: Option<String>,
    ) -> Result<FilesScreen, SyncError> {
        self.with_files(&document, &[], |scene, document, _| {
            Ok(scene.replica.discard_file(document, hash(&sha256)?, reason.as_deref(), scene.moment)?)
        })
    }

    /// Wants the bytes of a file here and begins an exchange; the listener hears of its record when they are.
    pub fn fetch_file(&self, sha256: String) -> Result<(), SyncError> {
        self.look(|scene| Ok(scene.replica.want_file(hash(&sha256)?, true)?))?;
        self.sync_now();
        Ok(())
    }
}

impl Replica {
    /// The files beside the replica.
    pub(super) fn shelf(&self) -> Shelf {
        Shelf::beside(self.held.file())
    }

    /// Keeps files beside the replica; nobody waits for it while pictures are decoded.
    pub(super) fn keep_files(&self, files: &[String]) -> Result<Vec<FileRef>, SyncError> {
        let (shelf, clock) = (self.shelf(), self.held.clock());
        let mut hold = |work: &mut dyn FnMut(&mut xunyuan_core::replica::Replica)| {
            self.held.read(|replica| {
                work(replica);
                Ok(())
            })
        };
        let keep = |file: &String| files::keep(&shelf, files::read(Path::new(file))?, &clock, &mut hold);
        settled(self.lang(), || files.iter().map(keep).collect())
    }

    /// One action on the files of a record, with new ones that are kept before.
    fn with_files(
        &self,
        text: &str,
        files: &[String],
        act: impl FnOnce(&mut Scene<'_>, DocumentId, &[FileRef]) -> Result<(), Failure>,
    ) -> Result<FilesScreen, SyncError> {
        let kept = self.keep_files(files)?;
        let shelf = self.shelf();
        self.about(text, |scene, document| {
            act(scene, document, &kept)?;
            Ok((files_of(scene, &shelf, document)?, vec![document]))
        })
    }
}

fn files_of(scene: &mut Scene<'_>, shelf: &Shelf, document: DocumentId) -> Result<FilesScreen, Failure> {
    let row = scene.replica.record(document)?;
    let (views, counts) = (scene.replica.files_of(document)?, scene.replica.file_counts(document)?);
    Ok(FilesScreen::of(&scene.words, shelf, &row, (&views, &counts)))
}

fn hash(text: &str) -> Result<FileHash, Failure> {
    text.parse().map_err(|_| {
        Failure::invalid(
            "file_invalid",
            "文件编号有误",
            "this is no SHA-256 of a file; use one that a list gave",
        )
    })
}
