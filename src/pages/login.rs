//! The login page, and the choice of an account.
//!
//! Whoever gets it wrong is told the same in the same time: unknown name, wrong password, disabled person. The password is
//! hashed outside any transaction, on a bounded number of threads.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, header};
use secrecy::ExposeSecret;

use super::challenge;
use super::flow::{Place, flow_page, frame, take_up, to_page};
use super::form::{self, Purpose};
use super::site;
use super::view::{self, Challenge, ClientView, LoginProblem, field};
use crate::audit::{self, Kind};
use crate::authn::session::Begun;
use crate::config::RegistrationMode;
use crate::flow::Flow;
use crate::flow::admission::{Admitted, Login as LoginForm};
use crate::flow::browser_state;
use crate::flow::login::{Entrance, FirstFactor, Step};
use crate::flow::password::{self, Checked, Typed};
use crate::flow::visitor::Visitor;
use crate::guard::limit::Action;
use crate::protocol::authentication::{Factors, Method};
use crate::protocol::client::Client;
use crate::protocol::id::{ClientId, UserId};
use crate::protocol::params::Params;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::users::User;
use crate::telemetry::metrics::LOGINS;
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

pub(super) const PURPOSE: Purpose = Purpose::of_browser("login");
const SELECT_PURPOSE: Purpose = Purpose::of_browser("select_account");

/// `GET /login`: inside a flow, or on the way to a page of our own.
pub async fn get(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let flow = flow_of(&state, &context, &visitor, &params).await?;
    if flow.is_none() && visitor.login.is_some() {
        return Ok(see_other(&state.path("/account"))?);
    }
    let name = match &flow {
        _ if params.contains(field::ANOTHER) => String::new(),
        Some((flow, _)) => prefilled(&visitor, flow),
        None => String::new(),
    };
    let problem = None;
    let challenge = state.guard.expects_proof(Action::Login, context.address, context.now);
    let challenge = challenge.then(|| challenge::of_form(&state, &context, Action::Login));
    Ok(show(&state, &context, visitor, &params, flow.as_ref(), Shown { sign_in_name: name, problem, challenge })?)
}

/// `POST /login`.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    Admitted { needs_proof, .. }: Admitted<LoginForm>,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    form::check(&state, &context, &visitor, PURPOSE, &params)?;
    let flow = flow_of(&state, &context, &visitor, &params).await?;
    let device = challenge::device_of(&state, &visitor.headers);
    let typed = Typed {
        name: params.get(field::USERNAME).unwrap_or_default(),
        password: params.get(field::PASSWORD).unwrap_or_default(),
        device: device.as_ref(),
        needs_proof,
        proof: challenge::answered(&params),
    };
    let (problem, reason, user) = match password::check(&state, &context, &typed).await? {
        Checked::Right { user, rehashed } => {
            let flow = flow.as_ref().map(|(flow, _)| flow);
            let carried = carried(&context, &visitor, flow, &user);
            let first = FirstFactor {
                user: *user,
                method: Method::Password,
                rehashed,
                carried,
                remember: params.contains(field::REMEMBER),
            };
            return proved(&state, &context, &visitor, &params, flow, first).await;
        }
        Checked::Wrong { reason, user } => (LoginProblem::Refused, reason, user),
        Checked::Challenge => (LoginProblem::Challenge, "proof_of_work_missing", None),
        Checked::Overloaded => (LoginProblem::Overloaded, "overloaded", None),
        Checked::TooMany { retry_after } => {
            let problem = Problem::too_many(retry_after);
            LOGINS.count("password", problem.reason);
            record_refusal(&state, &context, Kind::UserLogin, None, None, problem.reason);
            return Err(problem.into());
        }
    };
    let client = flow.as_ref().map(|(flow, _)| &flow.request.client_id);
    LOGINS.count("password", reason);
    record_refusal(&state, &context, Kind::UserLogin, client, user.as_ref().map(|user| &user.id), reason);
    // Each answer brings one: it may be that the next attempt is looked at for its sake alone.
    let is_asked = problem == LoginProblem::Challenge || state.guard.expects_proof(Action::Login, context.address, context.now);
    let challenge = Some(challenge::of_form(&state, &context, Action::Login).quiet(!is_asked));
    let shown = Shown { sign_in_name: typed.name.to_owned(), problem: Some(problem), challenge };
    let mut response = show(&state, &context, visitor, &params, flow.as_ref(), shown)?;
    *response.status_mut() = match problem {
        LoginProblem::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::UNPROCESSABLE_ENTITY,
    };
    Ok(response)
}

