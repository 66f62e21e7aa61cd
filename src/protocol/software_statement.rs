//! Software statements: what somebody who is trusted here says of an application that registers itself (RFC 7591 §2.3).

use serde_json::{Map, Value};

use super::error::{ErrorCode, OAuthError};
use super::jwt::{Compact, numeric_date};
use super::time::{Seconds, Timestamp};

/// `typ` of a statement; RFC 7591 names none.
pub const TYPES: &[Option<&str>] = &[None, Some("jwt"), Some("software-statement+jwt")];

/// How far the clock of whoever made it may be from this one.
const SKEW: Seconds = Seconds(10);

/// What a statement says of which application: one without any of them was made for something else.
const ABOUT_SOFTWARE: &[&str] = &["software_id", "redirect_uris", "jwks", "jwks_uri"];

/// The longest `software_id` that is written down.
const MAX_SOFTWARE_ID: usize = 255;

/// What a statement says about itself.
const OWN_CLAIMS: &[&str] = &["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidSoftwareStatement, reason, description)
}

pub const MALFORMED: OAuthError = invalid("software_statement_malformed", "software_statement is not a JWT");
pub const UNVERIFIED: OAuthError =
    invalid("software_statement_unverified", "software_statement is not signed by a key of its issuer");
const EXPIRED: OAuthError = invalid("software_statement_expired", "software_statement has expired, or is not good yet");
const AUDIENCE: OAuthError = invalid("software_statement_audience", "software_statement is meant for another server");
const UNDATED: OAuthError =
    invalid("software_statement_undated", "software_statement needs exp, or iat: how long it counts must be known");
const OF_NOTHING: OAuthError =
    invalid("software_statement_of_nothing", "software_statement must hold software_id, redirect_uris, jwks or jwks_uri");
pub const UNAPPROVED: OAuthError = OAuthError::new(
    ErrorCode::UnapprovedSoftwareStatement,
    "software_statement_unapproved",
    "The issuer of software_statement is not trusted here",
);
/// The operator takes no application without one.
pub const REQUIRED: OAuthError = OAuthError::new(
    ErrorCode::InvalidClientMetadata,
    "software_statement_required",
    "A software_statement of an issuer that is trusted here is required",
);

/// The statement of a registration, if it brings one.
pub fn statement(body: &Value) -> Result<Option<&str>, OAuthError> {
    match body.get("software_statement") {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(statement)) => Ok(Some(statement)),
        Some(_) => Err(MALFORMED),
    }
}

/// Who says to have made it; nothing of it is verified.
pub fn unverified_issuer(statement: &str) -> Result<String, OAuthError> {
    let claims: Map<String, Value> =
        Compact::split(statement).and_then(|token| token.unverified_claims()).map_err(|_| MALFORMED)?;
    claims.get("iss").and_then(Value::as_str).map(str::to_owned).ok_or(UNAPPROVED)
}

/// Whether it counts here and now, which its signature says nothing of, and is a statement at all: its issuer may sign other things
/// with the same key (RFC 8725 §3.11). One statement may register many times: each copy of an application brings the same. One that
/// does not say when it ends counts for `lifetime`.
pub fn check(claims: &Map<String, Value>, issuer: &str, (lifetime, now): (Seconds, Timestamp)) -> Result<(), OAuthError> {
    let time = |name: &str| numeric_date::claim(claims, name).map_err(|_| MALFORMED);
    let made_at = time("iat")?;
    let end = time("exp")?.or_else(|| made_at.map(|made_at| made_at + lifetime)).ok_or(UNDATED)?;
    let begins = time("nbf")?.max(made_at);
    if now >= end + SKEW || begins.is_some_and(|begin| begin > now + SKEW) {
        return Err(EXPIRED);
    }
    if !ABOUT_SOFTWARE.iter().any(|name| claims.contains_key(*name)) {
        return Err(OF_NOTHING);
    }
    match claims.get("aud") {
        None => Ok(()),
        Some(Value::String(audience)) if audience == issuer => Ok(()),
        Some(Value::Array(audiences)) if audiences.iter().any(|audience| audience == issuer) => Ok(()),
        Some(_) => Err(AUDIENCE),
    }
}

