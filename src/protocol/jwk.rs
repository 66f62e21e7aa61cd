//! Public keys as JSON Web Keys (RFC 7517; RFC 7518 §6; RFC 8037 §2) and their thumbprints (RFC 7638).
//!
//! There is no type for a private JWK: what can't be represented can't be published by mistake.

use serde::Serialize;
use sha2::{Digest, Sha256};

use super::client::Algorithm;
use super::confirmation::Thumbprint;
use super::id::KeyId;
use super::jwt::encode;

/// A public key for signatures. Its `kid` is its thumbprint, so that the id can't name another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    #[serde(flatten)]
    material: Material,
    #[serde(rename = "use")]
    usage: &'static str,
    alg: Algorithm,
    kid: KeyId,
}

/// The members that make up the key itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kty")]
pub enum Material {
    #[serde(rename = "RSA")]
    Rsa { n: String, e: String },
    #[serde(rename = "EC")]
    Ec { crv: &'static str, x: String, y: String },
    #[serde(rename = "OKP")]
    Okp { crv: &'static str, x: String },
}

impl Material {
    /// Modulus and exponent, big-endian without leading zeros (RFC 7518 §6.3.1).
    pub fn rsa(modulus: &[u8], exponent: &[u8]) -> Self {
        Self::Rsa { n: encode(modulus), e: encode(exponent) }
    }

    /// The coordinates of a point on P-256, 32 bytes each (RFC 7518 §6.2.1).
    pub fn p256(x: &[u8; 32], y: &[u8; 32]) -> Self {
        Self::Ec { crv: "P-256", x: encode(x), y: encode(y) }
    }

    /// An Ed25519 public key (RFC 8037 §2).
    pub fn ed25519(x: &[u8; 32]) -> Self {
        Self::Okp { crv: "Ed25519", x: encode(x) }
    }

    /// RFC 7638 §3: the required members in the order of their names, without white space. The values are base64url or
    /// fixed words: nothing in them needs escaping.
    pub fn thumbprint(&self) -> Thumbprint {
        let canonical = match self {
            Self::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
            Self::Ec { crv, x, y } => format!(r#"{{"crv":"{crv}","kty":"EC","x":"{x}","y":"{y}"}}"#),
            Self::Okp { crv, x } => format!(r#"{{"crv":"{crv}","kty":"OKP","x":"{x}"}}"#),
        };
        Thumbprint::new(Sha256::digest(canonical).into())
    }
}

impl PublicJwk {
    /// # Panics
    /// Never: a thumbprint is 43 characters of base64url.
    #[expect(clippy::expect_used, reason = "a thumbprint is 43 characters of base64url")]
    pub fn new(algorithm: Algorithm, material: Material) -> Self {
        let kid = KeyId::parse(material.thumbprint().to_string()).expect("a thumbprint is a key identifier");
        Self { material, usage: "sig", alg: algorithm, kid }
    }

    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    pub const fn algorithm(&self) -> Algorithm {
        self.alg
    }

    pub const fn material(&self) -> &Material {
        &self.material
    }
}

/// A JWK Set (RFC 7517 §5).
#[derive(Clone, Debug, Serialize)]
pub struct JwkSet<'a> {
    pub keys: Vec<&'a PublicJwk>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::protocol::jwt::decode;

    #[test]
    fn the_thumbprint_of_rfc_7638_3_1() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs\
                 tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5haj\
                 rn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let key = PublicJwk::new(Algorithm::RS256, Material::rsa(&decode(n).unwrap(), &decode("AQAB").unwrap()));
        assert_eq!(key.kid().as_str(), "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs");
    }

    #[test]
    fn the_thumbprint_of_rfc_8037_a_3() {
        let x: [u8; 32] = decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").unwrap().try_into().unwrap();
        let key = PublicJwk::new(Algorithm::EdDSA, Material::ed25519(&x));
        assert_eq!(key.kid().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }

    #[test]
    fn a_key_is_published_with_its_use_and_algorithm() {
        let key = PublicJwk::new(Algorithm::ES256, Material::p256(&[1; 32], &[2; 32]));
        let published: Value = serde_json::to_value(&key).unwrap();
        let expected = json!({
            "kty": "EC", "crv": "P-256", "x": encode(&[1; 32]), "y": encode(&[2; 32]),
            "use": "sig", "alg": "ES256", "kid": key.kid().as_str(),
        });
        assert_eq!(published, expected);
    }
}
