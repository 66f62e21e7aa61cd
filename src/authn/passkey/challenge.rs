//! A challenge on its way through the browser: sealed for it, good for five minutes, and spent by the first answer.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use webauthn_rs_core::proto::{AuthenticationState, RegistrationState};

use super::Refusal;
use crate::keys::seal::Sealer;
use crate::protocol::id::UserId;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::storage::db::Tx;
use crate::storage::error::Error;
use crate::storage::spent;

/// How long an answer may take.
pub const LIFETIME: Seconds = Seconds::minutes(5);

/// What an answer is good for. A challenge of one kind opens as no other.
pub trait Ceremony: Serialize + DeserializeOwned + Send + Sync {
    const NAME: &'static str;
    /// A right answer is a login by itself, and so takes the lock from a password that others guessed at.
    const FORGIVES: bool = false;
}

/// Somebody logs in, whoever it turns out to be.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct LogIn {
    pub state: AuthenticationState,
}

/// Somebody proves that it is them: as a second factor, or once more.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Prove {
    pub user_id: UserId,
    pub state: AuthenticationState,
}

/// Somebody makes a passkey.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Create {
    pub user_id: UserId,
    pub state: RegistrationState,
}

impl Ceremony for LogIn {
    const NAME: &'static str = "log in";
    const FORGIVES: bool = true;
}

impl Ceremony for Prove {
    const NAME: &'static str = "prove";
}

impl Ceremony for Create {
    const NAME: &'static str = "create";
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Challenge<C> {
    id: String,
    issued_at: Timestamp,
    pub ceremony: C,
}

impl<C: Ceremony> Challenge<C> {
    pub fn new(ceremony: C, now: Timestamp) -> Self {
        Self { id: random::secret(), issued_at: now, ceremony }
    }

    /// Seals it for whoever holds the secret `holder`: the browser's own cookie, or the session's.
    pub fn seal(&self, sealer: &Sealer, holder: &str) -> Result<String, serde_json::Error> {
        let plain = serde_json::to_vec(self)?;
        Ok(URL_SAFE_NO_PAD.encode(sealer.seal(&plain, &associated_data::<C>(holder))))
    }

    /// Opens what [`Challenge::seal`] made, for the same holder and ceremony and in time.
    pub fn open(sealer: &Sealer, text: &str, holder: &str, now: Timestamp) -> Result<Self, Refusal> {
        let decoded = URL_SAFE_NO_PAD.decode(text).map_err(|_| Refusal::CHALLENGE_FOREIGN)?;
        let plain = sealer.open(&decoded, &associated_data::<C>(holder)).ok_or(Refusal::CHALLENGE_FOREIGN)?;
        let challenge: Self = serde_json::from_slice(&plain).map_err(|_| Refusal::CHALLENGE_FOREIGN)?;
        if now >= challenge.issued_at + LIFETIME { Err(Refusal::CHALLENGE_EXPIRED) } else { Ok(challenge) }
    }

    /// `false`: an answer to it came before, right or wrong.
    pub async fn spend(&self, tx: &mut Tx, now: Timestamp) -> Result<bool, Error> {
        let hash = Sha256::new().chain_update(b"passkey challenge\0").chain_update(self.id.as_bytes()).finalize();
        spent::spend(tx, &hash.into(), self.issued_at + LIFETIME, now).await
    }
}

fn associated_data<C: Ceremony>(holder: &str) -> Vec<u8> {
    [b"ostiary passkey 1\0".as_slice(), C::NAME.as_bytes(), b"\0", holder.as_bytes()].concat()
}
