//! `/api/v1/admin/client-registration-tokens`: what lets others register clients where not everybody may (RFC 7591 §1.2).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::authorization::{Authorized, ClientsRead, ClientsWrite};
use super::body::ApiJson;
use super::error::{ApiError, Detail};
use super::openapi::Errors;
use super::paging::{ApiQuery, List, Paging};
use super::path::ApiPath;
use super::route::{ApiRouter, routes};
use super::time::Time;
use crate::audit::Kind;
use crate::config::ClientRegistrationMode;
use crate::keys::hash::TokenKind;
use crate::protocol::time::Seconds;
use crate::random;
use crate::state::AppState;
use crate::storage;
use crate::storage::audit::Actor;
use crate::storage::client_registrations::{self, InitialAccessToken};
use crate::web::context::RequestContext;

/// The routes about initial access tokens.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new().routes(routes!(list, create)).routes(routes!(delete))
}

/// An initial access token, without the token.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientRegistrationTokenView {
    id: String,
    /// How many clients may still be registered with it.
    uses_left: i64,
    created_at: Time,
    expires_at: Time,
    /// Who made it, whatever became of them since. Absent from old ones.
    #[serde(skip_serializing_if = "Option::is_none")]
    created_by: Option<MakerView>,
}

/// Who made a token.
#[derive(Debug, Serialize, ToSchema)]
struct MakerView {
    /// `user`, `client` or `command_line`.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: &'static str,
    /// Of a person or a client.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
}

impl From<InitialAccessToken> for ClientRegistrationTokenView {
    fn from(token: InitialAccessToken) -> Self {
        let maker = |maker: Actor| MakerView { kind: maker.kind(), id: maker.id().map(str::to_owned) };
        Self {
            id: token.id,
            uses_left: token.uses_left,
            created_at: Time(token.created_at),
            expires_at: Time(token.expires_at),
            created_by: token.maker.map(maker),
        }
    }
}

/// One that was just made.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewClientRegistrationTokenView {
    #[serde(flatten)]
    token: ClientRegistrationTokenView,
    /// It is shown now and never again.
    initial_access_token: String,
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewClientRegistrationToken {
    /// How many clients may be registered with it: 1 to 10000.
    #[serde(default = "one")]
    uses: i64,
    /// Days that it is good for: 1 to 366.
    #[serde(default = "week")]
    days: i64,
}

const fn one() -> i64 {
    1
}

const fn week() -> i64 {
    7
}

/// List the tokens that register clients, in the order of their ids. Used up ones stand there until they expire.
#[utoipa::path(get, path = "/admin/client-registration-tokens", tag = "clients", params(Paging),
    security(("oauth2" = ["clients:read"]), ("session" = [])), responses((status = 200, body = List<ClientRegistrationTokenView>), Errors))]
async fn list(
    _: Authorized<ClientsRead>,
    State(state): State<AppState>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Json<List<ClientRegistrationTokenView>>, ApiError> {
    let found = client_registrations::list_initial(&mut state.db.read().await?, &paging.page()?).await?;
    Ok(Json(List::of(found, ClientRegistrationTokenView::from)))
}

/// Make a token that lets its holder register clients.
#[utoipa::path(post, path = "/admin/client-registration-tokens", tag = "clients", request_body = NewClientRegistrationToken,
    security(("oauth2" = ["clients:write"]), ("session" = [])),
    responses((status = 201, body = NewClientRegistrationTokenView), Errors))]
async fn create(
    caller: Authorized<ClientsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiJson(new): ApiJson<NewClientRegistrationToken>,
) -> Result<Response, ApiError> {
    if state.config.client_registration_mode() != ClientRegistrationMode::Token {
        return Err(ApiError::client_registration_mode());
    }
    let bounds = [("uses", new.uses, 10_000), ("days", new.days, 366)];
    let wrong = bounds.iter().filter(|(_, value, most)| !(1..=*most).contains(value));
    let wrong: Vec<Detail> = wrong.map(|(name, ..)| Detail::new(*name, "range")).collect();
    if !wrong.is_empty() {
        return Err(ApiError::invalid(wrong));
    }
    let token = random::secret();
    let hash = state.tokens.hash(TokenKind::InitialAccessToken, &token);
    let mut event = caller.event(Kind::ClientRegistrationTokenCreated, &context);
    let row = InitialAccessToken::new(hash, new.uses, Seconds::days(new.days), (event.actor.clone(), context.now));
    event.details.extend(row.described());
    let written = state.db.write(async |tx| {
        client_registrations::insert_initial(tx, &row).await?;
        storage::audit::insert(tx, &event).await
    });
    written.await?;
    let view = NewClientRegistrationTokenView { token: row.into(), initial_access_token: token };
    Ok((StatusCode::CREATED, [(header::CACHE_CONTROL, "no-store")], Json(view)).into_response())
}

/// Take a token back. What was registered with it stays.
#[utoipa::path(delete, path = "/admin/client-registration-tokens/{token_id}", tag = "clients", params(("token_id" = String, Path)),
    security(("oauth2" = ["clients:write"]), ("session" = [])), responses((status = 204), Errors))]
async fn delete(
    caller: Authorized<ClientsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<StatusCode, ApiError> {
    let mut event = caller.event(Kind::ClientRegistrationTokenRevoked, &context);
    event.details.insert("initial_access_token".to_owned(), id.as_str().into());
    let deleted = state.db.write(async |tx| {
        let deleted = client_registrations::delete_initial(tx, &id).await?;
        if deleted {
            storage::audit::insert(tx, &event).await?;
        }
        Ok(deleted)
    });
    if deleted.await? { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::not_found()) }
}
