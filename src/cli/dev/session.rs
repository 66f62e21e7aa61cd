//! The demonstration's own sessions, in memory: which logins a browser has begun, and the one it has finished.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use super::relying_party::Exchange;
use super::verify::Verified;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;

/// Logins that one browser may have under way, one a tab: the oldest makes room.
const MAX_PENDING: usize = 5;

/// A session that nobody ended is forgotten after this.
const LIFETIME: Seconds = Seconds::hours(12);

/// A login under way: what must be known again when the browser comes back.
#[derive(Clone)]
pub struct Pending {
    pub client_id: &'static str,
    /// Comes back with the answer, and shows that this browser asked for it (RFC 6749 §10.12).
    pub state: String,
    /// Comes back within the ID token, and shows that it was made for this login (OpenID Connect Core §15.5.2).
    pub nonce: String,
    /// Shows the token endpoint that whoever brings the code began the login (RFC 7636 §4.1).
    pub code_verifier: String,
}

impl Pending {
    /// Three values nobody can guess, new for each login.
    pub fn new(client_id: &'static str) -> Self {
        Self { client_id, state: random::secret(), nonce: random::secret(), code_verifier: random::secret() }
    }

    /// `BASE64URL(SHA256(code_verifier))`: all that travels through the browser (RFC 7636 §4.2).
    pub fn code_challenge(&self) -> String {
        URL_SAFE_NO_PAD.encode(Sha256::digest(self.code_verifier.as_bytes()))
    }
}

/// A finished login.
#[derive(Clone)]
pub struct Login {
    pub client_id: &'static str,
    pub nonce: String,
    pub id_token: Verified,
    pub access_token: String,
    /// None when the access token is opaque: only the provider can read it.
    pub access_token_verified: Option<Verified>,
    pub refresh_token: Option<String>,
    pub scope: String,
}

/// What is known about one browser.
#[derive(Clone)]
pub struct Session {
    began: Timestamp,
    pending: Vec<Pending>,
    pub login: Option<Login>,
    /// What was asked of the provider, newest last.
    pub exchanges: Vec<Exchange>,
}

/// All sessions, by the value of the cookie.
#[derive(Default)]
pub struct Sessions(Mutex<HashMap<String, Session>>);

impl Sessions {
    /// A new session; the answer is the value of its cookie.
    pub fn begin(&self, now: Timestamp, login: Option<Login>, exchanges: Vec<Exchange>) -> String {
        let cookie = random::secret();
        let mut sessions = self.lock();
        sessions.retain(|_, session| now < session.began + LIFETIME);
        sessions.insert(cookie.clone(), Session { began: now, pending: Vec::new(), login, exchanges });
        cookie
    }

    pub fn find(&self, cookie: &str) -> Option<Session> {
        self.lock().get(cookie).cloned()
    }

    pub fn end(&self, cookie: &str) -> Option<Session> {
        self.lock().remove(cookie)
    }

    pub fn add_pending(&self, cookie: &str, pending: Pending) {
        self.change(cookie, |session| {
            if session.pending.len() == MAX_PENDING {
                session.pending.remove(0);
            }
            session.pending.push(pending);
        });
    }

    /// The login that `state` belongs to. It is taken away: an answer counts once.
    pub fn take_pending(&self, cookie: &str, state: &str) -> Option<Pending> {
        let mut sessions = self.lock();
        let pending = &mut sessions.get_mut(cookie)?.pending;
        let found = pending.iter().position(|pending| pending.state == state)?;
        Some(pending.remove(found))
    }

    pub fn change(&self, cookie: &str, change: impl FnOnce(&mut Session)) {
        if let Some(session) = self.lock().get_mut(cookie) {
            change(session);
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Session>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_challenge_is_that_of_rfc_7636_appendix_b() {
        let mut pending = Pending::new("demo-web");
        "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk".clone_into(&mut pending.code_verifier);
        assert_eq!(pending.code_challenge(), "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
    }

    #[test]
    fn an_answer_counts_once_and_in_the_browser_that_asked() {
        let sessions = Sessions::default();
        let now = Timestamp::from_seconds(1);
        let (mine, other) = (sessions.begin(now, None, Vec::new()), sessions.begin(now, None, Vec::new()));
        let pending = Pending::new("demo-web");
        sessions.add_pending(&mine, pending.clone());
        assert!(sessions.take_pending(&other, &pending.state).is_none());
        assert!(sessions.take_pending(&mine, "guessed").is_none());
        assert!(sessions.take_pending(&mine, &pending.state).is_some());
        assert!(sessions.take_pending(&mine, &pending.state).is_none());
    }

    #[test]
    fn forgotten_sessions_and_logins_make_room() {
        let sessions = Sessions::default();
        let old = sessions.begin(Timestamp::from_seconds(0), None, Vec::new());
        let first = Pending::new("demo-web");
        sessions.add_pending(&old, first.clone());
        for _ in 0..MAX_PENDING {
            sessions.add_pending(&old, Pending::new("demo-web"));
        }
        assert!(sessions.take_pending(&old, &first.state).is_none());
        sessions.begin(Timestamp::from_seconds(0) + LIFETIME, None, Vec::new());
        assert!(sessions.find(&old).is_none());
    }
}
