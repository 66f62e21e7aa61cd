//! Clients that ask people who are elsewhere (OpenID Connect CIBA Core 1.0). What behaviours 1.6 D1 to D8 ask of devices holds for them.

mod asking;
mod ping;
mod signed;

use ostiary::jobs::cleanup;
use ostiary::outbound::mail::Message;
use ostiary::protocol::client::{ClientMetadata, DeliveryMode, GrantType};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::assert_page;
use crate::guard::attack::recorded;
use crate::support::browser::{Answer, Browser};
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, enter_code, give_app};
use crate::support::flow::{assert_error, claims, log_in, refresh, text};
use crate::support::server::{PASSWORD, Persona, TestClient, TestServer};

const GRANT: &str = "urn:openid:params:grant-type:ciba";
const ENDPOINT: &str = "/backchannel-authentication";

/// A call centre, which asks whether it is really anna who calls.
async fn call_centre(server: &TestServer, change: impl FnOnce(&mut ClientMetadata)) -> TestClient {
    server
        .client(Persona::Web, |metadata| {
            metadata.client_name = "Call Centre".to_owned();
            metadata.redirect_uris = Vec::new();
            metadata.grant_types = vec![GrantType::Ciba, GrantType::RefreshToken];
            metadata.backchannel_token_delivery_mode = Some(DeliveryMode::Poll);
            change(metadata);
        })
        .await
}

async fn ask_with(server: &TestServer, client: &TestClient, fields: &[(&str, &str)]) -> Answer {
    server.state.refusals.flush().await;
    server.post_as(client, ENDPOINT, fields).await
}

