//! Where the bytes lie: a folder beside the replica, files by hash.

use sha2::{Digest as _, Sha256};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use xunyuan_core::id::FileHash;

use crate::place::{PHOTOS_SUFFIX, with_suffix};

/// Bytes that are read at a time.
pub(super) const BLOCK_BYTES: usize = 256 * 1024;

/// The files beside one replica: `<replica>.photos/<sha256>`, thumbnails as `<sha256>.thumbnail`.
#[derive(Clone, Debug)]
pub struct Shelf {
    dir: PathBuf,
}

impl Shelf {
    /// The files beside a replica. Nothing is made before something is kept.
    #[must_use]
    pub fn beside(replica: &Path) -> Self {
        Self { dir: with_suffix(replica, PHOTOS_SUFFIX) }
    }

    /// Where the bytes of a file lie.
    #[must_use]
    pub fn original(&self, hash: FileHash) -> PathBuf {
        self.dir.join(hash.to_string())
    }

    /// Where the thumbnail of a file lies.
    #[must_use]
    pub fn thumbnail(&self, hash: FileHash) -> PathBuf {
        self.dir.join(format!("{hash}.thumbnail"))
    }

    /// Where a file lies that is being fetched.
    pub(super) fn partial(&self, hash: FileHash) -> PathBuf {
        self.dir.join(format!("{hash}.part"))
    }

    /// Writes the bytes of a file and its thumbnail; both are on disk under their names when this returns.
    ///
    /// # Errors
    /// What the disk says; a file that is half written has no name.
    pub fn keep(&self, hash: FileHash, bytes: &[u8], thumbnail: Option<&[u8]>) -> io::Result<()> {
        self.make()?;
        if let Some(thumbnail) = thumbnail {
            write(&self.thumbnail(hash), thumbnail)?;
        }
        write(&self.original(hash), bytes)?;
        File::open(&self.dir)?.sync_all()
    }

    /// Writes a thumbnail that came from the branch.
    pub(super) fn keep_thumbnail(&self, hash: FileHash, bytes: &[u8]) -> io::Result<()> {
        self.make()?;
        write(&self.thumbnail(hash), bytes)?;
        File::open(&self.dir)?.sync_all()
    }

    /// Opens a file that is being fetched, to go on at its end; says how much of it is here.
    pub(super) fn fetch_on(&self, hash: FileHash) -> io::Result<(File, u64)> {
        self.make()?;
        let file = OpenOptions::new().append(true).create(true).open(self.partial(hash))?;
        let length = file.metadata()?.len();
        Ok((file, length))
    }

    /// Names a fetched file for good when its bytes are those of its hash; otherwise it goes. True when it is here.
    pub(super) fn finish_fetch(&self, hash: FileHash) -> io::Result<bool> {
        let partial = self.partial(hash);
        if digest(&partial)? != hash.0 {
            fs::remove_file(&partial)?;
            return Ok(false);
        }
        File::open(&partial)?.sync_all()?;
        fs::rename(&partial, self.original(hash))?;
        File::open(&self.dir)?.sync_all()?;
        Ok(true)
    }

    /// True when the bytes that lie here are those of the hash.
    pub(super) fn is_sound(&self, hash: FileHash) -> io::Result<bool> {
        Ok(digest(&self.original(hash))? == hash.0)
    }

    /// Removes the bytes of a file, and its thumbnail where that is to go too.
    ///
    /// # Errors
    /// What the disk says; removing what is not there is no error.
    pub fn remove(&self, hash: FileHash, with_thumbnail: bool) -> io::Result<()> {
        gone(fs::remove_file(self.original(hash)))?;
        gone(fs::remove_file(self.partial(hash)))?;
        if with_thumbnail { gone(fs::remove_file(self.thumbnail(hash))) } else { Ok(()) }
    }

