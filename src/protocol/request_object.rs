//! Request objects: authorization requests that the client wrote into a JWT (RFC 9101; OpenID Connect Core §6).
//!
//! What is in the object is the request; of what stands beside it, nothing counts. Its signature is the caller's.

use serde_json::{Map, Value};

use super::error::{ErrorCode, OAuthError};
use super::id::ClientId;
use super::jwt::numeric_date;
use super::params::{MAX_PARAMS, Params};
use super::time::{Seconds, Timestamp};

/// Values of `typ`: libraries write `JWT` or nothing; the last one is the objects' own (RFC 9101 §10.8).
pub const TYPES: &[Option<&str>] = &[None, Some("jwt"), Some("oauth-authz-req+jwt")];

/// How far the client's clock may be from this one.
const SKEW: Seconds = Seconds(10);

/// Claims of the JWT itself (RFC 7519 §4.1), which are no parameters.
const OF_THE_TOKEN: [&str; 7] = ["iss", "sub", "aud", "exp", "nbf", "iat", "jti"];

const fn refused(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequestObject, reason, "The request object is not valid")
}

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidRequest, reason, description)
}

/// RFC 9101 §10.5.
pub const REQUIRED: OAuthError = invalid("request_object_required", "The request must be a signed request object");
pub const REPEATED: OAuthError = invalid("request_object_repeated", "There must be one request, or one request_uri");
pub const RESPONSE_TYPE_DIFFERS: OAuthError = invalid("response_type_differs", "response_type is not that of the request object");
pub const MALFORMED: OAuthError = refused("request_object_malformed");
pub const UNSIGNED: OAuthError = refused("request_object_unsigned");
pub const WRONG_ALGORITHM: OAuthError = refused("request_object_algorithm_not_allowed");
pub const WRONG_ENCRYPTION: OAuthError = refused("request_object_encryption_not_allowed");
pub const ENCRYPTED_FOR_ANOTHER: OAuthError = refused("request_object_encrypted_for_another_key");
pub const UNDECIPHERABLE: OAuthError = refused("request_object_undecipherable");
pub const WRONG_TYPE: OAuthError = refused("request_object_of_another_type");
pub const KEYS_UNAVAILABLE: OAuthError = refused("request_object_keys_unavailable");
pub const UNKNOWN_KEY: OAuthError = refused("request_object_key_unknown");
pub const WRONG_SIGNATURE: OAuthError = refused("request_object_signature_wrong");
const OF_ANOTHER_CLIENT: OAuthError = refused("request_object_of_another_client");
const ASSERTION: OAuthError = refused("request_object_is_an_assertion");
const AUDIENCE: OAuthError = refused("request_object_audience_mismatch");
const MALFORMED_TIME: OAuthError = refused("request_object_time_malformed");
const EXPIRED: OAuthError = refused("request_object_expired");
const NOT_YET: OAuthError = refused("request_object_from_the_future");
const UNLIMITED: OAuthError = refused("request_object_unlimited");
const TOO_LONG: OAuthError = refused("request_object_lifetime_too_long");
const NESTED: OAuthError = refused("request_object_nested");
const PARAMETER: OAuthError = refused("request_object_parameter_malformed");

/// Whose object it has to be, and whom it has to be for.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub client: &'a ClientId,
    pub issuer: &'a str,
    /// The client signed it: then it says who made it, and for whom (RFC 9101 §4).
    pub signed: bool,
    /// How long it may be good for, and how old it may be, where somebody cares (FAPI 2.0 Message Signing §5.3.1): then it has to say
    /// both.
    pub longest: Option<Seconds>,
}

/// The parameters that the claims are.
pub fn params(claims: &Map<String, Value>, expected: &Expected<'_>, now: Timestamp) -> Result<Params, OAuthError> {
    party(claims, expected)?;
    times(claims, expected.longest, now)?;
    parameters(claims)
}

