//! What a person may do with all that is theirs: take a copy of it, or have it deleted.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::nav::{Nav, Place};
use super::{PURPOSE, checked};
use crate::account::deletion::{Deletion, delete};
use crate::account::export::export;
use crate::flow::browser_state;
use crate::flow::visitor::{Login, Visitor};
use crate::pages::flow::frame;
use crate::pages::reauthenticate::{Freshness, Target, fresh};
use crate::pages::view::{self, DeletionProblem, Moment, field};
use crate::pages::{form, site};
use crate::protocol::sign_in_name::SignInName;
use crate::state::AppState;
use crate::telemetry::findings;
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::{PageForm, PageQuery};
use crate::web::redirect::see_other;

/// `GET /account/data`.
pub async fn get(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    let nonce = Nonce::random();
    let view = view::Data {
        frame: frame(&state, &visitor, None, &nonce),
        nav: Nav::of(&state, login, Place::Data),
        grace_days: state.config.account.deletion_grace_days.into(),
        csrf: form::token(&state, &visitor, PURPOSE),
    };
    Ok(site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?)
}

/// `POST /account/data`: everything that is held about the person, as a file.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    checked(&state, &context, &visitor, &params)?;
    let login = match fresh(&state, &context, &visitor, Target::Data, &params).await? {
        Freshness::Fresh(login) => login,
        Freshness::Elsewhere(response) => return Ok(*response),
    };
    let copy = export(&state, &context, &login.user.id).await?;
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"ostiary-account.json\"")),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    ];
    Ok((fields, copy).into_response())
}

/// `GET /account/delete`: sure?
pub async fn get_delete(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageQuery(params): PageQuery,
) -> Result<Response, PageError> {
    match fresh(&state, &context, &visitor, Target::Delete, &params).await? {
        Freshness::Fresh(login) => Ok(question(&state, &visitor, login, None)?),
        Freshness::Elsewhere(response) => Ok(*response),
    }
}

/// `POST /account/delete`: by whoever types the sign-in name.
pub async fn post_delete(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    checked(&state, &context, &visitor, &params)?;
    let login = match fresh(&state, &context, &visitor, Target::Delete, &params).await? {
        Freshness::Fresh(login) => login,
        Freshness::Elsewhere(response) => return Ok(*response),
    };
    let typed = SignInName::parse(params.get(field::USERNAME).unwrap_or_default());
    if !typed.is_ok_and(|typed| typed.canonical() == login.user.sign_in_name.canonical()) {
        findings::answered("deletion_name_differs", false);
        return Ok(question(&state, &visitor, login, Some(DeletionProblem::Name))?);
    }
    let due = match delete(&state, &context, &login.user).await? {
        Deletion::Done => None,
        Deletion::Scheduled(due) => Some(Moment(due)),
        Deletion::LastAdministrator => return Ok(question(&state, &visitor, login, Some(DeletionProblem::LastAdministrator))?),
        Deletion::ChangedMeanwhile => return Ok(see_other(&state.path("/login"))?),
    };
    let nonce = Nonce::random();
    let view = view::Deleted { frame: frame(&state, &visitor, None, &nonce), due };
    let mut response = site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?;
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, state.cookies.clear(Cookie::Session));
    browser_state::take_back(&state, headers);
    headers.insert("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    Ok(response)
}

fn question(state: &AppState, visitor: &Visitor, login: &Login, problem: Option<DeletionProblem>) -> Result<Response, Problem> {
    let nonce = Nonce::random();
    let view = view::Delete {
        frame: frame(state, visitor, None, &nonce),
        sign_in_name: login.user.sign_in_name.as_str().to_owned(),
        grace_days: state.config.account.deletion_grace_days.into(),
        problem,
        csrf: form::token(state, visitor, PURPOSE),
    };
    let mut response = site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?;
    *response.status_mut() = match problem {
        None => StatusCode::OK,
        Some(DeletionProblem::Name) => StatusCode::UNPROCESSABLE_ENTITY,
        Some(DeletionProblem::LastAdministrator) => StatusCode::FORBIDDEN,
    };
    Ok(response)
}
