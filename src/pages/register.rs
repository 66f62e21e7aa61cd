//! Registering: name, address and password, then the code from the mailbox.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, header};
use secrecy::{ExposeSecret, SecretString};

use super::flow::{Place, flow_page, frame, to_page};
use super::form::{self, Purpose};
use super::view::{self, Challenge, ClientView, CodeKind, field};
use super::{challenge, login, site};
use crate::account::registration::{self, Outcome, Wish};
use crate::account::{Complaint, Holder};
use crate::authn::password::Strength;
use crate::flow::Flow;
use crate::flow::visitor::Visitor;
use crate::guard::limit::Action;
use crate::protocol::client::Client;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::storage::invitations::Invitation;
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

const PURPOSE: Purpose = Purpose::of_browser("register");
const CODE_PURPOSE: Purpose = Purpose::of_browser("register_code");

const CLOSED: Problem =
    Problem::new(StatusCode::FORBIDDEN, "access_denied", "registration_closed", "Nobody can register here in this way");

/// A flow with its client.
pub(super) type InFlow = Option<(Flow, Arc<Client>)>;

/// `GET /register`. The link of an invitation leads here, and changes nothing by being opened.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    mut visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let flow = login::flow_of(&state, &context, &visitor, &params).await?;
    if let Some(elsewhere) = already_in(&state, &visitor, flow.as_ref())? {
        return Ok(elsewhere);
    }
    let (_, invitation) = registration::door(&state, &context, params.get(field::INVITATION)).await?.ok_or(CLOSED)?;
    let cookie = form::ensure_own_cookie(&state, &mut visitor);
    let challenge = expects_proof(&state, &context).then(|| challenge::of_form(&state, &context, Action::Register));
    let shown = Shown {
        params: &params,
        flow: &flow,
        invitation: invitation.as_ref(),
        complaints: Vec::new(),
        strength: None,
        challenge,
    };
    let mut response = show(&state, &visitor, shown)?;
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

/// `POST /register`.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    form::check(&state, &context, &visitor, PURPOSE, &params)?;
    let flow = login::flow_of(&state, &context, &visitor, &params).await?;
    if let Some(elsewhere) = already_in(&state, &visitor, flow.as_ref())? {
        return Ok(elsewhere);
    }
    let typed = |name| params.get(name).unwrap_or_default();
    let (_, invitation) = registration::door(&state, &context, params.get(field::INVITATION)).await?.ok_or(CLOSED)?;
    let refuse = |complaints: Vec<Complaint>, strength| {
        let asked = complaints.contains(&Complaint::Challenge);
        let challenge =
            (asked || expects_proof(&state, &context)).then(|| challenge::of_form(&state, &context, Action::Register));
        show(
            &state,
            &visitor,
            Shown { challenge, params: &params, flow: &flow, invitation: invitation.as_ref(), complaints, strength },
        )
    };
    if typed(field::PASSWORD) != typed(field::PASSWORD_AGAIN) {
        return Ok(refuse(vec![Complaint::Repetition], None)?);
    }
    let password = SecretString::from(typed(field::PASSWORD));
    let language = frame(&state, &visitor, ui_locales(&flow).as_deref(), &Nonce::random()).text.language();
    let invited = invitation.as_ref().and_then(|invitation| invitation.address.as_deref());
    let wish = Wish {
        sign_in_name: typed(field::USERNAME),
        address: invited.unwrap_or(typed(field::EMAIL)),
        password: &password,
        locale: Some(&language),
        invitation: params.get(field::INVITATION),
        proof: challenge::answered(&params),
        former: visitor.session(),
    };
    match registration::begin(&state, &context, holder(&state, &visitor), wish).await? {
        Outcome::Code(id) => Ok(to_code(&state, "/register/code", &id, &params)?),
        Outcome::Done(begun) => Ok(login::enter(&state, &visitor, flow.as_ref().map(|(flow, _)| flow), &begun)?),
        Outcome::Refused { complaints, strength } => Ok(refuse(complaints, strength)?),
        Outcome::Closed => Err(CLOSED.into()),
    }
}

/// `GET /register/code`.
pub async fn get_code(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let flow = login::flow_of(&state, &context, &visitor, &params).await?;
    if let Some(elsewhere) = already_in(&state, &visitor, flow.as_ref())? {
        return Ok(elsewhere);
    }
    Ok(show_code(&state, &context, &visitor, &params, (&flow, Vec::new())).await?)
}

