//! The kinds of files that are taken, told by their bytes: neither a name nor a declared type proves anything.

use super::drawing;

/// What a file is good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// A photo that is decoded here: it has a thumbnail.
    Picture,
    /// A photo that is kept as it is.
    OtherPicture,
    /// A drawn signature.
    Drawing,
    /// A paper.
    Paper,
    /// Something said.
    Sound,
}

/// A kind of file that records may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its media type.
    pub media_type: &'static str,
    /// The ending of a file name.
    pub extension: &'static str,
    /// What it is good for.
    pub class: Class,
}

const fn kind(media_type: &'static str, extension: &'static str, class: Class) -> Kind {
    Kind { media_type, extension, class }
}

const JPEG: Kind = kind("image/jpeg", "jpg", Class::Picture);
const PNG: Kind = kind("image/png", "png", Class::Picture);
const WEBP: Kind = kind("image/webp", "webp", Class::Picture);
const GIF: Kind = kind("image/gif", "gif", Class::OtherPicture);
const HEIC: Kind = kind("image/heic", "heic", Class::OtherPicture);
const SVG: Kind = kind("image/svg+xml", "svg", Class::Drawing);
const PDF: Kind = kind("application/pdf", "pdf", Class::Paper);
const MP3: Kind = kind("audio/mpeg", "mp3", Class::Sound);
const M4A: Kind = kind("audio/mp4", "m4a", Class::Sound);
const WAV: Kind = kind("audio/wav", "wav", Class::Sound);
const OGG: Kind = kind("audio/ogg", "ogg", Class::Sound);
const AMR: Kind = kind("audio/amr", "amr", Class::Sound);

/// Every kind that is taken.
const KINDS: [Kind; 12] = [JPEG, PNG, WEBP, GIF, HEIC, SVG, PDF, MP3, M4A, WAV, OGG, AMR];

/// The kind that a record means by a media type.
#[must_use]
pub fn of_media_type(media_type: &str) -> Option<Kind> {
    KINDS.into_iter().find(|kind| kind.media_type == media_type)
}

/// The kind of a whole file, where it is one that is taken and is not cut off in an obvious way.
#[must_use]
pub fn sniff(bytes: &[u8]) -> Option<Kind> {
    match bytes {
        [0xff, 0xd8, 0xff, ..] => Some(JPEG),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => Some(PNG),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some(WEBP),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', ..] => Some(WAV),
        [b'G', b'I', b'F', b'8', b'7' | b'9', b'a', ..] => Some(GIF),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some(PDF),
        [b'O', b'g', b'g', b'S', ..] => Some(OGG),
        [b'#', b'!', b'A', b'M', b'R', ..] => Some(AMR),
        [b'I', b'D', b'3', 2..=4, ..] => Some(MP3),
        // A frame of MPEG layer III: sync, version 1 or 2, layer 01, and a bit rate.
        [0xff, second, third, ..] if second & 0xe6 == 0xe2 && third & 0xf0 != 0xf0 => Some(MP3),
        [_, _, _, _, b'f', b't', b'y', b'p', rest @ ..] => boxed(rest, bytes),
        _ if drawing::is_drawing(bytes) => Some(SVG),
        _ => None,
    }
}

/// A file of boxes (ISO base media): a still picture, or sound without a moving picture.
fn boxed(rest: &[u8], whole: &[u8]) -> Option<Kind> {
    match rest.first_chunk::<4>()? {
        b"heic" | b"heix" | b"heim" | b"heis" | b"mif1" | b"msf1" => Some(HEIC),
        b"M4A " | b"M4B " => Some(M4A),
        b"mp41" | b"mp42" | b"isom" | b"iso2" | b"3gp4" | b"3gp5" | b"3gp6" => {
            let has = |handler: &[u8]| whole.windows(handler.len()).any(|part| part == handler);
            (has(b"soun") && !has(b"vide")).then_some(M4A)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_told_by_bytes_alone() {
        let cases: [(&[u8], &str); 12] = [
            (b"\xff\xd8\xff\xe0\0\x10JFIF", "image/jpeg"),
            (b"\x89PNG\r\n\x1a\n....", "image/png"),
            (b"RIFF\0\0\0\0WEBPVP8 ", "image/webp"),
            (b"GIF89a..", "image/gif"),
            (b"\0\0\0\x18ftypheic....", "image/heic"),
            (b"%PDF-1.7\n", "application/pdf"),
            (b"ID3\x03\0\0", "audio/mpeg"),
            (b"\xff\xfb\x90\x64", "audio/mpeg"),
            (b"\0\0\0\x18ftypM4A ....", "audio/mp4"),
            (b"\0\0\0\x18ftypisom....moovhdlr....soun", "audio/mp4"),
            (b"OggS\0", "audio/ogg"),
            (b"<svg xmlns=\"http://www.w3.org/2000/svg\"><path d=\"M0 0L1 1\"/></svg>", "image/svg+xml"),
        ];
        for (bytes, media_type) in cases {
            let kind = sniff(bytes).unwrap_or_else(|| panic!("{media_type}"));
            assert_eq!(kind.media_type, media_type);
            assert_eq!(of_media_type(media_type), Some(kind));
        }
    }

    #[test]
    fn what_only_claims_to_be_one_is_none() {
        let html: &[u8] = b"<!DOCTYPE html><html><script>alert(1)</script></html>";
        let video: &[u8] = b"\0\0\0\x18ftypisom....moovhdlr....soun....hdlr....vide";
        for bytes in [b"".as_slice(), b"\xff\xd8", html, video, b"MZ\x90\0", b"PK\x03\x04", b"hello"] {
            assert_eq!(sniff(bytes), None, "{bytes:?}");
        }
        assert_eq!(of_media_type("text/html"), None);
    }
}
