//! Applications whose `client_id` is the URL of their registration (draft-ietf-oauth-client-id-metadata-document-03; N5, N6).

mod stored;

use ostiary::config::Config;
use ostiary::jobs::cleanup;
use ostiary::protocol::client::{Algorithm, Client, ClientStatus};
use ostiary::protocol::id::ClientId;
use ostiary::storage::clients;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::assert_page;
use crate::guard::attack::recorded;
use crate::support::assertion::{ClientKey, Publisher, claims, jwks, post};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, allow, assert_error, authorize, log_in, redeem, text, tokens};
use crate::support::server::{Persona, TestClient, TestServer};

const DAY: i64 = 86_400;

/// A server that takes documents, and may ask this machine.
async fn start(database: TestDatabase) -> TestServer {
    start_with(database, |_| {}).await
}

async fn start_with(database: TestDatabase, change: impl FnOnce(&mut Config)) -> TestServer {
    let server = TestServer::start_with(database, |config| {
        config.outbound.private_hosts = vec!["127.0.0.1".to_owned()];
        config.client_id_metadata_documents.enabled = true;
        change(config);
    });
    let server = server.await;
    server.person("anna").await;
    server
}

/// The document of an editor in a browser, at its URL.
fn document(url: &str) -> Value {
    json!({
        "client_id": url, "client_name": "Editor", "redirect_uris": ["https://editor.example/cb"],
        "grant_types": ["authorization_code", "refresh_token"], "response_types": ["code"], "token_endpoint_auth_method": "none",
    })
}

fn with(url: &str, more: &Value) -> Value {
    let mut document = document(url);
    for (name, value) in more.as_object().unwrap() {
        document[name] = value.clone();
    }
    document
}

/// Publishes the document, changed by `more`.
async fn publisher(more: &Value) -> Publisher {
    let publisher = Publisher::start(&Value::Null).await;
    publisher.publish(&with(&publisher.url, more));
    publisher
}

/// What the steps of a flow need to know of the client.
async fn client_at(server: &TestServer, publisher: &Publisher, redirect_uri: &str) -> TestClient {
    let mut client = server.client(Persona::Spa, |_| {}).await.client;
    client.id = ClientId::parse(publisher.url.clone()).unwrap();
    client.metadata.redirect_uris = vec![redirect_uri.to_owned()];
    TestClient { client, secret: None }
}

async fn editor(server: &TestServer, publisher: &Publisher) -> TestClient {
    client_at(server, publisher, "https://editor.example/cb").await
}

async fn stored(server: &TestServer, client: &TestClient) -> Option<Client> {
    clients::load(&mut server.state.db.read().await.unwrap(), &client.client.id).await.unwrap()
}

/// What an administrator changes.
async fn change(server: &TestServer, client: &TestClient, change: impl FnOnce(&mut Client)) {
    server.update_client(client, change).await;
}

/// The request is answered by a page of our own, for this reason.
async fn assert_refused(server: &TestServer, url: &AuthorizationUrl, reason: &str) {
    server.state.refusals.flush().await;
    let answer = server.get(&url.path()).await;
    assert_page(&answer, 400);
    let entries = server.audit().await;
    let refusal = entries.iter().find(|entry| entry.trace_id == answer.trace_id() && entry.reason.is_some());
    assert_eq!(refusal.and_then(|entry| entry.reason.as_deref()), Some(reason));
}

fn assert_login(answer: &Answer) {
    assert!(answer.status == 303 && answer.location().starts_with("/login"), "{answer:#?}");
}

