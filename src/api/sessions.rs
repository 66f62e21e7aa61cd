//! `/api/v1/admin/sessions`: who is logged in, and where.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::authorization::{Authorized, Caller, SessionsRead, SessionsWrite};
use super::error::ApiError;
use super::openapi::Errors;
use super::paging::{List, ListQuery, Paging};
use super::path::ApiPath;
use super::route::{ApiRouter, routes};
use super::time::Time;
use crate::account;
use crate::audit::Kind;
use crate::guard::network::Sender;
use crate::protocol::id::{SessionId, UserId};
use crate::protocol::time::{Seconds, Timestamp};
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::page::Page;
use crate::storage::sessions::{Session, SessionFilter};
use crate::storage::{sessions, users};
use crate::web::context::RequestContext;

/// The routes about sessions.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new().routes(routes!(list)).routes(routes!(end))
}

/// One browser, or application, in which a person is logged in.
#[derive(Debug, Serialize, ToSchema)]
pub struct SessionView {
    /// The `sid` that tokens may name. Not the cookie.
    id: String,
    user_id: String,
    /// The one that this request was sent with.
    current: bool,
    /// When the person last proved who they are, and how (RFC 8176).
    auth_time: Time,
    amr: Vec<String>,
    acr: String,
    /// When each factor was last proved, by its name.
    #[schema(value_type = BTreeMap<String, String>)]
    factors: BTreeMap<String, Time>,
    /// What its person calls it.
    name: Option<String>,
    /// What it is: `Firefox on Linux`; empty when nothing is known.
    device: String,
    /// It outlives the browser's window, and ends at its absolute limit alone.
    remembered: bool,
    user_agent: String,
    address: String,
    /// The network that the address is of: the address itself, or of IPv6 the first 64 bits.
    network: String,
    created_at: Time,
    /// To the minute.
    last_seen_at: Time,
    /// However much it is used.
    expires_at: Time,
}

impl SessionView {
    fn new(session: Session, current: Option<&SessionId>) -> Self {
        Self {
            current: current == Some(&session.id),
            id: session.id.into(),
            user_id: session.user_id.into(),
            auth_time: Time(session.auth_time),
            amr: session.factors.amr(),
            acr: session.factors.acr().to_string(),
            factors: BTreeMap::from(session.factors).into_iter().map(|(name, at)| (name, Time(at))).collect(),
            name: session.name,
            device: session.device,
            remembered: session.remembered,
            user_agent: session.user_agent,
            network: session.address.parse().map(|address| Sender::of(address).name()).unwrap_or_default(),
            address: session.address,
            created_at: Time(session.created_at),
            last_seen_at: Time(session.last_seen_at),
            expires_at: Time(session.expires_at),
        }
    }
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    #[param(value_type = Option<String>)]
    user_id: Option<UserId>,
}

/// List the browser sessions of everybody.
#[utoipa::path(get, path = "/admin/sessions", tag = "sessions", params(Paging, Filter), security(("oauth2" = ["sessions:read"]), ("session" = [])),
    responses((status = 200, body = List<SessionView>), Errors))]
async fn list(
    caller: Authorized<SessionsRead>,
    context: RequestContext,
    State(state): State<AppState>,
    ListQuery { page, filter }: ListQuery<Filter>,
) -> Result<Response, ApiError> {
    listed(&state, &caller.0, filter.user_id, &page, context.now).await
}

/// Live sessions, of one person or of all.
pub(super) async fn listed(
    state: &AppState,
    caller: &Caller,
    user_id: Option<UserId>,
    page: &Page,
    now: Timestamp,
) -> Result<Response, ApiError> {
    let filter = SessionFilter { user_id, now, idle: Seconds(state.config.session.idle) };
    let mut conn = state.db.read().await?;
    let found = sessions::list(&mut conn, &filter, page).await?;
    Ok(Json(List::of(found, |session| SessionView::new(session, caller.session()))).into_response())
}

/// End a session: log its browser out.
#[utoipa::path(delete, path = "/admin/sessions/{session_id}", tag = "sessions", params(("session_id" = String, Path)),
    security(("oauth2" = ["sessions:write"]), ("session" = [])), responses((status = 204), Errors))]
async fn end(
    caller: Authorized<SessionsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<SessionId>,
) -> Result<StatusCode, ApiError> {
    let owner = {
        let mut conn = state.db.read().await?;
        let session = sessions::by_id(&mut conn, &id).await?.ok_or_else(ApiError::not_found)?;
        users::by_id(&mut conn, &session.user_id).await?.ok_or_else(ApiError::not_found)?
    };
    caller.0.reaches(&owner.roles, &state.config.admin)?;
    let event = Event { user_id: Some(owner.id), ..caller.event(Kind::SessionEnded, &context) };
    end_one(&state, &id, &event).await
}

/// Ends a session; 404 when it has ended already.
pub(super) async fn end_one(state: &AppState, id: &SessionId, event: &Event) -> Result<StatusCode, ApiError> {
    if account::sessions::end(state, id, event).await? { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}
