//! Giving a file another key: encrypting a plain one, decrypting it, or changing from one key to another.
//!
//! A copy is made beside the file, given the new key, proven and put in the file's place in one step. Whoever
//! kills the process leaves either the file as it was or the finished one; the unfinished copy goes at the
//! next opening.

use rusqlite::Connection;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use super::key::{FileKey, explain};
use super::{Sharing, begun};
use crate::error::{Error, ErrorKind};

/// The ending of the unfinished copy.
const PART: &str = "-recoding";

/// Has a file that nobody holds open encrypted under `to` instead of `from`; `None` is no encryption.
///
/// # Errors
/// `Busy` when it is open, `Key` when `from` does not fit, `Full` when there is no room for a copy, `Corrupt`
/// when it is damaged. The file is then as it was.
pub fn recode(path: &Path, from: Option<&FileKey>, to: Option<&FileKey>) -> Result<(), Error> {
    let source = begun(path, Sharing::Exclusive, from).map_err(|error| explain(error, path, from))?;
    // Everything is in the one file then, and it is held until it has been replaced.
    let journal: String = source.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get(0))?;
    if journal != "delete" {
        return Err(held());
    }
    clear(path);
    let part = beside(path, PART);
    let made = copy(&source, &part, from, to).and_then(|()| {
        File::open(&part).and_then(|file| file.sync_all()).map_err(unwritten)?;
        fs::rename(&part, path).map_err(unwritten)?;
        sync_folder(path);
        Ok(())
    });
    if made.is_err() {
        clear(path);
    }
    made
}

/// Removes what an unfinished recoding left beside a file; nothing else ever bears these names.
pub(super) fn clear(path: &Path) {
    for ending in ["", "-journal", "-wal", "-shm"] {
        // It is not there, as a rule.
        let _ = fs::remove_file(beside(path, &format!("{PART}{ending}")));
    }
}

/// Writes everything that `source` holds to a new file under another key, and proves it.
fn copy(source: &Connection, part: &Path, from: Option<&FileKey>, to: Option<&FileKey>) -> Result<(), Error> {
    let name = part.to_str().ok_or_else(|| {
        Error::new(
            ErrorKind::Invalid,
            "文件路径不是有效的文字,无法加密",
            "the path of the file is no valid text; it cannot be encrypted there",
        )
    })?;
    // The copy comes under the source's key; what was deleted stays behind.
    source.execute("VACUUM INTO ?1", [name])?;
    let copied = begun(part, Sharing::Exclusive, from)?;
    copied.pragma_update(None, "rekey", to.map(FileKey::text).unwrap_or_default())?;
    drop(copied);
    let proven = begun(part, Sharing::Exclusive, to)?;
    let sound: String = proven.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if sound != "ok" || counts(source)? != counts(&proven)? {
        return Err(Error::new(
            ErrorKind::Corrupt,
            "数据文件的内容核对不上,没有更换密钥;文件未改动",
            "the copy of the data file does not hold the same; the key was not changed and the file is as it was",
        ));
    }
    Ok(())
}

