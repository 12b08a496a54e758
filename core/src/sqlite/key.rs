//! The key of an encrypted file, and what it means when a file does not open with the one that was given.

use rusqlite::Connection;
use std::fmt;
use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use crate::error::{Error, ErrorKind};

/// The key that a file's pages are encrypted under: 32 random bytes, which the platform keeps in its keystore.
/// Its text form never shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct FileKey([u8; 32]);

impl FileKey {
    /// The key of these bytes.
    #[must_use]
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads a key from bytes of exactly the right length.
    ///
    /// # Errors
    /// `Invalid` when the length differs.
    pub fn from_slice(bytes: &[u8]) -> Result<Self, Error> {
        <[u8; 32]>::try_from(bytes).map(Self).map_err(|_| {
            Error::new(
                ErrorKind::Invalid,
                format!("密钥应为 32 字节,实际 {} 字节", bytes.len()),
                format!("a key of 32 bytes was expected, {} were given", bytes.len()),
            )
        })
    }

    /// Reads 64 hexadecimal digits; `None` for anything else.
    #[must_use]
    pub fn of_hex(text: &str) -> Option<Self> {
        let bytes = data_encoding::HEXLOWER_PERMISSIVE.decode(text.as_bytes()).ok()?;
        Self::from_slice(&bytes).ok()
    }

    /// The key as 64 lower-case hexadecimal digits, for a file that only its owner reads.
    #[must_use]
    pub fn to_hex(&self) -> String {
        data_encoding::HEXLOWER.encode(&self.0)
    }

    /// Lets a connection that has read nothing yet decrypt its file.
    pub(super) fn unlock(&self, connection: &Connection) -> Result<(), Error> {
        Ok(connection.pragma_update(None, "key", self.text())?)
    }

    /// As SQLite3 Multiple Ciphers takes a key that needs no derivation.
    pub(super) fn text(&self) -> String {
        format!("raw:{}", self.to_hex())
    }
}

impl fmt::Debug for FileKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FileKey")
    }
}

/// Why the first page of a file could not be read: a file that is no SQLite file to SQLite may be encrypted, or
/// not be, contrary to what the caller expects.
///
/// Nobody in this process holds the file then, so that it may be read beside SQLite.
pub(super) fn explain(error: Error, path: &Path, key: Option<&FileKey>) -> Error {
    if error.kind() != ErrorKind::Corrupt {
        return error;
    }
    let (zh, en) = match (Looks::of(path), key) {
        (Looks::Encrypted, None) => {
            ("数据文件已加密,需要密钥才能打开", "the data file is encrypted: it opens with its key only")
        }
        (Looks::Encrypted, Some(_)) => (
            "密钥不对,数据文件打不开(文件未改动;若密钥无误,则文件开头已损坏)",
            "this is not the key of the data file (the file is unchanged; if the key is right, its beginning is damaged)",
        ),
        (Looks::Plain, Some(_)) => (
            "数据文件没有加密,却给了密钥;请先加密,或不带密钥打开",
            "the data file is not encrypted but a key was given: encrypt it first, or open it without a key",
        ),
        (Looks::Plain | Looks::Foreign, _) => return error,
    };
    Error::new(ErrorKind::Key, zh, en).caused_by(error)
}

/// What the first bytes of a file look like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Looks {
    /// A SQLite file.
    Plain,
    /// An encrypted one: salt, then the few bytes that stay readable (page size, file format, 32 bytes of each
    /// page reserved, fixed fractions).
    Encrypted,
    /// Neither.
    Foreign,
}

