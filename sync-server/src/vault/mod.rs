//! The bytes of files that records name: parts that are arriving, whole files by hash, thumbnails.
//!
//! Receives bytes in blocks and hands them back; blocking. A part grows on the local disk however slowly its bytes
//! come and survives the process; a whole file lies in a directory tree by hash, or in an object store. Nothing is
//! reported as written before it is on disk. Forbids HTTP, SQL, and any idea of who may read what.

mod bucket;
mod parts;
mod tree;

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::id::{DeviceId, FileHash};

pub use bucket::BucketOptions;
pub use parts::{Part, PartFailure};

use bucket::Bucket;
use parts::Parts;
use tree::Tree;

/// Bytes that are read or written at a time.
pub const BLOCK_BYTES: usize = 256 * 1024;

/// Where whole files lie.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum VaultOptions {
    /// In a directory tree below the data directory.
    #[default]
    Directory,
    /// In a bucket of an S3-compatible store.
    Bucket(BucketOptions),
}

/// What is kept of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Piece {
    /// Its bytes.
    Original,
    /// Its thumbnail.
    Thumbnail,
}

impl Piece {
    /// The folder, or the beginning of the key, under which the pieces lie.
    pub(crate) const fn folder(self) -> &'static str {
        match self {
            Self::Original => "originals",
            Self::Thumbnail => "thumbnails",
        }
    }

    /// Where the piece of a file lies, from the root of its store: two levels keep folders small.
    pub(crate) fn place(self, hash: FileHash) -> String {
        let name = hash.to_string();
        let (first, rest) = name.split_at(2);
        let (second, _) = rest.split_at(2);
        format!("{}/{first}/{second}/{name}", self.folder())
    }
}

/// The files of one branch.
#[derive(Debug)]
pub struct Vault {
    parts: Parts,
    shelf: Shelf,
}

#[derive(Debug)]
enum Shelf {
    Tree(Tree),
    Bucket(Bucket),
}

impl Vault {
    /// The files below a branch's data directory. Nothing is made before something arrives.
    ///
    /// # Errors
    /// `Invalid` when the settings of an object store are not usable.
    pub fn open(dir: &Path, options: &VaultOptions) -> Result<Self, Error> {
        let root = dir.join("files");
        let shelf = match options {
            VaultOptions::Directory => Shelf::Tree(Tree::new(root.clone())),
            VaultOptions::Bucket(options) => Shelf::Bucket(Bucket::open(options)?),
        };
        Ok(Self { parts: Parts::new(root.join("incoming")), shelf })
    }

    /// Bytes that have arrived of a file from a device; `None` where nothing was begun. Whoever still writes
    /// stops.
    ///
    /// # Errors
    /// `Storage` when the part cannot be looked at.
    pub fn received(&self, device: DeviceId, hash: FileHash, length: u64) -> Result<Option<u64>, Error> {
        self.parts.received(device, hash, length).map_err(|error| failed(&error))
    }

    /// Begins a part, or goes on with it: bytes are added at its end. Whoever still writes stops.
    ///
    /// # Errors
    /// `Full` or `Storage`.
    pub fn part(&self, device: DeviceId, hash: FileHash, length: u64) -> Result<Part, Error> {
        self.parts.take(device, hash, length).map_err(|error| failed(&error))
    }

    /// Parts that a device has begun: hash and length of each.
    ///
    /// # Errors
    /// `Storage` when they cannot be listed.
    pub fn parts_of(&self, device: DeviceId) -> Result<Vec<(FileHash, u64)>, Error> {
        self.parts.of(device).map_err(|error| failed(&error))
    }

    /// Takes a part away. Taking away what is not there is no error.
    ///
    /// # Errors
    /// `Storage` when it cannot be removed.
    pub fn drop_part(&self, device: DeviceId, hash: FileHash, length: u64) -> Result<(), Error> {
        self.parts.remove(device, hash, length).map_err(|error| failed(&error))
    }

    /// When a part ends if nothing more of it comes within `life`.
    #[must_use]
    pub fn part_ends(
        &self,
        device: DeviceId,
        hash: FileHash,
        length: u64,
        life: Duration,
    ) -> Option<SystemTime> {
        self.parts.touched(device, hash, length).and_then(|touched| touched.checked_add(life))
    }

    /// Takes away the parts of which nothing has come for `life`. Says how many.
    ///
    /// # Errors
    /// `Storage` when they cannot be listed.
    pub fn expire_parts(&self, life: Duration) -> Result<u64, Error> {
        self.parts.expire(life).map_err(|error| failed(&error))
    }

    /// SHA-256 of a part as it lies on the disk.
    ///
    /// # Errors
    /// `Storage` when it cannot be read.
    pub fn part_digest(&self, device: DeviceId, hash: FileHash, length: u64) -> Result<[u8; 32], Error> {
        self.parts.digest(device, hash, length).map_err(|error| failed(&error))
    }

