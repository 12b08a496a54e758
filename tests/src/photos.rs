//! Photos of the test: real pictures of any size, each its own.

use std::path::{Path, PathBuf};

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder as _, Rgb, RgbImage};

/// A picture that decodes, told from others by a number, of so many bytes: behind its end lies what cameras put there
/// too, and no decoder looks at.
///
/// # Panics
/// When it cannot be encoded in fewer bytes.
#[must_use]
pub fn jpeg(number: u32, bytes: usize) -> Vec<u8> {
    let mut rng = fastrand::Rng::with_seed(u64::from(number));
    let colour = Rgb([rng.u8(..), rng.u8(..), rng.u8(..)]);
    let picture =
        RgbImage::from_fn(640, 480, |x, y| if (x / 40 + y / 40) % 2 == 0 { colour } else { Rgb([255; 3]) });
    let mut file = Vec::with_capacity(bytes);
    let encoder = JpegEncoder::new_with_quality(&mut file, 60);
    encoder.write_image(&picture, 640, 480, ExtendedColorType::Rgb8).expect("a picture is encoded");
    let mut rest = vec![0; bytes.checked_sub(file.len()).expect("a picture has its size")];
    rng.fill(&mut rest);
    file.extend(rest);
    file
}

/// Writes pictures of so many bytes into a folder.
///
/// # Panics
/// When they cannot be written.
#[must_use]
pub fn folder(dir: &Path, count: u32, bytes: usize) -> Vec<PathBuf> {
    std::fs::create_dir_all(dir).expect("the folder can be made");
    let write = |number| {
        let path = dir.join(format!("photo-{number:02}.jpg"));
        std::fs::write(&path, jpeg(number, bytes)).expect("a picture can be written");
        path
    };
    (0..count).map(write).collect()
}

/// A PNG of a few kilobytes that says it holds nine hundred million pixels.
///
/// # Panics
/// Never: its parts are of fixed sizes.
#[must_use]
pub fn bomb() -> Vec<u8> {
    let mut file = Vec::new();
    let encoder = image::codecs::png::PngEncoder::new(&mut file);
    encoder.write_image(&[0; 64 * 64 * 3], 64, 64, ExtendedColorType::Rgb8).expect("a picture is encoded");
    let side = 30_000_u32.to_be_bytes();
    // Behind the signature and the head of the first chunk: width, height, five more bytes, and their sum.
    file[16..20].copy_from_slice(&side);
    file[20..24].copy_from_slice(&side);
    let sum = crc32(&file[12..29]).to_be_bytes();
    file[29..33].copy_from_slice(&sum);
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { (sum >> 1) ^ 0xedb8_8320 } else { sum >> 1 };
        }
    }
    !sum
}
