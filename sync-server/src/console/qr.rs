//! Links as QR codes that a page can show: a picture of its own, as an address of data.

use data_encoding::BASE64;
use qrcode::{Color, EcLevel, QrCode};
use std::fmt::Write as _;
use xunyuan_core::error::{Error, ErrorKind};

/// Light modules around the code.
const QUIET: usize = 4;

/// The code as an SVG picture in a `data:` address.
///
/// # Errors
/// `Invalid` when the link is longer than a code can hold.
pub(super) fn picture(link: &str) -> Result<String, Error> {
    let code = QrCode::with_error_correction_level(link, EcLevel::M).map_err(|cause| {
        Error::new(ErrorKind::Invalid, "链接过长,无法生成二维码", "the link is too long for a QR code")
            .caused_by(cause)
    })?;
    let (width, mut path) = (code.width(), String::new());
    for y in 0..width {
        for x in 0..width {
            if code[(x, y)] == Color::Dark {
                // Writing to a string does not fail.
                let _ = write!(path, "M{} {}h1v1h-1z", x + QUIET, y + QUIET);
            }
        }
    }
    let size = width + 2 * QUIET;
    let svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
         <rect width=\"{size}\" height=\"{size}\" fill=\"#fff\"/><path d=\"{path}\"/></svg>"
    );
    Ok(format!("data:image/svg+xml;base64,{}", BASE64.encode(svg.as_bytes())))
}
