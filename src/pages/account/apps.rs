//! The applications that act on a person's behalf, what they may do, and shutting them out.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::nav::{Nav, Place};
use super::{PURPOSE, by, checked};
use crate::account::apps::{connected, disconnect};
use crate::audit::Kind;
use crate::flow::visitor::{Login, Visitor};
use crate::pages::flow::frame;
use crate::pages::reauthenticate::{Freshness, Target, fresh};
use crate::pages::view::{self, ConnectedApp, Frame, Moment, ResourceRow, field, in_order, scope_sentence};
use crate::pages::{form, site};
use crate::protocol::id::ClientId;
use crate::protocol::initiate_login;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::params::PageForm;
use crate::web::redirect::see_other;

/// `GET /account/apps`.
pub async fn get(State(state): State<AppState>, context: RequestContext, visitor: Visitor) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    let nonce = Nonce::random();
    let frame = frame(&state, &visitor, None, &nonce);
    let view = view::Apps {
        nav: Nav::of(&state, login, Place::Apps),
        apps: rows(&state, &context, &frame, login).await?,
        csrf: form::token(&state, &visitor, PURPOSE),
        frame,
    };
    Ok(site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?)
}

/// For the list.
pub(super) async fn rows(
    state: &AppState,
    context: &RequestContext,
    frame: &Frame,
    login: &Login,
) -> Result<Vec<ConnectedApp>, Problem> {
    let connected = connected(state, &login.user.id, context.now).await?;
    let sentences = state.scope_sentences().await?;
    let resources = state.resources.current().await?;
    let sentence = |value: &str| scope_sentence(frame.text, value, &sentences);
    let shown = connected.into_iter().map(|app| ConnectedApp {
        open: initiate_login::url(&app.client, &state.config.server.issuer),
        name: view::ClientView::new(&app.client).name,
        may: in_order(&app.scope).into_iter().map(sentence).collect(),
        resources: ResourceRow::all(&app.resources, &resources),
        since: Moment(app.since),
        last_used: app.last_used.map(Moment),
        client_id: app.client.id.to_string(),
    });
    Ok(shown.collect())
}

/// `POST /account/apps`: takes the consent back, and every token that the client holds of it. For who shows first that it is still
/// them, as through REST: an application of the house is a place where the person is logged in (ASVS 7.5.2).
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    checked(&state, &context, &visitor, &params)?;
    let login = match fresh(&state, &context, &visitor, Target::Apps, &params).await? {
        Freshness::Fresh(login) => login,
        Freshness::Elsewhere(response) => return Ok(*response),
    };
    let client_id = ClientId::parse(params.get(field::CLIENT).unwrap_or_default())
        .map_err(|_| Problem::request(StatusCode::BAD_REQUEST, "client_id_malformed", "The form is malformed"))?;
    let event = Event { client_id: Some(client_id.clone()), ..by(login, Kind::ConsentRevoked, &context) };
    disconnect(&state, (&login.user.id, &client_id), &event, context.now).await?;
    Ok(see_other(&state.path(Place::Apps.path()))?)
}
