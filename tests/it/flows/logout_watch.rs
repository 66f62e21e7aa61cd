//! Applications that learn of a logout from the browser (OpenID Connect Front-Channel Logout 1.0; Session Management 1.0).

use ostiary::storage::sessions::{self, Ending};
use sha2::{Digest, Sha256};

use crate::support::browser::Browser;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, authorize, claims, log_in as fill_in, redeem, text};
use crate::support::server::{Persona, TestClient, TestServer};

async fn client(server: &TestServer, uri: &str) -> TestClient {
    server
        .client(Persona::Web, |metadata| {
            metadata.first_party = true;
            metadata.frontchannel_logout_uri = Some(uri.to_owned());
            metadata.post_logout_redirect_uris = vec!["https://app.example/out".to_owned()];
        })
        .await
}

async fn id_token(server: &TestServer, client: &TestClient, browser: &mut Browser) -> String {
    let code = authorize(browser, &AuthorizationUrl::new(client), "anna").await["code"].clone();
    text(&redeem(server, client, &code).await.json(), "id_token")
}

on_both! {
    async fn every_application_of_the_session_is_loaded_in_a_frame(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (one, two) = (client(&server, "https://one.example/out?a=b").await, client(&server, "https://two.example:8443/out").await);
        client(&server, "https://three.example/out").await;
        let mut browser = server.browser();
        let hint = id_token(&server, &one, &mut browser).await;
        id_token(&server, &two, &mut browser).await;
        let sid = claims(&hint)["sid"].as_str().unwrap().to_owned();
        let out = "https://app.example/out";
        let page = browser.get(&format!("/end-session?id_token_hint={hint}&post_logout_redirect_uri={out}&state=s")).await;
        assert_eq!(page.status, 200);
        let policy = page.header("content-security-policy").unwrap();
        let mut sources: Vec<&str> = policy.split_once("frame-src ").unwrap().1.split(' ').collect();
        sources.sort_unstable();
        assert_eq!(sources, ["https://one.example", "https://two.example:8443"]);
        let document = scraper::Html::parse_document(&page.body);
        let frames = scraper::Selector::parse("iframe").unwrap();
        let mut loaded: Vec<_> = document.select(&frames).map(|frame| frame.value().attr("src").unwrap().to_owned()).collect();
        loaded.sort();
        assert_eq!(
            loaded,
            [
                format!("https://one.example/out?a=b&iss=https%3A%2F%2Fid.example&sid={sid}"),
                format!("https://two.example:8443/out?iss=https%3A%2F%2Fid.example&sid={sid}"),
            ]
        );
        let next = document.select(&scraper::Selector::parse("a#continue").unwrap()).next().unwrap();
        assert_eq!(next.value().attr("href"), Some("https://app.example/out?state=s"));
        assert_eq!(browser.get("/account").await.status, 303, "logged out");
        assert!(browser.get("/logout").await.header("content-security-policy").is_some_and(|policy| !policy.contains("frame-src")));
    }

    async fn an_application_is_told_a_state_that_changes_with_the_session(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.session.check_session_iframe = true).await;
        server.person("anna").await;
        let client = client(&server, "https://app.example/front").await;
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        let answer = fill_in(&mut browser, &page, "anna").await;
        let state = answer.redirect_params()["session_state"].clone();
        let watched = browser.cookies["__Host-state"].clone();
        let matches = |state: &str, watched: &str, origin: &str| {
            let (hash, salt) = state.split_once('.').unwrap();
            let text = format!("{} {origin} {watched} {salt}", client.id());
            let digest = Sha256::digest(text);
            (0..digest.len()).all(|at| u8::from_str_radix(&hash[2 * at..2 * at + 2], 16) == Ok(digest[at])) && hash.len() == 64
        };
        assert!(matches(&state, &watched, "https://app.example"));
        assert!(!matches(&state, &watched, "https://evil.example"));

        // Another login of the same person is the same session, as its sid is; and no two states are the same.
        server.clock.advance(1);
        let again = authorize(&mut browser, &AuthorizationUrl::new(&client).with("prompt", "login"), "anna").await;
        assert_ne!(again["session_state"], state);
        assert!(matches(&again["session_state"], &watched, "https://app.example"));
        assert_eq!(browser.cookies["__Host-state"], watched);

        // A browser that lost the cookie gets it back.
        browser.cookies.remove("__Host-state");
        authorize(&mut browser, &AuthorizationUrl::new(&client), "anna").await;
        assert_eq!(browser.cookies["__Host-state"], watched);
        // Plain OAuth has no session to watch.
        let plain = authorize(&mut browser, &AuthorizationUrl::new(&client).with("scope", "email"), "anna").await;
        assert!(!plain.contains_key("session_state"));

        let form = browser.get("/logout").await.form_of("logout-form");
        browser.post(&form.action, &form.fields).await;
        assert!(!browser.cookies.contains_key("__Host-state"));
        let refused = browser.get(&AuthorizationUrl::new(&client).with("prompt", "none").path()).await.redirect_params();
        assert_eq!(refused["error"], "login_required");
    }

    async fn a_browser_whose_session_ended_elsewhere_learns_of_it_when_it_comes_back(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.session.check_session_iframe = true).await;
        let anna = server.person("anna").await;
        let client = client(&server, "https://app.example/front").await;
        let (silent, login) = (AuthorizationUrl::new(&client).with("prompt", "none").path(), "/login".to_owned());
        for path in [silent, login] {
            let mut browser = server.browser();
            id_token(&server, &client, &mut browser).await;
            let ending = Ending::of_everything(server.clock.now());
            server.state.db.write(async |tx| sessions::end_all(tx, &anna.id, None, ending).await).await.unwrap();
            assert!(browser.cookies.contains_key("__Host-state"));
            browser.get(&path).await;
            assert!(!browser.cookies.contains_key("__Host-state"), "{path}");
        }
    }

    async fn whoever_logged_out_is_logged_out_though_a_client_can_not_be_looked_up(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = client(&server, "https://app.example/front").await;
        let mut browser = server.browser();
        id_token(&server, &client, &mut browser).await;
        let other = server.another_node().await;
        let mut there = other.browser();
        there.cookies = browser.cookies;
        let form = there.get("/logout").await.form_of("logout-form");
        let sql = "ALTER TABLE clients RENAME TO clients_elsewhere";
        server.state.db.write(async |tx| tx.query(sql).execute().await).await.unwrap();
        let answer = there.post(&form.action, &form.fields).await;
        assert_eq!((answer.status.as_u16(), answer.location()), (303, "/logout"));
        assert!(!there.cookies.contains_key("__Host-sid"));
    }
}

#[tokio::test]
async fn the_page_that_watches_may_be_framed_and_no_other() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.session.check_session_iframe = true).await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["check_session_iframe"], "https://id.example/check-session");
    let page = server.get("/check-session").await;
    assert_eq!(page.status, 200);
    assert_eq!((page.header("x-frame-options"), page.header("set-cookie")), (None, None));
    assert!(!page.header("content-security-policy").unwrap().contains("frame-ancestors"));
    for path in ["/login", "/logout"] {
        assert_eq!(server.get(path).await.header("x-frame-options"), Some("DENY"), "{path}");
    }
}

#[tokio::test]
async fn nothing_is_watched_where_the_operator_did_not_turn_it_on() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = client(&server, "https://app.example/front").await;
    let mut browser = server.browser();
    let params = authorize(&mut browser, &AuthorizationUrl::new(&client), "anna").await;
    assert!(!params.contains_key("session_state") && !browser.cookies.contains_key("__Host-state"));
    assert_eq!(server.get("/check-session").await.status, 404);
    assert!(server.get("/.well-known/openid-configuration").await.json().get("check_session_iframe").is_none());
}
