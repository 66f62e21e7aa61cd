//! With what a client is told that a person answered (OpenID Connect CIBA Core 1.0 §10.2). It is sealed until then: whoever has it could
//! fetch the tokens in the client's name, or speak in this server's.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::root::Root;
use super::seal::Sealer;
use crate::protocol::id::ClientId;

/// Seals and opens them. Cheap to clone.
#[derive(Clone)]
pub struct Notifications(Arc<Sealer>);

/// One of them.
#[derive(Debug)]
pub struct Notification {
    /// `auth_req_id`.
    pub request: SecretString,
    /// `client_notification_token`.
    pub token: SecretString,
}

impl Notifications {
    pub fn new(root: &Root) -> Self {
        Self(Arc::new(Sealer::new(&root.derive("seal/notifications"))))
    }

    /// For this client alone.
    pub fn seal(&self, client: &ClientId, notification: &Notification) -> Vec<u8> {
        // Neither holds a line break.
        let plain = format!("{}\n{}", notification.request.expose_secret(), notification.token.expose_secret());
        self.0.seal(plain.as_bytes(), client.as_str().as_bytes())
    }

    pub fn open(&self, client: &ClientId, sealed: &[u8]) -> Option<Notification> {
        let plain = String::from_utf8(self.0.open(sealed, client.as_str().as_bytes())?).ok()?;
        let (request, token) = plain.split_once('\n')?;
        Some(Notification { request: request.into(), token: token.into() })
    }
}

impl Notification {
    /// Header fields and body.
    pub fn message(&self) -> Option<(HeaderMap, Bytes)> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", self.token.expose_secret())).ok()?;
        bearer.set_sensitive(true);
        let json = HeaderValue::from_static("application/json");
        let fields = HeaderMap::from_iter([(AUTHORIZATION, bearer), (CONTENT_TYPE, json)]);
        Some((fields, json!({ "auth_req_id": self.request.expose_secret() }).to_string().into()))
    }
}

impl fmt::Debug for Notifications {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Notifications")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notification_is_read_again_for_its_own_client_alone() {
        let notifications = Notifications::new(&Root::from_bytes([1; 32]));
        let [own, other] = ["own", "other"].map(|id| ClientId::parse(id).unwrap());
        let sealed = notifications.seal(&own, &Notification { request: "r".into(), token: "t+/=".into() });
        let opened = notifications.open(&own, &sealed).unwrap();
        let (fields, body) = opened.message().unwrap();
        assert_eq!((fields[AUTHORIZATION].to_str().unwrap(), &body[..]), ("Bearer t+/=", br#"{"auth_req_id":"r"}"#.as_slice()));
        assert!(fields[AUTHORIZATION].is_sensitive() && notifications.open(&other, &sealed).is_none());
        assert!(!format!("{opened:?}").contains('+'));
    }
}
