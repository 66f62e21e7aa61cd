//! `/api/v1/admin/clients`.

use serde_json::{Value, json};

use super::persona::{Caller, assert_detail, assert_refused};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{assert_error, claims, text};
use crate::support::server::{Persona, TestServer, basic};

fn path(client: &Value) -> String {
    format!("/admin/clients/{}", client["client_id"].as_str().unwrap())
}

fn service() -> Value {
    json!({"client_name": "Reports", "grant_types": ["client_credentials"], "scope": "reports:read", "audiences": ["https://api.example"]})
}

async fn token(server: &TestServer, client: &Value, secret: &str) -> crate::support::browser::Answer {
    let authorization = basic(client["client_id"].as_str().unwrap(), secret);
    server.post_with("/token", &[("authorization", &authorization)], &[("grant_type", "client_credentials")]).await
}

async fn start(database: TestDatabase) -> TestServer {
    TestServer::start_with(database, |config| {
        config.tokens.scopes.insert("reports:read".to_owned(), "Read reports".to_owned());
    })
    .await
}

on_both! {
    async fn a_client_is_registered_used_changed_and_deleted(database: TestDatabase) {
        let server = start(database).await;
        let admin = Caller::admin(&server).await;
        let answer = admin.post("/admin/clients", &service()).await;
        assert_eq!(answer.status, 201, "{answer:#?}");
        let client = answer.json();
        assert_eq!(answer.location(), format!("/api/v1{}", path(&client)));
        let secret = text(&client, "client_secret");
        assert!(secret.len() >= 43);
        let issued = token(&server, &client, &secret).await;
        assert_eq!(issued.status, 200, "{issued:#?}");

        let read = admin.get(&path(&client)).await;
        assert!(!read.body.contains(&secret) && read.json().get("client_secret").is_none());
        assert_eq!(read.json()["secrets"].as_array().unwrap().len(), 1);
        assert!(!read.body.contains("hash"));
        assert_eq!(read.header("etag"), answer.header("etag"));

        // What was read can be sent back, changed.
        let mut whole = read.json();
        whole["client_name"] = json!("Daily Reports");
        let put = admin.clone().with("if-match", read.header("etag").unwrap()).send("PUT", &path(&client), Some(&whole)).await;
        assert_eq!((put.status.as_u16(), &put.json()["client_name"]), (200, &json!("Daily Reports")), "{put:#?}");
        let patched = admin.patch(&path(&client), &json!({"access_token_lifetime": 60, "client_uri": null})).await;
        assert_eq!(patched.json()["access_token_lifetime"], 60);
        assert_eq!(patched.json()["client_name"], "Daily Reports");
        let issued = token(&server, &client, &secret).await.json();
        assert_eq!(issued["expires_in"], 60, "the change counts at once");

        assert_eq!(admin.patch(&path(&client), &json!({"status": "disabled"})).await.json()["status"], "disabled");
        assert_error(&token(&server, &client, &secret).await, 401, "invalid_client");
        assert_eq!(admin.patch(&path(&client), &json!({"status": "active"})).await.status, 200);
        assert_eq!(token(&server, &client, &secret).await.status, 200);
        assert_eq!(admin.delete(&path(&client)).await.status, 204);
        assert_error(&token(&server, &client, &secret).await, 401, "invalid_client");
        assert_refused(&admin.get(&path(&client)).await, 404, "not_found");

        let audit = server.audit().await;
        let of_client = |kind: &&str| kind.starts_with("client.") && *kind != "client.authentication";
        let mut kinds: Vec<_> = audit.iter().map(|entry| entry.kind.as_str()).filter(of_client).collect();
        kinds.sort_unstable();
        let expected =
            ["client.created", "client.deleted", "client.disabled", "client.enabled", "client.updated", "client.updated"];
        assert_eq!(kinds, expected);
        assert!(!format!("{audit:?}").contains(&secret));
        assert!(audit.iter().any(|entry| entry.details.get("changed") == Some(&json!(["client_name"]))));
    }

    async fn both_secrets_work_while_one_replaces_the_other(database: TestDatabase) {
        let server = start(database).await;
        let admin = Caller::admin(&server).await;
        let client = admin.post("/admin/clients", &service()).await.json();
        let first = text(&client, "client_secret");
        let reset = async |query: &str| {
            server.clock.advance(1);
            let answer = admin.send("POST", &format!("{}/secret{query}", path(&client)), None).await;
            assert_eq!(answer.status, 200, "{answer:#?}");
            text(&answer.json(), "client_secret")
        };
        let second = reset("").await;
        for secret in [&first, &second] {
            assert_eq!(token(&server, &client, secret).await.status, 200);
        }
        let secrets = admin.get(&path(&client)).await.json()["secrets"].clone();
        assert_eq!(secrets.as_array().unwrap().len(), 2);

        // A third: two are valid at most.
        let third = reset("").await;
        assert_error(&token(&server, &client, &first).await, 401, "invalid_client");
        assert_eq!(token(&server, &client, &second).await.status, 200);
        server.clock.advance(24 * 3_600);
        assert_error(&token(&server, &client, &second).await, 401, "invalid_client");
        assert_eq!(token(&server, &client, &third).await.status, 200);
        assert_eq!(Caller::admin(&server).await.get(&path(&client)).await.json()["secrets"].as_array().unwrap().len(), 1);
    }

    async fn a_secret_that_may_be_stolen_is_replaced_at_once(database: TestDatabase) {
        let server = start(database).await;
        let admin = Caller::admin(&server).await;
        let client = admin.post("/admin/clients", &service()).await.json();
        let answer = admin.send("POST", &format!("{}/secret?overlap=0", path(&client)), None).await;
        assert_error(&token(&server, &client, &text(&client, "client_secret")).await, 401, "invalid_client");
        assert_eq!(token(&server, &client, &text(&answer.json(), "client_secret")).await.status, 200);
        for overlap in ["-1", "86401", "x", ""] {
            let answer = admin.send("POST", &format!("{}/secret?overlap={overlap}", path(&client)), None).await;
            assert_detail(&answer, "overlap", "out_of_range");
        }
    }

    async fn a_client_with_keys_is_registered_without_a_secret(database: TestDatabase) {
        let server = start(database).await;
        let admin = Caller::admin(&server).await;
        let key = crate::support::assertion::ClientKey::new(ostiary::protocol::client::Algorithm::ES256);
        let with = |members: Value| {
            let mut metadata = service();
            metadata["token_endpoint_auth_method"] = json!("private_key_jwt");
            metadata.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
            metadata
        };
        let jwks = crate::support::assertion::jwks(&[&key]);
        let created = admin.post("/admin/clients", &with(json!({ "jwks": jwks, "token_endpoint_auth_signing_alg": "ES256" }))).await;
        assert_eq!(created.status, 201, "{created:#?}");
        let client = created.json();
        assert_eq!((client.get("client_secret"), &client["secrets"]), (None, &json!([])));
        assert_eq!(client["jwks"], jwks);
        let reset = admin.send("POST", &format!("{}/secret", path(&client)), None).await;
        assert_refused(&reset, 409, "client_without_secret");
        let moved = admin.patch(&path(&client), &json!({ "jwks": null, "jwks_uri": "https://app.example/jwks" })).await;
        assert_eq!((moved.status.as_u16(), moved.json().get("jwks")), (200, None), "{moved:#?}");

        for (members, field, code) in [
            (json!({}), "jwks", "required"),
            (json!({ "jwks": jwks, "jwks_uri": "https://app.example/jwks" }), "jwks_uri", "jwks_too"),
            (json!({ "jwks_uri": "https://169.254.169.254/" }), "jwks_uri", "url"),
            (json!({ "jwks": { "keys": [{ "kty": "oct", "k": "AA" }] } }), "jwks", "private_key"),
            (json!({ "jwks": jwks, "token_endpoint_auth_signing_alg": "PS256" }), "jwks", "no_key"),
            (json!({ "jwks": jwks, "token_endpoint_auth_signing_alg": "HS256" }), "token_endpoint_auth_signing_alg", "method"),
        ] {
            assert_detail(&admin.post("/admin/clients", &with(members)).await, field, code);
        }
    }

    async fn of_many_registered_at_once_each_is_there(database: TestDatabase) {
        let server = start(database).await;
        let admin = Caller::admin(&server).await;
        let tries: Vec<_> = (0..20)
            .map(|_| {
                let admin = admin.clone();
                tokio::spawn(async move { admin.post("/admin/clients", &service()).await })
            })
            .collect();
        for attempt in tries {
            let client = attempt.await.unwrap().json();
            assert_eq!(token(&server, &client, &text(&client, "client_secret")).await.status, 200);
        }
        let first = admin.get("/admin/clients?name=reports&limit=15").await.json();
        let rest = admin.get(&format!("/admin/clients?name=reports&limit=15&after={}", first["next"].as_str().unwrap())).await.json();
        assert_eq!(first["items"].as_array().unwrap().len() + rest["items"].as_array().unwrap().len(), 20);
        assert!(rest.get("next").is_none());
    }
}

