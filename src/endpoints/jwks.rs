//! The published signing keys (RFC 7517 §5).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};

use crate::state::AppState;
use crate::web::cors;

/// Rendered when the keys change, not when they are asked for. Verifiers may keep it for five minutes: much less than a
/// new key is published before it signs.
pub async fn jwks(State(state): State<AppState>, request: HeaderMap) -> Response {
    let jwks = state.keys.jwks();
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/jwk-set+json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
        (header::ETAG, HeaderValue::try_from(jwks.etag).unwrap_or(HeaderValue::from_static("\"\""))),
    ];
    if request.get(header::IF_NONE_MATCH) == Some(&fields[2].1) {
        return (StatusCode::NOT_MODIFIED, cors::PUBLIC, fields).into_response();
    }
    (cors::PUBLIC, fields, jwks.body).into_response()
}
