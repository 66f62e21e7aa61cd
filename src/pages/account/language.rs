//! The language in which a person reads the pages, in this browser and in mails.

use axum::extract::State;
use axum::response::Response;
use http::{StatusCode, header};

use super::nav::{Nav, Place};
use super::{PURPOSE, by, checked};
use crate::audit::Kind;
use crate::flow::visitor::Visitor;
use crate::pages::flow::frame;
use crate::pages::language::remember;
use crate::pages::text::Text;
use crate::pages::view::{self, field};
use crate::pages::{form, site};
use crate::state::AppState;
use crate::storage::profiles;
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::PageForm;
use crate::web::redirect::see_other;

/// `GET /account/language`.
pub async fn get(State(state): State<AppState>, visitor: Visitor) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    let nonce = Nonce::random();
    let frame = frame(&state, &visitor, None, &nonce);
    let name = |tag: String| (Text::wanted(Some(&tag), &tag).of("language-name"), tag);
    let view = view::LanguageChoice {
        nav: Nav::of(&state, login, Place::Language),
        languages: Text::languages().into_iter().map(name).collect(),
        csrf: form::token(&state, &visitor, PURPOSE),
        frame,
    };
    Ok(site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?)
}

/// `POST /account/language`.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let Some(login) = checked(&state, &context, &visitor, &params)? else { return Ok(see_other(&state.path("/login"))?) };
    let unknown = Problem::request(StatusCode::NOT_FOUND, "language_unknown", "There are no texts in this language");
    let asked = params.get(field::LANGUAGE);
    let language = Text::languages().into_iter().find(|tag| Some(tag.as_str()) == asked).ok_or(unknown)?;
    let user_id = &login.user.id;
    let mut event = by(login, Kind::UserUpdated, &context);
    event.details.insert("changed".to_owned(), vec!["locale"].into());
    let saved = state.db.write(async |tx| {
        let mut profile = profiles::load(tx, user_id).await?.map(|(profile, _)| profile).unwrap_or_default();
        if profile.locale.as_deref() != Some(language.as_str()) {
            profile.locale = Some(language.clone());
            profiles::save(tx, user_id, &profile, context.now).await?;
            crate::storage::audit::insert(tx, &event).await?;
        }
        Ok(())
    });
    saved.await?;
    let mut response = see_other(&state.path(Place::Language.path()))?;
    response.headers_mut().append(header::SET_COOKIE, remember(&state, &language));
    Ok(response)
}
