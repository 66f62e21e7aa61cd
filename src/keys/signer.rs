//! Private keys, parsed once (RFC 7518 §3; RFC 8037 §3.1).
//!
//! Signing is aws-lc-rs's: constant time, and several times as fast as the pure Rust crates; `jsonwebtoken`, on the same library,
//! verifies. (It does not sign: it would parse the private key for each token.) `p256` makes P-256 keys and `rsa` reads public keys into
//! numbers; neither ever computes with a private key at a request (RUSTSEC-2023-0071).

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256,
};
use jsonwebtoken::DecodingKey;
use p256::pkcs8::EncodePrivateKey;
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::traits::PublicKeyParts;
use zeroize::Zeroizing;

use crate::protocol::client::Algorithm;
use crate::protocol::jwk::{Material, PublicJwk};
use crate::random;

/// A key can't be made, read or used. The cause is one word: nothing about a private key belongs in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct SignerError(&'static str);

impl SignerError {
    pub(super) const fn new(cause: &'static str) -> Self {
        Self(cause)
    }
}

/// One private key and its public half, ready for use.
pub struct Signer {
    private: PrivateKey,
    algorithm: Algorithm,
    verifier: DecodingKey,
    public: PublicJwk,
}

enum PrivateKey {
    Pkcs1(RsaKeyPair),
    Pss(RsaKeyPair),
    P256(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

/// A new private key for `algorithm`, as PKCS#8. RSA keys have 2048 bits and take a while: call it on a blocking thread.
pub fn generate(algorithm: Algorithm) -> Result<Zeroizing<Vec<u8>>, SignerError> {
    const FAILED: SignerError = SignerError("the key could not be generated");
    let der = match algorithm {
        Algorithm::RS256 | Algorithm::PS256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| FAILED)?;
            AsDer::<Pkcs8V1Der<'_>>::as_der(&pair).map_err(|_| FAILED)?.as_ref().to_vec()
        }
        Algorithm::ES256 => p256_key()?.to_pkcs8_der().map_err(|_| FAILED)?.as_bytes().to_vec(),
        Algorithm::EdDSA => Ed25519KeyPair::generate_pkcs8(&SystemRandom::new()).map_err(|_| FAILED)?.as_ref().to_vec(),
    };
    Ok(Zeroizing::new(der))
}

/// 32 random bytes are a private key unless they are zero or above the order of the group: one in 2³² is.
fn p256_key() -> Result<p256::SecretKey, SignerError> {
    for _ in 0..8 {
        let bytes = Zeroizing::new(random::bytes::<32>());
        if let Ok(key) = p256::SecretKey::from_slice(bytes.as_slice()) {
            return Ok(key);
        }
    }
    Err(SignerError("the operating system's random numbers are not random"))
}

impl Signer {
    /// Reads a private key. Its public half is computed from it, never taken from elsewhere.
    pub fn from_pkcs8(algorithm: Algorithm, pkcs8: &[u8]) -> Result<Self, SignerError> {
        const UNREADABLE: SignerError = SignerError("the private key is not of its algorithm");
        let (private, material) = match algorithm {
            Algorithm::RS256 | Algorithm::PS256 => {
                let pair = RsaKeyPair::from_pkcs8(pkcs8).map_err(|_| UNREADABLE)?;
                let material = rsa_material(pair.public_key().as_ref())?;
                let private = if algorithm == Algorithm::RS256 { PrivateKey::Pkcs1(pair) } else { PrivateKey::Pss(pair) };
                (private, material)
            }
            Algorithm::ES256 => {
                let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, pkcs8).map_err(|_| UNREADABLE)?;
                let material = p256_material(pair.public_key().as_ref())?;
                (PrivateKey::P256(pair), material)
            }
            Algorithm::EdDSA => {
                let pair = Ed25519KeyPair::from_pkcs8(pkcs8).map_err(|_| UNREADABLE)?;
                let material = Material::ed25519(pair.public_key().as_ref().try_into().map_err(|_| UNREADABLE)?);
                (PrivateKey::Ed25519(pair), material)
            }
        };
        let verifier = verifier(&material).map_err(|_| UNREADABLE)?;
        Ok(Self { private, algorithm, verifier, public: PublicJwk::new(algorithm, material) })
    }

    pub const fn public(&self) -> &PublicJwk {
        &self.public
    }

    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The signature of `message` as JWS wants it (RFC 7518 §3.3–3.5: for ES256 the two numbers, 32 bytes each).
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        const FAILED: SignerError = SignerError("the signature could not be computed");
        let random = SystemRandom::new();
        match &self.private {
            PrivateKey::Pkcs1(pair) | PrivateKey::Pss(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                let padding: &'static dyn aws_lc_rs::signature::RsaEncoding =
                    if matches!(self.private, PrivateKey::Pss(_)) { &RSA_PSS_SHA256 } else { &RSA_PKCS1_SHA256 };
                pair.sign(padding, &random, message, &mut signature).map_err(|_| FAILED)?;
                Ok(signature)
            }
            PrivateKey::P256(pair) => Ok(pair.sign(&random, message).map_err(|_| FAILED)?.as_ref().to_vec()),
            PrivateKey::Ed25519(pair) => Ok(pair.try_sign(message).map_err(|_| FAILED)?.as_ref().to_vec()),
        }
    }

    /// Whether `signature`, in base64url, is this key's signature of `message`.
    pub fn verifies(&self, message: &[u8], signature: &str) -> bool {
        verifies(&self.verifier, self.algorithm(), message, signature)
    }
}

