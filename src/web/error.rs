//! Renders an error once, for the audience that gets it.
//!
//! What went wrong is a [`Problem`]. Its type then says who is told: [`Error`] answers a client in the JSON of OAuth 2.0
//! (RFC 6749 §5.2), [`PageError`] answers a person with a page, [`negotiated`] asks the `Accept` field. The public text is
//! static; a cause is logged where it happened, under the request's trace id, and never sent.

use std::fmt;
use std::sync::Arc;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, StatusCode};

use super::bearer::{Way, challenges};
use super::context::TraceId;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::scope::Scope;
use crate::protocol::time::Seconds;
use crate::storage;
use crate::telemetry::{self, findings};

/// What went wrong.
#[derive(Clone, Debug)]
pub struct Problem {
    pub status: StatusCode,
    /// `error` of a JSON answer.
    pub code: &'static str,
    /// Public, without user input, in the characters of RFC 6749 §5.2.
    pub description: &'static str,
    /// A stable word for the log and the audit log. Not sent.
    pub reason: &'static str,
    /// Seconds.
    pub retry_after: Option<u32>,
    /// `WWW-Authenticate`, one for each scheme.
    pub challenges: Vec<HeaderValue>,
    /// Where a person who reads it may begin again.
    pub go_on: Option<String>,
}

impl Problem {
    pub const fn new(status: StatusCode, code: &'static str, reason: &'static str, description: &'static str) -> Self {
        Self { status, code, description, reason, retry_after: None, challenges: Vec::new(), go_on: None }
    }

    /// A refusal of the request as such: RFC 6749 has `invalid_request` for it, HTTP a status of its own.
    pub const fn request(status: StatusCode, reason: &'static str, description: &'static str) -> Self {
        Self::new(status, ErrorCode::InvalidRequest.as_str(), reason, description)
    }

    /// A fault of ours. `cause` is logged here, with the trace id of the request that is being worked on.
    pub fn internal(cause: impl fmt::Display) -> Self {
        tracing::error!(%cause, "internal error");
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "server_error", "internal_error", "The server met an unexpected condition")
    }

    /// The database can't be reached. `cause` is logged here.
    ///
    /// Never `invalid_client` or `invalid_grant`: clients throw their tokens away on those.
    pub fn unavailable(cause: impl fmt::Display) -> Self {
        tracing::warn!(%cause, "temporarily unavailable");
        Self::busy("storage_unavailable")
    }

    /// More work than can be done at once: too many passwords to hash, for one.
    pub const fn overloaded() -> Self {
        Self::busy("overloaded")
    }

    const fn busy(reason: &'static str) -> Self {
        let mut problem = Self::new(
            StatusCode::SERVICE_UNAVAILABLE,
            ErrorCode::TemporarilyUnavailable.as_str(),
            reason,
            "The server can not handle the request right now",
        );
        problem.retry_after = Some(2);
        problem
    }

    pub const fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "not_found", "There is nothing here")
    }

    pub const fn method_not_allowed() -> Self {
        Self::request(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "The method is not allowed here")
    }

    /// More than is allowed; `retry_after` says when it is again. RFC 6749 has no word for it but this.
    pub fn too_many(retry_after: Seconds) -> Self {
        let code = ErrorCode::TemporarilyUnavailable.as_str();
        let mut problem = Self::new(StatusCode::TOO_MANY_REQUESTS, code, "rate_limited", "Too many requests, try again later");
        problem.retry_after = Some(u32::try_from(retry_after.0.max(1)).unwrap_or(u32::MAX));
        problem
    }

    /// A form that another site sent, or that was not made for this browser.
    pub const fn forged() -> Self {
        Self::new(StatusCode::FORBIDDEN, ErrorCode::AccessDenied.as_str(), "csrf", "The form was not sent from this site")
    }

    /// With `WWW-Authenticate: Basic` (RFC 7617 §2), owed when the client tried the Authorization field (RFC 6749 §5.2).
    #[must_use]
    pub fn with_basic_challenge(mut self) -> Self {
        self.challenges = vec![HeaderValue::from_static("Basic realm=\"ostiary\", charset=\"UTF-8\"")];
        self
    }

    /// The body of a JSON answer (RFC 6749 §5.2).
    pub(super) fn to_json(&self) -> String {
        if self.code.is_empty() {
            return "{}".to_owned();
        }
        let mut body = serde_json::json!({ "error": self.code, "error_description": self.description });
        if let Some(trace_id) = telemetry::current_trace() {
            body["trace_id"] = trace_id.as_str().into();
        }
        body.to_string()
    }

    /// Keeps why, for whoever asks for an explanation.
    pub(crate) fn remember(&self) {
        findings::answered(self.reason, self.status.is_server_error());
    }

    fn put_headers(&self, response: &mut Response) {
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        for challenge in &self.challenges {
            response.headers_mut().append(header::WWW_AUTHENTICATE, challenge.clone());
        }
    }
}

