//! The client registration endpoint (RFC 7591 §3), and where a client that registered itself reads, changes and deletes its
//! registration (RFC 7592 §2).

mod own;

pub use own::{delete, read, replace};

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::header::{self, HeaderMap};
use http::{Request, StatusCode};
use serde_json::{Map, Value};

use crate::audit::{self, Kind};
use crate::config::ClientRegistrationMode;
use crate::flow::admission::{self, RegisterClient};
use crate::keys::hash::TokenKind;
use crate::protocol::client::{Client, ClientMetadata, ClientStatus};
use crate::protocol::client_registration::{RegistrationPolicy, validate};
use crate::protocol::dynamic_registration::{instead_of, refused, requested, shown};
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::id::ClientId;
use crate::protocol::metadata::path;
use crate::protocol::scope::Scope;
use crate::protocol::software_statement::{self, REQUIRED, merged};
use crate::random;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::{self, client_registrations, clients};
use crate::telemetry::findings::note;
use crate::web::bearer::{self, Way};
use crate::web::body::small_json;
use crate::web::context::RequestContext;
use crate::web::cors;
use crate::web::error::{Error, Problem};
use crate::web::sector;

const TOKEN_INVALID: OAuthError = OAuthError::new(
    ErrorCode::InvalidToken,
    "registration_token_invalid",
    "The token is wrong, used up, expired or not for this client",
);

/// `POST /client-registration`.
pub async fn register(
    State(state): State<AppState>,
    context: RequestContext,
    headers: HeaderMap,
    request: Request<Body>,
) -> Response {
    let answer = match admission::admit::<RegisterClient>(&state, &context).await {
        Ok(_) => create(&state, &context, &headers, request).await,
        Err(limited) => Err(Refused { error: limited.into(), recorded: true }),
    };
    finish(&state, &context, Kind::ClientCreated, None, answer)
}

/// A refusal, with the challenge that it may owe.
struct Refused {
    error: Error,
    /// Its event is written already.
    recorded: bool,
}

impl<P: Into<Problem>> From<P> for Refused {
    fn from(problem: P) -> Self {
        Self { error: Error(problem.into()), recorded: false }
    }
}

fn unauthorized() -> Refused {
    without_token(Some(TOKEN_INVALID))
}

/// With the one challenge that is met here: these tokens are never bound to a key.
fn without_token(error: Option<OAuthError>) -> Refused {
    let mut error = Error::access_token(error, Way::Bearer, None);
    error.0.challenges.truncate(1);
    Refused { error, recorded: false }
}

/// Records a refusal, and lets scripts of every origin read the answer: whoever calls has a token or none, and never a cookie.
fn finish(
    state: &AppState,
    context: &RequestContext,
    kind: Kind,
    client: Option<&str>,
    answer: Result<Response, Refused>,
) -> Response {
    let response = answer.unwrap_or_else(|Refused { error, recorded }| {
        if !recorded && !error.0.status.is_server_error() {
            let client_id = client.and_then(|id| ClientId::parse(id).ok()).filter(|id| state.clients.is_cached(id));
            state.refusals.refused(Event { client_id, ..audit::refused(kind, context, error.0.reason) });
        }
        error.into_response()
    });
    (cors::PUBLIC, [(header::CACHE_CONTROL, "no-store")], response).into_response()
}

