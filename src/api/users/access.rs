//! Where a person is logged in, and which applications act on their behalf.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::load;
use crate::account::apps::disconnect;
use crate::api::authorization::{Authorized, SessionsRead, SessionsWrite, UsersRead, UsersWrite};
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::api::paging::{ApiQuery, List, Paging};
use crate::api::path::ApiPath;
use crate::api::sessions::{SessionView, listed};
use crate::api::time::Time;
use crate::audit::Kind;
use crate::protocol::id::{ClientId, UserId};
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::storage::consents::Consent;
use crate::storage::{self, consents, sessions};
use crate::web::context::RequestContext;

/// List the browser sessions of a person.
#[utoipa::path(get, path = "/admin/users/{user_id}/sessions", tag = "users", params(("user_id" = String, Path), Paging),
    security(("oauth2" = ["sessions:read"]), ("session" = [])), responses((status = 200, body = List<SessionView>), Errors))]
pub(super) async fn sessions(
    caller: Authorized<SessionsRead>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Response, ApiError> {
    load(&state, &id).await?;
    listed(&state, &caller.0, Some(id), &paging.page()?, context.now).await
}

/// Log a person out everywhere.
#[utoipa::path(delete, path = "/admin/users/{user_id}/sessions", tag = "users", params(("user_id" = String, Path)),
    security(("oauth2" = ["sessions:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn end_sessions(
    caller: Authorized<SessionsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<StatusCode, ApiError> {
    let (user, _) = load(&state, &id).await?;
    caller.0.reaches(&user.roles, &state.config.admin)?;
    let mut event = caller.event(Kind::SessionEnded, &context);
    event.user_id = Some(id.clone());
    state
        .db
        .write(async |tx| {
            let ended = sessions::end_all(tx, &id, None, state.ending(context.now)).await?;
            let mut event = event.clone();
            event.details.insert("sessions".to_owned(), ended.into());
            storage::audit::insert(tx, &event).await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// What a person allowed an application.
#[derive(Debug, Serialize, ToSchema)]
pub struct ConsentView {
    client_id: String,
    /// Values separated by spaces.
    scope: String,
    /// Claims that were asked for by name.
    claims: Vec<String>,
    /// The APIs that were named.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    resources: Vec<String>,
    created_at: Time,
    updated_at: Time,
}

impl From<Consent> for ConsentView {
    fn from(consent: Consent) -> Self {
        Self {
            resources: consent.resources().into_iter().collect(),
            client_id: consent.client_id.into(),
            scope: consent.scope.to_string(),
            claims: consent.claims.into_iter().collect(),
            created_at: Time(consent.created_at),
            updated_at: Time(consent.updated_at),
        }
    }
}

/// List what a person allowed applications.
#[utoipa::path(get, path = "/admin/users/{user_id}/consents", tag = "users", params(("user_id" = String, Path)),
    security(("oauth2" = ["users:read"]), ("session" = [])), responses((status = 200, body = List<ConsentView>), Errors))]
pub(super) async fn consents(
    _: Authorized<UsersRead>,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<Json<List<ConsentView>>, ApiError> {
    load(&state, &id).await?;
    consents_of(&state, &id).await
}

/// All consents of one person: as many as there are applications they use, so one page.
pub(in crate::api) async fn consents_of(state: &AppState, id: &UserId) -> Result<Json<List<ConsentView>>, ApiError> {
    let mut conn = state.db.read().await?;
    let found = consents::list_for_user(&mut conn, id).await?;
    Ok(Json(List { items: found.into_iter().map(ConsentView::from).collect(), next: None }))
}

/// Take back what a person allowed an application, and everything that it was given.
#[utoipa::path(delete, path = "/admin/users/{user_id}/consents/{client_id}", tag = "users",
    params(("user_id" = String, Path), ("client_id" = String, Path)),
    security(("oauth2" = ["users:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn revoke_consent(
    caller: Authorized<UsersWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath((id, client)): ApiPath<(UserId, ClientId)>,
) -> Result<StatusCode, ApiError> {
    let (user, _) = load(&state, &id).await?;
    caller.0.reaches(&user.roles, &state.config.admin)?;
    let mut event = caller.event(Kind::ConsentRevoked, &context);
    event.user_id = Some(id.clone());
    event.client_id = Some(client.clone());
    take_back(&state, &id, &client, event, context.now).await
}

/// Deletes a consent and revokes the client's grants, which a first-party client has without one; 404 when there is neither.
pub(in crate::api) async fn take_back(
    state: &AppState,
    user: &UserId,
    client: &ClientId,
    event: storage::audit::Event,
    now: Timestamp,
) -> Result<StatusCode, ApiError> {
    if disconnect(state, (user, client), &event, now).await? { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}
