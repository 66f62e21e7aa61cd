//! The claims of an assertion by which a client authenticates (RFC 7523 §3; OpenID Connect Core §9). Its signature is the caller's.

use serde_json::{Map, Value};

use super::assertion::{self, Once, Refusals};
use super::client_auth::FAILED;
use super::error::{ErrorCode, OAuthError};
use super::id::ClientId;
use super::jwt::{Compact, Malformed};
use super::time::Timestamp;

/// The one value of `client_assertion_type` (RFC 7523 §2.2).
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// Values of `typ`. Libraries write `JWT` or nothing; the last one is the assertions' own (draft-ietf-oauth-rfc7523bis).
pub const TYPES: &[Option<&str>] = &[None, Some("jwt"), Some("client-authentication+jwt")];

const fn refused(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidClient, reason, FAILED)
}

pub const MALFORMED: OAuthError = refused("client_assertion_malformed");
pub const WRONG_ALGORITHM: OAuthError = refused("client_assertion_algorithm_not_allowed");
pub const WRONG_TYPE: OAuthError = refused("client_assertion_of_another_type");
pub const KEYS_UNAVAILABLE: OAuthError = refused("client_keys_unavailable");
pub const UNKNOWN_KEY: OAuthError = refused("client_assertion_key_unknown");
pub const WRONG_SIGNATURE: OAuthError = refused("client_assertion_signature_wrong");
const ISSUER: OAuthError = refused("client_assertion_issuer_is_not_the_client");
const AUDIENCE: OAuthError = refused("client_assertion_audience_mismatch");
const MALFORMED_TIME: OAuthError = refused("client_assertion_time_malformed");
const EXPIRED: OAuthError = refused("client_assertion_expired");
const TOO_LONG: OAuthError = refused("client_assertion_lifetime_too_long");
const NOT_YET: OAuthError = refused("client_assertion_from_the_future");
const NO_ID: OAuthError = refused("client_assertion_jti_missing");
pub const REPLAYED: OAuthError = refused("client_assertion_replayed");

/// What the claims have to say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub client: &'a ClientId,
    pub issuer: &'a str,
    /// Counts as audience too, for a client that is registered so.
    pub token_endpoint: Option<&'a str>,
}

const REFUSALS: Refusals =
    Refusals { malformed_time: MALFORMED_TIME, expired: EXPIRED, too_long: TOO_LONG, not_yet: NOT_YET, no_id: NO_ID };

/// Who an assertion says to be, and by which algorithm; nothing of it is verified.
pub fn unverified(token: &str) -> Result<(String, String), Malformed> {
    let token = Compact::split(token)?;
    let claims: Map<String, Value> = token.unverified_claims()?;
    let subject = claims.get("sub").and_then(Value::as_str).ok_or(Malformed)?;
    Ok((subject.to_owned(), token.header()?.alg))
}

/// Checks the claims.
pub fn check(claims: &Map<String, Value>, expected: &Expected<'_>, now: Timestamp) -> Result<Once, OAuthError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // §3 (1), (2): both are the client, who speaks for nobody else.
    let client = Some(expected.client.as_str());
    if text("iss") != client || text("sub") != client {
        return Err(ISSUER);
    }
    // §3 (3), stricter: in a list the assertion would be good at another server too, which could use it here.
    let audience = text("aud").ok_or(AUDIENCE)?;
    if audience != expected.issuer && Some(audience) != expected.token_endpoint {
        return Err(AUDIENCE);
    }
    assertion::once(claims, &REFUSALS, now)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::assertion::SKEW;

    const NOW: i64 = 1_800_000_000;

    fn claims() -> Value {
        json!({ "iss": "app", "sub": "app", "aud": "https://id.example", "exp": NOW + 60, "iat": NOW, "jti": "1" })
    }

    fn check(claims: &Value, token_endpoint: Option<&str>) -> Result<Once, OAuthError> {
        let client = ClientId::parse("app").unwrap();
        let expected = Expected { client: &client, issuer: "https://id.example", token_endpoint };
        super::check(claims.as_object().unwrap(), &expected, Timestamp::from_seconds(NOW))
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().unwrap().shift_remove(name);
        claims
    }

    #[test]
    fn a_good_assertion_counts_once_until_it_ends() {
        let once = Once { jti: "1".to_owned(), ends_at: Timestamp::from_seconds(NOW + 60) + SKEW };
        assert_eq!(check(&claims(), None), Ok(once));
        for good in [
            without("iat"),
            with("nbf", json!(NOW)),
            with("exp", json!(60.5 + 1_800_000_000.0)),
            with("jti", json!("j".repeat(255))),
        ] {
            assert!(check(&good, None).is_ok(), "{good}");
        }
    }

    #[test]
    fn eight_seconds_of_difference_are_tolerated_and_a_minute_is_not() {
        for (name, tolerated, refused, error) in [
            ("exp", NOW - 8, NOW - 60, EXPIRED),
            ("iat", NOW + 8, NOW + 61, NOT_YET),
            ("nbf", NOW + 8, NOW + 61, NOT_YET),
            ("exp", NOW + 3_608, NOW + 3_661, TOO_LONG),
        ] {
            assert!(check(&with(name, json!(tolerated)), None).is_ok(), "{name} {tolerated}");
            assert_eq!(check(&with(name, json!(refused)), None), Err(error), "{name} {refused}");
        }
    }

    #[test]
    fn only_the_issuer_alone_is_the_audience() {
        let token = "https://id.example/token";
        for audience in [
            json!(token),
            json!("https://id.example/par"),
            json!("https://id.example/"),
            json!("https://other.example"),
            json!(["https://id.example"]),
            json!(["https://id.example", "https://other.example"]),
            json!(null),
            json!(1),
        ] {
            assert_eq!(check(&with("aud", audience.clone()), None), Err(AUDIENCE), "{audience}");
            assert_eq!(check(&with("aud", audience.clone()), Some(token)).is_ok(), audience == token, "{audience}");
        }
        assert_eq!(check(&without("aud"), None), Err(AUDIENCE));
    }

    #[test]
    fn what_is_missing_or_of_another_type_is_refused() {
        for name in ["iss", "sub", "exp", "jti"] {
            assert!(check(&without(name), None).is_err(), "{name}");
        }
        for (name, value) in [
            ("iss", json!("other")),
            ("sub", json!("other")),
            ("iss", json!(["app"])),
            ("exp", json!("1800000060")),
            ("exp", json!(null)),
            ("exp", json!(1e300)),
            ("exp", json!(-1e300)),
            ("iat", json!("soon")),
            ("nbf", json!({})),
            ("jti", json!("")),
            ("jti", json!(1)),
            ("jti", json!("j".repeat(256))),
        ] {
            assert!(check(&with(name, value.clone()), None).is_err(), "{name} {value}");
        }
    }
}
