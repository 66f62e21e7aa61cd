//! The way back for who forgot the password: name, code, new password; then an ordinary login, with all its factors.

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, header};
use secrecy::SecretString;

use super::challenge;
use super::flow::frame;
use super::form::{self, Purpose};
use super::login;
use super::register::{InFlow, answer, holder, to_code, ui_locales};
use super::view::{self, CodeKind, field};
use crate::account::Complaint;
use crate::account::recovery::{self, Outcome};
use crate::authn::password::Strength;
use crate::flow::visitor::Visitor;
use crate::guard::limit::Action;
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::Nonce;
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

const PURPOSE: Purpose = Purpose::of_browser("recover");
const CODE_PURPOSE: Purpose = Purpose::of_browser("recover_code");
const PASSWORD_PURPOSE: Purpose = Purpose::of_browser("recover_password");

const NO_MAIL: Problem = Problem::new(StatusCode::NOT_FOUND, "not_found", "mail_off", "There is nothing here");
const CLOSED: Problem =
    Problem::new(StatusCode::BAD_REQUEST, "invalid_request", "recovery_closed", "No code was shown, or too long ago");

/// `GET /recover`.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    mut visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    offered(&state)?;
    let flow = login::flow_of(&state, &context, &visitor, &params).await?;
    let cookie = form::ensure_own_cookie(&state, &mut visitor);
    let mut response = show(&state, &context, &visitor, &params, (&flow, &[]))?;
    response.headers_mut().extend(cookie.map(|cookie| (header::SET_COOKIE, cookie)));
    Ok(response)
}

/// `POST /recover`. The same page follows for every name.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    offered(&state)?;
    form::check(&state, &context, &visitor, PURPOSE, &params)?;
    let flow = login::flow_of(&state, &context, &visitor, &params).await?;
    let language = frame(&state, &visitor, ui_locales(&flow).as_deref(), &Nonce::random()).text.language();
    let wanted = (params.get(field::USERNAME).unwrap_or_default(), Some(language.as_str()));
    match recovery::begin(&state, &context, holder(&state, &visitor), wanted, challenge::answered(&params)).await? {
        Ok(id) => Ok(to_code(&state, "/recover/code", &id, &params)?),
        Err(complaint) => Ok(show(&state, &context, &visitor, &params, (&flow, &[complaint]))?),
    }
}

/// `GET /recover/code`.
pub async fn get_code(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    offered(&state)?;
    let flow = login::flow_of(&state, &context, &visitor, &params).await?;
    Ok(show_code(&state, &visitor, &params, &flow, &[])?)
}

/// `POST /recover/code`.
pub async fn post_code(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    offered(&state)?;
    form::check(&state, &context, &visitor, CODE_PURPOSE, &params)?;
    let flow = login::flow_of(&state, &context, &visitor, &params).await?;
    let id = params.get(field::ID).unwrap_or_default();
    let typed = (id, params.get(field::CODE).unwrap_or_default());
    match recovery::check(&state, &context, holder(&state, &visitor), typed).await? {
        Ok(()) => Ok(to_code(&state, "/recover/password", id, &params)?),
        Err(complaint) => Ok(show_code(&state, &visitor, &params, &flow, &[complaint])?),
    }
}

/// `GET /recover/password`: for whoever showed the code.
pub async fn get_password(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    offered(&state)?;
    let flow = login::flow_of(&state, &context, &visitor, &params).await?;
    let id = params.get(field::ID).unwrap_or_default();
    if !recovery::is_open(&state, &context, holder(&state, &visitor), id).await? {
        return Err(CLOSED.into());
    }
    Ok(show_password(&state, &visitor, &params, &flow, (Vec::new(), None))?)
}

/// `POST /recover/password`.
pub async fn post_password(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    offered(&state)?;
    form::check(&state, &context, &visitor, PASSWORD_PURPOSE, &params)?;
    let flow = login::flow_of(&state, &context, &visitor, &params).await?;
    let typed = |name| params.get(name).unwrap_or_default();
    if typed(field::PASSWORD) != typed(field::PASSWORD_AGAIN) {
        return Ok(show_password(&state, &visitor, &params, &flow, (vec![Complaint::Repetition], None))?);
    }
    let password = SecretString::from(typed(field::PASSWORD));
    match recovery::set_password(&state, &context, holder(&state, &visitor), (typed(field::ID), &password)).await? {
        Outcome::Done => Ok(see_other(&login::link(&state, "/login", params.get(field::FLOW)))?),
        Outcome::Refused { complaints, strength } => Ok(show_password(&state, &visitor, &params, &flow, (complaints, strength))?),
        Outcome::Closed => Err(CLOSED.into()),
    }
}

fn offered(state: &AppState) -> Result<(), Problem> {
    if state.outbox.is_on() { Ok(()) } else { Err(NO_MAIL) }
}

fn sealed(params: &Params, flow: &InFlow) -> Option<String> {
    flow.is_some().then(|| params.get(field::FLOW).unwrap_or_default().to_owned())
}

fn show(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    params: &Params,
    (flow, complaints): (&InFlow, &[Complaint]),
) -> Result<Response, Problem> {
    let asked = complaints.contains(&Complaint::Challenge);
    let asked = asked || state.guard.expects_proof(Action::Recover, context.address, context.now);
    let nonce = Nonce::random();
    let frame = frame(state, visitor, ui_locales(flow).as_deref(), &nonce);
    let view = view::Recover {
        form: form::of(state, visitor, &frame, ("/recover", PURPOSE)).with(sealed(params, flow), complaints.to_vec(), None),
        sign_in_name: params.get(field::USERNAME).unwrap_or_default().to_owned(),
        challenge: asked.then(|| challenge::of_form(state, context, Action::Recover)),
        frame,
    };
    answer(&view, flow, &nonce, complaints)
}

fn show_code(
    state: &AppState,
    visitor: &Visitor,
    params: &Params,
    flow: &InFlow,
    complaints: &[Complaint],
) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let frame = frame(state, visitor, ui_locales(flow).as_deref(), &nonce);
    let form = form::of(state, visitor, &frame, ("/recover/code", CODE_PURPOSE));
    let view = view::Code {
        form: form.with(sealed(params, flow), complaints.to_vec(), None),
        kind: CodeKind::Recover,
        address: None,
        id: params.get(field::ID).unwrap_or_default().to_owned(),
        frame,
    };
    answer(&view, flow, &nonce, complaints)
}

fn show_password(
    state: &AppState,
    visitor: &Visitor,
    params: &Params,
    flow: &InFlow,
    (complaints, strength): (Vec<Complaint>, Option<Strength>),
) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let frame = frame(state, visitor, ui_locales(flow).as_deref(), &nonce);
    let form = form::of(state, visitor, &frame, ("/recover/password", PASSWORD_PURPOSE));
    let view = view::RecoverPassword {
        form: form.with(sealed(params, flow), complaints.clone(), strength),
        id: params.get(field::ID).unwrap_or_default().to_owned(),
        frame,
    };
    answer(&view, flow, &nonce, &complaints)
}
