//! Pictures as pixels: the thumbnail of one, a smaller copy of one.

use image::codecs::jpeg::JpegEncoder;
use image::imageops::FilterType;
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder as _, ImageFormat, ImageReader, Limits};
use std::io::Cursor;

use super::kind::Kind;
use crate::error::Refusal;
use crate::limits::{PICTURE_PIXELS_MAX, THUMBNAIL_EDGE};

/// Quality of a thumbnail's JPEG, percent.
const THUMBNAIL_QUALITY: u8 = 72;
/// Longest side that is read at all.
const EDGE_MAX: u32 = 32_768;

/// The thumbnail of a picture, a small JPEG the right way up.
///
/// # Errors
/// A refusal when it cannot be decoded, or would take more memory than pictures may.
pub fn thumbnail(bytes: &[u8], kind: Kind) -> Result<Vec<u8>, Refusal> {
    thumbnail_of(decoded(bytes, kind)?)
}

/// The thumbnail of a picture that is decoded and upright.
pub(super) fn thumbnail_of(picture: DynamicImage) -> Result<Vec<u8>, Refusal> {
    encoded(&smaller(picture, THUMBNAIL_EDGE), THUMBNAIL_QUALITY)
}

/// The picture the right way up, as pixels.
pub(super) fn decoded(bytes: &[u8], kind: Kind) -> Result<DynamicImage, Refusal> {
    let format = match kind.media_type {
        "image/jpeg" => ImageFormat::Jpeg,
        "image/png" => ImageFormat::Png,
        "image/webp" => ImageFormat::WebP,
        _ => return Err(damaged()),
    };
    if format == ImageFormat::Jpeg && is_cut_off(bytes) {
        return Err(damaged());
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    (limits.max_image_width, limits.max_image_height) = (Some(EDGE_MAX), Some(EDGE_MAX));
    // Four bytes a pixel, and as much again for what the decoder works with.
    limits.max_alloc = Some(PICTURE_PIXELS_MAX * 8);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(unreadable)?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > PICTURE_PIXELS_MAX {
        return Err(too_many_pixels());
    }
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let mut picture = DynamicImage::from_decoder(decoder).map_err(unreadable)?;
    picture.apply_orientation(orientation);
    Ok(picture)
}

/// A copy whose longer side is at most `edge`; the picture itself where it is small enough.
pub(super) fn smaller(picture: DynamicImage, edge: u32) -> DynamicImage {
    if picture.width().max(picture.height()) <= edge {
        return picture;
    }
    // To a quarter by plain averages, the rest with care: sharp, and several times faster.
    let rough = edge.saturating_mul(2);
    let picture = if picture.width().max(picture.height()) > rough.saturating_mul(2) {
        picture.thumbnail(rough, rough)
    } else {
        picture
    };
    picture.resize(edge, edge, FilterType::CatmullRom)
}

/// A picture as JPEG; what shines through is white.
pub(super) fn encoded(picture: &DynamicImage, quality: u8) -> Result<Vec<u8>, Refusal> {
    let mut flat = picture.to_rgb8();
    if picture.color().has_alpha() {
        for (flat, pixel) in flat.pixels_mut().zip(picture.to_rgba8().pixels()) {
            let [red, green, blue, alpha] = pixel.0;
            let over = |colour: u8| {
                let mixed = u16::from(colour) * u16::from(alpha) + 255 * (255 - u16::from(alpha));
                u8::try_from(mixed / 255).unwrap_or(u8::MAX)
            };
            flat.0 = [over(red), over(green), over(blue)];
        }
    }
    let mut bytes = Vec::new();
    flat.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, quality)).map_err(unreadable)?;
    Ok(bytes)
}

/// True for a JPEG whose end is missing: decoders paint the rest grey and say nothing.
fn is_cut_off(bytes: &[u8]) -> bool {
    let scan = bytes.windows(2).position(|two| two == [0xff, 0xda]).unwrap_or(0);
    !bytes.get(scan..).unwrap_or_default().windows(2).any(|two| two == [0xff, 0xd9])
}

fn unreadable(cause: image::ImageError) -> Refusal {
    if matches!(cause, image::ImageError::Limits(_)) { too_many_pixels() } else { damaged() }
}

fn too_many_pixels() -> Refusal {
    let megapixels = PICTURE_PIXELS_MAX / 1_000_000;
    Refusal::new(
        "file_too_many_pixels",
        format!("照片的像素过多(上限 {megapixels} 百万像素);请缩小后再添加"),
        format!(
            "the picture has too many pixels (at most {megapixels} million); make it smaller and add it again"
        ),
    )
}

/// The refusal of a file that nobody could open.
pub(super) fn damaged() -> Refusal {
    Refusal::new(
        "file_damaged",
        "文件已损坏,无法打开;请重新拍照或另选一个文件",
        "the file is damaged and cannot be opened; take it again or choose another file",
    )
}
