//! Reads a request's body: limited in size and time, never decompressed (RFC 9110 §8.4, §15.5).

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::Body;
use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use serde::de::DeserializeOwned;
use tokio::time::Sleep;

use super::error::Problem;

/// The most bytes of a form.
pub const MAX_FORM: usize = 64 * 1_024;

/// The most bytes of a JSON document.
pub const MAX_JSON: usize = 1_024 * 1_024;

/// Why a body can't be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    /// It has a Content-Encoding: nothing is inflated here, so no small body becomes a large one.
    Encoded,
    MediaType,
    TooLarge,
    TimedOut,
    /// The connection broke before its end.
    Incomplete,
    Json(JsonError),
}

/// Why a body is not the JSON that was asked for. It names places and fields, and no value: a value may be a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JsonError {
    /// Not JSON, not UTF-8, or nested too deeply. The place of it.
    Syntax {
        line: usize,
        column: usize,
    },
    /// `\u0000`, which PostgreSQL can't store.
    Nul,
    /// A value of the wrong type, or one that its field may not have. The place where it ends.
    Value {
        line: usize,
        column: usize,
    },
    UnknownField(String),
    MissingField(String),
    /// Given twice.
    DuplicateField(String),
}

impl From<BodyError> for Problem {
    fn from(error: BodyError) -> Self {
        use StatusCode as S;
        let (status, reason, description) = match error {
            BodyError::Encoded => (S::UNSUPPORTED_MEDIA_TYPE, "body_encoded", "A Content-Encoding is not supported"),
            BodyError::MediaType => (S::BAD_REQUEST, "media_type", "The Content-Type is not supported here"),
            BodyError::TooLarge => (S::PAYLOAD_TOO_LARGE, "body_too_large", "The request is too large"),
            BodyError::TimedOut => (S::REQUEST_TIMEOUT, "body_timeout", "The request took too long to arrive"),
            BodyError::Incomplete => (S::BAD_REQUEST, "body_incomplete", "The request is incomplete"),
            BodyError::Json(_) => (S::BAD_REQUEST, "json", "The request is not the JSON expected here"),
        };
        Self::request(status, reason, description)
    }
}

/// Reads a JSON document for the management API: `application/json`, at most [`MAX_JSON`] bytes, nested at most 128 deep.
/// Unknown fields are refused by `T` (`#[serde(deny_unknown_fields)]`).
pub async fn json<T: DeserializeOwned>(request: Request<Body>) -> Result<T, BodyError> {
    require_media_type(request.headers(), "application/json")?;
    parse_json(&read(request, MAX_JSON).await?)
}

fn parse_json<T: DeserializeOwned>(bytes: &Bytes) -> Result<T, BodyError> {
    if has_nul_escape(bytes) {
        return Err(BodyError::Json(JsonError::Nul));
    }
    serde_json::from_slice(bytes).map_err(|error| BodyError::Json(explain(&error)))
}

/// Reads a JSON document that anybody may send: as large as a form at most.
pub async fn small_json<T: DeserializeOwned>(request: Request<Body>) -> Result<T, BodyError> {
    require_media_type(request.headers(), "application/json")?;
    parse_json(&read(request, MAX_FORM).await?)
}

/// Reads a form's bytes.
pub(super) async fn form(request: Request<Body>) -> Result<Bytes, BodyError> {
    require_media_type(request.headers(), "application/x-www-form-urlencoded")?;
    read(request, MAX_FORM).await
}

/// One Content-Type, exactly this one. Its parameters don't matter: the bytes have to be UTF-8 all the same.
fn require_media_type(headers: &HeaderMap, expected: &str) -> Result<(), BodyError> {
    let mut kinds = headers.get_all(header::CONTENT_TYPE).iter();
    let (kind, None) = (kinds.next(), kinds.next()) else { return Err(BodyError::MediaType) };
    let essence = kind.and_then(|kind| kind.to_str().ok()).and_then(|kind| kind.split(';').next()).unwrap_or_default();
    if essence.trim().eq_ignore_ascii_case(expected) { Ok(()) } else { Err(BodyError::MediaType) }
}

