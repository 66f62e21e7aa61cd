//! The line to PostgreSQL: cut, silent, slow, and losing an answer (behaviours 2, "DB down", "DB slow", "COMMIT sent, answer lost").

use std::time::{Duration, Instant};

use super::all;
use crate::support::browser::Answer;
use crate::support::database::TestDatabase;
use crate::support::flow::{assert_error, code, redeem, refresh, text, tokens};
use crate::support::postgres::Database;
use crate::support::proxy::Proxy;
use crate::support::server::{Persona, TestClient, TestServer};

/// A request under way.
type Asked<'a> = std::pin::Pin<Box<dyn Future<Output = Answer> + 'a>>;

/// A server behind a proxy, with a person, and what an application of theirs holds.
struct Scene {
    proxy: Proxy,
    server: TestServer,
    client: TestClient,
    refresh_token: String,
    access_token: String,
    code: String,
}

impl Scene {
    async fn new() -> Self {
        Self::of(Persona::Web).await
    }

    async fn of(persona: Persona) -> Self {
        let database = TestDatabase::postgres().await;
        let proxy = Proxy::to(Database::socket()).await;
        let server = TestServer::start(database.through(&proxy, "ostiary").await).await;
        server.person("anna").await;
        let client = server.client(persona, |_| {}).await;
        let tokens = tokens(&server, &client, "anna").await;
        let code = code(&server, &client, "anna").await;
        let (refresh_token, access_token) = (text(&tokens, "refresh_token"), text(&tokens, "access_token"));
        Self { proxy, server, client, refresh_token, access_token, code }
    }

    /// Everything that needs the database says "later", and nothing else, and each soon enough.
    async fn is_unavailable_within(&self, most: Duration) {
        let Self { server, client, .. } = self;
        let token = [("token", self.access_token.as_str())];
        let ask: [(&str, Asked<'_>); 5] = [
            ("redeem", Box::pin(redeem(server, client, &self.code))),
            ("refresh", Box::pin(refresh(server, client, &self.refresh_token))),
            ("introspect", Box::pin(server.post_as(client, "/introspect", &token))),
            ("revoke", Box::pin(server.post_as(client, "/revoke", &token))),
            ("userinfo", Box::pin(server.userinfo(&self.access_token))),
        ];
        for (name, asked) in ask {
            let began = Instant::now();
            let answer = asked.await;
            let took = began.elapsed();
            assert_eq!(answer.status, 503, "{name}: {answer:#?}");
            assert_eq!(answer.json()["error"], "temporarily_unavailable", "{name}");
            assert!(answer.header("retry-after").is_some(), "{name}: {answer:#?}");
            assert!(took < most, "{name} took {took:?}");
        }
    }

    /// What needs no database goes on, at once.
    async fn lives(&self) {
        for path in ["/health/live", "/jwks", "/.well-known/openid-configuration"] {
            let began = Instant::now();
            assert_eq!(self.server.get(path).await.status, 200, "{path}");
            assert!(began.elapsed() < Duration::from_millis(100), "{path} took {:?}", began.elapsed());
        }
    }

    /// Nobody restarted anything, and nobody was logged out.
    async fn is_well_within(&self, most: Duration) {
        let began = Instant::now();
        while self.server.get("/health/ready").await.status != 200 {
            assert!(began.elapsed() < most, "not ready after {:?}", began.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let answer = refresh(&self.server, &self.client, &self.refresh_token).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        let answer = redeem(&self.server, &self.client, &self.code).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        assert_eq!(self.server.userinfo(&self.access_token).await.status, 200);
        assert!(began.elapsed() < most, "it took {:?}", began.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_database_that_is_cut_off_is_told_within_two_seconds_and_found_again_within_five() {
    let scene = Scene::new().await;
    scene.proxy.cut();
    scene.is_unavailable_within(Duration::from_secs(2)).await;
    scene.lives().await;
    assert_eq!(scene.server.get("/health/ready").await.status, 503);
    scene.proxy.pass();
    scene.is_well_within(Duration::from_secs(5)).await;
}

/// A line that is dead says nothing: neither end of a connection learns of it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_database_that_falls_silent_holds_nobody_and_keeps_no_connection() {
    let scene = Scene::new().await;
    scene.proxy.keep_silent();
    // More than there are connections, at once: each of them is given up.
    let (server, client, token) = (&scene.server, &scene.client, &scene.refresh_token);
    let began = Instant::now();
    for answer in all((0..12).map(|_| refresh(server, client, token))).await {
        assert_error(&answer, 503, "temporarily_unavailable");
    }
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    scene.is_unavailable_within(Duration::from_secs(2)).await;
    scene.lives().await;
    scene.proxy.pass();
    scene.is_well_within(Duration::from_secs(5)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_database_that_takes_five_seconds_is_not_waited_for() {
    let scene = Scene::new().await;
    scene.proxy.slow_down(Duration::from_secs(5));
    scene.is_unavailable_within(Duration::from_secs(5)).await;
    scene.lives().await;
    scene.proxy.pass();
    scene.is_well_within(Duration::from_secs(8)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_code_whose_answer_was_lost_is_spent() {
    let scene = Scene::new().await;
    scene.proxy.lose_the_next_commits_answer();
    let answer = redeem(&scene.server, &scene.client, &scene.code).await;
    assert_error(&answer, 503, "temporarily_unavailable");
    assert!(scene.proxy.has_lost_it());
    assert_error(&redeem(&scene.server, &scene.client, &scene.code).await, 400, "invalid_grant");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn a_refresh_whose_answer_was_lost_is_answered_when_it_is_sent_again() {
    let scene = Scene::of(Persona::Spa).await;
    scene.proxy.lose_the_next_commits_answer();
    let answer = refresh(&scene.server, &scene.client, &scene.refresh_token).await;
    assert_error(&answer, 503, "temporarily_unavailable");
    assert!(scene.proxy.has_lost_it());
    let answer = refresh(&scene.server, &scene.client, &scene.refresh_token).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    let again = refresh(&scene.server, &scene.client, &text(&answer.json(), "refresh_token")).await;
    assert_eq!(again.status, 200, "{again:#?}");
}

/// What a firewall does overnight: the connections of the pool lead nowhere, and nobody is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs PostgreSQL: --include-ignored"]
async fn connections_that_were_forgotten_fail_no_request() {
    let scene = Scene::new().await;
    let (server, token) = (&scene.server, &scene.access_token);
    for answer in all((0..8).map(|_| server.userinfo(token))).await {
        assert_eq!(answer.status, 200, "{answer:#?}");
    }
    // Only one that was idle for two seconds is asked whether it lives, and what waits for the audit log goes up to a second later.
    tokio::time::sleep(Duration::from_millis(3_400)).await;
    scene.proxy.forget_connections();
    for answer in all((0..8).map(|_| server.userinfo(token))).await {
        assert_eq!(answer.status, 200, "{answer:#?}");
    }
}
