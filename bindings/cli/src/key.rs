//! The key file: what an encrypted replica opens with at a terminal, where no keystore of a phone is.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use xunyuan_core::replica::Replica;
use xunyuan_core::sqlite::FileKey;
use xunyuan_ffi::clock::Clock;
use xunyuan_ffi::place;

use crate::failure::{Failure, FailureKind};

/// The key that a person brings along, for the files that are encrypted.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyFile {
    path: Option<PathBuf>,
    key: Option<FileKey>,
}

impl KeyFile {
    /// The key in the named file; a file that is not there yet holds none.
    ///
    /// # Errors
    /// A usage failure when the file holds no key, a store failure when it cannot be read.
    pub(crate) fn named(path: Option<&Path>) -> Result<Self, Failure> {
        let key = match path.filter(|path| path.exists()) {
            Some(path) => Some(read(path)?),
            None => None,
        };
        Ok(Self { path: path.map(Path::to_owned), key })
    }

    /// The key, where there is one.
    pub(crate) const fn key(&self) -> Option<&FileKey> {
        self.key.as_ref()
    }

    /// The key; made of fresh random bytes where the file is not there yet.
    ///
    /// # Errors
    /// A usage failure when no file is named, a store failure when it cannot be written.
    pub(crate) fn key_or_made(&self, entropy: [u8; 32]) -> Result<FileKey, Failure> {
        match (&self.key, &self.path) {
            (Some(key), _) => Ok(key.clone()),
            (None, Some(path)) => made(path, entropy),
            (None, None) => Err(unnamed()),
        }
    }

    /// Opens a replica: with the key where it is encrypted, without it where it is not.
    ///
    /// # Errors
    /// As [`place::open`].
    pub(crate) fn open(&self, file: &Path, clock: &Clock) -> Result<Replica, Failure> {
        match place::open(file, None, clock) {
            Err(failure) if failure.kind() == FailureKind::Key && self.key.is_some() => {
                place::open(file, self.key(), clock)
            }
            Err(failure) if failure.kind() == FailureKind::Key => {
                Err(failure.and("(--key-file 或 XUNYUAN_KEY_FILE)", " (--key-file or XUNYUAN_KEY_FILE)"))
            }
            opened => opened,
        }
    }
}

/// The failure of a command that needs a key file and was given none.
pub(crate) fn unnamed() -> Failure {
    Failure::invalid(
        "key_file_unnamed",
        "请用 --key-file 或 XUNYUAN_KEY_FILE 指明密钥文件",
        "name a key file with --key-file or XUNYUAN_KEY_FILE",
    )
}

/// Reads a key: 64 hexadecimal digits, or 32 bytes as they are.
fn read(path: &Path) -> Result<FileKey, Failure> {
    let bytes = std::fs::read(path).map_err(|error| {
        Failure::storage(
            "key_file_unreadable",
            format!("无法读取密钥文件({error}):{}", path.display()),
            format!("the key file cannot be read ({error}): {}", path.display()),
        )
    })?;
    let digits = std::str::from_utf8(&bytes).map(str::trim).unwrap_or_default();
    FileKey::of_hex(digits).or_else(|| FileKey::from_slice(&bytes).ok()).ok_or_else(|| {
        Failure::invalid(
            "key_file_invalid",
            format!("密钥文件应为 64 个十六进制数字或 32 个字节:{}", path.display()),
            format!("a key file holds 64 hexadecimal digits or 32 bytes: {}", path.display()),
        )
    })
}

/// Makes a key file that only its owner can read; one that is there is never overwritten.
fn made(path: &Path, entropy: [u8; 32]) -> Result<FileKey, Failure> {
    let unwritable = |error: std::io::Error| {
        Failure::storage(
            "key_file_unwritable",
            format!("无法写入密钥文件({error}):{}", path.display()),
            format!("the key file cannot be written ({error}): {}", path.display()),
        )
    };
    let key = FileKey::new(entropy);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path).map_err(unwritable)?;
    writeln!(file, "{}", key.to_hex()).and_then(|()| file.sync_all()).map_err(unwritable)?;
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_file_is_made_once_and_read_in_both_forms() {
        let dir = std::env::temp_dir().join(format!("xunyuan-key-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        let path = dir.join("key");
        let key = KeyFile::named(Some(&path)).unwrap().key_or_made([7; 32]).unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(KeyFile::named(Some(&path)).unwrap().key(), Some(&key));
        assert_eq!(made(&path, [8; 32]).unwrap_err().code(), "key_file_unwritable", "never overwritten");
        std::fs::write(&path, [200; 32]).unwrap();
        assert_eq!(KeyFile::named(Some(&path)).unwrap().key(), Some(&FileKey::new([200; 32])));
        for wrong in [&b""[..], b"secret", &[b'g'; 64], &[b'0'; 63]] {
            std::fs::write(&path, wrong).unwrap();
            assert_eq!(KeyFile::named(Some(&path)).unwrap_err().code(), "key_file_invalid");
        }
        assert_eq!(KeyFile::default().key_or_made([7; 32]).unwrap_err().code(), "key_file_unnamed");
    }
}