/// The parameters alone, whoever made them for whom.
pub(super) fn parameters(claims: &Map<String, Value>) -> Result<Params, OAuthError> {
    let mut pairs: Vec<(&str, String)> = Vec::new();
    for (name, value) in claims.iter().filter(|(name, _)| !OF_THE_TOKEN.contains(&name.as_str())) {
        match value {
            // RFC 9101 §4.
            _ if name == "request" || name == "request_uri" => return Err(NESTED),
            Value::String(text) if !text.contains('\0') => pairs.push((name, text.clone())),
            Value::Number(number) => pairs.push((name, number.to_string())),
            Value::Bool(flag) => pairs.push((name, flag.to_string())),
            // RFC 8707 §2.
            Value::Array(values) if name == "resource" => {
                for value in values {
                    pairs.push((name, value.as_str().filter(|text| !text.contains('\0')).ok_or(PARAMETER)?.to_owned()));
                }
            }
            // `claims`, `authorization_details`: what is JSON in a query too.
            Value::Object(_) | Value::Array(_) => pairs.push((name, value.to_string())),
            Value::String(_) | Value::Null => return Err(PARAMETER),
        }
    }
    if pairs.len() > MAX_PARAMS {
        return Err(PARAMETER);
    }
    Ok(Params::of(pairs.iter().map(|(name, value)| (*name, Some(value.as_str())))))
}

/// RFC 9101 §4, §6.3, §10.8.
fn party(claims: &Map<String, Value>, expected: &Expected<'_>) -> Result<(), OAuthError> {
    let client = Value::from(expected.client.as_str());
    let is_client = |name: &str, needed: bool| claims.get(name).map_or(!needed, |value| *value == client);
    if !is_client("client_id", true) || !is_client("iss", expected.signed) {
        return Err(OF_ANOTHER_CLIENT);
    }
    // Whoever got hold of an assertion of the client's must not be able to make a request of it.
    if claims.get("sub") == Some(&client) {
        return Err(ASSERTION);
    }
    let meant = match claims.get("aud") {
        None => !expected.signed,
        Some(Value::String(audience)) => audience == expected.issuer,
        Some(Value::Array(audiences)) => audiences.iter().any(|audience| audience == expected.issuer),
        Some(_) => false,
    };
    if meant { Ok(()) } else { Err(AUDIENCE) }
}

