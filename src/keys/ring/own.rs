//! One key of this server's, ready for use.

use std::sync::Arc;

use crate::keys::encryption::Decrypter;
use crate::keys::signer::{Signer, SignerError};
use crate::protocol::jwk::{KeyAlgorithm, PublicJwk};
use crate::protocol::jwt::{Header, TokenType, encode};

/// A key that signs, or one that decrypts.
#[derive(Clone, Debug)]
pub(in crate::keys) enum OwnKey {
    Signs(Arc<Key>),
    Decrypts(Arc<Decrypter>),
}

/// A key that signs.
#[derive(Debug)]
pub(in crate::keys) struct Key {
    pub(super) signer: Signer,
    /// The encoded header for each type of token.
    pub(super) headers: [String; TokenType::ALL.len()],
}

impl OwnKey {
    pub(in crate::keys) fn from_pkcs8(algorithm: KeyAlgorithm, pkcs8: &[u8]) -> Result<Self, SignerError> {
        Ok(match algorithm.of_signatures() {
            Some(signs) => Self::Signs(Arc::new(Key::new(Signer::from_pkcs8(signs, pkcs8)?))),
            None => Self::Decrypts(Arc::new(Decrypter::from_pkcs8(algorithm, pkcs8)?)),
        })
    }

    pub(in crate::keys) fn public(&self) -> &PublicJwk {
        match self {
            Self::Signs(key) => key.signer.public(),
            Self::Decrypts(key) => key.public(),
        }
    }
}

impl Key {
    pub(super) fn new(signer: Signer) -> Self {
        let headers = TokenType::ALL.map(|kind| {
            let header = Header {
                typ: Some(kind.as_str().to_owned()),
                alg: signer.algorithm().as_str().to_owned(),
                kid: Some(signer.public().kid().to_string()),
            };
            encode(&serde_json::to_vec(&header).unwrap_or_default())
        });
        Self { signer, headers }
    }
}