    /// The first `bytes` of a part, fewer where it has no more.
    ///
    /// # Errors
    /// `Storage` when it cannot be read.
    pub fn part_head(
        &self,
        device: DeviceId,
        hash: FileHash,
        length: u64,
        bytes: u64,
    ) -> Result<Vec<u8>, Error> {
        self.parts.head(device, hash, length, bytes).map_err(|error| failed(&error))
    }

    /// Makes a complete part a whole file; the part stays until it is dropped. The file is on disk when this
    /// returns, or the store has confirmed it.
    ///
    /// # Errors
    /// `Full` or `Storage`.
    pub fn place(&self, device: DeviceId, hash: FileHash, length: u64) -> Result<(), Error> {
        let part = self.parts.path(device, hash, length);
        match &self.shelf {
            Shelf::Tree(tree) => tree.place(&part, hash).map_err(|error| failed(&error)),
            Shelf::Bucket(bucket) => bucket.place(&part, hash, length),
        }
    }

    /// Writes a piece that is made here.
    ///
    /// # Errors
    /// `Full` or `Storage`.
    pub fn put(&self, piece: Piece, hash: FileHash, bytes: Vec<u8>) -> Result<(), Error> {
        match &self.shelf {
            Shelf::Tree(tree) => tree.put(piece, hash, &bytes).map_err(|error| failed(&error)),
            Shelf::Bucket(bucket) => bucket.put(piece, hash, bytes),
        }
    }

    /// The size of a piece; `None` where there is none.
    ///
    /// # Errors
    /// `Storage` when it cannot be looked at.
    pub fn size(&self, piece: Piece, hash: FileHash) -> Result<Option<u64>, Error> {
        match &self.shelf {
            Shelf::Tree(tree) => tree.size(piece, hash).map_err(|error| failed(&error)),
            Shelf::Bucket(bucket) => bucket.size(piece, hash),
        }
    }

    /// Hands out a part of a piece block by block until `block` returns false; false where there is none.
    ///
    /// # Errors
    /// `Storage` when it cannot be read, or ends early.
    pub fn read(
        &self,
        piece: Piece,
        hash: FileHash,
        (from, to): (u64, u64),
        block: &mut dyn FnMut(Vec<u8>) -> bool,
    ) -> Result<bool, Error> {
        match &self.shelf {
            Shelf::Tree(tree) => tree.read(piece, hash, (from, to), block).map_err(|error| failed(&error)),
            Shelf::Bucket(bucket) => bucket.read(piece, hash, (from, to), block),
        }
    }

    /// A whole piece in memory; `None` where there is none.
    ///
    /// # Errors
    /// `Storage` when it cannot be read.
    pub fn whole(&self, piece: Piece, hash: FileHash) -> Result<Option<Vec<u8>>, Error> {
        let Some(size) = self.size(piece, hash)? else { return Ok(None) };
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or(0));
        let is_there = self.read(piece, hash, (0, size), &mut |block| {
            bytes.extend_from_slice(&block);
            true
        })?;
        Ok(is_there.then_some(bytes))
    }

    /// Takes a file and its thumbnail away. Taking away what is not there is no error.
    ///
    /// # Errors
    /// `Storage` when it cannot be removed.
    pub fn remove(&self, hash: FileHash) -> Result<(), Error> {
        for piece in [Piece::Thumbnail, Piece::Original] {
            match &self.shelf {
                Shelf::Tree(tree) => tree.remove(piece, hash).map_err(|error| failed(&error))?,
                Shelf::Bucket(bucket) => bucket.remove(piece, hash)?,
            }
        }
        Ok(())
    }

    /// Sets a damaged file aside, so that it can be given again. In an object store it is overwritten then.
    ///
    /// # Errors
    /// `Storage` when it cannot be renamed.
    pub fn set_aside(&self, hash: FileHash) -> Result<(), Error> {
        match &self.shelf {
            Shelf::Tree(tree) => tree.set_aside(hash).map_err(|error| failed(&error)),
            Shelf::Bucket(_) => Ok(()),
        }
    }

    /// Hands out every whole file with when it was written, in no particular order.
    ///
    /// # Errors
    /// `Storage` when they cannot be listed.
    pub fn each(&self, one: &mut dyn FnMut(FileHash, SystemTime) -> Result<(), Error>) -> Result<(), Error> {
        match &self.shelf {
            Shelf::Tree(tree) => tree.each(one),
            Shelf::Bucket(bucket) => bucket.each(one),
        }
    }

    /// The root of the directory tree; `None` for an object store, which has backups of its own.
    #[must_use]
    pub fn root(&self) -> Option<PathBuf> {
        match &self.shelf {
            Shelf::Tree(tree) => Some(tree.root().to_owned()),
            Shelf::Bucket(_) => None,
        }
    }
}