    /// Removes everything: the device was revoked.
    ///
    /// # Errors
    /// What the disk says.
    pub fn clear(&self) -> io::Result<()> {
        gone(fs::remove_dir_all(&self.dir))
    }

    /// Hashes of the files that lie here, and the names of what is left of writing.
    pub(super) fn contents(&self) -> io::Result<(Vec<FileHash>, Vec<PathBuf>)> {
        let (mut hashes, mut rest) = (Vec::new(), Vec::new());
        let entries = match fs::read_dir(&self.dir) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((hashes, rest)),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let path = entry?.path();
            let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
            let (stem, ending) = name.split_once('.').unwrap_or((name, ""));
            match (stem.parse(), ending) {
                (Ok(hash), "" | "thumbnail" | "part") => hashes.push(hash),
                _ => rest.push(path),
            }
        }
        hashes.sort_unstable();
        hashes.dedup();
        Ok((hashes, rest))
    }

    fn make(&self) -> io::Result<()> {
        if self.dir.is_dir() {
            return Ok(());
        }
        fs::create_dir_all(&self.dir)?;
        match self.dir.parent().filter(|above| !above.as_os_str().is_empty()) {
            Some(above) => File::open(above)?.sync_all(),
            None => Ok(()),
        }
    }
}

/// Writes a whole file or nothing under its name.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let fresh = path.with_extension("new");
    let written = (|| {
        let mut file = File::create(&fresh)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, path)
    })();
    if written.is_err() {
        // The disk may be full: what is half written must not keep it so.
        let _ = fs::remove_file(&fresh);
    }
    written
}

fn digest(path: &Path) -> io::Result<[u8; 32]> {
    let (mut file, mut digest, mut block) = (File::open(path)?, Sha256::new(), vec![0; BLOCK_BYTES]);
    loop {
        let count = file.read(&mut block)?;
        match block.get(..count) {
            Some(part) if !part.is_empty() => digest.update(part),
            _ => return Ok(digest.finalize().into()),
        }
    }
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shelf(name: &str) -> Shelf {
        let shelf =
            Shelf::beside(&std::env::temp_dir().join(format!("xunyuan-shelf-{}-{name}", std::process::id())));
        shelf.clear().unwrap();
        shelf
    }

    #[test]
    fn files_are_kept_whole_and_removed_with_or_without_their_thumbnail() {
        let shelf = shelf("keep");
        let hash = FileHash(Sha256::digest(b"photo").into());
        shelf.keep(hash, b"photo", Some(b"small")).unwrap();
        shelf.keep(hash, b"photo", Some(b"small")).unwrap();
        assert!(shelf.is_sound(hash).unwrap());
        assert_eq!(shelf.contents().unwrap(), (vec![hash], vec![]));
        shelf.remove(hash, false).unwrap();
        assert!(!shelf.original(hash).exists());
        assert!(shelf.thumbnail(hash).exists());
        shelf.remove(hash, true).unwrap();
        assert_eq!(shelf.contents().unwrap(), (vec![], vec![]));
        shelf.clear().unwrap();
        shelf.clear().unwrap();
    }

    #[test]
    fn a_fetched_file_is_named_only_when_it_is_the_right_one() {
        let shelf = shelf("fetch");
        let hash = FileHash(Sha256::digest(b"photo").into());
        let (mut file, length) = shelf.fetch_on(hash).unwrap();
        assert_eq!(length, 0);
        file.write_all(b"pho").unwrap();
        drop(file);
        let (mut file, length) = shelf.fetch_on(hash).unwrap();
        assert_eq!(length, 3);
        file.write_all(b"to").unwrap();
        assert!(shelf.finish_fetch(hash).unwrap());
        let (mut file, _) = shelf.fetch_on(hash).unwrap();
        file.write_all(b"another").unwrap();
        assert!(!shelf.finish_fetch(hash).unwrap());
        assert_eq!(fs::read(shelf.original(hash)).unwrap(), b"photo");
        shelf.clear().unwrap();
    }
}
