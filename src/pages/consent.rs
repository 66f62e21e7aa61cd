//! The consent page (OpenID Connect Core §3.1.2.4).
//!
//! What is asked for comes from the sealed flow and is decided anew when the answer comes: the form can only take away.

use axum::extract::State;
use axum::response::Response;

use super::flow::{Place, answer, flow_page, frame, lead, take_up, to_page};
use super::form::{self, Purpose};
use super::view::{self, ClaimRow, ClientView, ScopeRow, field};
use crate::audit::{self, Kind};
use crate::flow::device::Ended;
use crate::flow::visitor::Visitor;
use crate::flow::{self, Next};
use crate::protocol::authorize::{ACCESS_DENIED, ConsentedScope};
use crate::protocol::device::Waiting;
use crate::protocol::params::Params;
use crate::protocol::scope::Scope;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::Nonce;
use crate::web::params::{PageForm, PageQuery};

const PURPOSE: Purpose = Purpose::of_session("consent");

/// `GET /consent`. Never approves anything.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let (flow, client) = take_up(&state, &context, &visitor, &params).await?;
    let Some(login) = &visitor.login else { return Ok(to_page(&state, &visitor, &flow, Place::Login)?) };
    let asked = match flow::next(&state, &context, &flow, &client, Some(login), None).await? {
        Next::AskConsent(asked) => asked,
        other => return Ok(lead(&state, &context, &visitor, &flow, other).await?),
    };
    let resources = state.resources.current().await.map_err(Problem::from)?;
    let nonce = Nonce::random();
    let frame = frame(&state, &visitor, Some(&flow.request.ui_locales.join(" ")), &nonce);
    let text = frame.text;
    let view = view::Consent {
        client: ClientView::with_logo(&client, &state.logos),
        sign_in_name: login.user.sign_in_name.as_str().to_owned(),
        return_to: flow.request.redirect_uri.destination(),
        on_this_device: client.metadata.self_registered && flow.request.redirect_uri.can_be_intercepted(),
        device: match &flow.waiting {
            Some(Waiting::Device(code)) => Some(code.shown()),
            _ => None,
        },
        asked: matches!(flow.waiting, Some(Waiting::Client { .. })),
        binding_message: match &flow.waiting {
            Some(Waiting::Client { binding_message, .. }) => binding_message.clone(),
            _ => None,
        },
        scopes: ScopeRow::all(text, &asked.scope, &state.scope_sentences().await.map_err(Problem::from)?),
        details: view::DetailRow::all(&asked.reach, &resources),
        resources: view::ResourceRow::all(&asked.reach.resources, &resources),
        claims: asked.claims.iter().map(|name| ClaimRow::new(text, name)).collect(),
        action: state.path(Place::Consent.path()),
        csrf: form::token(&state, &visitor, PURPOSE),
        flow: params.get(field::FLOW).unwrap_or_default().to_owned(),
        frame,
    };
    Ok(flow_page(&view, &flow, &nonce)?)
}

/// `POST /consent`.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let (flow, client) = take_up(&state, &context, &visitor, &params).await?;
    let Some(login) = &visitor.login else { return Ok(to_page(&state, &visitor, &flow, Place::Login)?) };
    form::check(&state, &context, &visitor, PURPOSE, &params)?;
    let asked = ConsentedScope::asked(&flow.request);
    let given = left_ticked(&params, &asked)?;
    match params.get(field::DECISION) {
        // To allow nothing is to deny.
        Some(field::ALLOW) if !given.scope.is_empty() => {}
        // Whom a client asks is for the client to say.
        Some(field::ANOTHER) if !matches!(flow.waiting, Some(Waiting::Client { .. })) => {
            return Ok(to_page(&state, &visitor, &flow, Place::OtherLogin)?);
        }
        _ if let Some(waiting) = &flow.waiting => {
            flow::device::deny(&state, &context, (&flow, waiting), &login.session).await?;
            return Ok(lead(&state, &context, &visitor, &flow, Next::Decided(Ended::Denied)).await?);
        }
        _ => {
            let denied = Event {
                actor: Actor::User(login.user.id.clone()),
                user_id: Some(login.user.id.clone()),
                client_id: Some(client.id.clone()),
                ..audit::refused(Kind::ConsentDenied, &context, ACCESS_DENIED.reason)
            };
            state.db.write(async |tx| crate::storage::audit::insert(tx, &denied).await).await?;
            let issuer = &state.config.server.issuer;
            let response =
                crate::protocol::response_mode::AuthorizationResponse::error(flow.request.target(), &ACCESS_DENIED, issuer);
            return Ok(answer(&state, &visitor, response).await?);
        }
    }
    let next = flow::next(&state, &context, &flow, &client, Some(login), Some(given)).await?;
    Ok(lead(&state, &context, &visitor, &flow, next).await?)
}

/// What of all that was asked for is still ticked. A value that was not asked for gains nothing.
fn left_ticked(params: &Params, asked: &ConsentedScope) -> Result<ConsentedScope, Problem> {
    let ticked: Vec<&str> = params.values(field::SCOPE).collect();
    let ticked = Scope::parse(&ticked.join(" "))
        .map_err(|_| Problem::request(http::StatusCode::BAD_REQUEST, "scope_malformed", "The form is malformed"))?;
    let scope = asked.scope.filter(|value| value == "openid" || ticked.contains(value));
    Ok(ConsentedScope { scope, ..asked.clone() })
}
