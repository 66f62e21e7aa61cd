//! Cross-origin access, decided per endpoint (Fetch standard §3.2).
//!
//! Discovery and keys are public. The endpoints that clients call directly answer scripts from the origins registered for the
//! client, and no other; nothing ever allows cookies, and `null` is no origin.

use axum::extract::{FromRequestParts, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;

use super::client::ClientRegistry;
use super::error::Error;
use crate::protocol::client::Client;

/// Lets every origin read a public document.
pub const PUBLIC: [(header::HeaderName, HeaderValue); 1] = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))];

/// Answers the preflight of a public document.
pub async fn public_preflight() -> Response {
    let methods = (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
    (StatusCode::NO_CONTENT, PUBLIC, [methods, PREFLIGHT_LIFETIME]).into_response()
}

/// Answers the preflight of the endpoints where clients register themselves: those have no origin yet.
pub async fn registration_preflight() -> Response {
    let methods = (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET, POST, PUT, DELETE"));
    let fields = (header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type"));
    (StatusCode::NO_CONTENT, PUBLIC, [methods, fields, PREFLIGHT_LIFETIME]).into_response()
}

const PREFLIGHT_LIFETIME: (header::HeaderName, HeaderValue) = (header::ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));

/// `Origin` of a request to a client's endpoint. An extractor.
#[derive(Clone, Debug)]
pub struct CrossOrigin(Option<HeaderValue>);

impl CrossOrigin {
    /// Reads `Origin`. `null`, an origin given twice and a request without one are all the same.
    pub fn of(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::ORIGIN).iter();
        let origin = values.next().filter(|origin| *origin != "null" && origin.to_str().is_ok()).cloned();
        Self(origin.filter(|_| values.next().is_none()))
    }

    fn origin(&self) -> Option<&str> {
        self.0.as_ref().and_then(|origin| origin.to_str().ok())
    }

    /// Lets a script of one of the client's registered origins read the response.
    pub fn allow(&self, mut response: Response, client: Option<&Client>) -> Response {
        let registered = |origin: &&HeaderValue| {
            client.is_some_and(|client| client.metadata.allowed_origins.iter().any(|allowed| *origin == allowed.as_str()))
        };
        if let Some(origin) = self.0.as_ref().filter(registered) {
            let headers = response.headers_mut();
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            let exposed = HeaderValue::from_static("WWW-Authenticate, DPoP-Nonce, Retry-After, X-Request-Id, ETag");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
        response
    }

    fn preflight(&self, registered: bool, allows: Allows) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = self.0.as_ref().filter(|_| registered) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static(allows.methods));
            headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static(allows.fields));
            headers.insert(PREFLIGHT_LIFETIME.0, PREFLIGHT_LIFETIME.1);
        }
        response
    }
}

/// Answers the preflight of an endpoint that clients call directly. It names no client, so any client's origin will do; whether
/// the script may read the answer to the request itself then depends on the client ([`CrossOrigin::allow`]).
pub async fn client_preflight<S: ClientRegistry>(
    State(registry): State<S>,
    cross_origin: CrossOrigin,
) -> Result<Response, Error> {
    preflight(&registry, &cross_origin, Allows::CLIENT).await
}

/// What a script may send.
#[derive(Clone, Copy, Debug)]
pub struct Allows {
    methods: &'static str,
    fields: &'static str,
}

impl Allows {
    const CLIENT: Self = Self { methods: "GET, POST", fields: "Authorization, Content-Type, DPoP" };
    /// The API, below which there are changes and conditions.
    pub const API: Self = Self { methods: "GET, POST, PATCH, DELETE", fields: "Authorization, Content-Type, If-Match, DPoP" };
}

/// Whether any client's scripts run in the origin.
pub async fn preflight<S: ClientRegistry>(registry: &S, cross_origin: &CrossOrigin, allows: Allows) -> Result<Response, Error> {
    let registered = match cross_origin.origin() {
        Some(origin) => registry.clients().has_origin(origin).await?,
        None => false,
    };
    Ok(cross_origin.preflight(registered, allows))
}

impl<S: Sync> FromRequestParts<S> for CrossOrigin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::protocol::client::{ClientMetadata, ClientStatus};
    use crate::protocol::id::ClientId;
    use crate::protocol::time::Timestamp;

    fn client() -> Client {
        let metadata = serde_json::json!({ "client_name": "a", "allowed_origins": ["https://app.example", "null"] });
        let metadata: ClientMetadata = serde_json::from_value(metadata).unwrap();
        let (id, now) = (ClientId::parse("a").unwrap(), Timestamp::from_seconds(1));
        Client { id, status: ClientStatus::Active, metadata, secrets: vec![], created_at: now, updated_at: now, version: 1 }
    }

    fn from(origins: &[&'static str]) -> CrossOrigin {
        CrossOrigin::of(&origins.iter().map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))).collect())
    }

    #[test]
    fn the_clients_own_origin_may_read_the_answer_and_sends_no_cookies() {
        let answer = from(&["https://app.example"]).allow(StatusCode::OK.into_response(), Some(&client()));
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example");
        assert_eq!(answer.headers()["vary"], "Origin");
        assert!(!answer.headers().contains_key("access-control-allow-credentials"));
    }

    #[test]
    fn no_other_origin_may_read_it() {
        for origins in [
            &["https://evil.example"][..],
            &["null"],
            &["https://app.example.evil"],
            &["https://APP.example"],
            &["http://app.example"],
            &["https://app.example:443"],
            &["https://app.example", "https://evil.example"],
            &[],
        ] {
            let answer = from(origins).allow(StatusCode::OK.into_response(), Some(&client()));
            assert!(!answer.headers().contains_key("access-control-allow-origin"), "{origins:?}");
            assert_eq!(answer.headers()["vary"], "Origin", "{origins:?}");
        }
        let answer = from(&["https://app.example"]).allow(StatusCode::OK.into_response(), None);
        assert!(!answer.headers().contains_key("access-control-allow-origin"), "an unknown client has no origin");
    }

    #[test]
    fn a_preflight_lets_registered_origins_send_what_clients_send() {
        let answer = from(&["https://app.example"]).preflight(true, Allows::CLIENT);
        assert_eq!(answer.status(), StatusCode::NO_CONTENT);
        assert_eq!(answer.headers()["access-control-allow-origin"], "https://app.example");
        assert_eq!(answer.headers()["access-control-allow-headers"], "Authorization, Content-Type, DPoP");
        for answer in [
            from(&["https://app.example"]).preflight(false, Allows::CLIENT),
            from(&["null"]).preflight(true, Allows::CLIENT),
            from(&[]).preflight(true, Allows::CLIENT),
        ] {
            assert!(!answer.headers().contains_key("access-control-allow-origin"));
            assert_eq!(answer.headers()["vary"], "Origin");
        }
    }
}
