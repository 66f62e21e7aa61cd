//! The authorization endpoint (RFC 6749 §3.1; OpenID Connect Core §3.1.2).
//!
//! `GET /authorize` reads the request; `GET /authorize/resume` takes it up again after each page of the login. Until the
//! redirect URI is known to be the client's own, every error is a page.

pub(super) mod saw;

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use form_urlencoded::Serializer;
use http::StatusCode;

use crate::audit::{self, Kind};
use crate::flow::admission::{Admitted, Authorize};
use crate::flow::request::{self, Asked};
use crate::flow::request_object;
use crate::flow::visitor::Visitor;
use crate::flow::{self, Flow};
use crate::pages::flow::{answer, lead, take_up};
use crate::protocol::authorization_request::{self, AuthorizationRequest};
use crate::protocol::client::Client;
use crate::protocol::error::OAuthError;
use crate::protocol::id::ClientId;
use crate::protocol::params::Params;
use crate::protocol::response_mode::{AuthorizationResponse, ResponseTarget};
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::telemetry::{findings, spans};
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

/// The longest request target that this server reads itself.
const MAX_LOCATION: usize = 8 * 1_024;

/// `GET /authorize`.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<Authorize>,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let client_id = params.get("client_id").map(str::to_owned);
    let (client, request, pushed) = match judge(&state, &context, params).await {
        Ok(judged) => judged,
        Err(Refusal::Person(problem)) => {
            record(&state, &context, client_id.as_deref(), problem.reason);
            return Err(problem.into());
        }
        Err(Refusal::Client(error, target)) => {
            record(&state, &context, client_id.as_deref(), error.reason);
            let response = AuthorizationResponse::error(target, &error, &state.config.server.issuer);
            return Ok(answer(&state, &visitor, response).await?);
        }
    };
    let flow = Flow { request, started_at: context.now, selected_session: None, pushed, waiting: None, trace: spans::root() };
    Ok(go_on(&state, &context, &visitor, &flow, &client).await?)
}

/// `POST /authorize`, from another site's page as a rule: the session's cookie, which is SameSite=Lax, stays at home then. So
/// the browser is sent to fetch the same request from here (behaviours: A45).
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    _: Admitted<Authorize>,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let query = Serializer::new(String::new()).extend_pairs(params.iter()).finish();
    let location = format!("{}?{query}", state.path("/authorize"));
    if location.len() > MAX_LOCATION {
        let description = "The authorization request is too long";
        let problem = Problem::request(StatusCode::URI_TOO_LONG, "request_too_large", description);
        record(&state, &context, params.get("client_id"), problem.reason);
        return Err(problem.into());
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
    client: &Arc<Client>,
) -> Result<Response, Problem> {
    let next = flow::next(state, context, flow, client, visitor.login.as_ref(), None).await?;
    lead(state, context, visitor, flow, next).await
}

/// Who is told that a request is refused.
enum Refusal {
    /// By a page.
    Person(Problem),
    /// At its redirection URI.
    Client(OAuthError, ResponseTarget),
}

impl<P: Into<Problem>> From<P> for Refusal {
    fn from(problem: P) -> Self {
        Self::Person(problem.into())
    }
}

/// Who asks for what, and the reference by which it was pushed.
async fn judge(
    state: &AppState,
    context: &RequestContext,
    params: Params,
) -> Result<(Arc<Client>, AuthorizationRequest, Option<String>), Refusal> {
    let id = authorization_request::client_id(&params)?;
    let client = state.client(&id, context).await?.inspect_err(|_| saw::destination(&params, None))?;
    authorization_request::enabled(&client).inspect_err(|_| saw::destination(&params, Some(&client)))?;
    let asked = request::asked(state, context.now, params, &client).await.inspect_err(|_| findings::client(&client.id))?;
    let Asked { mut params, pushed } = asked;
    if pushed.is_none() {
        match request_object::open(state, context.now, &params, &client).await {
            Ok(None) => {}
            Ok(Some(opened)) => params = opened.params,
            Err(error) => {
                findings::client(&client.id);
                let redirect_uri = authorization_request::redirect_uri(&params, &client).map_err(|_| error)?;
                let target = authorization_request::response_target(&params, &client, redirect_uri);
                return Err(Refusal::Client(error, target));
            }
        }
    }
    let redirect_uri =
        authorization_request::redirect_uri(&params, &client).inspect_err(|_| saw::destination(&params, Some(&client)))?;
    match request::read(state, &params, &client, &redirect_uri).await? {
        Ok(request) => Ok((client, request, pushed)),
        Err(error) => {
            saw::request(&params, &client, error.reason);
            let target = authorization_request::response_target(&params, &client, redirect_uri);
            Err(Refusal::Client(error, target))
        }
    }
}

/// Names the client only if it is a registered one: what an anonymous sender makes up would defeat the folding of refusals.
fn record(state: &AppState, context: &RequestContext, client_id: Option<&str>, reason: &'static str) {
    let client_id = client_id.and_then(|id| ClientId::parse(id).ok()).filter(|id| state.clients.is_cached(id));
    state.refusals.refused(Event { client_id, ..audit::refused(Kind::AuthorizationRefused, context, reason) });
}
