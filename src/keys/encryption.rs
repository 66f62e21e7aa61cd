//! Encryption for others, and decryption of what others encrypted for this server (RFC 7516; RFC 7518 §4, §5).
//!
//! ```text
//! recipient  a key of somebody else's, and what is encrypted for its owner
//! agreement  ECDH-ES: what both sides agree on
//! content    the content itself, with the key that was agreed on or sent along
//! ```

mod agreement;
mod content;
mod recipient;

use std::fmt;

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use rsa::pkcs8::DecodePublicKey;
use rsa::traits::PublicKeyParts;
use zeroize::Zeroizing;

pub use self::recipient::{EncryptionError, Recipient};
use super::signer::{SignerError, p256_material};
use crate::protocol::client::{ContentEncryption, KeyManagement};
use crate::protocol::jwe::{Agreement, Jwe};
use crate::protocol::jwk::{KeyAlgorithm, Material, PublicJwk};
use crate::random;

/// A key, or content. It is wiped when it is no longer needed.
pub type Plain = Zeroizing<Vec<u8>>;

/// It doesn't decrypt. Why is not said: whoever learns of each attempt how far it got can decrypt what is not theirs
/// (RFC 7516 §11.5, §11.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("it does not decrypt")]
pub struct Undecipherable;

/// A private key that others encrypt for.
pub struct Decrypter {
    private: Private,
    public: PublicJwk,
}

enum Private {
    Rsa(OaepPrivateDecryptingKey),
    P256(PrivateKey),
}

impl Decrypter {
    /// Reads a private key. Its public half is computed from it.
    pub fn from_pkcs8(algorithm: KeyAlgorithm, pkcs8: &[u8]) -> Result<Self, SignerError> {
        const UNREADABLE: SignerError = SignerError::new("the private key is not of its algorithm");
        let (private, material) = match algorithm {
            KeyAlgorithm::RsaOaep256 => {
                let key = PrivateDecryptingKey::from_pkcs8(pkcs8).map_err(|_| UNREADABLE)?;
                let der: PublicKeyX509Der<'_> = key.public_key().as_der().map_err(|_| UNREADABLE)?;
                let public = rsa::RsaPublicKey::from_public_key_der(der.as_ref()).map_err(|_| UNREADABLE)?;
                let material = Material::rsa(&public.n_bytes(), &public.e_bytes());
                (Private::Rsa(OaepPrivateDecryptingKey::new(key).map_err(|_| UNREADABLE)?), material)
            }
            KeyAlgorithm::EcdhEs => {
                let key = PrivateKey::from_private_key_der(&ECDH_P256, pkcs8).map_err(|_| UNREADABLE)?;
                let public = key.compute_public_key().map_err(|_| UNREADABLE)?;
                (Private::P256(key), p256_material(public.as_ref())?)
            }
            KeyAlgorithm::RS256 | KeyAlgorithm::PS256 | KeyAlgorithm::ES256 | KeyAlgorithm::EdDSA => return Err(UNREADABLE),
        };
        Ok(Self { private, public: PublicJwk::new(algorithm, material) })
    }

    pub const fn public(&self) -> &PublicJwk {
        &self.public
    }

    /// The content.
    pub fn decrypt(&self, jwe: &Jwe<'_>) -> Result<Plain, Undecipherable> {
        let enc = jwe.encryption.enc;
        // Where there is no key, any one does: then it is the content that doesn't decrypt, after as much work (RFC 7516 §11.5).
        let key = self.content_key(jwe).filter(|key| key.len() == enc.key_length()).unwrap_or_else(|| content_key(enc));
        content::open(enc, &key, jwe)
    }

    fn content_key(&self, jwe: &Jwe<'_>) -> Option<Plain> {
        let alg = jwe.encryption.alg;
        match (&self.private, &jwe.agreement) {
            (Private::Rsa(key), None) if alg == KeyManagement::RsaOaep256 => {
                let mut room = Zeroizing::new(vec![0; key.min_output_size()]);
                let decrypted = key.decrypt(&OAEP_SHA256_MGF1SHA256, &jwe.encrypted_key, &mut room, None).ok()?;
                Some(Zeroizing::new(decrypted.to_vec()))
            }
            (Private::P256(key), Some(Agreement { ephemeral, apu, apv })) => {
                let length = if alg == KeyManagement::EcdhEs { jwe.encryption.enc.key_length() } else { agreement::WRAPPING_KEY };
                let agreed = agreement::derive(key, ephemeral, jwe.encryption, (apu, apv), length)?;
                if alg == KeyManagement::EcdhEs { Some(agreed) } else { unwrapped(&agreed, &jwe.encrypted_key) }
            }
            _ => None,
        }
    }
}

/// A new key for content.
fn content_key(enc: ContentEncryption) -> Plain {
    let mut key = Zeroizing::new(vec![0; enc.key_length()]);
    random::fill(&mut key);
    key
}

/// RFC 3394 §2.2.2.
fn unwrapped(with: &[u8], wrapped: &[u8]) -> Option<Plain> {
    let mut room = Zeroizing::new(vec![0; wrapped.len()]);
    let key = AesKek::new(&AES_256, with).and_then(|wrapping| wrapping.unwrap(wrapped, &mut room).map(|key| key.to_vec()));
    key.ok().map(Zeroizing::new)
}

impl fmt::Debug for Decrypter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Decrypter").field("public", &self.public).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
