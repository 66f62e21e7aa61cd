//! What devices, and clients that ask people, want tokens for (RFC 8707, RFC 9396).

use ostiary::protocol::client::Client;
use ostiary::protocol::scope::Scope;
use serde_json::{Value, json};

use super::{GRANT, allow, begin_with, consent_page, decide, poll, television};
use crate::flows::resources::register;
use crate::guard::attack::recorded;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{assert_error, claims, refresh, text};
use crate::support::server::{TestClient, TestServer};

const FILMS: &str = "https://films.example/";
const BANK: &str = "https://bank.example/";

/// Films, for clients that are registered for them; a bank, for whoever asks.
async fn start(database: TestDatabase) -> (TestServer, TestClient) {
    let server = TestServer::start(database).await;
    server.person("anna").await;
    register(&server, FILMS, json!({ "name": "Films", "scopes": { "films:watch": "Watch films" } })).await;
    let rent = json!({ "description": "Rent films", "schema": { "properties": { "film": { "type": "string" } } } });
    let bank =
        json!({ "name": "Bank", "open": true, "scopes": { "bank:pay": "Pay" }, "authorization_details_types": { "rent": rent } });
    register(&server, BANK, bank).await;
    let client = television(&server).await;
    server
        .update_client(&client, |client| {
            client.metadata.audiences = vec![FILMS.to_owned()];
            client.metadata.scope = client.metadata.scope.union(&Scope::parse("films:watch").unwrap());
        })
        .await;
    (server, client)
}

async fn begin(server: &TestServer, client: &TestClient, fields: &[(&str, &str)]) -> Value {
    let answer = begin_with(server, client, fields).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    answer.json()
}

fn rent(film: &str) -> Value {
    json!({ "type": "rent", "film": film })
}

on_both! {
    async fn a_device_gets_a_token_for_the_apis_that_it_named_and_its_person_saw(database: TestDatabase) {
        let (server, client) = start(database).await;
        let more = |client: &mut Client| {
            client.metadata.audiences.push("https://old.example".to_owned());
            client.metadata.scope = client.metadata.scope.union(&Scope::parse("bank:pay").unwrap());
        };
        server.update_client(&client, more).await;
        let fields = [
            ("scope", "openid offline_access films:watch bank:pay"), ("resource", FILMS), ("resource", BANK),
            ("authorization_details", &*json!([rent("Alien"), rent("Aliens")]).to_string()),
        ];
        let begun = begin(&server, &client, &fields).await;
        let mut browser = server.browser();
        let page = consent_page(&mut browser, &begun, "anna").await;
        for shown in ["Watch films", "Films", FILMS, "Bank", BANK, "Rent films", "Alien"] {
            assert!(page.body.contains(shown), "{shown}: {}", page.body);
        }
        assert_eq!(decide(&mut browser, &page, "allow").await.url, "/device/allowed");
        // At its end it may take less, and no more.
        let redeem = async |more: &[(&str, &str)]| {
            let code = text(&begun, "device_code");
            server.token(&client, &[&[("grant_type", GRANT), ("device_code", code.as_str())], more].concat()).await
        };
        assert_error(&redeem(&[("resource", "https://old.example")]).await, 400, "invalid_target");
        let other = json!([rent("Psycho")]).to_string();
        assert_error(&redeem(&[("authorization_details", &other)]).await, 400, "invalid_authorization_details");
        let details = json!([rent("Alien")]).to_string();
        let given = redeem(&[("resource", BANK), ("authorization_details", &details)]).await.json();
        let told = claims(&text(&given, "access_token"));
        assert_eq!((&told["aud"], &told["scope"]), (&json!(BANK), &json!("bank:pay")), "a refusal burnt no code");
        assert_eq!((&told["authorization_details"], &given["authorization_details"]), (&json!([rent("Alien")]), &json!([rent("Alien")])));
        // What was granted is still all that was agreed to.
        let again = refresh(&server, &client, &text(&given, "refresh_token")).await.json();
        let told = claims(&text(&again, "access_token"));
        assert_eq!((&told["aud"], &told["scope"]), (&json!([BANK, FILMS]), &json!("bank:pay films:watch")));
        assert_eq!(told["authorization_details"], json!([rent("Alien"), rent("Aliens")]));

        for kind in ["consent.given", "authorization.granted"] {
            let event = server.audit().await.into_iter().rfind(|entry| entry.kind == kind).unwrap();
            assert_eq!(event.details["resources"], json!([BANK, FILMS]), "{kind}");
            assert_eq!(event.details["authorization_details_types"], json!(["rent"]), "{kind}");
            assert!(!event.details["scope"].to_string().contains("Alien"));
        }
    }

    async fn a35_a_device_is_refused_what_is_no_resource_of_its_clients(database: TestDatabase) {
        let (server, client) = start(database).await;
        server.update_client(&client, |client| client.metadata.audiences = Vec::new()).await;
        for (resource, reason) in [
            ("films", "resource_malformed"), ("https://other.example", "resource_unknown"), (FILMS, "resource_not_allowed"),
        ] {
            assert_error(&begin_with(&server, &client, &[("resource", BANK), ("resource", resource)]).await, 400, "invalid_target");
            assert!(recorded(&server, "device.refused", reason).await, "{reason}");
        }
        let details = json!([{ "type": "rent", "film": 1 }]).to_string();
        let refused = begin_with(&server, &client, &[("resource", BANK), ("authorization_details", &details)]).await;
        assert_error(&refused, 400, "invalid_authorization_details");
        assert!(recorded(&server, "device.refused", "authorization_details_not_of_type").await);
        // A scope value that is open with its resource only.
        assert_error(&begin_with(&server, &client, &[("scope", "bank:pay")]).await, 400, "invalid_scope");
        assert_eq!(begin_with(&server, &client, &[("scope", "bank:pay"), ("resource", BANK)]).await.status, 200);
    }

    async fn a_resource_that_the_client_lost_since_is_not_given(database: TestDatabase) {
        let (server, client) = start(database).await;
        let begun = begin(&server, &client, &[("scope", "films:watch"), ("resource", FILMS)]).await;
        allow(&server, &begun, "anna").await;
        server.update_client(&client, |client| client.metadata.audiences = Vec::new()).await;
        assert_error(&poll(&server, &client, &begun).await, 400, "invalid_target");
        assert!(recorded(&server, "token.refused", "resource_not_allowed").await);
    }
}
