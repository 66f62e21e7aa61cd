//! The limits of the endpoints, each over HTTP: behaviours section 3.

use http::Request;
use ostiary::config::Config;

use super::attack::{limited_with, recorded};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::dpop::{Prover, redeem};
use crate::support::flow::{AuthorizationUrl, assert_error, code_of, text};
use crate::support::server::{Persona, TestClient, TestServer, basic};

async fn server(change: impl FnOnce(&mut Config)) -> TestServer {
    limited_with(TestDatabase::sqlite().await, change).await
}

/// What is asked for until it is refused; how many were not.
async fn until_refused(mut ask: impl AsyncFnMut() -> Answer) -> (u32, Answer) {
    for count in 0..10_000 {
        let answer = ask().await;
        if answer.status == 429 {
            return (count, answer);
        }
    }
    panic!("no limit");
}

#[track_caller]
fn assert_limited(answer: &Answer, seconds: &str) {
    assert_error(answer, 429, "temporarily_unavailable");
    assert_eq!(answer.header("retry-after"), Some(seconds));
}

#[tokio::test]
async fn authorize_answers_with_a_page() {
    let server = server(|_| {}).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let url = AuthorizationUrl::new(&client).path();
    let mut browser = server.browser().at("192.0.2.1");
    let (count, answer) = until_refused(async || browser.get(&url).await).await;
    assert_eq!(count, 60);
    assert_eq!((answer.header("retry-after"), answer.header("location")), (Some("1"), None));
    assert!(answer.header("content-type").unwrap().starts_with("text/html") && answer.body.contains("Too many requests"));
    assert!(recorded(&server, "authorization.refused", "rate_limited").await);
    assert_eq!(browser.post("/authorize", &[]).await.status, 429);
    assert_eq!(browser.get("/authorize/resume").await.status, 429);
    assert_eq!(server.browser().at("192.0.2.2").get(&url).await.status, 303);
    server.clock.advance(1);
    assert_eq!(browser.get(&url).await.status, 303);
}

#[tokio::test]
async fn a_public_client_is_limited_with_its_address() {
    let server = server(|_| {}).await;
    let client = server.client(Persona::Spa, |_| {}).await;
    let fields = [("grant_type", "authorization_code")];
    let (count, answer) = until_refused(async || server.token(&client, &fields).await).await;
    assert_eq!(count, 60);
    assert_limited(&answer, "1");
    assert!(recorded(&server, "token.refused", "rate_limited").await);
    let other = server.client(Persona::Spa, |_| {}).await;
    assert_eq!(server.token(&other, &fields).await.status, 400);
    server.clock.advance(1);
    assert_eq!(until_refused(async || server.token(&client, &fields).await).await.0, 10);
    let origin = server.client(Persona::Spa, |_| {}).await;
    // P6
    let (count, answer) = until_refused(async || server.post_as(&origin, "/par", &[]).await).await;
    assert_eq!(count, 60, "pushed requests count likewise");
    assert_limited(&answer, "1");
    assert!(recorded(&server, "pushed_request.refused", "rate_limited").await);
    let origin = server.client(Persona::Spa, |_| {}).await;
    assert_eq!(server.post_as(&origin, "/revoke", &[("token", "x")]).await.status, 200, "revocation counts likewise");
}

#[tokio::test]
async fn a_client_that_authenticates_is_limited_wherever_it_is() {
    let server = server(|config| config.rates.token = "20; 10/s".parse().unwrap()).await;
    let client = server.client(Persona::Service, |_| {}).await;
    let fields = [("grant_type", "client_credentials")];
    let (count, answer) = until_refused(async || server.token(&client, &fields).await).await;
    assert_eq!(count, 20);
    assert_limited(&answer, "1");
    server.clock.advance(1);
    assert_eq!(until_refused(async || server.token(&client, &fields).await).await.0, 10);
    // However many ask too often, the audit log grows by a row.
    let before = server.audit().await.len();
    for _ in 0..20 {
        server.token(&client, &fields).await;
    }
    assert!(server.audit().await.len() <= before + 1);
}

#[tokio::test]
async fn introspection_is_limited_by_client() {
    let server = server(|config| config.rates.introspect = "7/s".parse().unwrap()).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let (count, answer) = until_refused(async || server.post_as(&client, "/introspect", &[("token", "x")]).await).await;
    assert_eq!(count, 7);
    assert_limited(&answer, "1");
}

#[tokio::test]
async fn userinfo_is_limited_by_token_and_writes_nothing_beyond() {
    let server = server(|config| config.rates.userinfo = "7/s".parse().unwrap()).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let prover = Prover::new();
    let code = code_of(&server, &client, &AuthorizationUrl::new(&client), "anna").await;
    let tokens = redeem(&server, &client, &code, &[&prover.proof(&server, "POST", "/token")]).await.json();
    let token = text(&tokens, "access_token");
    let (count, answer) = until_refused(async || prover.open(&server, "/userinfo", &token).await).await;
    assert_eq!(count, 7);
    assert_limited(&answer, "1");
    let spent = async || {
        let mut conn = server.state.db.read().await.unwrap();
        conn.query("SELECT COUNT(*) FROM spent").fetch_one::<(i64,)>().await.unwrap().0
    };
    let written = spent().await;
    assert_eq!(prover.open(&server, "/userinfo", &token).await.status, 429);
    assert_eq!(spent().await, written);
    assert_eq!(server.userinfo("another").await.status, 401);
}

