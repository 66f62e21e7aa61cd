//! Limits of the endpoints that clients call directly.

use crate::guard::limit::Action;
use crate::guard::{Standing, Subject, Verdict};
use crate::protocol::client::Client;
use crate::state::AppState;
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// A request to the token or revocation endpoint. A client that authenticates is counted wherever it is: a back end logs
/// everybody in from one address. A public one, who may be anybody, is counted with the address.
pub async fn tokens(state: &AppState, context: &RequestContext, client: &Client) -> Result<(), Problem> {
    tokens_standing(state, context, client).await.0
}

/// The same, and how the bucket stands, for answers that tell.
pub async fn tokens_standing(
    state: &AppState,
    context: &RequestContext,
    client: &Client,
) -> (Result<(), Problem>, Option<Standing>) {
    admit(state, context, client, if client.is_public() { Action::TokenPublic } else { Action::Token }).await
}

/// A request to the introspection endpoint.
pub async fn introspection(state: &AppState, context: &RequestContext, client: &Client) -> Result<(), Problem> {
    admit(state, context, client, Action::Introspect).await.0
}

/// A request about a registration, by its sender: before the token is looked up.
pub async fn registrations(state: &AppState, context: &RequestContext) -> Result<(), Problem> {
    judged(state.guard.admit(Action::FindRegistration, &Subject::new(context.address), context.now).await)
}

/// The same, of this client.
pub async fn registration(state: &AppState, context: &RequestContext, client: &Client) -> Result<(), Problem> {
    admit(state, context, client, Action::ManageRegistration).await.0
}

/// A request for userinfo, by its token: before anything is looked up, or written for its proof.
pub async fn userinfo(state: &AppState, context: &RequestContext, token: &str) -> Result<(), Problem> {
    let subject = Subject::new(context.address).token(token);
    judged(state.guard.admit(Action::UserInfo, &subject, context.now).await)
}

/// A client that is about to be stored at its own word.
pub async fn adoption(state: &AppState, context: &RequestContext) -> Result<(), Problem> {
    judged(state.guard.admit(Action::RegisterClient, &Subject::new(context.address), context.now).await)
}

async fn admit(
    state: &AppState,
    context: &RequestContext,
    client: &Client,
    action: Action,
) -> (Result<(), Problem>, Option<Standing>) {
    let subject = Subject::new(context.address).client(client.id.as_str());
    let (verdict, standing) = state.guard.standing(action, &subject, context.now).await;
    (judged(verdict), standing)
}

/// As the answer to a client. Nobody there could solve a challenge.
pub fn judged(verdict: Verdict) -> Result<(), Problem> {
    match verdict {
        Verdict::Refused { retry_after } => Err(Problem::too_many(retry_after)),
        Verdict::Allowed | Verdict::Challenge => Ok(()),
    }
}
