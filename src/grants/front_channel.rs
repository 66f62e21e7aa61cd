//! Tokens that the authorization endpoint itself gives out, through the browser (OpenID Connect Core §3.2.2.5, §3.3.2.5).
//!
//! What comes that way stands in the browser's history and in the reach of every script of the page that it comes to. So an access
//! token of this kind lives for a short time, and no refresh token comes with it.

use super::access_token::{self, Prepared, Terms};
use super::id_token::{self, Contents};
use crate::audit;
use crate::protocol::client::Client;
use crate::protocol::resource::Target;
use crate::protocol::response_type::ResponseType;
use crate::protocol::time::Seconds;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::db::Tx;
use crate::storage::error::Error as StorageError;
use crate::storage::grants::{self, Grant};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// The longest that an access token lasts which came through the browser, whatever its client is registered for.
const LONGEST: Seconds = Seconds::minutes(15);

/// What is decided on and not yet given out.
pub struct FrontChannel {
    grant: Grant,
    token: Option<Prepared>,
    /// If there is to be an ID token.
    id_token: Option<id_token::Prepared>,
}

impl FrontChannel {
    /// Decides everything; writes nothing. `None` where nothing but a code comes. What `grant` says of its end is decided here.
    pub async fn prepare(
        state: &AppState,
        client: &Client,
        response_type: ResponseType,
        grant: Grant,
    ) -> Result<Option<Self>, Problem> {
        if !response_type.is_legacy() {
            return Ok(None);
        }
        let (mut grant, mut token) = (grant, None);
        let now = grant.created_at;
        if response_type.has_token() {
            let target = target(state, client, &grant).await?;
            grant.expires_at = now + access_token::lifetime(state, &target);
            token = Some(access_token::prepare(state, Terms { client, grant: Some(&grant), target, confirmation: None }, now));
        }
        let id_token = match response_type {
            // Nobody could ask the userinfo endpoint (OpenID Connect Core §5.4).
            ResponseType::IdToken => {
                let claims = grant.claims.clone().unwrap_or_default().with_scope(&grant.scope);
                Some(id_token::prepare(state, client, &Grant { claims: Some(claims), ..grant.clone() }, now).await?)
            }
            _ if response_type.has_id_token() => Some(id_token::prepare(state, client, &grant, now).await?),
            _ => None,
        };
        Ok(Some(Self { grant, token, id_token }))
    }

    /// For the audit log: none where no access token comes.
    pub fn event(&self, context: &RequestContext, client: &Client) -> Option<Event> {
        let token = self.token.as_ref()?;
        Some(audit::token_issued(context, client, Some(&self.grant), &token.claims, "implicit"))
    }

    pub async fn store(&self, tx: &mut Tx) -> Result<(), StorageError> {
        let Some(token) = &self.token else { return Ok(()) };
        grants::insert(tx, &self.grant).await?;
        token.store(tx).await
    }

    /// The parameters of the response beside the code. What is signed is signed here: after the commit.
    pub fn finish(
        self,
        state: &AppState,
        client: &Client,
        code: Option<&str>,
        nonce: Option<String>,
    ) -> Result<Vec<(&'static str, String)>, Problem> {
        let Self { grant, token, id_token } = self;
        let mut given = Vec::new();
        if let Some(token) = token {
            given.push(("token_type", token.token_type().to_owned()));
            given.push(("expires_in", token.lifetime().to_string()));
            given.push(("scope", token.claims.scope.to_string()));
            given.push(("access_token", token.finish(state).map_err(Problem::internal)?));
        }
        if let Some(prepared) = id_token {
            let access_token = given.iter().find(|(name, _)| *name == "access_token").map(|(_, token)| token.as_str());
            let contents = Contents { access_token, code, nonce, prepared, now: grant.created_at };
            let id_token = id_token::sign(state, client, &grant, contents)?;
            given.push(("id_token", id_token));
        }
        Ok(given)
    }
}

impl std::fmt::Debug for FrontChannel {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("FrontChannel").field("grant", &self.grant.id).finish_non_exhaustive()
    }
}

/// All that was granted, for a short time.
async fn target(state: &AppState, client: &Client, grant: &Grant) -> Result<Target, StorageError> {
    let resources = state.resources.current().await?;
    let target = resources.target(client, &grant.reach.resources, &grant.scope, &state.config.server.issuer);
    let lifetime = access_token::lifetime(state, &target).min(LONGEST);
    let authorization_details = resources.details_for(&target.audience, grant.reach.authorization_details.clone());
    Ok(Target { lifetime: Some(lifetime.0), authorization_details, ..target })
}
