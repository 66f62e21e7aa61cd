//! Passkeys through REST: by themselves, and after a password. B1, B3, B4.

use ostiary::protocol::authentication::Acr;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::{app, app_with, holder, refused, send, try_login};
use crate::support::authenticator::{Passkey, USER_PRESENT};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, give_app};
use crate::support::flow::{claims, text};
use crate::support::passkeys::give_passkey;
use crate::support::server::{PASSWORD, Persona, TestClient, TestServer};

async fn ask(server: &TestServer, client: &TestClient) -> Value {
    let answer = send(server, client, "passkey/options", json!({})).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    answer.json()
}

/// What an app makes of a question and its answer.
fn answered(question: &Value, passkey: &mut Passkey) -> Value {
    let credential: Value = serde_json::from_str(&passkey.assert(&question["publicKey"], |_| {})).unwrap();
    json!({"challenge": question["challenge"], "credential": credential})
}

async fn log_in(server: &TestServer, client: &TestClient, passkey: Value) -> Answer {
    send(server, client, "passkey", json!({"passkey": passkey})).await
}

async fn half_way(server: &TestServer, client: &TestClient) -> Value {
    refused(&try_login(server, client, "anna", PASSWORD).await, 401, "mfa_required")
}

async fn prove(server: &TestServer, client: &TestClient, details: &Value, passkey: Value) -> Answer {
    send(server, client, "mfa", json!({"mfa_token": details["mfa_token"], "passkey": passkey})).await
}

on_both! {
    async fn a_passkey_alone_logs_its_owner_in_without_a_name(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let mut passkey = give_passkey(&server, &anna).await;
        for persona in [Persona::Web, Persona::Native] {
            let client = app(&server, persona).await;
            let question = ask(&server, &client).await;
            assert_eq!(question["publicKey"]["allowCredentials"], json!([]), "nothing about anybody");
            let answer = log_in(&server, &client, answered(&question, &mut passkey)).await;
            assert_eq!(answer.status, 200, "{answer:#?}");
            let access = claims(&text(&answer.json(), "access_token"));
            assert_eq!((access["sub"].as_str(), &access["acr"]), (Some(anna.id.as_str()), &json!("phr")));
            assert_eq!(access["amr"], json!(["hwk", "user", "mfa"]));
            assert_eq!(holder(&server, &answer.json()).get("/users/me").await.status, 200);
        }
    }

    /// B1.
    async fn of_many_logins_with_one_answer_one_succeeds(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let mut passkey = give_passkey(&server, &anna).await;
        let client = app(&server, Persona::Web).await;
        let answer = answered(&ask(&server, &client).await, &mut passkey);
        let mut logins = JoinSet::new();
        for _ in 0..20 {
            let (server, client, answer) = (server.clone(), client.clone(), answer.clone());
            logins.spawn(async move { log_in(&server, &client, answer).await });
        }
        let answers = logins.join_all().await;
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            refused(answer, 400, "invalid_passkey");
        }
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    }

    async fn a_passkey_completes_a_login_with_a_password(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let secret = give_app(&server, &anna).await;
        let mut passkey = give_passkey(&server, &anna).await;
        let client = app(&server, Persona::Web).await;
        let details = half_way(&server, &client).await;
        assert_eq!(details["factors"], json!(["totp", "passkey"]));
        let answer = prove(&server, &client, &details, answered(&details["passkey"], &mut passkey)).await;
        assert_eq!(answer.status, 200, "{answer:#?}");
        let access = claims(&text(&answer.json(), "access_token"));
        assert_eq!((&access["acr"], &access["amr"]), (&json!("phr"), &json!(["pwd", "hwk", "user", "mfa"])));

        // A question of another login, of no login, and one that was answered.
        let (details, other) = (half_way(&server, &client).await, half_way(&server, &client).await);
        let of_nobody = ask(&server, &client).await;
        for question in [&other["passkey"], &of_nobody] {
            let wrong = answered(question, &mut passkey);
            let renewed = refused(&prove(&server, &client, &details, wrong).await, 400, "invalid_passkey");
            assert!(renewed["passkey"]["challenge"].is_string(), "and is asked again: {renewed}");
        }
        let answer = answered(&details["passkey"], &mut passkey);
        assert_eq!(prove(&server, &client, &details, answer.clone()).await.status, 200);
        refused(&prove(&server, &client, &details, answer).await, 400, "invalid_passkey");
        let code = code_of(&server, &secret, 0);
        let both = json!({"mfa_token": other["mfa_token"], "code": code, "passkey": answered(&other["passkey"], &mut passkey)});
        refused(&send(&server, &client, "mfa", both).await, 422, "invalid");
        refused(&send(&server, &client, "mfa", json!({"mfa_token": other["mfa_token"]})).await, 422, "invalid");
    }

    /// A client that insists on what resists phishing gets it, and nothing less.
    async fn where_a_passkey_is_required_nothing_else_will_do(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let secret = give_app(&server, &anna).await;
        let mut passkey = give_passkey(&server, &anna).await;
        let client = app_with(&server, Persona::Web, |metadata| metadata.required_acr = Some(Acr::PhishingResistant)).await;
        let details = half_way(&server, &client).await;
        assert_eq!(details["factors"], json!(["passkey"]));
        let code = json!({"mfa_token": details["mfa_token"], "code": code_of(&server, &secret, 0)});
        refused(&send(&server, &client, "mfa", code).await, 401, "invalid_code");
        assert_eq!(prove(&server, &client, &details, answered(&details["passkey"], &mut passkey)).await.status, 200);
    }
}

#[tokio::test]
async fn b1_options_are_good_for_five_minutes_and_for_the_client_that_asked() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let mut passkey = give_passkey(&server, &anna).await;
    let (client, other) = (app(&server, Persona::Web).await, app(&server, Persona::Native).await);
    let question = ask(&server, &client).await;
    refused(&log_in(&server, &other, answered(&question, &mut passkey)).await, 400, "invalid_passkey");
    server.clock.advance(300);
    refused(&log_in(&server, &client, answered(&question, &mut passkey)).await, 400, "invalid_passkey");
    let question = ask(&server, &client).await;
    for credential in [json!({}), json!("x"), json!(null)] {
        let empty = json!({"challenge": question["challenge"], "credential": credential});
        refused(&log_in(&server, &client, empty).await, 400, "invalid_passkey");
    }
}

#[tokio::test]
async fn b3_a_passkey_that_does_not_verify_its_user_is_no_login() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let mut passkey = give_passkey(&server, &anna).await;
    let client = app(&server, Persona::Web).await;
    let question = ask(&server, &client).await;
    let unverified = passkey.assert(&question["publicKey"], |answer| answer.flags = USER_PRESENT);
    let credential: Value = serde_json::from_str(&unverified).unwrap();
    let body = json!({"challenge": question["challenge"], "credential": credential});
    refused(&log_in(&server, &client, body).await, 400, "invalid_passkey");
    server.disable(&anna).await;
    let question = ask(&server, &client).await;
    refused(&log_in(&server, &client, answered(&question, &mut passkey)).await, 400, "invalid_passkey");
    let reasons: Vec<_> = server.audit().await.into_iter().filter_map(|entry| entry.reason).collect();
    for reason in ["passkey_user_not_verified", "user_disabled"] {
        assert!(reasons.iter().any(|told| told == reason), "{reasons:?}");
    }
}

#[tokio::test]
async fn where_there_are_no_passkeys_none_is_asked_for() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.passkeys.enabled = false).await;
    let client = app(&server, Persona::Web).await;
    refused(&send(&server, &client, "passkey/options", json!({})).await, 404, "not_found");
}