/// What the client is told when it has asked.
async fn ask(server: &TestServer, client: &TestClient, name: &str) -> Value {
    let fields = [("scope", "openid email offline_access"), ("login_hint", name), ("binding_message", "W4SCT")];
    let answer = ask_with(server, client, &fields).await;
    assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")), "{answer:#?}");
    answer.json()
}

async fn poll(server: &TestServer, client: &TestClient, asked: &Value) -> Answer {
    server.token(client, &[("grant_type", GRANT), ("auth_req_id", &text(asked, "auth_req_id"))]).await
}

/// The links with which people were told since the last time.
async fn links(server: &TestServer) -> Vec<String> {
    let asked = server.mails().await.into_iter().filter_map(|mail| match mail.message {
        Message::Asked { request, .. } => Some(format!("/account/requests?request={request}")),
        _ => None,
    });
    asked.collect()
}

async fn link(server: &TestServer) -> String {
    let links = links(server).await;
    assert_eq!(links.len(), 1, "{links:?}");
    links[0].clone()
}

/// A person with an address to write to.
async fn person(server: &TestServer, name: &str) -> ostiary::storage::users::User {
    let user = server.person(name).await;
    let address = ostiary::protocol::email_address::EmailAddress::parse(&format!("{name}@people.example")).unwrap();
    let save = server
        .state
        .db
        .write(async |tx| ostiary::storage::email_addresses::save(tx, &user.id, &address, true, server.clock.now()).await);
    save.await.unwrap();
    user
}

/// The consent page behind the link, for a person who logs in on the way.
async fn consent_page(browser: &mut Browser, link: &str, name: &str) -> Answer {
    let mut page = browser.visit(link).await;
    if page.url.starts_with("/login") {
        page = log_in(browser, &page, name).await;
    }
    assert!(page.url.starts_with("/consent"), "{page:#?}");
    page
}

async fn decide(browser: &mut Browser, page: &Answer, decision: &str) -> Answer {
    browser.submit(&page.form_of("consent-form").set("decision", decision)).await
}

async fn allow(server: &TestServer, link: &str, name: &str) {
    let mut browser = server.browser();
    let page = consent_page(&mut browser, link, name).await;
    assert_eq!(decide(&mut browser, &page, "allow").await.url, "/account/requests/allowed");
}

on_both! {
    async fn a_person_elsewhere_says_yes(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna").await;
        let client = call_centre(&server, |_| {}).await;
        let metadata = server.get("/.well-known/openid-configuration").await.json();
        assert_eq!(metadata["backchannel_authentication_endpoint"], "https://id.example/backchannel-authentication");
        assert_eq!(metadata["backchannel_token_delivery_modes_supported"], json!(["poll", "ping"]));
        assert_eq!(metadata["backchannel_user_code_parameter_supported"], false);
        assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)));

        let asked = ask(&server, &client, "anna").await;
        assert_eq!((asked["expires_in"].as_i64(), asked["interval"].as_i64()), (Some(600), Some(5)));
        assert_error(&poll(&server, &client, &asked).await, 400, "authorization_pending");
        let mails = server.mails().await;
        assert_eq!((mails.len(), mails[0].to.as_str()), (1, "anna@people.example"));
        let Message::Asked { client: name, binding_message, request } = &mails[0].message else { panic!("{mails:?}") };
        assert_eq!((name.as_str(), binding_message.as_deref()), ("Call Centre", Some("W4SCT")));
        let mut browser = server.browser();
        let page = consent_page(&mut browser, &format!("/account/requests?request={request}"), "anna").await;
        assert_eq!(page.texts("#binding-message"), ["W4SCT"]);
        assert!(page.texts("#request-warning").concat().contains("began this yourself"));
        assert!(page.texts("main").concat().contains("Call Centre"));
        assert_error(&poll(&server, &client, &asked).await, 400, "slow_down");
        server.clock.advance(10);
        assert_eq!(decide(&mut browser, &page, "allow").await.url, "/account/requests/allowed");

        let answer = poll(&server, &client, &asked).await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")), "{answer:#?}");
        let given = answer.json();
        assert_eq!(given["scope"], "email offline_access openid");
        let id_token = claims(&text(&given, "id_token"));
        assert_eq!((id_token["sub"].as_str(), id_token["aud"].as_str()), (Some(anna.id.as_str()), Some(client.id())));
        assert_eq!(server.userinfo(&text(&given, "access_token")).await.status, 200);
        assert_eq!(refresh(&server, &client, &text(&given, "refresh_token")).await.status, 200);
        assert!(browser.visit("/account/sessions").await.body.contains("Call Centre"));

        let kinds: Vec<_> = server.audit().await.into_iter().map(|entry| entry.kind).collect();
        for kind in ["backchannel.asked", "consent.given", "authorization.granted", "token.issued"] {
            assert!(kinds.iter().any(|found| found == kind), "{kind} in {kinds:?}");
        }
    }

    /// Whoever has the secret of one client does not ask all people.
    async fn one_client_asks_only_so_many(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| {
            config.limits.enabled = true;
            config.rates.asking_client = "2/m".parse().unwrap();
        }).await;
        let (client, other) = (call_centre(&server, |_| {}).await, call_centre(&server, |_| {}).await);
        let mut answers = Vec::new();
        for name in ["anna", "berta", "carla"] {
            server.person(name).await;
            answers.push(ask_with(&server, &client, &[("scope", "openid"), ("login_hint", name)]).await.status.as_u16());
        }
        assert_eq!(answers, [200, 200, 429]);
        ask(&server, &other, "carla").await;
    }

    async fn what_waits_is_found_on_the_persons_own_page_alone(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        server.person("bert").await;
        let client = call_centre(&server, |_| {}).await;
        let asked = ask(&server, &client, "anna").await;
        assert_eq!(server.mails().await.len(), 0, "there is no address to write to");
        let (mut anna, mut bert) = (server.browser(), server.browser());
        for (browser, name) in [(&mut anna, "anna"), (&mut bert, "bert")] {
            let page = browser.visit("/login").await;
            log_in(browser, &page, name).await;
        }
        assert_eq!(bert.visit("/account").await.texts("#requests"), Vec::<String>::new());
        assert_eq!(bert.visit("/account/requests").await.texts("#no-requests").len(), 1);
        assert_eq!(anna.visit("/account").await.texts("#requests"), ["An application asks for you"]);
        let list = anna.visit("/account/requests").await;
        assert!(list.body.contains("Call Centre") && list.body.contains("W4SCT"), "{}", list.body);
        let at = list.body.find("/account/requests?request=").unwrap();
        let link = list.body[at..].split('"').next().unwrap().to_owned();

        server.clock.advance(1);
        // Somebody else who finds the link is asked to log in as the one who is meant, and is of no use as themselves.
        let page = bert.visit(&link).await;
        assert!(page.url.starts_with("/login"), "{page:#?}");
        server.clock.advance(1);
        let page = log_in(&mut bert, &page, "bert").await;
        assert!(!page.url.starts_with("/consent"), "{page:#?}");
        assert!(recorded(&server, "authorization.refused", "other_user_logged_in").await);
        server.clock.advance(5);
        assert_error(&poll(&server, &client, &asked).await, 400, "authorization_pending");

        let page = anna.visit(&link).await;
        assert!(page.url.starts_with("/consent"), "{page:#?}");
        assert!(!page.body.contains("id=\"another\""));
        // Her form in another's browser is worth nothing.
        let form = page.form_of("consent-form").set("decision", "allow");
        assert_ne!(bert.submit(&form).await.url, "/account/requests/allowed");
        assert_eq!(anna.submit(&form).await.url, "/account/requests/allowed");
        assert_eq!(anna.visit("/account/requests").await.texts("#no-requests").len(), 1);
        server.clock.advance(5);
        assert_eq!(poll(&server, &client, &asked).await.status, 200);
    }

    async fn a_login_of_some_time_ago_is_not_enough(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna").await;
        let client = call_centre(&server, |metadata| metadata.first_party = true).await;
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        log_in(&mut browser, &page, "anna").await;
        ask(&server, &client, "anna").await;
        let link = link(&server).await;
        server.clock.advance(300);
        assert!(browser.visit(&link).await.url.starts_with("/consent"), "even for the operator's own client");
        server.clock.advance(1);
        let page = browser.visit(&link).await;
        assert!(page.url.starts_with("/login"), "{page:#?}");
        assert!(log_in(&mut browser, &page, "anna").await.url.starts_with("/consent"));
    }

    async fn the_client_gets_the_login_that_it_asks_for(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna").await;
        let app = give_app(&server, &anna).await;
        let client = call_centre(&server, |_| {}).await;
        let fields = [("scope", "openid"), ("login_hint", "anna"), ("acr_values", "2")];
        let asked = ask_with(&server, &client, &fields).await.json();
        let mut browser = server.browser();
        let page = browser.visit(&link(&server).await).await;
        let page = log_in(&mut browser, &page, "anna").await;
        let page = enter_code(&mut browser, &page, &code_of(&server, &app, 0)).await;
        decide(&mut browser, &page, "allow").await;
        let given = poll(&server, &client, &asked).await.json();
        let id_token = claims(&text(&given, "id_token"));
        assert_eq!((&id_token["acr"], id_token["auth_time"].as_i64()), (&json!("2"), Some(server.clock.now().as_seconds())));
        assert!(given.get("refresh_token").is_none());
    }

    async fn d3_a_no_is_told_and_final(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna").await;
        let client = call_centre(&server, |_| {}).await;
        let asked = ask(&server, &client, "anna").await;
        let mut browser = server.browser();
        let page = consent_page(&mut browser, &link(&server).await, "anna").await;
        assert_eq!(decide(&mut browser, &page, "deny").await.url, "/account/requests/denied");
        assert_error(&poll(&server, &client, &asked).await, 400, "access_denied");
        assert!(recorded(&server, "token.refused", "backchannel_denied").await);
        assert!(recorded(&server, "consent.denied", "consent_denied").await);
        let late = decide(&mut browser, &page, "allow").await;
        assert_page(&late, 400);
        assert!(late.body.contains("The request has expired"), "{}", late.body);
        assert!(recorded(&server, "authorization.refused", "backchannel_ended").await);
    }

    async fn d3_a_request_ends_when_it_was_to(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna").await;
        let client = call_centre(&server, |_| {}).await;
        let fields = |expiry| [("scope", "openid"), ("login_hint", "anna"), ("requested_expiry", expiry)];
        let asked = ask_with(&server, &client, &fields("60")).await.json();
        assert_eq!(asked["expires_in"], 60);
        let link = link(&server).await;
        assert_eq!(ask_with(&server, &client, &fields("86400")).await.json()["expires_in"], 3_600);
        let mut browser = server.browser();
        let page = consent_page(&mut browser, &link, "anna").await;
        server.clock.advance(59);
        assert_error(&poll(&server, &client, &asked).await, 400, "authorization_pending");
        server.clock.advance(1);
        assert_error(&poll(&server, &client, &asked).await, 400, "expired_token");
        assert_page(&decide(&mut browser, &page, "allow").await, 400);
        assert_eq!(browser.visit(&link).await.url, link, "there is nothing to decide about");
        let clean = async || cleanup::clean(&server.state.db, server.clock.now(), &server.state.config).await.unwrap();
        let rows = async || {
            let mut conn = server.state.db.read().await.unwrap();
            conn.query("SELECT COUNT(*) FROM device_codes").fetch_one::<(i64,)>().await.unwrap().0
        };
        server.clock.advance(599);
        clean().await;
        assert_eq!(rows().await, 2);
        server.clock.advance(1);
        clean().await;
        assert_eq!(rows().await, 1);
    }

    async fn d3_an_answer_is_fetched_once_on_both_nodes_at_once(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let other = server.another_node().await;
        person(&server, "anna").await;
        let client = call_centre(&server, |_| {}).await;
        let asked = ask(&server, &client, "anna").await;
        allow(&server, &link(&server).await, "anna").await;
        let mut polls = JoinSet::new();
        for turn in 0..50 {
            let (server, client, asked) = (if turn % 2 == 0 { server.clone() } else { other.clone() }, client.clone(), asked.clone());
            polls.spawn(async move { poll(&server, &client, &asked).await });
        }
        let (given, refused): (Vec<_>, Vec<_>) = polls.join_all().await.into_iter().partition(|answer| answer.status == 200);
        assert_eq!((given.len(), refused.len()), (1, 49));
        for answer in refused {
            assert_error(&answer, 400, "invalid_grant");
        }
        // Somebody else knows the identifier.
        assert_eq!(server.userinfo(&text(&given[0].json(), "access_token")).await.status, 401);
        assert!(recorded(&server, "code.replayed", "auth_req_id_used").await || recorded(&other, "code.replayed", "auth_req_id_used").await);
    }

    async fn d4_d8_nobody_else_fetches_it_and_nobody_for_who_is_disabled(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna").await;
        let (client, thief) = (call_centre(&server, |_| {}).await, call_centre(&server, |_| {}).await);
        let asked = ask(&server, &client, "anna").await;
        allow(&server, &link(&server).await, "anna").await;
        assert_error(&poll(&server, &thief, &asked).await, 400, "invalid_grant");
        assert!(recorded(&server, "token.refused", "auth_req_id_of_another_client").await);
        for unknown in ["x", "", &link(&server_with_new_request(&server, &client).await).await] {
            let fields = [("grant_type", GRANT), ("auth_req_id", unknown)];
            assert_error(&server.token(&client, &fields).await, 400, if unknown.is_empty() { "invalid_request" } else { "invalid_grant" });
        }
        server.disable(&anna).await;
        assert_error(&poll(&server, &client, &asked).await, 400, "access_denied");
        assert_error(&ask_with(&server, &client, &[("scope", "openid"), ("login_hint", "anna")]).await, 400, "unknown_user_id");
    }

    async fn what_ends_a_persons_grants_takes_a_yes_back_that_nobody_has_fetched(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna").await;
        let client = call_centre(&server, |_| {}).await;
        let asked = ask(&server, &client, "anna").await;
        let mut browser = server.browser();
        let page = consent_page(&mut browser, &link(&server).await, "anna").await;
        decide(&mut browser, &page, "allow").await;
        let apps = browser.visit("/account/apps").await;
        browser.submit(&apps.form_with("client_id").set("client_id", client.id())).await;
        assert_error(&poll(&server, &client, &asked).await, 400, "access_denied");
    }

    async fn what_is_stored_tells_nobody_how_to_fetch_it(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = call_centre(&server, |metadata| {
            metadata.backchannel_token_delivery_mode = Some(DeliveryMode::Ping);
            metadata.backchannel_client_notification_endpoint = Some("https://app.example/ping".to_owned());
        }).await;
        let fields = [("scope", "openid"), ("login_hint", "anna"), ("client_notification_token", "a-secret-of-the-client")];
        let asked = ask_with(&server, &client, &fields).await.json();
        let mut conn = server.state.db.read().await.unwrap();
        let sql = "SELECT hash, user_code, notification FROM device_codes";
        let (hash, handle, sealed) = conn.query(sql).fetch_one::<(Vec<u8>, Vec<u8>, Vec<u8>)>().await.unwrap();
        let id = text(&asked, "auth_req_id");
        assert_eq!((hash.len(), handle.len(), id.len()), (32, 32, 43));
        for secret in [id.as_bytes(), b"a-secret-of-the-client"] {
            assert!(!sealed.windows(secret.len()).any(|window| window == secret));
        }
    }
}

/// The same server, on which one more request waits.
async fn server_with_new_request(server: &TestServer, client: &TestClient) -> TestServer {
    ask(server, client, "anna").await;
    server.clone()
}

#[tokio::test]
async fn the_password_of_the_tests_is_typed_on_the_login_page_of_the_client() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    person(&server, "anna").await;
    let client = call_centre(&server, |_| {}).await;
    ask(&server, &client, "anna").await;
    let mut browser = server.browser();
    let page = browser.visit(&link(&server).await).await;
    assert!(page.texts("main").concat().contains("Call Centre"), "who asks is said before the password: {page:#?}");
    let form = page.form().set("username", "anna").set("password", PASSWORD);
    assert!(browser.submit(&form).await.url.starts_with("/consent"));
}
