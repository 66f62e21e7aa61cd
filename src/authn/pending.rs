//! A login after its first factor, on the way to its next: sealed, and carried by the browser or app that it belongs to.
//!
//! Nothing is stored and nobody is logged in yet. The box opens for its holder alone, for ten minutes, and is worth nothing
//! once the person's password was changed or the person was disabled.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::keys::seal::Sealer;
use crate::protocol::authentication::Factors;
use crate::protocol::id::UserId;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::storage::users::User;

/// How long the next factor may take.
pub const LIFETIME: Seconds = Seconds::minutes(10);

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Pending {
    /// Of this login: what its wrong codes are counted by.
    pub id: String,
    pub user_id: UserId,
    /// What was proved so far.
    pub factors: Factors,
    /// The person wants to stay logged in there.
    pub remember: bool,
    /// Of the password hash that the login began with.
    fingerprint: [u8; 32],
    pub started_at: Timestamp,
}

/// Why a box did not open. The person begins again either way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// Changed, made up, or sealed for another holder.
    Foreign,
    Expired,
}

impl Pending {
    pub fn new(user: &User, factors: Factors, now: Timestamp) -> Self {
        let (id, user_id) = (random::identifier(), user.id.clone());
        Self { id, user_id, factors, remember: false, fingerprint: fingerprint(user), started_at: now }
    }

    /// Whether the login may still go on as this person: active, and with the password it began with.
    pub fn still_holds_for(&self, user: &User) -> bool {
        self.user_id == user.id && user.is_active() && bool::from(self.fingerprint.ct_eq(&fingerprint(user)))
    }

    /// Seals it for whoever holds the secret `holder`: the browser's own random cookie.
    pub fn seal(&self, sealer: &Sealer, holder: &str) -> Result<String, serde_json::Error> {
        let plain = serde_json::to_vec(self)?;
        Ok(URL_SAFE_NO_PAD.encode(sealer.seal(&plain, &associated_data(holder))))
    }

    /// Opens what [`Pending::seal`] made, for the same holder and in time.
    pub fn open(sealer: &Sealer, text: &str, holder: &str, now: Timestamp) -> Result<Self, Unusable> {
        let decoded = URL_SAFE_NO_PAD.decode(text).map_err(|_| Unusable::Foreign)?;
        let plain = sealer.open(&decoded, &associated_data(holder)).ok_or(Unusable::Foreign)?;
        let pending: Self = serde_json::from_slice(&plain).map_err(|_| Unusable::Foreign)?;
        if now >= pending.started_at + LIFETIME { Err(Unusable::Expired) } else { Ok(pending) }
    }
}

/// Of the stored hash, which holds a salt: two people with one password have two of these.
fn fingerprint(user: &User) -> [u8; 32] {
    Sha256::digest(user.password_hash.as_ref().map_or("", |hash| hash.expose_secret())).into()
}

fn associated_data(holder: &str) -> Vec<u8> {
    [b"ostiary login 1\0".as_slice(), holder.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::protocol::authentication::Method;
    use crate::protocol::sign_in_name::SignInName;
    use crate::storage::users::UserStatus;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);

    fn person() -> User {
        User {
            id: UserId::parse("ada").unwrap(),
            sign_in_name: SignInName::parse("ada").unwrap(),
            password_hash: Some(SecretString::from("$argon2id$one")),
            password_changed_at: None,
            status: UserStatus::Active,
            roles: Vec::new(),
            created_at: NOON,
            updated_at: NOON,
            version: 1,
        }
    }

    #[test]
    fn it_opens_for_its_holder_alone_and_for_ten_minutes() {
        let sealer = Sealer::new(&[1; 32]);
        let pending = Pending::new(&person(), Factors::of(Method::Password, NOON), NOON);
        let text = pending.seal(&sealer, "browser").unwrap();
        let open = |boxed: &str, holder, seconds| Pending::open(&sealer, boxed, holder, NOON + Seconds(seconds));
        assert_eq!(open(&text, "browser", 599).unwrap().factors, pending.factors);
        assert_eq!(open(&text, "browser", 600).unwrap_err(), Unusable::Expired);
        assert_eq!(open(&text, "other", 1).unwrap_err(), Unusable::Foreign);
        for made_up in ["", "AAAA", "no base64!", &text[1..]] {
            assert_eq!(open(made_up, "browser", 1).unwrap_err(), Unusable::Foreign);
        }
    }

    #[test]
    fn it_ends_with_the_password_it_began_with() {
        let person = person();
        let pending = Pending::new(&person, Factors::of(Method::Password, NOON), NOON);
        assert!(pending.still_holds_for(&person));
        assert!(!pending.still_holds_for(&User { password_hash: Some(SecretString::from("$argon2id$two")), ..person.clone() }));
        assert!(!pending.still_holds_for(&User { status: UserStatus::Disabled, ..person.clone() }));
        assert!(!pending.still_holds_for(&User { id: UserId::parse("bob").unwrap(), ..person }));
    }
}
