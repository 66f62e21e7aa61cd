//! What makes an assertion good now, and once, whoever made it (RFC 7523 §3): its times and its `jti`.

use serde_json::{Map, Value};

use super::error::OAuthError;
use super::jwt::numeric_date;
use super::time::{Seconds, Timestamp};

/// How far the clock of whoever made it may be from this one.
pub const SKEW: Seconds = Seconds(10);

/// How long an assertion may be good for. There are libraries that write an hour and can't be told otherwise.
pub const LONGEST: Seconds = Seconds::hours(1);

/// The longest `jti`.
const MAX_JTI: usize = 255;

/// What makes an assertion good for one use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    pub jti: String,
    /// From then on it is refused for its age.
    pub ends_at: Timestamp,
}

/// What each fault is refused with.
#[derive(Clone, Copy, Debug)]
pub struct Refusals {
    pub malformed_time: OAuthError,
    pub expired: OAuthError,
    pub too_long: OAuthError,
    pub not_yet: OAuthError,
    pub no_id: OAuthError,
}

/// Checks `exp`, `iat`, `nbf` and `jti`. That it was not used before is the caller's.
pub fn once(claims: &Map<String, Value>, refusals: &Refusals, now: Timestamp) -> Result<Once, OAuthError> {
    let time = |name: &str| numeric_date::claim(claims, name).map_err(|_| refusals.malformed_time);
    let (expires_at, issued_at, not_before) = (time("exp")?, time("iat")?, time("nbf")?);
    let expires_at = expires_at.ok_or(refusals.expired)?;
    let ends_at = expires_at + SKEW;
    if now >= ends_at {
        return Err(refusals.expired);
    }
    if expires_at > now + LONGEST + SKEW {
        return Err(refusals.too_long);
    }
    if issued_at.max(not_before).is_some_and(|begin| begin > now + SKEW) {
        return Err(refusals.not_yet);
    }
    match claims.get("jti").and_then(Value::as_str) {
        Some(jti) if (1..=MAX_JTI).contains(&jti.len()) => Ok(Once { jti: jti.to_owned(), ends_at }),
        _ => Err(refusals.no_id),
    }
}
