//! The device authorization endpoint (RFC 8628 §3.1, §3.2).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap};
use serde::Serialize;

use super::admission::admit;
use super::authorize::saw;
use super::refusal;
use crate::audit::Kind;
use crate::keys::hash::TokenKind;
use crate::protocol::authorization_request::requested_elsewhere;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::device::{INTERVAL, LIFETIME, UserCode};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::random;
use crate::state::AppState;
use crate::storage::device_codes::{self, DeviceCode};
use crate::telemetry::findings::note;
use crate::web::context::RequestContext;
use crate::web::cors::CrossOrigin;
use crate::web::error::Problem;
use crate::web::params::Form;

const GRANT_NOT_ALLOWED: OAuthError = OAuthError::new(
    ErrorCode::UnauthorizedClient,
    "device_grant_not_registered",
    "The client is not registered for the device code grant",
);

/// How often a user code is drawn that somebody has already: it takes luck to need a second one.
const DRAWS: usize = 8;

/// RFC 8628 §3.2.
#[derive(Serialize)]
struct Begun {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: String,
    /// Seconds.
    expires_in: i64,
    interval: i64,
}

/// `POST /device_authorization`.
pub async fn begin(
    State(state): State<AppState>,
    context: RequestContext,
    cross_origin: CrossOrigin,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    let client = match admit(&state, &context, (&headers, &params), &cross_origin, Kind::DeviceRefused).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    let response = match take(&state, &context, &client, &params).await {
        Ok(begun) => ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(begun)).into_response(),
        Err(problem) => refusal::of_client(&state, &context, &client, Kind::DeviceRefused, problem).await,
    };
    cross_origin.allow(response, Some(&client))
}

async fn take(state: &AppState, context: &RequestContext, client: &Client, params: &Params) -> Result<Begun, Problem> {
    if !client.may_use(GrantType::DeviceCode) {
        let registered: Vec<&str> = client.metadata.grant_types.iter().map(|grant| grant.as_str()).collect();
        note("device_grant", "registered", registered.join(" "));
        return Err(GRANT_NOT_ALLOWED.into());
    }
    let policy = state.policy().await?;
    let (scope, reach) =
        requested_elsewhere(params, client, &policy).inspect_err(|error| saw::request(params, client, error.reason))?;
    let device_code = random::secret();
    let hash = state.tokens.hash(TokenKind::DeviceCode, &device_code);
    for _ in 0..DRAWS {
        let user_code = UserCode::new(random::letters);
        let row = DeviceCode {
            hash,
            user_code: state.tokens.hash(TokenKind::UserCode, user_code.as_str()),
            client_id: client.id.clone(),
            scope: scope.clone(),
            reach: reach.clone(),
            created_at: context.now,
            expires_at: context.now + LIFETIME,
            poll_interval: INTERVAL,
            next_poll_at: context.now,
            allowed: None,
            denied_at: None,
            consumed_at: None,
            grant_id: None,
            asked: None,
        };
        if state.db.write(async |tx| device_codes::insert(tx, &row).await).await? {
            let verification_uri = format!("{}/device", state.config.server.issuer);
            return Ok(Begun {
                device_code,
                user_code: user_code.shown(),
                verification_uri_complete: format!("{verification_uri}?user_code={}", user_code.shown()),
                verification_uri,
                expires_in: LIFETIME.0,
                interval: INTERVAL,
            });
        }
    }
    Err(Problem::internal("no user code is free"))
}
