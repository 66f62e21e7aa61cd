//! A person's own pages: their overview here, and one file for each of the others.

pub mod activity;
pub mod apps;
pub mod data;
pub mod language;
pub mod nav;
pub mod requests;
pub mod sessions;

use axum::extract::State;
use axum::response::Response;

use self::nav::{Nav, Place};
use super::flow::frame;
use super::form::{self, Purpose};
use super::site;
use super::view::{self, OwnAddress};
use crate::audit::{self, Kind};
use crate::flow::login::enrolled;
use crate::flow::visitor::{Login, Visitor};
use crate::protocol::params::Params;
use crate::protocol::time::Seconds;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::email_addresses;
use crate::storage::page::{MAX_LIMIT, Page};
use crate::storage::sessions::{Session, SessionFilter};
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::redirect::see_other;

pub(super) const PURPOSE: Purpose = Purpose::of_session("account");

/// How many entries of the activity the overview shows.
const LATEST: i64 = 5;

/// `GET /`: the server's front door leads to the account.
pub async fn home(State(state): State<AppState>) -> Result<Response, PageError> {
    Ok(see_other(&state.path("/account"))?)
}

/// `GET /account`.
pub async fn get(State(state): State<AppState>, context: RequestContext, visitor: Visitor) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    let nonce = Nonce::random();
    let frame = frame(&state, &visitor, None, &nonce);
    let mut conn = state.db.read().await?;
    let email = email_addresses::load(&mut conn, &login.user.id).await?;
    drop(conn);
    let enrolled = enrolled(&state, &login.user.id).await?;
    let (activity, _) = activity::rows(&state, frame.text, login, &Page::first(LATEST)).await?;
    let view = view::Account {
        nav: Nav::of(&state, login, Place::Overview),
        sign_in_name: login.user.sign_in_name.as_str().to_owned(),
        roles: login.user.roles.clone(),
        email: email
            .map(|email| OwnAddress { address: email.address.as_str().to_owned(), verified: email.verified_at.is_some() }),
        mail: state.outbox.is_on(),
        stays: activity.iter().any(|row| row.takes_back_deletion && row.at.0 == login.session.created_at),
        enrolled,
        sessions: i64::try_from(sessions_of(&state, &context, login).await?.len()).unwrap_or(i64::MAX),
        requests: i64::try_from(requests::rows(&state, &context, login).await?.len()).unwrap_or(i64::MAX),
        apps: i64::try_from(apps::rows(&state, &context, &frame, login).await?.len()).unwrap_or(i64::MAX),
        activity,
        csrf: form::token(&state, &visitor, PURPOSE),
        frame,
    };
    Ok(site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?)
}

async fn sessions_of(state: &AppState, context: &RequestContext, login: &Login) -> Result<Vec<Session>, Problem> {
    let idle = Seconds(state.config.session.idle);
    let filter = SessionFilter { user_id: Some(login.user.id.clone()), now: context.now, idle };
    Ok(crate::storage::sessions::list(&mut state.db.read().await?, &filter, &Page::first(MAX_LIMIT)).await?.items)
}

/// Who sent the form, if it is ours.
fn checked<'a>(
    state: &AppState,
    context: &RequestContext,
    visitor: &'a Visitor,
    params: &Params,
) -> Result<Option<&'a Login>, Problem> {
    let Some(login) = &visitor.login else { return Ok(None) };
    form::check(state, context, visitor, PURPOSE, params)?;
    Ok(Some(login))
}

/// Something that the person did to what is theirs.
fn by(login: &Login, kind: Kind, context: &RequestContext) -> Event {
    let user_id = &login.user.id;
    Event { actor: Actor::User(user_id.clone()), user_id: Some(user_id.clone()), ..audit::event(kind, context) }
}
