//! What a camera writes beside the pixels: when a picture was taken, and where, which can be blanked in place.
//!
//! Nothing is moved and no pixel is decoded: lengths stay, so that one walk serves JPEG, PNG, WebP and HEIC.

use jiff::civil::DateTime;

use super::kind::Kind;

/// Offset to the block of the camera's own values.
const EXIF_BLOCK: u16 = 0x8769;
/// Offset to the block of places.
const GPS_BLOCK: u16 = 0x8825;
/// When the picture was taken, local time.
const TAKEN: u16 = 0x9003;
/// How the picture is to be turned.
const ORIENTATION: u16 = 0x0112;
/// Where a packet of XMP begins in a JPEG.
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";
/// Where one begins in a PNG's international text: no compression, no language, no translation.
const PNG_XMP: &[u8] = b"XML:com.adobe.xmp\0\0\0\0\0";
/// Most entries of one block.
const ENTRIES_MAX: u16 = 512;

/// When a picture was taken, by the camera's clock; `None` where it does not say.
pub(super) fn taken(bytes: &[u8], kind: Kind) -> Option<DateTime> {
    let (start, end) = block(bytes, kind)?;
    let tiff = Tiff::of(bytes.get(start..end)?)?;
    let main = tiff.entries(tiff.long(4)?);
    let own = main.iter().find(|entry| entry.tag == EXIF_BLOCK)?;
    let own = tiff.entries(tiff.long(own.at + 8)?);
    let text = tiff.value(own.iter().find(|entry| entry.tag == TAKEN)?)?;
    let text = std::str::from_utf8(text).ok()?.trim_end_matches('\0');
    DateTime::strptime("%Y:%m:%d %H:%M:%S", text).ok()
}

/// The block as it stands, with the picture not to be turned: for a picture whose pixels were turned already.
pub(super) fn upright(bytes: &[u8], kind: Kind) -> Option<Vec<u8>> {
    let (start, end) = block(bytes, kind)?;
    let mut own = bytes.get(start..end)?.to_vec();
    let tiff = Tiff::of(&own)?;
    let entries = tiff.entries(tiff.long(4)?);
    if let Some(entry) = entries.iter().find(|entry| entry.tag == ORIENTATION) {
        let one = if tiff.little { [1, 0] } else { [0, 1] };
        own.get_mut(entry.at + 8..entry.at + 10)?.copy_from_slice(&one);
    }
    Some(own)
}

/// Blanks where a picture was taken; true when it said so.
pub(super) fn blank_place(bytes: &mut [u8], kind: Kind) -> bool {
    let mut blanked = false;
    if let Some((start, end)) = block(bytes, kind) {
        for (from, to) in places(bytes.get(start..end).unwrap_or_default()) {
            if let Some(part) = bytes.get_mut(start + from..start + to) {
                blanked |= part.iter().any(|byte| *byte != 0);
                part.fill(0);
            }
        }
        if blanked && kind.media_type == "image/png" {
            renew_sum(bytes, start, end);
        }
    }
    for Packet { chunk, start, end } in packets(bytes, kind) {
        // A packet is text, and blanks are white space of it.
        if let Some(part) = bytes.get_mut(start..end) {
            blanked |= part.iter().any(|byte| *byte != b' ');
            part.fill(b' ');
        }
        if kind.media_type == "image/png" {
            renew_sum(bytes, chunk, end);
        }
    }
    blanked
}

/// The parts of a block that say where: the entries of its block of places and what these point to.
fn places(own: &[u8]) -> Vec<(usize, usize)> {
    let Some(tiff) = Tiff::of(own) else { return Vec::new() };
    let Some(first) = tiff.long(4) else { return Vec::new() };
    let main = tiff.entries(first);
    let Some(at) = main.iter().find(|entry| entry.tag == GPS_BLOCK).and_then(|entry| tiff.long(entry.at + 8))
    else {
        return Vec::new();
    };
    let mut parts = Vec::new();
    for entry in tiff.entries(at) {
        parts.extend(tiff.span(&entry).filter(|(from, _)| *from != entry.at + 8));
        parts.push((entry.at, entry.at + 12));
    }
    // The count goes too: the block of places is there and empty.
    if let Ok(at) = usize::try_from(at) {
        parts.push((at, at.saturating_add(2)));
    }
    parts
}

/// Where the camera's block lies in a file of this kind: from its byte order mark on.
fn block(bytes: &[u8], kind: Kind) -> Option<(usize, usize)> {
    match kind.media_type {
        "image/jpeg" => {
            let (start, end) = segments(bytes).find(|(start, end)| {
                bytes.get(*start..*end).is_some_and(|part| part.starts_with(b"Exif\0\0"))
            })?;
            Some((start + 6, end))
        }
        "image/png" => {
            chunks(bytes, 8, true).find(|(name, ..)| name == b"eXIf").map(|(_, start, end)| (start, end))
        }
        "image/webp" => {
            let (_, start, end) = chunks(bytes, 12, false).find(|(name, ..)| name == b"EXIF")?;
            let lead = if bytes.get(start..end)?.starts_with(b"Exif\0\0") { 6 } else { 0 };
            Some((start + lead, end))
        }
        // Boxes would have to be followed through tables; the mark is unmistakable.
        "image/heic" => {
            let at = bytes.windows(10).position(|part| {
                part.starts_with(b"Exif\0\0") && matches!(part.get(6..), Some(b"II*\0" | b"MM\0*"))
            })?;
            Some((at + 6, bytes.len()))
        }
        _ => None,
    }
}

