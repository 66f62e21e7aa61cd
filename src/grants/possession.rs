//! What a client proves to hold when it asks for tokens: they are bound to it.

use crate::protocol::client::Client;
use crate::protocol::confirmation::Confirmation;
use crate::protocol::dpop;
use crate::state::AppState;
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// The key of the request's DPoP proof, if it brings one, which then has to be good (RFC 9449 §5). Some clients have to bring one.
pub async fn proved(state: &AppState, context: &RequestContext, client: &Client) -> Result<Option<Confirmation>, Problem> {
    match state.proofs.key(context, None).await?? {
        None if client.metadata.dpop_bound_access_tokens => Err(dpop::MISSING.into()),
        key => Ok(key.map(Confirmation::Dpop)),
    }
}
