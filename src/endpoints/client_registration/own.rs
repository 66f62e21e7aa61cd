//! Where a client that registered itself reads, changes and deletes its registration (RFC 7592 §2).

use axum::Json;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use http::header::HeaderMap;
use http::{Request, StatusCode};
use serde_json::Value;

use super::{Refused, finish, judged, management, presented, repeat_statement, unauthorized, without_token};
use crate::audit::{self, Kind};
use crate::endpoints::limit;
use crate::keys::hash::TokenKind;
use crate::protocol::client::{Client, ClientAuthMethod};
use crate::protocol::dynamic_registration::{check_update, shown};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::id::ClientId;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::db::Tx;
use crate::storage::error::Error;
use crate::storage::{self, client_registrations, clients};
use crate::web::body::small_json;
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// How often something is decided anew that another change came in between of.
const TRIES: usize = 3;

const METHOD_NEEDS_SECRET: OAuthError = OAuthError::new(
    ErrorCode::InvalidClientMetadata,
    "client_without_secret",
    "The client has no secret for this method, so it can not come to authenticate with one",
);
/// What was given to a client that everybody can be must not become a trusted one's, nor the other way round.
const METHOD_FOR_GOOD: OAuthError = OAuthError::new(
    ErrorCode::InvalidClientMetadata,
    "client_method_for_good",
    "A public client stays public, and a confidential one confidential",
);

/// `GET /client-registration/{client_id}`.
pub async fn read(
    State(state): State<AppState>,
    context: RequestContext,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    let answer = async {
        let own = Own::of(&state, &context, &headers, &id).await?;
        let mut members = shown(&own.client);
        management(&state, &mut members, &own.client.id, &own.token);
        Ok((StatusCode::OK, Json(members)).into_response())
    };
    finish(&state, &context, Kind::ClientRegistrationRead, Some(&id), answer.await)
}

/// `PUT /client-registration/{client_id}`.
pub async fn replace(
    State(state): State<AppState>,
    context: RequestContext,
    headers: HeaderMap,
    Path(id): Path<String>,
    request: Request<Body>,
) -> Response {
    let answer = async {
        let mut own = Own::of(&state, &context, &headers, &id).await?;
        let body = small_json(request).await.map_err(Problem::from)?;
        for _ in 0..TRIES {
            if let Some(after) = own.changed(&state, &context, &body).await? {
                let mut members = shown(&after);
                repeat_statement(&mut members, &body);
                management(&state, &mut members, &after.id, &own.token);
                return Ok((StatusCode::OK, Json(members)).into_response());
            }
            own = own.again(&state).await?;
        }
        Err(Problem::overloaded().into())
    };
    finish(&state, &context, Kind::ClientUpdated, Some(&id), answer.await)
}

