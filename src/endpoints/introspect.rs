//! Token introspection (RFC 7662).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap};

use super::{limit, refusal};
use crate::audit::Kind;
use crate::grants::access_token::{self, ActiveToken};
use crate::grants::refresh_token;
use crate::outbound::envelope::Envelope;
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::introspection;
use crate::protocol::jwt::TokenType;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::web::client::authenticate;
use crate::web::context::RequestContext;
use crate::web::error::Problem;
use crate::web::params::Form;

const PUBLIC_CLIENT: OAuthError = OAuthError::new(
    ErrorCode::InvalidClient,
    "introspection_by_public_client",
    "Only a client that can authenticate may introspect",
);
const TOKEN_MISSING: OAuthError = OAuthError::new(ErrorCode::InvalidRequest, "token_missing", "token is required");

/// `POST /introspect`: tells a confidential client what a token is worth at this moment. Whatever doesn't count, for
/// whatever reason, is `{"active":false}` (§2.2).
pub async fn introspect(
    State(state): State<AppState>,
    context: RequestContext,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    let client = match authenticate(&state, &context, &headers, &params).await {
        Ok(client) if client.is_public() => {
            return refusal::unauthenticated(&state, &context, &params, PUBLIC_CLIENT.into());
        }
        Ok(client) => client,
        Err(refused) => return refusal::unauthenticated(&state, &context, &params, refused),
    };
    if let Err(limited) = limit::introspection(&state, &context, &client).await {
        return refusal::of_client(&state, &context, &client, Kind::TokenRefused, limited).await;
    }
    match answer(&state, &context, &client, &params).await {
        Ok(answer) if client.metadata.demands().signed_introspection || wants_signed(&headers) => {
            match signed(&state, &context, &client, answer).await {
                Ok(signed) => signed,
                Err(problem) => refusal::of_client(&state, &context, &client, Kind::TokenRefused, problem).await,
            }
        }
        Ok(answer) => ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response(),
        Err(problem) => refusal::of_client(&state, &context, &client, Kind::TokenRefused, problem).await,
    }
}

fn wants_signed(headers: &HeaderMap) -> bool {
    headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok()).any(introspection::wants_signed)
}

/// RFC 9701 §5: whoever keeps the answer can show later what it was told. Encrypted besides for who is registered so.
async fn signed(
    state: &AppState,
    context: &RequestContext,
    client: &Client,
    answer: introspection::Response,
) -> Result<Response, Problem> {
    let (iss, aud) = (state.config.server.issuer.as_str(), &client.id);
    let claims = introspection::Signed { iss, aud, iat: context.now, token_introspection: answer };
    let algorithm = client.metadata.introspection_signed_response_alg;
    let envelope = Envelope::of(&state.client_keys, client, client.metadata.introspection_encryption(), context.now).await?;
    let signed = state.keys.sign(algorithm, TokenType::Introspection, &claims).map_err(Problem::internal)?;
    let signed = Envelope::around(envelope.as_ref(), signed).map_err(Problem::internal)?;
    let fields = [(header::CACHE_CONTROL, "no-store"), (header::CONTENT_TYPE, introspection::SIGNED)];
    Ok((fields, signed).into_response())
}

/// A client that nobody vouched for is no resource server: it learns of its own tokens alone (RFC 7662 §2.2, §4).
fn may_look(client: &Client, active: &ActiveToken) -> bool {
    let is_vouched_for = !client.metadata.self_registered && !client.is_published();
    is_vouched_for || active.client.id == client.id
}

/// `token_type_hint` is not needed: the two kinds are told apart by where they are found (§2.1).
async fn answer(
    state: &AppState,
    context: &RequestContext,
    client: &Client,
    params: &Params,
) -> Result<introspection::Response, Problem> {
    let token = params.get("token").ok_or(TOKEN_MISSING)?;
    if let Some(active) = access_token::active(state, token, context.now).await? {
        if !may_look(client, &active) {
            return Ok(introspection::Response::INACTIVE);
        }
        return Ok(introspection::Response::access_token(active.claims));
    }
    let facts = refresh_token::active(state, client, token, context.now).await?;
    Ok(facts.map_or(introspection::Response::INACTIVE, introspection::Response::refresh_token))
}
