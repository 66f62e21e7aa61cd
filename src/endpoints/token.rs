//! The token endpoint (RFC 6749 §3.2).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderMap};

use super::admission::admit;
use super::refusal;
use crate::audit::Kind;
use crate::grants::{self, Failure, TokenRequest, TokenResponse, possession};
use crate::protocol::client::GrantType;
use crate::protocol::error::ErrorCode;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::telemetry::metrics::{TOKEN_REQUESTS, TOKENS};
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
    let grant = grant_type(&params);
    let client = match admit(&state, &context, (&headers, &params), &cross_origin, Kind::TokenRefused).await {
        Ok(client) => client,
        Err(refused) => {
            TOKEN_REQUESTS.count(grant, of_admission(refused.status()));
            return refused;
        }
    };
    let redeemed = match possession::proved(&state, &context, &client).await {
        Ok(confirmation) => {
            let (state, context) = (&state, &context);
            grants::redeem(TokenRequest { state, context, client: &client, params: &params, confirmation }).await
        }
        Err(problem) => Err(problem.into()),
    };
    count(grant, &redeemed);
    let response = match redeemed {
        Ok(tokens) => ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(tokens)).into_response(),
        Err(Failure { problem, recorded: true }) => Error(problem).into_response(),
        Err(Failure { problem, .. }) => refusal::of_client(&state, &context, &client, Kind::TokenRefused, problem).await,
    };
    cross_origin.allow(response, Some(&client))
}

/// What is counted: the last word of the grant type, if it is one that there is.
fn grant_type(params: &Params) -> &'static str {
    let given = params.get("grant_type");
    let known = GrantType::ALL.into_iter().map(GrantType::as_str).find(|known| Some(*known) == given);
    known.and_then(|known| known.rsplit(':').next()).unwrap_or("unknown")
}

/// The error code of a refusal that came before the grant was looked at.
fn of_admission(status: StatusCode) -> &'static str {
    let code = match status {
        StatusCode::UNAUTHORIZED => ErrorCode::InvalidClient,
        StatusCode::BAD_REQUEST => ErrorCode::InvalidRequest,
        StatusCode::INTERNAL_SERVER_ERROR => ErrorCode::ServerError,
        _ => ErrorCode::TemporarilyUnavailable,
    };
    code.as_str()
}

fn count(grant: &'static str, redeemed: &Result<TokenResponse, Failure>) {
    TOKEN_REQUESTS.count(grant, redeemed.as_ref().map_or_else(|failure| failure.problem.code, |_| "issued"));
    if let Ok(tokens) = redeemed {
        let kinds = [("access", true), ("refresh", tokens.refresh_token.is_some()), ("id", tokens.id_token.is_some())];
        kinds.into_iter().filter(|(_, given)| *given).for_each(|(kind, _)| TOKENS.count(kind, ""));
    }
}
