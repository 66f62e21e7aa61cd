//! The administrator's start page: what there is, and where it is managed.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;

use super::flow::frame;
use super::reauthenticate::{Target, step_up};
use super::{site, view};
use crate::flow::visitor::Visitor;
use crate::protocol::scope::Scope;
use crate::protocol::time::Seconds;
use crate::state::AppState;
use crate::storage::users::User;
use crate::storage::{clients, sessions, signing_keys, users};
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};
use crate::web::headers::{Csp, Nonce};
use crate::web::redirect::see_other;

/// What the person's roles let them do in the management API (`admin.roles`). `None`: nothing.
pub fn scope_of(state: &AppState, user: &User) -> Option<Scope> {
    let scopes = user.roles.iter().filter_map(|role| state.config.admin.roles.get(role));
    let all = scopes.fold(Scope::default(), |sum, scope| sum.union(scope));
    (!all.is_empty()).then_some(all)
}

/// `GET /admin`.
pub async fn get(State(state): State<AppState>, context: RequestContext, visitor: Visitor) -> Result<Response, PageError> {
    let Some(login) = &visitor.login else { return Ok(see_other(&state.path("/login"))?) };
    let scope = scope_of(&state, &login.user).ok_or(Problem::new(
        StatusCode::FORBIDDEN,
        "access_denied",
        "role_missing",
        "The page is for administrators",
    ))?;
    if let Some(elsewhere) = step_up(&state, login, Target::Admin).await? {
        return Ok(elsewhere);
    }
    let idle = Seconds(state.config.session.idle);
    let mut conn = state.db.read().await?;
    let mut count = view::Counts::default();
    // A number is shown to those who may see the list that it counts.
    if scope.contains("users:read") {
        count.users = Some(users::count(&mut conn).await?);
    }
    if scope.contains("clients:read") {
        count.clients = Some(clients::count(&mut conn).await?);
    }
    if scope.contains("sessions:read") {
        count.sessions = Some(sessions::count(&mut conn, context.now, idle).await?);
    }
    if scope.contains("keys:read") {
        count.keys = Some(signing_keys::count(&mut conn).await?);
    }
    drop(conn);
    let nonce = Nonce::random();
    let view = view::Admin { frame: frame(&state, &visitor, None, &nonce), issuer: state.config.server.issuer.clone(), count };
    Ok(site::answer(Csp::Page { nonce: Some(&nonce) }, &view)?)
}
