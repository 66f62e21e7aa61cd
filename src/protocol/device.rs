//! The device authorization grant (RFC 8628): the code that a person types, and what clients are refused for.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::backchannel::Handle;
use super::error::{ErrorCode, OAuthError};
use super::time::Seconds;

/// How long both codes are good (§3.2): long enough for somebody to find a second device and log in there.
pub const LIFETIME: Seconds = Seconds::minutes(10);

/// Seconds between two requests of a device that waits, at the beginning; each one that comes too early makes them five more
/// (§3.5).
pub const INTERVAL: i64 = 5;
pub const SLOWED_BY: i64 = 5;

/// Letters that nobody takes for one another or reads a word in (§6.1).
const ALPHABET: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// Eight of twenty letters are 34 bits (§5.1, §6.1).
const LENGTH: usize = 8;

/// The longest text that is looked at as a code.
const MAX_TYPED: usize = 64;

/// What the token endpoint knows by a device code.
const fn invalid(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidGrant, reason, "The device code is wrong or already used.")
}

/// Told like a no; the audit log knows better.
pub const PERSON_DISABLED: OAuthError = OAuthError::new(ErrorCode::AccessDenied, "user_disabled", "The person said no.");
pub const PENDING: OAuthError =
    OAuthError::new(ErrorCode::AuthorizationPending, "authorization_pending", "The person has not decided yet: ask again.");

/// What whoever waits is refused for at the token endpoint (§3.5).
#[derive(Clone, Copy, Debug)]
pub struct Refusals {
    pub unknown: OAuthError,
    /// Not burnt by it: the client that it was given to goes on.
    pub of_another_client: OAuthError,
    pub used: OAuthError,
    pub expired: OAuthError,
    pub denied: OAuthError,
    pub person_disabled: OAuthError,
    pub pending: OAuthError,
    pub too_fast: OAuthError,
}

/// Of a device.
pub static REFUSALS: Refusals = Refusals {
    unknown: invalid("device_code_unknown"),
    of_another_client: invalid("device_code_of_another_client"),
    used: invalid("device_code_used"),
    expired: OAuthError::new(ErrorCode::ExpiredToken, "device_code_expired", "The device code has expired: begin again."),
    denied: OAuthError::new(ErrorCode::AccessDenied, "device_denied", "The person said no."),
    person_disabled: PERSON_DISABLED,
    pending: PENDING,
    too_fast: OAuthError::new(ErrorCode::SlowDown, "device_polls_too_fast", "Wait five seconds longer from now on."),
};

/// Who waits for the decision of a login under way, in the place of a browser that is sent back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Waiting {
    /// A device, which shows this code.
    Device(UserCode),
    /// A client that asks this very person (OpenID Connect CIBA Core 1.0), and what it says it is about.
    Client { request: Handle, binding_message: Option<String> },
}

/// The person decided when there was nothing to decide about any more.
pub const LATE: OAuthError =
    OAuthError::new(ErrorCode::InvalidRequest, "user_code_ended", "The code has expired, or somebody decided about it already");

/// The code that a person types, in its one spelling: eight letters.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct UserCode(String);

/// Text that can't be a code.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a user code")]
pub struct InvalidUserCode;

impl UserCode {
    /// A new code; `draw` gives so many characters of an alphabet.
    pub fn new(draw: impl Fn(&[u8], usize) -> String) -> Self {
        Self(draw(ALPHABET, LENGTH))
    }

    /// What somebody typed: in whatever case, and with whatever stands between the letters (§6.1).
    pub fn parse(typed: &str) -> Result<Self, InvalidUserCode> {
        if typed.len() > MAX_TYPED {
            return Err(InvalidUserCode);
        }
        let letters: String =
            typed.chars().filter(|letter| letter.is_alphanumeric()).map(|letter| letter.to_ascii_uppercase()).collect();
        let known = letters.bytes().all(|letter| ALPHABET.contains(&letter));
        if letters.len() == LENGTH && known { Ok(Self(letters)) } else { Err(InvalidUserCode) }
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// As it is shown: in two halves.
    pub fn shown(&self) -> String {
        let (first, second) = self.0.split_at(LENGTH / 2);
        format!("{first}-{second}")
    }
}

impl TryFrom<String> for UserCode {
    type Error = InvalidUserCode;

    fn try_from(text: String) -> Result<Self, InvalidUserCode> {
        Self::parse(&text)
    }
}

impl From<UserCode> for String {
    fn from(code: UserCode) -> Self {
        code.0
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("UserCode")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_code_has_at_least_34_bits() {
        let bits = f64::from(u32::try_from(ALPHABET.len()).unwrap()).log2() * f64::from(u32::try_from(LENGTH).unwrap());
        assert!(bits >= 34.0, "{bits}");
    }

    #[test]
    fn a_code_is_known_in_whatever_way_it_is_typed() {
        for typed in ["WDJB-MJHT", "wdjbmjht", " wdjb mjht ", "w.d.j.b/m.j.h.t", "WDJB\u{2013}MJHT"] {
            assert_eq!(UserCode::parse(typed).unwrap().shown(), "WDJB-MJHT", "{typed}");
        }
    }

    #[test]
    fn what_can_be_no_code_is_refused() {
        let long = format!("WDJBMJHT{}", "-".repeat(60));
        for typed in ["", "WDJB-MJH", "WDJB-MJHTT", "WDJB-MJHA", "WDJB-MJH1", "<script>", "ＷＤＪＢＭＪＨＴ", &long] {
            assert_eq!(UserCode::parse(typed), Err(InvalidUserCode), "{typed}");
        }
    }

    #[test]
    fn a_code_is_not_in_its_debug_text() {
        assert!(!format!("{:?}", UserCode::parse("WDJBMJHT").unwrap()).contains("WDJB"));
    }

    proptest! {
        #[test]
        fn what_is_shown_is_read(letters in "[BCDFGHJKLMNPQRSTVWXZ]{8}", anything in ".*") {
            let code = UserCode::new(|_, _| letters.clone());
            prop_assert_eq!(UserCode::parse(&code.shown()), Ok(code));
            let _ = UserCode::parse(&anything);
        }
    }
}
