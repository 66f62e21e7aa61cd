//! The way from an authorization request to tokens, in steps that tests can take one by one.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use super::browser::{Answer, Browser};
use super::server::{PASSWORD, TestClient, TestServer};

/// The example of RFC 7636 appendix B.
pub const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub const SCOPE: &str = "openid profile email offline_access";

/// The parameters of a good authorization request.
#[derive(Clone, Debug)]
pub struct AuthorizationUrl(Vec<(String, String)>);

impl AuthorizationUrl {
    pub fn new(client: &TestClient) -> Self {
        let params = [
            ("response_type", "code"),
            ("client_id", client.id()),
            ("redirect_uri", client.redirect_uri()),
            ("scope", SCOPE),
            ("state", "af0ifjsldkj"),
            ("nonce", "n-0S6_WzA2Mj"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ];
        Self(params.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    #[must_use]
    pub fn with(self, name: &str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    /// Adds a parameter, even one that is there already.
    #[must_use]
    pub fn and(mut self, name: &str, value: &str) -> Self {
        self.0.push((name.to_owned(), value.to_owned()));
        self
    }

    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.0.retain(|(param, _)| param != name);
        self
    }

    pub fn params(&self) -> &[(String, String)] {
        &self.0
    }

    pub fn path(&self) -> String {
        format!("/authorize?{}", form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish())
    }
}

/// Fills in the login page on which the browser is.
pub async fn log_in(browser: &mut Browser, page: &Answer, name: &str) -> Answer {
    assert!(page.url.starts_with("/login"), "not the login page: {page:#?}");
    browser.submit(&page.form().set("username", name).set("password", PASSWORD)).await
}

/// Says yes to everything on the consent page.
pub async fn allow(browser: &mut Browser, page: &Answer) -> Answer {
    assert!(page.url.starts_with("/consent"), "not the consent page: {page:#?}");
    browser.submit(&page.form().set("decision", "allow")).await
}

/// Goes through whatever pages come, as this person, to the redirect at the end.
pub async fn authorize(browser: &mut Browser, url: &AuthorizationUrl, name: &str) -> BTreeMap<String, String> {
    let mut answer = browser.visit(&url.path()).await;
    if answer.url.starts_with("/login") {
        answer = log_in(browser, &answer, name).await;
    }
    if answer.url.starts_with("/consent") {
        answer = allow(browser, &answer).await;
    }
    answer.redirect_params()
}

/// A code for this person.
pub async fn code(server: &TestServer, client: &TestClient, name: &str) -> String {
    code_of(server, client, &AuthorizationUrl::new(client), name).await
}

pub async fn code_of(server: &TestServer, _client: &TestClient, url: &AuthorizationUrl, name: &str) -> String {
    let params = authorize(&mut server.browser(), url, name).await;
    params.get("code").unwrap_or_else(|| panic!("no code in {params:?}")).clone()
}

/// Redeems a code.
pub async fn redeem(server: &TestServer, client: &TestClient, code: &str) -> Answer {
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", client.redirect_uri()),
        ("code_verifier", VERIFIER),
    ];
    server.token(client, &fields).await
}

/// Logs a person in and redeems the code.
pub async fn tokens(server: &TestServer, client: &TestClient, name: &str) -> Value {
    tokens_of(server, client, &AuthorizationUrl::new(client), name).await
}

pub async fn tokens_of(server: &TestServer, client: &TestClient, url: &AuthorizationUrl, name: &str) -> Value {
    let code = code_of(server, client, url, name).await;
    let answer = redeem(server, client, &code).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    answer.json()
}

pub async fn refresh(server: &TestServer, client: &TestClient, refresh_token: &str) -> Answer {
    server.token(client, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

/// The claims of a JWT, unverified.
#[track_caller]
pub fn claims(token: &str) -> Value {
    part(token, 1)
}

/// The header of a JWT.
#[track_caller]
pub fn header(token: &str) -> Value {
    part(token, 0)
}

#[track_caller]
fn part(token: &str, index: usize) -> Value {
    let part = token.split('.').nth(index).expect("a JWT");
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).expect("base64url")).expect("JSON")
}

/// A text member of a JSON answer.
#[track_caller]
pub fn text(answer: &Value, name: &str) -> String {
    answer[name].as_str().unwrap_or_else(|| panic!("no {name} in {answer:#}")).to_owned()
}

/// Asserts a JSON error of OAuth.
#[track_caller]
pub fn assert_error(answer: &Answer, status: u16, code: &str) {
    assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (status, Some(code)), "{answer:#?}");
    assert_eq!(answer.header("cache-control"), Some("no-store"), "{answer:#?}");
}
