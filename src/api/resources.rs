//! `/api/v1/admin/resources`: the APIs that clients may ask for tokens for (RFC 8707).

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::Serialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::authorization::{Authorized, ClientsRead, ClientsWrite};
use super::body::{ApiJson, MergePatch, merge, typed};
use super::clients::{policy, refuse};
use super::error::{ApiError, Detail};
use super::openapi::Errors;
use super::paging::{ApiQuery, List, Paging};
use super::path::ApiPath;
use super::precondition::{IfMatch, etag};
use super::route::{ApiRouter, routes};
use super::time::Time;
use crate::audit::Kind;
use crate::protocol::resource::{Resource, ResourceMetadata};
use crate::protocol::resource_registration::{taken_types, validate};
use crate::random;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::error::Error as StorageError;
use crate::storage::{self, resources};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// The routes about resources.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new().routes(routes!(list, create)).routes(routes!(read, replace, update, delete))
}

/// A registered resource.
#[derive(Debug, Serialize, ToSchema)]
pub struct ResourceView {
    id: String,
    /// The value of `resource` in requests, and of `aud` in tokens. It stays what it is.
    identifier: String,
    #[serde(flatten)]
    metadata: ResourceMetadata,
    created_at: Time,
    updated_at: Time,
}

impl From<Resource> for ResourceView {
    fn from(resource: Resource) -> Self {
        Self {
            id: resource.id,
            identifier: resource.identifier,
            metadata: resource.metadata,
            created_at: Time(resource.created_at),
            updated_at: Time(resource.updated_at),
        }
    }
}

fn answer(resource: Resource) -> Response {
    ([(header::ETAG, etag(resource.version))], Json(ResourceView::from(resource))).into_response()
}

/// List resources, in the order of their ids.
#[utoipa::path(get, path = "/admin/resources", tag = "resources", params(Paging), security(("oauth2" = ["clients:read"]), ("session" = [])),
    responses((status = 200, body = List<ResourceView>), Errors))]
async fn list(
    _: Authorized<ClientsRead>,
    State(state): State<AppState>,
    ApiQuery(paging): ApiQuery<Paging>,
) -> Result<Json<List<ResourceView>>, ApiError> {
    let mut conn = state.db.read().await?;
    Ok(Json(List::of(resources::list(&mut conn, &paging.page()?).await?, ResourceView::from)))
}

/// A resource to be registered.
#[derive(Debug, Serialize, ToSchema)]
struct NewResource {
    /// An absolute URI without fragment (RFC 8707).
    identifier: String,
    #[serde(flatten)]
    metadata: ResourceMetadata,
}

/// Register a resource.
#[utoipa::path(post, path = "/admin/resources", tag = "resources", request_body = NewResource,
    security(("oauth2" = ["clients:write"]), ("session" = [])),
    responses((status = 201, body = ResourceView, headers(("ETag" = String), ("Location" = String))), Errors))]
async fn create(
    caller: Authorized<ClientsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiJson(mut members): ApiJson<Map<String, Value>>,
) -> Result<Response, ApiError> {
    let identifier: String = match members.shift_remove("identifier") {
        Some(Value::String(identifier)) => identifier,
        Some(_) => return Err(ApiError::invalid(vec![Detail::new("identifier", "type")])),
        None => return Err(ApiError::invalid(vec![Detail::new("identifier", "required")])),
    };
    let resource = Resource {
        id: random::identifier(),
        identifier,
        metadata: typed(Value::Object(members))?,
        created_at: context.now,
        updated_at: context.now,
        version: 1,
    };
    sound(&state, &resource).await?;
    let event = event(&caller, Kind::ResourceCreated, &context, &resource);
    let written = state.db.write(async |tx| {
        resources::settle_types(tx, &resource).await?;
        resources::insert(tx, &resource).await?;
        storage::audit::insert(tx, &event).await
    });
    match written.await {
        Err(StorageError::Conflict) => return Err(ApiError::resource_taken()),
        other => other?,
    }
    let location = state.path(&format!("/api/v1/admin/resources/{}", resource.id));
    let fields = [(header::LOCATION, location), (header::ETAG, format!("\"{}\"", resource.version))];
    Ok((StatusCode::CREATED, fields, Json(ResourceView::from(resource))).into_response())
}

/// Read a resource.
#[utoipa::path(get, path = "/admin/resources/{id}", tag = "resources", params(("id" = String, Path)),
    security(("oauth2" = ["clients:read"]), ("session" = [])),
    responses((status = 200, body = ResourceView, headers(("ETag" = String))), Errors))]
async fn read(
    _: Authorized<ClientsRead>,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
) -> Result<Response, ApiError> {
    Ok(answer(load(&state, &id).await?))
}

