//! Refreshing, and logging out.

use axum::Json;
use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use utoipa::ToSchema;

use super::admission::Unsuspected;
use super::{FirstParty, Named};
use crate::api::authorization::limit;
use crate::api::body::{ApiJson, SecretText};
use crate::api::cross_origin::Asker;
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::audit::{self, Kind};
use crate::grants::access_token::ActiveToken;
use crate::grants::resource::{self, Refused};
use crate::grants::{self, Failure, TokenRequest, TokenResponse};
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::storage;
use crate::storage::audit::{Actor, Event};
use crate::web::bearer;
use crate::web::context::RequestContext;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RefreshRequest {
    client_id: Option<String>,
    client_secret: Option<SecretText>,
    refresh_token: SecretText,
    /// The scope of the login or less, separated by spaces.
    scope: Option<String>,
}

/// Exchange a refresh token for new tokens, as the token endpoint does.
#[utoipa::path(post, path = "/auth/refresh", tag = "auth", security(()), request_body = RefreshRequest,
    responses((status = 200, body = TokenResponse), Errors))]
pub(super) async fn refresh(
    State(state): State<AppState>,
    context: RequestContext,
    _: Unsuspected,
    headers: HeaderMap,
    ApiJson(body): ApiJson<RefreshRequest>,
) -> Response {
    let named = Named { client_id: body.client_id.as_deref(), client_secret: body.client_secret.as_ref() };
    let client = match FirstParty::enter(&state, &context, &headers, named).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    let params = Params::of([
        ("grant_type", Some("refresh_token")),
        ("refresh_token", Some(body.refresh_token.expose())),
        ("scope", body.scope.as_deref()),
    ]);
    let request = TokenRequest {
        state: &state,
        context: &context,
        client: &client.client,
        params: &params,
        confirmation: client.confirmation,
    };
    let result = match grants::redeem(request).await {
        Ok(tokens) => Ok(Json(tokens).into_response()),
        Err(Failure { problem, recorded: true }) => Err(problem.into()),
        Err(Failure { problem, .. }) => Err(client.refuse(&state, &context, Kind::TokenRefused, problem).await),
    };
    client.answer(&context, result)
}

/// Log out: end the grant that the access token is of, with all its tokens and the session that stands for it.
#[utoipa::path(delete, path = "/auth/logout", tag = "auth", security(("oauth2" = [])), responses((status = 204), Errors))]
pub(super) async fn logout(
    State(state): State<AppState>,
    context: RequestContext,
    OriginalUri(uri): OriginalUri,
    headers: HeaderMap,
) -> Response {
    let token = match presented(&state, &context, &headers, uri.query()).await {
        Ok(token) => token,
        Err(error) => return error.into_response(),
    };
    let mut response = match end(&state, &context, &token).await {
        Ok(status) => status.into_response(),
        Err(error) => error.into_response(),
    };
    response.extensions_mut().insert(Asker(token.client.id.clone()));
    response
}

/// The access token that a request was sent with, which counts at this moment and is meant for this API: those for other resource
/// servers are known to these too.
pub(super) async fn presented(
    state: &AppState,
    context: &RequestContext,
    headers: &HeaderMap,
    query: Option<&str>,
) -> Result<ActiveToken, ApiError> {
    if let Err((error, _)) = limit::admit(state, context, headers).await {
        state.refusals.refused(audit::refused(Kind::ApiRefused, context, error.reason()));
        return Err(error);
    }
    let found = match bearer::presented(headers, query, None) {
        Ok(Some(presented)) => match resource::open(state, context, presented).await {
            Ok(token) if token.claims.aud.contains(&state.api_audience()) => Ok(token),
            Ok(_) => Err(ApiError::invalid_token("token_audience")),
            Err(Refused::Failed(problem)) => return Err(problem.into()),
            Err(refused) => Err(ApiError::refused(refused, presented.way)),
        },
        Ok(None) => Err(ApiError::unauthenticated()),
        Err(_) => Err(ApiError::malformed_authorization()),
    };
    if let Err(error) = &found {
        state.refusals.refused(audit::refused(Kind::ApiRefused, context, error.reason()));
        limit::failed(state, context, error).await;
    }
    found
}

async fn end(state: &AppState, context: &RequestContext, token: &ActiveToken) -> Result<StatusCode, ApiError> {
    let refused = |error: ApiError| {
        let event = audit::refused(Kind::ApiRefused, context, error.reason());
        let (client_id, user_id) = (Some(token.client.id.clone()), token.user_id.clone());
        state.refusals.refused(Event { client_id, user_id, ..event });
        Err(error)
    };
    if !token.client.metadata.first_party {
        return refused(ApiError::not_first_party());
    }
    let (Some(grant), Some(user)) = (&token.grant_id, &token.user_id) else { return refused(ApiError::not_a_person()) };
    let event = Event {
        actor: Actor::User(user.clone()),
        user_id: Some(user.clone()),
        client_id: Some(token.client.id.clone()),
        details: serde_json::Map::from_iter([("grant_id".to_owned(), grant.as_str().into())]),
        ..audit::event(Kind::UserLogout, context)
    };
    let ended = state.db.write(async |tx| {
        if storage::grants::revoke(tx, grant, context.now).await? {
            storage::audit::insert(tx, &event).await?;
        }
        Ok(())
    });
    ended.await?;
    Ok(StatusCode::NO_CONTENT)
}
