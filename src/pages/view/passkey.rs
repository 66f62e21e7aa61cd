//! Passkeys: forms in which a browser is asked for one, and what a person has.

use askama::Template;

use super::{Frame, Moment};
use crate::flow::passkey::Question;

/// What `static/passkey.js` needs: a form with it stays hidden where there is no JavaScript.
#[derive(Clone, Debug)]
pub struct PasskeyForm {
    pub action: String,
    /// For `navigator.credentials`, as JSON.
    pub options: String,
    /// Sealed.
    pub challenge: String,
    /// Where another challenge is had when the page is open for long.
    pub renew: Option<String>,
}

impl PasskeyForm {
    pub fn new(question: Question, action: String, renew: Option<String>) -> Self {
        Self { action, options: question.options.to_string(), challenge: question.challenge, renew }
    }
}

/// The passkeys of a person, on their security page.
#[derive(Clone, Debug)]
pub struct Passkeys {
    pub rows: Vec<PasskeyRow>,
    /// There may be more.
    pub may_add: bool,
    pub password: Password,
}

/// Whether a person has a password beside their passkeys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Password {
    /// They need it.
    Needed,
    /// They could do without.
    Removable,
    /// They have none.
    None,
}

#[derive(Clone, Debug)]
pub struct PasskeyRow {
    /// Of the credential.
    pub id: String,
    pub name: String,
    pub added_at: Moment,
    pub last_used_at: Option<Moment>,
    /// It may be on several devices.
    pub is_synchronised: bool,
    /// It can be the only factor.
    pub stands_alone: bool,
    /// Without it, the person could not log in, or not as strongly as their roles ask for.
    pub must_stay: bool,
}

impl Passkeys {
    pub fn is_password_removable(&self) -> bool {
        self.password == Password::Removable
    }

    pub fn is_without_password(&self) -> bool {
        self.password == Password::None
    }
}

/// What is wrong with a passkey that was to be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NewPasskeyProblem {
    Refused,
    /// Somebody has it already.
    Taken,
    /// Its authenticator is none of those that are taken.
    Untrusted,
    TooMany,
}

impl NewPasskeyProblem {
    fn id(self) -> &'static str {
        match self {
            Self::Refused => "passkey-refused",
            Self::Taken => "passkey-known",
            Self::Untrusted => "passkey-untrusted",
            Self::TooMany => "passkey-too-many",
        }
    }
}

/// Setting up a passkey.
#[derive(Clone, Debug, Template)]
#[template(path = "passkey_new.html")]
pub struct NewPasskey {
    pub frame: Frame,
    pub passkey: PasskeyForm,
    pub problem: Option<NewPasskeyProblem>,
    pub csrf: String,
    pub flow: Option<String>,
}

/// Giving a passkey its name.
#[derive(Clone, Debug, Template)]
#[template(path = "passkey_name.html")]
pub struct NamePasskey {
    pub frame: Frame,
    /// It has just been set up.
    pub is_new: bool,
    pub id: String,
    pub name: String,
    /// It can't be the only factor.
    pub second_only: bool,
    pub action: String,
    pub csrf: String,
    pub flow: Option<String>,
}