/// What went wrong with a file of the disk.
pub(crate) fn failed(error: &io::Error) -> Error {
    let said = io::Error::new(error.kind(), error.to_string());
    let made = if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
        Error::new(
            ErrorKind::Full,
            "服务器磁盘已满,文件没有保存;清理空间后会自动续传",
            "the server's disk is full and the file was not saved; free some space and the upload goes on",
        )
    } else {
        Error::new(ErrorKind::Storage, "读写照片文件失败", "reading or writing a file of the branch failed")
    };
    made.caused_by(said)
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest as _, Sha256};

    pub(super) struct Dir(pub(super) PathBuf);

    impl Dir {
        pub(super) fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("xunyuan-vault-{}-{name}", std::process::id()));
            let _ = std::fs::remove_dir_all(&path);
            Self(path)
        }
    }

    impl Drop for Dir {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const DEVICE: DeviceId = DeviceId([7; 16]);

    fn hash_of(bytes: &[u8]) -> FileHash {
        FileHash(Sha256::digest(bytes).into())
    }

    #[test]
    fn a_part_grows_across_openings_and_becomes_a_file() {
        let dir = Dir::new("grows");
        let bytes: Vec<u8> = (0..200_000_u32).map(|n| n.to_le_bytes()[0]).collect();
        let (hash, length) = (hash_of(&bytes), bytes.len() as u64);
        for piece in bytes.chunks(70_000) {
            // Each time a new process.
            let vault = Vault::open(&dir.0, &VaultOptions::Directory).unwrap();
            let mut part = vault.part(DEVICE, hash, length).unwrap();
            part.write(piece).unwrap();
            part.keep().unwrap();
        }
        let vault = Vault::open(&dir.0, &VaultOptions::Directory).unwrap();
        assert_eq!(vault.received(DEVICE, hash, length).unwrap(), Some(length));
        assert_eq!(vault.parts_of(DEVICE).unwrap(), [(hash, length)]);
        vault.place(DEVICE, hash, length).unwrap();
        vault.place(DEVICE, hash, length).unwrap();
        vault.drop_part(DEVICE, hash, length).unwrap();
        assert_eq!(vault.received(DEVICE, hash, length).unwrap(), None);
        assert_eq!(vault.whole(Piece::Original, hash).unwrap(), Some(bytes.clone()));
        let mut middle = Vec::new();
        let is_there = vault.read(Piece::Original, hash, (100, 70_100), &mut |block| {
            middle.extend(block);
            true
        });
        assert!(is_there.unwrap());
        assert_eq!(middle, bytes[100..70_100]);
        let mut all = Vec::new();
        vault
            .each(&mut |hash, _| {
                all.push(hash);
                Ok(())
            })
            .unwrap();
        assert_eq!(all, [hash]);
        vault.remove(hash).unwrap();
        vault.remove(hash).unwrap();
        assert_eq!(vault.size(Piece::Original, hash).unwrap(), None);
    }

    #[test]
    fn who_comes_later_takes_over_and_who_writes_too_much_is_stopped() {
        let dir = Dir::new("turn");
        let vault = Vault::open(&dir.0, &VaultOptions::Directory).unwrap();
        let hash = hash_of(b"abcdef");
        let mut stale = vault.part(DEVICE, hash, 6).unwrap();
        stale.write(b"abc").unwrap();
        let mut fresh = vault.part(DEVICE, hash, 6).unwrap();
        assert_eq!(fresh.received(), 3);
        assert!(matches!(stale.write(b"def"), Err(PartFailure::Overtaken)));
        assert!(matches!(fresh.write(b"defg"), Err(PartFailure::TooLong)));
        fresh.write(b"def").unwrap();
        assert_eq!(vault.received(DEVICE, hash, 6).unwrap(), Some(6));
        assert!(matches!(fresh.write(b""), Err(PartFailure::Overtaken)));
    }

    #[test]
    fn parts_end_when_nothing_more_comes() {
        let dir = Dir::new("expire");
        let vault = Vault::open(&dir.0, &VaultOptions::Directory).unwrap();
        assert_eq!(vault.expire_parts(Duration::ZERO).unwrap(), 0);
        let hash = hash_of(b"abc");
        vault.part(DEVICE, hash, 3).unwrap().write(b"a").unwrap();
        assert!(vault.part_ends(DEVICE, hash, 3, Duration::from_secs(9)).is_some());
        assert_eq!(vault.expire_parts(Duration::from_secs(3_600)).unwrap(), 0);
        assert_eq!(vault.expire_parts(Duration::ZERO).unwrap(), 1);
        assert_eq!(vault.received(DEVICE, hash, 3).unwrap(), None);
    }

    #[test]
    fn a_damaged_file_makes_room_and_is_kept() {
        let dir = Dir::new("aside");
        let vault = Vault::open(&dir.0, &VaultOptions::Directory).unwrap();
        let hash = hash_of(b"abc");
        vault.put(Piece::Original, hash, b"xyz".to_vec()).unwrap();
        vault.put(Piece::Thumbnail, hash, b"t".to_vec()).unwrap();
        vault.set_aside(hash).unwrap();
        assert_eq!(vault.size(Piece::Original, hash).unwrap(), None);
        assert_eq!(vault.whole(Piece::Thumbnail, hash).unwrap(), Some(b"t".to_vec()));
    }
}
