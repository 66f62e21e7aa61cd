//! Checking tokens offline: an ID token as a client must (OpenID Connect Core §3.1.3.7), and an access token as the API that it
//! is sent to would (RFC 9068 §4).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// A token whose every check passed.
#[derive(Clone)]
pub struct Verified {
    pub token: String,
    pub header: Map<String, Value>,
    pub claims: Map<String, Value>,
    /// What was checked, in words.
    pub checks: Vec<String>,
}

impl Verified {
    /// A claim that is text.
    pub fn text(&self, name: &str) -> Option<&str> {
        self.claims.get(name).and_then(Value::as_str)
    }
}

/// What an ID token must say.
pub struct Expected<'a> {
    pub issuer: &'a str,
    pub client_id: &'a str,
    pub nonce: Nonce<'a>,
    /// Of an earlier ID token of the same login (§12.2).
    pub subject: Option<&'a str>,
    /// The access token that came with it.
    pub access_token: &'a str,
}

/// An ID token of a login names the nonce; one of a refresh may leave it out (§12.2).
#[derive(Clone, Copy)]
pub enum Nonce<'a> {
    Required(&'a str),
    IfPresent(&'a str),
}

#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    #[error("it is not signed with a key of the provider: `kid` is {0}")]
    UnknownKey(String),
    #[error("it is not signed with the algorithm that was agreed on")]
    WrongAlgorithm,
    #[error("it has a header that may not be ignored (`crit`)")]
    UnknownExtension,
    #[error("{0}")]
    Jwt(#[from] jsonwebtoken::errors::Error),
    #[error("`typ` is not `{0}`")]
    WrongType(&'static str),
    #[error("`{0}` is missing, or not what was expected")]
    WrongClaim(&'static str),
}

/// Checks an ID token. `algorithm` is the one the client is registered with: a token never chooses it.
pub fn id_token(token: &str, keys: &JwkSet, algorithm: Algorithm, expected: &Expected<'_>) -> Result<Verified, Invalid> {
    let mut verified = signed(token, keys, &[algorithm], (expected.issuer, expected.client_id))?;
    let claims = &verified.claims;
    // With several audiences, `azp` says who the token was issued to.
    let sole_audience = claims.get("aud").is_some_and(|aud| aud.as_array().is_none_or(|list| list.len() == 1));
    match claims.get("azp").map(Value::as_str) {
        Some(party) if party != Some(expected.client_id) => return Err(Invalid::WrongClaim("azp")),
        None if !sole_audience => return Err(Invalid::WrongClaim("azp")),
        _ => {}
    }
    let (nonce, required) = match expected.nonce {
        Nonce::Required(nonce) => (nonce, true),
        Nonce::IfPresent(nonce) => (nonce, false),
    };
    let nonce_fits = claims.get("nonce").map_or(!required, |claim| claim == nonce);
    if !nonce_fits {
        return Err(Invalid::WrongClaim("nonce"));
    }
    if expected.subject.is_some_and(|subject| claims.get("sub").and_then(Value::as_str) != Some(subject)) {
        return Err(Invalid::WrongClaim("sub"));
    }
    if let Some(at_hash) = claims.get("at_hash")
        && at_hash != &left_half_of_hash(expected.access_token)
    {
        return Err(Invalid::WrongClaim("at_hash"));
    }
    let hashed = claims.contains_key("at_hash");
    verified.checks.push(if required {
        "nonce is this login's".to_owned()
    } else {
        "nonce is this login's, or absent".to_owned()
    });
    if expected.subject.is_some() {
        verified.checks.push("sub is the same person as before".to_owned());
    }
    if hashed {
        verified.checks.push("at_hash fits the access token".to_owned());
    }
    Ok(verified)
}

/// Checks an access token the way an API does: without asking the provider.
pub fn access_token(token: &str, keys: &JwkSet, issuer: &str, audience: &str) -> Result<Verified, Invalid> {
    let algorithms = [Algorithm::ES256, Algorithm::RS256, Algorithm::PS256, Algorithm::EdDSA];
    let mut verified = signed(token, keys, &algorithms, (issuer, audience))?;
    // Or else an ID token could be passed off as an access token (§4).
    if verified.header.get("typ").and_then(Value::as_str) != Some("at+jwt") {
        return Err(Invalid::WrongType("at+jwt"));
    }
    verified.checks.push("typ is at+jwt".to_owned());
    Ok(verified)
}

/// What every signed token has to withstand: signature, issuer, audience and time.
fn signed(token: &str, keys: &JwkSet, algorithms: &[Algorithm], from_to: (&str, &str)) -> Result<Verified, Invalid> {
    let header = decode_header(token)?;
    if !algorithms.contains(&header.alg) {
        return Err(Invalid::WrongAlgorithm);
    }
    if header.crit.is_some() {
        return Err(Invalid::UnknownExtension);
    }
    let key_id = header.kid.clone().unwrap_or_default();
    let key = keys.find(&key_id).ok_or_else(|| Invalid::UnknownKey(key_id.clone()))?;

    let (issuer, audience) = from_to;
    let mut validation = Validation::new(header.alg);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    validation.set_required_spec_claims(&["iss", "sub", "aud", "exp"]);
    validation.leeway = 10;
    let data = decode::<Map<String, Value>>(token, &DecodingKey::from_jwk(key)?, &validation)?;

    Ok(Verified {
        token: token.to_owned(),
        checks: vec![
            format!("{:?} signature fits key {key_id} of the key set", data.header.alg),
            format!("iss is {issuer}"),
            format!("aud names {audience}"),
            "exp is not yet past".to_owned(),
        ],
        header: serde_json::to_value(&data.header).ok().and_then(|header| header.as_object().cloned()).unwrap_or_default(),
        claims: data.claims,
    })
}

/// `at_hash` for the algorithms that hash with SHA-256 (§3.1.3.6).
fn left_half_of_hash(access_token: &str) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(access_token.as_bytes())[..16])
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::jwk::Jwk;
    use jsonwebtoken::{EncodingKey, Header, encode};
    use p256::elliptic_curve::Generate;
    use p256::pkcs8::EncodePrivateKey;
    use serde_json::json;

    use super::*;

    const ISSUER: &str = "http://localhost:8080";
    const FAR: i64 = 32_503_680_000;

    fn key() -> EncodingKey {
        let document = p256::SecretKey::generate().to_pkcs8_der().expect("a key encodes");
        EncodingKey::from_ec_der(document.as_bytes())
    }

    fn published(key: &EncodingKey) -> JwkSet {
        let mut jwk = Jwk::from_encoding_key(key, Algorithm::ES256).expect("a public key");
        jwk.common.key_id = Some("k1".to_owned());
        JwkSet { keys: vec![jwk] }
    }

    fn token(key: &EncodingKey, typ: &str, claims: &Value) -> String {
        let header = Header { kid: Some("k1".to_owned()), typ: Some(typ.to_owned()), ..Header::new(Algorithm::ES256) };
        encode(&header, claims, key).expect("it signs")
    }

    /// The claims of a good ID token that came with the access token `access`, with `changes`.
    fn claims(changes: &Value) -> Value {
        let mut claims = json!({
            "iss": ISSUER, "sub": "1", "aud": "demo-web", "exp": FAR, "nonce": "n", "at_hash": left_half_of_hash("access"),
        });
        for (name, value) in changes.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        claims
    }

    fn expected<'a>() -> Expected<'a> {
        let nonce = Nonce::Required("n");
        Expected { issuer: ISSUER, client_id: "demo-web", nonce, subject: Some("1"), access_token: "access" }
    }

    fn verdict(changes: &Value) -> Result<Verified, Invalid> {
        let key = key();
        id_token(&token(&key, "JWT", &claims(changes)), &published(&key), Algorithm::ES256, &expected())
    }

    #[test]
    fn a_good_id_token_withstands_every_check() {
        let verified = verdict(&json!({})).expect("it is good");
        assert_eq!(verified.text("sub"), Some("1"));
        assert_eq!(verified.checks.len(), 7);
        assert!(verdict(&json!({"aud": ["demo-web", "other"], "azp": "demo-web"})).is_ok());
    }

    #[test]
    fn an_id_token_with_one_wrong_claim_is_refused() {
        let changes = [
            json!({"iss": "http://localhost:9999"}),
            json!({"aud": "demo-spa"}),
            json!({"aud": ["demo-web", "other"]}),
            json!({"azp": "demo-spa"}),
            json!({"exp": 1}),
            json!({"nonce": "m"}),
            json!({"nonce": null}),
            json!({"sub": "2"}),
            json!({"at_hash": left_half_of_hash("another")}),
        ];
        for change in changes {
            assert!(verdict(&change).is_err(), "{change} was taken");
        }
    }

    #[test]
    fn a_refreshed_id_token_may_leave_the_nonce_out_but_not_change_it() {
        let key = key();
        let check = |claims: &Value| {
            let expected = Expected { nonce: Nonce::IfPresent("n"), ..expected() };
            id_token(&token(&key, "JWT", claims), &published(&key), Algorithm::ES256, &expected)
        };
        let mut without = claims(&json!({}));
        without.as_object_mut().expect("an object").remove("nonce");
        assert!(check(&without).is_ok());
        assert!(matches!(check(&claims(&json!({"nonce": "m"}))), Err(Invalid::WrongClaim("nonce"))));
    }

    #[test]
    fn a_token_signed_by_somebody_else_is_refused() {
        let forged = token(&key(), "JWT", &claims(&json!({})));
        let verdict = id_token(&forged, &published(&key()), Algorithm::ES256, &expected());
        assert!(matches!(verdict, Err(Invalid::Jwt(_))));
        let verdict = id_token(&forged, &JwkSet::default(), Algorithm::ES256, &expected());
        assert!(matches!(verdict, Err(Invalid::UnknownKey(_))));
    }

    #[test]
    fn a_token_does_not_choose_its_algorithm() {
        let key = key();
        let verdict = id_token(&token(&key, "JWT", &claims(&json!({}))), &published(&key), Algorithm::RS256, &expected());
        assert!(matches!(verdict, Err(Invalid::WrongAlgorithm)));
    }

    #[test]
    fn an_id_token_is_no_access_token() {
        let key = key();
        let keys = published(&key);
        let claims = claims(&json!({"aud": ISSUER}));
        assert!(access_token(&token(&key, "at+jwt", &claims), &keys, ISSUER, ISSUER).is_ok());
        let verdict = access_token(&token(&key, "JWT", &claims), &keys, ISSUER, ISSUER);
        assert!(matches!(verdict, Err(Invalid::WrongType("at+jwt"))));
    }
}
