//! The OpenAPI 3.1 description of the API, made from its handlers, and a page that shows it.

mod page;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use axum::Extension;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use bytes::Bytes;
use http::header::{self, HeaderValue};
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, AuthorizationCode, ClientCredentials, Flow, OAuth2, Scopes, SecurityScheme,
};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, OpenApi, OpenApiBuilder, Ref, RefOr, ResponseBuilder, ServerBuilder,
};
use utoipa::{IntoResponses, ToSchema};

use super::error::ErrorEnvelope;
use super::route::{ApiRouter, Descriptions, routes};
use crate::protocol::metadata::path;
use crate::protocol::scope;
use crate::state::AppState;
use crate::web::cookie::Cookie;
use crate::web::error::Problem;
use crate::web::headers::Csp;

/// The groups of routes, in the order of the page.
const TAGS: [(&str, &str); 9] = [
    ("users", "People: status, roles, profile, password, sessions, consents."),
    ("clients", "Applications that log people in, and services."),
    ("resources", "APIs that clients may ask for tokens for."),
    ("sessions", "Where people are logged in."),
    ("keys", "Signing keys."),
    ("audit", "What happened."),
    ("account", "What a person may do with their own account; needs no role."),
    ("auth", "Logging people in without a browser: for clients that are registered as first-party."),
    ("description", "This description."),
];

const ABOUT: &str = "An access token for this API has the audience `{issuer}/api/v1`. A service gets one by client credentials; a \
    person's token counts for the scopes that it has and that the person's roles give. An administrator's browser may send its \
    session cookie instead, with the X-CSRF-Token header.\n\n\
    Changes need If-Match with the ETag of what was read. Lists come in pages: `next` of one is `after` of the next.";

/// The answers that are no success. All have the same body.
#[derive(Debug)]
pub struct Errors;

impl IntoResponses for Errors {
    fn responses() -> BTreeMap<String, RefOr<utoipa::openapi::Response>> {
        let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(ErrorEnvelope::name()))).build();
        let response = ResponseBuilder::new().description("A refusal or a fault").content("application/json", content).build();
        BTreeMap::from([("default".to_owned(), RefOr::T(response))])
    }
}

/// The description: made when somebody first asks for it, and kept.
#[derive(Clone, Debug)]
pub struct Description(Arc<Unread>);

#[derive(Debug)]
struct Unread {
    routes: Descriptions,
    rendered: OnceLock<Rendered>,
}

#[derive(Debug)]
struct Rendered {
    json: Bytes,
    page: Result<Bytes, String>,
}

impl Description {
    pub(super) fn new(routes: Descriptions) -> Self {
        Self(Arc::new(Unread { routes, rendered: OnceLock::new() }))
    }

    fn read(&self, state: &AppState) -> &Rendered {
        self.0.rendered.get_or_init(|| {
            let whole = describe(self.0.routes.read(), state);
            let value = serde_json::to_value(whole).unwrap_or_default();
            let page = page::render(&value, &state.base).map(Bytes::from).map_err(|error| error.to_string());
            Rendered { json: value.to_string().into(), page }
        })
    }
}

fn describe(paths: OpenApi, state: &AppState) -> OpenApi {
    let issuer = &state.config.server.issuer;
    let info = InfoBuilder::new()
        .title("Ostiary management API")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(ABOUT.replace("{issuer}", issuer)));
    let tags = TAGS.map(|(name, description)| TagBuilder::new().name(name).description(Some(description)).build());
    let mut components = Components::new();
    components.schemas.insert(ErrorEnvelope::name().into_owned(), <ErrorEnvelope as utoipa::PartialSchema>::schema());
    let mut referenced = Vec::new();
    <ErrorEnvelope as ToSchema>::schemas(&mut referenced);
    components.schemas.extend(referenced);
    components.add_security_scheme("oauth2", oauth2(issuer));
    let cookie = state.cookies.name(Cookie::Session);
    let session = ApiKeyValue::with_description(cookie, "A browser session; every request needs the X-CSRF-Token header too.");
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    OpenApiBuilder::new()
        .info(info.build())
        .servers(Some([ServerBuilder::new().url(issuer).build()]))
        .tags(Some(tags))
        .components(Some(components))
        .build()
        .nest("/api/v1", paths)
}

fn oauth2(issuer: &str) -> SecurityScheme {
    let scopes = || scope::MANAGEMENT.into_iter().chain(scope::ACCOUNT).collect::<Scopes>();
    let token = format!("{issuer}{}", path::TOKEN);
    let authorization = format!("{issuer}{}", path::AUTHORIZATION);
    SecurityScheme::OAuth2(OAuth2::new([
        Flow::ClientCredentials(ClientCredentials::new(&token, scopes())),
        Flow::AuthorizationCode(AuthorizationCode::new(authorization, &token, scopes())),
    ]))
}

/// The routes that anybody may read. They are described too.
pub(super) fn routes() -> ApiRouter {
    ApiRouter::new().routes(routes!(document)).routes(routes!(docs))
}

/// This description, as JSON.
#[utoipa::path(get, path = "/openapi.json", tag = "description", security(()),
    responses((status = 200, content_type = "application/json", body = serde_json::Value)))]
async fn document(State(state): State<AppState>, Extension(description): Extension<Description>) -> Response {
    ([(header::CONTENT_TYPE, JSON), (header::CACHE_CONTROL, PUBLIC)], description.read(&state).json.clone()).into_response()
}

/// This description, as a page.
#[utoipa::path(get, path = "/docs", tag = "description", security(()), responses((status = 200, content_type = "text/html", body = String)))]
async fn docs(State(state): State<AppState>, Extension(description): Extension<Description>) -> Response {
    match &description.read(&state).page {
        Ok(page) => (Csp::Page { nonce: None }, Html(page.clone())).into_response(),
        Err(error) => super::error::ApiError::from(Problem::internal(error.clone())).into_response(),
    }
}

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const PUBLIC: HeaderValue = HeaderValue::from_static("public, max-age=300");