/// `DELETE /client-registration/{client_id}`: with everything that it was given.
pub async fn delete(
    State(state): State<AppState>,
    context: RequestContext,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Response {
    let answer = async {
        let mut own = Own::of(&state, &context, &headers, &id).await?;
        for _ in 0..TRIES {
            let event = own.event(Kind::ClientDeleted, &context);
            let deleted = state.db.write(async |tx| {
                let written = own.written(tx, &own.client).await?;
                if written == Written::Done {
                    clients::delete(tx, &own.client.id).await?;
                    storage::audit::insert(tx, &event).await?;
                }
                Ok(written)
            });
            match deleted.await? {
                Written::Done => return Ok(StatusCode::NO_CONTENT.into_response()),
                Written::NotTheirs => return Err(unauthorized()),
                Written::Overtaken => own = own.again(&state).await?,
            }
        }
        Err(Problem::overloaded().into())
    };
    finish(&state, &context, Kind::ClientDeleted, Some(&id), answer.await)
}

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Written {
    Done,
    /// The token counts no longer.
    NotTheirs,
    /// The client is not as it was when the change was decided: an administrator may have disabled it, or vouched for it.
    Overtaken,
}

/// A client that showed its registration access token.
struct Own {
    client: Client,
    token: String,
    hash: [u8; 32],
}

impl Own {
    async fn of(state: &AppState, context: &RequestContext, headers: &HeaderMap, id: &str) -> Result<Self, Refused> {
        limit::registrations(state, context).await?;
        let token = presented(headers, None)?;
        let token = token.ok_or_else(|| without_token(None))?;
        let hash = state.tokens.hash(TokenKind::RegistrationAccessToken, token);
        let client = owner(state, &hash).await?.filter(|owner| owner.id.as_str() == id).ok_or_else(unauthorized)?;
        limit::registration(state, context, &client).await?;
        Ok(Self { client, token: token.to_owned(), hash })
    }

    /// As it is stored by now.
    async fn again(self, state: &AppState) -> Result<Self, Refused> {
        let client = owner(state, &self.hash).await?.ok_or_else(unauthorized)?;
        Ok(Self { client, ..self })
    }

    /// The client with what the body says, stored; `None`: it was changed meanwhile.
    async fn changed(&self, state: &AppState, context: &RequestContext, body: &Value) -> Result<Option<Client>, Refused> {
        let before = &self.client;
        let (metadata, vouched) = judged(state, context, body, Some(&before.metadata)).await?;
        let is_secret = |secret: &str| {
            let hash = state.tokens.hash(TokenKind::ClientSecret, secret);
            let is_it = |stored: &[u8; 32]| bool::from(subtle::ConstantTimeEq::ct_eq(&stored[..], &hash[..]));
            before.secrets.iter().any(|stored| stored.is_valid(context.now) && is_it(&stored.hash))
        };
        check_update(body, before, is_secret)?;
        let after = Client { metadata, updated_at: context.now, ..before.clone() };
        if after.is_public() != before.is_public() {
            return Err(METHOD_FOR_GOOD.into());
        }
        // Signatures are checked with the secret itself, which is kept for no other method.
        let needs_clear = after.metadata.token_endpoint_auth_method == ClientAuthMethod::ClientSecretJwt;
        let serves =
            before.secrets.iter().any(|stored| stored.is_valid(context.now) && (stored.sealed.is_some() || !needs_clear));
        if after.has_secret() && !serves {
            return Err(METHOD_NEEDS_SECRET.into());
        }
        let mut event = self.event(Kind::ClientUpdated, context);
        event.details.insert("changed".to_owned(), after.metadata.differing(&before.metadata).into());
        event.details.extend(vouched);
        let written = state.db.write(async |tx| {
            let written = self.written(tx, &after).await?;
            if written == Written::Done {
                storage::audit::insert(tx, &event).await?;
            }
            Ok(written)
        });
        match written.await? {
            Written::Done => Ok(Some(after)),
            Written::NotTheirs => Err(unauthorized()),
            Written::Overtaken => Ok(None),
        }
    }

    /// Writes the client, if it still is as it was and the token is its.
    async fn written(&self, tx: &mut Tx, after: &Client) -> Result<Written, Error> {
        if !client_registrations::holds(tx, &after.id, &self.hash).await? {
            return Ok(Written::NotTheirs);
        }
        let is_as_it_was = clients::update(tx, after, self.client.version).await?;
        Ok(if is_as_it_was { Written::Done } else { Written::Overtaken })
    }

    fn event(&self, kind: Kind, context: &RequestContext) -> Event {
        let id = &self.client.id;
        Event { actor: Actor::Client(id.clone()), client_id: Some(id.clone()), ..audit::event(kind, context) }
    }
}

/// Whose token it is. A disabled client manages nothing: what an administrator took away it doesn't give itself back. Neither does
/// one for which an administrator vouched since (N8).
async fn owner(state: &AppState, hash: &[u8; 32]) -> Result<Option<Client>, Error> {
    let mut conn = state.db.read().await?;
    let owner: Option<ClientId> = client_registrations::client_of(&mut conn, hash).await?;
    let client = match owner {
        Some(owner) => clients::load(&mut conn, &owner).await?,
        None => None,
    };
    Ok(client.filter(|client| client.is_active() && client.metadata.self_registered))
}
