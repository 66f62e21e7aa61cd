//! Private keys, parsed once (RFC 7518 §3; RFC 8037 §3.1).
//!
//! Signing and verifying are aws-lc-rs's: constant time, and several times as fast as the pure Rust crates. `p256` makes P-256 keys
//! and `rsa` reads public keys into numbers; neither ever computes with a private key at a request (RUSTSEC-2023-0071).

use std::fmt;

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _,
    ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256, RSA_PSS_2048_8192_SHA256, RSA_PSS_SHA256,
    VerificationAlgorithm,
};
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

/// One private key and its public half, ready for use.
pub struct Signer {
    private: PrivateKey,
    verifier: ParsedPublicKey,
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
        let verifier = private.verifier().map_err(|()| UNREADABLE)?;
        Ok(Self { private, verifier, public: PublicJwk::new(algorithm, material) })
    }

    pub const fn public(&self) -> &PublicJwk {
        &self.public
    }

    pub const fn algorithm(&self) -> Algorithm {
        self.public.algorithm()
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

    /// Whether `signature` is this key's signature of `message`.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.verifier.verify_sig(message, signature).is_ok()
    }
}

impl PrivateKey {
    fn verifier(&self) -> Result<ParsedPublicKey, ()> {
        let (algorithm, public): (&'static dyn VerificationAlgorithm, &[u8]) = match self {
            Self::Pkcs1(pair) => (&RSA_PKCS1_2048_8192_SHA256, pair.public_key().as_ref()),
            Self::Pss(pair) => (&RSA_PSS_2048_8192_SHA256, pair.public_key().as_ref()),
            Self::P256(pair) => (&ECDSA_P256_SHA256_FIXED, pair.public_key().as_ref()),
            Self::Ed25519(pair) => (&ED25519, pair.public_key().as_ref()),
        };
        ParsedPublicKey::new(algorithm, public).map_err(|_| ())
    }
}

fn rsa_material(pkcs1: &[u8]) -> Result<Material, SignerError> {
    let public = rsa::RsaPublicKey::from_pkcs1_der(pkcs1).map_err(|_| SignerError("the public key can't be read"))?;
    Ok(Material::rsa(&public.n_bytes(), &public.e_bytes()))
}

/// An uncompressed point: 4, x, y (SEC 1 §2.3.3).
fn p256_material(point: &[u8]) -> Result<Material, SignerError> {
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
