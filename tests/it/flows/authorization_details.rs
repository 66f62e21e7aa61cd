//! Rich authorization requests (RFC 9396): behaviours 1.1 A22, A36; 1.12 T5.

use ostiary::protocol::client::AccessTokenFormat;
use ostiary::protocol::scope::Scope;
use ostiary::storage::resources;
use serde_json::{Value, json};

use super::pushed::push;
use super::resources::register;
use crate::guard::attack::recorded;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, allow, assert_error, claims, code_of, log_in, redeem, refresh, text};
use crate::support::server::{Persona, TestClient, TestServer};

const BANK: &str = "https://bank.example/";

async fn start(database: TestDatabase) -> TestServer {
    let server = TestServer::start(database).await;
    server.person("anna").await;
    let payment = json!({
        "description": "Pay from your account",
        "schema": { "required": ["amount", "to"], "properties": {
            "amount": { "type": "object", "properties": { "value": { "type": "integer" }, "currency": { "enum": ["EUR"] } } },
            "to": { "type": "string", "maxLength": 40 },
        } },
    });
    register(&server, BANK, json!({ "name": "Bank", "authorization_details_types": { "payment": payment } })).await;
    server
}

async fn app(server: &TestServer, format: AccessTokenFormat) -> TestClient {
    let change = |metadata: &mut ostiary::protocol::client::ClientMetadata| {
        metadata.audiences = vec![BANK.to_owned()];
        metadata.authorization_details_types = vec!["payment".to_owned()];
        metadata.access_token_format = format;
    };
    server.client(Persona::Web, change).await
}

fn payment(value: i64) -> Value {
    json!({ "type": "payment", "amount": { "value": value, "currency": "EUR" }, "to": "<b>Bob</b>" })
}

fn asking(client: &TestClient, details: &Value) -> AuthorizationUrl {
    AuthorizationUrl::new(client).with("scope", "openid offline_access").with("authorization_details", &details.to_string())
}

