//! `session_state`: what a client compares to learn whether the session is still the same (OpenID Connect Session Management
//! 1.0 §3.1).

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use super::id::ClientId;

/// The hash over client, origin, browser state and salt, and the salt. The page that browsers load to compare it,
/// `static/check-session.js`, makes the same.
pub fn session_state(client: &ClientId, origin: &str, browser_state: &str, salt: &str) -> String {
    let hash = Sha256::digest(format!("{client} {origin} {browser_state} {salt}"));
    let mut text = String::with_capacity(65 + salt.len());
    for byte in hash {
        // Writing to a String can't fail.
        let _ = write!(text, "{byte:02x}");
    }
    text.push('.');
    text.push_str(salt);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_bound_to_client_origin_and_browser() {
        let app = ClientId::parse("app").unwrap();
        let state = session_state(&app, "https://app.ex", "b", "salt");
        // printf 'app https://app.ex b salt' | sha256sum
        assert_eq!(state, "0ab5d33e5ccf5b87a43f04e0e137e204696b9909117fb877f5c923fa106dcdf9.salt");
        let other = ClientId::parse("other").unwrap();
        for different in [
            session_state(&other, "https://app.ex", "b", "salt"),
            session_state(&app, "https://evil.ex", "b", "salt"),
            session_state(&app, "https://app.ex", "c", "salt"),
            session_state(&app, "https://app.ex", "b", "pepper"),
        ] {
            assert_ne!(different, state);
        }
    }
}
