//! Cross-origin access, decided per endpoint (Fetch standard §3.2).
//!
//! Discovery and keys are public. The endpoints that clients call directly answer scripts from the origins registered for the
//! client, and no other; nothing ever allows cookies, and `null` is no origin.

use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderValue};
use http::request::Parts;
use http::{Method, StatusCode};

use crate::protocol::client::Client;

/// Lets every origin read a public document.
pub const PUBLIC: [(header::HeaderName, HeaderValue); 1] = [(header::ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"))];

/// Answers the preflight of a public document.
#[expect(clippy::unused_async, reason = "a handler")]
pub async fn public_preflight() -> Response {
    let methods = (header::ACCESS_CONTROL_ALLOW_METHODS, HeaderValue::from_static("GET"));
    (StatusCode::NO_CONTENT, PUBLIC, [methods, PREFLIGHT_LIFETIME]).into_response()
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

    /// The origin to ask the registry for, when a preflight names no client.
    pub fn origin(&self) -> Option<&str> {
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
            let exposed = HeaderValue::from_static("WWW-Authenticate, DPoP-Nonce, Retry-After, X-Request-Id");
            headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, exposed);
        }
        response.headers_mut().append(header::VARY, HeaderValue::from_static("Origin"));
        response
    }

    /// Answers a preflight. It names no client, so `registered` says whether any client has the origin; the answer to the
    /// request itself then depends on the client.
    pub fn preflight(&self, registered: bool, methods: &[Method]) -> Response {
        let mut response = StatusCode::NO_CONTENT.into_response();
        let headers = response.headers_mut();
        headers.insert(header::VARY, HeaderValue::from_static("Origin"));
        let Some(origin) = self.0.as_ref().filter(|_| registered) else { return response };
        let methods: Vec<&str> = methods.iter().map(Method::as_str).collect();
        if let Ok(methods) = HeaderValue::try_from(methods.join(", ")) {
            headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, methods);
        }
        headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, HeaderValue::from_static("Authorization, Content-Type, DPoP"));
        headers.insert(PREFLIGHT_LIFETIME.0, PREFLIGHT_LIFETIME.1);
        response
    }
}

impl<S: Sync> FromRequestParts<S> for CrossOrigin {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        Ok(Self::of(&parts.headers))
    }
}
