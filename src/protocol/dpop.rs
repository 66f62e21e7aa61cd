//! DPoP proofs: what their claims have to say (RFC 9449 §4.2, §4.3). The signature, and whether a proof was used before, is the
//! caller's.

use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use url::Url;

use super::error::{ErrorCode, OAuthError};
use super::jwt::{encode, numeric_date};
use super::time::{Seconds, Timestamp};

/// The one value of `typ`.
pub const TYPES: &[Option<&str>] = &[Some("dpop+jwt")];

/// How far the client's clock may be from this one, and how old a proof may be.
pub const SKEW: Seconds = Seconds(60);

/// The longest `jti`.
const MAX_JTI: usize = 255;

const fn refused(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidDpopProof, reason, description)
}

pub const REPEATED: OAuthError = refused("dpop_proof_given_twice", "There is more than one DPoP proof");
pub const MISSING: OAuthError = refused("dpop_proof_missing", "A DPoP proof is required");
pub const MALFORMED: OAuthError = refused("dpop_proof_malformed", "The DPoP proof is not a signed JWT");
pub const WRONG_TYPE: OAuthError = refused("dpop_proof_of_another_type", "typ of the DPoP proof is not dpop+jwt");
pub const WRONG_ALGORITHM: OAuthError =
    refused("dpop_algorithm_not_allowed", "alg of the DPoP proof is not one of those supported");
pub const UNUSABLE_KEY: OAuthError = refused("dpop_key_unusable", "jwk of the DPoP proof is not a public key for its alg");
pub const WRONG_SIGNATURE: OAuthError = refused("dpop_signature_wrong", "The signature of the DPoP proof is wrong");
const METHOD: OAuthError = refused("dpop_method_mismatch", "htm of the DPoP proof is not the method of the request");
const URL: OAuthError = refused("dpop_url_mismatch", "htu of the DPoP proof is not the URL of the request");
const TIME: OAuthError = refused("dpop_time_malformed", "iat of the DPoP proof is missing or not a number");
const TOO_OLD: OAuthError = refused("dpop_proof_too_old", "The DPoP proof is too old: look at iat and at the clock");
const NOT_YET: OAuthError =
    refused("dpop_proof_from_the_future", "The DPoP proof is from the future: look at iat and at the clock");
const NO_ID: OAuthError = refused("dpop_jti_missing", "jti of the DPoP proof is missing or too long");
const TOKEN: OAuthError = refused("dpop_token_mismatch", "ath of the DPoP proof is not the hash of the access token");
pub const REPLAYED: OAuthError = refused("dpop_proof_replayed", "The DPoP proof was used before");
/// RFC 9449 §10.1.
pub const OTHER_KEY: OAuthError = refused("dpop_jkt_of_another_key", "dpop_jkt is not the thumbprint of the DPoP proof's key");
/// RFC 9449 §8, §9.
pub const NONCE: OAuthError =
    OAuthError::new(ErrorCode::UseDpopNonce, "dpop_nonce_required", "The DPoP proof needs the nonce of the DPoP-Nonce field");

/// What the claims have to say.
#[derive(Clone, Copy, Debug)]
pub struct Expected<'a> {
    pub method: &'a str,
    /// By which the request may have been sent, without query and fragment.
    pub urls: &'a [String],
    /// That the request was sent with, at a resource.
    pub access_token: Option<&'a str>,
}

/// What makes a proof good for one use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    pub jti: String,
    /// From then on it is refused for its age.
    pub ends_at: Timestamp,
}

/// Checks the claims.
pub fn check(claims: &Map<String, Value>, expected: &Expected<'_>, now: Timestamp) -> Result<Once, OAuthError> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    if text("htm") != Some(expected.method) {
        return Err(METHOD);
    }
    if !text("htu").is_some_and(|htu| expected.urls.iter().any(|url| is_same(htu, url))) {
        return Err(URL);
    }
    let issued_at = numeric_date::claim(claims, "iat").ok().flatten().ok_or(TIME)?;
    let ends_at = issued_at + SKEW;
    if now >= ends_at {
        return Err(TOO_OLD);
    }
    if issued_at > now + SKEW {
        return Err(NOT_YET);
    }
    if expected.access_token.is_some_and(|token| text("ath") != Some(encode(&Sha256::digest(token)).as_str())) {
        return Err(TOKEN);
    }
    match text("jti") {
        Some(jti) if (1..=MAX_JTI).contains(&jti.len()) => Ok(Once { jti: jti.to_owned(), ends_at }),
        _ => Err(NO_ID),
    }
}

