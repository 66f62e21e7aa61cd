//! The choice of a language, which the browser remembers.
//!
//! A GET, although it sets a cookie: the worst that a foreign page can do with it is to change a language.

use axum::extract::State;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};

use super::view::field;
use crate::protocol::time::Seconds;
use crate::state::AppState;
use crate::text::Text;
use crate::web::cookie::Cookie;
use crate::web::error::{PageError, Problem};
use crate::web::params::PageQuery;
use crate::web::redirect::{local_path, see_other};

/// How long the choice is remembered.
const MEMORY: Seconds = Seconds::days(365);

pub async fn get(State(state): State<AppState>, PageQuery(params): PageQuery) -> Result<Response, PageError> {
    let unknown = Problem::request(StatusCode::NOT_FOUND, "language_unknown", "There are no texts in this language");
    let language = params.get(field::LANGUAGE).and_then(|tag| Text::languages().into_iter().find(|language| language == tag));
    let language = language.ok_or(unknown)?;
    let home = state.path("/");
    let mut response = see_other(params.get(field::NEXT).and_then(local_path).unwrap_or(&home))?;
    response.headers_mut().append(header::SET_COOKIE, remember(&state, &language));
    Ok(response)
}

/// `Set-Cookie` by which the browser keeps the choice.
pub fn remember(state: &AppState, language: &str) -> HeaderValue {
    state.cookies.set(Cookie::Language, language, Some(MEMORY))
}