on_both! {
    async fn what_the_person_agreed_to_stands_in_the_token_and_in_introspection(database: TestDatabase) {
        let server = start(database).await;
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            let client = app(&server, format).await;
            let mut browser = server.browser();
            let page = browser.visit(&asking(&client, &json!([payment(5), payment(6)])).path()).await;
            let page = log_in(&mut browser, &page, "anna").await;
            // T5.
            for shown in ["Pay from your account", "amount.value", "EUR", "Bob"] {
                assert!(page.body.contains(shown), "{shown}: {}", page.body);
            }
            assert!(!page.body.contains("<b>Bob"));
            let code = allow(&mut browser, &page).await.redirect_params()["code"].clone();
            let tokens = redeem(&server, &client, &code).await.json();
            assert_eq!(tokens["authorization_details"], json!([payment(5), payment(6)]));
            let token = text(&tokens, "access_token");
            if format == AccessTokenFormat::Jwt {
                assert_eq!(claims(&token)["authorization_details"], json!([payment(5), payment(6)]));
            }
            assert_eq!(server.introspect(&client, &token).await["authorization_details"], json!([payment(5), payment(6)]));

            // A refreshed token may hold less, and never more.
            let refresh = async |details: &Value| {
                let (refresh_token, details) = (text(&tokens, "refresh_token"), details.to_string());
                let fields =
                    [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token), ("authorization_details", &*details)];
                server.token(&client, &fields).await
            };
            assert_eq!(refresh(&json!([payment(6)])).await.json()["authorization_details"], json!([payment(6)]));
            assert_error(&refresh(&json!([payment(7)])).await, 400, "invalid_authorization_details");
            assert!(recorded(&server, "token.refused", "authorization_details_not_granted").await);
        }
    }

    async fn what_the_client_may_no_longer_have_is_not_given_again(database: TestDatabase) {
        let server = start(database).await;
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            let client = app(&server, format).await;
            let code = code_of(&server, &client, &asking(&client, &json!([payment(5)])), "anna").await;
            let refresh_token = text(&redeem(&server, &client, &code).await.json(), "refresh_token");
            let details = async || refresh(&server, &client, &refresh_token).await.json()["authorization_details"].clone();
            assert_eq!(details().await, json!([payment(5)]));
            // The schema is tighter now.
            let mut bank = resources::by_identifier(&mut server.state.db.read().await.unwrap(), BANK).await.unwrap().unwrap();
            let before = bank.metadata.clone();
            let schema = &mut bank.metadata.authorization_details_types.get_mut("payment").unwrap().schema;
            schema["properties"]["amount"]["properties"]["value"]["maximum"] = json!(4);
            assert!(server.state.db.write(async |tx| resources::update(tx, &bank, bank.version).await).await.unwrap());
            assert_eq!(details().await, Value::Null);
            bank.metadata = before;
            let version = bank.version + 1;
            assert!(server.state.db.write(async |tx| resources::update(tx, &bank, version).await).await.unwrap());
            assert_eq!(details().await, json!([payment(5)]));

            server.update_client(&client, |client| client.metadata.authorization_details_types.clear()).await;
            assert_eq!(details().await, Value::Null);
            let (refresh_token, asked) = (refresh_token.clone(), json!([payment(5)]).to_string());
            let fields = [("grant_type", "refresh_token"), ("refresh_token", &*refresh_token), ("authorization_details", &*asked)];
            assert_error(&server.token(&client, &fields).await, 400, "invalid_authorization_details");
        }
    }

    async fn a22_a_payment_is_agreed_to_each_time(database: TestDatabase) {
        let server = start(database).await;
        let client = app(&server, AccessTokenFormat::Jwt).await;
        let mut browser = server.browser();
        let page = browser.visit(&asking(&client, &json!([payment(5)])).path()).await;
        let page = log_in(&mut browser, &page, "anna").await;
        assert!(allow(&mut browser, &page).await.redirect_params().contains_key("code"));
        let again = browser.visit(&asking(&client, &json!([payment(5)])).path()).await;
        assert!(again.url.starts_with("/consent"), "{again:#?}");
        let silent = asking(&client, &json!([payment(5)])).with("prompt", "none");
        assert_eq!(browser.visit(&silent.path()).await.redirect_params()["error"], "consent_required");
        let without = silent.without("authorization_details");
        assert!(browser.visit(&without.path()).await.redirect_params().contains_key("code"));
    }

    async fn a36_what_is_not_as_its_type_has_it_is_told_to_the_client(database: TestDatabase) {
        let server = start(database).await;
        let client = app(&server, AccessTokenFormat::Jwt).await;
        let mut extra = payment(5);
        extra["urgent"] = json!(true);
        for (details, reason) in [
            ("{", "authorization_details_malformed"),
            ("{}", "authorization_details_malformed"),
            ("[{}]", "authorization_details_malformed"),
            (r#"[{"type":"transfer"}]"#, "authorization_details_type_unknown"),
            (r#"[{"type":"payment"}]"#, "authorization_details_not_of_type"),
            (&json!([extra]).to_string(), "authorization_details_not_of_type"),
        ] {
            let url = AuthorizationUrl::new(&client).with("authorization_details", details);
            let params = server.get(&url.path()).await.redirect_params();
            assert_eq!(params["error"], "invalid_authorization_details", "{details}");
            assert!(recorded(&server, "authorization.refused", reason).await, "{reason}");
            assert_error(&push(&server, &client, &url).await, 400, "invalid_authorization_details");
        }
        let other = server.client(Persona::Web, |metadata| metadata.audiences = vec![BANK.to_owned()]).await;
        let params = server.get(&asking(&other, &json!([payment(5)])).path()).await.redirect_params();
        assert_eq!(params["error"], "invalid_authorization_details");
        assert!(recorded(&server, "authorization.refused", "authorization_details_type_not_allowed").await);
    }

    async fn a_service_may_ask_for_details_too(database: TestDatabase) {
        let server = start(database).await;
        let client = server.client(Persona::Service, |metadata| {
            metadata.audiences = vec![BANK.to_owned()];
            metadata.scope = Scope::default();
            metadata.authorization_details_types = vec!["payment".to_owned()];
        }).await;
        let ask = async |details: &Value| {
            server.token(&client, &[("grant_type", "client_credentials"), ("authorization_details", &details.to_string())]).await
        };
        let token = text(&ask(&json!([payment(5)])).await.json(), "access_token");
        assert_eq!(claims(&token)["authorization_details"], json!([payment(5)]));
        assert_error(&ask(&json!([{ "type": "payment" }])).await, 400, "invalid_authorization_details");
    }
}

#[tokio::test]
async fn discovery_lists_the_types_that_there_are_now() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let listed =
        async || server.get("/.well-known/openid-configuration").await.json()["authorization_details_types_supported"].clone();
    assert_eq!(listed().await, Value::Null);
    let payment = json!({ "description": "Pay", "schema": {} });
    register(&server, BANK, json!({ "name": "Bank", "authorization_details_types": { "payment": payment } })).await;
    assert_eq!(listed().await, json!(["payment"]));
}
