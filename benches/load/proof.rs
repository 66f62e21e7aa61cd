//! What a client signs: assertions (RFC 7523), request objects (RFC 9101) and proofs of possession (RFC 9449).

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ostiary::clock::Clock;
use ostiary::random;
use serde_json::{Value, json};

use super::Result;

/// Seconds that what is signed here is good for.
const LIFETIME: i64 = 50;

/// A P-256 key.
pub struct Signer {
    key: EcdsaKeyPair,
    jwk: Value,
}

impl Signer {
    /// The same key each time, for `jwks` prints in one process what another signs with: the example of RFC 6979 A.2.5.
    pub fn of_the_clients() -> Result<Self> {
        const D: [u8; 32] = *b"\xC9\xAF\xA9\xD8\x45\xBA\x75\x16\x6B\x5C\x21\x57\x67\xB1\xD6\x93\x4E\x50\xC3\xDB\x36\xE8\x9B\x12\x7B\x8A\x62\x2B\x12\x0F\x67\x21";
        const X: &[u8] = b"\x60\xFE\xD4\xBA\x25\x5A\x9D\x31\xC9\x61\xEB\x74\xC6\x35\x6D\x68\xC0\x49\xB8\x92\x3B\x61\xFA\x6C\xE6\x69\x62\x2E\x60\xF2\x9F\xB6";
        const Y: &[u8] = b"\x79\x03\xFE\x10\x08\xB8\xBC\x99\xA4\x1A\xE9\xE9\x56\x28\xBC\x64\xF2\xF1\xB2\x0C\x2D\x7E\x9F\x51\x77\xA3\xC2\x94\xD4\x46\x22\x99";
        let point = [&[4], X, Y].concat();
        Self::new(EcdsaKeyPair::from_private_key_and_public_key(&ECDSA_P256_SHA256_FIXED_SIGNING, &D, &point)?)
    }

    fn new(key: EcdsaKeyPair) -> Result<Self> {
        let point = key.public_key().as_ref();
        let (x, y) = point.get(1..33).zip(point.get(33..65)).ok_or("not an uncompressed point")?;
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y) });
        Ok(Self { key, jwk })
    }

    /// The public key, as a JWK Set.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.jwk] })
    }

    /// `client_assertion`.
    pub fn assertion(&self, client_id: &str, issuer: &str) -> Result<String> {
        let (jti, now) = (random::uuid(), now());
        self.sign(
            &json!({ "alg": "ES256", "typ": "JWT" }),
            &json!({ "iss": client_id, "sub": client_id, "aud": issuer, "jti": jti, "iat": now, "exp": now + LIFETIME }),
        )
    }

    /// `request`, with `parameters` of an authorization request in it.
    pub fn request_object(&self, client_id: &str, issuer: &str, mut parameters: Value) -> Result<String> {
        let now = now();
        parameters["iss"] = json!(client_id);
        parameters["aud"] = json!(issuer);
        parameters["nbf"] = json!(now);
        parameters["exp"] = json!(now + LIFETIME);
        self.sign(&json!({ "alg": "ES256", "typ": "oauth-authz-req+jwt" }), &parameters)
    }

    /// `DPoP`, for a POST.
    pub fn possession(&self, url: &str) -> Result<String> {
        self.sign(
            &json!({ "alg": "ES256", "typ": "dpop+jwt", "jwk": self.jwk }),
            &json!({ "jti": random::uuid(), "htm": "POST", "htu": url, "iat": now() }),
        )
    }

    fn sign(&self, header: &Value, claims: &Value) -> Result<String> {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let input = format!("{}.{}", part(header), part(claims));
        let signature = self.key.sign(&SystemRandom::new(), input.as_bytes())?;
        Ok(format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

fn now() -> i64 {
    Clock::system().now().as_seconds()
}
