//! Which replica file the person means.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use xunyuan_ffi::place::replicas_in;

use crate::failure::Failure;

/// The data directory of the platform: `~/.local/share/xunyuan` on Linux.
///
/// # Errors
/// A usage failure when the system names no home directory.
pub(crate) fn data_dir() -> Result<PathBuf, Failure> {
    data_dir_of(|name| std::env::var_os(name)).ok_or_else(|| {
        Failure::invalid(
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
        Some(path) => Err(Failure::invalid(
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
        0 => Err(Failure::invalid(
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
            Err(Failure::invalid(
                "several_replicas",
                format!("有多个数据文件,请用 --replica 指明一个:{names}"),
                format!("there are several replica files, name one with --replica: {names}"),
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::exit_of;
    use std::fs;

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
        assert_eq!((failure.code(), exit_of(&failure)), ("several_replicas", 2));
        assert!(failure.sentences().0.contains("u.pt02.xunyuan"));
    }
}
