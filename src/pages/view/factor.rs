//! Second factors: proving one, setting one up, and what a person has.

use askama::Template;
use http::StatusCode;

use super::{ClientView, Frame, Moment, PasskeyForm, Passkeys};
use crate::authn::qr::QrCode;
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
