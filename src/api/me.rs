//! `/api/v1/users/me`: one's own account.

use axum::Json;
use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::authorization::{AccountRead, AccountWrite, Authorized};
use super::body::MergePatch;
use super::error::{ApiError, Detail};
use super::openapi::Errors;
use super::paging::{ApiQuery, List, Paging};
use super::path::ApiPath;
use super::precondition::IfMatch;
use super::profile::{Editor, patched};
use super::sessions::{SessionView, end_one, listed};
use super::users::access::{ConsentView, consents_of, take_back};
use super::users::{UserView, answer, load};
use crate::audit::Kind;
use crate::protocol::id::{ClientId, SessionId};
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::users::User;
use crate::storage::{self, profiles, sessions, users};
use crate::web::context::RequestContext;

/// The routes about one's own account.
pub(super) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(read, update))
        .routes(routes!(list_sessions, end_other_sessions))
        .routes(routes!(end_session))
        .routes(routes!(consents))
        .routes(routes!(revoke_consent))
}

/// Read one's own account.
#[utoipa::path(get, path = "/users/me", tag = "account", security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, body = UserView, headers(("ETag" = String))), Errors))]
async fn read(caller: Authorized<AccountRead>, State(state): State<AppState>) -> Result<Response, ApiError> {
    let (user, profile) = load(&state, &caller.0.person()?.id).await?;
    Ok(answer(StatusCode::OK, user, profile))
}

/// Change one's own profile: a merge patch (RFC 7396) with the one member `profile`. A new e-mail address or telephone
/// number is not verified.
#[utoipa::path(patch, path = "/users/me", tag = "account", params(("If-Match" = String, Header)),
    request_body(content((ProfilePatch = "application/merge-patch+json"), (ProfilePatch = "application/json"))),
    security(("oauth2" = ["account:write"]), ("session" = [])),
    responses((status = 200, body = UserView, headers(("ETag" = String))), Errors))]
async fn update(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    precondition: IfMatch,
    MergePatch(mut patch): MergePatch,
) -> Result<Response, ApiError> {
    let (user, present) = load(&state, &caller.0.person()?.id).await?;
    precondition.check(user.version)?;
    let change = patch.shift_remove("profile").unwrap_or_else(|| json!({}));
    if let Some(name) = patch.keys().next() {
        return Err(ApiError::invalid(vec![Detail::new(name, "not_yours_to_change")]));
    }
    let profile = patched(present.as_ref(), change, Editor::Owner)?;
    let after = User { updated_at: context.now, ..user.clone() };
    let mut event = about_oneself(&caller, Kind::UserUpdated, &context)?;
    event.details.insert("changed".to_owned(), Value::from(vec!["profile"]));
    let written = state
        .db
        .write(async |tx| {
            if !users::update(tx, &after, user.version).await? {
                return Ok(false);
            }
            match &profile {
                Some(profile) => profiles::save(tx, &user.id, profile, context.now).await?,
                None => _ = profiles::delete(tx, &user.id).await?,
            }
            storage::audit::insert(tx, &event).await?;
            Ok(true)
        })
        .await?;
    if !written {
        return Err(ApiError::precondition_failed());
    }
    let after = User { version: user.version + 1, ..after };
    Ok(answer(StatusCode::OK, after, profile))
}

/// What a person may change of their own account.
#[derive(Debug, utoipa::ToSchema)]
#[expect(dead_code, reason = "describes the body, which is merged before it is read")]
struct ProfilePatch {
    /// Merged member by member; `null` removes it.
    profile: Option<crate::protocol::claims::Profile>,
}

/// List the browsers in which one is logged in.
#[utoipa::path(get, path = "/users/me/sessions", tag = "account", params(Paging), security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, body = List<SessionView>), Errors))]
async fn list_sessions(
    caller: Authorized<AccountRead>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Response, ApiError> {
    let id = caller.0.person()?.id.clone();
    listed(&state, &caller.0, Some(id), &paging.page()?, context.now).await
}

/// Log out everywhere else: all sessions but the one that this request was sent with.
#[utoipa::path(delete, path = "/users/me/sessions", tag = "account", security(("oauth2" = ["account:write"]), ("session" = [])),
    responses((status = 204), Errors))]
async fn end_other_sessions(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
) -> Result<StatusCode, ApiError> {
    let id = &caller.0.person()?.id;
    let current = caller.0.session();
    let event = about_oneself(&caller, Kind::SessionEnded, &context)?;
    state
        .db
        .write(async |tx| {
            let ended = sessions::end_all(tx, id, current).await?;
            let mut event = event.clone();
            event.details.insert("sessions".to_owned(), ended.into());
            storage::audit::insert(tx, &event).await
        })
        .await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Log out one browser.
#[utoipa::path(delete, path = "/users/me/sessions/{session_id}", tag = "account", params(("session_id" = String, Path)),
    security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 204), Errors))]
async fn end_session(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<SessionId>,
) -> Result<StatusCode, ApiError> {
    let own = {
        let mut conn = state.db.read().await?;
        sessions::by_id(&mut conn, &id).await?.is_some_and(|session| Some(&session.user_id) == caller.0.user_id())
    };
    let event = about_oneself(&caller, Kind::SessionEnded, &context)?;
    // Somebody else's is as if it were not there.
    if own { end_one(&state, &id, &event).await } else { Err(ApiError::not_found()) }
}

/// List what one allowed applications.
#[utoipa::path(get, path = "/users/me/consents", tag = "account", security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, body = List<ConsentView>), Errors))]
async fn consents(caller: Authorized<AccountRead>, State(state): State<AppState>) -> Result<Json<List<ConsentView>>, ApiError> {
    consents_of(&state, &caller.0.person()?.id).await
}

/// Take back what one allowed an application, and everything that it was given.
#[utoipa::path(delete, path = "/users/me/consents/{client_id}", tag = "account", params(("client_id" = String, Path)),
    security(("oauth2" = ["account:write"]), ("session" = [])), responses((status = 204), Errors))]
async fn revoke_consent(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(client): ApiPath<ClientId>,
) -> Result<StatusCode, ApiError> {
    let event = Event { client_id: Some(client.clone()), ..about_oneself(&caller, Kind::ConsentRevoked, &context)? };
    take_back(&state, &caller.0.person()?.id, &client, event, context.now).await
}

fn about_oneself<S>(caller: &Authorized<S>, kind: Kind, context: &RequestContext) -> Result<Event, ApiError> {
    Ok(Event { user_id: Some(caller.0.person()?.id.clone()), ..caller.event(kind, context) })
}
