//! Changing and deleting a person.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{answer, load, roles, sign_in_name, taken};
use crate::account::end_everything;
use crate::api::authorization::limits::{last_holders, scopes_of};
use crate::api::authorization::{Authorized, UsersWrite};
use crate::api::body::{MergePatch, typed};
use crate::api::error::{ApiError, Detail};
use crate::api::openapi::Errors;
use crate::api::path::ApiPath;
use crate::api::precondition::IfMatch;
use crate::api::profile::{Editor, patched};
use crate::audit::Kind;
use crate::protocol::claims::Profile;
use crate::protocol::id::UserId;
use crate::protocol::scope::Scope;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::users::{User, UserStatus};
use crate::storage::{self, profiles, users};
use crate::web::context::RequestContext;

/// A merge patch (RFC 7396): what is not named stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UserPatch {
    sign_in_name: Option<String>,
    /// `disabled` ends the person's sessions and everything that applications were given on their behalf.
    #[schema(value_type = Option<String>, example = "disabled")]
    status: Option<UserStatus>,
    /// All of them: this replaces those that are there.
    roles: Option<Vec<String>>,
    /// Merged member by member; `null` removes it.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Profile>)]
    profile: Option<Value>,
}

/// `null` is a value too, other than no member at all.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Value>, D::Error> {
    Value::deserialize(deserializer).map(Some)
}

/// What a transaction came to. It is committed either way, so whatever refuses comes before whatever writes.
enum Outcome {
    Done,
    /// Somebody else was faster.
    Changed,
    LastAdministrator,
}

impl Outcome {
    fn check(&self) -> Result<(), ApiError> {
        match self {
            Self::Done => Ok(()),
            Self::Changed => Err(ApiError::precondition_failed()),
            Self::LastAdministrator => Err(ApiError::last_administrator()),
        }
    }
}

/// Change a person.
#[utoipa::path(patch, path = "/admin/users/{user_id}", tag = "users", params(("user_id" = String, Path), ("If-Match" = String, Header)),
    request_body(content((UserPatch = "application/merge-patch+json"), (UserPatch = "application/json"))),
    security(("oauth2" = ["users:write"]), ("session" = [])),
    responses((status = 200, body = super::UserView, headers(("ETag" = String))), Errors))]
pub(super) async fn update(
    caller: Authorized<UsersWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
    precondition: IfMatch,
    MergePatch(patch): MergePatch,
) -> Result<Response, ApiError> {
    let (before, old_profile) = seen(&state, &caller, &id, &precondition).await?;
    let (after, profile) = apply(&before, old_profile.as_ref(), patch, &context)?;
    caller.0.reaches(&after.roles, &state.config.admin)?;

    let lost = lost(&before, Some(&after), &state);
    let events = events(&caller, &context, &before, &after, profile != old_profile);
    let written = state
        .db
        .write(async |tx| {
            if !last_holders(tx, &id, &lost, &state.config.admin).await?.is_empty() {
                return Ok(Outcome::LastAdministrator);
            }
            if !users::update(tx, &after, before.version).await? {
                return Ok(Outcome::Changed);
            }
            if profile != old_profile {
                match &profile {
                    Some(profile) => profiles::save(tx, &id, profile, context.now).await?,
                    None => _ = profiles::delete(tx, &id).await?,
                }
            }
            if before.is_active() && !after.is_active() {
                end_everything(tx, &id, None, context.now).await?;
            }
            for event in &events {
                storage::audit::insert(tx, event).await?;
            }
            Ok(Outcome::Done)
        })
        .await;
    taken(&state, &id, profile.as_ref(), written).await?.check()?;
    let after = User { version: before.version + 1, ..after };
    Ok(answer(StatusCode::OK, after, profile))
}

