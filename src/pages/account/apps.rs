//! The applications that act on a person's behalf, what they may do, and shutting them out.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::nav::{Nav, Place};
use super::{PURPOSE, by, checked};
use crate::audit::Kind;
use crate::flow::visitor::{Login, Visitor};
use crate::pages::flow::frame;
use crate::pages::view::{self, ConnectedApp, Frame, Moment, field, in_order, scope_sentence};
use crate::pages::{form, site};
use crate::protocol::id::ClientId;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::storage::audit::{self, Event};
use crate::storage::{consents, grants};
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

/// Those that the person agreed to, and those of the house that act without asking, in the order of their names.
///
/// When each was last used is read from the audit log, which is written at every issue anyway: no token costs a write more.
pub(super) async fn rows(
    state: &AppState,
    context: &RequestContext,
    frame: &Frame,
    login: &Login,
) -> Result<Vec<ConnectedApp>, Problem> {
    let user_id = &login.user.id;
    let mut conn = state.db.read().await?;
    let mut found: BTreeMap<ClientId, (Scope, Timestamp)> = BTreeMap::new();
    for consent in consents::list_for_user(&mut conn, user_id).await? {
        found.insert(consent.client_id, (consent.scope, consent.created_at));
    }
    for grant in grants::live_for_user(&mut conn, user_id, context.now).await? {
        let known = found.entry(grant.client_id).or_insert_with(|| (Scope::default(), grant.created_at));
        known.0 = known.0.union(&grant.scope);
        known.1 = known.1.min(grant.created_at);
    }
    let last_uses: BTreeMap<ClientId, Timestamp> = audit::last_uses(&mut conn, user_id).await?.into_iter().collect();
    drop(conn);
    let mut apps = Vec::with_capacity(found.len());
    for (id, (scope, since)) in found {
        let Some(client) = state.clients.load(&id).await? else { continue };
        let sentence = |value| scope_sentence(frame.text, value, &state.config.tokens.scopes);
        apps.push(ConnectedApp {
            name: view::ClientView::new(&client).name,
            may: in_order(&scope).into_iter().map(sentence).collect(),
            since: Moment(since),
            last_used: last_uses.get(&id).map(|at| Moment(*at)),
            client_id: id.to_string(),
        });
    }
    apps.sort_by_key(|app| app.name.to_lowercase());
    Ok(apps)
}

/// `POST /account/apps`: takes the consent back, and every token that the client holds of it.
pub async fn post(
    State(state): State<AppState>,
    context: RequestContext,
    visitor: Visitor,
    PageForm(params): PageForm,
) -> Result<Response, PageError> {
    let Some(login) = checked(&state, &context, &visitor, &params)? else { return Ok(see_other(&state.path("/login"))?) };
    let client_id = ClientId::parse(params.get(field::CLIENT).unwrap_or_default())
        .map_err(|_| Problem::request(StatusCode::BAD_REQUEST, "client_id_malformed", "The form is malformed"))?;
    let event = Event { client_id: Some(client_id.clone()), ..by(login, Kind::ConsentRevoked, &context) };
    let user_id = &login.user.id;
    state
        .db
        .write(async |tx| {
            let consented = consents::delete(tx, user_id, &client_id).await?;
            let revoked = grants::revoke_for_client_and_user(tx, &client_id, user_id, context.now).await?;
            if consented || revoked > 0 {
                audit::insert(tx, &event).await?;
            }
            Ok(())
        })
        .await?;
    Ok(see_other(&state.path(Place::Apps.path()))?)
}