#[tokio::test]
async fn everything_wrong_with_a_registration_is_told_at_once() {
    let server = start(TestDatabase::sqlite().await).await;
    let admin = Caller::admin(&server).await;
    let bad = json!({
        "client_name": "", "redirect_uris": ["https://app.example/cb#x", "javascript:alert(1)"], "scope": "nothing:here",
        "allowed_origins": ["https://app.example/"],
    });
    let answer = admin.post("/admin/clients", &bad).await;
    assert_refused(&answer, 422, "invalid");
    for field in ["client_name", "redirect_uris[0]", "redirect_uris[1]", "scope", "allowed_origins[0]"] {
        assert!(answer.json()["error"]["details"].as_array().unwrap().iter().any(|detail| detail["field"] == field), "{field}");
    }
    let answer = admin
        .post("/admin/clients", &json!({"client_name": "x", "grant_types": ["client_credentials"], "scope": "users:read"}))
        .await;
    assert_detail(&answer, "audiences", "api_missing");
    for chosen in ["client_id", "client_secret", "is_admin", "skip_consent"] {
        let mut body = service();
        body[chosen] = json!("mine");
        assert_detail(&admin.post("/admin/clients", &body).await, chosen, "unknown");
    }
}

#[tokio::test]
async fn what_can_not_change_does_not() {
    let server = start(TestDatabase::sqlite().await).await;
    let admin = Caller::admin(&server).await;
    let client = admin.post("/admin/clients", &service()).await.json();
    for (name, value) in [("client_id", json!("other")), ("secrets", json!([])), ("created_at", json!("2020-01-01T00:00:00Z"))] {
        assert_detail(&admin.patch(&path(&client), &json!({ name: value })).await, name, "read_only");
    }
    let answer = admin.patch(&path(&client), &json!({"token_endpoint_auth_method": "none", "grant_types": ["authorization_code"], "redirect_uris": ["https://a.example/"]})).await;
    assert_detail(&answer, "token_endpoint_auth_method", "public_or_confidential_for_good");
    let blind = admin.send("PUT", &path(&client), Some(&service())).await;
    assert_refused(&blind, 428, "precondition_required");
    let late = admin.clone().with("if-match", "\"99\"").send("PUT", &path(&client), Some(&service())).await;
    assert_refused(&late, 412, "precondition_failed");
}

