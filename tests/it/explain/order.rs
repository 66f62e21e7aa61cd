//! The order in the tables is the order in which the code checks: of two faults at once, the earlier one is named.

use ostiary::protocol::checks::{self, Procedure};
use ostiary::protocol::client::GrantType;
use ostiary::protocol::response_type::ResponseType;

use super::explained;
use crate::support::browser::Answer;
use crate::support::database::TestDatabase;
use crate::support::flow::{AuthorizationUrl, CHALLENGE};
use crate::support::server::{Persona, TestClient, TestServer, basic};

/// A request with these faults is refused for the first of them; the tables have them in this order too.
async fn assert_first(server: &TestServer, procedure: &str, faults: &[&str], answer: &Answer) {
    let explanation = explained(server, answer).await;
    assert_eq!(explanation["reason"], faults[0], "with {faults:?}");
    let table = checks::named(procedure).expect("a procedure");
    assert!(faults.is_sorted_by_key(|fault| place(table, fault)), "{faults:?} stand otherwise in {procedure}");
}

fn place(procedure: &Procedure, reason: &str) -> usize {
    procedure
        .checks()
        .position(|check| check.reasons.contains(&reason))
        .unwrap_or_else(|| panic!("{reason} is not in {}", procedure.name))
}

/// A reason to refuse a request, and what makes a request such.
type Fault<T> = (&'static str, fn(T) -> T);

/// Applies each fault together with all that follow it.
async fn assert_order<T: Clone>(
    server: &TestServer,
    procedure: &str,
    good: T,
    faults: &[Fault<T>],
    ask: impl AsyncFn(T) -> Answer,
) {
    let names: Vec<&str> = faults.iter().map(|(reason, _)| *reason).collect();
    for first in 0..faults.len() {
        let request = faults[first..].iter().fold(good.clone(), |request, (_, spoil)| spoil(request));
        assert_first(server, procedure, &names[first..], &ask(request).await).await;
    }
}

#[tokio::test]
async fn of_an_authorization_request() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let faults: &[Fault<AuthorizationUrl>] = &[
        ("client_unknown", |url| url.with("client_id", "nobody")),
        ("request_uri", |url| url.with("request_uri", "https://a.example/")),
        ("redirect_uri_mismatch", |url| url.with("redirect_uri", "https://evil.example/")),
        ("parameter_duplicated", |url| url.and("display", "page").and("display", "popup")),
        ("response_type_unsupported", |url| url.with("response_type", "token")),
        ("response_mode_invalid", |url| url.with("response_mode", "smoke_signal")),
        ("code_challenge_method_unsupported", |url| url.with("code_challenge_method", "plain")),
        ("scope_malformed", |url| url.with("scope", "\"")),
        ("nonce_invalid", |url| url.with("nonce", &"n".repeat(2_049))),
        ("prompt_invalid", |url| url.with("prompt", "none login")),
        ("max_age_invalid", |url| url.with("max_age", "soon")),
        ("claims_invalid", |url| url.with("claims", "{")),
        ("acr_values_too_long", |url| url.with("acr_values", &"a".repeat(1_025))),
        ("id_token_hint_invalid", |url| url.with("id_token_hint", "a.b.c")),
    ];
    let ask = async |url: AuthorizationUrl| server.get(&url.path()).await;
    assert_order(&server, "authorize", AuthorizationUrl::new(&client), faults, ask).await;
    server.update_client(&client, |client| client.status = ostiary::protocol::client::ClientStatus::Disabled).await;
    let both = AuthorizationUrl::new(&client).with("redirect_uri", "https://evil.example/");
    assert_first(&server, "authorize", &["client_disabled", "redirect_uri_mismatch"], &ask(both).await).await;
}

