//! What the ring signs, and what it refuses to believe.

use jsonwebtoken::{DecodingKey, EncodingKey, Validation};
use serde_json::{Map, Value, json};

use super::*;
use crate::config::{KeysConfig, TokenConfig};
use crate::keys::encryption::Recipient;
use crate::keys::root::Root;
use crate::keys::signer::Signer;
use crate::keys::signer::generate;
use crate::protocol::client::{ContentEncryption, Encryption};
use crate::protocol::foreign_jwk::ForeignJwk;
use crate::protocol::jwe::Content;

const ISSUER: &str = "https://id.example";

fn signer(algorithm: Algorithm) -> Signer {
    Signer::from_pkcs8(algorithm, &generate(algorithm).unwrap()).unwrap()
}

fn ring_of(keys: Vec<(KeyState, Signer)>) -> KeyRing {
    let custody = Custody::new(&Root::random(), &KeysConfig::default(), &TokenConfig::default());
    let ring = KeyRing::empty(custody);
    put(&ring, keys);
    ring
}

fn put(ring: &KeyRing, keys: Vec<(KeyState, Signer)>) {
    ring.replace(keys.into_iter().map(|(state, signer)| (state, OwnKey::Signs(Arc::new(Key::new(signer))))).collect());
}

fn ring() -> KeyRing {
    ring_of(vec![(KeyState::Signing, signer(Algorithm::ES256)), (KeyState::Signing, signer(Algorithm::EdDSA))])
}

fn kid(ring: &KeyRing, algorithm: Algorithm) -> String {
    let keys = ring.keys();
    keys.iter().find(|(_, key)| key.algorithm() == algorithm.into()).unwrap().1.kid().to_string()
}

fn verify(ring: &KeyRing, token: &str) -> Result<Value, Untrusted> {
    ring.verify(token, TokenType::AccessToken)
}

/// A token with another header, signed as the header says.
fn forged(header: &Value, signature: &[u8]) -> String {
    format!("{}.{}.{}", encode(header.to_string().as_bytes()), encode(b"{\"sub\":\"x\"}"), encode(signature))
}

#[test]
fn what_was_signed_verifies() {
    let ring = ring();
    for algorithm in [Algorithm::ES256, Algorithm::EdDSA] {
        let token = ring.sign(algorithm, TokenType::AccessToken, &json!({"sub": "x"})).unwrap();
        assert_eq!(verify(&ring, &token), Ok(json!({"sub": "x"})));
    }
}

#[test]
fn another_implementation_verifies_each_algorithm_through_the_jwks() {
    let ring = ring_of(Algorithm::ALL.map(|algorithm| (KeyState::Signing, signer(algorithm))).into());
    let jwks: jsonwebtoken::jwk::JwkSet = serde_json::from_slice(&ring.jwks().body).unwrap();
    assert_eq!(jwks.keys.len(), 4);
    for algorithm in Algorithm::ALL {
        let token =
            ring.sign(algorithm, TokenType::IdToken, &json!({"sub": "x", "aud": "app", "exp": 9_999_999_999_u64})).unwrap();
        let header = jsonwebtoken::decode_header(&token).unwrap();
        let key = DecodingKey::from_jwk(jwks.find(header.kid.as_deref().unwrap()).unwrap()).unwrap();
        let mut validation = Validation::new(algorithm.as_str().parse().unwrap());
        validation.set_audience(&["app"]);
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(&token, &key, &validation).unwrap();
        assert_eq!(decoded.claims["sub"], "x", "{algorithm:?}");
    }
}

