//! What only its client can read: ID tokens and other answers, logout tokens (OpenID Connect Core §10.2; JARM §2.2; RFC 9701 §5).

use std::sync::Arc;

use super::client_keys::ClientKeys;
use crate::keys::encryption::{EncryptionError, Recipient};
use crate::protocol::client::{Client, Encryption};
use crate::protocol::error::OAuthError;
use crate::protocol::jwe::{Content, KEYS_UNAVAILABLE, NO_KEY};
use crate::protocol::time::Timestamp;
use crate::telemetry::findings::note;

/// Whom an answer is encrypted for, and how.
#[derive(Clone, Debug)]
pub struct Envelope {
    recipient: Arc<Recipient>,
    encryption: Encryption,
}

impl Envelope {
    /// For a client with this registration; `None` if it is not registered for encryption. Look for it before anything is done that
    /// can't be done twice: without a key of the client's there is no answer.
    pub async fn of(
        keys: &ClientKeys,
        client: &Client,
        encryption: Option<Encryption>,
        now: Timestamp,
    ) -> Result<Option<Self>, OAuthError> {
        let Some(encryption) = encryption else { return Ok(None) };
        let keys = keys.to_encrypt(client, encryption.alg, now).await.map_err(|cause| {
            note("encryption_keys", "failure", cause);
            KEYS_UNAVAILABLE
        })?;
        let recipient = keys.recipient(encryption.alg).ok_or_else(|| {
            note("encryption_key", "registered", encryption.alg.as_str());
            NO_KEY
        })?;
        Ok(Some(Self { recipient: Arc::clone(recipient), encryption }))
    }

    pub fn seal(&self, content: Content<'_>, text: &str) -> Result<String, EncryptionError> {
        self.recipient.encrypt(self.encryption, content, text.as_bytes())
    }

    /// `token`, a JWT, in the envelope that there is, if any.
    pub fn around(envelope: Option<&Self>, token: String) -> Result<String, EncryptionError> {
        match envelope {
            Some(envelope) => envelope.seal(Content::Nested, &token),
            None => Ok(token),
        }
    }
}