on_both! {
    async fn an_application_that_nobody_registered_logs_people_in(database: TestDatabase) {
        let server = start(database).await;
        let publisher = publisher(&json!({ "policy_uri": "https://editor.example/privacy" })).await;
        let client = editor(&server, &publisher).await;
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        let host = publisher.url.strip_prefix("http://").unwrap().split('/').next().unwrap();
        assert!(page.texts("#client-host").concat().contains(host), "the login page tells the host: {page:#?}");
        let page = log_in(&mut browser, &page, "anna").await;
        assert!(page.texts("#client-host").concat().contains(host), "{page:#?}");
        assert!(page.body.contains("id=\"unvouched\"") && page.body.contains("https://editor.example/privacy"));
        assert!(!page.body.contains("id=\"on-this-device\""));
        assert_eq!(stored(&server, &client).await, None, "an anonymous visitor writes nothing, nor does a login");
        let params = allow(&mut browser, &page).await.redirect_params();
        let row = stored(&server, &client).await.unwrap();
        assert!(row.metadata.self_registered && !row.metadata.first_party && row.version == 1);
        let answer = redeem(&server, &client, &params["code"]).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        assert_eq!(publisher.asked(), 1, "for all of it");
        let kinds: Vec<_> = server.audit().await.into_iter().filter(|entry| entry.kind.starts_with("client.")).map(|entry| entry.kind).collect();
        assert_eq!(kinds, ["client.created"]);

        // Who agreed once is asked again, for the document may say something else by now.
        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        assert!(page.url.starts_with("/consent"), "{page:#?}");
        let silent = browser.visit(&AuthorizationUrl::new(&client).with("prompt", "none").path()).await;
        assert_eq!((silent.status.as_u16(), silent.header("location")), (400, None), "by hand: {silent:#?}");
        assert!(recorded(&server, "authorization.refused", "client_identity_not_assured").await);
    }

    async fn many_who_come_at_once_share_one_question(database: TestDatabase) {
        let server = start(database).await;
        let publisher = publisher(&json!({})).await;
        publisher.answer_with("200 OK", "content-type: application/json\r\ncache-control: max-age=600\r\n", &document(&publisher.url).to_string());
        let path = AuthorizationUrl::new(&editor(&server, &publisher).await).path();
        let mut tasks = JoinSet::new();
        for _ in 0..50 {
            let (server, path) = (server.clone(), path.clone());
            tasks.spawn(async move { assert_login(&server.get(&path).await) });
        }
        tasks.join_all().await;
        assert_eq!(publisher.asked(), 1);
        server.clock.advance(599);
        assert_login(&server.get(&path).await);
        assert_eq!(publisher.asked(), 0, "as long as its server said");
        server.clock.advance(1);
        assert_login(&server.get(&path).await);
        assert_eq!(publisher.asked(), 1);
    }

    async fn what_the_document_says_now_is_what_counts(database: TestDatabase) {
        let server = start(database).await;
        let publisher = publisher(&json!({})).await;
        let client = editor(&server, &publisher).await;
        tokens(&server, &client, "anna").await;
        publisher.publish(&with(&publisher.url, &json!({ "redirect_uris": ["https://editor.example/new"] })));
        assert_login(&server.get(&AuthorizationUrl::new(&client).path()).await);
        server.clock.advance(3_600);
        assert_refused(&server, &AuthorizationUrl::new(&client), "redirect_uri_mismatch").await;
        assert_eq!(stored(&server, &client).await.unwrap().metadata.redirect_uris, ["https://editor.example/new"]);
        let changed = server.audit().await.into_iter().filter(|entry| entry.kind == "client.updated").count();
        assert_eq!(changed, 1);
        assert_login(&server.get(&AuthorizationUrl::new(&client).with("redirect_uri", "https://editor.example/new").path()).await);

        // The other node reads what this one found.
        let other = server.another_node().await;
        assert_page(&other.get(&AuthorizationUrl::new(&client).path()).await, 400);
    }

    async fn who_takes_the_document_away_is_no_client_any_more(database: TestDatabase) {
        let server = start(database).await;
        let publisher = publisher(&json!({})).await;
        let client = editor(&server, &publisher).await;
        let refresh = text(&tokens(&server, &client, "anna").await, "refresh_token");
        publisher.answer_with("404 Not Found", "", "");
        server.clock.advance(3_600);
        assert_refused(&server, &AuthorizationUrl::new(&client), "client_document_refused").await;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        assert_error(&server.token(&client, &fields).await, 401, "invalid_client");
        // An outage after that bridges nothing, here and on other nodes.
        publisher.answer_with("503 Service Unavailable", "", "");
        server.clock.advance(10);
        for node in [&server, &server.another_node().await] {
            assert_refused(node, &AuthorizationUrl::new(&client), "client_document_unavailable").await;
        }
        publisher.publish(&document(&publisher.url));
        server.clock.advance(60);
        assert_eq!(server.token(&client, &fields).await.status, 200, "it came back");
    }

    async fn an_outage_of_its_server_is_survived_for_a_day_and_a_restart(database: TestDatabase) {
        let server = start(database).await;
        let publisher = publisher(&json!({})).await;
        let client = editor(&server, &publisher).await;
        tokens(&server, &client, "anna").await;
        publisher.answer_with("503 Service Unavailable", "", "");
        server.clock.advance(3_600);
        publisher.asked();
        for _ in 0..3 {
            assert_login(&server.get(&AuthorizationUrl::new(&client).path()).await);
        }
        assert_eq!(publisher.asked(), 1, "then nobody tries for a moment");
        let restarted = server.restarted().await;
        assert_login(&restarted.get(&AuthorizationUrl::new(&client).path()).await);
        server.clock.advance(DAY);
        for node in [&server, &restarted] {
            assert_refused(node, &AuthorizationUrl::new(&client), "client_document_unavailable").await;
        }
        publisher.publish(&document(&publisher.url));
        assert_refused(&server, &AuthorizationUrl::new(&client), "client_document_unavailable").await;
        server.clock.advance(60);
        assert_login(&server.get(&AuthorizationUrl::new(&client).path()).await);
    }

    async fn what_is_no_registration_is_told_by_a_page_and_stored_nowhere(database: TestDatabase) {
        let server = start(database).await;
        let publisher = publisher(&json!({})).await;
        let client = editor(&server, &publisher).await;
        let url = AuthorizationUrl::new(&client);
        let json = "content-type: application/json\r\n";
        let of = |more: Value| with(&publisher.url, &more).to_string();
        for (status, fields, body) in [
            ("404 Not Found", json, of(json!({}))),
            ("302 Found", "location: https://editor.example/client.json\r\n", String::new()),
            ("200 OK", "content-type: text/html\r\n", of(json!({}))),
            ("200 OK", "content-type: application/json\r\ncontent-encoding: gzip\r\n", of(json!({}))),
            ("200 OK", json, "[]".to_owned()),
            ("200 OK", json, of(json!({ "x": "y".repeat(20_000) }))),
            ("200 OK", json, of(json!({ "x": "y".repeat(70_000) }))),
            ("200 OK", json, of(json!({ "client_id": "https://editor.example/client.json" }))),
            ("200 OK", json, of(json!({ "client_secret": "s" }))),
            ("200 OK", json, of(json!({ "token_endpoint_auth_method": "client_secret_post" }))),
            ("200 OK", json, of(json!({ "redirect_uris": [] }))),
            ("200 OK", json, of(json!({ "redirect_uris": ["http://editor.example/cb"] }))),
            ("200 OK", json, of(json!({ "redirect_uris": ["https://editor.example/*"] }))),
            ("200 OK", json, of(json!({ "client_name": "Edi\u{202e}tor" }))),
            ("200 OK", json, of(json!({ "logo_uri": "javascript:alert(1)" }))),
            ("200 OK", json, of(json!({ "token_endpoint_auth_method": "private_key_jwt" }))),
            ("200 OK", json, of(json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AA" }] } }))),
            ("200 OK", json, of(json!({ "jwks_uri": "https://10.0.0.1/jwks" }))),
        ] {
            publisher.answer_with(status, fields, &body);
            server.clock.advance(10);
            assert_refused(&server, &url, "client_document_refused").await;
        }
        assert_eq!(publisher.asked(), 18);
        publisher.publish(&document(&publisher.url));
        assert_refused(&server, &url, "client_document_refused").await;
        assert_eq!((publisher.asked(), stored(&server, &client).await), (0, None), "not asked again at once");
        server.clock.advance(10);
        assert_login(&server.get(&url.path()).await);
    }

    async fn n5_n6_nothing_is_asked_that_only_this_server_can_reach(database: TestDatabase) {
        let server = start_with(database, |config| config.outbound.private_hosts.clear()).await;
        let publisher = publisher(&json!({})).await;
        let client = editor(&server, &publisher).await;
        let url = |id: &str| AuthorizationUrl::new(&client).with("client_id", id);
        let secure = publisher.url.replace("http:", "https:");
        for id in [
            publisher.url.as_str(), &secure, "https://10.0.0.1/a", "https://[::1]/a", "https://169.254.169.254/latest/meta-data/",
            "https://2130706433/a", "https://editor.example", "https://editor.example/a/../b", "https://editor.example/a#b",
            "https://user:pass@editor.example/a", "http://editor.example/a", "https://editor.example:22/a",
        ] {
            assert_refused(&server, &url(id), "client_unknown").await;
        }
        // A name that leads to this machine.
        assert_refused(&server, &url(&secure.replace("127.0.0.1", "localhost")), "client_document_refused").await;
        assert_eq!(publisher.asked(), 0);
    }

    async fn while_it_is_off_nobody_is_asked_and_who_came_before_is_unknown(database: TestDatabase) {
        let server = start(database).await;
        let publisher = publisher(&json!({})).await;
        let client = editor(&server, &publisher).await;
        let metadata = |answer: Answer| answer.json()["client_id_metadata_document_supported"].clone();
        assert_eq!(metadata(server.get("/.well-known/oauth-authorization-server").await), true);
        let refresh = text(&tokens(&server, &client, "anna").await, "refresh_token");
        publisher.asked();
        let off = server.restarted_with(|config| config.client_id_metadata_documents.enabled = false).await;
        assert_eq!(metadata(off.get("/.well-known/openid-configuration").await), Value::Null);
        assert_refused(&off, &AuthorizationUrl::new(&client), "client_unknown").await;
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        assert_error(&off.token(&client, &fields).await, 401, "invalid_client");
        assert_eq!(publisher.asked(), 0);
    }

    async fn an_administrator_keeps_documents_out(database: TestDatabase) {
        let server = start(database).await;
        let publisher = publisher(&json!({})).await;
        let client = editor(&server, &publisher).await;
        tokens(&server, &client, "anna").await;
        change(&server, &client, |client| client.status = ClientStatus::Disabled).await;
        publisher.asked();
        server.clock.advance(DAY);
        assert_refused(&server, &AuthorizationUrl::new(&client), "client_disabled").await;
        for (allowed, denied) in [(vec!["editor.example".to_owned()], vec![]), (vec![], vec!["127.0.0.1".to_owned()])] {
            let closed = server.restarted_with(|config| {
                config.client_id_metadata_documents.allowed_hosts = allowed;
                config.client_id_metadata_documents.denied_hosts = denied;
            });
            let closed = closed.await;
            change(&closed, &client, |client| client.status = ClientStatus::Active).await;
            assert_refused(&closed, &AuthorizationUrl::new(&client), "client_document_host").await;
        }
        assert_eq!(publisher.asked(), 0, "nobody asks for what is not taken");
    }

    async fn who_is_vouched_for_is_a_client_like_any_other(database: TestDatabase) {
        let server = start(database).await;
        let publisher = publisher(&json!({})).await;
        let client = editor(&server, &publisher).await;
        tokens(&server, &client, "anna").await;
        change(&server, &client, |client| client.metadata.self_registered = false).await;
        publisher.answer_with("404 Not Found", "", "");
        publisher.asked();
        server.clock.advance(100 * DAY);
        cleanup::clean(&server.state.db, server.clock.now(), &server.state.config).await.unwrap();
        assert!(authorize(&mut server.browser(), &AuthorizationUrl::new(&client), "anna").await.contains_key("code"));
        assert_eq!(publisher.asked(), 0, "its document decides nothing any more");
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        assert!(!page.body.contains("client-host"));
        assert!(log_in(&mut browser, &page, "anna").await.redirect_params().contains_key("code"), "what was agreed to counts");
    }

    async fn one_with_a_key_proves_who_it_is(database: TestDatabase) {
        let server = start(database).await;
        let key = ClientKey::new(Algorithm::ES256);
        let publisher = publisher(&json!({ "token_endpoint_auth_method": "private_key_jwt", "jwks": jwks(&[&key]) })).await;
        let client = editor(&server, &publisher).await;
        let pushed = async |key: &ClientKey| {
            let url = AuthorizationUrl::new(&client).without("client_id");
            let fields: Vec<(&str, &str)> = url.params().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            post(&server, "/par", &key.sign(&claims(&server, &client)), &fields).await
        };
        assert_error(&pushed(&ClientKey::new(Algorithm::ES256)).await, 401, "invalid_client");
        assert_eq!(stored(&server, &client).await, None, "who proves nothing writes nothing");
        let answer = pushed(&key).await;
        assert_eq!(answer.status, 201, "{answer:#?}");
        assert!(stored(&server, &client).await.is_some());
        let uri = text(&answer.json(), "request_uri");
        let path = form_urlencoded::Serializer::new("/authorize?".to_owned())
            .extend_pairs([("client_id", client.id()), ("request_uri", &uri)])
            .finish();
        let mut browser = server.browser();
        let page = browser.visit(&path).await;
        let page = log_in(&mut browser, &page, "anna").await;
        let code = allow(&mut browser, &page).await.redirect_params()["code"].clone();
        assert_error(&redeem(&server, &client, &code).await, 401, "invalid_client");
        let fields = [
            ("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", client.redirect_uri()),
            ("code_verifier", crate::support::flow::VERIFIER),
        ];
        let answer = post(&server, "/token", &key.sign(&claims(&server, &client)), &fields).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
    }

    async fn a_program_on_the_device_listens_where_it_can_and_people_are_warned(database: TestDatabase) {
        let server = start(database).await;
        let publisher = publisher(&json!({ "redirect_uris": ["http://127.0.0.1/callback", "http://localhost/callback"] })).await;
        let client = client_at(&server, &publisher, "http://127.0.0.1:49152/callback").await;
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        let page = log_in(&mut browser, &page, "anna").await;
        assert!(page.body.contains("id=\"on-this-device\""), "{page:#?}");
        let code = allow(&mut browser, &page).await.redirect_params()["code"].clone();
        assert_eq!(redeem(&server, &client, &code).await.status, 200);
        let other = AuthorizationUrl::new(&client).with("redirect_uri", "http://127.0.0.1:49152/other");
        assert_refused(&server, &other, "redirect_uri_mismatch").await;
    }

    async fn nobody_makes_this_server_ask_without_end(database: TestDatabase) {
        let server = start_with(database, |config| {
            config.limits.enabled = true;
            config.rates.client_document = "3/1h".parse().unwrap();
        }).await;
        let publisher = publisher(&json!({})).await;
        publisher.answer_with("404 Not Found", "", "");
        let ask = async |number: usize| {
            let id = format!("{}{number}", publisher.url);
            server.post_with("/token", &[], &[("client_id", &id), ("grant_type", "refresh_token")]).await.status.as_u16()
        };
        let mut answers = Vec::new();
        for number in 0..5 {
            answers.push(ask(number).await);
        }
        assert_eq!((answers, publisher.asked()), (vec![401, 401, 401, 429, 429], 3));
        assert_eq!(ask(0).await, 401, "what is known is not asked for");
    }
}
