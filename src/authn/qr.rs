//! QR codes, for the cameras of authenticator apps.

use std::fmt;

use qrcode::types::QrError;
use qrcode::{Color, EcLevel};

/// A QR code to be drawn: dark squares as one path on a light ground, in both colour schemes, for cameras.
#[derive(Clone)]
pub struct QrCode {
    /// Of a side, with the quiet zone around.
    pub size: usize,
    pub path: String,
}

impl QrCode {
    /// The light margin that the standard asks for (ISO/IEC 18004).
    const QUIET_ZONE: usize = 4;

    pub fn of(text: &str) -> Result<Self, QrError> {
        use std::fmt::Write;

        let code = qrcode::QrCode::with_error_correction_level(text, EcLevel::M)?;
        let (width, colors) = (code.width(), code.to_colors());
        let mut path = String::new();
        for (y, row) in colors.chunks(width).enumerate() {
            let mut x = 0;
            for run in row.chunk_by(|left, right| left == right) {
                if run.first() == Some(&Color::Dark) {
                    let (left, top, length) = (x + Self::QUIET_ZONE, y + Self::QUIET_ZONE, run.len());
                    _ = write!(path, "M{left} {top}h{length}v1h-{length}z");
                }
                x += run.len();
            }
        }
        Ok(Self { size: width + 2 * Self::QUIET_ZONE, path })
    }

    /// As an image of its own.
    pub fn svg(&self) -> String {
        let Self { size, path } = self;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {size} {size}\" shape-rendering=\"crispEdges\">\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/><path fill=\"#000\" d=\"{path}\"/></svg>"
        )
    }
}

/// What is drawn may be a secret.
impl fmt::Debug for QrCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("QrCode([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_qr_code_is_drawn_square_by_square_within_its_quiet_zone() {
        let text = "otpauth://totp/id.example:ada?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=id.example";
        let drawn = QrCode::of(text).unwrap();
        let code = qrcode::QrCode::with_error_correction_level(text, EcLevel::M).unwrap();
        assert_eq!(drawn.size, code.width() + 8);
        let mut squares = 0;
        for run in drawn.path.split('M').skip(1) {
            let (place, rest) = run.split_once('h').unwrap();
            let (x, y) = place.split_once(' ').unwrap();
            let (x, y): (usize, usize) = (x.parse().unwrap(), y.parse().unwrap());
            let length: usize = rest.split_once('v').unwrap().0.parse().unwrap();
            for offset in 0..length {
                assert_eq!(code[(x + offset - 4, y - 4)], Color::Dark);
            }
            squares += length;
        }
        assert_eq!(squares, code.to_colors().into_iter().filter(|color| *color == Color::Dark).count());
    }
}