async fn read(request: Request<Body>, limit: usize) -> Result<Bytes, BodyError> {
    let plain = |encoding: &HeaderValue| encoding.as_bytes().eq_ignore_ascii_case(b"identity");
    if !request.headers().get_all(header::CONTENT_ENCODING).iter().all(plain) {
        return Err(BodyError::Encoded);
    }
    let mut body = request.into_body();
    let announced = usize::try_from(body.size_hint().lower()).unwrap_or(usize::MAX);
    if announced > limit {
        return Err(BodyError::TooLarge);
    }
    let mut bytes = BytesMut::with_capacity(announced);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            let timed_out = error.into_inner().is::<TimedOut>();
            if timed_out { BodyError::TimedOut } else { BodyError::Incomplete }
        })?;
        let Ok(data) = frame.into_data() else { continue };
        if bytes.len() + data.len() > limit {
            return Err(BodyError::TooLarge);
        }
        bytes.extend_from_slice(&data);
    }
    Ok(bytes.freeze())
}

/// Backslashes stand in the strings of a JSON document only, each with the character after it.
fn has_nul_escape(json: &[u8]) -> bool {
    let mut rest = json;
    while let Some(at) = rest.iter().position(|byte| *byte == b'\\') {
        if rest[at..].starts_with(b"\\u0000") {
            return true;
        }
        rest = rest.get(at + 2..).unwrap_or_default();
    }
    false
}

fn explain(error: &serde_json::Error) -> JsonError {
    let (line, column) = (error.line(), error.column());
    if !error.is_data() {
        return JsonError::Syntax { line, column };
    }
    let message = error.to_string();
    let field = |before: &str| {
        let name = message.strip_prefix(before)?.split('`').next()?;
        Some(name.chars().filter(|character| !character.is_control()).take(64).collect())
    };
    let unknown = field("unknown field `").map(JsonError::UnknownField);
    let missing = || field("missing field `").map(JsonError::MissingField);
    let duplicate = || field("duplicate field `").map(JsonError::DuplicateField);
    unknown.or_else(missing).or_else(duplicate).unwrap_or(JsonError::Value { line, column })
}

/// A body that has to arrive within a time, counted from the first time it is waited for.
#[derive(Debug)]
pub(super) struct TimedBody<B> {
    inner: B,
    limit: Duration,
    timer: Option<Pin<Box<Sleep>>>,
}

/// The error of a [`TimedBody`] that did not arrive in time.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the body did not arrive in time")]
struct TimedOut;

impl<B> TimedBody<B> {
    pub(super) const fn new(inner: B, limit: Duration) -> Self {
        Self { inner, limit, timer: None }
    }
}

