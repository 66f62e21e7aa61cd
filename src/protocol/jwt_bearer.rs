//! The JWT bearer grant (RFC 7523 §2.1): what an assertion about a person has to say, and what may be had for it. Its signature is the
//! caller's.

use serde_json::{Map, Value};

use super::assertion::{self, Once, Refusals};
use super::client::Client;
use super::error::{ErrorCode, OAuthError};
use super::jwt::{Compact, Malformed};
use super::scope::Scope;
use super::time::Timestamp;

/// Values of `typ`. Whoever authenticates with an assertion, or calls an API with a token, says so there.
pub const TYPES: &[Option<&str>] = &[None, Some("jwt")];

/// `acr` of what is given for an assertion: nobody here has seen the person (OpenID Connect Core §2).
pub const ACR: &str = "0";

/// RFC 7521 §4.1.1. Whatever is wrong with it is told alike; the audit log knows better.
const fn invalid(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidGrant, reason, "The assertion is not valid.")
}

const fn refuse(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::UnauthorizedClient, reason, "The client may not use this assertion.")
}

pub const PUBLIC_CLIENT: OAuthError = refuse("bearer_by_public_client");
pub const CLIENT_NOT_ALLOWED: OAuthError = refuse("bearer_client_not_allowed");
pub const MALFORMED: OAuthError = invalid("bearer_malformed");
pub const ISSUER_UNKNOWN: OAuthError = invalid("bearer_issuer_unknown");
pub const KEYS_UNAVAILABLE: OAuthError = invalid("bearer_keys_unavailable");
pub const WRONG_ALGORITHM: OAuthError = invalid("bearer_algorithm_not_allowed");
pub const WRONG_TYPE: OAuthError = invalid("bearer_of_another_type");
pub const UNKNOWN_KEY: OAuthError = invalid("bearer_key_unknown");
pub const WRONG_SIGNATURE: OAuthError = invalid("bearer_signature_wrong");
const AUDIENCE: OAuthError = invalid("bearer_audience_mismatch");
const SUBJECT_MISSING: OAuthError = invalid("bearer_subject_missing");
const MALFORMED_TIME: OAuthError = invalid("bearer_time_malformed");
const EXPIRED: OAuthError = invalid("bearer_expired");
const TOO_LONG: OAuthError = invalid("bearer_lifetime_too_long");
const NOT_YET: OAuthError = invalid("bearer_from_the_future");
const NO_ID: OAuthError = invalid("bearer_jti_missing");
pub const REPLAYED: OAuthError = invalid("bearer_replayed");
pub const PERSON_UNKNOWN: OAuthError = invalid("bearer_subject_unknown");
pub const PERSON_DISABLED: OAuthError = invalid("user_disabled");
pub const PERSON_LEAVING: OAuthError = invalid("user_being_deleted");
/// The client, or the person's role, asks for a login that there was not.
pub const WITHOUT_FACTORS: OAuthError = invalid("bearer_without_factors");
const SCOPE: OAuthError = OAuthError::new(
    ErrorCode::InvalidScope,
    "bearer_scope_not_allowed",
    "The scope exceeds that of the issuer or of the client.",
);
pub const TARGET: OAuthError = OAuthError::new(
    ErrorCode::InvalidTarget,
    "bearer_target_not_allowed",
    "The issuer is not trusted with tokens for this resource.",
);

const REFUSALS: Refusals =
    Refusals { malformed_time: MALFORMED_TIME, expired: EXPIRED, too_long: TOO_LONG, not_yet: NOT_YET, no_id: NO_ID };

/// Who says to have made it; nothing of it is verified.
pub fn unverified_issuer(token: &str) -> Result<String, OAuthError> {
    let claims: Result<Map<String, Value>, Malformed> = Compact::split(token).and_then(|token| token.unverified_claims());
    let claims = claims.map_err(|Malformed| MALFORMED)?;
    claims.get("iss").and_then(Value::as_str).map(str::to_owned).ok_or(ISSUER_UNKNOWN)
}

/// Checks the claims, and says whom it is about. `issuer` is this server.
pub fn check<'c>(claims: &'c Map<String, Value>, issuer: &str, now: Timestamp) -> Result<(&'c str, Once), OAuthError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    // §3 (3), stricter: in a list it would be good at another server too, which could use it here.
    if text("aud") != Some(issuer) {
        return Err(AUDIENCE);
    }
    let subject = text("sub").filter(|subject| !subject.is_empty()).ok_or(SUBJECT_MISSING)?;
    Ok((subject, assertion::once(claims, &REFUSALS, now)?))
}

/// What the token may do: no more than the issuer is trusted with and the client is registered for, and something.
pub fn scope(client: &Client, trusted: &Scope, asked: Option<Scope>) -> Result<Scope, OAuthError> {
    let most = trusted.intersection(&client.metadata.scope);
    let scope = asked.unwrap_or_else(|| most.clone());
    if scope.is_empty() || !scope.is_subset(&most) { Err(SCOPE) } else { Ok(scope) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::client::testing::client;

    const NOW: i64 = 1_800_000_000;
    const ISSUER: &str = "https://id.example";

    fn claims() -> Value {
        json!({ "iss": "https://hr.example", "sub": "anna", "aud": ISSUER, "exp": NOW + 60, "iat": NOW, "jti": "1" })
    }

    fn subject_of(claims: &Value) -> Result<String, OAuthError> {
        let checked = check(claims.as_object().unwrap(), ISSUER, Timestamp::from_seconds(NOW));
        checked.map(|(subject, _)| subject.to_owned())
    }

    #[test]
    fn an_assertion_is_for_this_server_alone_and_about_somebody() {
        assert_eq!(subject_of(&claims()), Ok("anna".to_owned()));
        for (name, value, error) in [
            ("aud", json!("https://id.example/token"), AUDIENCE),
            ("aud", json!([ISSUER]), AUDIENCE),
            ("aud", json!(null), AUDIENCE),
            ("sub", json!(""), SUBJECT_MISSING),
            ("sub", json!(1), SUBJECT_MISSING),
            ("exp", json!("soon"), MALFORMED_TIME),
            ("exp", json!(NOW - 11), EXPIRED),
            ("exp", json!(NOW + 3_611), TOO_LONG),
            ("nbf", json!(NOW + 11), NOT_YET),
            ("iat", json!(NOW + 11), NOT_YET),
            ("jti", json!(""), NO_ID),
        ] {
            let mut claims = claims();
            claims[name] = value.clone();
            assert_eq!(subject_of(&claims), Err(error), "{name} {value}");
        }
    }

    #[test]
    fn the_scope_is_within_that_of_issuer_and_client() {
        let client = client(|metadata| metadata.scope = Scope::parse("a b").unwrap());
        let trusted = Scope::parse("b c").unwrap();
        let ask = |text: Option<&str>| scope(&client, &trusted, text.map(|text| Scope::parse(text).unwrap()));
        assert_eq!(ask(None).unwrap().to_string(), "b");
        for other in ["a", "c", "b c", ""] {
            assert_eq!(ask(Some(other)), Err(SCOPE), "{other}");
        }
        assert_eq!(scope(&client, &Scope::parse("c").unwrap(), None), Err(SCOPE), "nothing is left");
    }
}
