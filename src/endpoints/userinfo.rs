//! The userinfo endpoint (OpenID Connect Core §5.3).

use std::sync::Arc;

use axum::Json;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap};
use serde::Serialize;

use super::limit;
use crate::audit::{self, Kind};
use crate::grants::access_token::ActiveToken;
use crate::grants::resource::{self, Refused};
use crate::outbound::envelope::Envelope;
use crate::protocol::claims;
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::id::ClientId;
use crate::protocol::jwe::Content;
use crate::protocol::jwt::TokenType;
use crate::protocol::params::Params;
use crate::protocol::resource_metadata::Own;
use crate::protocol::scope::Scope;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::{grants, profiles};
use crate::web::bearer::{self, Way};
use crate::web::context::RequestContext;
use crate::web::cors::CrossOrigin;
use crate::web::error::{Error, Problem};
use crate::web::params::OptionalForm;

const WRONG_AUDIENCE: OAuthError =
    OAuthError::new(ErrorCode::InvalidToken, "token_of_another_resource", "The access token is meant for another resource");
const NO_OPENID: OAuthError =
    OAuthError::new(ErrorCode::InsufficientScope, "openid_scope_missing", "The access token lacks the openid scope");

/// The claims as a JWT.
#[derive(Serialize)]
struct Signed<'a, C: Serialize> {
    iss: &'a str,
    aud: &'a ClientId,
    #[serde(flatten)]
    claims: C,
}

/// `GET /userinfo` and `POST /userinfo`, the token in the Authorization field, or in a form body if it is bound to no key.
pub async fn userinfo(
    State(state): State<AppState>,
    context: RequestContext,
    cross_origin: CrossOrigin,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
    OptionalForm(params): OptionalForm,
) -> Response {
    let (token, way) = match present(&state, &context, &headers, query.as_deref(), params.as_ref()).await {
        Ok(token) => token,
        Err((error, client)) => {
            if !error.0.status.is_server_error() {
                let client_id = client.as_ref().map(|client| client.id.clone());
                state.refusals.refused(Event { client_id, ..audit::refused(Kind::TokenRefused, &context, error.0.reason) });
            }
            return cross_origin.allow(refusal(error, &state), client.as_deref());
        }
    };
    let response = match answer(&state, &token, way).await {
        Ok(answer) => answer,
        Err(error) => {
            let event = Event {
                client_id: Some(token.client.id.clone()),
                user_id: token.user_id.clone(),
                ..audit::refused(Kind::TokenRefused, &context, error.0.reason)
            };
            state.refusals.refused(event);
            refusal(error, &state)
        }
    };
    cross_origin.allow(response, Some(&token.client))
}

fn refusal(error: Error, state: &AppState) -> Response {
    let mut response = error.into_response();
    bearer::point_to_metadata(response.headers_mut(), &Own::UserInfo.url(&state.config.server.issuer));
    response
}

async fn present(
    state: &AppState,
    context: &RequestContext,
    headers: &HeaderMap,
    query: Option<&str>,
    params: Option<&Params>,
) -> Result<(ActiveToken, Way), (Error, Option<Arc<Client>>)> {
    let refused = |error, way| (Error::access_token(error, way, None), None);
    let presented = bearer::presented(headers, query, params).map_err(|error| refused(Some(error), Way::Bearer))?;
    let presented = presented.ok_or_else(|| refused(None, Way::Bearer))?;
    limit::userinfo(state, context, presented.token).await.map_err(|limited| (limited.into(), None))?;
    let way = presented.way;
    match resource::open(state, context, presented).await {
        Ok(token) => Ok((token, way)),
        Err(Refused::Token(error, client)) => Err((Error::access_token(Some(error), way, None), client)),
        Err(Refused::Failed(problem)) => Err((problem.into(), None)),
    }
}

async fn answer(state: &AppState, token: &ActiveToken, way: Way) -> Result<Response, Error> {
    if !token.claims.aud.contains(&state.config.server.issuer) {
        return Err(Error::access_token(Some(WRONG_AUDIENCE), way, None));
    }
    let (true, Some(user_id), Some(grant_id)) = (token.claims.scope.contains("openid"), &token.user_id, &token.grant_id) else {
        return Err(Error::access_token(Some(NO_OPENID), way, Scope::parse("openid").ok().as_ref()));
    };
    let mut conn = state.db.read().await?;
    let profile = profiles::load(&mut conn, user_id).await?;
    let grant = grants::load(&mut conn, grant_id).await?;
    let request = grant.and_then(|grant| grant.claims).unwrap_or_default();
    let (profile, updated_at) = profile.unzip();
    let claims = claims::userinfo(&token.claims.scope, &request, &token.claims.sub, profile.as_ref(), updated_at);
    // §5.3.2: signed, encrypted, or first the one and then the other.
    let metadata = &token.client.metadata;
    let envelope = Envelope::of(&state.client_keys, &token.client, metadata.userinfo_encryption(), state.clock.now()).await;
    let envelope = envelope.map_err(|error| Error::access_token(Some(error), way, None))?;
    let answer = match (metadata.userinfo_signed_response_alg, envelope) {
        (None, None) => return Ok(([(header::CACHE_CONTROL, "no-store")], Json(claims)).into_response()),
        (None, Some(envelope)) => {
            let text = serde_json::to_string(&claims).map_err(Problem::internal)?;
            envelope.seal(Content::Claims, &text).map_err(Problem::internal)?
        }
        (Some(algorithm), envelope) => {
            let signed = Signed { iss: &state.config.server.issuer, aud: &token.client.id, claims };
            let signed = state.keys.sign(algorithm, TokenType::UserInfo, &signed).map_err(Problem::internal)?;
            Envelope::around(envelope.as_ref(), signed).map_err(Problem::internal)?
        }
    };
    Ok(([(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, "application/jwt")], answer).into_response())
}
