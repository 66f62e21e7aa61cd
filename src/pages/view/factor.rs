//! Second factors: proving one, setting one up, and what a person has.

use askama::Template;
use http::StatusCode;
use qrcode::types::QrError;
use qrcode::{Color, EcLevel};

use super::{ClientView, Frame, Moment, PasskeyForm, Passkeys};
use crate::pages::account::nav::Nav;
use crate::protocol::authentication::Offer;

/// What is wrong with a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FactorProblem {
    /// Whatever was wrong with it.
    Wrong,
    /// The passkey was not taken.
    Passkey,
    TooMany,
}

impl FactorProblem {
    /// Of the page that says so.
    pub const fn status(self) -> StatusCode {
        match self {
            Self::Wrong => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Passkey => StatusCode::BAD_REQUEST,
            Self::TooMany => StatusCode::TOO_MANY_REQUESTS,
        }
    }

    fn id(self) -> &'static str {
        match self {
            Self::Wrong => "factor-wrong",
            Self::Passkey => "factor-passkey-refused",
            Self::TooMany => "factor-too-many",
        }
    }
}

/// The second factor of a login.
#[derive(Clone, Debug, Template)]
#[template(path = "factor.html")]
pub struct Factor {
    pub frame: Frame,
    pub client: Option<ClientView>,
    pub offer: Offer,
    /// Where the offer holds passkeys.
    pub passkey: Option<PasskeyForm>,
    pub problem: Option<FactorProblem>,
    pub action: String,
    pub csrf: String,
    pub flow: Option<String>,
    /// The sealed login that waits for it.
    pub login: Option<String>,
}

/// Is it still you?
#[derive(Clone, Debug, Template)]
#[template(path = "reauthenticate.html")]
pub struct Reauthenticate {
    pub frame: Frame,
    pub sign_in_name: String,
    /// A password may be typed.
    pub password: bool,
    /// These may be proved, in its place or because they are missing.
    pub offer: Offer,
    /// Where the offer holds passkeys.
    pub passkey: Option<PasskeyForm>,
    pub problem: Option<FactorProblem>,
    pub action: String,
    pub csrf: String,
    /// Where it goes on: the name of a place.
    pub to: &'static str,
    pub flow: Option<String>,
}

impl Reauthenticate {
    /// Only a password can be wrong where there is no field for a code.
    fn complaint(&self) -> Option<&'static str> {
        self.problem.map(|problem| match problem {
            FactorProblem::Wrong if self.password && !self.offer.totp => "reauthenticate-wrong",
            problem => problem.id(),
        })
    }
}

/// What is wrong with the code of an app that is being set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnrolmentProblem {
    Wrong,
    TooMany,
    /// The page was open for too long; it shows another secret now.
    Stale,
}

impl EnrolmentProblem {
    fn id(self) -> &'static str {
        match self {
            Self::Wrong => "enrolment-wrong",
            Self::TooMany => "factor-too-many",
            Self::Stale => "enrolment-stale",
        }
    }
}

/// Setting up an authenticator app.
#[derive(Clone, Debug, Template)]
#[template(path = "enrolment.html")]
pub struct Enrolment {
    pub frame: Frame,
    pub qr: QrCode,
    /// In base32, in groups.
    pub secret: String,
    /// `otpauth://…`
    pub uri: String,
    pub problem: Option<EnrolmentProblem>,
    pub action: String,
    pub csrf: String,
    /// The sealed secret.
    pub enrolment: String,
    pub flow: Option<String>,
}

/// A QR code to be drawn: dark squares as one path on a light ground, in both colour schemes, for cameras.
#[derive(Clone, Debug)]
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
}

/// Recovery codes, the once that they are shown.
#[derive(Clone, Debug, Template)]
#[template(path = "recovery_codes.html")]
pub struct RecoveryCodes {
    pub frame: Frame,
    pub codes: Vec<String>,
    pub continue_to: String,
}

impl RecoveryCodes {
    /// As a text file in the link itself: no server is asked for them once more.
    fn file(&self) -> String {
        format!("data:text/plain;charset=utf-8,{}", self.codes.join("%0A"))
    }
}

/// What a person has for a second factor.
#[derive(Clone, Debug, Template)]
#[template(path = "security.html")]
pub struct Security {
    pub frame: Frame,
    pub nav: Nav,
    /// Nothing where there is no password.
    pub password_changed_at: Option<Moment>,
    pub totp: Option<AuthenticatorRow>,
    /// Nothing where there can't be any.
    pub passkeys: Option<Passkeys>,
    /// How many are left; nothing where there is nothing that they would stand in for.
    pub recovery_codes: Option<i64>,
    pub csrf: String,
}

/// The authenticator app.
#[derive(Clone, Copy, Debug)]
pub struct AuthenticatorRow {
    pub added_at: Moment,
    pub last_used_at: Option<Moment>,
    /// No role of the person requires it.
    pub removable: bool,
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
