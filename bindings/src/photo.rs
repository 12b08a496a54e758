//! Photos as files: read, recognised, hashed and kept beside the replica before a document names them.

use sha2::{Digest as _, Sha256};
use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use xunyuan_core::limits::PHOTO_BYTES_MAX;
use xunyuan_core::replica::PhotoRef;

use crate::failure::Failure;

/// Reads a photo and keeps a copy of it beside `replica`, committed to disk.
///
/// # Errors
/// `Invalid` when there is no such file or it is no picture, `Refused` when it is too large, `Full` or
/// `Storage` when the copy cannot be written.
pub fn keep(file: &Path, replica: &Path) -> Result<PhotoRef, Failure> {
    let unreadable = |error: std::io::Error| {
        Failure::invalid(
            "photo_not_found",
            format!("读不了照片 {}:{error}", file.display()),
            format!("the photo {} cannot be read: {error}", file.display()),
        )
    };
    let size = fs::metadata(file).map_err(unreadable)?.len();
    if size > PHOTO_BYTES_MAX {
        let mebibytes = PHOTO_BYTES_MAX / (1024 * 1024);
        return Err(Failure::refused(
            "photo_too_large",
            format!("照片超过 {mebibytes} MB:请缩小后再添加"),
            format!("the photo is larger than {mebibytes} MB: make it smaller and add it again"),
        ));
    }
    let content = fs::read(file).map_err(unreadable)?;
    let media = media_type(&content).ok_or_else(|| {
        Failure::invalid(
            "not_a_photo",
            format!("{} 不是 JPEG、PNG、WebP、GIF 或 HEIC 照片", file.display()),
            format!("{} is no JPEG, PNG, WebP, GIF or HEIC picture", file.display()),
        )
    })?;
    let sha256 = hex(&Sha256::digest(&content));
    store(&kept_as(replica, &sha256), &content).map_err(|error| {
        Failure::file(
            &error,
            "photo_not_kept",
            format!("照片没有保存({error});本次操作没有保存"),
            format!("the photo was not kept ({error}); this action was not saved"),
        )
    })?;
    Ok(PhotoRef { sha256, bytes: size, media_type: media.to_owned() })
}

/// Where the copy of a photo is: `<replica>.photos/<sha256>`.
fn kept_as(replica: &Path, sha256: &str) -> PathBuf {
    let mut dir = replica.as_os_str().to_owned();
    dir.push(".photos");
    PathBuf::from(dir).join(sha256)
}

/// Lower-case hexadecimal text.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes the whole file or nothing under its name.
fn store(path: &Path, content: &[u8]) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir)?;
    }
    let partial = path.with_extension("partial");
    let mut file = File::create(&partial)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&partial, path)
}

/// The media type by the first bytes; names of files prove nothing.
fn media_type(content: &[u8]) -> Option<&'static str> {
    let is_heic = content.get(4..8) == Some(b"ftyp")
        && matches!(content.get(8..12), Some(b"heic" | b"heix" | b"hevc" | b"mif1" | b"msf1"));
    match content {
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        _ if is_heic => Some("image/heic"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_photo_is_kept_under_its_hash_and_a_text_is_no_photo() {
        let dir = std::env::temp_dir().join(format!("xunyuan-photo-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (picture, text, replica) = (dir.join("a.jpg"), dir.join("b.jpg"), dir.join("r.xunyuan"));
        fs::write(&picture, [0xff, 0xd8, 0xff, 0xe0, 1, 2, 3]).unwrap();
        fs::write(&text, "hello").unwrap();
        let photo = keep(&picture, &replica).unwrap();
        assert_eq!((photo.bytes, photo.media_type.as_str()), (7, "image/jpeg"));
        assert_eq!(fs::read(kept_as(&replica, &photo.sha256)).unwrap(), fs::read(&picture).unwrap());
        assert_eq!(keep(&picture, &replica).unwrap(), photo, "a second time is harmless");
        assert_eq!(keep(&text, &replica).unwrap_err().code(), "not_a_photo");
        assert_eq!(keep(&dir.join("c.jpg"), &replica).unwrap_err().code(), "photo_not_found");
    }

    #[test]
    fn pictures_are_known_by_their_first_bytes() {
        assert_eq!(media_type(b"\x89PNG\r\n\x1a\n"), Some("image/png"));
        assert_eq!(media_type(b"RIFF\0\0\0\0WEBPVP8 "), Some("image/webp"));
        assert_eq!(media_type(b"\0\0\0\x18ftypheic"), Some("image/heic"));
        assert_eq!(media_type(b""), None);
    }
}
