//! The authorization endpoint (RFC 6749 §3.1; OpenID Connect Core §3.1.2).
//!
//! `GET /authorize` reads the request; `GET /authorize/resume` takes it up again after each page of the login. Until the
//! redirect URI is known to be the client's own, every error is a page.

mod saw;

use axum::extract::State;
use axum::response::Response;
use form_urlencoded::Serializer;
use http::StatusCode;

use crate::audit::{self, Kind};
use crate::flow::admission::{Admitted, Authorize};
use crate::flow::visitor::Visitor;
use crate::flow::{self, Flow};
use crate::pages::flow::{answer, lead, take_up};
use crate::protocol::authorization_request::{self, AuthorizationRequest};
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::params::Params;
use crate::protocol::response_mode::AuthorizationResponse;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

/// The longest request target that this server reads itself.
const MAX_LOCATION: usize = 8 * 1_024;

const ID_TOKEN_HINT_INVALID: OAuthError =
    OAuthError::new(ErrorCode::InvalidRequest, "id_token_hint_invalid", "id_token_hint is not an ID token of this server");

/// `GET /authorize`.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<Authorize>,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let (client, redirect_uri) = match destination(&state, &params).await {
        Ok(found) => found,
        Err(refusal) => {
            record(&state, &context, &params, refusal.reason);
            return Err(refusal.into());
        }
    };
    let request = AuthorizationRequest::parse(&params, &client, &redirect_uri, &state.policy)
        .and_then(|request| with_hint(&state, request));
    let request = match request {
        Ok(request) => request,
        Err(error) => {
            saw::request(&params, &client, error.reason);
            record(&state, &context, &params, error.reason);
            let target = authorization_request::response_target(&params, redirect_uri);
            let response = AuthorizationResponse::error(target, &error, &state.config.server.issuer);
            return Ok(answer(&state, &visitor, response)?);
        }
    };
    let flow = Flow { request, started_at: context.now, selected_session: None };
    Ok(go_on(&state, &context, &visitor, &flow, &client).await?)
}

/// `POST /authorize`, from another site's page as a rule: the session's cookie, which is SameSite=Lax, stays at home then. So
/// the browser is sent to fetch the same request from here (behaviours: A45).
pub async fn post(
    State(state): State<AppState>,
    _: Admitted<Authorize>,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let query = Serializer::new(String::new()).extend_pairs(params.iter()).finish();
    let location = format!("{}?{query}", state.path("/authorize"));
    if location.len() > MAX_LOCATION {
        let description = "The authorization request is too long";
        return Err(Problem::request(StatusCode::URI_TOO_LONG, "request_too_large", description).into());
    }
    Ok(see_other(&location)?)
}

/// `GET /authorize/resume`: a page of the login sent the browser back.
pub async fn resume(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<Authorize>,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let (flow, client) = take_up(&state, &context, &visitor, &params).await?;
    Ok(go_on(&state, &context, &visitor, &flow, &client).await?)
}

async fn go_on(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    flow: &Flow,
    client: &std::sync::Arc<Client>,
) -> Result<Response, Problem> {
    let next = flow::next(state, context, flow, client, visitor.login.as_ref(), None).await?;
    lead(state, visitor, flow, next)
}

/// Who asks, and where the answer goes.
async fn destination(
    state: &AppState,
    params: &Params,
) -> Result<(std::sync::Arc<Client>, crate::protocol::redirect_uri::RedirectUri), Problem> {
    let id = authorization_request::client_id(params)?;
    let client = state.clients.load(&id).await?.ok_or_else(|| {
        saw::destination(params, None);
        authorization_request::UNKNOWN_CLIENT
    })?;
    let redirect_uri =
        authorization_request::redirect_uri(params, &client).inspect_err(|_| saw::destination(params, Some(&client)))?;
    Ok((client, redirect_uri))
}

/// The person that `id_token_hint` names. The hint may have expired; it must be ours.
fn with_hint(state: &AppState, mut request: AuthorizationRequest) -> Result<AuthorizationRequest, OAuthError> {
    if let Some(hint) = request.id_token_hint.take() {
        let claims = state.keys.id_token_hint(hint.as_str(), &state.config.server.issuer).map_err(|_| ID_TOKEN_HINT_INVALID)?;
        request.id_token_hint_sub = Some(crate::protocol::id::UserId::parse(claims.sub).map_err(|_| ID_TOKEN_HINT_INVALID)?);
    }
    Ok(request)
}

/// Names the client only if it is a registered one: what an anonymous sender makes up would defeat the folding of refusals.
fn record(state: &AppState, context: &RequestContext, params: &Params, reason: &'static str) {
    let client_id = params
        .get("client_id")
        .and_then(|id| crate::protocol::id::ClientId::parse(id).ok())
        .filter(|id| state.clients.is_cached(id));
    state.refusals.refused(Event { client_id, ..audit::refused(Kind::AuthorizationRefused, context, reason) });
}
