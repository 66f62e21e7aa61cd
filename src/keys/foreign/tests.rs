use jsonwebtoken::{EncodingKey, Header};
use serde_json::json;

use super::*;
use crate::keys::signer::{Signer, generate};
use crate::protocol::jwt::encode;

const TYPES: &[Option<&str>] = &[None, Some("jwt")];

fn signer(algorithm: Algorithm) -> Signer {
    Signer::from_pkcs8(algorithm, &generate(algorithm).unwrap()).unwrap()
}

fn jwk(signer: &Signer) -> Value {
    serde_json::to_value(signer.public()).unwrap()
}

fn keys(signers: &[&Signer]) -> ForeignKeys {
    let jwks: Vec<_> = signers.iter().map(|signer| jwk(signer)).collect();
    ForeignKeys::new(ForeignJwk::parse_set(&json!({ "keys": jwks })).unwrap())
}

fn token(signer: &Signer, header: &Value) -> String {
    let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(br#"{"sub":"x"}"#));
    let signature = signer.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", encode(&signature))
}

fn verify(keys: &ForeignKeys, text: &str) -> Result<Claims, Untrusted> {
    keys.verify(text, Expected { algorithms: &Algorithm::ALL, types: TYPES })
}

#[test]
fn what_one_of_the_keys_signed_is_believed_with_its_id_or_without() {
    let (first, second) = (signer(Algorithm::ES256), signer(Algorithm::ES256));
    let keys = keys(&[&first, &second]);
    for header in [json!({ "alg": "ES256" }), json!({ "alg": "ES256", "kid": second.public().kid() })] {
        assert_eq!(verify(&keys, &token(&second, &header)).unwrap()["sub"], "x");
    }
    let named_other = token(&second, &json!({ "alg": "ES256", "kid": first.public().kid() }));
    assert_eq!(verify(&keys, &named_other), Err(Untrusted::Signature));
    let unknown = token(&second, &json!({ "alg": "ES256", "kid": "' UNION SELECT" }));
    assert_eq!(verify(&keys, &unknown), Err(Untrusted::UnknownKey));
    assert!(!keys.may_have_signed(&unknown) && keys.may_have_signed(&named_other));
}

#[test]
fn only_the_algorithms_that_are_expected_count() {
    let key = signer(Algorithm::ES256);
    let keys = keys(&[&key]);
    let text = token(&key, &json!({ "alg": "ES256" }));
    let expected = Expected { algorithms: &[Algorithm::PS256], types: TYPES };
    assert_eq!(keys.verify(&text, expected), Err(Untrusted::Algorithm));
    for algorithm in ["none", "None", "HS256", "RS384", ""] {
        assert_eq!(verify(&keys, &token(&key, &json!({ "alg": algorithm }))), Err(Untrusted::Algorithm), "{algorithm}");
    }
    assert_eq!(verify(&keys, &token(&key, &json!({ "alg": "RS256" }))), Err(Untrusted::UnknownKey), "the key is of another type");
}

#[test]
fn a_public_key_is_no_secret() {
    let key = signer(Algorithm::RS256);
    let header = Header { kid: Some(key.public().kid().to_string()), ..Header::new(jsonwebtoken::Algorithm::HS256) };
    let secret = EncodingKey::from_secret(jwk(&key).to_string().as_bytes());
    let text = jsonwebtoken::encode(&header, &json!({ "sub": "x" }), &secret).unwrap();
    assert_eq!(verify(&keys(&[&key]), &text), Err(Untrusted::Algorithm));
}

#[test]
fn a_key_in_the_header_is_not_looked_at() {
    let (own, stranger) = (signer(Algorithm::ES256), signer(Algorithm::ES256));
    let header = json!({ "alg": "ES256", "jwk": jwk(&stranger), "jku": "https://evil.example/", "x5c": ["x"] });
    assert_eq!(verify(&keys(&[&own]), &token(&stranger, &header)), Err(Untrusted::Signature));
}

#[test]
fn a_type_is_compared_as_a_media_type() {
    let key = signer(Algorithm::EdDSA);
    let foreign = ForeignKey::new(ForeignJwk::parse(&jwk(&key)).unwrap()).unwrap();
    let expected = Expected { algorithms: &[Algorithm::EdDSA], types: &[Some("client-authentication+jwt")] };
    for (typ, fits) in [
        (json!("client-authentication+jwt"), true),
        (json!("application/Client-Authentication+JWT"), true),
        (json!("JWT"), false),
        (json!(""), false),
        (Value::Null, false),
    ] {
        let verdict = foreign.verify(&token(&key, &json!({ "alg": "EdDSA", "typ": typ })), expected);
        assert_eq!(verdict.err(), (!fits).then_some(Untrusted::Type), "{typ}");
    }
}

#[test]
fn a_secret_verifies_hmac_and_nothing_else() {
    let secret = SecretString::from("a secret of thirty-two characters");
    let make = |algorithm, secret: &str| {
        let key = EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&Header::new(algorithm), &json!({ "sub": "x" }), &key).unwrap()
    };
    let good = make(jsonwebtoken::Algorithm::HS256, secret.expose_secret());
    assert_eq!(verify_with_secret(&good, &secret, TYPES).unwrap()["sub"], "x");
    let other = make(jsonwebtoken::Algorithm::HS256, "another secret of thirty-two letters");
    assert_eq!(verify_with_secret(&other, &secret, TYPES), Err(Untrusted::Signature));
    let longer = make(jsonwebtoken::Algorithm::HS512, secret.expose_secret());
    assert_eq!(verify_with_secret(&longer, &secret, TYPES), Err(Untrusted::Algorithm));
    let asymmetric = token(&signer(Algorithm::ES256), &json!({ "alg": "ES256" }));
    assert_eq!(verify_with_secret(&asymmetric, &secret, TYPES), Err(Untrusted::Algorithm));
}
