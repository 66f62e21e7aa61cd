//! Logging out: asked first, because a link on another site may have led here; then done, and said so.

use axum::extract::State;
use axum::response::Response;
use http::HeaderName;
use http::header::{self, HeaderValue};

use super::flow::frame;
use super::form::{self, Purpose};
use super::{site, view};
use crate::audit::{self, Kind};
use crate::flow::visitor::Visitor;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::sessions;
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;
use crate::web::error::PageError;
use crate::web::headers::{Csp, Nonce};
use crate::web::params::PageForm;
use crate::web::redirect::see_other;

const PURPOSE: Purpose = Purpose::of_session("logout");

/// `GET /logout`: the question to whoever is logged in, and the farewell to whoever is not.
pub async fn get(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    let nonce = Nonce::random();
    let frame = frame(&state, &visitor, None, &nonce);
    let csp = Csp::Page { nonce: Some(&nonce) };
    let Some(login) = &visitor.login else { return Ok(site::answer(csp, &view::SignedOut { frame })?) };
    let view = view::LogoutConfirm {
        frame,
        sign_in_name: login.user.sign_in_name.as_str().to_owned(),
        action: state.path("/logout"),
        csrf: form::token(&state, &visitor, PURPOSE),
    };
    Ok(site::answer(csp, &view)?)
}

/// `POST /logout`: ends the session here and in the browser, which is told to forget what it kept of this site.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    if let Some(login) = &visitor.login {
        form::check(&state, &context, &visitor, PURPOSE, &params)?;
        let user_id = &login.user.id;
        let event = Event {
            actor: Actor::User(user_id.clone()),
            user_id: Some(user_id.clone()),
            ..audit::event(Kind::UserLogout, &context)
        };
        state
            .db
            .write(async |tx| {
                if sessions::end(tx, &login.session.id).await? {
                    crate::storage::audit::insert(tx, &event).await?;
                }
                Ok(())
            })
            .await?;
    }
    let mut response = see_other(&state.path("/logout"))?;
    let headers = response.headers_mut();
    headers.append(header::SET_COOKIE, state.cookies.clear(Cookie::Session));
    headers.insert(CLEAR_SITE_DATA, HeaderValue::from_static("\"cache\", \"storage\""));
    Ok(response)
}

const CLEAR_SITE_DATA: HeaderName = HeaderName::from_static("clear-site-data");