/// Goes on after a right first factor, of whatever kind: to the next one, or in.
pub async fn proved(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    params: &Params,
    flow: Option<&Flow>,
    first: FirstFactor,
) -> Result<Response, PageError> {
    let former = visitor.session();
    let device = challenge::device_of(state, &visitor.headers);
    let client_id = flow.map(|flow| &flow.request.client_id);
    let entrance = Entrance { state, context, former, client_id, device: device.as_ref() };
    match entrance.first(first).await? {
        Step::Done(begun) => Ok(enter(state, visitor, flow, &begun)?),
        Step::Next { pending, .. } => {
            let browser = visitor.browser.as_ref().map(ExposeSecret::expose_secret).unwrap_or_default();
            let sealed = pending.seal(&state.flows, browser).map_err(Problem::internal)?;
            let flow = params.get(field::FLOW).map(|flow| format!("&{}={flow}", field::FLOW)).unwrap_or_default();
            Ok(see_other(&format!("{}?{}={sealed}{flow}", state.path("/login/factor"), field::LOGIN))?)
        }
        Step::Spent | Step::Ended => Err(Problem::overloaded().into()),
    }
}

/// Lets the browser in, whose session has begun.
pub fn enter(state: &AppState, visitor: &Visitor, flow: Option<&Flow>, begun: &Begun) -> Result<Response, Problem> {
    let mut response = match flow {
        Some(flow) => to_page(state, visitor, flow, Place::Resume)?,
        None => see_other(&state.path("/account"))?,
    };
    form::hand_over(state, &mut response, begun);
    response.headers_mut().append(header::SET_COOKIE, challenge::remember(state, &visitor.headers, &begun.session));
    Ok(response)
}

/// Factors of the session that this very person has here, which are as young as the request wants the login to be: what is
/// asked for again is the rest.
pub fn carried(context: &RequestContext, visitor: &Visitor, flow: Option<&Flow>, user: &User) -> Factors {
    let (Some(flow), Some(login)) = (flow, &visitor.login) else { return Factors::default() };
    let by_age = flow.request.max_age.map(|max_age| context.now - max_age);
    let by_prompt = flow.request.prompt.login.then_some(flow.started_at);
    match by_age.max(by_prompt) {
        Some(floor) if login.user.id == user.id => login.session.factors.since(floor),
        _ => Factors::default(),
    }
}

/// `GET /login/select`: go on as whoever is logged in, or as somebody else?
pub async fn get_select(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    let (flow, client) = take_up(&state, &context, &visitor, &params).await?;
    let Some(login) = &visitor.login else { return Ok(to_page(&state, &visitor, &flow, Place::Login)?) };
    let nonce = Nonce::random();
    let view = view::SelectAccount {
        frame: frame(&state, &visitor, Some(&flow.request.ui_locales.join(" ")), &nonce),
        client: ClientView::with_logo(&client, &state.logos),
        sign_in_name: login.user.sign_in_name.as_str().to_owned(),
        action: state.path(Place::SelectAccount.path()),
        csrf: form::token(&state, &visitor, SELECT_PURPOSE),
        flow: params.get(field::FLOW).unwrap_or_default().to_owned(),
    };
    Ok(flow_page(&view, &flow, &nonce)?)
}

/// `POST /login/select`.
pub async fn post_select(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    form::check(&state, &context, &visitor, SELECT_PURPOSE, &params)?;
    let (mut flow, _) = take_up(&state, &context, &visitor, &params).await?;
    match (params.get(field::DECISION), visitor.session()) {
        (Some(field::CONTINUE), Some(session)) => {
            flow.selected_session = Some(session.id.clone());
            Ok(to_page(&state, &visitor, &flow, Place::Resume)?)
        }
        _ => Ok(to_page(&state, &visitor, &flow, Place::OtherLogin)?),
    }
}

