//! Where replica files are: their neighbours, free names, and what is set aside.

use std::fs;
use std::path::{Path, PathBuf};
use xunyuan_core::replica::Replica;
use xunyuan_core::sqlite::FileKey;

use crate::clock::Clock;
use crate::failure::{Failure, FailureKind};

/// The ending of a replica file.
pub const REPLICA_EXTENSION: &str = "xunyuan";
/// What lies beside a store under its name: SQLite's files, and the folder of photos.
const COMPANIONS: [&str; 4] = ["", "-wal", "-shm", PHOTOS_SUFFIX];
/// What the folder of a replica's photos is called after the replica.
pub(crate) const PHOTOS_SUFFIX: &str = ".photos";

/// Where a new replica file goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This very file.
    File(PathBuf),
    /// A file in this directory, named after the person.
    Dir(PathBuf),
}

impl Place {
    /// Proves that the place is free and can be written, before a link is used up.
    ///
    /// # Errors
    /// `Invalid` when the file exists, `Storage` when the directory cannot be written.
    pub fn prove(&self) -> Result<(), Failure> {
        let dir = match self {
            Self::Dir(dir) => dir.clone(),
            Self::File(file) if file.exists() => {
                return Err(Failure::invalid(
                    "file_exists",
                    format!("文件已存在,不会覆盖:{}", file.display()),
                    format!("the file exists and is not overwritten: {}", file.display()),
                ));
            }
            Self::File(file) => dir_of(file),
        };
        prove_writable(&dir).map_err(|error| {
            Failure::storage(
                "not_writable",
                format!("目录无法写入({error}):{};链接没有使用", dir.display()),
                format!(
                    "the directory cannot be written ({error}): {}; the link was not used",
                    dir.display()
                ),
            )
        })
    }

    /// The file for a person's replica.
    #[must_use]
    pub fn file(&self, user: &str, device_code: &str) -> PathBuf {
        match self {
            Self::File(file) => file.clone(),
            Self::Dir(dir) => free_name(dir, user, device_code),
        }
    }
}

fn prove_writable(dir: &Path) -> std::io::Result<()> {
    fs::create_dir_all(dir)?;
    let probe = dir.join(format!(".xunyuan-{}", std::process::id()));
    fs::write(&probe, b"")?;
    fs::remove_file(&probe)
}

/// Opens a replica file with its key, where it is encrypted. A damaged one is set aside, and the failure says
/// where.
///
/// # Errors
/// As [`Replica::open_with`].
pub fn open(file: &Path, key: Option<&FileKey>, clock: &Clock) -> Result<Replica, Failure> {
    Replica::open_with(file, key).map_err(|error| damaged(file, error.into(), clock))
}

/// The failure of a store that could not be used. A damaged replica file is set aside first, so that
/// nothing writes to it any more; nothing is ever deleted.
///
/// Files that do not end as replicas do are left alone: they may be somebody else's, or one that was
/// set aside before and is being rescued.
#[must_use]
pub fn damaged(file: &Path, failure: Failure, clock: &Clock) -> Failure {
    let is_replica = file.extension().is_some_and(|ending| ending == REPLICA_EXTENSION);
    if failure.kind() != FailureKind::Corrupt || !is_replica {
        return failure;
    }
    let (unix_ms, offset) = clock.read();
    let stamp = xunyuan_core::time::civil(unix_ms, offset).strftime("%Y%m%d-%H%M%S").to_string();
    match set_aside(file, &stamp) {
        Ok(aside) => {
            let aside = aside.display();
            failure.and(
                &format!(";已改名保存为 {aside},没有删除任何内容。请用新链接重新开通,并把该文件交给支持人员"),
                &format!("; it was set aside as {aside}, nothing was deleted. Enrol again with a new link and give that file to support"),
            )
        }
        Err(not_renamed) => not_renamed,
    }
}

/// The replica files of a directory, by name.
#[must_use]
pub fn replicas_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == REPLICA_EXTENSION) && path.is_file())
        .collect();
    found.sort();
    found
}

/// The directory that a file is in.
#[must_use]
pub fn dir_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(dir) if dir != Path::new("") => dir.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A free file name in `dir` for a person's replica: `u.pt01.xunyuan`, else with the device code.
fn free_name(dir: &Path, user: &str, device_code: &str) -> PathBuf {
    let plain = dir.join(format!("{user}.{REPLICA_EXTENSION}"));
    if !plain.exists() {
        return plain;
    }
    let mut candidate = dir.join(format!("{user}-{device_code}.{REPLICA_EXTENSION}"));
    let mut number = 2;
    while candidate.exists() {
        candidate = dir.join(format!("{user}-{device_code}-{number}.{REPLICA_EXTENSION}"));
        number += 1;
    }
    candidate
}

/// Renames a damaged replica file and what lies beside it under its name, so that nothing writes to it any
/// more and nothing in it is lost. `stamp` tells several apart, e.g. `20261123-090600`.
///
/// # Errors
/// `Storage` when the file system does not let it be renamed; it then stays where it was.
fn set_aside(file: &Path, stamp: &str) -> Result<PathBuf, Failure> {
    let mut aside = with_suffix(file, &format!(".damaged-{stamp}"));
    let mut number = 2;
    while aside.exists() {
        aside = with_suffix(file, &format!(".damaged-{stamp}-{number}"));
        number += 1;
    }
    for companion in COMPANIONS {
        let from = with_suffix(file, companion);
        if from.exists() {
            fs::rename(&from, with_suffix(&aside, companion)).map_err(|error| {
                Failure::storage(
                    "not_set_aside",
                    format!("数据文件已损坏,且无法改名({error}):{}", file.display()),
                    format!(
                        "the replica file is damaged and cannot be renamed ({error}): {}",
                        file.display()
                    ),
                )
            })?;
        }
    }
    Ok(aside)
}

/// The file with more at the end of its name.
#[must_use]
pub fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fresh_dir(name: &str) -> PathBuf {
        let dir = std::env::temp_dir().join(format!("xunyuan-place-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir_all(&dir).unwrap();
        dir
    }

    #[test]
    fn a_damaged_file_is_renamed_with_its_companions_and_never_overwrites() {
        let dir = fresh_dir("aside");
        let file = dir.join("u.pt01.xunyuan");
        for round in 0..2 {
            fs::write(&file, [round]).unwrap();
            fs::write(dir.join("u.pt01.xunyuan-wal"), [round]).unwrap();
            let aside = set_aside(&file, "20261123-090600").unwrap();
            assert!(!file.exists());
            assert_eq!(fs::read(&aside).unwrap(), [round]);
            assert_eq!(fs::read(with_suffix(&aside, "-wal")).unwrap(), [round]);
        }
        assert!(replicas_in(&dir).is_empty(), "a file set aside is no replica");
    }

    #[test]
    fn a_second_replica_of_one_person_takes_the_device_code() {
        let dir = fresh_dir("names");
        assert_eq!(free_name(&dir, "u.pt01", "A7"), dir.join("u.pt01.xunyuan"));
        fs::write(dir.join("u.pt01.xunyuan"), b"").unwrap();
        assert_eq!(free_name(&dir, "u.pt01", "A7"), dir.join("u.pt01-A7.xunyuan"));
    }
}