/// Delete a person, with their sessions, consents and everything that applications were given on their behalf.
#[utoipa::path(delete, path = "/admin/users/{user_id}", tag = "users", params(("user_id" = String, Path), ("If-Match" = String, Header)),
    security(("oauth2" = ["users:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn delete(
    caller: Authorized<UsersWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
    precondition: IfMatch,
) -> Result<StatusCode, ApiError> {
    let (user, _) = seen(&state, &caller, &id, &precondition).await?;
    let lost = lost(&user, None, &state);
    let mut event = caller.event(Kind::UserDeleted, &context);
    event.user_id = Some(id.clone());
    let written = state
        .db
        .write(async |tx| {
            if !last_holders(tx, &id, &lost, &state.config.admin).await?.is_empty() {
                return Ok(Outcome::LastAdministrator);
            }
            // Only while the person is as they were when it was decided that the caller may do this.
            if !users::update(tx, &user, user.version).await? {
                return Ok(Outcome::Changed);
            }
            end_everything(tx, &id, None, context.now).await?;
            users::delete(tx, &id).await?;
            storage::audit::insert(tx, &event).await?;
            Ok(Outcome::Done)
        })
        .await?;
    written.check()?;
    Ok(StatusCode::NO_CONTENT)
}

/// The person, if they are as the caller has seen them and within the caller's reach.
async fn seen(
    state: &AppState,
    caller: &Authorized<UsersWrite>,
    id: &UserId,
    precondition: &IfMatch,
) -> Result<(User, Option<Profile>), ApiError> {
    let (user, profile) = load(state, id).await?;
    precondition.check(user.version)?;
    caller.0.reaches(&user.roles, &state.config.admin)?;
    Ok((user, profile))
}

/// The person and the profile as they are after the patch.
fn apply(
    before: &User,
    old_profile: Option<&Profile>,
    patch: Map<String, Value>,
    context: &RequestContext,
) -> Result<(User, Option<Profile>), ApiError> {
    if let Some((name, _)) = patch.iter().find(|(name, value)| value.is_null() && *name != "profile") {
        return Err(ApiError::invalid(vec![Detail::new(name, "required")]));
    }
    let patch: UserPatch = typed(Value::Object(patch))?;
    let profile = match patch.profile {
        Some(change) => patched(old_profile, change, Editor::Administrator)?,
        None => old_profile.cloned(),
    };
    let mut after = User { updated_at: context.now, ..before.clone() };
    if let Some(name) = &patch.sign_in_name {
        after.sign_in_name = sign_in_name(name)?;
    }
    if let Some(status) = patch.status {
        after.status = status;
    }
    if let Some(new) = patch.roles {
        after.roles = roles(new)?;
    }
    Ok((after, profile))
}

/// Scopes of this API that the person could use before and can't after.
fn lost(before: &User, after: Option<&User>, state: &AppState) -> Scope {
    let of = |user: &User| if user.is_active() { scopes_of(&user.roles, &state.config.admin) } else { Scope::default() };
    of(before).difference(&after.map_or_else(Scope::default, of))
}

fn events(caller: &Authorized<UsersWrite>, context: &RequestContext, before: &User, after: &User, profile: bool) -> Vec<Event> {
    let event = |kind| Event { user_id: Some(before.id.clone()), ..caller.event(kind, context) };
    let mut events = Vec::new();
    let name = before.sign_in_name.as_str() != after.sign_in_name.as_str();
    let changed: Vec<&str> =
        [("sign_in_name", name), ("profile", profile)].into_iter().filter(|(_, is)| *is).map(|(what, _)| what).collect();
    let roles = before.roles != after.roles;
    let status = before.status != after.status;
    if !changed.is_empty() || !(roles || status) {
        let mut event = event(Kind::UserUpdated);
        event.details.insert("changed".to_owned(), changed.into());
        events.push(event);
    }
    if roles {
        let mut event = event(Kind::UserRolesChanged);
        event.details.insert("before".to_owned(), before.roles.clone().into());
        event.details.insert("after".to_owned(), after.roles.clone().into());
        events.push(event);
    }
    if status {
        events.push(event(if after.is_active() { Kind::UserEnabled } else { Kind::UserDisabled }));
    }
    events
}
