//! Whole files in a directory tree by hash, each written and named durably.

use std::fs::{self, File};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;
use xunyuan_core::error::Error;
use xunyuan_core::id::FileHash;

use super::parts::gone;
use super::{BLOCK_BYTES, Piece, failed};

/// A tree of files.
#[derive(Debug)]
pub(super) struct Tree {
    root: PathBuf,
    made: AtomicU64,
}

impl Tree {
    pub(super) const fn new(root: PathBuf) -> Self {
        Self { root, made: AtomicU64::new(0) }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    fn path(&self, piece: Piece, hash: FileHash) -> PathBuf {
        self.root.join(piece.place(hash))
    }

    /// A second name for a complete part, or a copy where the disk knows no second names.
    pub(super) fn place(&self, part: &Path, hash: FileHash) -> io::Result<()> {
        self.named(Piece::Original, hash, |fresh| {
            if fs::hard_link(part, fresh).is_err() {
                fs::copy(part, fresh)?;
                File::open(fresh)?.sync_all()?;
            }
            Ok(())
        })
    }

    pub(super) fn put(&self, piece: Piece, hash: FileHash, bytes: &[u8]) -> io::Result<()> {
        self.named(piece, hash, |fresh| {
            let mut file = File::create(fresh)?;
            file.write_all(bytes)?;
            file.sync_all()
        })
    }

    /// Has a file made under a name of its own, then names it for good.
    fn named(
        &self,
        piece: Piece,
        hash: FileHash,
        make: impl FnOnce(&Path) -> io::Result<()>,
    ) -> io::Result<()> {
        let path = self.path(piece, hash);
        let folder = path.parent().unwrap_or(&self.root);
        keep_folder(folder)?;
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let fresh = folder.join(format!(".{}-{number}", std::process::id()));
        gone(fs::remove_file(&fresh))?;
        let named = make(&fresh).and_then(|()| fs::rename(&fresh, &path));
        // Two names of one file: renaming one to the other leaves both.
        let cleared = gone(fs::remove_file(&fresh));
        named?;
        cleared?;
        File::open(folder)?.sync_all()
    }

    pub(super) fn size(&self, piece: Piece, hash: FileHash) -> io::Result<Option<u64>> {
        match fs::metadata(self.path(piece, hash)) {
            Ok(about) => Ok(Some(about.len())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) fn read(
        &self,
        piece: Piece,
        hash: FileHash,
        (from, to): (u64, u64),
        block: &mut dyn FnMut(Vec<u8>) -> bool,
    ) -> io::Result<bool> {
        let mut file = match File::open(self.path(piece, hash)) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(error),
        };
        file.seek(SeekFrom::Start(from))?;
        let mut left = to.saturating_sub(from);
        while left > 0 {
            let size = usize::try_from(left).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
            let mut bytes = vec![0; size];
            file.read_exact(&mut bytes)?;
            left -= size as u64;
            if !block(bytes) {
                break;
            }
        }
        Ok(true)
    }

    pub(super) fn remove(&self, piece: Piece, hash: FileHash) -> io::Result<()> {
        gone(fs::remove_file(self.path(piece, hash)))
    }

    pub(super) fn set_aside(&self, hash: FileHash) -> io::Result<()> {
        let path = self.path(Piece::Original, hash);
        gone(fs::rename(&path, path.with_extension("damaged")))
    }

    pub(super) fn each(
        &self,
        one: &mut dyn FnMut(FileHash, SystemTime) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let mut folders = vec![self.root.join(Piece::Original.folder())];
        while let Some(folder) = folders.pop() {
            let entries = match fs::read_dir(&folder) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(&error)),
            };
            for entry in entries {
                let entry = entry.map_err(|error| failed(&error))?;
                let about = entry.metadata().map_err(|error| failed(&error))?;
                if about.is_dir() {
                    folders.push(entry.path());
                } else if let Some(hash) = entry.file_name().to_str().and_then(|name| name.parse().ok()) {
                    one(hash, about.modified().map_err(|error| failed(&error))?)?;
                }
            }
        }
        Ok(())
    }
}

/// Makes a folder and those above it; each new name is on disk when this returns.
pub(super) fn keep_folder(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(above) = folder.parent() {
        keep_folder(above)?;
        match fs::create_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            made => made?,
        }
        return File::open(above)?.sync_all();
    }
    Ok(())
}
