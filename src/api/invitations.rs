//! `/api/v1/admin/invitations`: who was invited to register.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::authorization::{Authorized, UsersRead, UsersWrite};
use super::body::ApiJson;
use super::error::{ApiError, Detail};
use super::openapi::Errors;
use super::paging::{ApiQuery, List, Paging};
use super::path::ApiPath;
use super::route::{ApiRouter, routes};
use super::time::Time;
use super::users::normal_roles;
use crate::account::invitation::{Draft, Office};
use crate::audit::Kind;
use crate::config::RegistrationMode;
use crate::protocol::email_address::EmailAddress;
use crate::protocol::time::Seconds;
use crate::state::AppState;
use crate::storage;
use crate::storage::invitations::{self, Invitation};
use crate::web::context::RequestContext;

/// The routes about invitations.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new().routes(routes!(list, create)).routes(routes!(read, delete))
}

/// An invitation, without its link.
#[derive(Debug, Serialize, ToSchema)]
pub struct InvitationView {
    id: String,
    /// Nobody else may use it.
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<String>,
    /// What whoever registers with it gets.
    roles: Vec<String>,
    created_at: Time,
    expires_at: Time,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_at: Option<Time>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_by: Option<String>,
}

impl From<Invitation> for InvitationView {
    fn from(invitation: Invitation) -> Self {
        Self {
            id: invitation.id,
            email: invitation.address,
            roles: invitation.roles,
            created_at: Time(invitation.created_at),
            expires_at: Time(invitation.expires_at),
            used_at: invitation.used_at.map(Time),
            used_by: invitation.used_by.map(Into::into),
        }
    }
}

/// An invitation that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewInvitationView {
    #[serde(flatten)]
    invitation: InvitationView,
    /// Works once. It is shown now and never again; to an `email` it was mailed too, where mail is on.
    link: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewInvitation {
    /// Whom it is for: nobody else may use it. Without one, whoever has the link may.
    email: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

/// List invitations.
#[utoipa::path(get, path = "/admin/invitations", tag = "users", params(Paging), security(("oauth2" = ["users:read"]), ("session" = [])),
    responses((status = 200, body = List<InvitationView>), Errors))]
async fn list(
    _: Authorized<UsersRead>,
    State(state): State<AppState>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Json<List<InvitationView>>, ApiError> {
    let found = invitations::list(&mut state.db.read().await?, &paging.page()?).await?;
    Ok(Json(List::of(found, InvitationView::from)))
}

/// Invite somebody to register.
#[utoipa::path(post, path = "/admin/invitations", tag = "users", request_body = NewInvitation,
    security(("oauth2" = ["users:write"]), ("session" = [])),
    responses((status = 201, body = NewInvitationView, headers(("Location" = String))), Errors))]
async fn create(
    caller: Authorized<UsersWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiJson(new): ApiJson<NewInvitation>,
) -> Result<Response, ApiError> {
    if state.config.registration.mode == RegistrationMode::Closed {
        return Err(ApiError::registration_closed());
    }
    let roles = normal_roles(new.roles).map_err(|code| ApiError::invalid(vec![Detail::new("roles", code)]))?;
    caller.0.reaches(&roles, &state.config.admin)?;
    let parsed = new.email.as_deref().map(EmailAddress::parse).transpose();
    let address = parsed.map_err(|_| ApiError::invalid(vec![Detail::new("email", "invalid")]))?;
    let invited_by = caller.0.actor().id().map(str::to_owned);
    let lifetime = Seconds::hours(state.config.registration.invitation_hours);
    let draft = Draft { address, roles, invited_by, lifetime };
    let invited = Office::of(&state).invite(draft, caller.event(Kind::InvitationCreated, &context)).await?;
    let location = state.path(&format!("/api/v1/admin/invitations/{}", invited.invitation.id));
    let view = NewInvitationView { invitation: invited.invitation.into(), link: invited.link };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(view)).into_response())
}

/// Read an invitation.
#[utoipa::path(get, path = "/admin/invitations/{invitation_id}", tag = "users", params(("invitation_id" = String, Path)),
    security(("oauth2" = ["users:read"]), ("session" = [])), responses((status = 200, body = InvitationView), Errors))]
async fn read(
    _: Authorized<UsersRead>,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Json<InvitationView>, ApiError> {
    let found = invitations::by_id(&mut state.db.read().await?, &id).await?;
    Ok(Json(found.ok_or_else(ApiError::not_found)?.into()))
}

/// Take an invitation back.
#[utoipa::path(delete, path = "/admin/invitations/{invitation_id}", tag = "users", params(("invitation_id" = String, Path)),
    security(("oauth2" = ["users:write"]), ("session" = [])), responses((status = 204), Errors))]
async fn delete(
    caller: Authorized<UsersWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let mut event = caller.event(Kind::InvitationDeleted, &context);
    event.details.insert("invitation_id".to_owned(), id.as_str().into());
    let deleted = state.db.write(async |tx| {
        let deleted = invitations::delete(tx, &id).await?;
        if deleted {
            storage::audit::insert(tx, &event).await?;
        }
        Ok(deleted)
    });
    if deleted.await? { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}
