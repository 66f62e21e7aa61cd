//! A code after the password: F1, F3, F5, S8.

use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::persona::Caller;
use super::{app, holder, refused, send, try_login};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, give_app, give_recovery_codes};
use crate::support::flow::{claims, text};
use crate::support::server::{PASSWORD, Persona, TestClient, TestServer};

/// As far as the second factor.
async fn half_way(server: &TestServer, client: &TestClient) -> Value {
    refused(&try_login(server, client, "anna", PASSWORD).await, 401, "mfa_required")
}

async fn prove(server: &TestServer, client: &TestClient, details: &Value, code: &str) -> Answer {
    send(server, client, "mfa", json!({"mfa_token": details["mfa_token"], "code": code})).await
}

on_both! {
    async fn a_code_completes_the_login_and_the_tokens_say_so(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let secret = give_app(&server, &anna).await;
        let codes = give_recovery_codes(&server, &anna).await;
        let client = app(&server, Persona::Web).await;
        let details = half_way(&server, &client).await;
        assert_eq!((&details["factors"], &details["expires_in"]), (&json!(["totp", "recovery_code"]), &json!(600)));
        let answer = prove(&server, &client, &details, &code_of(&server, &secret, 0)).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        let claims = claims(&text(&answer.json(), "access_token"));
        assert_eq!((&claims["acr"], &claims["amr"]), (&json!("2"), &json!(["pwd", "otp", "mfa"])));
        assert_eq!(holder(&server, &answer.json()).get("/users/me").await.status, 200);

        let details = half_way(&server, &client).await;
        assert_eq!(prove(&server, &client, &details, &codes[0]).await.status, 200);
        refused(&prove(&server, &client, &half_way(&server, &client).await, &codes[0]).await, 401, "invalid_code");
    }

    /// F1.
    async fn of_many_logins_with_one_code_one_succeeds(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let secret = give_app(&server, &anna).await;
        let client = app(&server, Persona::Web).await;
        let code = code_of(&server, &secret, 0);
        let mut logins = JoinSet::new();
        for _ in 0..50 {
            let (server, client, code) = (server.clone(), client.clone(), code.clone());
            let details = half_way(&server, &client).await;
            logins.spawn(async move { prove(&server, &client, &details, &code).await });
        }
        let answers = logins.join_all().await;
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            refused(answer, 401, "invalid_code");
        }
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    }

    /// S8: nor is what stands for it of use to anybody else, later, or after the password was changed.
    async fn the_first_factor_alone_opens_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let secret = give_app(&server, &anna).await;
        let (client, other) = (app(&server, Persona::Web).await, app(&server, Persona::Native).await);
        let details = half_way(&server, &client).await;
        let token = text(&details, "mfa_token");
        for path in ["/users/me", "/users/me/sessions"] {
            assert_eq!(Caller::bearer(&server, &token).get(path).await.status, 401);
        }
        let right = code_of(&server, &secret, 0);
        refused(&prove(&server, &other, &details, &right).await, 401, "invalid_mfa_token");
        let (sealed, _) = token.split_once('.').unwrap();
        for forged in [sealed, "", ".", "x.y", &format!("{sealed}.dXNlcnM6d3JpdGU")] {
            refused(&prove(&server, &client, &json!({"mfa_token": forged}), &right).await, 401, "invalid_mfa_token");
        }
        let audit = server.audit().await;
        assert!(audit.iter().any(|entry| entry.kind == "user.login" && entry.reason.as_deref() == Some("invalid_mfa_token")), "{audit:#?}");
        let password = ostiary::authn::password::Password::parse("another one altogether").unwrap();
        let new_hash = server.state.passwords.hash(&password).await.unwrap();
        let now = server.clock.now();
        server.state.db.write(async |tx| ostiary::storage::users::set_password(tx, &anna.id, &new_hash, now).await).await.unwrap();
        refused(&prove(&server, &client, &details, &right).await, 401, "invalid_mfa_token");
    }
}

#[tokio::test]
async fn a_login_waits_ten_minutes_for_its_second_factor() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let secret = give_app(&server, &anna).await;
    let client = app(&server, Persona::Web).await;
    let details = half_way(&server, &client).await;
    server.clock.advance(600);
    refused(&prove(&server, &client, &details, &code_of(&server, &secret, 0)).await, 401, "invalid_mfa_token");
}

/// F3.
#[tokio::test]
async fn after_five_wrong_codes_no_other_is_looked_at() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.limits.enabled = true).await;
    let anna = server.person("anna").await;
    let secret = give_app(&server, &anna).await;
    let client = app(&server, Persona::Web).await;
    let details = half_way(&server, &client).await;
    for _ in 0..5 {
        refused(&prove(&server, &client, &details, &code_of(&server, &secret, 600)).await, 401, "invalid_code");
    }
    refused(&prove(&server, &client, &details, &code_of(&server, &secret, 0)).await, 429, "too_many_codes");
    let details = half_way(&server, &client).await;
    assert_eq!(prove(&server, &client, &details, &code_of(&server, &secret, 0)).await.status, 200);
}
