//! Files of records as one archive with a list.

use std::io::{self, Seek, Write};
use xunyuan_core::error::{Error, ErrorKind};
use xunyuan_core::media::{Packer, Packing};
use xunyuan_core::projection::{self, Filter, Row};
use xunyuan_core::rules::file::NamedFile;
use xunyuan_core::time::rfc3339;

use super::{FileShown, Hub};
use crate::vault::Piece;

/// Records that are read at a time.
const PAGE: u32 = 200;

/// What an archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Packed {
    /// Records that name files.
    pub records: u64,
    /// Files in the archive.
    pub files: u64,
    /// Files that are not here; the list names them.
    pub missing: u64,
}

impl Hub {
    /// Writes the files of the records that a filter lists, and that were listed within a span of time, as a ZIP with
    /// a list of what is in it and what is missing. Times are shown at an offset from UTC. `progress` hears the number
    /// of records looked at.
    ///
    /// # Errors
    /// `Storage` when reading or writing fails.
    pub fn pack_files(
        &self,
        filter: &Filter,
        (from_ms, to_ms): (i64, i64),
        utc_offset_min: i16,
        out: impl Write + Seek,
        mut progress: impl FnMut(u64),
    ) -> Result<Packed, Error> {
        let mut packer = Packer::new(out);
        let mut packed = Packed::default();
        let (mut filter, mut seen) = (Filter { limit: Some(PAGE), offset: 0, ..filter.clone() }, 0);
        loop {
            let rows = self.inner.shared.read(|conn| projection::list(conn, &filter))?;
            if rows.is_empty() {
                break;
            }
            filter.offset += PAGE;
            for row in &rows {
                seen += 1;
                progress(seen);
                if (from_ms..to_ms).contains(&row.listed_at_ms) {
                    packed.records += u64::from(self.pack_record(row, utc_offset_min, &mut packer)?);
                }
            }
        }
        (packed.files, packed.missing) = packer.finish().map_err(unwritten)?;
        Ok(packed)
    }

    /// True when the record names a file.
    fn pack_record(
        &self,
        row: &Row,
        utc_offset_min: i16,
        packer: &mut Packer<impl Write + Seek>,
    ) -> Result<bool, Error> {
        let shown = self.files_of(row.document)?;
        let catalog = self.catalog();
        for FileShown { named, is_here } in &shown {
            let NamedFile { key, file, by, at_ms } = named;
            let number = row.number.clone().or_else(|| row.temp_number.clone());
            let packing = Packing {
                record: row.document.to_string(),
                number,
                title: row.title.clone(),
                project: row.project.clone(),
                place: key.clone(),
                by: by.as_str().to_owned(),
                by_name: catalog.name_of(by),
                added_at: rfc3339(*at_ms, utc_offset_min),
                taken_at: file.taken_at_ms.map(|at_ms| rfc3339(at_ms, utc_offset_min)),
                sha256: file.hash.to_string(),
                bytes: file.bytes,
                media_type: file.media_type.clone(),
                file: None,
            };
            let mut failed = None;
            let write = |out: &mut dyn Write| {
                if !is_here {
                    return Ok(false);
                }
                match self.put_out(file.hash, out) {
                    Ok(written) => written,
                    Err(error) => {
                        failed = Some(error);
                        Err(io::Error::other("a file could not be read"))
                    }
                }
            };
            packer
                .add(file.hash, packing, write)
                .map_err(|cause| failed.unwrap_or_else(|| unwritten(cause)))?;
        }
        Ok(!shown.is_empty())
    }

    /// Puts the bytes of a file out; the inner result is that of writing.
    fn put_out(
        &self,
        hash: xunyuan_core::id::FileHash,
        out: &mut dyn Write,
    ) -> Result<io::Result<bool>, Error> {
        let vault = &self.inner.vault;
        let Some(size) = vault.size(Piece::Original, hash)? else { return Ok(Ok(false)) };
        let mut written = Ok(());
        let is_there = vault.read(Piece::Original, hash, (0, size), &mut |block| {
            written = out.write_all(&block);
            written.is_ok()
        })?;
        Ok(written.map(|()| is_there))
    }
}

fn unwritten(cause: io::Error) -> Error {
    Error::new(ErrorKind::Storage, "无法写入输出文件", "the output cannot be written").caused_by(cause)
}
