//! Changing and deleting a client.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{ClientView, answer, load, refuse, sound};
use crate::api::authorization::{Authorized, ClientsWrite};
use crate::api::body::{ApiJson, MergePatch, merge, typed};
use crate::api::error::{ApiError, Detail};
use crate::api::openapi::Errors;
use crate::api::path::ApiPath;
use crate::api::precondition::IfMatch;
use crate::audit::Kind;
use crate::protocol::client::{Client, ClientMetadata, ClientStatus};
use crate::protocol::client_registration::check_change;
use crate::protocol::id::ClientId;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::{self, clients};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// What can be changed of a client. What else an answer shows may be sent back as it was.
#[derive(Debug, Serialize, ToSchema)]
struct ClientChange {
    /// `disabled`: it may do nothing, and its tokens count no longer.
    #[schema(value_type = Option<String>)]
    status: ClientStatus,
    #[serde(flatten)]
    metadata: ClientMetadata,
}

/// Replace a client's registration. Members that are not named get their defaults.
#[utoipa::path(put, path = "/admin/clients/{client_id}", tag = "clients", params(("client_id" = String, Path), ("If-Match" = String, Header)),
    request_body = ClientChange, security(("oauth2" = ["clients:write"]), ("session" = [])),
    responses((status = 200, body = ClientView, headers(("ETag" = String))), Errors))]
pub(super) async fn replace(
    caller: Authorized<ClientsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<ClientId>,
    precondition: IfMatch,
    ApiJson(members): ApiJson<Map<String, Value>>,
) -> Result<Response, ApiError> {
    let before = seen(&state, &caller, &id, &precondition).await?;
    change(&state, &context, &caller, before, members).await
}

/// Change a client's registration by a merge patch (RFC 7396).
#[utoipa::path(patch, path = "/admin/clients/{client_id}", tag = "clients", params(("client_id" = String, Path), ("If-Match" = String, Header)),
    request_body(content((ClientChange = "application/merge-patch+json"), (ClientChange = "application/json"))),
    security(("oauth2" = ["clients:write"]), ("session" = [])),
    responses((status = 200, body = ClientView, headers(("ETag" = String))), Errors))]
pub(super) async fn update(
    caller: Authorized<ClientsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<ClientId>,
    precondition: IfMatch,
    MergePatch(patch): MergePatch,
) -> Result<Response, ApiError> {
    let before = seen(&state, &caller, &id, &precondition).await?;
    let mut members = members_of(&before)?;
    merge(&mut members, Value::Object(patch));
    let Value::Object(members) = members else { return Err(ApiError::not_found()) };
    change(&state, &context, &caller, before, members).await
}

/// Delete a client, with its tokens and consents.
#[utoipa::path(delete, path = "/admin/clients/{client_id}", tag = "clients", params(("client_id" = String, Path), ("If-Match" = String, Header)),
    security(("oauth2" = ["clients:write"]), ("session" = [])), responses((status = 204), Errors))]
pub(super) async fn delete(
    caller: Authorized<ClientsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<ClientId>,
    precondition: IfMatch,
) -> Result<StatusCode, ApiError> {
    let client = seen(&state, &caller, &id, &precondition).await?;
    let event = Event { client_id: Some(id.clone()), ..caller.event(Kind::ClientDeleted, &context) };
    let written = state
        .db
        .write(async |tx| {
            // Only while it is as it was when it was decided that the caller may do this.
            if !clients::update(tx, &client, client.version).await? {
                return Ok(false);
            }
            clients::delete(tx, &id).await?;
            storage::audit::insert(tx, &event).await?;
            Ok(true)
        })
        .await?;
    if written { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::precondition_failed()) }
}

/// The client, if it is as the caller has seen it and within the caller's reach.
async fn seen(
    state: &AppState,
    caller: &Authorized<ClientsWrite>,
    id: &ClientId,
    precondition: &IfMatch,
) -> Result<Client, ApiError> {
    let client = load(state, id).await?;
    precondition.check(client.version)?;
    caller.0.reaches_client(&client.metadata)?;
    Ok(client)
}

/// Puts the members in the place of those of `before`.
async fn change(
    state: &AppState,
    context: &RequestContext,
    caller: &Authorized<ClientsWrite>,
    before: Client,
    members: Map<String, Value>,
) -> Result<Response, ApiError> {
    let after = Client { updated_at: context.now, ..changed(&before, members, context)? };
    // What stands as it stood is not judged anew: a client must not escape being disabled by what has become of its documents.
    if after.metadata != before.metadata {
        sound(&after.metadata, state).await?;
    }
    caller.0.reaches_client(&after.metadata)?;
    let events = events(caller, context, &before, &after);
    let written = state
        .db
        .write(async |tx| {
            if !clients::update(tx, &after, before.version).await? {
                return Ok(false);
            }
            for event in &events {
                storage::audit::insert(tx, event).await?;
            }
            Ok(true)
        })
        .await?;
    if !written {
        return Err(ApiError::precondition_failed());
    }
    let after = Client { version: before.version + 1, ..after };
    Ok(answer(after, context.now))
}

/// The client with these members, which may include what can't be changed if it is as it was.
fn changed(before: &Client, mut members: Map<String, Value>, context: &RequestContext) -> Result<Client, ApiError> {
    let shown = serde_json::to_value(ClientView::new(before.clone(), context.now)).map_err(unwritable)?;
    for name in ["client_id", "secrets", "created_at", "updated_at"] {
        if members.shift_remove(name).is_some_and(|value| shown.get(name) != Some(&value)) {
            return Err(ApiError::invalid(vec![Detail::new(name, "read_only")]));
        }
    }
    let status = members.shift_remove("status").map_or(Ok(before.status), typed)?;
    let metadata: ClientMetadata = typed(Value::Object(members))?;
    refuse(check_change(&before.metadata, &metadata).into_iter().collect())?;
    Ok(Client { status, metadata, ..before.clone() })
}

fn members_of(client: &Client) -> Result<Value, ApiError> {
    serde_json::to_value(ClientChange { status: client.status, metadata: client.metadata.clone() }).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> ApiError {
    Problem::internal(error).into()
}

fn events(caller: &Authorized<ClientsWrite>, context: &RequestContext, before: &Client, after: &Client) -> Vec<Event> {
    let event = |kind| Event { client_id: Some(before.id.clone()), ..caller.event(kind, context) };
    let mut events = Vec::new();
    let changed = after.metadata.differing(&before.metadata);
    let status = before.status != after.status;
    if !changed.is_empty() || !status {
        let mut event = event(Kind::ClientUpdated);
        event.details.insert("changed".to_owned(), changed.into());
        events.push(event);
    }
    if status {
        events.push(event(if after.is_active() { Kind::ClientEnabled } else { Kind::ClientDisabled }));
    }
    events
}
