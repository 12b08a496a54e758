//! Where replica files are: the one to use, its neighbours, and what is set aside.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// The ending of a replica file.
pub(crate) const REPLICA_EXTENSION: &str = "xunyuan";
/// The files that SQLite keeps beside a store.
const COMPANIONS: [&str; 3] = ["", "-wal", "-shm"];

/// The data directory of the platform: `~/.local/share/xunyuan` on Linux.
///
/// # Errors
/// A usage failure when the system names no home directory.
pub(crate) fn data_dir() -> Result<PathBuf, Failure> {
    data_dir_of(|name| std::env::var_os(name)).ok_or_else(|| {
        Failure::usage(
            "no_data_dir",
            "系统没有主目录:请用 --replica 指明数据文件",
            "the system names no home directory: name the replica file with --replica",
        )
    })
}

fn data_dir_of(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let set = |name| variable(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let base = if cfg!(target_os = "windows") {
        set("LOCALAPPDATA")?
    } else if cfg!(target_os = "macos") {
        set("HOME")?.join("Library/Application Support")
    } else {
        set("XDG_DATA_HOME")
            .filter(|path| path.is_absolute())
            .or_else(|| Some(set("HOME")?.join(".local/share")))?
    };
    Some(base.join("xunyuan"))
}

/// The replica file that the person means: the named one, else the only one in the data directory.
///
/// # Errors
/// A usage failure when none or several could be meant, or the named one is not there.
pub(crate) fn replica_file(named: Option<&Path>) -> Result<PathBuf, Failure> {
    match named {
        Some(path) if path.is_file() => Ok(path.to_owned()),
        Some(path) => Err(Failure::usage(
            "replica_not_found",
            format!("没有这个数据文件:{}", path.display()),
            format!("there is no such replica file: {}", path.display()),
        )),
        None => only_replica(&data_dir()?),
    }
}

fn only_replica(dir: &Path) -> Result<PathBuf, Failure> {
    let mut found = replicas_in(dir);
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Failure::usage(
            "not_enrolled",
            format!("{} 里没有数据文件:请先用 xunyuan enroll 开通,或用 --replica 指明", dir.display()),
            format!(
                "no replica file in {}: enrol first (xunyuan enroll), or name one with --replica",
                dir.display()
            ),
        )),
        _ => {
            let names: Vec<String> = found.iter().map(|path| path.display().to_string()).collect();
            let names = names.join(" ");
            Err(Failure::usage(
                "several_replicas",
                format!("有多个数据文件,请用 --replica 指明一个:{names}"),
                format!("there are several replica files, name one with --replica: {names}"),
            ))
        }
    }
}

/// The replica files of a directory, by name.
pub(crate) fn replicas_in(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|ending| ending == REPLICA_EXTENSION) && path.is_file())
        .collect();
    found.sort();
    found
}

/// The directory that a file is in.
pub(crate) fn dir_of(file: &Path) -> PathBuf {
    match file.parent() {
        Some(dir) if dir != Path::new("") => dir.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// A free file name in `dir` for a person's replica: `u.pt01.xunyuan`, else with the device code.
pub(crate) fn free_name(dir: &Path, user: &str, device_code: &str) -> PathBuf {
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

/// Renames a damaged replica file and what SQLite keeps beside it, so that nothing writes to it any
/// more and nothing in it is lost. `stamp` tells several apart, e.g. `20261123-090600`.
///
/// # Errors
/// A store failure when the file system does not let it be renamed; it then stays where it was.
pub(crate) fn set_aside(file: &Path, stamp: &str) -> Result<PathBuf, Failure> {
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
                Failure::store(
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
pub(crate) fn with_suffix(file: &Path, suffix: &str) -> PathBuf {
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
    fn the_data_directory_follows_the_platform() {
        if cfg!(target_os = "linux") {
            let dir = |variables: &[(&str, &str)]| {
                data_dir_of(|name| variables.iter().find(|(k, _)| *k == name).map(|(_, v)| OsString::from(v)))
            };
            assert_eq!(dir(&[("HOME", "/home/a")]), Some(PathBuf::from("/home/a/.local/share/xunyuan")));
            assert_eq!(dir(&[("HOME", "/h"), ("XDG_DATA_HOME", "/d")]), Some(PathBuf::from("/d/xunyuan")));
            assert_eq!(dir(&[]), None);
        }
    }

    #[test]
    fn one_replica_is_found_and_several_are_asked_about() {
        let dir = fresh_dir("several");
        assert_eq!(only_replica(&dir).unwrap_err().code(), "not_enrolled");
        fs::write(dir.join("u.pt01.xunyuan"), b"").unwrap();
        fs::write(dir.join("u.pt01.xunyuan-wal"), b"").unwrap();
        assert_eq!(only_replica(&dir).unwrap(), dir.join("u.pt01.xunyuan"));
        fs::write(dir.join("u.pt02.xunyuan"), b"").unwrap();
        let failure = only_replica(&dir).unwrap_err();
        assert_eq!((failure.code(), failure.exit()), ("several_replicas", 2));
        assert!(failure.sentences().0.contains("u.pt02.xunyuan"));
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
