//! Connecting devices: behaviours 1.6 D1 to D4 and D8.

mod endings;
mod page;
mod resources;

use ostiary::jobs::cleanup;
use ostiary::protocol::client::GrantType;
use serde_json::Value;
use tokio::task::JoinSet;

use super::assert_page;
use crate::guard::attack::recorded;
use crate::support::browser::{Answer, Browser};
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, enter_code, give_app};
use crate::support::flow::{AuthorizationUrl, assert_error, authorize, claims, log_in, redeem, refresh, text, tokens};
use crate::support::server::{PASSWORD, Persona, TestClient, TestServer};

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// A public client that connects devices and does nothing else.
async fn television(server: &TestServer) -> TestClient {
    server
        .client(Persona::Spa, |metadata| {
            metadata.client_name = "Television".to_owned();
            metadata.redirect_uris = Vec::new();
            metadata.grant_types = vec![GrantType::DeviceCode, GrantType::RefreshToken];
        })
        .await
}

async fn begin_with(server: &TestServer, client: &TestClient, fields: &[(&str, &str)]) -> Answer {
    server.post_as(client, "/device_authorization", fields).await
}

/// What the device is told when it begins.
async fn begin(server: &TestServer, client: &TestClient) -> Value {
    let answer = begin_with(server, client, &[("scope", "openid email offline_access")]).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")), "{answer:#?}");
    answer.json()
}

async fn poll(server: &TestServer, client: &TestClient, begun: &Value) -> Answer {
    server.token(client, &[("grant_type", GRANT), ("device_code", &text(begun, "device_code"))]).await
}

/// Types a code on the page, as whoever sits at the browser.
async fn type_code(browser: &mut Browser, code: &str) -> Answer {
    let page = browser.visit("/device").await;
    browser.submit(&page.form_of("device-form").set("user_code", code)).await
}

/// The consent page for the device, for a person who logs in on the way.
async fn consent_page(browser: &mut Browser, begun: &Value, name: &str) -> Answer {
    let mut page = type_code(browser, &text(begun, "user_code")).await;
    if page.url.starts_with("/login") {
        page = log_in(browser, &page, name).await;
    }
    assert!(page.url.starts_with("/consent"), "{page:#?}");
    page
}

async fn decide(browser: &mut Browser, page: &Answer, decision: &str) -> Answer {
    browser.submit(&page.form_of("consent-form").set("decision", decision)).await
}

async fn allow(server: &TestServer, begun: &Value, name: &str) {
    let mut browser = server.browser();
    let page = consent_page(&mut browser, begun, name).await;
    assert_eq!(decide(&mut browser, &page, "allow").await.url, "/device/allowed");
}

on_both! {
    async fn a_person_connects_a_device(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = television(&server).await;
        let begun = begin(&server, &client).await;
        assert_eq!((begun["expires_in"].as_i64(), begun["interval"].as_i64()), (Some(600), Some(5)));
        assert_eq!(begun["verification_uri"], "https://id.example/device");
        let complete = format!("https://id.example/device?user_code={}", text(&begun, "user_code"));
        assert_eq!(text(&begun, "verification_uri_complete"), complete);
        let metadata = server.get("/.well-known/openid-configuration").await.json();
        assert_eq!(metadata["device_authorization_endpoint"], "https://id.example/device_authorization");

        assert_error(&poll(&server, &client, &begun).await, 400, "authorization_pending");
        allow(&server, &begun, "anna").await;
        server.clock.advance(5);
        let answer = poll(&server, &client, &begun).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")), "{answer:#?}");
        let given = answer.json();
        assert_eq!(given["scope"], "email offline_access openid");
        let id_token = claims(&text(&given, "id_token"));
        assert_eq!((id_token["sub"].as_str(), id_token["aud"].as_str()), (Some(anna.id.as_str()), Some(client.id())));
        assert_eq!(server.userinfo(&text(&given, "access_token")).await.status, 200);
        assert_eq!(refresh(&server, &client, &text(&given, "refresh_token")).await.status, 200);

        let kinds: Vec<_> = server.audit().await.into_iter().map(|entry| entry.kind).collect();
        for kind in ["consent.given", "authorization.granted", "token.issued"] {
            assert!(kinds.iter().any(|found| found == kind), "{kind} in {kinds:?}");
        }
        assert!(!kinds.iter().any(|kind| kind == "token.refused"), "to wait is no refusal");
    }

    async fn both_codes_are_stored_as_hashes(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = television(&server).await;
        let begun = begin(&server, &client).await;
        let mut conn = server.state.db.read().await.unwrap();
        let sql = "SELECT hash, user_code FROM device_codes";
        let (hash, user_code) = conn.query(sql).fetch_one::<(Vec<u8>, Vec<u8>)>().await.unwrap();
        assert_eq!((hash.len(), user_code.len()), (32, 32));
        let letters = text(&begun, "user_code").replace('-', "");
        assert!(user_code != letters.as_bytes() && hash != text(&begun, "device_code").as_bytes());
    }

    async fn d1_a_device_is_refused_what_its_client_may_not_have(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let web = server.client(Persona::Web, |_| {}).await;
        assert_error(&begin_with(&server, &web, &[("scope", "openid")]).await, 400, "unauthorized_client");
        assert_eq!(server.last_reason("device.refused").await.as_deref(), Some("device_grant_not_registered"));
        let client = television(&server).await;
        for scope in ["openid users:read", "\"", "nothing-of-this"] {
            assert_error(&begin_with(&server, &client, &[("scope", scope)]).await, 400, "invalid_scope");
        }
        // Without one it is all that the client may have but the login itself.
        let begun = begin_with(&server, &client, &[]).await.json();
        server.person("anna").await;
        allow(&server, &begun, "anna").await;
        assert_eq!(poll(&server, &client, &begun).await.json()["scope"], "address email phone profile");
        let fields = [("client_id", web.id()), ("scope", "openid")];
        assert_error(&server.post_with("/device_authorization", &[], &fields).await, 401, "invalid_client");
        let fields = [("grant_type", GRANT), ("device_code", "x")];
        assert_error(&server.token(&web, &fields).await, 400, "unauthorized_client");
        assert_error(&server.token(&client, &fields[..1]).await, 400, "invalid_request");
    }

    async fn d2_who_asks_too_often_waits_longer_each_time_on_every_node(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let other = server.another_node().await;
        let client = television(&server).await;
        let begun = begin(&server, &client).await;
        let pending = async |server: &TestServer| {
            assert_error(&poll(server, &client, &begun).await, 400, "authorization_pending");
        };
        let slow_down = async |server: &TestServer| assert_error(&poll(server, &client, &begun).await, 400, "slow_down");
        pending(&server).await;
        server.clock.advance(4);
        slow_down(&other).await;
        assert!(recorded(&server, "token.refused", "device_polls_too_fast").await || recorded(&other, "token.refused", "device_polls_too_fast").await);
        server.clock.advance(9);
        slow_down(&server).await;
        // Ten seconds, and then five more.
        server.clock.advance(14);
        slow_down(&other).await;
        server.clock.advance(20);
        pending(&server).await;
        server.clock.advance(19);
        slow_down(&server).await;
        server.clock.advance(25);
        pending(&other).await;
    }

    async fn d3_denied(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = television(&server).await;
        let begun = begin(&server, &client).await;
        let mut browser = server.browser();
        let page = consent_page(&mut browser, &begun, "anna").await;
        let answer = decide(&mut browser, &page, "deny").await;
        assert_eq!((answer.status.as_u16(), answer.url.as_str()), (200, "/device/denied"));
        assert_error(&poll(&server, &client, &begun).await, 400, "access_denied");
        assert!(recorded(&server, "token.refused", "device_denied").await);
        assert!(recorded(&server, "consent.denied", "consent_denied").await);
        // It is decided.
        assert_page(&decide(&mut browser, &page, "allow").await, 400);
        assert_error(&poll(&server, &client, &begun).await, 400, "access_denied");
    }

    async fn d3_expired(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = television(&server).await;
        let (late, allowed) = (begin(&server, &client).await, begin(&server, &client).await);
        let mut browser = server.browser();
        let page = consent_page(&mut browser, &late, "anna").await;
        allow(&server, &allowed, "anna").await;
        server.clock.advance(599);
        assert_error(&poll(&server, &client, &late).await, 400, "authorization_pending");
        server.clock.advance(1);
        for begun in [&late, &allowed] {
            assert_error(&poll(&server, &client, begun).await, 400, "expired_token");
        }
        assert_page(&decide(&mut browser, &page, "allow").await, 400);
        assert!(recorded(&server, "authorization.refused", "user_code_ended").await);
        assert_error(&poll(&server, &client, &late).await, 400, "expired_token");
    }

    async fn d3_a_device_code_is_good_once_on_both_nodes_at_once(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let other = server.another_node().await;
        server.person("anna").await;
        let client = television(&server).await;
        let begun = begin(&server, &client).await;
        allow(&server, &begun, "anna").await;
        let mut polls = JoinSet::new();
        for turn in 0..20 {
            let (server, client, begun) = (if turn % 2 == 0 { server.clone() } else { other.clone() }, client.clone(), begun.clone());
            polls.spawn(async move { poll(&server, &client, &begun).await });
        }
        let (given, refused): (Vec<_>, Vec<_>) = polls.join_all().await.into_iter().partition(|answer| answer.status == 200);
        assert_eq!(given.len(), 1);
        for answer in refused {
            assert_error(&answer, 400, "invalid_grant");
        }
        // Somebody else knows the code.
        assert_eq!(server.userinfo(&text(&given[0].json(), "access_token")).await.status, 401);
        assert!(recorded(&server, "code.replayed", "device_code_used").await || recorded(&other, "code.replayed", "device_code_used").await);
        assert_error(&poll(&server, &client, &begun).await, 400, "invalid_grant");
    }

    async fn d4_a_device_code_of_another_client(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (client, thief) = (television(&server).await, television(&server).await);
        let begun = begin(&server, &client).await;
        allow(&server, &begun, "anna").await;
        assert_error(&poll(&server, &thief, &begun).await, 400, "invalid_grant");
        assert!(recorded(&server, "token.refused", "device_code_of_another_client").await);
        assert_eq!(poll(&server, &client, &begun).await.status, 200, "it was not burnt");
        let unknown = serde_json::json!({ "device_code": text(&begun, "user_code") });
        assert_error(&poll(&server, &client, &unknown).await, 400, "invalid_grant");
    }

    async fn d8_who_is_disabled_meanwhile_connects_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = television(&server).await;
        let begun = begin(&server, &client).await;
        allow(&server, &begun, "anna").await;
        server.disable(&anna).await;
        assert_error(&poll(&server, &client, &begun).await, 400, "access_denied");
    }

    async fn what_ends_a_persons_grants_ends_what_no_device_has_fetched(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (client, kept) = (television(&server).await, television(&server).await);
        let (begun, of_kept) = (begin(&server, &client).await, begin(&server, &kept).await);
        allow(&server, &begun, "anna").await;
        allow(&server, &of_kept, "anna").await;
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        log_in(&mut browser, &page, "anna").await;
        let apps = browser.visit("/account/apps").await;
        let form = apps.form_with("client_id").set("client_id", client.id());
        browser.submit(&form).await;
        assert_error(&poll(&server, &client, &begun).await, 400, "access_denied");
        assert_eq!(poll(&server, &kept, &of_kept).await.status, 200);

        let begun = begin(&server, &kept).await;
        allow(&server, &begun, "anna").await;
        let page = browser.visit("/account/password").await;
        let new = "another horse staples the battery";
        let form = page.form_with("current_password").set("current_password", PASSWORD).set("password", new).set("password_again", new);
        browser.submit(&form).await;
        assert_error(&poll(&server, &kept, &begun).await, 400, "access_denied");
    }

    async fn a_device_is_a_session_of_its_own_that_its_person_can_end(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = television(&server).await;
        let begun = begin(&server, &client).await;
        let mut browser = server.browser();
        let page = consent_page(&mut browser, &begun, "anna").await;
        decide(&mut browser, &page, "allow").await;
        let given = poll(&server, &client, &begun).await.json();
        // The browser's session ends, and the device stays connected.
        let page = browser.visit("/logout").await;
        browser.submit(&page.form_of("logout-form")).await;
        assert_eq!(server.userinfo(&text(&given, "access_token")).await.status, 200);

        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        log_in(&mut browser, &page, "anna").await;
        let page = browser.visit("/account/sessions").await;
        assert!(page.body.contains("Television"), "{}", page.body);
        let sid = claims(&text(&given, "id_token"))["sid"].as_str().unwrap().to_owned();
        browser.submit(&page.form_with_button("end-others").set("session", &sid)).await;
        assert_eq!(server.userinfo(&text(&given, "access_token")).await.status, 401);
        assert_error(&refresh(&server, &client, &text(&given, "refresh_token")).await, 400, "invalid_grant");
    }

    async fn a_device_gets_no_weaker_login_than_its_client_asks_for(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let app = give_app(&server, &anna).await;
        let client = television(&server).await;
        let begun = begin(&server, &client).await;
        let mut browser = server.browser();
        let page = type_code(&mut browser, &text(&begun, "user_code")).await;
        let page = log_in(&mut browser, &page, "anna").await;
        let page = enter_code(&mut browser, &page, &code_of(&server, &app, 0)).await;
        assert!(page.url.starts_with("/consent"), "{page:#?}");
        decide(&mut browser, &page, "allow").await;
        let given = poll(&server, &client, &begun).await.json();
        assert_eq!(claims(&text(&given, "id_token"))["acr"], "2");
    }

    async fn the_codes_of_devices_open_nothing_else(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let web = server.client(Persona::Web, |metadata| metadata.grant_types.push(GrantType::DeviceCode)).await;
        let begun = begin(&server, &web).await;
        allow(&server, &begun, "anna").await;
        let device_code = text(&begun, "device_code");
        assert_error(&redeem(&server, &web, &device_code).await, 400, "invalid_grant");
        assert_error(&refresh(&server, &web, &device_code).await, 400, "invalid_grant");
        assert_eq!(server.introspect(&web, &device_code).await["active"], false);
        let code = authorize(&mut server.browser(), &AuthorizationUrl::new(&web), "anna").await["code"].clone();
        let given = tokens(&server, &web, "anna").await;
        for other in [code, text(&given, "refresh_token"), text(&given, "access_token")] {
            let fields = [("grant_type", GRANT), ("device_code", other.as_str())];
            assert_error(&server.token(&web, &fields).await, 400, "invalid_grant");
        }
        assert_eq!(poll(&server, &web, &begun).await.status, 200);
    }

    async fn device_codes_are_cleaned_up_after_their_end_and_what_was_decided_a_day_later(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = television(&server).await;
        let undecided = begin(&server, &client).await;
        let fetched = begin(&server, &client).await;
        allow(&server, &fetched, "anna").await;
        assert_eq!(poll(&server, &client, &fetched).await.status, 200);
        let rows = async || {
            let mut conn = server.state.db.read().await.unwrap();
            conn.query("SELECT COUNT(*) FROM device_codes").fetch_one::<(i64,)>().await.unwrap().0
        };
        let clean = async || cleanup::clean(&server.state.db, server.clock.now(), &server.state.config).await.unwrap();
        server.clock.advance(600 + 599);
        clean().await;
        assert_eq!(rows().await, 2);
        assert_error(&poll(&server, &client, &undecided).await, 400, "expired_token");
        server.clock.advance(1);
        clean().await;
        assert_eq!(rows().await, 1);
        server.clock.advance(86_400 - 601);
        clean().await;
        assert_eq!(rows().await, 1);
        server.clock.advance(1);
        clean().await;
        assert_eq!(rows().await, 0);
    }
}
