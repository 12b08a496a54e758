//! One file to the branch, by the tus protocol: in pieces, each with its checksum, from where the branch is.

use data_encoding::BASE64;
use sha2::{Digest as _, Sha256};
use std::fs::File;
use std::io::{self, Read as _, Seek as _, SeekFrom};
use std::time::{Duration, Instant};
use xunyuan_core::error::Refusal;
use xunyuan_core::replica::FileNote;
use xunyuan_core::store::files::FileRow;

use super::courier::Stop;
use super::lanes::{Lane, Told};
use super::shelf::BLOCK_BYTES;
use crate::failure::FailureKind;
use crate::net::{CarryFailure, Method, Receipt};

/// Bytes of the first piece of a run.
pub(super) const PIECE_FIRST: u64 = 1024 * 1024;
/// Fewest and most bytes of a piece.
const PIECE: (u64, u64) = (128 * 1024, 8 * 1024 * 1024);
/// How long a piece should take: long enough that asking costs little, short enough that a dead line is noticed.
const PIECE_TIME: Duration = Duration::from_secs(8);
/// Times that a line may break in a row without a byte having moved.
const BREAKS_MAX: u32 = 3;
/// Pause before a broken line is taken up again.
const BREAK_PAUSE: Duration = Duration::from_millis(200);
/// Times that a file may arrive damaged before it is left for later.
const DAMAGES_MAX: u32 = 3;
/// Answers in one upload, whatever they say: no answer may keep a run going for ever.
const STEPS_MAX: u32 = 10_000;

const TUS: (&str, &str) = ("Tus-Resumable", "1.0.0");

/// Where an upload is.
struct Upload<'f> {
    row: &'f FileRow,
    file: File,
    /// Bytes that the branch has.
    at: u64,
    /// False until the branch has said that it knows the upload.
    is_begun: bool,
    breaks: u32,
    damages: u32,
}

impl Lane<'_> {
    /// Sends one file. What is wrong with the file is its outcome; what is wrong with the line is an error.
    pub(super) fn send(&mut self, row: &FileRow) -> Result<FileNote, Stop> {
        let Ok(file) = File::open(self.shelf.original(row.hash)) else {
            return Ok(FileNote::Refused(not_here()));
        };
        if file.metadata().is_ok_and(|about| about.len() != row.bytes) {
            return Ok(FileNote::Refused(damaged_here()));
        }
        let mut upload = Upload { row, file, at: row.sent, is_begun: row.sent > 0, breaks: 0, damages: 0 };
        for _ in 0..STEPS_MAX {
            self.may_go_on()?;
            let before = upload.at;
            match self.piece(&mut upload) {
                Ok(receipt) => {
                    if let Some(note) = self.judge(&mut upload, receipt)? {
                        return Ok(note);
                    }
                }
                Err(broken) => self.take_up(&mut upload, broken)?,
            }
            if upload.at > before {
                upload.breaks = 0;
                let left = row.bytes.saturating_sub(upload.at);
                self.tell(Told::Sent { hash: row.hash, at: upload.at, left });
            }
        }
        Ok(FileNote::Failed)
    }

    /// Sends the next piece, or begins.
    fn piece(&mut self, upload: &mut Upload<'_>) -> Result<Receipt, CarryFailure> {
        let length = upload.row.bytes;
        let size = self.piece.min(length - upload.at);
        let mut headers = vec![(TUS.0, TUS.1.to_owned())];
        if !upload.is_begun && upload.breaks > 0 {
            // The line broke before the branch could say why: ask alone.
            headers.extend(naming(upload.row));
            return self.way.carry(Method::POST, "/v1/files", headers, None);
        }
        // All of a file has the sum that is its name.
        let is_all = size == length;
        let sum = if is_all { Ok(upload.row.hash.0) } else { checksum(&mut upload.file, upload.at, size) };
        let sum = sum.map_err(|error| unread(&error))?;
        headers.push(("Content-Type", "application/offset+octet-stream".to_owned()));
        headers.push(("Upload-Checksum", format!("sha256 {}", BASE64.encode(&sum))));
        let (method, path) = if upload.is_begun {
            headers.push(("Upload-Offset", upload.at.to_string()));
            (Method::PATCH, location(upload.row))
        } else {
            headers.extend(naming(upload.row));
            (Method::POST, "/v1/files".to_owned())
        };
        if let Err(error) = upload.file.seek(SeekFrom::Start(upload.at)) {
            return Err(unread(&error));
        }
        let began = Instant::now();
        let mut counted = Counted { file: (&upload.file).take(size), count: 0 };
        let answer = self.way.carry(method, &path, headers, Some((&mut counted, size)));
        self.tell(Told::Left(counted.count));
        if answer.is_ok() {
            self.pace(size, began.elapsed());
        } else {
            self.piece = (self.piece / 2).max(PIECE.0);
        }
        answer
    }

    /// Chooses the next piece by what the line took.
    fn pace(&mut self, bytes: u64, took: Duration) {
        let ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX).max(1);
        let wanted = u64::try_from(PIECE_TIME.as_millis()).unwrap_or(u64::MAX);
        let fits = bytes.saturating_mul(wanted) / ms;
        self.piece = fits.clamp(PIECE.0, PIECE.1);
    }

    /// What an answer means for the file; none while there is more to send.
    fn judge(&mut self, upload: &mut Upload<'_>, receipt: Receipt) -> Result<Option<FileNote>, Stop> {
        let offset = receipt.number("upload-offset");
        match receipt.status {
            200 | 201 | 204 => {
                upload.is_begun = true;
                upload.at = offset.unwrap_or(upload.at).min(upload.row.bytes);
                return Ok((upload.at == upload.row.bytes).then_some(FileNote::Confirmed));
            }
            409 => {
                upload.is_begun = true;
                upload.breaks += 1;
                upload.at = offset.unwrap_or(0).min(upload.row.bytes);
                if upload.at == upload.row.bytes {
                    // All of it is there and unconfirmed: one empty piece has it checked.
                    upload.breaks = 0;
                }
                return Ok((upload.breaks > BREAKS_MAX).then_some(FileNote::Failed));
            }
            404 if upload.is_begun => {
                // It ended there meanwhile; begin again.
                (upload.at, upload.is_begun) = (0, false);
                upload.breaks += 1;
                return Ok((upload.breaks > BREAKS_MAX).then_some(FileNote::Failed));
            }
            _ => {}
        }
        let failed = receipt.failure();
        match (failed.status, failed.failure.code()) {
            (Some(460), code) => {
                upload.damages += 1;
                if code == "file_damaged" {
                    (upload.at, upload.is_begun) = (0, false);
                }
                if !self.shelf.is_sound(upload.row.hash).unwrap_or(false) {
                    return Ok(Some(FileNote::Refused(damaged_here())));
                }
                Ok((upload.damages >= DAMAGES_MAX).then_some(FileNote::Failed))
            }
            (Some(403), "file_not_named") => Ok(Some(FileNote::Failed)),
            (Some(400 | 413 | 415), code) => {
                let (zh, en) = failed.failure.sentences();
                Ok(Some(FileNote::Refused(Refusal::new(code, zh, en))))
            }
            // A branch of before photos travelled, or one that is not well, has no word about this file.
            _ => Err(Stop::Failed(failed)),
        }
    }

    /// Asks where the branch is after a line broke.
    fn take_up(&mut self, upload: &mut Upload<'_>, broken: CarryFailure) -> Result<(), Stop> {
        upload.breaks += 1;
        let is_here = matches!(broken.failure.kind(), FailureKind::Full | FailureKind::Storage);
        if is_here || upload.breaks > BREAKS_MAX {
            return Err(Stop::Failed(broken));
        }
        std::thread::sleep(BREAK_PAUSE * upload.breaks);
        let headers = vec![(TUS.0, TUS.1.to_owned())];
        match self.way.carry(Method::HEAD, &location(upload.row), headers, None) {
            Ok(receipt) if receipt.status == 200 => {
                upload.is_begun = true;
                let at = receipt.number("upload-offset").unwrap_or(0).min(upload.row.bytes);
                if at > upload.at {
                    upload.breaks = 0;
                }
                upload.at = at;
                Ok(())
            }
            Ok(receipt) if receipt.status == 404 => {
                (upload.at, upload.is_begun) = (0, false);
                Ok(())
            }
            Ok(receipt) => Err(Stop::Failed(receipt.failure())),
            // Still broken: the next piece finds out.
            Err(_) => Ok(()),
        }
    }
}