#[tokio::test]
async fn of_an_authorization_request_for_tokens() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.legacy.response_types = true).await;
    let client = server
        .client(Persona::Web, |metadata| {
            metadata.grant_types.push(GrantType::Implicit);
            metadata.response_types = vec![ResponseType::CodeToken];
        })
        .await;
    let faults: &[Fault<AuthorizationUrl>] = &[
        ("response_type_not_registered", |url| url.with("response_type", "id_token token")),
        ("response_mode_query", |url| url.with("response_mode", "query")),
        ("code_challenge_missing", |url| url.without("code_challenge")),
        ("dpop_jkt_invalid", |url| url.with("dpop_jkt", "short")),
        ("openid_not_asked_for", |url| url.with("scope", "profile")),
        ("nonce_missing", |url| url.without("nonce")),
        ("front_channel_token_unbound", |url| {
            if url.params().iter().any(|(name, _)| name == "dpop_jkt") { url } else { url.with("dpop_jkt", CHALLENGE) }
        }),
        ("prompt_invalid", |url| url.with("prompt", "none login")),
    ];
    let ask = async |url: AuthorizationUrl| server.get(&url.path()).await;
    let good = AuthorizationUrl::new(&client).with("response_type", "token code");
    assert_order(&server, "authorize", good, faults, ask).await;
}

/// A request to the token endpoint, in its parts.
#[derive(Clone)]
struct TokenCall {
    path: &'static str,
    media_type: &'static str,
    authorization: Option<String>,
    fields: Vec<(&'static str, String)>,
}

impl TokenCall {
    fn new(client: &TestClient, fields: &[(&'static str, &str)]) -> Self {
        let authorization = client.secret.as_ref().map(|secret| basic(client.id(), secret));
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        Self { path: "/token", media_type: "application/x-www-form-urlencoded", authorization, fields }
    }

    fn without(mut self, name: &str) -> Self {
        self.fields.retain(|(field, _)| *field != name);
        self
    }

    fn with(self, name: &'static str, value: &str) -> Self {
        self.without(name).and(name, value)
    }

    fn and(mut self, name: &'static str, value: &str) -> Self {
        self.fields.push((name, value.to_owned()));
        self
    }

    async fn send(self, server: &TestServer) -> Answer {
        let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.fields).finish();
        let mut request = http::Request::post(self.path).header("content-type", self.media_type);
        if let Some(authorization) = self.authorization {
            request = request.header("authorization", authorization);
        }
        server.send(request.body(body.into()).unwrap()).await
    }
}

#[tokio::test]
async fn of_a_code_that_is_redeemed() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let code = crate::support::flow::code(&server, &client, "anna").await;
    server.clock.advance(61);
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", client.redirect_uri()),
        ("code_verifier", crate::support::flow::VERIFIER),
    ];
    let faults: &[Fault<TokenCall>] = &[
        ("credentials_in_query", |mut call| {
            call.path = "/token?client_secret=a";
            call
        }),
        ("media_type", |mut call| {
            call.media_type = "text/plain";
            call
        }),
        ("parameter_duplicated", |call| call.and("scope", "a").and("scope", "b")),
        ("client_authentication_twice", |call| call.with("client_secret", "another")),
        ("authorization_header_malformed", |mut call| {
            call.authorization = Some("Basic %%%".to_owned());
            call
        }),
    ];
    let ask = async |call: TokenCall| call.send(&server).await;
    assert_order(&server, "token", TokenCall::new(&client, &fields), faults, ask).await;

    let faults: &[Fault<TokenCall>] = &[
        ("code_unknown", |call| call.with("code", "nothing-of-ours")),
        // It is too old all along.
        ("code_expired", |call| call),
        ("redirect_uri_mismatch", |call| call.with("redirect_uri", "https://evil.example/")),
        ("code_verifier_mismatch", |call| call.with("code_verifier", "wrong")),
    ];
    for first in 0..2 {
        let call = faults[first..].iter().fold(TokenCall::new(&client, &fields), |call, (_, spoil)| spoil(call));
        let names: Vec<&str> = faults[first..].iter().map(|(reason, _)| *reason).collect();
        assert_first(&server, "token/authorization_code", &names, &ask(call).await).await;
    }

    let service = server.client(Persona::Service, |_| {}).await;
    for (procedure, faults, fields) in [
        ("token", &["grant_type_unknown"][..], &[("grant_type", "implicit"), ("scope", "\"")][..]),
        ("token", &["grant_type_not_allowed"], &[("grant_type", "authorization_code"), ("code", "a")]),
        ("token/client_credentials", &["scope_malformed"], &[("grant_type", "client_credentials"), ("scope", "\" openid")]),
        (
            "token/client_credentials",
            &["scope_needs_a_person", "scope_not_allowed"],
            &[("grant_type", "client_credentials"), ("scope", "openid users:write")],
        ),
    ] {
        assert_first(&server, procedure, faults, &ask(TokenCall::new(&service, fields)).await).await;
    }
    let mut unknown_and_wrong = TokenCall::new(&service, &[("grant_type", "implicit")]);
    unknown_and_wrong.authorization = Some(basic("nobody", "wrong"));
    assert_first(
        &server,
        "token",
        &["client_unknown", "client_secret_wrong", "grant_type_unknown"],
        &ask(unknown_and_wrong).await,
    )
    .await;
    let wrong_method = TokenCall { authorization: None, ..TokenCall::new(&service, &[("grant_type", "implicit")]) };
    let wrong_method = wrong_method.with("client_id", service.id()).with("client_secret", "wrong");
    let faults = ["client_authentication_method_not_registered", "client_secret_wrong", "grant_type_unknown"];
    assert_first(&server, "token", &faults, &ask(wrong_method).await).await;
}