/// The flow that the page belongs to, if it belongs to one.
pub async fn flow_of(
    state: &AppState,
    context: &RequestContext,
    visitor: &Visitor,
    params: &Params,
) -> Result<Option<(Flow, Arc<Client>)>, Problem> {
    if params.contains(field::FLOW) { take_up(state, context, visitor, params).await.map(Some) } else { Ok(None) }
}

/// The name that the client hints at, or that of whoever has to show that it is still them.
fn prefilled(visitor: &Visitor, flow: &Flow) -> String {
    let current = || visitor.login.as_ref().map(|login| login.user.sign_in_name.as_str().to_owned());
    flow.request.login_hint.clone().or_else(current).unwrap_or_default()
}

/// The page for somebody whose login ended with too many wrong codes.
pub fn begin_again(
    state: &AppState,
    context: &RequestContext,
    visitor: Visitor,
    params: &Params,
    flow: Option<&(Flow, Arc<Client>)>,
    sign_in_name: String,
) -> Result<Response, Problem> {
    let shown = Shown { sign_in_name, problem: Some(LoginProblem::TooManyCodes), challenge: None };
    show(state, context, visitor, params, flow, shown)
}

/// What differs from one showing of the form to the next.
#[derive(Debug, Default)]
pub struct Shown {
    pub sign_in_name: String,
    pub problem: Option<LoginProblem>,
    pub challenge: Option<Challenge>,
}

/// The page.
pub fn show(
    state: &AppState,
    context: &RequestContext,
    mut visitor: Visitor,
    params: &Params,
    flow: Option<&(Flow, Arc<Client>)>,
    shown: Shown,
) -> Result<Response, Problem> {
    let Shown { sign_in_name, problem, challenge } = shown;
    let new_browser = visitor.browser.is_none().then(crate::random::secret);
    if let Some(secret) = &new_browser {
        visitor.browser = Some(secret.clone().into());
    }
    let nonce = Nonce::random();
    let ui_locales = flow.map(|(flow, _)| flow.request.ui_locales.join(" "));
    let sealed = flow.is_some().then(|| params.get(field::FLOW).unwrap_or_default().to_owned());
    let view = view::Login {
        frame: frame(state, &visitor, ui_locales.as_deref(), &nonce),
        client: flow.map(|(_, client)| ClientView::with_logo(client, &state.logos)),
        again: visitor.login.as_ref().is_some_and(|login| login.user.sign_in_name.as_str() == sign_in_name),
        sign_in_name,
        problem,
        challenge,
        remember: (state.config.session.remembered_absolute > 0).then(|| params.contains(field::REMEMBER)),
        action: state.path(Place::Login.path()),
        csrf: form::token(state, &visitor, PURPOSE),
        passkey: super::passkey::form(state, context, &visitor)?,
        register: (state.config.registration.mode == RegistrationMode::Open).then(|| link(state, "/register", sealed.as_deref())),
        recover: state.outbox.is_on().then(|| link(state, "/recover", sealed.as_deref())),
        flow: sealed,
    };
    let mut response = match flow {
        Some((flow, _)) => flow_page(&view, flow, &nonce)?,
        None => site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?,
    };
    if let Some(secret) = new_browser {
        response.headers_mut().append(header::SET_COOKIE, state.cookies.set(Cookie::Browser, &secret, None));
    }
    browser_state::renew(state, response.headers_mut(), &visitor);
    Ok(response)
}

/// A page that leads on to the same flow.
pub(super) fn link(state: &AppState, path: &str, sealed_flow: Option<&str>) -> String {
    let flow = sealed_flow.map(|flow| format!("?{}={flow}", field::FLOW)).unwrap_or_default();
    format!("{}{flow}", state.path(path))
}

/// Of a login that came to nothing.
pub fn record_refusal(
    state: &AppState,
    context: &RequestContext,
    kind: Kind,
    client: Option<&ClientId>,
    user_id: Option<&UserId>,
    reason: &'static str,
) {
    state.refusals.refused(Event {
        client_id: client.cloned(),
        user_id: user_id.cloned(),
        ..audit::refused(kind, context, reason)
    });
}
