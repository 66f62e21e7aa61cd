//! Tokens for an application of the operator's own that logged its person in without a browser: no grant type of the token
//! endpoint, but the same tokens.

use super::TokenResponse;
use super::family::{self, Family};
use crate::audit;
use crate::protocol::client::Client;
use crate::protocol::id::GrantId;
use crate::protocol::scope::Scope;
use crate::random;
use crate::state::AppState;
use crate::storage;
use crate::storage::grants::Grant;
use crate::storage::sessions::{self, Session};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Gives the first tokens out for a login that is complete, and makes its session the grant's own: nobody has its secret, and it
/// is there so that its person sees it and can end it. `None`: it was ended already.
pub async fn begin(
    state: &AppState,
    context: &RequestContext,
    client: &Client,
    session: &Session,
    scope: Scope,
) -> Result<Option<TokenResponse>, Problem> {
    let grant = Grant {
        id: GrantId::parse(random::uuid()).map_err(Problem::internal)?,
        client_id: client.id.clone(),
        user_id: session.user_id.clone(),
        session_id: session.id.clone(),
        own_session: true,
        claims: None,
        auth_time: session.auth_time,
        amr: session.factors.amr(),
        acr: session.factors.acr().to_string(),
        created_at: context.now,
        expires_at: context.now + family::lifetime(state, client, &scope),
        revoked_at: None,
        scope,
    };
    let family = Family::prepare(state, client, grant, context.now).await?;
    let event = audit::token_issued(context, client, Some(&family.grant), family.access_token_id(), "first_party");
    let given = state.db.write(async |tx| {
        if !sessions::hand_over(tx, &session.id, family.grant.expires_at).await? {
            return Ok(false);
        }
        family.store(tx).await?;
        storage::audit::insert(tx, &event).await?;
        Ok(true)
    });
    if !given.await? {
        return Ok(None);
    }
    family.finish(state, client, None, context.now).map(Some)
}