#[tokio::test]
async fn a_public_client_has_no_secret() {
    let server = start(TestDatabase::sqlite().await).await;
    let admin = Caller::admin(&server).await;
    let answer = admin
        .post(
            "/admin/clients",
            &json!({"client_name": "App", "token_endpoint_auth_method": "none", "redirect_uris": ["https://a.example/cb"]}),
        )
        .await;
    assert_eq!(answer.status, 201);
    assert!(answer.json().get("client_secret").is_none());
    let answer = admin.send("POST", &format!("{}/secret", path(&answer.json())), None).await;
    assert_refused(&answer, 409, "public_client");
}

#[tokio::test]
async fn a_registered_web_application_logs_people_in() {
    let server = start(TestDatabase::sqlite().await).await;
    let admin = Caller::admin(&server).await;
    server.person("anna").await;
    let mut client = server.client(Persona::Web, |_| {}).await;
    let metadata = serde_json::to_value(&client.client.metadata).unwrap();
    let registered = admin.post("/admin/clients", &metadata).await.json();
    client.client.id = ostiary::protocol::id::ClientId::parse(text(&registered, "client_id")).unwrap();
    client.secret = Some(text(&registered, "client_secret"));
    let tokens = crate::support::flow::tokens(&server, &client, "anna").await;
    assert_eq!(claims(&text(&tokens, "id_token"))["aud"], registered["client_id"]);
}