impl Looks {
    fn of(path: &Path) -> Self {
        let mut first = [0; 24];
        let read = File::open(path).and_then(|mut file| file.read_exact(&mut first));
        match first {
            _ if read.is_err() => Self::Foreign,
            _ if first.starts_with(b"SQLite format 3\0") => Self::Plain,
            [.., _, _, _, _, 32, 64, 32, 32] => Self::Encrypted,
            _ => Self::Foreign,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{ONE, path};
    use super::super::{Sharing, open};
    use super::*;

    fn opened(path: &Path, key: Option<&FileKey>) -> Result<Connection, ErrorKind> {
        open(path, &[ONE], Sharing::Exclusive, key).map_err(|error| error.kind())
    }

    #[test]
    fn a_file_opens_with_its_own_key_only() {
        let file = path("key");
        let (key, other) = (FileKey::new([7; 32]), FileKey::new([8; 32]));
        let connection = opened(&file, Some(&key)).unwrap();
        connection.execute("INSERT INTO a (x) VALUES (5)", []).unwrap();
        drop(connection);
        let before = std::fs::read(&file).unwrap();
        assert_eq!(opened(&file, Some(&other)).unwrap_err(), ErrorKind::Key);
        assert_eq!(opened(&file, None).unwrap_err(), ErrorKind::Key);
        assert_eq!(std::fs::read(&file).unwrap(), before, "untouched");
        let again = opened(&file, Some(&key)).unwrap();
        let value: i64 = again.query_row("SELECT x FROM a", [], |row| row.get(0)).unwrap();
        assert_eq!(value, 5);
        assert_eq!(opened(&file, Some(&key)).unwrap_err(), ErrorKind::Busy);
    }

    #[test]
    fn a_key_for_a_plain_or_foreign_file_is_told_apart() {
        let file = path("plain");
        drop(opened(&file, None).unwrap());
        assert_eq!(opened(&file, Some(&FileKey::new([7; 32]))).unwrap_err(), ErrorKind::Key);
        drop(opened(&file, None).unwrap());
        std::fs::write(&file, vec![b'x'; 4096]).unwrap();
        assert_eq!(opened(&file, Some(&FileKey::new([7; 32]))).unwrap_err(), ErrorKind::Corrupt);
        assert_eq!(opened(&file, None).unwrap_err(), ErrorKind::Corrupt);
    }

    #[test]
    fn a_key_is_32_bytes_and_never_shown() {
        assert_eq!(FileKey::from_slice(&[7; 31]).unwrap_err().kind(), ErrorKind::Invalid);
        let key = FileKey::from_slice(&[7; 32]).unwrap();
        assert_eq!(format!("{key:?}"), "FileKey");
        assert_eq!(FileKey::of_hex(&key.to_hex()), Some(key.clone()));
        assert_eq!(FileKey::of_hex(&key.to_hex().replace("07", "0G")), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn what_spills_into_a_temporary_file_cannot_be_read() {
        let file = path("spill");
        let connection = opened(&file, Some(&FileKey::new([7; 32]))).unwrap();
        connection
            .execute_batch(
                "PRAGMA temp_store = FILE; CREATE TEMP TABLE spill (text TEXT); PRAGMA temp.cache_size = 5;
                 INSERT INTO spill
                   WITH RECURSIVE n (value) AS (VALUES (1) UNION ALL SELECT value + 1 FROM n WHERE value < 60000)
                   SELECT '地下二层消防栓' || value || hex(zeroblob(60)) FROM n;",
            )
            .unwrap();
        // Such files have no name any more, so they are looked for among the open ones.
        let open_files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let links: Vec<_> =
            open_files.filter_map(|one| Some((std::fs::read_link(one.path()).ok()?, one.path()))).collect();
        let temporary: Vec<Vec<u8>> = links
            .iter()
            .filter(|(to, _)| to.to_string_lossy().ends_with(" (deleted)"))
            .map(|(_, path)| std::fs::read(path).unwrap())
            .collect();
        assert!(temporary.iter().any(|bytes| bytes.len() > 100_000), "nothing spilled: {links:?}");
        let words = "消防栓".as_bytes();
        assert!(!temporary.iter().any(|bytes| bytes.windows(words.len()).any(|window| window == words)));
    }
}