/// Reads a file and counts what was read: what left the device.
struct Counted<R> {
    file: R,
    count: u64,
}

impl<R: io::Read> io::Read for Counted<R> {
    fn read(&mut self, block: &mut [u8]) -> io::Result<usize> {
        let count = self.file.read(block)?;
        self.count += count as u64;
        Ok(count)
    }
}

fn location(row: &FileRow) -> String {
    format!("/v1/files/uploads/{}.{}", row.hash, row.bytes)
}

fn naming(row: &FileRow) -> [(&'static str, String); 2] {
    let hash = BASE64.encode(row.hash.to_string().as_bytes());
    [("Upload-Length", row.bytes.to_string()), ("Upload-Metadata", format!("sha256 {hash}"))]
}

fn checksum(file: &mut File, from: u64, size: u64) -> io::Result<[u8; 32]> {
    file.seek(SeekFrom::Start(from))?;
    let (mut digest, mut block, mut left) = (Sha256::new(), vec![0; BLOCK_BYTES], size);
    while left > 0 {
        let most = usize::try_from(left).unwrap_or(BLOCK_BYTES).min(BLOCK_BYTES);
        let count = file.read(block.get_mut(..most).unwrap_or_default())?;
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        digest.update(block.get(..count).unwrap_or_default());
        left -= count as u64;
    }
    Ok(digest.finalize().into())
}

/// The failure of a file that cannot be read here.
fn unread(error: &io::Error) -> CarryFailure {
    CarryFailure { failure: super::capture::not_kept(error), status: None, retry_after_ms: None, shown: None }
}

/// The refusal of a file whose bytes have gone from this device.
fn not_here() -> Refusal {
    Refusal::new(
        "file_not_here",
        "本机已找不到这个文件的内容;请重新拍照更换,或撤回",
        "the bytes of this file are not on the device any more; replace or withdraw it",
    )
}

/// The refusal of a file whose bytes have changed on this device.
fn damaged_here() -> Refusal {
    Refusal::new(
        "file_damaged_here",
        "这个文件在本机上已损坏,无法上传;请重新拍照更换,或撤回",
        "this file was damaged on the device and cannot be sent; replace or withdraw it",
    )
}