/// Whose word it was, for the audit log: after an issuer's key was stolen somebody has to find what it registered.
pub fn described(claims: &Map<String, Value>) -> Vec<(String, Value)> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let cut = |text: &str| text.chars().take(MAX_SOFTWARE_ID).collect::<String>();
    let told = [("software_statement_issuer", text("iss")), ("software_id", text("software_id"))];
    told.into_iter().filter_map(|(name, text)| Some((name.to_owned(), cut(text?).into()))).collect()
}

/// The registration with what the statement says in the place of what the application says itself (§2.3).
pub fn merged(body: &Value, claims: Map<String, Value>) -> Value {
    let mut members = body.as_object().cloned().unwrap_or_default();
    members.shift_remove("software_statement");
    members.extend(claims.into_iter().filter(|(name, _)| !OWN_CLAIMS.contains(&name.as_str())));
    Value::Object(members)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "https://id.example";
    const NOW: Timestamp = Timestamp::from_seconds(1_000_000);

    fn checked(claims: &Value) -> Result<(), OAuthError> {
        check(claims.as_object().unwrap(), ISSUER, (Seconds::days(1), NOW))
    }

    #[test]
    fn what_the_statement_says_stands_before_what_the_application_says() {
        let body = json!({ "client_name": "Mine", "scope": "openid", "software_statement": "a.b.c" });
        let claims = json!({ "iss": "i", "exp": 1, "client_name": "Theirs", "software_statement": "x" });
        let merged = merged(&body, claims.as_object().unwrap().clone());
        assert_eq!((&merged["client_name"], &merged["scope"], merged.get("iss")), (&json!("Theirs"), &json!("openid"), None));
    }

    #[test]
    fn a_statement_has_its_time_and_its_audience() {
        let about = |mut claims: Value| {
            claims["software_id"] = json!("app");
            claims
        };
        let until = json!({ "exp": 1_000_001, "iat": 999_999, "aud": ["https://other.example", ISSUER] });
        for claims in [until, json!({ "aud": ISSUER, "iat": 1_000_000 - 86_400 - 9 }), json!({ "exp": 1_000_000 - 9 })] {
            assert_eq!(checked(&about(claims.clone())), Ok(()), "{claims}");
        }
        for (claims, error) in [
            (json!({ "exp": 1_000_000 - 10 }), EXPIRED),
            (json!({ "nbf": 1_000_011, "exp": 2_000_000 }), EXPIRED),
            (json!({ "iat": 1_000_011 }), EXPIRED),
            (json!({ "exp": "soon" }), MALFORMED),
            (json!({}), UNDATED),
            (json!({ "nbf": 1 }), UNDATED),
            (json!({ "iat": 1_000_000 - 86_400 - 10 }), EXPIRED),
            (json!({ "exp": 1_000_001, "aud": "https://other.example" }), AUDIENCE),
            (json!({ "exp": 1_000_001, "aud": [] }), AUDIENCE),
            (json!({ "exp": 1_000_001, "aud": 1 }), AUDIENCE),
        ] {
            assert_eq!(checked(&about(claims.clone())), Err(error), "{claims}");
        }
    }

    #[test]
    fn what_says_nothing_of_an_application_is_no_statement() {
        for (claims, result) in [
            (json!({ "exp": 1_000_001, "sub": "anna", "jti": "1", "aud": ISSUER }), Err(OF_NOTHING)),
            (json!({ "exp": 1_000_001, "client_name": "App" }), Err(OF_NOTHING)),
            (json!({ "exp": 1_000_001, "redirect_uris": ["https://app.example/cb"] }), Ok(())),
            (json!({ "exp": 1_000_001, "jwks": { "keys": [] } }), Ok(())),
        ] {
            assert_eq!(checked(&claims), result, "{claims}");
        }
        let claims = json!({ "iss": "https://directory.example", "software_id": "a".repeat(300) });
        let told: Map<String, Value> = described(claims.as_object().unwrap()).into_iter().collect();
        assert_eq!(
            Value::from(told),
            json!({ "software_statement_issuer": "https://directory.example", "software_id": "a".repeat(255) })
        );
    }
}
