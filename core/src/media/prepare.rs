//! A file as it will be kept and named: checked, and changed only as far as the organisation wants it.

use jiff::civil::DateTime;

use super::kind::{Class, Kind, sniff};
use super::{exif, picture};
use crate::definition::{PhotoPolicy, Place};
use crate::error::Refusal;
use crate::limits::{FILE_BYTES_READ_MAX, PHOTO_BYTES_MAX};

/// A file that may be kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prepared {
    /// Its bytes: their SHA-256 is its name.
    pub bytes: Vec<u8>,
    /// What they are.
    pub kind: Kind,
    /// A small JPEG the right way up, where the file is a picture that is read here.
    pub thumbnail: Option<Vec<u8>>,
    /// When it was taken, by the camera's clock, where the file says so.
    pub taken: Option<DateTime>,
}

/// Checks a file at capture and makes of it what is kept.
///
/// A picture larger than the policy's longest side is made smaller; where it was taken is blanked if the policy
/// wants that. Everything else stays to the byte.
///
/// # Errors
/// A refusal with what to do: an empty file, a kind that is not taken, a picture that cannot be decoded, more bytes
/// or pixels than may be kept.
pub fn prepare(bytes: Vec<u8>, policy: &PhotoPolicy) -> Result<Prepared, Refusal> {
    if bytes.is_empty() {
        return Err(Refusal::new(
            "file_empty",
            "文件是空的(0 字节);请重新拍照或另选一个文件",
            "the file is empty (0 bytes); take it again or choose another file",
        ));
    }
    if bytes.len() as u64 > FILE_BYTES_READ_MAX {
        return Err(too_large());
    }
    let kind = sniff(&bytes).ok_or_else(unknown_kind)?;
    let taken = exif::taken(&bytes, kind);
    let mut prepared = match kind.class {
        Class::Picture => of_picture(bytes, kind, policy)?,
        Class::OtherPicture | Class::Drawing | Class::Paper | Class::Sound => {
            if is_cut_off(&bytes, kind) {
                return Err(picture::damaged());
            }
            Prepared { bytes, kind, thumbnail: None, taken: None }
        }
    };
    prepared.taken = taken;
    if policy.place == Place::Strip {
        exif::blank_place(&mut prepared.bytes, prepared.kind);
    }
    if prepared.bytes.len() as u64 > PHOTO_BYTES_MAX {
        return Err(too_large());
    }
    Ok(prepared)
}

fn of_picture(bytes: Vec<u8>, kind: Kind, policy: &PhotoPolicy) -> Result<Prepared, Refusal> {
    let picture = picture::decoded(&bytes, kind)?;
    let longest = picture.width().max(picture.height());
    let (bytes, kind, picture) = if policy.edge_max > 0 && longest > policy.edge_max {
        let camera = exif::upright(&bytes, kind);
        let picture = picture::smaller(picture, policy.edge_max);
        let mut smaller = picture::encoded(&picture, policy.quality)?;
        if let Some(segment) = camera.and_then(|camera| segment(&camera)) {
            smaller.splice(2..2, segment);
        }
        let kind = sniff(&smaller).ok_or_else(picture::damaged)?;
        (smaller, kind, picture)
    } else {
        (bytes, kind, picture)
    };
    let thumbnail = picture::thumbnail_of(picture)?;
    Ok(Prepared { bytes, kind, thumbnail: Some(thumbnail), taken: None })
}

/// A camera's block as a segment of a JPEG; `None` where it does not fit into one.
fn segment(camera: &[u8]) -> Option<Vec<u8>> {
    let length = u16::try_from(camera.len() + 8).ok()?;
    Some([&[0xff, 0xe1], &length.to_be_bytes(), b"Exif\0\0".as_slice(), camera].concat())
}

/// True for a file of which the end is obviously missing.
fn is_cut_off(bytes: &[u8], kind: Kind) -> bool {
    match kind.media_type {
        "application/pdf" => {
            let tail = bytes.len().saturating_sub(2_048);
            !bytes.get(tail..).unwrap_or_default().windows(5).any(|part| part == b"%%EOF")
        }
        "image/gif" => bytes.last() != Some(&0x3b),
        // Boxes say how long they are: the last one must end where the file does.
        "image/heic" | "audio/mp4" => !boxes_fit(bytes),
        _ => false,
    }
}

fn boxes_fit(bytes: &[u8]) -> bool {
    let mut at = 0_usize;
    while at < bytes.len() {
        let Some(head) = bytes.get(at..at + 8).and_then(|head| head.first_chunk::<4>()) else { return false };
        let length = match u32::from_be_bytes(*head) {
            0 => return true,
            1 => {
                let Some(long) = bytes.get(at + 8..at + 16).and_then(|long| long.first_chunk::<8>()) else {
                    return false;
                };
                u64::from_be_bytes(*long)
            }
            short => u64::from(short),
        };
        let Some(next) = usize::try_from(length).ok().filter(|l| *l >= 8).and_then(|l| at.checked_add(l))
        else {
            return false;
        };
        at = next;
    }
    at == bytes.len()
}

fn too_large() -> Refusal {
    let mebibytes = PHOTO_BYTES_MAX / (1024 * 1024);
    Refusal::new(
        "file_too_large",
        format!("文件超过 {mebibytes} MB:请缩小后再添加"),
        format!("the file is larger than {mebibytes} MB: make it smaller and add it again"),
    )
}

fn unknown_kind() -> Refusal {
    Refusal::new(
        "file_kind_unknown",
        "文件内容不是可用的照片、PDF、录音或手写签名(SVG);请另选一个文件",
        "the file's content is no picture, PDF, sound or drawn signature (SVG) that can be kept; choose another file",
    )
}