/// A packet of XMP: where its segment or chunk begins, and its text.
struct Packet {
    chunk: usize,
    start: usize,
    end: usize,
}

/// Packets of XMP, which may say where once more.
fn packets(bytes: &[u8], kind: Kind) -> Vec<Packet> {
    let headed = |(chunk, end): (usize, usize), head: &[u8]| {
        let is_packet = bytes.get(chunk..end).is_some_and(|part| part.starts_with(head));
        is_packet.then_some(Packet { chunk, start: chunk + head.len(), end })
    };
    match kind.media_type {
        "image/jpeg" => segments(bytes).filter_map(|place| headed(place, XMP)).collect(),
        "image/png" => chunks(bytes, 8, true)
            .filter(|(name, ..)| name == b"iTXt")
            .filter_map(|(_, start, end)| headed((start, end), PNG_XMP))
            .collect(),
        "image/webp" => chunks(bytes, 12, false)
            .filter(|(name, ..)| name == b"XMP ")
            .filter_map(|(_, start, end)| headed((start, end), b""))
            .collect(),
        _ => Vec::new(),
    }
}

/// The contents of a JPEG's segments before its pixels.
fn segments(bytes: &[u8]) -> impl Iterator<Item = (usize, usize)> + '_ {
    let mut at = 2_usize;
    std::iter::from_fn(move || {
        let head = bytes.get(at..at.checked_add(4)?)?;
        // The scan is the end of what has a length.
        if head[0] != 0xff || head[1] == 0xda {
            return None;
        }
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let (start, end) = (at + 4, at.checked_add(2)?.checked_add(length)?);
        if end < start || end > bytes.len() {
            return None;
        }
        at = end;
        Some((start, end))
    })
}

/// The chunks of a PNG or RIFF file: name and place of the content.
fn chunks(bytes: &[u8], from: usize, is_png: bool) -> impl Iterator<Item = ([u8; 4], usize, usize)> + '_ {
    let mut at = from;
    std::iter::from_fn(move || {
        let head: [u8; 8] = bytes.get(at..at.checked_add(8)?)?.try_into().ok()?;
        let (a, b) = (head.first_chunk::<4>().copied()?, head.last_chunk::<4>().copied()?);
        let (name, length) = if is_png { (b, u32::from_be_bytes(a)) } else { (a, u32::from_le_bytes(b)) };
        let length = usize::try_from(length).ok()?;
        let (start, end) = (at + 8, at.checked_add(8)?.checked_add(length)?);
        if end > bytes.len() {
            return None;
        }
        at = if is_png { end.checked_add(4)? } else { end.checked_add(length % 2)? };
        Some((name, start, end))
    })
}

/// Writes the check sum of a PNG's chunk anew: CRC-32 over its name and content.
fn renew_sum(bytes: &mut [u8], start: usize, end: usize) {
    let mut sum = u32::MAX;
    for byte in bytes.get(start - 4..end).unwrap_or_default() {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    if let Some(place) = bytes.get_mut(end..end + 4) {
        place.copy_from_slice(&(!sum).to_be_bytes());
    }
}

/// A block of a camera: TIFF without pixels.
struct Tiff<'b> {
    bytes: &'b [u8],
    little: bool,
}

/// One entry of a block: tag, type, count and a value or an offset, 12 bytes at `at`.
#[derive(Clone, Copy)]
struct Entry {
    tag: u16,
    kind: u16,
    count: u32,
    at: usize,
}

impl<'b> Tiff<'b> {
    fn of(bytes: &'b [u8]) -> Option<Self> {
        let little = match bytes.first_chunk::<4>()? {
            b"II*\0" => true,
            b"MM\0*" => false,
            _ => return None,
        };
        Some(Self { bytes, little })
    }

    fn short(&self, at: usize) -> Option<u16> {
        let two = self.bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if self.little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    }

