//! The page that applications load in a frame to watch the session (OpenID Connect Session Management 1.0 §3.2).

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};

use crate::pages::statics;
use crate::state::AppState;
use crate::web::cookie::Cookie;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};

#[derive(Template)]
#[template(path = "check_session.html")]
struct CheckSession<'a> {
    script: String,
    nonce: &'a str,
    cookie: &'a str,
}

/// `GET /check-session`. The same for everybody: what it compares stays in the browser.
pub async fn check_session(State(state): State<AppState>) -> Result<Response, PageError> {
    if !state.config.session.check_session_iframe {
        return Err(Problem::not_found().into());
    }
    let nonce = Nonce::random();
    let script = statics::path(&state.base, "check-session.js");
    let view = CheckSession { script, nonce: nonce.as_str(), cookie: state.cookies.name(Cookie::State) };
    let html = view.render().map_err(Problem::internal)?;
    Ok((Csp::Framed { nonce: &nonce }, Html(html)).into_response())
}