impl<B> HttpBody for TimedBody<B>
where
    B: HttpBody<Data = Bytes> + Unpin,
    B::Error: Into<axum::BoxError>,
{
    type Data = Bytes;
    type Error = axum::BoxError;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::BoxError>>> {
        let this = &mut *self;
        if let Poll::Ready(frame) = Pin::new(&mut this.inner).poll_frame(context) {
            return Poll::Ready(frame.map(|frame| frame.map_err(Into::into)));
        }
        let timer = this.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(this.limit)));
        timer.as_mut().poll(context).map(|()| Some(Err(TimedOut.into())))
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Named {
        name: String,
    }

    fn request(fields: &[(&str, &str)], body: impl Into<Body>) -> Request<Body> {
        let mut request = Request::builder();
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(body.into()).unwrap()
    }

    async fn parse(body: impl Into<Body>) -> Result<Named, BodyError> {
        json(request(&[("content-type", "application/json")], body)).await
    }

    #[tokio::test]
    async fn json_is_taken_as_json_only() {
        assert_eq!(parse(r#"{"name":"a"}"#).await, Ok(Named { name: "a".into() }));
        let with_charset = request(&[("content-type", "Application/JSON; charset=utf-8")], r#"{"name":"a"}"#);
        assert!(json::<Named>(with_charset).await.is_ok());
        for fields in [
            &[("content-type", "application/x-www-form-urlencoded")][..],
            &[("content-type", "text/plain")],
            &[("content-type", "application/jsonp")],
            &[("content-type", "application/json"), ("content-type", "application/json")],
            &[],
        ] {
            assert_eq!(json::<Named>(request(fields, "{}")).await, Err(BodyError::MediaType), "{fields:?}");
        }
    }

    #[tokio::test]
    async fn what_is_wrong_with_json_is_told_without_its_values() {
        let wrong = |error| Err(BodyError::Json(error));
        assert_eq!(parse(r#"{"name":"a","is_admin":true}"#).await, wrong(JsonError::UnknownField("is_admin".into())));
        assert_eq!(parse("{}").await, wrong(JsonError::MissingField("name".into())));
        assert_eq!(parse(r#"{"name":"a","name":"b"}"#).await, wrong(JsonError::DuplicateField("name".into())));
        assert_eq!(parse(r#"{"name":"a\u0000b"}"#).await, wrong(JsonError::Nul));
        assert_eq!(parse(r#"{"name":"a\\u0000b"}"#).await, Ok(Named { name: "a\\u0000b".into() }));
        for text in ["", "{", r#"{"name":"\ud800"}"#, "nul"] {
            assert!(matches!(parse(text).await, Err(BodyError::Json(JsonError::Syntax { .. }))), "{text}");
        }
        assert!(matches!(parse(b"{\"name\":\"\xff\"}".to_vec()).await, Err(BodyError::Json(JsonError::Syntax { .. }))));
        let secret = parse(r#"{"name":["hunter2"]}"#).await.unwrap_err();
        assert!(matches!(secret, BodyError::Json(JsonError::Value { .. })));
        assert!(!format!("{secret:?}").contains("hunter2"));
    }

    #[tokio::test]
    async fn deep_nesting_is_refused_without_harm() {
        let deep = request(&[("content-type", "application/json")], "[".repeat(10_000));
        assert!(matches!(json::<serde_json::Value>(deep).await, Err(BodyError::Json(JsonError::Syntax { .. }))));
    }

    #[tokio::test]
    async fn a_body_is_never_inflated() {
        for encoding in ["gzip", "br", "zstd", "deflate", "identity, gzip"] {
            let fields = [("content-type", "application/json"), ("content-encoding", encoding)];
            assert_eq!(json::<Named>(request(&fields, r#"{"name":"a"}"#)).await, Err(BodyError::Encoded), "{encoding}");
        }
    }

    #[tokio::test]
    async fn a_body_over_the_limit_is_refused_whether_it_says_so_or_not() {
        let form_type = [("content-type", "application/x-www-form-urlencoded")];
        assert_eq!(form(request(&form_type, "a".repeat(MAX_FORM))).await.map(|bytes| bytes.len()), Ok(MAX_FORM));
        assert_eq!(form(request(&form_type, "a".repeat(MAX_FORM + 1))).await, Err(BodyError::TooLarge));
        assert_eq!(form(request(&form_type, Body::new(Endless))).await, Err(BodyError::TooLarge));
    }

    struct Endless;

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(&[b'a'; 1_024])))))
        }
    }

    #[tokio::test]
    async fn a_body_that_does_not_come_times_out() {
        let body = TimedBody::new(Stuck, Duration::from_millis(10));
        let form_type = [("content-type", "application/x-www-form-urlencoded")];
        assert_eq!(form(request(&form_type, Body::new(body))).await, Err(BodyError::TimedOut));
    }

    struct Stuck;

    impl HttpBody for Stuck {
        type Data = Bytes;
        type Error = std::convert::Infallible;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
            Poll::Pending
        }
    }
}
