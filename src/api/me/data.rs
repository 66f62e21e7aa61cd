//! `/api/v1/users/me/activity`, `…/export`, and the account's end.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderMap, HeaderValue};
use serde::Serialize;
use utoipa::ToSchema;

use super::oneself::Oneself;
use super::text;
use crate::account::Seat;
use crate::account::deletion::{Deletion, delete};
use crate::account::export::export;
use crate::api::authorization::{AccountRead, AccountWrite, Authorized};
use crate::api::error::ApiError;
use crate::api::openapi::Errors;
use crate::api::paging::{ApiQuery, List, Paging};
use crate::api::precondition::IfMatch;
use crate::api::time::Time;
use crate::flow::browser_state;
use crate::pages::account::activity::sentence;
use crate::protocol::id::UserId;
use crate::state::AppState;
use crate::storage::audit::{self, Actor, Entry, Outcome};
use crate::text::Text;
use crate::web::context::RequestContext;
use crate::web::cookie::Cookie;

/// Something that happened to one's account.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ActivityView {
    id: String,
    occurred_at: Time,
    /// A stable word, such as `user.login`.
    r#type: String,
    #[schema(value_type = String)]
    outcome: Outcome,
    /// In the language that the request prefers.
    description: String,
    by: By,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    address: Option<String>,
    /// How often, where repeats were folded into one.
    count: i64,
}

#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum By {
    Yourself,
    Administrator,
    Server,
    /// Nobody that is known, or the application that is named.
    Somebody,
}

impl ActivityView {
    fn new(entry: Entry, user: &UserId, text: Text) -> Self {
        Self {
            description: sentence(text, &entry.kind, entry.outcome == Outcome::Success),
            by: match &entry.actor {
                Actor::User(id) if id == user => By::Yourself,
                Actor::User(_) | Actor::CommandLine => By::Administrator,
                Actor::System => By::Server,
                Actor::Client(_) | Actor::Anonymous => By::Somebody,
            },
            id: entry.id,
            occurred_at: Time(entry.at),
            r#type: entry.kind,
            outcome: entry.outcome,
            client_id: entry.client_id.map(String::from),
            address: entry.address,
            count: entry.count,
        }
    }
}

/// List what happened to one's account, the newest first.
#[utoipa::path(get, path = "/users/me/activity", tag = "account", params(Paging), security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, body = List<ActivityView>), Errors))]
pub(super) async fn activity(
    caller: Authorized<AccountRead>,
    State(state): State<AppState>,
    headers: HeaderMap,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Json<List<ActivityView>>, ApiError> {
    let user = Oneself::of(&caller.0)?.user;
    let text = text(&state, &headers);
    let found = audit::activity(&mut state.db.read().await?, &user.id, &paging.page()?).await?;
    Ok(Json(List::of(found, |entry| ActivityView::new(entry, &user.id, text))))
}

/// Take a copy of everything that is held about oneself, without anything by which somebody could log in. It is recorded.
///
/// Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(get, path = "/users/me/export", tag = "account", security(("oauth2" = ["account:read"]), ("session" = [])),
    responses((status = 200, content_type = "application/json", body = serde_json::Value), Errors))]
pub(super) async fn take_copy(
    caller: Authorized<AccountRead>,
    context: RequestContext,
    State(state): State<AppState>,
) -> Result<Response, ApiError> {
    let oneself = Oneself::fresh(&caller.0, &state, &context).await?;
    let copy = export(&state, &context, &oneself.user.id).await?;
    let fields = [
        (header::CONTENT_TYPE, HeaderValue::from_static("application/json")),
        (header::CONTENT_DISPOSITION, HeaderValue::from_static("attachment; filename=\"ostiary-account.json\"")),
    ];
    Ok((fields, copy).into_response())
}

/// When an account that is to be deleted will be.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Farewell {
    /// A login before it takes the deletion back.
    due_at: Time,
}

/// Delete one's account: at once (204), or after the time that the operator gives for regret (202). All that was opened ends at
/// once either way.
///
/// Needs a proof of the last five minutes that it is still the person.
#[utoipa::path(delete, path = "/users/me", tag = "account", params(("If-Match" = String, Header)),
    security(("oauth2" = ["account:write"]), ("session" = [])),
    responses((status = 202, body = Farewell), (status = 204), Errors))]
pub(super) async fn leave(
    caller: Authorized<AccountWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    precondition: IfMatch,
) -> Result<Response, ApiError> {
    let oneself = Oneself::fresh(&caller.0, &state, &context).await?;
    precondition.check(oneself.user.version)?;
    let mut response = match delete(&state, &context, oneself.user).await? {
        Deletion::Done => StatusCode::NO_CONTENT.into_response(),
        Deletion::Scheduled(due) => (StatusCode::ACCEPTED, Json(Farewell { due_at: Time(due) })).into_response(),
        Deletion::LastAdministrator => return Err(ApiError::last_administrator()),
        Deletion::ChangedMeanwhile => return Err(ApiError::precondition_failed()),
    };
    if matches!(oneself.seat, Seat::Browser(_)) {
        response.headers_mut().append(header::SET_COOKIE, state.cookies.clear(Cookie::Session));
        browser_state::take_back(&state, response.headers_mut());
    }
    Ok(response)
}
