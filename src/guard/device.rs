//! The device cookie (OWASP, Slow Down Online Guessing Attacks with Device Cookies): a browser in which somebody logged in is
//! known for that account, and stands aside from what strangers do to it.
//!
//! Sealed, and worth nothing but that: whoever steals it still has to guess the password, in a bucket that is no larger.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::keys::seal::Sealer;
use crate::protocol::id::UserId;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::storage::users::User;

/// How many accounts one browser is known for.
const ACCOUNTS: usize = 8;

/// Longer than any cookie of ours.
const MAX_COOKIE: usize = 2_000;

/// A known browser.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Device {
    id: String,
    /// Who logged in, and when last; the latest first.
    accounts: Vec<(UserId, Timestamp)>,
}

impl Device {
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether this person ever logged in here, as far as the cookie remembers.
    pub fn has_seen(&self, user: &UserId) -> bool {
        self.accounts.iter().any(|(id, _)| id == user)
    }

    /// Whether this person logged in here in the last `lifetime`, and with the present password.
    pub fn knows(&self, user: &User, lifetime: Seconds, now: Timestamp) -> bool {
        let since = user.password_changed_at.map_or(now - lifetime, |changed| changed.max(now - lifetime));
        self.accounts.iter().any(|(id, at)| *id == user.id && since <= *at && *at <= now)
    }
}

/// Reads and writes device cookies.
#[derive(Debug)]
pub struct Devices {
    sealer: Sealer,
    lifetime: Seconds,
}

impl Devices {
    pub fn new(key: &[u8; 32], lifetime: Seconds) -> Self {
        Self { sealer: Sealer::new(key), lifetime }
    }

    pub const fn lifetime(&self) -> Seconds {
        self.lifetime
    }

    /// The device of a cookie; `None` for everything that isn't one.
    pub fn open(&self, cookie: &str) -> Option<Device> {
        if cookie.len() > MAX_COOKIE {
            return None;
        }
        let plain = self.sealer.open(&URL_SAFE_NO_PAD.decode(cookie).ok()?, b"device")?;
        serde_json::from_slice(&plain).ok()
    }

    /// The cookie of a browser in which this person logged in just now.
    pub fn remember(&self, device: Option<Device>, user_id: &UserId, now: Timestamp) -> String {
        let mut device = device.unwrap_or_else(|| Device { id: random::identifier(), accounts: Vec::new() });
        device.accounts.retain(|(id, at)| id != user_id && now - self.lifetime <= *at);
        device.accounts.insert(0, (user_id.clone(), now));
        device.accounts.truncate(ACCOUNTS);
        let plain = serde_json::to_vec(&device).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(self.sealer.seal(&plain, b"device"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::sign_in_name::SignInName;
    use crate::storage::users::UserStatus;

    const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);
    const DAY: Seconds = Seconds::days(1);

    fn devices() -> Devices {
        Devices::new(&[1; 32], DAY)
    }

    fn user(id: &str) -> User {
        User {
            id: UserId::parse(id).unwrap(),
            sign_in_name: SignInName::parse(id).unwrap(),
            password_hash: None,
            password_changed_at: None,
            status: UserStatus::Active,
            roles: Vec::new(),
            created_at: NOON,
            updated_at: NOON,
            version: 1,
        }
    }

    #[test]
    fn a_browser_is_known_to_those_who_logged_in_there() {
        let first = devices().remember(None, &user("anna").id, NOON);
        let both = devices().remember(devices().open(&first), &user("bert").id, NOON);
        let device = devices().open(&both).unwrap();
        assert_eq!(device.id(), devices().open(&first).unwrap().id());
        for (name, known) in [("anna", true), ("bert", true), ("cleo", false)] {
            assert_eq!(device.knows(&user(name), DAY, NOON + Seconds(1)), known, "{name}");
        }
    }

    #[test]
    fn it_is_forgotten_after_its_time_and_when_the_password_changes() {
        let device = devices().open(&devices().remember(None, &user("anna").id, NOON)).unwrap();
        assert!(device.knows(&user("anna"), DAY, NOON + DAY));
        assert!(!device.knows(&user("anna"), DAY, NOON + DAY + Seconds(1)));
        let changed = |at| User { password_changed_at: Some(at), ..user("anna") };
        assert!(device.knows(&changed(NOON), DAY, NOON + Seconds(9)));
        assert!(!device.knows(&changed(NOON + Seconds(5)), DAY, NOON + Seconds(9)));
        assert!(device.has_seen(&user("anna").id) && !device.has_seen(&user("bert").id), "but they were here");
    }

    #[test]
    fn it_can_not_be_made_up_and_tells_nothing() {
        let cookie = devices().remember(None, &user("anna").id, NOON);
        assert!(!String::from_utf8_lossy(&URL_SAFE_NO_PAD.decode(&cookie).unwrap()).contains("anna"));
        assert_eq!(Devices::new(&[2; 32], DAY).open(&cookie), None);
        for made_up in ["", "x", "{}", &cookie[1..], &"A".repeat(10_000)] {
            assert_eq!(devices().open(made_up), None);
        }
    }

    #[test]
    fn a_browser_of_many_people_knows_the_latest() {
        let mut cookie = None;
        for number in 0..20 {
            let device = cookie.as_deref().and_then(|cookie| devices().open(cookie));
            cookie = Some(devices().remember(device, &user(&format!("u{number}")).id, NOON));
        }
        let cookie = cookie.unwrap();
        assert!(cookie.len() < MAX_COOKIE, "{}", cookie.len());
        let device = devices().open(&cookie).unwrap();
        assert!(
            device.knows(&user("u19"), DAY, NOON)
                && device.knows(&user("u12"), DAY, NOON)
                && !device.knows(&user("u11"), DAY, NOON)
        );
    }
}