async fn authenticate(server: &TestServer, address: &str, client: &TestClient, secret: &str) -> Answer {
    let request = Request::post("/token")
        .header("authorization", basic(client.id(), secret))
        .header("content-type", "application/x-www-form-urlencoded")
        .body("grant_type=client_credentials".into())
        .unwrap();
    server.browser().at(address).send(request).await
}

on_both! {
    async fn who_fails_to_authenticate_is_refused_after_ten_and_the_client_elsewhere_is_not(database: TestDatabase) {
        let server = limited_with(database, |_| {}).await;
        let client = server.client(Persona::Service, |_| {}).await;
        let (here, elsewhere, secret) = ("192.0.2.1", "192.0.2.2", client.secret.clone().unwrap());
        let (count, answer) = until_refused(async || authenticate(&server, here, &client, "wrong").await).await;
        assert_eq!(count, 10);
        assert_limited(&answer, "6");
        assert!(recorded(&server, "client.authentication", "rate_limited").await);
        assert_eq!(authenticate(&server, here, &client, &secret).await.status, 429, "nor does the right secret tell");
        assert_eq!(authenticate(&server, elsewhere, &client, &secret).await.status, 200, "nobody locks a client by its id");
        server.clock.advance(6);
        assert_eq!(authenticate(&server, here, &client, &secret).await.status, 200);
    }
}

#[tokio::test]
async fn unknown_clients_are_counted_like_known_ones() {
    let server = server(|_| {}).await;
    let mut unknown = server.client(Persona::Service, |_| {}).await;
    unknown.client.id = "nobody".to_owned().try_into().unwrap();
    let (count, answer) = until_refused(async || authenticate(&server, "192.0.2.1", &unknown, "wrong").await).await;
    assert_eq!(count, 10);
    assert_limited(&answer, "6");
}

#[tokio::test]
async fn the_management_api_says_how_much_is_left() {
    use crate::api::persona::Caller;
    let server = server(|_| {}).await;
    let caller = Caller::service(&server, "users:read").await;
    let first = caller.get("/admin/users").await;
    assert_eq!(first.status, 200);
    assert_eq!(first.header("ratelimit-policy"), Some("\"api\";q=50;w=5"));
    assert_eq!(first.header("ratelimit"), Some("\"api\";r=49;t=1"));
    let (count, answer) = until_refused(async || caller.get("/admin/users").await).await;
    assert_eq!(count, 49);
    assert_eq!(answer.json()["error"]["code"], "rate_limited");
    assert!(answer.json()["error"]["trace_id"].is_string());
    assert_eq!(answer.header("retry-after"), Some("1"));
    assert_eq!(answer.header("ratelimit"), Some("\"api\";r=0;t=1"));
    assert!(recorded(&server, "api.refused", "rate_limited").await);
    let other = Caller::service(&server, "users:read").await;
    assert_eq!(other.get("/admin/users").await.status, 200);
    server.clock.advance(1);
    assert_eq!(until_refused(async || caller.get("/admin/users").await).await.0, 10);
}

#[tokio::test]
async fn made_up_tokens_are_counted_by_address() {
    use crate::api::persona::Caller;
    let server = server(|_| {}).await;
    let mut number = 0;
    let (count, _) = until_refused(async || {
        number += 1;
        Caller::bearer(&server, &format!("made-up-{number}")).get("/admin/users").await
    })
    .await;
    assert_eq!(count, 60);
}

#[tokio::test]
async fn a_token_has_one_bucket_however_the_field_around_it_is_spelled() {
    let server = server(|_| {}).await;
    let mut number = 0;
    let (count, answer) = until_refused(async || {
        number += 1;
        let scheme = ["Bearer", "bearer", "BEARER"][number % 3];
        let field = format!("{scheme}{}token", " ".repeat(number));
        server
            .send(Request::get("/api/v1/users/me").header("authorization", field).body(axum::body::Body::empty()).unwrap())
            .await
    })
    .await;
    assert_eq!((count, answer.header("ratelimit-policy")), (50, Some("\"api\";q=50;w=5")));
}

#[tokio::test]
async fn what_is_no_token_is_counted_by_its_sender() {
    let server = server(|_| {}).await;
    let mut number = 0;
    let (count, answer) = until_refused(async || {
        number += 1;
        let field = ["Basic", "Bearer,", "Token"][number % 3].to_owned() + &format!(" {{{number}}}");
        server
            .send(Request::get("/api/v1/users/me").header("authorization", field).body(axum::body::Body::empty()).unwrap())
            .await
    })
    .await;
    assert_eq!((count, answer.header("ratelimit-policy")), (60, None));
}
