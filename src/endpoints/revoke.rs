//! Token revocation (RFC 7009).

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderMap};

use super::admission::admit;
use super::refusal;
use crate::audit::{self, Kind};
use crate::grants::{access_token, refresh_token};
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::{self, access_tokens};
use crate::web::context::RequestContext;
use crate::web::cors::CrossOrigin;
use crate::web::error::Problem;
use crate::web::params::Form;

const TOKEN_MISSING: OAuthError = OAuthError::new(ErrorCode::InvalidRequest, "token_missing", "token is required");
const FOREIGN: OAuthError =
    OAuthError::new(ErrorCode::InvalidRequest, "token_of_another_client", "The token was not issued to this client");

/// `POST /revoke`: takes an access token back, or with a refresh token its whole family (§2.1). A token that is unknown or
/// already dead is no error (§2.2).
pub async fn revoke(
    State(state): State<AppState>,
    context: RequestContext,
    cross_origin: CrossOrigin,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    let client = match admit(&state, &context, (&headers, &params), &cross_origin, Kind::TokenRevoked).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    let response = match take_back(&state, &context, &client, &params).await {
        Ok(()) => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response(),
        Err(problem) => refusal::of_client(&state, &context, &client, Kind::TokenRevoked, problem).await,
    };
    cross_origin.allow(response, Some(&client))
}

async fn take_back(state: &AppState, context: &RequestContext, client: &Client, params: &Params) -> Result<(), Problem> {
    let token = params.get("token").ok_or(TOKEN_MISSING)?;
    if let Some(active) = access_token::active(state, token, context.now).await? {
        if active.client.id != client.id {
            return foreign(client);
        }
        let claims = &active.claims;
        let event = Event {
            user_id: active.user_id.clone(),
            details: serde_json::Map::from_iter([("jti".to_owned(), claims.jti.as_str().into())]),
            ..described(context, client)
        };
        return Ok(state
            .db
            .write(async |tx| {
                access_tokens::revoke(tx, claims.jti.as_str(), claims.exp, context.now).await?;
                storage::audit::insert(tx, &event).await
            })
            .await?);
    }
    let Some((_, grant)) = refresh_token::find(state, token).await? else {
        // It may have been revoked this very moment, by somebody who is not answered yet.
        return Ok(state.db.settled().await?);
    };
    if grant.client_id != client.id {
        return foreign(client);
    }
    let event = Event {
        user_id: Some(grant.user_id.clone()),
        details: serde_json::Map::from_iter([("grant_id".to_owned(), grant.id.as_str().into())]),
        ..described(context, client)
    };
    state
        .db
        .write(async |tx| {
            if storage::grants::revoke(tx, &grant.id, context.now).await? {
                storage::audit::insert(tx, &event).await?;
            }
            Ok(())
        })
        .await?;
    Ok(())
}

/// Nothing is revoked. A public client learns not even that the token exists.
fn foreign(client: &Client) -> Result<(), Problem> {
    if client.is_public() { Ok(()) } else { Err(FOREIGN.into()) }
}

fn described(context: &RequestContext, client: &Client) -> Event {
    Event {
        actor: Actor::Client(client.id.clone()),
        client_id: Some(client.id.clone()),
        ..audit::event(Kind::TokenRevoked, context)
    }
}