#[test]
fn the_jwks_holds_public_members_only_and_each_key_id_once() {
    let ring = ring_of(vec![
        (KeyState::Retired, signer(Algorithm::ES256)),
        (KeyState::Published, signer(Algorithm::ES256)),
        (KeyState::Signing, signer(Algorithm::ES256)),
        (KeyState::Signing, signer(Algorithm::RS256)),
    ]);
    let jwks: Value = serde_json::from_slice(&ring.jwks().body).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 4);
    for key in keys {
        let key = key.as_object().unwrap();
        let allowed = ["kty", "crv", "x", "y", "n", "e", "use", "alg", "kid"];
        assert!(key.keys().all(|name| allowed.contains(&name.as_str())), "{key:?}");
        assert_eq!(key["use"], "sig");
    }
    let mut kids: Vec<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
    kids.sort_unstable();
    kids.dedup();
    assert_eq!(kids.len(), 4);
    // A client that takes the first key of its algorithm takes the one that signs.
    assert_eq!(keys.iter().find(|key| key["alg"] == "ES256").unwrap()["kid"], kid(&ring, Algorithm::ES256).as_str());
}

#[test]
fn a_rotation_keeps_the_tokens_of_before_and_of_after_valid() {
    let stored = [generate(Algorithm::ES256).unwrap(), generate(Algorithm::ES256).unwrap()];
    let keys = |states: [KeyState; 2]| {
        states.into_iter().zip(&stored).map(|(state, key)| (state, Signer::from_pkcs8(Algorithm::ES256, key).unwrap())).collect()
    };
    // Another node's ring, which has not heard of the promotion.
    let late = ring_of(keys([KeyState::Signing, KeyState::Published]));
    let ring = ring_of(keys([KeyState::Signing, KeyState::Published]));
    let before = ring.sign(Algorithm::ES256, TokenType::AccessToken, &json!({})).unwrap();
    put(&ring, keys([KeyState::Retired, KeyState::Signing]));
    let after = ring.sign(Algorithm::ES256, TokenType::AccessToken, &json!({})).unwrap();
    for token in [before, after] {
        assert!(verify(&ring, &token).is_ok());
        assert!(verify(&late, &token).is_ok());
    }
}

#[test]
fn the_etag_changes_with_the_keys_and_only_with_them() {
    let ring = ring();
    let before = ring.jwks();
    assert_eq!(before.etag, ring.jwks().etag);
    assert!(before.etag.starts_with(b"\"") && before.etag.ends_with(b"\""));
    put(&ring, vec![(KeyState::Signing, signer(Algorithm::ES256))]);
    assert_ne!(before.etag, ring.jwks().etag);
}

#[test]
fn a_token_of_one_type_is_not_taken_for_another() {
    let ring = ring();
    let id_token = ring.sign(Algorithm::ES256, TokenType::IdToken, &json!({})).unwrap();
    assert_eq!(verify(&ring, &id_token), Err(Untrusted::Type));
    let access_token = ring.sign(Algorithm::ES256, TokenType::AccessToken, &json!({})).unwrap();
    assert_eq!(ring.verify::<Value>(&access_token, TokenType::IdToken), Err(Untrusted::Type));
}

#[test]
fn a_changed_token_is_refused() {
    let ring = ring();
    let token = ring.sign(Algorithm::ES256, TokenType::AccessToken, &json!({"sub": "x"})).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, _) = signed.split_once('.').unwrap();
    let other = format!("{header}.{}.{signature}", encode(b"{\"sub\":\"y\"}"));
    assert_eq!(verify(&ring, &other), Err(Untrusted::Signature));
    assert_eq!(verify(&ring, &format!("{signed}.{}", encode(&[0; 64]))), Err(Untrusted::Signature));
    assert_eq!(verify(&ring, &format!("{signed}.")), Err(Untrusted::Malformed));
}

#[test]
fn a_token_without_signature_is_refused() {
    let ring = ring();
    let kid = kid(&ring, Algorithm::ES256);
    for alg in ["none", "None", "NONE", ""] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": kid});
        assert_eq!(verify(&ring, &forged(&header, b"x")), Err(Untrusted::Algorithm), "{alg}");
        assert_eq!(verify(&ring, &forged(&header, b"")), Err(Untrusted::Malformed), "{alg}");
    }
}