/// Replace what is registered for a resource. Members that are not named get their defaults.
#[utoipa::path(put, path = "/admin/resources/{id}", tag = "resources", params(("id" = String, Path), ("If-Match" = String, Header)),
    request_body = NewResource, security(("oauth2" = ["clients:write"]), ("session" = [])),
    responses((status = 200, body = ResourceView, headers(("ETag" = String))), Errors))]
async fn replace(
    caller: Authorized<ClientsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
    precondition: IfMatch,
    ApiJson(members): ApiJson<Map<String, Value>>,
) -> Result<Response, ApiError> {
    let before = seen(&state, &id, &precondition).await?;
    change(&state, &context, &caller, before, members).await
}

/// Change what is registered for a resource by a merge patch (RFC 7396).
#[utoipa::path(patch, path = "/admin/resources/{id}", tag = "resources", params(("id" = String, Path), ("If-Match" = String, Header)),
    request_body(content((NewResource = "application/merge-patch+json"), (NewResource = "application/json"))),
    security(("oauth2" = ["clients:write"]), ("session" = [])),
    responses((status = 200, body = ResourceView, headers(("ETag" = String))), Errors))]
async fn update(
    caller: Authorized<ClientsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
    precondition: IfMatch,
    MergePatch(patch): MergePatch,
) -> Result<Response, ApiError> {
    let before = seen(&state, &id, &precondition).await?;
    let mut members = serde_json::to_value(&before.metadata).map_err(Problem::internal)?;
    merge(&mut members, Value::Object(patch));
    let Value::Object(members) = members else { return Err(ApiError::not_found()) };
    change(&state, &context, &caller, before, members).await
}

/// Delete a resource. What was granted for it is given no more, unless a client is registered for it as one of its `audiences`.
#[utoipa::path(delete, path = "/admin/resources/{id}", tag = "resources", params(("id" = String, Path), ("If-Match" = String, Header)),
    security(("oauth2" = ["clients:write"]), ("session" = [])), responses((status = 204), Errors))]
async fn delete(
    caller: Authorized<ClientsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<String>,
    precondition: IfMatch,
) -> Result<StatusCode, ApiError> {
    let resource = seen(&state, &id, &precondition).await?;
    let event = event(&caller, Kind::ResourceDeleted, &context, &resource);
    let written = state.db.write(async |tx| {
        if !resources::delete(tx, &resource.id, resource.version).await? {
            return Ok(false);
        }
        storage::audit::insert(tx, &event).await?;
        Ok(true)
    });
    if written.await? { Ok(StatusCode::NO_CONTENT) } else { Err(ApiError::precondition_failed()) }
}

async fn load(state: &AppState, id: &str) -> Result<Resource, ApiError> {
    let mut conn = state.db.read().await?;
    resources::load(&mut conn, id).await?.ok_or_else(ApiError::not_found)
}

/// The resource, if it is as the caller has seen it.
async fn seen(state: &AppState, id: &str, precondition: &IfMatch) -> Result<Resource, ApiError> {
    let resource = load(state, id).await?;
    precondition.check(resource.version)?;
    Ok(resource)
}

/// Puts the members in the place of those of `before`. Those that can't be changed may be sent as they were.
async fn change(
    state: &AppState,
    context: &RequestContext,
    caller: &Authorized<ClientsWrite>,
    before: Resource,
    mut members: Map<String, Value>,
) -> Result<Response, ApiError> {
    let shown = serde_json::to_value(ResourceView::from(before.clone())).map_err(Problem::internal)?;
    for name in ["id", "identifier", "created_at", "updated_at"] {
        if members.shift_remove(name).is_some_and(|value| shown.get(name) != Some(&value)) {
            return Err(ApiError::invalid(vec![Detail::new(name, "read_only")]));
        }
    }
    let after = Resource { metadata: typed(Value::Object(members))?, updated_at: context.now, ..before };
    sound(state, &after).await?;
    let event = event(caller, Kind::ResourceUpdated, context, &after);
    let written = state.db.write(async |tx| {
        resources::settle_types(tx, &after).await?;
        if !resources::update(tx, &after, after.version).await? {
            return Err(StorageError::Conflict);
        }
        storage::audit::insert(tx, &event).await
    });
    match written.await {
        Err(StorageError::Conflict) => return Err(ApiError::precondition_failed()),
        other => other?,
    }
    Ok(answer(Resource { version: after.version + 1, ..after }))
}

/// Everything that is wrong with it, at once.
async fn sound(state: &AppState, resource: &Resource) -> Result<(), ApiError> {
    let (policy, others) = (policy(state).await?, state.resources.current().await?);
    let mut problems = validate(&resource.identifier, &resource.metadata, &policy, &state.config.server.issuer);
    problems.extend(taken_types(resource, &others));
    refuse(problems)
}

fn event(caller: &Authorized<ClientsWrite>, kind: Kind, context: &RequestContext, resource: &Resource) -> Event {
    let mut event = caller.event(kind, context);
    event.details.insert("identifier".to_owned(), resource.identifier.as_str().into());
    event
}