pub(super) fn verifies(key: &DecodingKey, algorithm: Algorithm, message: &[u8], signature: &str) -> bool {
    let algorithm = match algorithm {
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::PS256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
    };
    jsonwebtoken::crypto::verify(signature, message, key, algorithm).unwrap_or(false)
}

pub(super) fn verifier(material: &Material) -> jsonwebtoken::errors::Result<DecodingKey> {
    match material {
        Material::Rsa { n, e } => DecodingKey::from_rsa_components(n, e),
        Material::Ec { x, y, .. } => DecodingKey::from_ec_components(x, y),
        Material::Okp { x, .. } => DecodingKey::from_ed_components(x),
    }
}

pub(super) fn rsa_material(pkcs1: &[u8]) -> Result<Material, SignerError> {
    let public = rsa::RsaPublicKey::from_pkcs1_der(pkcs1).map_err(|_| SignerError("the public key can't be read"))?;
    Ok(Material::rsa(&public.n_bytes(), &public.e_bytes()))
}

/// An uncompressed point: 4, x, y (SEC 1 §2.3.3).
pub(super) fn p256_material(point: &[u8]) -> Result<Material, SignerError> {
    const UNREADABLE: SignerError = SignerError("the public key can't be read");
    let (&form, coordinates) = point.split_first().ok_or(UNREADABLE)?;
    let (x, y) = coordinates.split_first_chunk::<32>().ok_or(UNREADABLE)?;
    match (form, <&[u8; 32]>::try_from(y)) {
        (4, Ok(y)) => Ok(Material::p256(x, y)),
        _ => Err(UNREADABLE),
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Signer").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::jwt::{Compact, decode, encode};

    fn signer(algorithm: Algorithm) -> Signer {
        Signer::from_pkcs8(algorithm, &generate(algorithm).unwrap()).unwrap()
    }

    #[test]
    fn a_generated_key_of_each_algorithm_signs_and_verifies() {
        for algorithm in Algorithm::ALL {
            let key = signer(algorithm);
            let signature = encode(&key.sign(b"message").unwrap());
            assert!(key.verifies(b"message", &signature), "{algorithm:?}");
            assert!(!key.verifies(b"massage", &signature), "{algorithm:?}");
            assert_eq!(key.public().algorithm(), algorithm.into());
        }
    }

    #[test]
    fn a_key_of_one_algorithm_is_not_read_as_one_of_another() {
        let rsa = generate(Algorithm::RS256).unwrap();
        let p256 = generate(Algorithm::ES256).unwrap();
        let ed25519 = generate(Algorithm::EdDSA).unwrap();
        for (algorithm, keys) in
            [(Algorithm::RS256, [&p256, &ed25519]), (Algorithm::ES256, [&rsa, &ed25519]), (Algorithm::EdDSA, [&rsa, &p256])]
        {
            for key in keys {
                assert!(Signer::from_pkcs8(algorithm, key).is_err(), "{algorithm:?}");
            }
        }
        assert!(Signer::from_pkcs8(Algorithm::ES256, b"").is_err());
    }

    #[test]
    fn pkcs1_and_pss_signatures_are_not_exchanged() {
        let key = generate(Algorithm::RS256).unwrap();
        let pkcs1 = Signer::from_pkcs8(Algorithm::RS256, &key).unwrap();
        let pss = Signer::from_pkcs8(Algorithm::PS256, &key).unwrap();
        assert!(!pss.verifies(b"message", &encode(&pkcs1.sign(b"message").unwrap())));
        assert!(!pkcs1.verifies(b"message", &encode(&pss.sign(b"message").unwrap())));
    }

    #[test]
    fn the_signature_of_rfc_7515_a_3_verifies() {
        let d = decode("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI").unwrap();
        let key = p256::SecretKey::from_slice(&d).unwrap().to_pkcs8_der().unwrap();
        let key = Signer::from_pkcs8(Algorithm::ES256, key.as_bytes()).unwrap();
        let expected = Material::Ec {
            crv: "P-256",
            x: "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU".into(),
            y: "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0".into(),
        };
        assert_eq!(key.public().material(), &expected);

        let text = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
                    DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
        let compact = Compact::split(text).unwrap();
        assert!(key.verifies(compact.signing_input.as_bytes(), compact.signature));
    }

    #[test]
    fn the_signature_of_rfc_8037_a_4_is_made() {
        let seed = decode("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A").unwrap();
        // The seed in PKCS#8 (RFC 8410 §7).
        let prefix = [0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20];
        let key = Signer::from_pkcs8(Algorithm::EdDSA, &[prefix.as_slice(), &seed].concat()).unwrap();
        assert_eq!(key.public().kid().as_str(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");

        let text = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc.\
                    hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
        let compact = Compact::split(text).unwrap();
        assert_eq!(encode(&key.sign(compact.signing_input.as_bytes()).unwrap()), compact.signature);
    }

    #[test]
    fn nothing_private_is_printed_or_published() {
        let key = signer(Algorithm::ES256);
        let published = serde_json::to_value(key.public()).unwrap();
        for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
            assert!(published.get(private).is_none(), "{private}");
        }
        assert!(format!("{key:?}").starts_with("Signer { public:"));
    }
}
