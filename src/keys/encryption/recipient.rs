//! Somebody for whom something is encrypted.

use std::fmt;

use aws_lc_rs::agreement::{Algorithm, PrivateKey, X25519};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::key_wrap::{AES_256, AesKek, KeyWrap};
use aws_lc_rs::rsa::{OAEP_SHA256_MGF1SHA256, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::signature::RsaPublicKeyComponents;

use super::agreement::{WRAPPING_KEY, derive, public_key};
use super::{Plain, content, content_key};
use crate::keys::signer::p256_material;
use crate::protocol::client::{Encryption, KeyManagement};
use crate::protocol::foreign_jwk::ForeignJwk;
use crate::protocol::jwe::{self, Content};
use crate::protocol::jwk::Material;
use crate::protocol::jwt::decode;

/// Nothing was encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the content could not be encrypted")]
pub struct EncryptionError;

impl From<Unspecified> for EncryptionError {
    fn from(_: Unspecified) -> Self {
        Self
    }
}

/// The public key of somebody else, to encrypt for its owner.
pub struct Recipient {
    jwk: ForeignJwk,
    key: Key,
}

enum Key {
    Rsa(OaepPublicEncryptingKey),
    Agreement(&'static Algorithm),
}

impl Recipient {
    /// `None`: not a key that anything can be encrypted with, such as a point that is not on the curve.
    pub fn new(jwk: ForeignJwk) -> Option<Self> {
        if !KeyManagement::ALL.into_iter().any(|alg| jwk.encrypts_with(alg)) {
            return None;
        }
        let key = match jwk.material() {
            Material::Rsa { n, e } => {
                let key: PublicEncryptingKey =
                    RsaPublicKeyComponents { n: decode(n).ok()?, e: decode(e).ok()? }.try_into().ok()?;
                Key::Rsa(OaepPublicEncryptingKey::new(key).ok()?)
            }
            material @ (Material::Ec { .. } | Material::Okp { .. }) => Key::Agreement(public_key(material)?.alg()),
        };
        Some(Self { jwk, key })
    }

    pub const fn jwk(&self) -> &ForeignJwk {
        &self.jwk
    }

    /// `plain`, for the key's owner alone.
    pub fn encrypt(&self, encryption: Encryption, content: Content<'_>, plain: &[u8]) -> Result<String, EncryptionError> {
        if !self.jwk.encrypts_with(encryption.alg) {
            return Err(EncryptionError);
        }
        let (key, encrypted_key, ephemeral) = self.content_key(encryption)?;
        let header = jwe::header(encryption, self.jwk.kid(), ephemeral.as_ref(), content);
        let sealed = content::seal(encryption.enc, &key, header.as_bytes(), plain)?;
        Ok(jwe::compact(&header, &encrypted_key, &sealed.iv, &sealed.ciphertext, &sealed.tag))
    }

    /// The key to encrypt the content with; the same as it goes to the recipient; and what it was agreed on with.
    fn content_key(&self, encryption: Encryption) -> Result<(Plain, Vec<u8>, Option<Material>), EncryptionError> {
        let algorithm = match &self.key {
            Key::Rsa(public) => {
                let (key, mut encrypted) = (content_key(encryption.enc), vec![0; public.ciphertext_size()]);
                let length = public.encrypt(&OAEP_SHA256_MGF1SHA256, &key, &mut encrypted, None)?.len();
                encrypted.truncate(length);
                return Ok((key, encrypted, None));
            }
            Key::Agreement(algorithm) => *algorithm,
        };
        let own = PrivateKey::generate(algorithm)?;
        let ephemeral = material(algorithm, own.compute_public_key()?.as_ref())?;
        let agreed = |length| derive(&own, self.jwk.material(), encryption, (&[], &[]), length).ok_or(EncryptionError);
        if encryption.alg == KeyManagement::EcdhEs {
            return Ok((agreed(encryption.enc.key_length())?, Vec::new(), Some(ephemeral)));
        }
        let key = content_key(encryption.enc);
        let mut wrapped = vec![0; key.len() + 8];
        AesKek::new(&AES_256, &agreed(WRAPPING_KEY)?)?.wrap(&key, &mut wrapped)?;
        Ok((key, wrapped, Some(ephemeral)))
    }
}

fn material(algorithm: &'static Algorithm, public: &[u8]) -> Result<Material, EncryptionError> {
    if *algorithm == X25519 {
        return public.try_into().map(Material::x25519).map_err(|_| EncryptionError);
    }
    p256_material(public).map_err(|_| EncryptionError)
}

impl fmt::Debug for Recipient {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.jwk.fmt(formatter)
    }
}