/// The same URL in either spelling, without query and fragment (RFC 9449 §4.3 (9); RFC 3986 §6.2.2, §6.2.3).
fn is_same(presented: &str, expected: &str) -> bool {
    let normal = |text: &str| {
        let mut url = Url::parse(text).ok()?;
        url.set_query(None);
        url.set_fragment(None);
        Some(url)
    };
    normal(presented).is_some_and(|url| Some(url) == normal(expected))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: i64 = 1_800_000_000;
    const TOKEN_URL: &str = "https://id.example/tenant/token";

    fn claims() -> Value {
        json!({ "htm": "POST", "htu": TOKEN_URL, "iat": NOW, "jti": "1", "ath": "fUHyO2r2Z3DZ53EsNrWBb0xWXoaNy59IiKCAqksmQEo" })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn check(claims: &Value, access_token: Option<&str>) -> Result<Once, OAuthError> {
        let urls = [TOKEN_URL, "https://mtls.example/tenant/token"].map(str::to_owned);
        let expected = Expected { method: "POST", urls: &urls, access_token };
        super::check(claims.as_object().unwrap(), &expected, Timestamp::from_seconds(NOW))
    }

    #[test]
    fn a_proof_is_good_for_one_minute() {
        let once = Once { jti: "1".to_owned(), ends_at: Timestamp::from_seconds(NOW + 60) };
        assert_eq!(check(&claims(), None), Ok(once));
        for (iat, expected) in [(-10, Ok(())), (10, Ok(())), (60, Ok(())), (-60, Err(TOO_OLD)), (61, Err(NOT_YET))] {
            assert_eq!(check(&with("iat", json!(NOW + iat)), None).map(drop), expected, "{iat}");
        }
        assert_eq!(check(&with("iat", json!("now")), None), Err(TIME));
    }

    #[test]
    fn every_claim_is_needed() {
        for (name, error) in [("htm", METHOD), ("htu", URL), ("iat", TIME), ("ath", TOKEN), ("jti", NO_ID)] {
            let mut claims = claims();
            claims.as_object_mut().unwrap().remove(name);
            assert_eq!(check(&claims, Some("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")), Err(error), "{name}");
        }
        for (name, value, error) in
            [("htu", json!(["x"]), URL), ("htm", json!("post"), METHOD), ("jti", json!(""), NO_ID), ("jti", json!(1), NO_ID)]
        {
            assert_eq!(check(&with(name, value), None), Err(error), "{name}");
        }
    }

    #[test]
    fn the_hash_of_the_access_token_of_rfc_9449_7_1_is_known() {
        assert!(check(&claims(), Some("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU")).is_ok());
        assert_eq!(check(&claims(), Some("Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxV")), Err(TOKEN));
    }

    #[test]
    fn another_spelling_of_the_url_is_the_same_url() {
        for htu in [
            "https://id.example/tenant/token?a=b#c",
            "HTTPS://ID.EXAMPLE:443/tenant/token",
            "https://id.example/tenant/x/../token",
            "https://mtls.example/tenant/token",
        ] {
            assert!(check(&with("htu", json!(htu)), None).is_ok(), "{htu}");
        }
        for htu in [
            "http://id.example/tenant/token",
            "https://id.example:8443/tenant/token",
            "https://evil.example/tenant/token",
            "https://id.example/tenant/token/",
            "https://id.example/tenant/TOKEN",
            "https://user@id.example/tenant/token",
            "/tenant/token",
            "",
        ] {
            assert_eq!(check(&with("htu", json!(htu)), None), Err(URL), "{htu}");
        }
    }
}
