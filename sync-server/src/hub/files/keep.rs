//! Keeping files: what no record names any more goes after a time, what is here is hashed again, copies are made.

use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::path::Path;
use std::time::Duration;
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::FileHash;
use xunyuan_core::projection::{self, FileUse};

use super::Hub;
use super::store::file::{FileRow, MissingRow};
use super::store::{self};
use crate::hub::shared::locked;
use crate::vault::Piece;

/// Files that are looked at in one step.
const STEP: u32 = 1_000;

/// What one step of clearing did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cleared {
    /// Files that no record named for long enough: they are gone.
    pub files: u64,
    /// Uploads that nobody went on with: their parts are gone.
    pub parts: u64,
    /// True when the last file was looked at; the next step begins again.
    pub is_round: bool,
}

/// What hashing the files again came to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FilesReport {
    /// Files that were looked at.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Files whose bytes are not there.
    pub missing: Vec<FileHash>,
    /// Files whose bytes are not those of their hash.
    pub damaged: Vec<FileHash>,
    /// Files that lie there and that the list does not know.
    pub unknown: u64,
}

impl Hub {
    /// Looks at the next files: what no record has named for `keep` goes, and so do parts of uploads of which
    /// nothing has come for `part_life`.
    ///
    /// # Errors
    /// `Storage` and its like; what was done until then is done.
    pub fn clear_files(&self, now_ms: i64, keep: Duration, part_life: Duration) -> Result<Cleared, Error> {
        let mut cleared = Cleared { parts: self.inner.vault.expire_parts(part_life)?, ..Cleared::default() };
        let after = *locked(&self.inner.cleared_to);
        let keep_ms = i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let page = self.inner.shared.read(|conn| store::file::page(conn, after, STEP))?;
        let last = page.last().map(|row| row.hash);
        for FileRow { hash, .. } in page {
            let (is_named, since_ms) = self.inner.shared.read(|conn| {
                Ok((!projection::uses_of(conn, hash)?.is_empty(), store::file::loose_since(conn, hash)?))
            })?;
            let is_over = since_ms.is_some_and(|since_ms| now_ms.saturating_sub(since_ms) >= keep_ms);
            match (is_named, since_ms) {
                (true, None) => {}
                (true, Some(_)) => self.note_loose(hash, None)?,
                (false, None) => self.note_loose(hash, Some(now_ms))?,
                (false, Some(_)) if is_over => cleared.files += u64::from(self.clear_file(hash)?),
                (false, Some(_)) => {}
            }
        }
        cleared.is_round = last.is_none();
        *locked(&self.inner.cleared_to) = last;
        Ok(cleared)
    }

    fn note_loose(&self, hash: FileHash, since_ms: Option<i64>) -> Result<(), Error> {
        Ok(self.write(move |writer| store::file::put_loose(&writer.conn, hash, since_ms))?)
    }

    /// Takes a file away, unless a record has come to name it meanwhile.
    fn clear_file(&self, hash: FileHash) -> Result<bool, Error> {
        let is_gone = self.write(move |writer| {
            if !projection::uses_of(&writer.conn, hash)?.is_empty() {
                return Ok(false);
            }
            store::file::remove(&writer.conn, hash)?;
            store::file::forget(&writer.conn, hash)?;
            Ok(true)
        })?;
        if is_gone {
            // The list first: what is listed is there.
            self.inner.vault.remove(hash)?;
        }
        Ok(is_gone)
    }

    /// Hashes every file again. What is missing or damaged is no longer said to be here, and a damaged file is set
    /// aside: a device that still has it is asked for it. `progress` hears the number of files looked at.
    ///
    /// # Errors
    /// `Storage` when reading fails; what is wrong with files is in the report.
    pub fn verify_files(&self, mut progress: impl FnMut(u64)) -> Result<FilesReport, Error> {
        let mut report = FilesReport::default();
        let mut after = None;
        loop {
            let page = self.inner.shared.read(|conn| store::file::page(conn, after, STEP))?;
            let Some(last) = page.last() else { break };
            after = Some(last.hash);
            for row in &page {
                self.verify_file(row, &mut report)?;
                progress(report.files);
            }
        }
        self.inner.vault.each(&mut |hash, _| {
            let known = self.inner.shared.read(|conn| store::file::find(conn, hash))?;
            report.unknown += u64::from(known.is_none());
            Ok(())
        })?;
        Ok(report)
    }

