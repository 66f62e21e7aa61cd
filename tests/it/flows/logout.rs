//! Applications that send people to log out (OpenID Connect RP-Initiated Logout 1.0; behaviours 1.10).

use serde_json::Value;

use super::assert_page;
use crate::guard::attack::recorded;
use crate::support::assertion::reason;
use crate::support::browser::{Answer, Browser};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, authorize, claims, redeem, refresh, text};
use crate::support::server::{Persona, TestClient, TestServer};

const OUT: &str = "https://app.example/out";

/// Somebody who is logged in to an application.
struct Visit {
    server: TestServer,
    client: TestClient,
    browser: Browser,
    tokens: Value,
}

impl Visit {
    async fn begin(database: TestDatabase) -> Self {
        Self::begin_on(TestServer::start(database).await).await
    }

    async fn begin_on(server: TestServer) -> Self {
        server.person("anna").await;
        let client = server
            .client(Persona::Web, |metadata| {
                metadata.first_party = true;
                metadata.post_logout_redirect_uris = vec![OUT.to_owned()];
            })
            .await;
        let mut browser = server.browser();
        let tokens = log_in(&server, &client, &mut browser, "anna", None).await;
        Self { server, client, browser, tokens }
    }

    fn hint(&self) -> String {
        text(&self.tokens, "id_token")
    }

    async fn ask(&mut self, params: &[(&str, &str)]) -> Answer {
        // So that a refusal is not folded with those before it.
        self.server.state.refusals.flush().await;
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(params).finish();
        self.browser.get(&format!("/end-session?{query}")).await
    }

    async fn is_logged_in(&mut self) -> bool {
        self.browser.visit("/account").await.url.starts_with("/account")
    }

    /// Asserts that this was refused, for `reason`.
    async fn assert_refused(&self, answer: &Answer, because: &str) {
        assert_page(answer, 400);
        assert_eq!(reason(&self.server, answer).await, because);
    }
}

/// The tokens of a login in this browser.
async fn log_in(server: &TestServer, client: &TestClient, browser: &mut Browser, name: &str, scope: Option<&str>) -> Value {
    let url = AuthorizationUrl::new(client);
    let url = if let Some(scope) = scope { url.with("scope", scope) } else { url };
    let code = authorize(browser, &url, name).await["code"].clone();
    redeem(server, client, &code).await.json()
}

