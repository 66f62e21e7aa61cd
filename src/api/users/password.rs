//! A person's password, set by somebody else.

use axum::extract::State;
use http::StatusCode;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;

use super::{SecretText, load};
use crate::api::authorization::{Authorized, UsersWrite};
use crate::api::body::ApiJson;
use crate::api::error::{ApiError, Detail};
use crate::api::openapi::Errors;
use crate::api::path::ApiPath;
use crate::audit::Kind;
use crate::authn::password::{ImportedHash, NewPasswordProblem, UnusableHash};
use crate::protocol::claims::Profile;
use crate::protocol::id::UserId;
use crate::protocol::sign_in_name::SignInName;
use crate::state::AppState;
use crate::storage::{self, users};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    password: SecretText,
}

/// Set a person's password. It ends their sessions and everything that applications were given on their behalf.
#[utoipa::path(put, path = "/admin/users/{user_id}/password", tag = "users", params(("user_id" = String, Path)), request_body = NewPassword,
    security(("oauth2" = ["users:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn set(
    caller: Authorized<UsersWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
    ApiJson(new): ApiJson<NewPassword>,
) -> Result<StatusCode, ApiError> {
    let (user, profile) = load(&state, &id).await?;
    caller.0.reaches(&user.roles, &state.config.admin)?;
    let hash = hash(&state, &new.password, &user.sign_in_name, profile.as_ref()).await?;
    let mut event = caller.event(Kind::UserPasswordChanged, &context);
    event.user_id = Some(id.clone());
    let written = state
        .db
        .write(async |tx| {
            // Only while the person is as they were when it was decided that the caller may do this.
            if !users::update(tx, &user, user.version).await? {
                return Ok(false);
            }
            users::set_password(tx, &id, &hash, context.now).await?;
            crate::account::end_everything(tx, &id, None, context.now).await?;
            storage::audit::insert(tx, &event).await?;
            Ok(true)
        })
        .await?;
    if written { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::precondition_failed()) }
}

/// The hash of a password that keeps to the rules.
pub(super) async fn hash(
    state: &AppState,
    password: &SecretText,
    sign_in_name: &SignInName,
    profile: Option<&Profile>,
) -> Result<SecretString, ApiError> {
    let known = profile.map(known).unwrap_or_default();
    let checked = state.password_policy.new_password(password.0.expose_secret(), sign_in_name.as_str(), &known).await;
    let password = checked.map_err(|problem| match problem {
        NewPasswordProblem::Uncheckable => Problem::overloaded().into(),
        problem => ApiError::invalid(vec![Detail::new("password", problem.code())]),
    })?;
    Ok(state.passwords.hash(&password).await?)
}

/// What of a profile others might try as a password.
fn known(profile: &Profile) -> Vec<&str> {
    let claims = [&profile.email, &profile.name, &profile.given_name, &profile.family_name, &profile.nickname];
    claims.into_iter().flatten().map(String::as_str).collect()
}

/// A hash that another system made, ready to be stored.
pub(super) fn imported(hash: &SecretText) -> Result<SecretString, ApiError> {
    ImportedHash::to_stored(hash.0.expose_secret()).map_err(|problem| {
        let code = match problem {
            UnusableHash::Unknown => "unsupported",
            UnusableHash::TooCostly => "too_costly",
        };
        ApiError::invalid(vec![Detail::new("password_hash", code)])
    })
}