#[test]
fn an_hmac_with_the_public_key_is_refused() {
    let ring = ring();
    let jwks = ring.jwks();
    let header = jsonwebtoken::Header {
        typ: Some("at+jwt".into()),
        kid: Some(kid(&ring, Algorithm::ES256)),
        ..jsonwebtoken::Header::new(jsonwebtoken::Algorithm::HS256)
    };
    let token = jsonwebtoken::encode(&header, &json!({"sub": "x"}), &EncodingKey::from_secret(&jwks.body)).unwrap();
    assert_eq!(verify(&ring, &token), Err(Untrusted::Algorithm));
}

#[test]
fn the_algorithm_is_that_of_the_key() {
    let ring = ring();
    for alg in ["EdDSA", "RS256", "PS256", "ES384", "es256"] {
        let header = json!({"alg": alg, "typ": "at+jwt", "kid": kid(&ring, Algorithm::ES256)});
        assert_eq!(verify(&ring, &forged(&header, b"x")), Err(Untrusted::Algorithm), "{alg}");
    }
}

#[test]
fn a_token_does_not_bring_its_own_key() {
    let (ours, theirs) = (ring(), ring());
    let token = theirs.sign(Algorithm::ES256, TokenType::AccessToken, &json!({"sub": "x"})).unwrap();
    assert_eq!(verify(&ours, &token), Err(Untrusted::UnknownKey));

    // Our key's name over their key, in every way a header can carry one.
    let stranger = signer(Algorithm::ES256);
    let header = json!({
        "alg": "ES256", "typ": "at+jwt", "kid": kid(&ours, Algorithm::ES256), "jwk": stranger.public(),
        "jku": "https://evil.example/jwks", "x5u": "https://evil.example/x5u", "x5c": ["AAAA"],
    });
    let input = forged(&header, b"x");
    let signed = input.rsplit_once('.').unwrap().0;
    let token = format!("{signed}.{}", encode(&stranger.sign(signed.as_bytes()).unwrap()));
    assert_eq!(verify(&ours, &token), Err(Untrusted::Signature));
}

#[test]
fn strange_key_ids_are_unknown_keys() {
    let ring = ring();
    for kid in ["", "../../dev/null", "' UNION SELECT 1", "\u{0}"] {
        let header = json!({"alg": "ES256", "typ": "at+jwt", "kid": kid});
        assert_eq!(verify(&ring, &forged(&header, b"x")), Err(Untrusted::UnknownKey), "{kid:?}");
    }
    assert_eq!(verify(&ring, &forged(&json!({"alg": "ES256", "typ": "at+jwt"}), b"x")), Err(Untrusted::UnknownKey));
}

#[test]
fn without_a_key_nothing_is_signed() {
    let error = ring().sign(Algorithm::RS256, TokenType::IdToken, &json!({})).unwrap_err();
    assert!(matches!(error, SignError::NoKey(Algorithm::RS256)));
    assert_eq!(ring().algorithms(), [Algorithm::ES256, Algorithm::EdDSA]);
}

#[test]
fn an_access_token_is_checked_for_issuer_audience_and_time() {
    let ring = ring();
    let claims = json!({"iss": ISSUER, "sub": "x", "aud": "api", "exp": 1000, "iat": 1, "jti": "j", "client_id": "x"});
    let token = ring.sign(Algorithm::ES256, TokenType::AccessToken, &claims).unwrap();
    let check = |audience, seconds| ring.access_token(&token, ISSUER, audience, Timestamp::from_seconds(seconds));
    assert_eq!(check(Some("api"), 999).unwrap().sub, "x");
    assert_eq!(check(None, 999).unwrap().sub, "x");
    assert_eq!(check(Some(ISSUER), 999), Err(Untrusted::Unacceptable(Unacceptable::Audience)));
    assert_eq!(check(Some("api"), 1000), Err(Untrusted::Unacceptable(Unacceptable::Expired)));
    let half = ring.sign(Algorithm::ES256, TokenType::AccessToken, &json!({"iss": ISSUER})).unwrap();
    assert_eq!(ring.access_token(&half, ISSUER, None, Timestamp::from_seconds(1)), Err(Untrusted::Claims));
}

