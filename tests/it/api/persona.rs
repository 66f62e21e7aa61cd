//! Callers of the API.

use std::net::{IpAddr, SocketAddr};

use axum::body::Body;
use http::{Method, Request, header};
use ostiary::api::authorization::CSRF_PURPOSE;
use ostiary::authn::session;
use ostiary::protocol::authentication::{self, Factors};
use ostiary::protocol::client::AccessTokenFormat;
use ostiary::protocol::scope::{self, Scope};
use ostiary::storage::users::User;
use ostiary::web::context::Peer;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::auth;
use crate::support::browser::Answer;
use crate::support::flow::{AuthorizationUrl, text, tokens_of};
use crate::support::server::{Persona, TestClient, TestServer};

/// Somebody who sends requests with the same credentials.
#[derive(Clone, Debug)]
pub struct Caller {
    pub server: TestServer,
    pub headers: Vec<(String, String)>,
    /// Where the requests come from.
    pub address: Option<IpAddr>,
}

/// All scopes of the management API, as text.
pub fn everything() -> String {
    scope::management().to_string()
}

impl Caller {
    pub fn anonymous(server: &TestServer) -> Self {
        Self { server: server.clone(), headers: Vec::new(), address: None }
    }

    pub fn bearer(server: &TestServer, token: &str) -> Self {
        Self::anonymous(server).with("authorization", &format!("Bearer {token}"))
    }

    /// A service whose token has this scope.
    pub async fn service(server: &TestServer, scope: &str) -> Self {
        let client = service(server, scope).await;
        Self::bearer(server, &service_token(server, &client).await)
    }

    /// A person by an access token that an application got for them.
    pub async fn person(server: &TestServer, name: &str, scope: &str) -> Self {
        Self::bearer(server, &text(&person_tokens(server, name, scope).await, "access_token"))
    }

    /// A person by their browser session, as our own pages would call.
    pub async fn browser(server: &TestServer, user: &User) -> Self {
        Self::with_cookie(server, &cookie(server, user).await)
    }

    /// The same, after these factors.
    pub async fn browser_of(server: &TestServer, user: &User, methods: &[authentication::Method]) -> Self {
        Self::with_cookie(server, &cookie_of(server, user, methods).await)
    }

    fn with_cookie(server: &TestServer, secret: &str) -> Self {
        Self::anonymous(server)
            .with("cookie", &format!("__Host-sid={secret}"))
            .with("x-csrf-token", &server.state.csrf.token(secret, CSRF_PURPOSE))
            .with("origin", server.origin())
            .with("sec-fetch-site", "same-origin")
    }

    /// A person by an application of the operator's own that logged them in without a browser.
    pub async fn app(server: &TestServer, user: &User) -> Self {
        let client = auth::app(server, Persona::Native).await;
        auth::holder(server, &auth::log_in(server, &client, user.sign_in_name.as_str()).await)
    }

    /// Takes over the session that an answer gives in the place of the browser's.
    pub fn follow(&mut self, answer: &Answer) {
        let cookie = answer.header("set-cookie").expect("a new session");
        let token = answer.header("x-csrf-token").expect("a new token");
        let pair = cookie.split(';').next().unwrap();
        *self = self.clone().with("cookie", pair).with("x-csrf-token", token);
    }

    /// Somebody who may do everything.
    pub async fn admin(server: &TestServer) -> Self {
        Self::service(server, &everything()).await
    }

    #[must_use]
    pub fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// From this address on.
    #[must_use]
    pub fn at(&self, address: &str) -> Self {
        Self { address: Some(address.parse().expect("an address")), ..self.clone() }
    }

    pub async fn send(&self, method: &str, path: &str, body: Option<&Value>) -> Answer {
        let mut request = Request::builder().method(Method::from_bytes(method.as_bytes()).unwrap()).uri(format!("/api/v1{path}"));
        for (name, value) in &self.headers {
            request = request.header(name.as_str(), value.as_str());
        }
        let body = match body {
            Some(value) => {
                request = request.header(header::CONTENT_TYPE, "application/json");
                Body::from(value.to_string())
            }
            None => Body::empty(),
        };
        let mut request = request.body(body).unwrap();
        if let Some(address) = self.address {
            request.extensions_mut().insert(Peer(SocketAddr::new(address, 4711)));
        }
        self.server.send(request).await
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send("GET", path, None).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send("POST", path, Some(body)).await
    }

    pub async fn put(&self, path: &str, body: &Value) -> Answer {
        self.send("PUT", path, Some(body)).await
    }

    /// Changes whatever version is there.
    pub async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.clone().with("if-match", "*").send("PATCH", path, Some(body)).await
    }

    /// Deletes whatever version is there.
    pub async fn delete(&self, path: &str) -> Answer {
        self.clone().with("if-match", "*").send("DELETE", path, None).await
    }
}

/// A service registered for this scope and this API.
pub async fn service(server: &TestServer, scope: &str) -> TestClient {
    server
        .client(Persona::Service, |metadata| {
            metadata.scope = Scope::parse(scope).unwrap();
            metadata.audiences = vec![server.state.api_audience()];
        })
        .await
}

pub async fn service_token(server: &TestServer, client: &TestClient) -> String {
    text(&server.token(client, &[("grant_type", "client_credentials")]).await.json(), "access_token")
}

/// What an application gets for a person, of this scope.
pub async fn person_tokens(server: &TestServer, name: &str, scope: &str) -> Value {
    let client = server
        .client(Persona::Web, |metadata| {
            metadata.scope = Scope::parse(&format!("openid {scope}")).unwrap();
            metadata.audiences = vec![server.state.api_audience()];
            metadata.access_token_format = AccessTokenFormat::Opaque;
        })
        .await;
    let url = AuthorizationUrl::new(&client).with("scope", &format!("openid {scope}"));
    tokens_of(server, &client, &url, name).await
}

/// The secret of a browser session that has just begun.
pub async fn cookie(server: &TestServer, user: &User) -> String {
    cookie_of(server, user, &[authentication::Method::Password]).await
}

async fn cookie_of(server: &TestServer, user: &User, methods: &[authentication::Method]) -> String {
    let device =
        session::Device { user_agent: "Test Browser".to_owned(), address: "192.0.2.7".to_owned(), ..session::Device::default() };
    let now = server.clock.now();
    let factors = methods.iter().fold(Factors::default(), |factors, method| factors.and(*method, now));
    let begun = session::begin(&server.state.tokens, (&user.id, factors), device, now, &server.state.config.session);
    server
        .state
        .db
        .write(async |tx| session::replace(tx, None, &begun.session, server.state.ending(server.clock.now())).await)
        .await
        .unwrap();
    begun.secret.expose_secret().to_owned()
}

/// Asserts an error in the envelope of the API.
#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, code: &str) {
    let error = &answer.json()["error"];
    assert_eq!((answer.status.as_u16(), error["code"].as_str()), (status, Some(code)), "{answer:#?}");
    assert_eq!(error["trace_id"].as_str(), answer.header("x-request-id"), "{answer:#?}");
    assert!(error["message"].is_string() && error["details"].is_array(), "{answer:#?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:#?}");
}

/// Asserts that one detail says this.
#[track_caller]
pub fn assert_detail(answer: &Answer, field: &str, code: &str) {
    assert!(matches!(answer.status.as_u16(), 400 | 422), "{answer:#?}");
    let details = &answer.json()["error"]["details"];
    let found = details.as_array().unwrap().iter().any(|detail| detail["field"] == field && detail["code"] == code);
    assert!(found, "no {field}: {code} in {details:#}");
}
