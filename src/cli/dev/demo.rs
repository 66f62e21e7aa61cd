//! The demonstration application: a client of the provider on an origin of its own, with plain pages.
//!
//! It does what any web application does that lets people log in with OpenID Connect: [`super::relying_party`] makes the calls,
//! [`super::verify`] checks the tokens, [`super::session`] remembers who is logged in. Besides, it shows all it sees.

use std::sync::Arc;

use axum::extract::{Query, Request, State};
use axum::http::header::{COOKIE, SET_COOKIE};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use jsonwebtoken::Algorithm;
use serde::Deserialize;

use super::cast;
use super::problem::Problem;
use super::relying_party::{Exchange, Provider, Registration};
use super::session::{Login, Pending, Session, Sessions};
use super::verify::{self, Expected, Nonce};
use super::view;
use crate::clock::Clock;

/// The cookie that names the session.
const COOKIE_NAME: &str = "demo";

/// Calls that are kept to be shown.
const MAX_EXCHANGES: usize = 12;

/// The demonstration application.
pub struct Demo {
    pub origin: String,
    pub provider: Provider,
    pub web: Registration,
    pub spa: Registration,
    pub service: Registration,
    pub sessions: Sessions,
    pub clock: Clock,
}

impl Demo {
    fn redirect_uri(&self) -> String {
        format!("{}{}", self.origin, cast::CALLBACK_PATH)
    }

    /// The client that people log in through.
    fn client(&self, client_id: &str) -> &Registration {
        if client_id == self.spa.client_id { &self.spa } else { &self.web }
    }
}

/// Every page of the demonstration.
pub fn router(demo: Arc<Demo>) -> Router {
    Router::new()
        .route("/", get(home))
        .route("/login", get(login))
        .route(cast::CALLBACK_PATH, get(callback))
        .route("/call", post(call))
        .route("/logout", post(logout))
        .route("/logged-out", get(logged_out))
        .route("/demo.css", get(view::stylesheet))
        .route("/mark.svg", get(view::mark))
        .fallback(async || Problem::NoSuchPage)
        .layer(from_fn(guard))
        .with_state(demo)
}

