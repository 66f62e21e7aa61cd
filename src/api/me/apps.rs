//! `/api/v1/users/me/connected-apps` and `…/consents`: who acts on one's behalf.

use std::collections::BTreeSet;

use axum::Json;
use axum::extract::State;
use http::{HeaderMap, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use super::oneself::{Oneself, about_oneself};
use super::text;
use crate::account::apps::connected;
use crate::api::authorization::{AccountRead, AccountWrite, Authorized};
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::api::paging::List;
use crate::api::path::ApiPath;
use crate::api::time::Time;
use crate::api::users::access::{ConsentView, consents_of, take_back};
use crate::audit::Kind;
use crate::pages::view::{ClientView, in_order, scope_sentence};
use crate::protocol::id::ClientId;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::web::context::RequestContext;

/// An application that acts on one's behalf.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConnectedApp {
    client_id: String,
    name: String,
    may: Vec<Permission>,
    /// Identifiers of the resources that it named when it asked (RFC 8707).
    resources: BTreeSet<String>,
    since: Time,
    /// When it last got tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_used_at: Option<Time>,
}

#[derive(Debug, Serialize, ToSchema)]
struct Permission {
    scope: String,
    /// In the language that the request prefers.
    description: String,
}

/// List the applications that act on one's behalf, and what each may do.
#[utoipa::path(get, path = "/users/me/connected-apps", tag = "account", security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, body = List<ConnectedApp>), Errors))]
pub(super) async fn list(
    caller: Authorized<AccountRead>,
    context: RequestContext,
    State(state): State<AppState>,
    headers: HeaderMap,
) -> Result<Json<List<ConnectedApp>>, ApiError> {
    let user = Oneself::of(&caller.0)?.user;
    let text = text(&state, &headers);
    let sentences = state.scope_sentences().await?;
    let permission = |value: &str| Permission { description: scope_sentence(text, value, &sentences), scope: value.to_owned() };
    let found = connected(&state, &user.id, context.now).await?.into_iter().map(|app| ConnectedApp {
        name: ClientView::new(&app.client).name,
        may: in_order(&app.scope).into_iter().map(permission).collect(),
        resources: app.resources,
        since: Time(app.since),
        last_used_at: app.last_used.map(Time),
        client_id: app.client.id.to_string(),
    });
    Ok(Json(List { items: found.collect(), next: None }))
}

/// Shut an application out: what one allowed it is taken back, and every token that it holds. The same as
/// `DELETE /users/me/consents/{client_id}`.
///
/// Needs a proof of the last five minutes that it is still the person, unless the application asks for itself.
#[utoipa::path(delete, path = "/users/me/connected-apps/{client_id}", tag = "account", params(("client_id" = String, Path)),
    security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn disconnect(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(client): ApiPath<ClientId>,
) -> Result<StatusCode, ApiError> {
    shut_out(&caller, &context, &state, &client).await
}

/// An application gives back what is its own. Whatever another one holds, its logins included, ends by who proved just now that it
/// is them, and not through an application of others.
async fn shut_out(
    caller: &Authorized<AccountWrite>,
    context: &RequestContext,
    state: &AppState,
    client: &ClientId,
) -> Result<StatusCode, ApiError> {
    let user = caller.0.person()?;
    if caller.0.client_id() != Some(client) {
        Oneself::fresh(&caller.0, state, context).await?;
    }
    let event = Event { client_id: Some(client.clone()), ..about_oneself(caller, Kind::ConsentRevoked, context)? };
    take_back(state, &user.id, client, event, context.now).await
}

/// List what one allowed applications.
#[utoipa::path(get, path = "/users/me/consents", tag = "account", security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, body = List<ConsentView>), Errors))]
pub(super) async fn consents(
    caller: Authorized<AccountRead>,
    State(state): State<AppState>,
) -> Result<Json<List<ConsentView>>, ApiError> {
    consents_of(&state, &caller.0.person()?.id).await
}

/// Take back what one allowed an application, and everything that it was given.
///
/// Needs a proof of the last five minutes that it is still the person, unless the application asks for itself.
#[utoipa::path(delete, path = "/users/me/consents/{client_id}", tag = "account", params(("client_id" = String, Path)),
    security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn revoke_consent(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(client): ApiPath<ClientId>,
) -> Result<StatusCode, ApiError> {
    shut_out(&caller, &context, &state, &client).await
}
