//! Public keys as JSON Web Keys (RFC 7517; RFC 7518 §6; RFC 8037 §2) and their thumbprints (RFC 7638).
//!
//! There is no type for a private JWK: what can't be represented can't be published by mistake.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::client::{Algorithm, KeyManagement};
use super::confirmation::Thumbprint;
use super::id::KeyId;
use super::jwt::encode;

/// What a key of this server's is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum KeyAlgorithm {
    RS256,
    PS256,
    ES256,
    EdDSA,
    /// Others encrypt for this server with it.
    #[serde(rename = "RSA-OAEP-256")]
    RsaOaep256,
    /// The same: for ECDH-ES+A256KW too.
    #[serde(rename = "ECDH-ES")]
    EcdhEs,
}

impl KeyAlgorithm {
    pub const ALL: [Self; 6] = [Self::RS256, Self::PS256, Self::ES256, Self::EdDSA, Self::RsaOaep256, Self::EcdhEs];

    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::PS256 => "PS256",
            Self::ES256 => "ES256",
            Self::EdDSA => "EdDSA",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::EcdhEs => "ECDH-ES",
        }
    }

    /// The same as an algorithm of signatures; `None` for a key that others encrypt with.
    pub const fn of_signatures(self) -> Option<Algorithm> {
        match self {
            Self::RS256 => Some(Algorithm::RS256),
            Self::PS256 => Some(Algorithm::PS256),
            Self::ES256 => Some(Algorithm::ES256),
            Self::EdDSA => Some(Algorithm::EdDSA),
            Self::RsaOaep256 | Self::EcdhEs => None,
        }
    }

    /// Whether others can encrypt for its key with `alg`.
    pub const fn decrypts(self, alg: KeyManagement) -> bool {
        match alg {
            KeyManagement::RsaOaep256 => matches!(self, Self::RsaOaep256),
            KeyManagement::EcdhEs | KeyManagement::EcdhEsA256Kw => matches!(self, Self::EcdhEs),
        }
    }
}

impl From<Algorithm> for KeyAlgorithm {
    fn from(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::RS256 => Self::RS256,
            Algorithm::PS256 => Self::PS256,
            Algorithm::ES256 => Self::ES256,
            Algorithm::EdDSA => Self::EdDSA,
        }
    }
}

/// A public key. Its `kid` is its thumbprint, so that the id can't name another key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PublicJwk {
    #[serde(flatten)]
    material: Material,
    #[serde(rename = "use")]
    usage: &'static str,
    /// Not of a key that is good for two.
    #[serde(skip_serializing_if = "is_for_two")]
    alg: KeyAlgorithm,
    kid: KeyId,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the form that serde calls")]
const fn is_for_two(alg: &KeyAlgorithm) -> bool {
    matches!(alg, KeyAlgorithm::EcdhEs)
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

    /// A public key for X25519 (RFC 8037 §2).
    pub fn x25519(x: &[u8; 32]) -> Self {
        Self::Okp { crv: "X25519", x: encode(x) }
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
    pub fn new(algorithm: impl Into<KeyAlgorithm>, material: Material) -> Self {
        let (alg, kid) = (algorithm.into(), KeyId::parse(material.thumbprint().to_string()));
        let usage = if alg.of_signatures().is_some() { "sig" } else { "enc" };
        Self { material, usage, alg, kid: kid.expect("a thumbprint is a key identifier") }
    }

    pub const fn kid(&self) -> &KeyId {
        &self.kid
    }

    pub const fn algorithm(&self) -> KeyAlgorithm {
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

    #[test]
    fn a_key_to_encrypt_with_says_so_and_names_its_algorithm_where_it_is_for_one() {
        let published = |alg, material| serde_json::to_value(PublicJwk::new(alg, material)).unwrap();
        let of_rsa = published(KeyAlgorithm::RsaOaep256, Material::rsa(&[0xff; 256], &[1, 0, 1]));
        assert_eq!((&of_rsa["use"], &of_rsa["alg"]), (&json!("enc"), &json!("RSA-OAEP-256")));
        let of_p256 = published(KeyAlgorithm::EcdhEs, Material::p256(&[1; 32], &[2; 32]));
        assert_eq!((&of_p256["use"], of_p256.get("alg")), (&json!("enc"), None));
        for alg in KeyAlgorithm::ALL {
            assert_eq!(json!(alg), alg.as_str());
            let encrypts = KeyManagement::ALL.into_iter().any(|management| alg.decrypts(management));
            assert_ne!(encrypts, alg.of_signatures().is_some(), "{alg:?}");
            assert!(alg.of_signatures().is_none_or(|signs| KeyAlgorithm::from(signs) == alg));
        }
    }
}
