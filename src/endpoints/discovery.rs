//! Server metadata (RFC 8414; OpenID Connect Discovery 1.0 §4).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::header::{self, HeaderValue};

use crate::protocol::metadata;
use crate::protocol::resource_metadata::Own;
use crate::state::AppState;
use crate::web::cors;

/// The metadata of a resource that this server is itself (RFC 9728 §3.2).
pub fn of_resource(own: Own, state: &AppState) -> Response {
    let fields = [(header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300"))];
    (cors::PUBLIC, fields, Json(own.document(&state.config.server.issuer))).into_response()
}

/// The same document under all its well-known paths, made at the start from what the server does; and the types of authorization
/// details that are registered by now. While those can't be had it does without: clients need the rest.
pub async fn metadata(State(state): State<AppState>) -> Response {
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=300")),
    ];
    let resources = state.resources.current().await.unwrap_or_default();
    let document = metadata::with_detail_types(&state.metadata, resources.detail_types());
    (cors::PUBLIC, fields, document.map_or_else(|| state.metadata.clone(), Bytes::from)).into_response()
}
