//! Files of records as one ZIP with a list: what it holds, what is missing, and whose each file is.

use serde::Serialize;
use std::collections::BTreeMap;
use std::io::{self, Seek, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::kind::of_media_type;
use crate::id::FileHash;

/// The list's name in the archive.
const MANIFEST: &str = "manifest.json";
/// Longest part of a path, characters.
const NAME_CHARS_MAX: usize = 60;

/// A file as the list says it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Packing {
    /// Document id of the record.
    pub record: String,
    /// Its number, official or temporary.
    pub number: Option<String>,
    /// Title of its checklist or ledger, zh-CN.
    pub title: String,
    /// Its project.
    pub project: String,
    /// The register of the record that names the file.
    pub place: String,
    /// Who put it there.
    pub by: String,
    /// That person's name.
    pub by_name: String,
    /// Device time at which it was put there, RFC 3339.
    pub added_at: String,
    /// When it was taken, RFC 3339, where that is known.
    pub taken_at: Option<String>,
    /// SHA-256 of its bytes.
    pub sha256: String,
    /// Size, bytes, as its author said.
    pub bytes: u64,
    /// Media type, as its author said.
    pub media_type: String,
    /// Where it lies in the archive; none where it is missing.
    pub file: Option<String>,
}

/// An archive in the making.
pub struct Packer<W: Write + Seek> {
    zip: ZipWriter<W>,
    listed: Vec<Packing>,
    packed: BTreeMap<FileHash, String>,
}

impl<W: Write + Seek> Packer<W> {
    /// Begins an archive.
    pub fn new(out: W) -> Self {
        Self { zip: ZipWriter::new(out), listed: Vec::new(), packed: BTreeMap::new() }
    }

    /// Adds a file of a record. `write` puts its bytes out and says whether they are there; one that is in the
    /// archive already is named once more.
    ///
    /// # Errors
    /// What writing fails with.
    pub fn add(
        &mut self,
        hash: FileHash,
        mut packing: Packing,
        write: impl FnOnce(&mut dyn Write) -> io::Result<bool>,
    ) -> io::Result<()> {
        if let Some(path) = self.packed.get(&hash) {
            packing.file = Some(path.clone());
            self.listed.push(packing);
            return Ok(());
        }
        let path = path_of(&packing, self.listed.len() + 1);
        // Pictures are compressed already.
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        self.zip.start_file(path.as_str(), options)?;
        if write(&mut self.zip)? {
            self.packed.insert(hash, path.clone());
            packing.file = Some(path);
        } else {
            self.zip.abort_file()?;
        }
        self.listed.push(packing);
        Ok(())
    }

    /// Writes the list and ends the archive. Says how many files are in it and how many are missing.
    ///
    /// # Errors
    /// What writing fails with.
    pub fn finish(mut self) -> io::Result<(u64, u64)> {
        let list = serde_json::to_vec_pretty(&self.listed)?;
        let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        self.zip.start_file(MANIFEST, options)?;
        self.zip.write_all(&list)?;
        self.zip.finish()?.flush()?;
        let missing = self.listed.iter().filter(|packing| packing.file.is_none()).count() as u64;
        Ok((self.packed.len() as u64, missing))
    }
}

/// A path that no archiver can be tricked with: plain letters, digits, dots between them.
fn path_of(packing: &Packing, count: usize) -> String {
    let folder = plain(packing.number.as_deref().unwrap_or(&packing.record));
    let place = plain(packing.place.split('/').nth(1).unwrap_or("file"));
    let extension = of_media_type(&packing.media_type).map_or("bin", |kind| kind.extension);
    format!("{folder}/{count:04}-{place}.{extension}")
}

fn plain(text: &str) -> String {
    let safe = |c: char| if c.is_alphanumeric() || c == '-' || c == '.' { c } else { '_' };
    let name: String = text.chars().map(safe).take(NAME_CHARS_MAX).collect();
    let name = name.trim_matches('.').replace("..", "_");
    if name.is_empty() { "_".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Cursor, Read as _};

    fn packing(number: &str, place: &str) -> Packing {
        Packing {
            record: "00".to_owned(),
            number: Some(number.to_owned()),
            title: "前台台帐".to_owned(),
            project: "pj.lanyuan".to_owned(),
            place: place.to_owned(),
            by: "u.a".to_owned(),
            by_name: "王强".to_owned(),
            added_at: "2026-11-23T09:14:00+08:00".to_owned(),
            taken_at: None,
            sha256: "00".to_owned(),
            bytes: 3,
            media_type: "image/jpeg".to_owned(),
            file: None,
        }
    }

    #[test]
    fn an_archive_holds_files_and_says_what_is_missing() {
        let mut bytes = Cursor::new(Vec::new());
        let mut packer = Packer::new(&mut bytes);
        let here = |out: &mut dyn Write| out.write_all(b"abc").map(|()| true);
        packer.add(FileHash([1; 32]), packing("QT-LY-1", "photo/pp.fire.06/x"), here).unwrap();
        packer.add(FileHash([1; 32]), packing("QT-LY-2", "set/photos/x"), here).unwrap();
        packer.add(FileHash([2; 32]), packing("QT-LY-2", "set/photos/y"), |_| Ok(false)).unwrap();
        packer.add(FileHash([3; 32]), packing("../../etc", "set/../x"), here).unwrap();
        assert_eq!(packer.finish().unwrap(), (2, 1));
        let mut archive = zip::ZipArchive::new(bytes).unwrap();
        let names: Vec<String> = archive.file_names().map(|name| name.unwrap().into_owned()).collect();
        assert_eq!(names, ["QT-LY-1/0001-pp.fire.06.jpg", "___etc/0004-_.jpg", "manifest.json"]);
        let mut list = String::new();
        archive.by_name("manifest.json").unwrap().read_to_string(&mut list).unwrap();
        let list: serde_json::Value = serde_json::from_str(&list).unwrap();
        assert_eq!(list[1]["file"], "QT-LY-1/0001-pp.fire.06.jpg");
        assert_eq!(list[2]["file"], serde_json::Value::Null);
    }
}
