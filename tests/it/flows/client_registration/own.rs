//! What an application may make of its own registration, and what it may not (RFC 7592; behaviours 1.9 N7, N8).

use ostiary::jobs::cleanup;
use ostiary::protocol::authentication::Acr;
use ostiary::protocol::client::{AccessTokenFormat, Client, SubjectType};

use super::*;
use crate::support::assertion::Publisher;

async fn load(server: &TestServer, client: &Value) -> Option<Client> {
    let id = ClientId::parse(text(client, "client_id")).unwrap();
    clients::load(&mut server.state.db.read().await.unwrap(), &id).await.unwrap()
}

/// Puts this in the place of the registration.
async fn put(server: &TestServer, client: &Value, mut wish: Value) -> Answer {
    wish["client_id"] = client["client_id"].clone();
    let (uri, token) = (text(client, "registration_client_uri"), text(client, "registration_access_token"));
    call(server, Method::PUT, &uri, Some(&token), Some(&wish)).await
}

async fn get(server: &TestServer, client: &Value) -> Answer {
    let token = text(client, "registration_access_token");
    call(server, Method::GET, &text(client, "registration_client_uri"), Some(&token), None).await
}

fn with(name: &str, value: impl Into<Value>) -> Value {
    let mut body = app();
    body[name] = value.into();
    body
}

