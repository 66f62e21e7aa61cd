//! Server metadata (RFC 8414; OpenID Connect Discovery 1.0 §4).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderValue};

use crate::state::AppState;
use crate::web::cors;

/// The same document under all its well-known paths, made at the start from what the server does.
pub async fn metadata(State(state): State<AppState>) -> Response {
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    (cors::PUBLIC, fields, state.metadata.clone()).into_response()
}