#[tokio::test]
async fn of_the_forms_of_a_login() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let mut browser = server.browser();
    let page = browser.visit("/login").await;
    let spoilt = page.form().set("csrf", "wrong").set("flow", "nothing").set("password", "\u{1}");
    assert_first(&server, "login", &["csrf", "flow_foreign", "password_malformed"], &browser.submit(&spoilt).await).await;
    let spoilt = page.form().set("username", "anna").set("password", "\u{1}");
    assert_first(&server, "login", &["password_malformed", "wrong_password"], &browser.submit(&spoilt).await).await;
    let answer = server.post_with("/introspect", &[], &[("token", "a")]).await;
    assert_first(&server, "introspect", &["client_authentication_missing", "introspection_by_public_client"], &answer).await;
    let public = server.client(Persona::Spa, |_| {}).await;
    let answer = server.post_as(&public, "/introspect", &[]).await;
    assert_first(&server, "introspect", &["introspection_by_public_client", "token_missing"], &answer).await;
}

/// Header and claims.
type Parts = (serde_json::Value, serde_json::Value);
type Spoiling<'a> = (&'a str, &'a dyn Fn(&mut Parts));

#[tokio::test]
async fn of_an_assertion() {
    use crate::support::assertion::{ClientKey, claims, jwks, token};
    use ostiary::protocol::client::{Algorithm, ClientAuthMethod};

    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let key = ClientKey::new(Algorithm::ES256);
    let client = server
        .client(Persona::Service, |metadata| {
            metadata.token_endpoint_auth_method = ClientAuthMethod::PrivateKeyJwt;
            metadata.jwks = Some(jwks(&[&key]));
        })
        .await;
    let set = |part: &mut serde_json::Value, name: &str, value: serde_json::Value| part[name] = value;
    let spoil: [Spoiling<'_>; 10] = [
        ("client_assertion_malformed", &|parts| set(&mut parts.0, "crit", serde_json::json!(["x"]))),
        ("client_assertion_algorithm_not_allowed", &|parts| set(&mut parts.0, "alg", "none".into())),
        ("client_assertion_of_another_type", &|parts| set(&mut parts.0, "typ", "at+jwt".into())),
        ("client_assertion_key_unknown", &|parts| set(&mut parts.0, "kid", "other".into())),
        ("client_assertion_issuer_is_not_the_client", &|parts| set(&mut parts.1, "iss", "other".into())),
        ("client_assertion_audience_mismatch", &|parts| set(&mut parts.1, "aud", "other".into())),
        ("client_assertion_time_malformed", &|parts| set(&mut parts.1, "nbf", "soon".into())),
        ("client_assertion_lifetime_too_long", &|parts| set(&mut parts.1, "exp", 4_000_000_000_i64.into())),
        ("client_assertion_from_the_future", &|parts| set(&mut parts.1, "iat", 4_000_000_000_i64.into())),
        ("client_assertion_jti_missing", &|parts| set(&mut parts.1, "jti", "".into())),
    ];
    for first in 0..spoil.len() {
        let mut parts = (key.header(), claims(&server, &client));
        for (_, spoil) in spoil[first..].iter().rev() {
            spoil(&mut parts);
        }
        let names: Vec<&str> = spoil[first..].iter().map(|(reason, _)| *reason).collect();
        assert_first(&server, "token", &names, &token(&server, &key.sign_as(&parts.0, &parts.1)).await).await;
    }
    let assertion = key.sign(&claims(&server, &client));
    token(&server, &assertion).await;
    assert_first(&server, "token", &["client_assertion_replayed"], &token(&server, &assertion).await).await;
}