    fn long(&self, at: usize) -> Option<u32> {
        let four = self.bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
        Some(if self.little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
    }

    fn entries(&self, at: u32) -> Vec<Entry> {
        let Ok(at) = usize::try_from(at) else { return Vec::new() };
        let count = self.short(at).unwrap_or(0).min(ENTRIES_MAX);
        let entry = |place: u16| {
            let at = at.checked_add(2)?.checked_add(usize::from(place) * 12)?;
            Some(Entry { tag: self.short(at)?, kind: self.short(at + 2)?, count: self.long(at + 4)?, at })
        };
        (0..count).map_while(entry).collect()
    }

    /// Where the value of an entry lies.
    fn span(&self, entry: &Entry) -> Option<(usize, usize)> {
        let unit: usize = match entry.kind {
            1 | 2 | 6 | 7 => 1,
            3 | 8 => 2,
            4 | 9 | 11 => 4,
            5 | 10 | 12 => 8,
            _ => return None,
        };
        let length = usize::try_from(entry.count).ok()?.checked_mul(unit)?;
        let start =
            if length <= 4 { entry.at + 8 } else { usize::try_from(self.long(entry.at + 8)?).ok()? };
        let end = start.checked_add(length)?;
        (end <= self.bytes.len()).then_some((start, end))
    }

    fn value(&self, entry: &Entry) -> Option<&'b [u8]> {
        let (start, end) = self.span(entry)?;
        self.bytes.get(start..end)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::media::of_media_type;

    /// A block with a turned picture, a time and a place.
    pub(in crate::media) fn camera_block(orientation: u8) -> Vec<u8> {
        let mut own = b"II*\0\x08\0\0\0".to_vec();
        let entry = |own: &mut Vec<u8>, tag: u16, kind: u16, count: u32, value: u32| {
            own.extend(tag.to_le_bytes());
            own.extend(kind.to_le_bytes());
            own.extend(count.to_le_bytes());
            own.extend(value.to_le_bytes());
        };
        own.extend(3_u16.to_le_bytes());
        entry(&mut own, ORIENTATION, 3, 1, u32::from(orientation));
        entry(&mut own, EXIF_BLOCK, 4, 1, 50);
        entry(&mut own, GPS_BLOCK, 4, 1, 88);
        own.extend([0; 4]);
        own.extend(1_u16.to_le_bytes());
        entry(&mut own, TAKEN, 2, 20, 68);
        own.extend([0; 4]);
        own.extend(b"2026:11:23 09:14:05\0");
        own.extend(2_u16.to_le_bytes());
        entry(&mut own, 1, 2, 2, u32::from(b'N'));
        entry(&mut own, 2, 5, 3, 118);
        own.extend([0; 4]);
        own.extend([30, 0, 0, 0, 1, 0, 0, 0, 16, 0, 0, 0, 1, 0, 0, 0, 5, 0, 0, 0, 1, 0, 0, 0]);
        own
    }

    /// A JPEG's segments in front of no picture.
    fn jpeg() -> Vec<u8> {
        let mut file = vec![0xff, 0xd8];
        for content in
            [[b"Exif\0\0".as_slice(), &camera_block(6)].concat(), [XMP, b"<exif:GPSLatitude/>"].concat()]
        {
            file.extend([0xff, 0xe1]);
            file.extend(u16::try_from(content.len() + 2).unwrap().to_be_bytes());
            file.extend(content);
        }
        file.extend([0xff, 0xda, 0, 2, 0xff, 0xd9]);
        file
    }

    fn kind(media_type: &str) -> Kind {
        of_media_type(media_type).unwrap()
    }

    #[test]
    fn the_time_of_taking_is_read() {
        let taken = taken(&jpeg(), kind("image/jpeg")).unwrap();
        assert_eq!(taken, jiff::civil::date(2026, 11, 23).at(9, 14, 5, 0));
        assert_eq!(super::taken(b"\xff\xd8\xff\xda", kind("image/jpeg")), None);
    }

    #[test]
    fn a_place_is_blanked_and_the_time_stays() {
        let heic = [b"\0\0\0\x18ftypheic....Exif\0\0".as_slice(), &camera_block(1)].concat();
        let riff = {
            let own = camera_block(1);
            let mut file = b"RIFF\0\0\0\0WEBPEXIF".to_vec();
            file.extend(u32::try_from(own.len()).unwrap().to_le_bytes());
            file.extend(own);
            file
        };
        for (mut file, media_type) in [(jpeg(), "image/jpeg"), (heic, "image/heic"), (riff, "image/webp")] {
            let (kind, length) = (kind(media_type), file.len());
            assert!(blank_place(&mut file, kind), "{media_type}");
            assert_eq!(file.len(), length);
            assert!(taken(&file, kind).is_some(), "{media_type}");
            let degrees = [30, 0, 0, 0, 1, 0, 0, 0, 16];
            assert!(!file.windows(degrees.len()).any(|part| part == degrees), "{media_type}");
            assert!(!file.windows(12).any(|part| part == b"GPSLatitude/"), "{media_type}");
            assert!(!blank_place(&mut file, kind), "there is nothing left to blank");
        }
    }

    #[test]
    fn an_upright_copy_is_not_turned_again() {
        let own = upright(&jpeg(), kind("image/jpeg")).unwrap();
        assert_eq!(own.get(18..20), Some([1, 0].as_slice()));
    }

    #[test]
    fn blocks_that_point_anywhere_are_harmless() {
        let whole = jpeg();
        for cut in 0..whole.len() {
            let mut file = whole.get(..cut).unwrap().to_vec();
            let _ = taken(&file, kind("image/jpeg"));
            blank_place(&mut file, kind("image/jpeg"));
        }
        for at in 0..whole.len() {
            let mut file = whole.clone();
            file[at] = 0xff;
            let _ = taken(&file, kind("image/jpeg"));
            let _ = upright(&file, kind("image/jpeg"));
            blank_place(&mut file, kind("image/jpeg"));
        }
    }
}
