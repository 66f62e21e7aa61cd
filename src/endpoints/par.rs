//! The pushed authorization request endpoint (RFC 9126).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderMap};
use serde::Serialize;

use super::admission::admit;
use super::authorize::saw;
use super::refusal;
use crate::audit::{self, Kind};
use crate::flow::{request, request_object};
use crate::grants::possession;
use crate::keys::hash::TokenKind;
use crate::protocol::authorization_request;
use crate::protocol::client::Client;
use crate::protocol::dpop;
use crate::protocol::params::Params;
use crate::protocol::pushed_request;
use crate::random;
use crate::state::AppState;
use crate::storage::client_documents;
use crate::storage::pushed_requests::{self, PushedRequest};
use crate::web::context::RequestContext;
use crate::web::cors::CrossOrigin;
use crate::web::error::Problem;
use crate::web::params::Form;

/// RFC 9126 §2.2.
#[derive(Debug, Serialize)]
struct Pushed {
    request_uri: String,
    /// Seconds.
    expires_in: i64,
}

/// `POST /par`.
pub async fn push(
    State(state): State<AppState>,
    context: RequestContext,
    cross_origin: CrossOrigin,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    let client = match admit(&state, &context, (&headers, &params), &cross_origin, Kind::PushedRequestRefused).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    let response = match take(&state, &context, &client, &params).await {
        Ok(pushed) => {
            let fields = [(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")];
            (StatusCode::CREATED, fields, Json(pushed)).into_response()
        }
        Err(problem) => refusal::of_client(&state, &context, &client, Kind::PushedRequestRefused, problem).await,
    };
    cross_origin.allow(response, Some(&client))
}

/// Stores what the authorization endpoint would take (§2.1), and says what it is called.
async fn take(state: &AppState, context: &RequestContext, client: &Client, body: &Params) -> Result<Pushed, Problem> {
    let params = pushed_request::parameters(body, &client.id)?;
    // What is opened now need not be opened when the browser comes.
    let opened = request_object::open(state, context.now, &params, client).await?;
    let (params, signed) = opened.map_or((params, false), |opened| (opened.params, opened.signed));
    let params = bound(state, context, client, params).await?;
    let redirect_uri =
        authorization_request::redirect_uri(&params, client).inspect_err(|_| saw::destination(&params, Some(client)))?;
    request::read(state, &params, client, &redirect_uri)
        .await?
        .inspect_err(|error| saw::request(&params, client, error.reason))?;
    let reference = random::secret();
    let row = PushedRequest {
        hash: state.tokens.hash(TokenKind::PushedRequest, &reference),
        client_id: client.id.clone(),
        parameters: params.to_query(),
        signed,
        created_at: context.now,
        expires_at: context.now + pushed_request::LIFETIME,
        consumed_at: None,
    };
    let adopted = audit::adopted(context, client);
    if adopted.is_some() {
        // No person is here yet: to be stored counts as a registration.
        super::limit::adoption(state, context).await?;
    }
    let stored = state.db.write(async |tx| {
        if let Some(adopted) = &adopted {
            client_documents::adopt(tx, client, adopted).await?;
        }
        pushed_requests::insert(tx, &row).await
    });
    stored.await?;
    Ok(Pushed { request_uri: pushed_request::request_uri(&reference), expires_in: pushed_request::LIFETIME.0 })
}

/// The code is for the key of the DPoP proof that came with the request (RFC 9449 §10.1).
async fn bound(state: &AppState, context: &RequestContext, client: &Client, params: Params) -> Result<Params, Problem> {
    let Some(key) = possession::key(state, context, client).await? else { return Ok(params) };
    let key = key.to_string();
    match params.get("dpop_jkt") {
        Some(asked) if asked == key => Ok(params),
        Some(_) => Err(dpop::OTHER_KEY.into()),
        None => Ok(Params::of(params.iter().chain([("dpop_jkt", key.as_str())]).map(|(name, value)| (name, Some(value))))),
    }
}
