//! `/api/v1/users/me`: one's own account. What our pages can do with it can be done here too, by the same functions.
//!
//! An application of somebody else's may read and change the profile, and see and end sessions and consents, if the person allowed
//! it. The rest is for our pages and for applications that are registered as first-party.

mod apps;
mod credentials;
mod data;
mod factors;
mod oneself;
mod passkeys;
mod sessions;

use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

use self::oneself::about_oneself;
use super::authorization::{AccountRead, AccountWrite, Authorized};
use super::body::MergePatch;
use super::error::{ApiError, Detail};
use super::openapi::Errors;
use super::precondition::IfMatch;
use super::profile::{Editor, patched};
use super::route::{ApiRouter, routes};
use super::users::{UserView, answer, load};
use crate::account::passkeys::Removal;
use crate::audit::Kind;
use crate::pages::site::Site;
use crate::state::AppState;
use crate::storage::users::User;
use crate::storage::{self, profiles, users};
use crate::text::Text;
use crate::web::context::RequestContext;

/// The routes about one's own account.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new()
        .routes(routes!(read, update, data::leave))
        .routes(routes!(sessions::list, sessions::end_others))
        .routes(routes!(sessions::end, sessions::rename))
        .routes(routes!(factors::list))
        .routes(routes!(factors::offer, factors::remove))
        .routes(routes!(factors::enrol))
        .routes(routes!(factors::left, factors::renew))
        .routes(routes!(passkeys::list, passkeys::create))
        .routes(routes!(passkeys::options))
        .routes(routes!(passkeys::rename, passkeys::remove))
        .routes(routes!(credentials::change_password, credentials::remove_password))
        .routes(routes!(credentials::show_email, credentials::change_email))
        .routes(routes!(credentials::verify_email))
        .routes(routes!(credentials::confirm_email))
        .routes(routes!(apps::list))
        .routes(routes!(apps::disconnect))
        .routes(routes!(apps::consents))
        .routes(routes!(apps::revoke_consent))
        .routes(routes!(data::activity))
        .routes(routes!(data::take_copy))
}

/// Read one's own account.
#[utoipa::path(get, path = "/users/me", tag = "account", security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, body = UserView, headers(("ETag" = String))), Errors))]
async fn read(caller: Authorized<AccountRead>, State(state): State<AppState>) -> Result<Response, ApiError> {
    let (user, profile) = load(&state, &caller.0.person()?.id).await?;
    Ok(answer(StatusCode::OK, user, profile))
}

/// Change one's own profile: a merge patch (RFC 7396) with the one member `profile`. A new telephone number is not verified. The
/// e-mail address is changed at `/users/me/email`.
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

/// The texts in the language that a request prefers.
fn text(state: &AppState, headers: &HeaderMap) -> Text {
    Site::of_issuer(&state.issuer, &state.config.server.default_locale).text(None, headers)
}

/// The answer to a wish to remove something by which one logs in.
fn settle(removal: Removal) -> Result<StatusCode, ApiError> {
    match removal {
        Removal::Done => Ok(StatusCode::NO_CONTENT),
        Removal::NotThere => Err(ApiError::not_found()),
        Removal::MustStay => Err(ApiError::factor_required()),
    }
}