on_both! {
    async fn n8_a_change_takes_nothing_away_that_an_administrator_restricted(database: TestDatabase) {
        let server = open(database).await;
        let client = registered(&server, &app()).await;
        change(&server, &text(&client, "client_id"), |client| {
            client.metadata.required_acr = Some(Acr::Multi);
            client.metadata.subject_type = SubjectType::Pairwise;
            client.metadata.access_token_format = AccessTokenFormat::Opaque;
            client.metadata.access_token_lifetime = Some(60);
            client.metadata.rotate_refresh_tokens = true;
            client.metadata.tls_client_certificate_bound_access_tokens = true;
            client.metadata.scope = "openid".to_owned().try_into().unwrap();
        })
        .await;
        let before = load(&server, &client).await.unwrap().metadata;
        let mut wish = with("client_name", "Diary");
        wish["subject_type"] = json!("public");
        wish["tls_client_certificate_bound_access_tokens"] = json!(false);
        wish.as_object_mut().unwrap().remove("scope");
        let answer = put(&server, &client, wish).await;
        assert_eq!((answer.status.as_u16(), &answer.json()["scope"]), (200, &json!("openid")), "{answer:#?}");
        let mut expected = before;
        expected.client_name = "Diary".to_owned();
        assert_eq!(load(&server, &client).await.unwrap().metadata, expected);
        let event = server.audit().await.into_iter().find(|entry| entry.kind == "client.updated").unwrap();
        assert_eq!(event.details["changed"], json!(["client_name"]), "and the event tells what was changed");
    }

    async fn a_public_client_stays_public_and_a_confidential_one_confidential(database: TestDatabase) {
        let server = open(database).await;
        let confidential = registered(&server, &app()).await;
        let public = registered(&server, &with("token_endpoint_auth_method", "none")).await;
        let mut keys = with("token_endpoint_auth_method", "private_key_jwt");
        keys["jwks_uri"] = json!("https://app.example/jwks.json");
        for (client, wish) in [(&confidential, with("token_endpoint_auth_method", "none")), (&public, keys.clone())] {
            let answer = put(&server, client, wish).await;
            assert_error(&answer, 400, "invalid_client_metadata");
            assert_eq!(reason(&server, &answer).await, "client_method_for_good");
        }
        assert_eq!(put(&server, &confidential, keys).await.status, 200);
    }

    async fn a_client_does_not_lock_itself_out_with_a_method_that_its_secret_is_not_for(database: TestDatabase) {
        let server = open(database).await;
        let signs = with("token_endpoint_auth_method", "client_secret_jwt");
        let (plain, signing) = (registered(&server, &app()).await, registered(&server, &signs).await);
        let answer = put(&server, &plain, signs.clone()).await;
        assert_error(&answer, 400, "invalid_client_metadata");
        assert_eq!(reason(&server, &answer).await, "client_without_secret");
        assert_eq!(put(&server, &plain, with("token_endpoint_auth_method", "client_secret_post")).await.status, 200);
        assert_eq!(put(&server, &signing, signs.clone()).await.status, 200);
        assert_eq!(put(&server, &signing, app()).await.status, 200, "a secret that was kept in clear will do for the other ways");
        assert_error(&put(&server, &signing, signs).await, 400, "invalid_client_metadata");
    }

    async fn of_changes_at_once_none_is_told_that_its_token_is_bad(database: TestDatabase) {
        let server = open(database).await;
        let (client, other) = (registered(&server, &app()).await, server.another_node().await);
        let mut tasks = JoinSet::new();
        for number in 0..12 {
            let (server, client) = (if number % 2 == 0 { server.clone() } else { other.clone() }, client.clone());
            tasks.spawn(async move { put(&server, &client, with("client_name", format!("Diary {number}"))).await.status.as_u16() });
        }
        let statuses = tasks.join_all().await;
        assert!(statuses.contains(&200) && statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
    }

    /// The application reads, an administrator vouches for it, the application deletes.
    async fn n8_a_client_is_not_deleted_that_was_vouched_for_meanwhile(database: TestDatabase) {
        let server = open(database).await;
        for _ in 0..10 {
            let client = registered(&server, &app()).await;
            let mut stored = load(&server, &client).await.unwrap();
            stored.metadata.self_registered = false;
            let (uri, token) = (text(&client, "registration_client_uri"), text(&client, "registration_access_token"));
            let vouch = server.state.db.write(async |tx| clients::update(tx, &stored, stored.version).await);
            let (vouched, deleted) = tokio::join!(vouch, call(&server, Method::DELETE, &uri, Some(&token), None));
            let vouched = vouched.unwrap();
            assert_eq!(deleted.status, if vouched { 401 } else { 204 });
            assert_eq!(load(&server, &client).await.is_some(), vouched);
        }
    }

    async fn n7_a_sector_has_to_know_all_redirection_uris(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| {
            config.client_registration.mode = ClientRegistrationMode::Open;
            config.outbound.private_hosts = vec!["127.0.0.1".to_owned()];
        })
        .await;
        let sector = Publisher::start(&json!(["https://app.example/cb"])).await;
        let body = |uris: &[&str]| {
            json!({ "redirect_uris": uris, "subject_type": "pairwise", "sector_identifier_uri": sector.url })
        };
        let client = registered(&server, &body(&["https://app.example/cb"])).await;
        assert_eq!((&client["subject_type"], &client["sector_identifier_uri"]), (&json!("pairwise"), &json!(sector.url)));
        let both = body(&["https://app.example/cb", "https://bank.example/cb"]);
        assert_error(&register(&server, None, &both).await, 400, "invalid_client_metadata");
        assert_error(&put(&server, &client, both.clone()).await, 400, "invalid_client_metadata");
        for bad in [json!(["https://app.example/cb", 1]), json!({ "x": "https://app.example/cb" })] {
            sector.publish(&bad);
            assert_error(&register(&server, None, &body(&["https://app.example/cb"])).await, 400, "invalid_client_metadata");
        }
        sector.answer_with("404 Not Found", "", "");
        assert_error(&register(&server, None, &body(&["https://app.example/cb"])).await, 400, "invalid_client_metadata");
        sector.publish(&json!(["https://app.example/cb", "https://bank.example/cb"]));
        assert_eq!(put(&server, &client, both).await.status, 200);
    }

    async fn what_makes_an_application_safer_it_gets(database: TestDatabase) {
        let server = open(database).await;
        let mut wish = app();
        wish["subject_type"] = json!("pairwise");
        wish["tls_client_certificate_bound_access_tokens"] = json!(true);
        wish["introspection_signed_response_alg"] = json!("ES256");
        let client = registered(&server, &wish).await;
        for member in ["subject_type", "tls_client_certificate_bound_access_tokens", "introspection_signed_response_alg"] {
            assert_eq!(client[member], wish[member], "{member}");
        }
        let stored = load(&server, &client).await.unwrap().metadata;
        assert!(stored.subject_type == SubjectType::Pairwise && stored.binds_tokens());
    }

    async fn who_never_was_given_anything_is_forgotten(database: TestDatabase) {
        let server = open(database).await;
        server.person("anna").await;
        let client = async || registered(&server, &app()).await;
        let (used, unused, disabled, vouched_for, changed) =
            (client().await, client().await, client().await, client().await, client().await);
        let mut browser = server.browser();
        let page = browser.visit(&authorize(&used, &[])).await;
        let page = log_in(&mut browser, &page, "anna").await;
        browser.submit(&page.form_of("consent-form").set("decision", "allow")).await;
        change(&server, &text(&disabled, "client_id"), |client| client.status = ClientStatus::Disabled).await;
        change(&server, &text(&vouched_for, "client_id"), |client| client.metadata.self_registered = false).await;
        let clean = async || cleanup::clean(&server.state.db, server.clock.now(), &server.state.config).await.unwrap();
        server.clock.advance(89 * 86_400);
        assert_eq!(put(&server, &changed, with("client_name", "Diary")).await.status, 200);
        clean().await;
        assert!(load(&server, &unused).await.is_some());
        server.clock.advance(2 * 86_400);
        clean().await;
        assert_eq!(load(&server, &unused).await, None);
        for kept in [&used, &disabled, &vouched_for, &changed] {
            assert!(load(&server, kept).await.is_some(), "{kept}");
        }
        let deleted = server.audit().await.into_iter().find(|entry| entry.kind == "client.deleted").unwrap();
        assert_eq!(deleted.client_id.map(|id| id.to_string()), Some(text(&unused, "client_id")));
        assert_error(&get(&server, &unused).await, 401, "invalid_token");
    }

    async fn a_refused_look_is_recorded_as_one(database: TestDatabase) {
        let server = open(database).await;
        let client = registered(&server, &app()).await;
        let answer = call(&server, Method::GET, &text(&client, "registration_client_uri"), Some("wrong"), None).await;
        assert_error(&answer, 401, "invalid_token");
        server.state.refusals.flush().await;
        let entries = server.audit().await;
        let event = entries.iter().find(|entry| entry.trace_id == answer.trace_id()).unwrap();
        assert_eq!(event.kind, "client.registration_read");
    }
}

#[tokio::test]
async fn a_registration_is_managed_so_often_and_no_more() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.client_registration.mode = ClientRegistrationMode::Open;
        config.limits.enabled = true;
        config.rates.manage_registration = "2/1h".parse().unwrap();
        config.rates.find_registration = "6/1h".parse().unwrap();
    })
    .await;
    let (client, other) = (registered(&server, &app()).await, registered(&server, &app()).await);
    assert_eq!(get(&server, &client).await.status, 200);
    assert_eq!(put(&server, &client, app()).await.status, 200);
    for answer in [get(&server, &client).await, put(&server, &client, app()).await] {
        assert_eq!((answer.status.as_u16(), answer.header("retry-after").is_some()), (429, true));
        assert_eq!(reason(&server, &answer).await, "rate_limited");
    }
    assert_eq!(get(&server, &other).await.status, 200, "of another client");
    let guess = async || call(&server, Method::GET, &text(&other, "registration_client_uri"), Some("wrong"), None).await.status;
    assert_eq!((guess().await.as_u16(), guess().await.as_u16()), (401, 429), "of one address, whatever the token");
}
