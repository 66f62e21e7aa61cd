//! Logout tokens: what a client is told when a session ended (OpenID Connect Back-Channel Logout 1.0 §2.4).

use serde::Serialize;
use serde_json::{Map, Value};

use super::id::{ClientId, SessionId};
use super::jwt::numeric_date;
use super::time::{Seconds, Timestamp};

/// How long one is good for: what §4 recommends at most. Each attempt to deliver it makes it anew.
pub const LIFETIME: Seconds = Seconds::minutes(2);

/// The one event.
const EVENT: &str = "http://schemas.openid.net/event/backchannel-logout";

/// The claims. There is no `nonce`, by which a client would take one for an ID token.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LogoutTokenClaims {
    iss: String,
    sub: String,
    aud: ClientId,
    #[serde(with = "numeric_date")]
    iat: Timestamp,
    #[serde(with = "numeric_date")]
    exp: Timestamp,
    jti: String,
    sid: SessionId,
    /// [`EVENT`], and nothing to say about it.
    events: Map<String, Value>,
}

impl LogoutTokenClaims {
    /// Of the session `sid`, in which the client knows the person as `sub`.
    pub fn new(issuer: &str, client: &ClientId, (sub, sid): (&str, &SessionId), jti: &str, now: Timestamp) -> Self {
        Self {
            iss: issuer.to_owned(),
            sub: sub.to_owned(),
            aud: client.clone(),
            iat: now,
            exp: now + LIFETIME,
            jti: jti.to_owned(),
            sid: sid.clone(),
            events: Map::from_iter([(EVENT.to_owned(), Value::Object(Map::new()))]),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_says_that_the_session_ended_and_nothing_else() {
        let (client, session) = (ClientId::parse("app").unwrap(), SessionId::parse("s").unwrap());
        let claims =
            LogoutTokenClaims::new("https://id.example", &client, ("anna", &session), "j", Timestamp::from_seconds(1_000));
        let expected = json!({
            "iss": "https://id.example", "sub": "anna", "aud": "app", "iat": 1_000, "exp": 1_120, "jti": "j", "sid": "s",
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        });
        assert_eq!(serde_json::to_value(claims).unwrap(), expected);
    }
}