async fn create(
    state: &AppState,
    context: &RequestContext,
    headers: &HeaderMap,
    request: Request<Body>,
) -> Result<Response, Refused> {
    let query = request.uri().query().map(str::to_owned);
    let initial = match (state.config.client_registration_mode(), presented(headers, query.as_deref())?) {
        (ClientRegistrationMode::Off, _) => return Err(Problem::not_found().into()),
        (ClientRegistrationMode::Open, _) => None,
        (ClientRegistrationMode::Token, None) => return Err(without_token(None)),
        (ClientRegistrationMode::Token, Some(token)) => Some(state.tokens.hash(TokenKind::InitialAccessToken, token)),
    };
    if let Some(hash) = &initial
        && !client_registrations::is_initial(&mut state.db.read().await?, hash, context.now).await?
    {
        return Err(unauthorized());
    }
    let body = small_json(request).await.map_err(Problem::from)?;
    let (metadata, vouched) = judged(state, context, &body, None).await?;
    let mut client = Client {
        id: ClientId::parse(random::identifier()).map_err(Problem::internal)?,
        status: ClientStatus::Active,
        metadata,
        secrets: Vec::new(),
        created_at: context.now,
        updated_at: context.now,
        version: 1,
    };
    let secret = client.has_secret().then(random::secret);
    let stored = secret.iter().map(|secret| state.client_secrets.stored(&client, random::uuid(), secret, context.now));
    client.secrets = stored.collect();
    let token = random::secret();
    let hash = state.tokens.hash(TokenKind::RegistrationAccessToken, &token);
    let mut event = Event { client_id: Some(client.id.clone()), ..audit::event(Kind::ClientCreated, context) };
    event.actor = Actor::Client(client.id.clone());
    event.details.insert("scope".to_owned(), client.metadata.scope.to_string().into());
    event.details.extend(vouched);
    let written = state.db.write(async |tx| {
        let mut event = event.clone();
        if let Some(initial) = &initial {
            let Some(id) = client_registrations::spend_initial(tx, initial, context.now).await? else { return Ok(false) };
            event.details.insert("initial_access_token".to_owned(), id.into());
        }
        clients::insert(tx, &client).await?;
        client_registrations::save(tx, &client.id, &hash, context.now).await?;
        storage::audit::insert(tx, &event).await?;
        Ok(true)
    });
    if !written.await? {
        return Err(unauthorized());
    }
    let mut members = shown(&client);
    if let Some(secret) = secret {
        members.insert("client_secret".to_owned(), secret.into());
        // It never does.
        members.insert("client_secret_expires_at".to_owned(), 0.into());
    }
    repeat_statement(&mut members, &body);
    management(state, &mut members, &client.id, &token);
    Ok((StatusCode::CREATED, Json(members)).into_response())
}

/// The token in the Authorization field.
fn presented<'a>(headers: &'a HeaderMap, query: Option<&str>) -> Result<Option<&'a str>, OAuthError> {
    let presented = bearer::presented(headers, query, None)?;
    Ok(presented.filter(|presented| presented.way == Way::Bearer).map(|presented| presented.token))
}

/// The metadata that the body comes to, if it may be registered; in the place of what the client has now. And on whose word, for the
/// audit log.
async fn judged(
    state: &AppState,
    context: &RequestContext,
    body: &Value,
    before: Option<&ClientMetadata>,
) -> Result<(ClientMetadata, Vec<(String, Value)>), Problem> {
    let allowed = match before {
        Some(before) => before.scope.clone(),
        None => Scope::parse(&state.config.client_registration.scopes.join(" ")).unwrap_or_default(),
    };
    let (wish, vouched) = match software_statement::statement(body)? {
        None if state.config.client_registration.require_software_statement => return Err(REQUIRED.into()),
        None => (requested(body, &allowed)?, Vec::new()),
        Some(statement) => {
            let issuer = &state.config.server.issuer;
            let claims = state.software_statements.verified(&state.client_keys, statement, issuer, context.now).await?;
            let vouched = software_statement::described(&claims);
            (requested(&merged(body, claims), &allowed)?, vouched)
        }
    };
    let metadata = match before {
        Some(before) => instead_of(before, &wish)?,
        None => wish,
    };
    let policy = RegistrationPolicy {
        known_scope: state.policy().await?.every_scope(),
        algorithms: state.keys.algorithms(),
        legacy_response_types: state.config.legacy.response_types,
        api_audience: state.api_audience(),
        private_hosts: state.config.outbound.private_hosts.clone(),
    };
    let mut problems = validate(&metadata, &policy).err().unwrap_or_default();
    if problems.is_empty() {
        problems.extend(sector::check(&state.outbound, &metadata).await.err());
    }
    for problem in &problems {
        note("client_metadata", "problem", problem);
    }
    if problems.is_empty() { Ok((metadata, vouched)) } else { Err(refused(&problems).into()) }
}

/// RFC 7591 §3.2.1: a statement that was used comes back as it was.
fn repeat_statement(members: &mut Map<String, Value>, body: &Value) {
    if let Ok(Some(statement)) = software_statement::statement(body) {
        members.insert("software_statement".to_owned(), statement.into());
    }
}

/// How the client manages its registration from now on.
fn management(state: &AppState, members: &mut Map<String, Value>, id: &ClientId, token: &str) {
    let uri = format!("{}{}/{id}", state.config.server.issuer, path::CLIENT_REGISTRATION);
    members.insert("registration_client_uri".to_owned(), uri.into());
    members.insert("registration_access_token".to_owned(), token.into());
}