impl From<storage::error::Error> for Problem {
    fn from(error: storage::error::Error) -> Self {
        if matches!(error, storage::error::Error::Unavailable(_)) { Self::unavailable(error) } else { Self::internal(error) }
    }
}

impl From<OAuthError> for Problem {
    fn from(error: OAuthError) -> Self {
        let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let mut problem = Self::new(status, error.code.as_str(), error.reason, error.description);
        if error.code == ErrorCode::TemporarilyUnavailable {
            problem.retry_after = Some(2);
        }
        problem
    }
}

/// An error for a client: JSON, never stored.
#[derive(Clone, Debug)]
pub struct Error(pub Problem);

impl<P: Into<Problem>> From<P> for Error {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl Error {
    /// The refusal of an access token (RFC 6750 §3.1; RFC 9449 §7.1), with the [`challenges`] that it owes.
    pub fn access_token(error: Option<OAuthError>, way: Way, scope: Option<&Scope>) -> Self {
        let mut problem = error.map_or_else(|| Problem::new(StatusCode::UNAUTHORIZED, "", "token_missing", ""), Problem::from);
        // To a resource, a bad proof is a lack of credentials.
        if error.is_some_and(|error| matches!(error.code, ErrorCode::InvalidDpopProof | ErrorCode::UseDpopNonce)) {
            problem.status = StatusCode::UNAUTHORIZED;
        }
        problem.challenges = challenges(error.as_ref(), way, scope);
        Self(problem)
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.0.remember();
        let body = self.0.to_json();
        let fields = [
            (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
            (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
            (header::PRAGMA, HeaderValue::from_static("no-cache")),
        ];
        let mut response = (self.0.status, fields, body).into_response();
        self.0.put_headers(&mut response);
        response
    }
}

/// An error for a person: a page, never a redirect.
#[derive(Clone, Debug)]
pub struct PageError(pub Problem);

impl<P: Into<Problem>> From<P> for PageError {
    fn from(problem: P) -> Self {
        Self(problem.into())
    }
}

impl IntoResponse for PageError {
    /// The page itself is written by the shell, which knows the trace id and the reader's language.
    fn into_response(self) -> Response {
        self.0.remember();
        let mut response = self.0.status.into_response();
        response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        self.0.put_headers(&mut response);
        response.extensions_mut().insert(ErrorPage(self.0));
        response
    }
}

/// Marks a response whose body is the error page.
#[derive(Clone, Debug)]
pub(super) struct ErrorPage(pub(super) Problem);

/// What the error page is made of.
#[derive(Debug)]
pub struct ErrorView<'a> {
    pub problem: &'a Problem,
    pub trace_id: TraceId,
    /// `Accept-Language` of the request.
    pub accept_language: Option<&'a str>,
    /// `Cookie` of the request.
    pub cookie: Option<&'a HeaderValue>,
}

/// Writes the text of an error's body. See [`Audiences`](super::audience::Audiences).
#[derive(Clone)]
pub struct ErrorRenderer(Arc<dyn Fn(&ErrorView<'_>) -> String + Send + Sync>);

impl ErrorRenderer {
    pub fn new(render: impl Fn(&ErrorView<'_>) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(render))
    }

    pub fn render(&self, view: &ErrorView<'_>) -> String {
        (self.0)(view)
    }
}

impl Default for ErrorRenderer {
    /// A bare page in English.
    fn default() -> Self {
        Self::new(|view| {
            let (status, text, trace_id) = (view.problem.status.as_u16(), view.problem.description, view.trace_id);
            format!(
                "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Error {status}</title>\
                 <h1>Error {status}</h1><p>{text}</p><p>{trace_id}</p></html>"
            )
        })
    }
}

impl fmt::Debug for ErrorRenderer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ErrorRenderer")
    }
}

/// A page for whoever asks for HTML, JSON for everybody else.
pub fn negotiated(problem: Problem, wants_page: bool) -> Response {
    if wants_page { PageError(problem).into_response() } else { Error(problem).into_response() }
}

/// Asks for HTML by name, as browsers do when a person goes somewhere.
pub fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get_all(header::ACCEPT);
    accept.iter().any(|line| line.as_bytes().windows(9).any(|part| part.eq_ignore_ascii_case(b"text/html")))
}

/// The router's fallback: no such path.
pub async fn not_found(request: Request<Body>) -> Response {
    negotiated(Problem::not_found(), wants_page(request.headers()))
}

/// The router's fallback for a known path: no such method. The router adds `Allow`.
pub async fn method_not_allowed(request: Request<Body>) -> Response {
    negotiated(Problem::method_not_allowed(), wants_page(request.headers()))
}