async fn home(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Response {
    let session = cookie(&headers).and_then(|cookie| demo.sessions.find(cookie));
    match session {
        Some(Session { login: Some(login), exchanges, .. }) => view::tokens(&demo, &login, &exchanges),
        _ => view::welcome(&demo),
    }
}

#[derive(Deserialize)]
struct LoginQuery {
    client: Option<String>,
    prompt: Option<String>,
}

/// Sends the browser to the provider, and remembers what for.
async fn login(State(demo): State<Arc<Demo>>, headers: HeaderMap, Query(query): Query<LoginQuery>) -> Result<Response, Problem> {
    let client = demo.client(query.client.as_deref().unwrap_or_default());
    let pending = Pending::new(client.client_id);
    let url = demo.provider.authorization_url(client, &demo.redirect_uri(), &pending, query.prompt.as_deref()).await?;

    let known = cookie(&headers).filter(|cookie| demo.sessions.find(cookie).is_some());
    let session = known.map_or_else(|| demo.sessions.begin(demo.clock.now(), None, Vec::new()), str::to_owned);
    demo.sessions.add_pending(&session, pending);
    Ok(([(SET_COOKIE, set_cookie(&session))], Redirect::to(url.as_str())).into_response())
}

/// What the provider sends the browser back with (RFC 6749 §4.1.2; RFC 9207 §2).
#[derive(Deserialize)]
struct Callback {
    state: Option<String>,
    iss: Option<String>,
    code: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

/// The browser is back. Everything in the query came through it and may be forged: first `state`, then `iss`, then the rest.
async fn callback(
    State(demo): State<Arc<Demo>>,
    headers: HeaderMap,
    Query(answer): Query<Callback>,
) -> Result<Response, Problem> {
    let session = cookie(&headers).ok_or(Problem::ForeignAnswer)?;
    let state = answer.state.as_deref().ok_or(Problem::ForeignAnswer)?;
    let pending = demo.sessions.take_pending(session, state).ok_or(Problem::ForeignAnswer)?;
    if answer.iss.as_deref() != Some(demo.provider.issuer.as_str()) {
        return Err(Problem::OtherIssuer);
    }
    if let Some(error) = answer.error {
        return Err(Problem::Refused { error, description: answer.error_description.unwrap_or_default() });
    }
    let code = answer.code.ok_or(Problem::ForeignAnswer)?;

    let client = demo.client(pending.client_id);
    let redirect_uri = demo.redirect_uri();
    let form = [
        ("grant_type", "authorization_code"),
        ("code", &code),
        ("redirect_uri", &redirect_uri),
        ("code_verifier", &pending.code_verifier),
    ];
    let exchange = demo.provider.token("Code for tokens", client, &form).await?;
    let login = logged_in(&demo, client, &exchange, Nonce::Required(&pending.nonce), None).await?;

    // A new session for a new login: nobody who knew the old cookie gets in with it.
    demo.sessions.end(session);
    let session = demo.sessions.begin(demo.clock.now(), Some(login), vec![exchange]);
    Ok(([(SET_COOKIE, set_cookie(&session))], Redirect::to("/")).into_response())
}

/// The token endpoint's answer (RFC 6749 §5.1; OpenID Connect Core §3.1.3.3).
#[derive(Deserialize)]
struct TokenAnswer {
    access_token: String,
    id_token: Option<String>,
    refresh_token: Option<String>,
    #[serde(default)]
    scope: String,
}

/// Checks what the token endpoint answered, for a new login or for the refresh of `earlier`.
async fn logged_in(
    demo: &Demo,
    client: &Registration,
    exchange: &Exchange,
    nonce: Nonce<'_>,
    earlier: Option<&Login>,
) -> Result<Login, Problem> {
    if !exchange.is_success() {
        return Err(Problem::NoTokens(exchange.clone()));
    }
    let answer: TokenAnswer = exchange.json()?;
    let keys = demo.provider.keys().await?;
    let issuer = &demo.provider.issuer;
    let expected = Expected {
        issuer,
        client_id: client.client_id,
        nonce,
        subject: earlier.and_then(|login| login.id_token.text("sub")),
        access_token: &answer.access_token,
    };
    let id_token = match (&answer.id_token, earlier) {
        (Some(token), _) => verify::id_token(token, &keys, Algorithm::RS256, &expected).map_err(Problem::BadIdToken)?,
        // A refresh need not bring a new ID token (§12.2).
        (None, Some(login)) => login.id_token.clone(),
        (None, None) => return Err(Problem::NoTokens(exchange.clone())),
    };
    let (Nonce::Required(nonce) | Nonce::IfPresent(nonce)) = nonce;
    Ok(Login {
        client_id: client.client_id,
        nonce: nonce.to_owned(),
        id_token,
        access_token_verified: verify::access_token(&answer.access_token, &keys, issuer, issuer).ok(),
        access_token: answer.access_token,
        // Without a new one, the old one goes on (RFC 6749 §6).
        refresh_token: answer.refresh_token.or_else(|| earlier.and_then(|login| login.refresh_token.clone())),
        scope: answer.scope,
    })
}

#[derive(Deserialize)]
struct CallForm {
    what: Call,
}

/// The buttons of the page with the tokens.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Call {
    Userinfo,
    Refresh,
    Introspect,
    Revoke,
    ClientCredentials,
}

async fn call(State(demo): State<Arc<Demo>>, headers: HeaderMap, Form(form): Form<CallForm>) -> Result<Response, Problem> {
    let cookie = cookie(&headers).ok_or(Problem::NotLoggedIn)?;
    let login = demo.sessions.find(cookie).and_then(|session| session.login).ok_or(Problem::NotLoggedIn)?;
    let (client, provider) = (demo.client(login.client_id), &demo.provider);
    let exchange = match form.what {
        Call::Userinfo => provider.userinfo(&login.access_token).await?,
        Call::Refresh => refresh(&demo, client, &login, cookie).await?,
        // The service asks, as an API would that was shown the token.
        Call::Introspect => provider.introspect(&demo.service, &login.access_token).await?,
        Call::Revoke => provider.revoke(client, login.refresh_token.as_ref().unwrap_or(&login.access_token)).await?,
        Call::ClientCredentials => {
            let form = [("grant_type", "client_credentials"), ("scope", demo.service.scope)];
            provider.token("Client credentials", &demo.service, &form).await?
        }
    };
    demo.sessions.change(cookie, |session| {
        if session.exchanges.len() == MAX_EXCHANGES {
            session.exchanges.remove(0);
        }
        session.exchanges.push(exchange);
    });
    Ok(Redirect::to("/#calls").into_response())
}

/// New tokens for the refresh token (RFC 6749 §6). A refusal is shown and changes nothing.
async fn refresh(demo: &Demo, client: &Registration, login: &Login, cookie: &str) -> Result<Exchange, Problem> {
    let refresh_token = login.refresh_token.as_deref().ok_or(Problem::NoRefreshToken)?;
    let form = [("grant_type", "refresh_token"), ("refresh_token", refresh_token)];
    let exchange = demo.provider.token("Refresh", client, &form).await?;
    if exchange.is_success() {
        let renewed = logged_in(demo, client, &exchange, Nonce::IfPresent(&login.nonce), Some(login)).await?;
        demo.sessions.change(cookie, |session| session.login = Some(renewed));
    }
    Ok(exchange)
}

/// Ends the session here. The provider's is another one, and has a page of its own to end it.
async fn logout(State(demo): State<Arc<Demo>>, headers: HeaderMap) -> Response {
    if let Some(cookie) = cookie(&headers) {
        demo.sessions.end(cookie);
    }
    let gone = format!("{COOKIE_NAME}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0");
    ([(SET_COOKIE, gone)], Redirect::to("/logged-out")).into_response()
}

async fn logged_out(State(demo): State<Arc<Demo>>) -> Response {
    view::logged_out(&demo)
}

/// The session's cookie, as the browser sent it.
fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split("; "));
    pairs.filter_map(|pair| pair.split_once('=')).find(|(name, _)| *name == COOKIE_NAME).map(|(_, value)| value)
}

/// `Lax`: it has to come along when the browser comes back from the provider. (`Secure` and a `__Host-` name belong to it
/// wherever there is TLS.)
fn set_cookie(session: &str) -> String {
    format!("{COOKIE_NAME}={session}; Path=/; HttpOnly; SameSite=Lax")
}

/// Refuses forms of other origins, and adds the headers that every page has.
async fn guard(request: Request, next: Next) -> Response {
    let site = request.headers().get("sec-fetch-site");
    let foreign = site.is_some_and(|site| site != "same-origin" && site != "none");
    let mut response =
        if request.method() == Method::POST && foreign { Problem::ForeignForm.into_response() } else { next.run(request).await };
    let policy =
        "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(policy));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
