//! Scripts of other origins: those that are registered for a first-party client may log its people in, and use what they get
//! for the account that it is about. The rest of the API is for no other origin, and cookies never count across origins.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{Method, header};

use super::error::ApiError;
use crate::protocol::id::ClientId;
use crate::state::AppState;
use crate::web::cors::{self, Allows, CrossOrigin};

/// The client whose request an answer is to, by its credentials or its access token.
#[derive(Clone, Debug)]
pub(super) struct Asker(pub(super) ClientId);

/// Answers preflights, and lets the scripts of the client's own origins read the answer.
pub(super) async fn allow(State(state): State<AppState>, request: Request, next: Next) -> Result<Response, ApiError> {
    let path = request.uri().path();
    let is_for_scripts = path.starts_with("/auth/") || path == "/users/me" || path.starts_with("/users/me/");
    let cross_origin = CrossOrigin::of(request.headers());
    let is_preflight =
        request.method() == Method::OPTIONS && request.headers().contains_key(header::ACCESS_CONTROL_REQUEST_METHOD);
    if !is_for_scripts {
        return Ok(next.run(request).await);
    }
    if is_preflight {
        return Ok(cors::preflight(&state, &cross_origin, Allows::API).await?);
    }
    let mut response = next.run(request).await;
    let client = match response.extensions_mut().remove::<Asker>() {
        Some(Asker(id)) => state.clients.load(&id).await?.filter(|client| client.metadata.first_party),
        None => None,
    };
    Ok(cross_origin.allow(response, client.as_deref()))
}