/// The schema's version and the rows of every table.
fn counts(connection: &Connection) -> Result<Vec<(String, i64)>, Error> {
    let taken: i64 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    // Virtual tables have no pages of their own; those below them are counted.
    let mut tables = connection
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY name")?;
    let names: Vec<String> = tables.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    let mut counted = vec![(String::new(), taken)];
    for name in names {
        let count =
            connection.query_row(&format!("SELECT count(*) FROM \"{name}\""), [], |row| row.get(0))?;
        counted.push((name, count));
    }
    Ok(counted)
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Makes the new name durable, where the system can do that for a folder.
fn sync_folder(path: &Path) {
    let folder = path.parent().filter(|folder| *folder != Path::new("")).unwrap_or_else(|| Path::new("."));
    if let Ok(folder) = File::open(folder) {
        let _ = folder.sync_all();
    }
}

fn held() -> Error {
    Error::new(
        ErrorKind::Busy,
        "数据文件正被使用,无法更换密钥;请关闭后重试",
        "the data file is in use and its key cannot be changed; close it and try again",
    )
}

fn unwritten(cause: std::io::Error) -> Error {
    let error = if cause.kind() == std::io::ErrorKind::StorageFull {
        Error::new(
            ErrorKind::Full,
            "磁盘已满:没有更换密钥,文件未改动",
            "the disk is full: the key was not changed and the file is as it was",
        )
    } else {
        Error::new(
            ErrorKind::Storage,
            "无法写入新的数据文件:没有更换密钥,文件未改动",
            "the new data file cannot be written: the key was not changed and the file is as it was",
        )
    };
    error.caused_by(cause)
}

#[cfg(test)]
mod tests {
    use super::super::open;
    use super::super::tests::{ONE, path};
    use super::*;

    const WORDS: &str = "三号楼地下室漏水";
    const FULL_TEXT: &str = "CREATE VIRTUAL TABLE words USING fts5 (text, tokenize = 'trigram');";

    fn read(connection: &Connection) -> (i64, String) {
        let count = connection.query_row("SELECT count(*) FROM a", [], |row| row.get(0)).unwrap();
        let found = connection
            .query_row("SELECT text FROM words WHERE words MATCH '地下室'", [], |row| row.get(0));
        (count, found.unwrap())
    }

    /// True when any file of the folder holds the words as they are.
    fn is_readable(file: &Path) -> bool {
        let folder = fs::read_dir(file.parent().unwrap()).unwrap();
        folder
            .map(|one| fs::read(one.unwrap().path()).unwrap())
            .any(|bytes| bytes.windows(WORDS.len()).any(|window| window == WORDS.as_bytes()))
    }

    #[test]
    fn the_key_changes_and_everything_stays() {
        let file = path("recode");
        let (one, two) = (FileKey::new([1; 32]), FileKey::new([2; 32]));
        let opened = |key| open(&file, &[ONE, FULL_TEXT], Sharing::Exclusive, key).unwrap();
        let connection = opened(None);
        connection.execute("INSERT INTO words (text) VALUES (?1)", [WORDS]).unwrap();
        let many = "WITH RECURSIVE n (x) AS (VALUES (0) UNION ALL SELECT x + 1 FROM n WHERE x < 499)";
        connection.execute(&format!("INSERT INTO a (x) {many} SELECT x FROM n"), []).unwrap();
        assert_eq!(recode(&file, None, Some(&one)).unwrap_err().kind(), ErrorKind::Busy);
        drop(connection);
        let held = read(&opened(None));
        assert!(is_readable(&file));
        let mut from = None;
        for to in [Some(&one), Some(&two), None, Some(&two)] {
            recode(&file, from, to).unwrap();
            let connection = opened(to);
            assert_eq!(read(&connection), held);
            // What is in the write-ahead log counts too.
            connection.execute("UPDATE words SET text = text", []).unwrap();
            assert_eq!(is_readable(&file), to.is_none(), "{to:?}");
            from = to;
        }
        assert_eq!(recode(&file, Some(&one), None).unwrap_err().kind(), ErrorKind::Key);
        assert_eq!(read(&opened(Some(&two))), held);
    }

    #[test]
    fn what_an_unfinished_recoding_left_goes_at_the_next_opening() {
        let file = path("unfinished");
        drop(open(&file, &[ONE], Sharing::Exclusive, None).unwrap());
        for ending in ["", "-journal"] {
            fs::write(beside(&file, &format!("{PART}{ending}")), WORDS).unwrap();
        }
        drop(open(&file, &[ONE], Sharing::Exclusive, None).unwrap());
        assert!(!is_readable(&file));
    }

    #[test]
    fn a_file_of_another_program_is_left_alone() {
        let file = path("foreign");
        let other = Connection::open(&file).unwrap();
        other.execute_batch("CREATE TABLE t (x); PRAGMA user_version = 3;").unwrap();
        drop(other);
        let before = fs::read(&file).unwrap();
        assert_eq!(recode(&file, None, Some(&FileKey::new([1; 32]))).unwrap_err().kind(), ErrorKind::Corrupt);
        assert_eq!(fs::read(&file).unwrap(), before);
    }
}
