//! Capture: a file is checked, made into what the organisation wants, and on disk before a record may name it.

use sha2::{Digest as _, Sha256};
use std::fs;
use std::io;
use std::path::Path;
use xunyuan_core::error::{Error, ErrorKind, Refusal};
use xunyuan_core::id::FileHash;
use xunyuan_core::limits::{FILE_BYTES_READ_MAX, PHOTO_BYTES_MAX};
use xunyuan_core::media;
use xunyuan_core::rules::file::FileRef;
use xunyuan_core::time::Moment;

use super::Shelf;
use crate::clock::Clock;
use crate::failure::Failure;
use crate::sync::Hold;

/// Reads a file that a person names.
///
/// # Errors
/// `Invalid` when there is no such file; a refusal when it is larger than anything that is taken.
pub fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    let unreadable = |error: io::Error| {
        Failure::invalid(
            "file_not_found",
            format!("读不了文件 {}:{error}", file.display()),
            format!("the file {} cannot be read: {error}", file.display()),
        )
    };
    let about = fs::metadata(file).map_err(unreadable)?;
    if about.len() > FILE_BYTES_READ_MAX {
        let mebibytes = PHOTO_BYTES_MAX / (1024 * 1024);
        return Err(Failure::from(Error::from(Refusal::new(
            "file_too_large",
            format!("文件超过 {mebibytes} MB:请缩小后再添加"),
            format!("the file is larger than {mebibytes} MB: make it smaller and add it again"),
        ))));
    }
    fs::read(file).map_err(unreadable)
}

/// Checks a file, keeps it with its thumbnail beside the replica, and notes it there. When this returns it is on disk,
/// and a record may name it.
///
/// Nobody holds the replica while pictures are decoded or written. On a full disk originals go that the branch has.
///
/// # Errors
/// A refusal with what to do when the file cannot be kept as it is; `Full` or `Storage` when the disk says no; what
/// `hold` says.
pub fn keep(shelf: &Shelf, bytes: Vec<u8>, clock: &Clock, hold: &mut Hold<'_>) -> Result<FileRef, Failure> {
    let mut policy = None;
    hold(&mut |replica| policy = Some(replica.photo_policy()))?;
    let prepared = media::prepare(bytes, &policy.unwrap_or_default()).map_err(Error::from)?;
    let hash = FileHash(Sha256::digest(&prepared.bytes).into());
    let moment = clock.moment()?;
    let file = FileRef {
        hash,
        bytes: prepared.bytes.len() as u64,
        media_type: prepared.kind.media_type.to_owned(),
        taken_at_ms: prepared.taken.and_then(|taken| in_utc(taken, &moment)),
    };
    let thumbnail = prepared.thumbnail.as_deref();
    let mut kept = shelf.keep(hash, &prepared.bytes, thumbnail);
    if kept.as_ref().is_err_and(is_full) {
        make_room(shelf, hold)?;
        kept = shelf.keep(hash, &prepared.bytes, thumbnail);
    }
    kept.map_err(|error| not_kept(&error))?;
    let mut noted = Ok(());
    hold(&mut |replica| noted = replica.keep_file(&file, thumbnail.is_some(), &moment))?;
    noted?;
    Ok(file)
}

/// Lets every original go that the branch has.
fn make_room(shelf: &Shelf, hold: &mut Hold<'_>) -> Result<(), Failure> {
    let mut gone = Ok(Vec::new());
    hold(&mut |replica| gone = replica.let_originals_go(true))?;
    for hash in gone? {
        shelf.remove(hash, false).map_err(|error| not_kept(&error))?;
    }
    Ok(())
}

/// The camera's clock is the device's: its local time is that of the moment.
fn in_utc(taken: jiff::civil::DateTime, moment: &Moment) -> Option<i64> {
    let local = jiff::tz::TimeZone::UTC.to_timestamp(taken).ok()?.as_millisecond();
    Some(local - i64::from(moment.utc_offset_min) * 60_000)
}

fn is_full(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

/// The failure of a file that was not kept.
pub(super) fn not_kept(error: &io::Error) -> Failure {
    let cause = io::Error::new(error.kind(), error.to_string());
    let made = if is_full(error) {
        Error::new(
            ErrorKind::Full,
            "本机存储空间已满:文件没有保存,记录没有改动;请清理空间后重试",
            "the device's storage is full: the file was not saved and no record was changed; free some space and try again",
        )
    } else {
        Error::new(
            ErrorKind::Storage,
            "文件没有保存,记录没有改动;请重试",
            "the file was not saved and no record was changed; try again",
        )
    };
    Failure::from(made.caused_by(cause))
}
