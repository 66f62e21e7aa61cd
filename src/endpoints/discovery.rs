//! Server metadata (RFC 8414; OpenID Connect Discovery 1.0 §4).

use axum::extract::State;
use axum::response::Response;

use crate::protocol::metadata;
use crate::protocol::resource_metadata::Own;
use crate::state::AppState;
use crate::web::document;

/// The metadata of a resource that this server is itself (RFC 9728 §3.2).
pub fn of_resource(own: Own, state: &AppState) -> Response {
    document::public("application/json", own.document(&state.config.server.issuer).to_string())
}

/// The same document under all its well-known paths, made at the start from what the server does; and the types of authorization
/// details that are registered by now. While those can't be had it does without: clients need the rest.
pub async fn metadata(State(state): State<AppState>) -> Response {
    let resources = state.resources.current().await.unwrap_or_default();
    match metadata::with_detail_types(&state.metadata, resources.detail_types()) {
        Some(document) => document::public("application/json", document),
        None => document::public("application/json", state.metadata.clone()),
    }
}