#[test]
fn an_expired_id_token_is_still_a_hint_and_a_foreign_one_is_not() {
    let ring = ring();
    let claims = |issuer| json!({"iss": issuer, "sub": "p", "aud": "app", "exp": 1, "iat": 0, "auth_time": 0});
    let ours = ring.sign(Algorithm::ES256, TokenType::IdToken, &claims(ISSUER)).unwrap();
    assert_eq!(ring.id_token_hint(&ours, ISSUER).unwrap().sub, "p");
    let foreign = ring.sign(Algorithm::ES256, TokenType::IdToken, &claims("https://other.example")).unwrap();
    assert_eq!(ring.id_token_hint(&foreign, ISSUER), Err(Untrusted::Unacceptable(Unacceptable::Issuer)));
}

fn decrypter(algorithm: KeyAlgorithm) -> OwnKey {
    let pair = if algorithm == KeyAlgorithm::EcdhEs { Algorithm::ES256 } else { Algorithm::RS256 };
    OwnKey::from_pkcs8(algorithm, &generate(pair).unwrap()).unwrap()
}

fn encrypted(key: &OwnKey, alg: KeyManagement) -> String {
    let recipient = Recipient::new(ForeignJwk::parse(&serde_json::to_value(key.public()).unwrap()).unwrap()).unwrap();
    let encryption = Encryption { alg, enc: ContentEncryption::A256Gcm };
    recipient.encrypt(encryption, Content::Nested, b"x").unwrap()
}

#[test]
fn every_key_decrypts_and_the_one_in_use_alone_is_published() {
    let [current, next, old] = [0, 1, 2].map(|_| decrypter(KeyAlgorithm::EcdhEs));
    let ring = ring();
    let signs = ring.jwks();
    let mut keys: Vec<_> =
        ring.snapshot.load().ordered.iter().map(|(state, key)| (*state, OwnKey::Signs(Arc::clone(key)))).collect();
    let states = [KeyState::Signing, KeyState::Published, KeyState::Retired];
    keys.extend(states.into_iter().zip([&current, &next, &old].map(Clone::clone)));
    assert_eq!(ring.key_managements(), []);
    ring.replace(keys);
    assert_eq!(ring.key_managements(), [KeyManagement::EcdhEs, KeyManagement::EcdhEsA256Kw]);
    for key in [&current, &next, &old] {
        let text = encrypted(key, KeyManagement::EcdhEs);
        assert_eq!(ring.decrypt(&Jwe::parse(&text).unwrap()).unwrap().as_slice(), b"x");
        let nameless = Jwe { kid: None, ..Jwe::parse(&text).unwrap() };
        assert!(ring.decrypt(&nameless).is_ok(), "any of its kind is tried");
        let other = Jwe { kid: Some("other".to_owned()), ..nameless.clone() };
        assert_eq!(ring.decrypt(&other).err(), Some(Closed::UnknownKey));
        let changed = Jwe { tag: [0; 16], ..nameless };
        assert_eq!(ring.decrypt(&changed).err(), Some(Closed::Undecipherable));
        assert!(ring.key(key.public().kid().as_str()).is_some());
    }
    let stranger = encrypted(&decrypter(KeyAlgorithm::RsaOaep256), KeyManagement::RsaOaep256);
    assert_eq!(ring.decrypt(&Jwe { kid: None, ..Jwe::parse(&stranger).unwrap() }).err(), Some(Closed::UnknownKey));
    let jwks: Value = serde_json::from_slice(&ring.jwks().body).unwrap();
    let keys = jwks["keys"].as_array().unwrap();
    assert_eq!(keys.len(), serde_json::from_slice::<Value>(&signs.body).unwrap()["keys"].as_array().unwrap().len() + 1);
    let published = keys.iter().find(|key| key["use"] == "enc").unwrap();
    assert_eq!(published["kid"], current.public().kid().as_str());
    assert!(published.get("d").is_none());
}
