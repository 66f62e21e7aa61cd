//! An authenticator app that is being set up: its secret travels sealed in the form, for one session, until a right code shows
//! that the app has it. Nothing is stored before.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::totp::Secret;
use crate::keys::seal::Sealer;
use crate::protocol::id::SessionId;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::sessions::Session;

/// How long the page may stay open.
const LIFETIME: Seconds = Seconds::minutes(10);

#[derive(Serialize, Deserialize)]
struct Content {
    secret: Zeroizing<Vec<u8>>,
    started_at: Timestamp,
}

/// Seals a secret for the session in which it was shown.
pub fn seal(sealer: &Sealer, secret: &Secret, session: &Session, now: Timestamp) -> Result<String, serde_json::Error> {
    let content = Content { secret: Zeroizing::new(secret.as_bytes().to_vec()), started_at: now };
    let plain = Zeroizing::new(serde_json::to_vec(&content)?);
    Ok(URL_SAFE_NO_PAD.encode(sealer.seal(&plain, &associated_data(&session.id))))
}

/// `None`: made up, of another session, or open for too long.
pub fn open(sealer: &Sealer, text: &str, session: &Session, now: Timestamp) -> Option<Secret> {
    let decoded = URL_SAFE_NO_PAD.decode(text).ok()?;
    let plain = Zeroizing::new(sealer.open(&decoded, &associated_data(&session.id))?);
    let content: Content = serde_json::from_slice(&plain).ok()?;
    if now >= content.started_at + LIFETIME { None } else { Secret::from_bytes(&content.secret) }
}

/// The `sid` is random, belongs to one person, and is renewed when the enrolment succeeds: the form works once.
fn associated_data(session: &SessionId) -> Vec<u8> {
    [b"ostiary enrolment 1\0".as_slice(), session.as_str().as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::authentication::{Factors, Method};
    use crate::protocol::id::UserId;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn session(id: &str) -> Session {
        Session {
            id: SessionId::parse(id).unwrap(),
            hash: [0; 32],
            user_id: UserId::parse("ada").unwrap(),
            auth_time: NOON,
            factors: Factors::of(Method::Password, NOON),
            device: String::new(),
            name: None,
            remembered: false,
            user_agent: String::new(),
            address: String::new(),
            created_at: NOON,
            last_seen_at: NOON,
            expires_at: NOON,
        }
    }

    #[test]
    fn a_secret_under_enrolment_opens_in_its_session_alone_and_for_ten_minutes() {
        let (sealer, secret) = (Sealer::new(&[1; 32]), Secret::random());
        let text = seal(&sealer, &secret, &session("one"), NOON).unwrap();
        let opened = |text: &str, id, seconds| open(&sealer, text, &session(id), NOON + Seconds(seconds));
        assert_eq!(opened(&text, "one", 599).unwrap().as_bytes(), secret.as_bytes());
        assert!(opened(&text, "one", 600).is_none());
        assert!(opened(&text, "two", 1).is_none());
        assert!(opened("AAAA", "one", 1).is_none());
    }
}