fn times(claims: &Map<String, Value>, longest: Option<Seconds>, now: Timestamp) -> Result<(), OAuthError> {
    let time = |name: &str| numeric_date::claim(claims, name).map_err(|_| MALFORMED_TIME);
    let (expires_at, issued_at, not_before) = (time("exp")?, time("iat")?, time("nbf")?);
    if expires_at.is_some_and(|end| now >= end + SKEW) {
        return Err(EXPIRED);
    }
    if issued_at.max(not_before).is_some_and(|begin| begin > now + SKEW) {
        return Err(NOT_YET);
    }
    let Some(longest) = longest else { return Ok(()) };
    let (begin, end) = not_before.zip(expires_at).ok_or(UNLIMITED)?;
    if end > begin + longest || now > begin + longest { Err(TOO_LONG) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;

    fn object(signed: bool, change: impl FnOnce(&mut Value)) -> Result<Params, OAuthError> {
        object_within(None, signed, change)
    }

    fn object_within(longest: Option<Seconds>, signed: bool, change: impl FnOnce(&mut Value)) -> Result<Params, OAuthError> {
        let mut claims = json!({
            "iss": "app", "aud": "https://id.example", "client_id": "app", "exp": NOW + 60, "nbf": NOW, "scope": "openid",
        });
        change(&mut claims);
        let client = ClientId::parse("app").unwrap();
        let expected = Expected { client: &client, issuer: "https://id.example", signed, longest };
        params(claims.as_object().unwrap(), &expected, Timestamp::from_seconds(NOW))
    }

    #[test]
    fn where_it_matters_an_object_says_how_long_it_is_good_for() {
        let within = |begin: Value, end: Value| {
            let change = |claims: &mut Value| {
                claims["nbf"] = begin;
                claims["exp"] = end;
                claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
            };
            object_within(Some(Seconds::minutes(60)), true, change).map(drop)
        };
        assert_eq!(within(json!(NOW), json!(NOW + 3_600)), Ok(()));
        assert_eq!(within(json!(NOW - 3_590), json!(NOW + 10)), Ok(()));
        assert_eq!(within(Value::Null, json!(NOW + 60)), Err(UNLIMITED));
        assert_eq!(within(json!(NOW), Value::Null), Err(UNLIMITED));
        assert_eq!(within(json!(NOW), json!(NOW + 3_601)), Err(TOO_LONG));
        assert_eq!(within(json!(NOW - 3_601), json!(NOW - 1)), Err(TOO_LONG));
    }

    fn with(name: &str, value: Value) -> Result<Params, OAuthError> {
        object(true, |claims| claims[name] = value)
    }

    fn without(signed: bool, name: &str) -> Result<Params, OAuthError> {
        object(signed, |claims| drop(claims.as_object_mut().unwrap().shift_remove(name)))
    }

    #[test]
    fn the_claims_become_the_parameters_that_they_would_be_in_a_query() {
        let params = object(true, |claims| {
            claims["max_age"] = json!(60);
            claims["resource"] = json!(["https://a.example", "https://b.example"]);
            claims["claims"] = json!({ "id_token": { "acr": null } });
        });
        let params = params.unwrap();
        assert_eq!((params.get("scope"), params.get("max_age")), (Some("openid"), Some("60")));
        assert_eq!(params.values("resource").collect::<Vec<_>>(), ["https://a.example", "https://b.example"]);
        assert_eq!(params.get("claims"), Some(r#"{"id_token":{"acr":null}}"#));
        assert!(!params.contains("aud") && !params.contains("exp") && params.get("client_id") == Some("app"));
    }

    #[test]
    fn an_object_of_another_client_or_for_another_server_is_refused() {
        assert_eq!(with("client_id", json!("other")), Err(OF_ANOTHER_CLIENT));
        assert_eq!(without(true, "client_id"), Err(OF_ANOTHER_CLIENT));
        assert_eq!(with("iss", json!("other")), Err(OF_ANOTHER_CLIENT));
        assert_eq!(without(true, "iss"), Err(OF_ANOTHER_CLIENT));
        assert_eq!(with("sub", json!("app")), Err(ASSERTION));
        for audience in [json!("https://other.example"), json!("https://id.example/"), json!(["a", "b"]), json!([]), json!(1)] {
            assert_eq!(with("aud", audience.clone()), Err(AUDIENCE), "{audience}");
        }
        assert_eq!(without(true, "aud"), Err(AUDIENCE));
        assert!(with("aud", json!(["https://other.example", "https://id.example"])).is_ok());
        // One that nobody signed proves nothing by these; wrong ones are wrong all the same.
        assert!(without(false, "aud").is_ok() && without(false, "iss").is_ok());
        assert_eq!(object(false, |claims| claims["iss"] = json!("other")), Err(OF_ANOTHER_CLIENT));
    }

    #[test]
    fn times_are_looked_at_where_there_are_any() {
        for (name, good, bad, error) in
            [("exp", NOW - 8, NOW - 60, EXPIRED), ("nbf", NOW + 8, NOW + 60, NOT_YET), ("iat", NOW + 8, NOW + 60, NOT_YET)]
        {
            assert!(with(name, json!(good)).is_ok(), "{name}");
            assert_eq!(with(name, json!(bad)), Err(error), "{name}");
            assert_eq!(with(name, json!("soon")), Err(MALFORMED_TIME), "{name}");
            assert!(without(true, name).is_ok(), "{name}");
        }
    }

    #[test]
    fn what_is_no_parameter_is_refused() {
        for name in ["request", "request_uri"] {
            assert_eq!(with(name, json!("x")), Err(NESTED), "{name}");
        }
        for value in [json!(null), json!("a\0b")] {
            assert_eq!(with("state", value.clone()), Err(PARAMETER), "{value}");
        }
        assert_eq!(with("resource", json!([1])), Err(PARAMETER));
        let many = object(true, |claims| (0..64).for_each(|number| claims[format!("p{number}")] = json!("v")));
        assert_eq!(many, Err(PARAMETER));
    }
}
