//! The token endpoint (RFC 6749 §3.2).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap};

use super::admission::admit;
use super::refusal;
use crate::audit::Kind;
use crate::grants::{self, Failure, TokenRequest, possession};
use crate::state::AppState;
use crate::web::context::RequestContext;
use crate::web::cors::CrossOrigin;
use crate::web::error::Error;
use crate::web::params::Form;

/// `POST /token`.
pub async fn token(
    State(state): State<AppState>,
    context: RequestContext,
    cross_origin: CrossOrigin,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    let client = match admit(&state, &context, (&headers, &params), &cross_origin, Kind::TokenRefused).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    let redeemed = match possession::proved(&state, &context, &client).await {
        Ok(confirmation) => {
            let (state, context) = (&state, &context);
            grants::redeem(TokenRequest { state, context, client: &client, params: &params, confirmation }).await
        }
        Err(problem) => Err(problem.into()),
    };
    let response = match redeemed {
        Ok(tokens) => ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(tokens)).into_response(),
        Err(Failure { problem, recorded: true }) => Error(problem).into_response(),
        Err(Failure { problem, .. }) => refusal::of_client(&state, &context, &client, Kind::TokenRefused, problem).await,
    };
    cross_origin.allow(response, Some(&client))
}
