//! `/api/v1/users/me/sessions`: where one is logged in.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use utoipa::ToSchema;

use super::oneself::about_oneself;
use crate::account::{self, name};
use crate::api::authorization::{AccountRead, AccountWrite, Authorized};
use crate::api::body::ApiJson;
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::api::paging::{ApiQuery, List, Paging};
use crate::api::path::ApiPath;
use crate::api::sessions::{SessionView, end_one, listed};
use crate::audit::Kind;
use crate::protocol::id::SessionId;
use crate::state::AppState;
use crate::storage::sessions;
use crate::web::context::RequestContext;

/// List the browsers and applications in which one is logged in.
#[utoipa::path(get, path = "/users/me/sessions", tag = "account", params(Paging), security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, body = List<SessionView>), Errors))]
pub(super) async fn list(
    caller: Authorized<AccountRead>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Response, ApiError> {
    let id = caller.0.person()?.id.clone();
    listed(&state, &caller.0, Some(id), &paging.page()?, context.now).await
}

/// Log out everywhere else: all sessions but the one that this request was sent with.
///
/// Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(delete, path = "/users/me/sessions", tag = "account", security(("oauth2" = ["account:write"]), ("session" = [])),
    responses((status = 204), Errors))]
pub(super) async fn end_others(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
) -> Result<StatusCode, ApiError> {
    let user = caller.0.fresh(&state, &context).await?;
    let event = about_oneself(&caller, Kind::SessionEnded, &context)?;
    account::sessions::end_others(&state, &user.id, caller.0.session(), &event).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Log out one browser or application.
///
/// For another one than the caller's own it needs a proof of the last five minutes that it is still the person.
#[utoipa::path(delete, path = "/users/me/sessions/{session_id}", tag = "account", params(("session_id" = String, Path)),
    security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn end(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<SessionId>,
) -> Result<StatusCode, ApiError> {
    let user_id = &caller.0.person()?.id;
    let found = sessions::by_id(&mut state.db.read().await?, &id).await?;
    // Somebody else's is as if it were not there.
    if found.is_none_or(|session| session.user_id != *user_id) {
        return Err(ApiError::not_found());
    }
    if caller.0.session() != Some(&id) {
        caller.0.fresh(&state, &context).await?;
    }
    end_one(&state, &id, &about_oneself(&caller, Kind::SessionEnded, &context)?).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct SessionName {
    /// One line, 64 characters at most; empty to call it what it calls itself.
    #[schema(max_length = 64)]
    name: String,
}

/// Call one browser or application something else.
#[utoipa::path(patch, path = "/users/me/sessions/{session_id}", tag = "account", params(("session_id" = String, Path)),
    request_body = SessionName, security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn rename(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<SessionId>,
    ApiJson(new): ApiJson<SessionName>,
) -> Result<StatusCode, ApiError> {
    let user_id = &caller.0.person()?.id;
    let event = about_oneself(&caller, Kind::SessionRenamed, &context)?;
    let renamed = account::sessions::rename(&state, (user_id, &id), name(&new.name).as_deref(), &event).await?;
    if renamed { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}
