//! Requests of clients to people who are elsewhere (OpenID Connect Client-Initiated Backchannel Authentication Core 1.0).

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::assertion::{self, Once, Refusals};
use super::authorization_request::{MAX_ID_TOKEN_HINT, acr_values};
use super::client::{Client, DeliveryMode, GrantType};
use super::device;
use super::error::{ErrorCode, OAuthError};
use super::id::ClientId;
use super::params::Params;
use super::request_object;
use super::scope::Scope;
use super::time::{Seconds, Timestamp};

/// How long a request is good, where the client asks for nothing else; and the longest that it may ask for.
pub const LIFETIME: Seconds = Seconds::minutes(10);
pub const LONGEST: Seconds = Seconds::hours(1);

/// How old a login may be when its person begins to decide: the client wants to know that they are there.
pub const FRESH: Seconds = Seconds::minutes(5);

/// The longest `binding_message`, in characters: it has to fit beside what it is compared with (§7.1).
const MAX_MESSAGE: usize = 100;

/// The longest `client_notification_token` (§7.1).
const MAX_NOTIFICATION_TOKEN: usize = 1_024;

/// The longest `login_hint`: no longer name can be signed in with.
const MAX_LOGIN_HINT: usize = 254;

/// Values of `typ` of a signed request.
pub const TYPES: &[Option<&str>] = &[None, Some("jwt")];

/// What may stand beside a signed request: how the client authenticates (§7.1.1).
const BESIDE: [&str; 5] = ["request", "client_id", "client_secret", "client_assertion", "client_assertion_type"];

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, reason, description)
}

const fn refused(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, reason, "The signed request is not valid.")
}

pub const GRANT_NOT_ALLOWED: OAuthError = OAuthError::new(
    ErrorCode::UnauthorizedClient,
    "backchannel_grant_not_registered",
    "The client is not registered for backchannel authentication.",
);
const SIGNATURE_MISSING: OAuthError = invalid("backchannel_request_unsigned", "The request must be signed.");
const SIGNATURE_UNREGISTERED: OAuthError =
    invalid("backchannel_request_unregistered", "The client is not registered for signed requests.");
const MIXED: OAuthError = invalid("backchannel_request_mixed", "Nothing may stand beside a signed request.");
pub const MALFORMED: OAuthError = refused("backchannel_request_malformed");
pub const KEYS_UNAVAILABLE: OAuthError = refused("backchannel_request_keys_unavailable");
pub const WRONG_ALGORITHM: OAuthError = refused("backchannel_request_algorithm_not_allowed");
pub const WRONG_TYPE: OAuthError = refused("backchannel_request_of_another_type");
pub const UNKNOWN_KEY: OAuthError = refused("backchannel_request_key_unknown");
pub const WRONG_SIGNATURE: OAuthError = refused("backchannel_request_signature_wrong");
const OF_ANOTHER_CLIENT: OAuthError = refused("backchannel_request_of_another_client");
const AUDIENCE: OAuthError = refused("backchannel_request_audience_mismatch");
const TIMES: OAuthError = refused("backchannel_request_time_malformed");
const REQUEST_EXPIRED: OAuthError = refused("backchannel_request_expired");
const TOO_LONG: OAuthError = refused("backchannel_request_lifetime_too_long");
const NOT_YET: OAuthError = refused("backchannel_request_from_the_future");
const NO_ID: OAuthError = refused("backchannel_request_jti_missing");
pub const REPLAYED: OAuthError = refused("backchannel_request_replayed");
pub const WITHOUT_OPENID: OAuthError =
    OAuthError::new(ErrorCode::InvalidScope, "backchannel_scope_without_openid", "scope must hold openid.");
const HINT_MISSING: OAuthError = invalid("backchannel_hint_missing", "login_hint or id_token_hint must say who is asked.");
const HINTS: OAuthError = invalid("backchannel_hints_several", "There must be one hint.");
const HINT_TOKEN: OAuthError = invalid("login_hint_token_unsupported", "login_hint_token is not supported.");
pub const ID_TOKEN_HINT: OAuthError =
    invalid("id_token_hint_invalid", "id_token_hint is not an ID token that this server gave the client.");
const NOTIFICATION_TOKEN: OAuthError =
    invalid("notification_token_invalid", "client_notification_token must be there, a bearer token of 1024 characters at most.");
