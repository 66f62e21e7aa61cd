//! Values of single parameters of an authorization request (OpenID Connect Core §3.1.2.1).

use std::fmt;

use serde::{Deserialize, Serialize};

use super::invalid;
use crate::protocol::error::OAuthError;
use crate::protocol::time::Seconds;

/// The most bytes of `acr_values`.
const MAX_ACR_VALUES: usize = 1024;
/// The longest `login_hint` worth showing: no longer name can be signed in with. A longer one is ignored.
const MAX_LOGIN_HINT: usize = 254;
/// The most languages of `ui_locales` that are looked at.
const MAX_UI_LOCALES: usize = 16;

const MAX_AGE_INVALID: OAuthError = invalid("max_age_invalid", "max_age must be a number of seconds");
const ACR_VALUES_INVALID: OAuthError = invalid("acr_values_too_long", "acr_values is too long");

/// An ID token that the client says it got from here; not verified.
#[derive(Clone, PartialEq, Eq)]
pub struct IdTokenHint(String);

impl IdTokenHint {
    pub(super) fn new(text: String) -> Self {
        Self(text)
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdTokenHint {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IdTokenHint([redacted])")
    }
}

/// `display`: the kind of page the client would like. An unknown value means `page`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Display {
    #[default]
    Page,
    Popup,
    Touch,
    Wap,
}

impl Display {
    /// `display_values_supported`.
    pub const VALUES: [(&str, Self); 4] =
        [("page", Self::Page), ("popup", Self::Popup), ("touch", Self::Touch), ("wap", Self::Wap)];

    pub(super) fn parse(text: &str) -> Self {
        Self::VALUES.into_iter().find(|(word, _)| *word == text).map_or(Self::Page, |(_, display)| display)
    }
}

pub(super) fn bounded(value: Option<&str>, limit: usize, error: OAuthError) -> Result<Option<String>, OAuthError> {
    match value {
        Some(value) if value.len() > limit => Err(error),
        value => Ok(value.map(str::to_owned)),
    }
}

/// Digits alone: neither sign nor exponent, nor more than a 63-bit number.
pub(super) fn max_age(text: Option<&str>) -> Result<Option<Seconds>, OAuthError> {
    let Some(text) = text else { return Ok(None) };
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(MAX_AGE_INVALID);
    }
    text.parse().map(|seconds| Some(Seconds(seconds))).map_err(|_| MAX_AGE_INVALID)
}

pub(in crate::protocol) fn acr_values(text: Option<&str>) -> Result<Vec<String>, OAuthError> {
    let text = bounded(text, MAX_ACR_VALUES, ACR_VALUES_INVALID)?.unwrap_or_default();
    Ok(text.split(' ').filter(|value| !value.is_empty()).map(str::to_owned).collect())
}

/// Tags that could not be a language's are left out: an unknown one is no error (OpenID Connect Core §3.1.2.1).
pub(super) fn ui_locales(text: &str) -> Vec<String> {
    let shaped =
        |tag: &&str| (1..=35).contains(&tag.len()) && tag.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    text.split(' ').filter(shaped).take(MAX_UI_LOCALES).map(str::to_owned).collect()
}

pub(super) fn is_showable(hint: &str) -> bool {
    hint.len() <= MAX_LOGIN_HINT && !hint.chars().any(char::is_control)
}
