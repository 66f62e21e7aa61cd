//! An authenticator app that is being set up: its secret travels sealed, for one session or grant, until a right code shows that
//! the app has it. Nothing is stored before. The right code spends it.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::totp::Secret;
use crate::keys::seal::Sealer;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::storage::db::Tx;
use crate::storage::error::Error;
use crate::storage::spent;

/// How long the page may stay open.
pub const LIFETIME: Seconds = Seconds::minutes(10);

#[derive(Serialize, Deserialize)]
struct Content {
    id: String,
    secret: Zeroizing<Vec<u8>>,
    started_at: Timestamp,
}

/// A secret that waits for its first code.
#[derive(Debug)]
pub struct Enrolment {
    pub secret: Secret,
    id: String,
    started_at: Timestamp,
}

impl Enrolment {
    /// `false`: the app was set up with it already.
    pub async fn spend(&self, tx: &mut Tx, now: Timestamp) -> Result<bool, Error> {
        let hash = Sha256::new().chain_update(b"enrolment\0").chain_update(self.id.as_bytes()).finalize();
        spent::spend(tx, &hash.into(), self.started_at + LIFETIME, now).await
    }
}

/// Seals a secret for the session or grant in which it was shown. Its id is random and belongs to one person.
pub fn seal(sealer: &Sealer, secret: &Secret, holder: &str, now: Timestamp) -> Result<String, serde_json::Error> {
    let secret = Zeroizing::new(secret.as_bytes().to_vec());
    let plain = Zeroizing::new(serde_json::to_vec(&Content { id: random::identifier(), secret, started_at: now })?);
    Ok(URL_SAFE_NO_PAD.encode(sealer.seal(&plain, &associated_data(holder))))
}

/// `None`: made up, of another session, or open for too long.
pub fn open(sealer: &Sealer, text: &str, holder: &str, now: Timestamp) -> Option<Enrolment> {
    let decoded = URL_SAFE_NO_PAD.decode(text).ok()?;
    let plain = Zeroizing::new(sealer.open(&decoded, &associated_data(holder))?);
    let Content { id, secret, started_at } = serde_json::from_slice(&plain).ok()?;
    let secret = Secret::from_bytes(&secret)?;
    (now < started_at + LIFETIME).then_some(Enrolment { secret, id, started_at })
}

fn associated_data(holder: &str) -> Vec<u8> {
    [b"ostiary enrolment 1\0".as_slice(), holder.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);

    #[test]
    fn a_secret_under_enrolment_opens_in_its_session_alone_and_for_ten_minutes() {
        let (sealer, secret) = (Sealer::new(&[1; 32]), Secret::random());
        let text = seal(&sealer, &secret, "one", NOON).unwrap();
        let opened = |text: &str, holder, seconds| open(&sealer, text, holder, NOON + Seconds(seconds));
        assert_eq!(opened(&text, "one", 599).unwrap().secret.as_bytes(), secret.as_bytes());
        assert!(opened(&text, "one", 600).is_none());
        assert!(opened(&text, "two", 1).is_none());
        assert!(opened("AAAA", "one", 1).is_none());
    }
}
