//! What comes first at the endpoints that count like the token endpoint: who asks, and whether too often.

use axum::response::Response;
use http::header::HeaderMap;

use super::{limit, refusal};
use crate::audit::Kind;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::web::client::{AuthenticatedClient, authenticate};
use crate::web::context::RequestContext;
use crate::web::cors::CrossOrigin;

/// The client, once it proved who it is. Else the answer, recorded: as a failed authentication, or for a client that asks too often
/// as `kind`.
pub async fn admit(
    state: &AppState,
    context: &RequestContext,
    (headers, params): (&HeaderMap, &Params),
    cross_origin: &CrossOrigin,
    kind: Kind,
) -> Result<AuthenticatedClient, Response> {
    let client = match authenticate(state, context, headers, params).await {
        Ok(client) => client,
        Err(refused) => return Err(cross_origin.allow(refusal::unauthenticated(state, context, params, refused), None)),
    };
    match limit::tokens(state, context, &client).await {
        Ok(()) => Ok(client),
        Err(limited) => {
            let refused = refusal::of_client(state, context, &client, kind, limited).await;
            Err(cross_origin.allow(refused, Some(&client)))
        }
    }
}
