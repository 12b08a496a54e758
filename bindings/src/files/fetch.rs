//! Files from the branch: thumbnails as the organisation wants them, originals when somebody asks for one.

use std::io::{Read as _, Write as _};
use xunyuan_core::error::Refusal;
use xunyuan_core::replica::FileNote;
use xunyuan_core::store::files::FileRow;

use super::courier::{Run, Stop};
use super::shelf::BLOCK_BYTES;
use crate::net::Method;

/// Largest thumbnail that is taken, bytes.
const THUMBNAIL_BYTES_MAX: u64 = 512 * 1024;
/// Times that a line may break in a row without a byte having moved.
const BREAKS_MAX: u32 = 3;

impl Run<'_, '_> {
    pub(super) fn fetch_all(&mut self) -> Result<(), Stop> {
        for row in self.with(|replica, _| replica.files_to_fetch())? {
            self.may_go_on()?;
            self.fetch(&row)?;
        }
        for row in self.with(|replica, moment| replica.thumbnails_to_fetch(moment))? {
            self.may_go_on()?;
            self.fetch_thumbnail(&row)?;
        }
        Ok(())
    }

    fn fetch_thumbnail(&mut self, row: &FileRow) -> Result<(), Stop> {
        let path = format!("/v1/files/{}/thumbnail", row.hash);
        let receipt = self.way.carry(Method::GET, &path, Vec::new(), None).map_err(Stop::Failed)?;
        match receipt.status {
            200 => {
                let bytes = receipt.bytes(THUMBNAIL_BYTES_MAX).map_err(Stop::Failed)?;
                let kept = self.shelf.keep_thumbnail(row.hash, &bytes);
                kept.map_err(|error| super::capture::not_kept(&error))?;
                self.carried.thumbnails += 1;
                self.carried.bytes_received += bytes.len() as u64;
                self.note(row.hash, FileNote::ThumbnailHere)
            }
            404 => {
                let failed = receipt.failure();
                let is_none = failed.failure.code() == "no_thumbnail";
                self.note(row.hash, if is_none { FileNote::NoThumbnail } else { FileNote::Failed })
            }
            _ => Err(Stop::Failed(receipt.failure())),
        }
    }

    /// Fetches an original, on from what is here of it.
    fn fetch(&mut self, row: &FileRow) -> Result<(), Stop> {
        let mut breaks = 0;
        loop {
            self.may_go_on()?;
            let disk = |error: std::io::Error| Stop::from(super::capture::not_kept(&error));
            let (mut file, at) = self.shelf.fetch_on(row.hash).map_err(disk)?;
            let headers = vec![("Range", format!("bytes={at}-"))];
            let path = format!("/v1/files/{}", row.hash);
            let receipt = match self.way.carry(Method::GET, &path, headers, None) {
                Ok(receipt) => receipt,
                Err(failed) if breaks >= BREAKS_MAX => return Err(Stop::Failed(failed)),
                Err(_) => {
                    breaks += 1;
                    continue;
                }
            };
            match receipt.status {
                206 => {}
                200 => file.set_len(0).map_err(disk)?,
                // All of it is here already.
                416 => return self.fetched(row),
                404 => return self.note(row.hash, FileNote::Refused(not_there())),
                _ => return Err(Stop::Failed(receipt.failure())),
            }
            let (mut reader, mut block, mut count) = (receipt.reader(), vec![0; BLOCK_BYTES], 0_u64);
            let is_whole = loop {
                match reader.read(&mut block) {
                    Ok(0) => break true,
                    Ok(read) => {
                        file.write_all(block.get(..read).unwrap_or_default()).map_err(disk)?;
                        count += read as u64;
                    }
                    Err(_) => break false,
                }
            };
            self.carried.bytes_received += count;
            if is_whole {
                return self.fetched(row);
            }
            breaks = if count > 0 { 0 } else { breaks + 1 };
            if breaks > BREAKS_MAX {
                return self.note(row.hash, FileNote::Failed);
            }
        }
    }

    fn fetched(&mut self, row: &FileRow) -> Result<(), Stop> {
        let is_here = self.shelf.finish_fetch(row.hash);
        if is_here.map_err(|error| super::capture::not_kept(&error))? {
            self.carried.fetched += 1;
            self.note(row.hash, FileNote::Here)
        } else {
            self.note(row.hash, FileNote::Failed)
        }
    }
}

/// The refusal of a file that the branch does not hand out.
fn not_there() -> Refusal {
    Refusal::new(
        "file_not_there",
        "分公司还没有这个文件,或无权查看",
        "the branch does not have this file yet, or it may not be read",
    )
}
