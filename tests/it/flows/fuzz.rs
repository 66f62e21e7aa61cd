//! Whatever bytes come, the answer is never a server error: raw authorization and token requests, half sensible, half noise.

use axum::body::Body;
use http::{Method, Request};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};

use crate::support::database::TestDatabase;
use crate::support::flow::{CHALLENGE, VERIFIER};
use crate::support::server::{Persona, TestServer, basic};

const CASES: u32 = 400;

/// Names that mean something, and some that don't.
fn name() -> impl Strategy<Value = String> {
    let known = [
        "client_id",
        "redirect_uri",
        "response_type",
        "response_mode",
        "scope",
        "state",
        "nonce",
        "code_challenge",
        "code_challenge_method",
        "prompt",
        "max_age",
        "claims",
        "id_token_hint",
        "login_hint",
        "acr_values",
        "display",
        "ui_locales",
        "request",
        "request_uri",
        "registration",
        "resource",
        "grant_type",
        "code",
        "code_verifier",
        "refresh_token",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "token",
        "token_type_hint",
        "access_token",
        "flow",
        "csrf",
    ];
    prop_oneof![6 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,12}"]
}

fn value() -> impl Strategy<Value = String> {
    let known = [
        "code",
        "query",
        "form_post",
        "fragment",
        "openid profile",
        "openid \"",
        "S256",
        "plain",
        "none",
        "login consent",
        "0",
        "-1",
        "99999999999999999999",
        "{\"id_token\":{\"sub\":{\"value\":1}}}",
        "{}",
        "[",
        "a.b.c",
        "authorization_code",
        "refresh_token",
        "client_credentials",
        "https://app.example/cb",
        "https://app.example/cb#x",
        CHALLENGE,
        VERIFIER,
        "en fr",
    ];
    prop_oneof![6 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 2 => "\\PC{0,40}", 1 => ".{0,300}"]
}

/// A query or a body: pairs, properly encoded or as raw noise.
fn encoded(client: String) -> impl Strategy<Value = Vec<u8>> {
    let pairs = prop::collection::vec((name(), value()), 0..12);
    let with_client = (any::<bool>(), pairs).prop_map(move |(named, mut pairs)| {
        if named {
            pairs.push(("client_id".to_owned(), client.clone()));
            pairs.push(("redirect_uri".to_owned(), "https://app.example/cb".to_owned()));
        }
        form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish().into_bytes()
    });
    prop_oneof![5 => with_client, 1 => prop::collection::vec(any::<u8>(), 0..200)]
}

/// Runs the same requests through the router, outside of the strategy's own (synchronous) world.
async fn hold(requests: Vec<Request<Body>>, server: &TestServer) {
    for request in requests {
        let described = format!("{request:?}");
        let answer = server.send(request).await;
        assert!(!answer.status.is_server_error(), "{described}: {answer:#?}");
        if let Some(location) = answer.header("location") {
            let own = location.starts_with('/') && !location.starts_with("//");
            assert!(own || location.starts_with("https://app.example/cb"), "{described}: {answer:#?}");
        }
    }
}

fn samples<S: Strategy>(strategy: &S) -> Vec<S::Value> {
    let mut runner = TestRunner::new(Config::default());
    (0..CASES).map(|_| strategy.new_tree(&mut runner).expect("a value").current()).collect()
}

#[tokio::test]
async fn no_authorization_request_is_a_server_error() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let requests = samples(&encoded(client.id().to_owned())).into_iter().flat_map(|bytes| {
        let query: String = bytes
            .iter()
            .filter(|byte| byte.is_ascii_graphic() && !b"#<>\"`{}|^\\".contains(byte))
            .map(|byte| char::from(*byte))
            .collect();
        let paths = ["/authorize", "/authorize/resume", "/login", "/login/select", "/consent", "/userinfo"];
        let gets = paths.map(|path| Request::get(format!("{path}?{query}")).body(Body::empty()));
        let post =
            Request::post("/authorize").header("content-type", "application/x-www-form-urlencoded").body(Body::from(bytes));
        gets.into_iter().chain([post]).filter_map(Result::ok).collect::<Vec<_>>()
    });
    hold(requests.collect(), &server).await;
}

#[tokio::test]
async fn no_token_request_is_a_server_error() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let authorization = basic(client.id(), client.secret.as_deref().unwrap());
    let requests =
        samples(&(encoded(client.id().to_owned()), any::<bool>(), ".{0,60}")).into_iter().flat_map(|(bytes, right, odd)| {
            ["/token", "/introspect", "/revoke", "/userinfo", "/login", "/consent"].map(|path| {
                let authorization = if right { authorization.as_bytes().to_vec() } else { odd.as_bytes().to_vec() };
                Request::builder()
                    .method(Method::POST)
                    .uri(path)
                    .header("content-type", "application/x-www-form-urlencoded")
                    .header("authorization", authorization)
                    .body(Body::from(bytes.clone()))
            })
        });
    hold(requests.filter_map(Result::ok).collect(), &server).await;
}
