//! A link as a QR code in the terminal.

use qrcode::render::unicode::Dense1x2;
use qrcode::{EcLevel, QrCode};
use xunyuan_core::error::{Error, ErrorKind};

/// The link as lines of half blocks, two modules per character cell, with its quiet zone.
///
/// `coloured` asks for black on white by escape codes, so that a dark terminal does not show the
/// code inverted; without it the code suits a light background.
///
/// # Errors
/// `Invalid` when the link is longer than a QR code can hold.
pub fn draw(link: &str, coloured: bool) -> Result<String, Error> {
    let code = QrCode::with_error_correction_level(link, EcLevel::L).map_err(|e| {
        Error::new(ErrorKind::Invalid, "链接过长,无法生成二维码", "the link is too long for a QR code")
            .caused_by(e)
    })?;
    let image = code.render::<Dense1x2>().quiet_zone(true).build();
    if !coloured {
        return Ok(image);
    }
    Ok(image.lines().map(|line| format!("\u{1b}[30;107m{line}\u{1b}[0m")).collect::<Vec<_>>().join("\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads the modules back from the half blocks.
    fn modules(image: &str) -> Vec<Vec<bool>> {
        let mut rows = Vec::new();
        for line in image.lines() {
            let (mut top, mut bottom) = (Vec::new(), Vec::new());
            for c in line.chars() {
                top.push(matches!(c, '█' | '▀'));
                bottom.push(matches!(c, '█' | '▄'));
            }
            rows.push(top);
            rows.push(bottom);
        }
        rows
    }

    #[test]
    fn the_blocks_show_every_module_of_the_code() {
        let link = "xunyuan://enroll?server=http://127.0.0.1:7070&code=ABCDEFGHJKLMNPQRSTUVWXYZ23";
        let code = QrCode::with_error_correction_level(link, EcLevel::L).unwrap();
        let rows = modules(&draw(link, false).unwrap());
        let width = code.width();
        for y in 0..width {
            for x in 0..width {
                assert_eq!(rows[y + 4][x + 4], code[(x, y)] == qrcode::Color::Dark, "module {x},{y}");
            }
        }
        assert!(rows[0].iter().all(|dark| !dark), "the quiet zone is light");
    }

    #[test]
    fn colours_are_put_around_every_line() {
        let image = draw("xunyuan://enroll", true).unwrap();
        assert!(image.lines().all(|line| line.starts_with("\u{1b}[30;107m") && line.ends_with("\u{1b}[0m")));
    }

    #[test]
    fn a_link_beyond_the_largest_code_is_refused() {
        assert_eq!(draw(&"x".repeat(4_000), false).unwrap_err().kind(), ErrorKind::Invalid);
    }
}