const MESSAGE: OAuthError = OAuthError::new(
    ErrorCode::InvalidBindingMessage,
    "binding_message_invalid",
    "binding_message must be 1 to 100 characters that can be seen.",
);
const EXPIRY: OAuthError = invalid("requested_expiry_invalid", "requested_expiry must be a number of seconds.");
pub const PERSON_UNKNOWN: OAuthError =
    OAuthError::new(ErrorCode::UnknownUserId, "backchannel_person_unknown", "The hint names nobody who could be asked.");

/// How long a no keeps the same client from asking the same person.
pub const AFTER_A_NO: Seconds = Seconds::hours(1);
/// Told with 403 (§13).
pub const SAID_NO: OAuthError =
    OAuthError::new(ErrorCode::AccessDenied, "backchannel_denied_lately", "The person said no to this client a short time ago.");

/// The person decided when there was nothing to decide about any more.
pub const LATE: OAuthError = invalid("backchannel_ended", "The request has expired, or was decided about already");

const fn unusable(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidGrant, reason, "auth_req_id is wrong or already used.")
}

/// What the token endpoint refuses for (§11).
pub static REFUSALS: device::Refusals = device::Refusals {
    unknown: unusable("auth_req_id_unknown"),
    of_another_client: unusable("auth_req_id_of_another_client"),
    used: unusable("auth_req_id_used"),
    expired: OAuthError::new(ErrorCode::ExpiredToken, "auth_req_id_expired", "The request has expired: ask again."),
    denied: OAuthError::new(ErrorCode::AccessDenied, "backchannel_denied", "The person said no."),
    person_disabled: device::PERSON_DISABLED,
    pending: device::PENDING,
    too_fast: OAuthError::new(ErrorCode::SlowDown, "backchannel_polls_too_fast", "Wait five seconds longer from now on."),
};

/// Which request it is, for the person who was asked: random, and no secret. Nobody else gains anything by it.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Handle([u8; 32]);

/// Text that is no [`Handle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a request")]
pub struct InvalidHandle;

impl Handle {
    pub const fn new(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    pub fn parse(text: &str) -> Result<Self, InvalidHandle> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidHandle)?;
        bytes.try_into().map(Self).map_err(|_| InvalidHandle)
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Handle")
    }
}

impl TryFrom<String> for Handle {
    type Error = InvalidHandle;

    fn try_from(text: String) -> Result<Self, InvalidHandle> {
        Self::parse(&text)
    }
}

impl From<Handle> for String {
    fn from(handle: Handle) -> Self {
        handle.to_string()
    }
}

/// Who is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hint<'a> {
    /// What the person signs in with.
    Login(&'a str),
    /// An ID token that the client says it got from here; not verified.
    IdToken(&'a str),
}

/// A request that may be put to its person.
#[derive(Clone, Debug)]
pub struct BackchannelRequest<'a> {
    pub hint: Hint<'a>,
    pub binding_message: Option<String>,
    /// In order of preference.
    pub acr_values: Vec<String>,
    pub lifetime: Seconds,
    /// With what the client is told that there is an answer; none for one that asks by itself.
    pub notification_token: Option<SecretString>,
}

/// Whether the client may ask people at all.
pub fn allowed(client: &Client) -> Result<DeliveryMode, OAuthError> {
    let mode = client.metadata.backchannel_token_delivery_mode.filter(|_| client.may_use(GrantType::Ciba) && !client.is_public());
    mode.ok_or(GRANT_NOT_ALLOWED)
}

/// The signed request that came along, if the client signs its requests: all of them (§4).
pub fn signed<'a>(params: &'a Params, client: &Client) -> Result<Option<&'a str>, OAuthError> {
    match (params.get("request"), client.metadata.backchannel_authentication_request_signing_alg) {
        (None, None) => Ok(None),
        (None, Some(_)) => Err(SIGNATURE_MISSING),
        (Some(_), None) => Err(SIGNATURE_UNREGISTERED),
        (Some(_), Some(_)) if params.iter().any(|(name, _)| !BESIDE.contains(&name)) => Err(MIXED),
        (Some(request), Some(_)) => Ok(Some(request)),
    }
}

const SIGNED: Refusals =
    Refusals { malformed_time: TIMES, expired: REQUEST_EXPIRED, too_long: TOO_LONG, not_yet: NOT_YET, no_id: NO_ID };