on_both! {
    async fn an_application_logs_its_person_out_and_gets_the_browser_back(database: TestDatabase) {
        let mut visit = Visit::begin(database).await;
        let hint = visit.hint();
        let answer = visit.ask(&[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT), ("state", "s 1")]).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (303, "https://app.example/out?state=s%201"));
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert!(answer.header("clear-site-data").is_some());
        assert!(!visit.is_logged_in().await);
        let audit = visit.server.audit().await;
        assert_eq!(audit.iter().filter(|entry| entry.kind == "user.logout").count(), 1);
        // Once more: there is nothing to end, and the application gets the browser back all the same.
        let answer = visit.ask(&[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT)]).await;
        assert_eq!(answer.location(), OUT);
    }

    async fn l1_a_uri_that_is_not_registered_is_not_gone_to_and_nobody_is_logged_out(database: TestDatabase) {
        let mut visit = Visit::begin(database).await;
        let (hint, id) = (visit.hint(), visit.client.id().to_owned());
        for uri in [
            "https://app.example/OUT", "https://app.example:443/out", "https://app.example/out/x", "https://app.example/",
            "https://evil.example/out", "https://app.example/out?a=b", "https://app.example/cb", "javascript:alert(1)", "//app.example/out",
        ] {
            for by in [("id_token_hint", hint.as_str()), ("client_id", id.as_str())] {
                let answer = visit.ask(&[by, ("post_logout_redirect_uri", uri)]).await;
                visit.assert_refused(&answer, "post_logout_redirect_uri_mismatch").await;
            }
        }
        assert!(visit.is_logged_in().await);
    }

    async fn l2_without_hint_and_client_the_person_is_asked_and_nobody_is_gone_to(database: TestDatabase) {
        let mut visit = Visit::begin(database).await;
        let page = visit.ask(&[("post_logout_redirect_uri", OUT), ("state", "s")]).await;
        assert_eq!(page.status, 200);
        assert!(visit.is_logged_in().await, "nobody has answered yet");
        let form = page.form_of("logout-form");
        assert!(form.fields.iter().all(|(name, _)| name != "destination"));
        let answer = visit.browser.post(&form.action, &form.fields).await;
        assert_eq!(answer.location(), "/logout");
        assert!(!visit.is_logged_in().await);
    }

    async fn a_client_that_only_names_itself_gets_the_browser_when_the_person_agrees(database: TestDatabase) {
        let mut visit = Visit::begin(database).await;
        let id = visit.client.id().to_owned();
        let page = visit.ask(&[("client_id", &id), ("post_logout_redirect_uri", OUT), ("state", "s")]).await;
        assert!(page.header("content-security-policy").unwrap().contains("form-action 'self' https://app.example;"), "{page:#?}");
        assert!(page.body.contains("app.example"));
        let form = page.form_of("logout-form");
        // Neither another session nor somebody who changes it gets anywhere with what is sealed.
        let mut stranger = visit.server.browser();
        log_in(&visit.server, &visit.client, &mut stranger, "anna", None).await;
        let own = stranger.get("/logout").await.form_of("logout-form");
        let stolen = own.clone().set("destination", form.field("destination"));
        let refused = stranger.post(&own.action, &stolen.fields).await;
        visit.assert_refused(&refused, "logout_foreign").await;
        let changed = form.clone().set("destination", &format!("{}A", form.field("destination")));
        assert_page(&visit.browser.post(&form.action, &changed.fields).await, 400);
        assert!(visit.is_logged_in().await);

        let answer = visit.browser.post(&form.action, &form.fields).await;
        assert_eq!(answer.location(), "https://app.example/out?state=s");
        assert!(!visit.is_logged_in().await);
    }

    async fn l3_a_hint_that_is_not_ours_is_a_page(database: TestDatabase) {
        let mut visit = Visit::begin(database).await;
        let hint = visit.hint();
        let (head, signature) = hint.rsplit_once('.').unwrap();
        let payload = head.split_once('.').unwrap().1;
        let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
        let other = format!("{head}.{}", signature.chars().rev().collect::<String>());
        let access = text(&visit.tokens, "access_token");
        for bad in [unsigned.as_str(), &other, &access, "x", "a.b.c"] {
            let answer = visit.ask(&[("id_token_hint", bad), ("post_logout_redirect_uri", OUT)]).await;
            visit.assert_refused(&answer, "id_token_hint_invalid").await;
        }
        let elsewhere = visit.server.restarted_with(|config| config.server.issuer = "https://other.example".to_owned()).await;
        assert_page(&elsewhere.get(&format!("/end-session?id_token_hint={hint}")).await, 400);
        let other = visit.server.client(Persona::Web, |_| {}).await;
        let answer = visit.ask(&[("id_token_hint", &hint), ("client_id", other.id())]).await;
        visit.assert_refused(&answer, "client_id_differs").await;
        assert!(visit.is_logged_in().await);
    }

    async fn l4_a_genuine_hint_may_have_expired(database: TestDatabase) {
        let mut visit = Visit::begin(database).await;
        visit.server.clock.advance(4 * 3_600);
        let hint = visit.hint();
        let answer = visit.ask(&[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT)]).await;
        assert_eq!(answer.location(), OUT);
        assert!(!visit.is_logged_in().await);
    }

    async fn a_hint_of_another_session_asks_first(database: TestDatabase) {
        let mut visit = Visit::begin(database).await;
        visit.server.person("bert").await;
        let mut other = visit.server.browser();
        for name in ["anna", "bert"] {
            other.cookies.clear();
            let hint = text(&log_in(&visit.server, &visit.client, &mut other, name, None).await, "id_token");
            let page = visit.ask(&[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT)]).await;
            assert_eq!(page.status, 200, "{name}");
            assert!(visit.is_logged_in().await);
        }
    }

    async fn unknown_and_disabled_clients_log_nobody_out(database: TestDatabase) {
        let mut visit = Visit::begin(database).await;
        assert_page(&visit.ask(&[("client_id", "nobody")]).await, 400);
        let (hint, client) = (visit.hint(), visit.client.clone());
        visit.server.update_client(&client, |client| client.status = ostiary::protocol::client::ClientStatus::Disabled).await;
        let answer = visit.ask(&[("id_token_hint", &hint), ("post_logout_redirect_uri", OUT)]).await;
        visit.assert_refused(&answer, "client_unknown").await;
        assert!(visit.is_logged_in().await);
    }

    async fn a_form_of_another_site_is_sent_here_as_a_link(database: TestDatabase) {
        let mut visit = Visit::begin(database).await;
        let fields = [("id_token_hint", visit.hint()), ("post_logout_redirect_uri", OUT.to_owned()), ("state", "a&b".to_owned())];
        let fields: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = visit.server.post_with("/end-session", &[("origin", "https://app.example")], &fields).await;
        assert_eq!(answer.status, 303);
        let answer = visit.browser.get(answer.location()).await;
        assert_eq!(answer.location(), "https://app.example/out?state=a%26b");
        assert!(!visit.is_logged_in().await);
        let long = "x".repeat(9_000);
        assert_page(&visit.server.post_with("/end-session", &[], &[("logout_hint", &long)]).await, 414);
        assert!(recorded(&visit.server, "user.logout", "request_too_large").await);
        assert_page(&visit.server.post_with("/authorize", &[], &[("state", &long)]).await, 414);
        assert!(recorded(&visit.server, "authorization.refused", "request_too_large").await);
        assert_page(&visit.server.get("/consent?flow=x").await, 400);
        assert!(recorded(&visit.server, "authorization.refused", "flow_foreign").await);
    }

    async fn s12_no_other_site_logs_anybody_out(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.session.check_session_iframe = true).await;
        let mut visit = Visit::begin_on(server).await;
        // The session's cookie stays at home, the one that applications watch does not.
        let watched = format!("__Host-state={}", visit.browser.cookies["__Host-state"]);
        let from_there = [("cookie", watched.as_str()), ("sec-fetch-site", "cross-site"), ("origin", "https://evil.example")];
        let keeps_all = |answer: &Answer| {
            assert_eq!((answer.header("set-cookie"), answer.header("clear-site-data")), (None, None), "{answer:#?}");
        };
        let answer = visit.server.post_with("/logout", &from_there, &[]).await;
        assert_page(&answer, 403);
        keeps_all(&answer);
        assert!(recorded(&visit.server, "request.forged", "csrf").await);
        let silent = AuthorizationUrl::new(&visit.client).with("prompt", "none").path();
        for path in ["/end-session", "/logout", &silent] {
            let mut image = http::Request::get(path).header("sec-fetch-dest", "image");
            for (name, value) in &from_there[..2] {
                image = image.header(*name, *value);
            }
            keeps_all(&visit.server.send(image.body(axum::body::Body::empty()).unwrap()).await);
        }
        assert!(visit.is_logged_in().await);
        // A page of our own that was open for longer than the session lasted.
        visit.server.clock.advance(30 * 86_400);
        let answer = visit.browser.post("/logout", &[]).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (303, "/logout"));
        assert!(answer.header("clear-site-data").is_some());
        assert!(!visit.browser.cookies.contains_key("__Host-sid") && !visit.browser.cookies.contains_key("__Host-state"));
    }

    async fn l7_what_a_session_gave_out_ends_with_it_and_what_is_for_absent_people_stays(database: TestDatabase) {
        let mut visit = Visit::begin(database).await;
        let (server, client) = (visit.server.clone(), visit.client.clone());
        let offline = text(&visit.tokens, "refresh_token");
        let online = text(&log_in(&server, &client, &mut visit.browser, "anna", Some("openid email")).await, "access_token");
        let cookies = visit.browser.cookies.clone();
        assert_eq!(server.userinfo(&online).await.status, 200);
        let hint = visit.hint();
        visit.ask(&[("id_token_hint", &hint)]).await;
        assert_eq!(server.userinfo(&online).await.status, 401);
        assert_eq!(server.introspect(&client, &online).await["active"], false);
        assert_eq!(refresh(&server, &client, &offline).await.status, 200);
        // The back button, and a cookie that somebody kept.
        let mut thief = server.browser();
        thief.cookies = cookies;
        let page = thief.get("/account").await;
        assert_eq!((page.status.as_u16(), page.header("cache-control")), (303, Some("no-store")));
    }

    async fn l7_the_operator_may_have_everything_end_with_the_session(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.session.logout_ends_offline_access = true).await;
        let mut visit = Visit::begin_on(server).await;
        let (hint, offline) = (visit.hint(), text(&visit.tokens, "refresh_token"));
        visit.ask(&[("id_token_hint", &hint)]).await;
        assert_eq!(refresh(&visit.server, &visit.client, &offline).await.json()["error"], "invalid_grant");
    }

    async fn an_application_knows_the_session_by_the_same_sid_after_every_further_login_in_it(database: TestDatabase) {
        let mut visit = Visit::begin(database).await;
        let sid = claims(&visit.hint())["sid"].clone();
        visit.server.clock.advance(10);
        let url = AuthorizationUrl::new(&visit.client).with("prompt", "login");
        let old = visit.browser.cookies.clone();
        let params = authorize(&mut visit.browser, &url, "anna").await;
        let tokens = redeem(&visit.server, &visit.client, &params["code"]).await.json();
        assert_eq!(claims(&text(&tokens, "id_token"))["sid"], sid);
        let mut thief = visit.server.browser();
        thief.cookies = old;
        assert_eq!(thief.get("/account").await.status, 303, "the secret is another one");
        // Somebody else is somebody else.
        visit.server.person("bert").await;
        visit.browser.get("/logout").await;
        let params = authorize(&mut visit.server.browser(), &url, "bert").await;
        let tokens = redeem(&visit.server, &visit.client, &params["code"]).await.json();
        assert_ne!(claims(&text(&tokens, "id_token"))["sid"], sid);
    }
}