/// `POST /register/code`: the code, or the wish for another one.
pub async fn post_code(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    form::check(&state, &context, &visitor, CODE_PURPOSE, &params)?;
    let flow = login::flow_of(&state, &context, &visitor, &params).await?;
    let (holder, id) = (holder(&state, &visitor), params.get(field::ID).unwrap_or_default());
    if params.get(field::DECISION) == Some(field::AGAIN) {
        return match registration::again(&state, &context, holder, id).await? {
            Ok(id) => Ok(to_code(&state, "/register/code", &id, &params)?),
            Err(complaint) => Ok(show_code(&state, &context, &visitor, &params, (&flow, vec![complaint])).await?),
        };
    }
    let former = visitor.session();
    let typed = (id, params.get(field::CODE).unwrap_or_default());
    match registration::finish(&state, &context, holder, typed, former).await? {
        Ok(begun) => Ok(login::enter(&state, &visitor, flow.as_ref().map(|(flow, _)| flow), &begun)?),
        Err(complaint) => Ok(show_code(&state, &context, &visitor, &params, (&flow, vec![complaint])).await?),
    }
}

/// Codes belong to the browser that asked for them.
pub(super) fn holder(state: &AppState, visitor: &Visitor) -> Holder {
    Holder::new(state, visitor.browser.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default())
}

/// The page on which the code is typed, for the same flow.
pub(super) fn to_code(state: &AppState, path: &str, id: &str, params: &Params) -> Result<Response, Problem> {
    see_other(&form::with_flow(format!("{}?{}={id}", state.path(path), field::ID), params))
}

/// A page inside its flow, or by itself.
pub(super) fn answer(view: &impl Template, flow: &InFlow, nonce: &Nonce, complaints: &[Complaint]) -> Result<Response, Problem> {
    let mut response = match flow {
        Some((flow, _)) => flow_page(view, flow, nonce)?,
        None => site::answer(Csp::Page { nonce: Some(nonce) }, view)?,
    };
    if !complaints.is_empty() {
        *response.status_mut() = form::refusal(complaints);
    }
    Ok(response)
}

pub(super) fn ui_locales(flow: &InFlow) -> Option<String> {
    flow.as_ref().map(|(flow, _)| flow.request.ui_locales.join(" "))
}

/// Whoever is logged in needs no account, unless the application asks for one (`prompt=create`): then a login of before does not
/// count.
fn already_in(state: &AppState, visitor: &Visitor, flow: Option<&(Flow, Arc<Client>)>) -> Result<Option<Response>, Problem> {
    match (&visitor.login, flow) {
        (None, _) => Ok(None),
        (Some(login), Some((flow, _))) if flow.request.prompt.create && login.session.auth_time < flow.started_at => Ok(None),
        (Some(_), Some((flow, _))) => to_page(state, visitor, flow, Place::Resume).map(Some),
        (Some(_), None) => see_other(&state.path("/account")).map(Some),
    }
}

struct Shown<'a> {
    params: &'a Params,
    flow: &'a InFlow,
    invitation: Option<&'a Invitation>,
    complaints: Vec<Complaint>,
    strength: Option<Strength>,
    challenge: Option<Challenge>,
}

fn expects_proof(state: &AppState, context: &RequestContext) -> bool {
    state.guard.expects_proof(Action::Register, context.address, context.now)
}

fn show(state: &AppState, visitor: &Visitor, shown: Shown<'_>) -> Result<Response, Problem> {
    let Shown { params, flow, invitation, complaints, strength, challenge } = shown;
    let nonce = Nonce::random();
    let frame = frame(state, visitor, ui_locales(flow).as_deref(), &nonce);
    let typed = |name| params.get(name).unwrap_or_default().to_owned();
    let invited = invitation.and_then(|invitation| invitation.address.clone());
    let identifier = state.config.registration.identifier;
    let sealed = flow.is_some().then(|| typed(field::FLOW));
    let view = view::Register {
        form: form::of(state, visitor, &frame, ("/register", PURPOSE)).with(sealed.clone(), complaints.clone(), strength),
        client: flow.as_ref().map(|(_, client)| ClientView::with_logo(client, &state.logos)),
        with_name: identifier.has_name(),
        with_address: identifier.has_address(),
        address_is_fixed: invited.is_some(),
        sign_in_name: typed(field::USERNAME),
        address: invited.unwrap_or_else(|| typed(field::EMAIL)),
        invitation: params.get(field::INVITATION).map(str::to_owned),
        challenge,
        login: login::link(state, "/login", sealed.as_deref()),
        frame,
    };
    answer(&view, flow, &nonce, &complaints)
}

async fn show_code(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    params: &Params,
    (flow, complaints): (&InFlow, Vec<Complaint>),
) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let frame = frame(state, visitor, ui_locales(flow).as_deref(), &nonce);
    let id = params.get(field::ID).unwrap_or_default();
    let sealed = flow.is_some().then(|| params.get(field::FLOW).unwrap_or_default().to_owned());
    let view = view::Code {
        form: form::of(state, visitor, &frame, ("/register/code", CODE_PURPOSE)).with(sealed, complaints.clone(), None),
        kind: CodeKind::Register,
        address: registration::address_of(state, context, holder(state, visitor), id).await?,
        id: id.to_owned(),
        frame,
    };
    answer(&view, flow, &nonce, &complaints)
}
