//! The published signing keys (RFC 7517 §5).

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::header::{self, HeaderValue};

use crate::state::AppState;
use crate::web::document;

/// Rendered when the keys change, not when they are asked for. Verifiers may keep it for five minutes: much less than a
/// new key is published before it signs.
pub async fn jwks(State(state): State<AppState>, request: Request) -> Response {
    let jwks = state.keys.jwks();
    let etag = HeaderValue::from_maybe_shared(jwks.etag).unwrap_or(HeaderValue::from_static("\"\""));
    let mut response = document::public("application/jwk-set+json", jwks.body);
    if request.headers().get(header::IF_NONE_MATCH) == Some(&etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
        *response.body_mut() = Body::empty();
    }
    response.headers_mut().insert(header::ETAG, etag);
    response
}