    fn verify_file(&self, row: &FileRow, report: &mut FilesReport) -> Result<(), Error> {
        let (vault, hash) = (&self.inner.vault, row.hash);
        report.files += 1;
        let Some(size) = vault.size(Piece::Original, hash)? else {
            report.missing.push(hash);
            return self.file_is_lost(hash);
        };
        let mut digest = Sha256::new();
        vault.read(Piece::Original, hash, (0, size), &mut |block| {
            digest.update(&block);
            true
        })?;
        report.bytes += size;
        if <[u8; 32]>::from(digest.finalize()) != hash.0 {
            report.damaged.push(hash);
            return self.file_is_damaged(hash);
        }
        Ok(())
    }

    /// Sets a damaged file aside and says that it is not here.
    pub(super) fn file_is_damaged(&self, hash: FileHash) -> Result<(), Error> {
        self.file_is_lost(hash)?;
        self.inner.vault.set_aside(hash)
    }

    /// Says that a file is not here; who may read it stays as it was.
    fn file_is_lost(&self, hash: FileHash) -> Result<(), Error> {
        Ok(self.write(move |writer| {
            let conn = &writer.conn;
            store::file::remove(conn, hash)?;
            for FileUse { document, scope, by } in projection::uses_of(conn, hash)? {
                let named = projection::files_of(conn, document)?;
                let since_ms =
                    named.iter().find(|named| named.file.hash == hash).map_or(0, |named| named.at_ms);
                let row = MissingRow { hash, document, scope, user: by, since_ms };
                store::file::put_missing(conn, &row)?;
            }
            Ok(())
        })?)
    }

    /// Copies the files that a folder does not hold yet into it; what it holds is left alone, because a file never
    /// changes. Copy the list first, by [`Hub::backup`]: whatever it names is then here to be copied. Says how many
    /// were copied.
    ///
    /// # Errors
    /// `Refused` where files lie in an object store; `Full` or `Storage`.
    pub fn backup_files(&self, to: &Path, mut progress: impl FnMut(u64)) -> Result<u64, Error> {
        let vault = &self.inner.vault;
        if vault.root().is_none() {
            return Err(Error::new(
                ErrorKind::Refused,
                "照片文件在对象存储中;请用该存储自己的备份或版本功能",
                "the files lie in an object store; use its own copies or versions",
            ));
        }
        let (mut after, mut copied) = (None, 0);
        loop {
            let page = self.inner.shared.read(|conn| store::file::page(conn, after, STEP))?;
            let Some(last) = page.last() else { return Ok(copied) };
            after = Some(last.hash);
            for row in page {
                copied += u64::from(self.copy_file(&row, to)?);
                progress(copied);
            }
        }
    }

    fn copy_file(&self, row: &FileRow, to: &Path) -> Result<bool, Error> {
        let place = to.join(Piece::Original.place(row.hash));
        if fs::metadata(&place).is_ok_and(|about| about.len() == row.bytes) {
            return Ok(false);
        }
        let unwritten = |cause: std::io::Error| {
            Error::new(ErrorKind::Storage, "无法写入备份目录", "the backup folder cannot be written")
                .caused_by(cause)
        };
        let folder = place.parent().unwrap_or(to);
        fs::create_dir_all(folder).map_err(unwritten)?;
        let partial = place.with_extension("partial");
        let mut file = File::create(&partial).map_err(unwritten)?;
        let mut outcome = Ok(());
        let is_there = self.inner.vault.read(Piece::Original, row.hash, (0, row.bytes), &mut |block| {
            outcome = std::io::Write::write_all(&mut file, &block);
            outcome.is_ok()
        })?;
        outcome.and_then(|()| file.sync_all()).map_err(unwritten)?;
        if is_there {
            fs::rename(&partial, &place).map_err(unwritten)?;
        } else {
            // A file that is listed and not there is for verify to say.
            fs::remove_file(&partial).map_err(unwritten)?;
        }
        Ok(is_there)
    }
}
