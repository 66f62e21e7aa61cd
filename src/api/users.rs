//! `/api/v1/admin/users`: the people.

pub mod access;
mod change;
pub mod factors;
mod password;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::authorization::{Authorized, UsersRead, UsersWrite};
use super::body::{ApiJson, SecretText};
use super::error::{ApiError, Detail};
use super::openapi::Errors;
use super::paging::{List, ListQuery, Paging};
use super::path::ApiPath;
use super::precondition::etag;
use super::profile::{Editor, patched};
use super::route::{ApiRouter, routes};
use super::time::Time;
use crate::audit::Kind;
use crate::protocol::claims::Profile;
use crate::protocol::email_address::EmailAddress;
use crate::protocol::id::UserId;
use crate::protocol::sign_in_name::SignInName;
use crate::random;
use crate::state::AppState;
use crate::storage::users::{User, UserFilter, UserStatus};
use crate::storage::{self, email_addresses, profiles, users};
use crate::web::context::RequestContext;

/// The routes about people.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, change::update, change::delete))
        .routes(routes!(password::set))
        .routes(routes!(factors::list, factors::reset))
        .routes(routes!(factors::remove_passkey))
        .routes(routes!(access::sessions, access::end_sessions))
        .routes(routes!(access::consents))
        .routes(routes!(access::revoke_consent))
}

/// A person, without what a list has no use for.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserSummary {
    /// The `sub` of tokens about this person.
    id: String,
    sign_in_name: String,
    #[schema(value_type = String, example = "active")]
    status: UserStatus,
    roles: Vec<String>,
    has_password: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    password_changed_at: Option<Time>,
    created_at: Time,
    updated_at: Time,
}

impl From<User> for UserSummary {
    fn from(user: User) -> Self {
        Self {
            id: user.id.into(),
            sign_in_name: user.sign_in_name.as_str().to_owned(),
            status: user.status,
            roles: user.roles,
            has_password: user.password_hash.is_some(),
            password_changed_at: user.password_changed_at.map(Time),
            created_at: Time(user.created_at),
            updated_at: Time(user.updated_at),
        }
    }
}

/// A person.
#[derive(Debug, Serialize, ToSchema)]
pub struct UserView {
    #[serde(flatten)]
    summary: UserSummary,
    /// Claims about the person, under the names of OpenID Connect Core section 5.1.
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<Profile>,
}

/// The answer with a person in it, and the ETag that a change needs.
pub(super) fn answer(status: StatusCode, user: User, profile: Option<Profile>) -> Response {
    let tag = etag(user.version);
    (status, [(header::ETAG, tag)], Json(UserView { summary: user.into(), profile })).into_response()
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Part of the sign-in name.
    name: Option<String>,
    #[param(value_type = Option<String>, example = "active")]
    status: Option<UserStatus>,
    role: Option<String>,
}

/// List people, in the order of their sign-in names.
#[utoipa::path(get, path = "/admin/users", tag = "users", params(Paging, Filter), security(("oauth2" = ["users:read"]), ("session" = [])),
    responses((status = 200, body = List<UserSummary>), Errors))]
async fn list(
    _: Authorized<UsersRead>,
    State(state): State<AppState>,
    ListQuery { page, filter }: ListQuery<Filter>,
) -> Result<Response, ApiError> {
    let filter = UserFilter { name_contains: filter.name, status: filter.status, role: filter.role };
    let mut conn = state.db.read().await?;
    let found = users::list(&mut conn, &filter, &page).await?;
    Ok(Json(List::of(found, UserSummary::from)).into_response())
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewUser {
    sign_in_name: String,
    /// Without one, the person can't log in with a password until one is set.
    password: Option<SecretText>,
    /// Instead of a password: its hash, as another system stored it (argon2, bcrypt, scrypt, PBKDF2). The next login replaces it.
    password_hash: Option<SecretText>,
    #[serde(default)]
    roles: Vec<String>,
    #[schema(value_type = Option<String>, example = "active")]
    status: Option<UserStatus>,
    #[schema(value_type = Option<Profile>)]
    profile: Option<serde_json::Value>,
}

/// Register a person.
#[utoipa::path(post, path = "/admin/users", tag = "users", request_body = NewUser,
    security(("oauth2" = ["users:write"]), ("session" = [])),
    responses((status = 201, body = UserView, headers(("ETag" = String), ("Location" = String))), Errors))]
