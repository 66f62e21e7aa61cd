//! `/api/v1/admin/clients`: the registered applications.

mod change;
mod secret;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::authorization::{Authorized, ClientsRead, ClientsWrite};
use super::body::ApiJson;
use super::error::{ApiError, Detail};
use super::openapi::Errors;
use super::paging::{List, ListQuery, Paging};
use super::path::ApiPath;
use super::precondition::etag;
use super::route::{ApiRouter, routes};
use super::time::Time;
use crate::audit::Kind;
use crate::protocol::client::{Client, ClientMetadata, ClientStatus};
use crate::protocol::client_registration::{self, RegistrationPolicy, validate};
use crate::protocol::id::ClientId;
use crate::protocol::time::Timestamp;
use crate::random;
use crate::state::AppState;
use crate::storage::clients::ClientFilter;
use crate::storage::{self, clients};
use crate::web::context::RequestContext;
use crate::web::sector;

/// The routes about clients.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(read, change::replace, change::update, change::delete))
        .routes(routes!(secret::reset))
}

/// A client. Its secrets are not shown.
#[derive(Debug, Serialize, ToSchema)]
pub struct ClientView {
    #[schema(value_type = String)]
    client_id: ClientId,
    /// `active` or `disabled`.
    #[schema(value_type = String)]
    status: ClientStatus,
    #[serde(flatten)]
    metadata: ClientMetadata,
    secrets: Vec<SecretView>,
    created_at: Time,
    updated_at: Time,
}

/// That there is a secret, and until when it counts.
#[derive(Debug, Serialize, ToSchema)]
struct SecretView {
    id: String,
    created_at: Time,
    /// Set when a newer one replaces it.
    #[serde(skip_serializing_if = "Option::is_none")]
    expires_at: Option<Time>,
}

impl ClientView {
    fn new(client: Client, now: Timestamp) -> Self {
        let valid = client.secrets.into_iter().filter(|secret| secret.is_valid(now));
        let secrets = valid.map(|secret| SecretView {
            id: secret.id,
            created_at: Time(secret.created_at),
            expires_at: secret.expires_at.map(Time),
        });
        Self {
            client_id: client.id,
            status: client.status,
            metadata: client.metadata,
            secrets: secrets.collect(),
            created_at: Time(client.created_at),
            updated_at: Time(client.updated_at),
        }
    }
}

fn answer(client: Client, now: Timestamp) -> Response {
    let tag = etag(client.version);
    ([(header::ETAG, tag)], Json(ClientView::new(client, now))).into_response()
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Filter {
    /// Part of the name.
    name: Option<String>,
    #[param(value_type = Option<String>, example = "active")]
    status: Option<ClientStatus>,
}

/// List clients, in the order of their identifiers.
#[utoipa::path(get, path = "/admin/clients", tag = "clients", params(Paging, Filter), security(("oauth2" = ["clients:read"]), ("session" = [])),
    responses((status = 200, body = List<ClientView>), Errors))]
async fn list(
    _: Authorized<ClientsRead>,
    context: RequestContext,
    State(state): State<AppState>,
    ListQuery { page, filter }: ListQuery<Filter>,
) -> Result<Json<List<ClientView>>, ApiError> {
    let filter = ClientFilter { name_contains: filter.name, status: filter.status };
    let mut conn = state.db.read().await?;
    let found = clients::list(&mut conn, &filter, &page).await?;
    Ok(Json(List::of(found, |client| ClientView::new(client, context.now))))
}

/// A client just registered.
#[derive(Debug, Serialize, ToSchema)]
pub struct NewClient {
    #[serde(flatten)]
    client: ClientView,
    /// Shown once. Only a client that authenticates with one has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_secret: Option<String>,
}

/// Register a client.
#[utoipa::path(post, path = "/admin/clients", tag = "clients", request_body = ClientMetadata,
    security(("oauth2" = ["clients:write"]), ("session" = [])),
    responses((status = 201, body = NewClient, headers(("ETag" = String), ("Location" = String))), Errors))]
async fn create(
    caller: Authorized<ClientsWrite>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiJson(metadata): ApiJson<ClientMetadata>,
) -> Result<Response, ApiError> {
    sound(&metadata, &state).await?;
    caller.0.reaches_client(&metadata)?;
    let mut client = Client {
        id: ClientId::parse(random::identifier()).map_err(|_| ApiError::not_found())?,
        status: ClientStatus::Active,
        metadata,
        secrets: Vec::new(),
        created_at: context.now,
        updated_at: context.now,
        version: 1,
    };
    let secret = client.has_secret().then(|| secret::generate(&state, &client, context.now));
    let (secret, stored) = secret.unzip();
    client.secrets.extend(stored);
    let mut event = caller.event(Kind::ClientCreated, &context);
    event.client_id = Some(client.id.clone());
    event.details.insert("scope".to_owned(), client.metadata.scope.to_string().into());
    event.details.insert("first_party".to_owned(), client.metadata.first_party.into());
    state
        .db
        .write(async |tx| {
            clients::insert(tx, &client).await?;
            storage::audit::insert(tx, &event).await
        })
        .await?;
    let location = state.path(&format!("/api/v1/admin/clients/{}", client.id));
    let headers = [(header::LOCATION, location), (header::ETAG, format!("\"{}\"", client.version))];
    let body = NewClient { client: ClientView::new(client, context.now), client_secret: secret };
    Ok((StatusCode::CREATED, headers, Json(body)).into_response())
}

/// Read a client.
#[utoipa::path(get, path = "/admin/clients/{client_id}", tag = "clients", params(("client_id" = String, Path)),
    security(("oauth2" = ["clients:read"]), ("session" = [])),
    responses((status = 200, body = ClientView, headers(("ETag" = String))), Errors))]
async fn read(
    _: Authorized<ClientsRead>,
    context: RequestContext,
    State(state): State<AppState>,
    ApiPath(id): ApiPath<ClientId>,
) -> Result<Response, ApiError> {
    Ok(answer(load(&state, &id).await?, context.now))
}

/// A client as it is stored now, or 404.
async fn load(state: &AppState, id: &ClientId) -> Result<Client, ApiError> {
    let mut conn = state.db.read().await?;
    clients::load(&mut conn, id).await?.ok_or_else(ApiError::not_found)
}

/// Everything that is wrong with the metadata, at once.
async fn sound(metadata: &ClientMetadata, state: &AppState) -> Result<(), ApiError> {
    refuse(validate(metadata, &policy(state).await?).err().unwrap_or_default())?;
    refuse(sector::check(&state.outbound, metadata).await.err().into_iter().collect())
}

/// What this server lets any client, or resource, be registered for.
pub(super) async fn policy(state: &AppState) -> Result<RegistrationPolicy, ApiError> {
    Ok(RegistrationPolicy {
        known_scope: state.policy().await?.every_scope(),
        algorithms: state.keys.algorithms(),
        legacy_response_types: state.config.legacy.response_types,
        api_audience: state.api_audience(),
        private_hosts: state.config.outbound.private_hosts.clone(),
    })
}

/// Tells what is wrong with single members, if anything is.
pub(super) fn refuse(problems: Vec<client_registration::Problem>) -> Result<(), ApiError> {
    let details: Vec<_> = problems
        .into_iter()
        .map(|problem| Detail { message: Some(problem.message), ..Detail::new(problem.field, problem.code) })
        .collect();
    if details.is_empty() { Ok(()) } else { Err(ApiError::invalid(details)) }
}