/// The parameters that the claims of a signed request are, and what makes it good once (§7.1.1).
pub fn params(
    claims: &Map<String, Value>,
    client: &ClientId,
    issuer: &str,
    now: Timestamp,
) -> Result<(Params, Once), OAuthError> {
    let client = Value::from(client.as_str());
    // Whoever got hold of an assertion of the client's must not be able to make a request of it.
    if claims.get("iss") != Some(&client) || claims.get("sub") == Some(&client) {
        return Err(OF_ANOTHER_CLIENT);
    }
    let meant = match claims.get("aud") {
        Some(Value::String(audience)) => audience == issuer,
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == issuer),
        _ => false,
    };
    if !meant {
        return Err(AUDIENCE);
    }
    // Nor of an authorization request, which goes through a browser.
    if ["response_type", "redirect_uri", "code_challenge"].into_iter().any(|name| claims.contains_key(name)) {
        return Err(MALFORMED);
    }
    if !claims.contains_key("iat") || !claims.contains_key("nbf") {
        return Err(TIMES);
    }
    let once = assertion::once(claims, &SIGNED, now)?;
    Ok((request_object::parameters(claims).map_err(|_| MALFORMED)?, once))
}

/// Checks the scope that was asked for.
pub fn check_scope(scope: &Scope) -> Result<(), OAuthError> {
    if scope.contains("openid") { Ok(()) } else { Err(WITHOUT_OPENID) }
}

impl<'a> BackchannelRequest<'a> {
    pub fn parse(params: &'a Params, mode: DeliveryMode) -> Result<Self, OAuthError> {
        Ok(Self {
            hint: hint(params)?,
            binding_message: params.get("binding_message").map(message).transpose()?,
            acr_values: acr_values(params.get("acr_values"))?,
            lifetime: params.get("requested_expiry").map_or(Ok(LIFETIME), lifetime)?,
            notification_token: match mode {
                DeliveryMode::Poll => None,
                DeliveryMode::Ping => Some(notification_token(params.get("client_notification_token"))?),
            },
        })
    }
}

fn hint(params: &Params) -> Result<Hint<'_>, OAuthError> {
    let (login, id_token) = (params.get("login_hint"), params.get("id_token_hint"));
    match (login, id_token, params.contains("login_hint_token")) {
        (None, None, false) => Err(HINT_MISSING),
        (None, None, true) => Err(HINT_TOKEN),
        (Some(login), None, false) if login.len() > MAX_LOGIN_HINT => Err(PERSON_UNKNOWN),
        (Some(login), None, false) => Ok(Hint::Login(login)),
        (None, Some(id_token), false) if id_token.len() > MAX_ID_TOKEN_HINT => Err(ID_TOKEN_HINT),
        (None, Some(id_token), false) => Ok(Hint::IdToken(id_token)),
        _ => Err(HINTS),
    }
}

/// People trust what the page shows: nothing in it may hide or reorder the text around it.
fn message(text: &str) -> Result<String, OAuthError> {
    let hides = |letter: char| {
        letter.is_control()
            || matches!(letter, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
    };
    let length = text.chars().take(MAX_MESSAGE + 1).count();
    let good = (1..=MAX_MESSAGE).contains(&length) && text.trim() == text && !text.chars().any(hides);
    if good { Ok(text.to_owned()) } else { Err(MESSAGE) }
}

/// Digits alone, and not nothing; no longer than is good.
fn lifetime(text: &str) -> Result<Seconds, OAuthError> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let seconds = if digits { text.parse().unwrap_or(i64::MAX) } else { 0 };
    if seconds > 0 { Ok(Seconds(seconds).min(LONGEST)) } else { Err(EXPIRY) }
}

/// RFC 6750 §2.1.
fn notification_token(text: Option<&str>) -> Result<SecretString, OAuthError> {
    let text = text.ok_or(NOTIFICATION_TOKEN)?;
    let letters = text.trim_end_matches('=');
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~+/".contains(&byte);
    let good = text.len() <= MAX_NOTIFICATION_TOKEN && !letters.is_empty() && letters.bytes().all(allowed);
    if good { Ok(text.into()) } else { Err(NOTIFICATION_TOKEN) }
}

#[cfg(test)]
mod tests;