async fn create(
    caller: Authorized<UsersWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiJson(new): ApiJson<NewUser>,
) -> Result<Response, ApiError> {
    let sign_in_name = sign_in_name(&new.sign_in_name)?;
    let roles = roles(new.roles)?;
    caller.0.reaches(&roles, &state.config.admin)?;
    let profile = new.profile.map_or(Ok(None), |patch| patched(None, patch, Editor::Administrator))?;
    let password_hash = match (&new.password, &new.password_hash) {
        (Some(_), Some(_)) => return Err(ApiError::invalid(vec![Detail::new("password_hash", "either_or")])),
        (None, Some(hash)) => Some(password::imported(hash)?),
        (Some(password), None) => Some(password::hash(&state, password, &sign_in_name, profile.as_ref()).await?),
        (None, None) => None,
    };
    let user = User {
        id: user_id(&random::uuid())?,
        sign_in_name,
        password_changed_at: password_hash.is_some().then_some(context.now),
        password_hash,
        status: new.status.unwrap_or(UserStatus::Active),
        roles,
        created_at: context.now,
        updated_at: context.now,
        version: 1,
    };
    let mut event = caller.event(Kind::UserCreated, &context);
    event.user_id = Some(user.id.clone());
    event.details.insert("roles".to_owned(), user.roles.clone().into());
    let inserted = state
        .db
        .write(async |tx| {
            users::insert(tx, &user).await?;
            if let Some(profile) = &profile {
                profiles::save(tx, &user.id, profile, context.now).await?;
            }
            storage::audit::insert(tx, &event).await
        })
        .await;
    taken(&state, &user.id, profile.as_ref(), inserted).await?;
    let location = state.path(&format!("/api/v1/admin/users/{}", user.id));
    Ok(([(header::LOCATION, location)], answer(StatusCode::CREATED, user, profile)).into_response())
}

/// Read a person.
#[utoipa::path(get, path = "/admin/users/{user_id}", tag = "users", params(("user_id" = String, Path)),
    security(("oauth2" = ["users:read"]), ("session" = [])),
    responses((status = 200, body = UserView, headers(("ETag" = String))), Errors))]
async fn read(
    _: Authorized<UsersRead>,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<UserId>,
) -> Result<Response, ApiError> {
    let (user, profile) = load(&state, &id).await?;
    Ok(answer(StatusCode::OK, user, profile))
}

/// A person with their profile, or 404.
pub(super) async fn load(state: &AppState, id: &UserId) -> Result<(User, Option<Profile>), ApiError> {
    let mut conn = state.db.read().await?;
    let user = users::by_id(&mut conn, id).await?.ok_or_else(ApiError::not_found)?;
    let profile = profiles::load(&mut conn, id).await?.map(|(profile, _)| profile);
    Ok((user, profile))
}

fn user_id(text: &str) -> Result<UserId, ApiError> {
    UserId::parse(text).map_err(|_| ApiError::not_found())
}

fn sign_in_name(text: &str) -> Result<SignInName, ApiError> {
    SignInName::parse(text).map_err(|_| ApiError::invalid(vec![Detail::new("sign_in_name", "invalid")]))
}

/// Role names are stored and compared, not interpreted: 1 to 64 printable ASCII characters without space, quotes or backslash.
fn roles(roles: Vec<String>) -> Result<Vec<String>, ApiError> {
    normal_roles(roles).map_err(|code| ApiError::invalid(vec![Detail::new("roles", code)]))
}

/// The same for the command line: in order and each once, or the code of what is wrong.
pub fn normal_roles(mut roles: Vec<String>) -> Result<Vec<String>, &'static str> {
    let sound = |role: &String| {
        (1..=64).contains(&role.len()) && role.bytes().all(|byte| matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e))
    };
    if roles.len() > 50 {
        return Err("too_many");
    }
    if !roles.iter().all(sound) {
        return Err("invalid");
    }
    roles.sort_unstable();
    roles.dedup();
    Ok(roles)
}

/// What clashed when a person was written: the address, if the profile says that it was verified, else the sign-in name.
async fn taken<T>(
    state: &AppState,
    id: &UserId,
    profile: Option<&Profile>,
    result: Result<T, storage::error::Error>,
) -> Result<T, ApiError> {
    let error = match result {
        Err(storage::error::Error::Conflict) => ApiError::sign_in_name_taken(),
        other => return Ok(other?),
    };
    let verified = profile.filter(|profile| profile.email_verified == Some(true)).and_then(|profile| profile.email.as_deref());
    let Some(address) = verified.and_then(|address| EmailAddress::parse(address).ok()) else { return Err(error) };
    let mut conn = state.db.read().await?;
    Err(if email_addresses::is_taken(&mut conn, &address, Some(id)).await? { ApiError::email_taken() } else { error })
}
