//! Documents that everybody may read: metadata and keys.

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::{self, HeaderValue};

use super::cors;

/// Fields that such an answer has when it leaves, at most. With room for them from the start they need not be moved twice.
const FIELDS: usize = 12;

/// An answer with this document, which may be kept for five minutes.
pub fn public(content_type: &'static str, body: impl Into<Bytes>) -> Response {
    let mut response = Response::new(Body::from(body.into()));
    let fields = response.headers_mut();
    fields.reserve(FIELDS);
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    fields.insert(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"));
    fields.extend(cors::PUBLIC);
    response
}
