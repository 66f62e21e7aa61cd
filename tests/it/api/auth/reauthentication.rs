//! Proving once more that it is still you: S5, S9, RFC 9470.

use ostiary::protocol::client::AccessTokenFormat;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::persona::Caller;
use super::{app, app_with, holder, log_in, refresh, refused};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, give_app, give_recovery_codes};
use crate::support::flow::{claims, text};
use crate::support::passkeys::give_passkey;
use crate::support::server::{PASSWORD, Persona, TestServer};

async fn prove(server: &TestServer, tokens: &Value, body: Value) -> Answer {
    holder(server, tokens).post("/auth/reauthenticate", &body).await
}

#[track_caller]
fn proved(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:#?}");
    let tokens = answer.json();
    assert!(tokens.get("refresh_token").is_none(), "the one there is goes on");
    tokens
}

on_both! {
    async fn the_password_once_more_gives_a_fresh_token_of_the_same_login(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = app(&server, Persona::Native).await;
        let tokens = log_in(&server, &client, "anna").await;
        let began = server.clock.now().as_seconds();
        server.clock.advance(600);
        let choices = holder(&server, &tokens).get("/auth/reauthenticate").await;
        assert_eq!(choices.json(), json!({"factors": ["password"]}));
        let fresh = proved(&prove(&server, &tokens, json!({"password": PASSWORD})).await);
        let (old, new) = (claims(&text(&tokens, "access_token")), claims(&text(&fresh, "access_token")));
        assert_eq!((old["auth_time"].as_i64(), new["auth_time"].as_i64()), (Some(began), Some(began + 600)));
        assert_eq!((&new["sub"], &new["scope"], &new["client_id"]), (&old["sub"], &old["scope"], &old["client_id"]));
        let id_tokens = [&tokens, &fresh].map(|tokens| claims(&text(tokens, "id_token")));
        assert_eq!(id_tokens[0]["sid"], id_tokens[1]["sid"], "the same session");
        assert_eq!(id_tokens[1]["auth_time"], began + 600);
        assert_eq!(holder(&server, &tokens).get("/users/me").await.status, 200, "the old token is as good as before, and no better");
        let refreshed = refresh(&server, &client, &tokens).await.json();
        assert_eq!(claims(&text(&refreshed, "access_token"))["auth_time"], began + 600);
        let kinds: Vec<_> = server.audit().await.into_iter().filter(|entry| entry.kind == "user.reauthenticated").collect();
        assert_eq!((kinds.len(), kinds[0].reason.is_none()), (1, true));
    }

    /// Whoever stole a token, of either kind, does not gain what its owner proves afterwards.
    async fn a_refresh_token_gains_no_freshness_by_a_proof(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        for persona in [Persona::Native, Persona::Web] {
            let client = app_with(&server, persona, |metadata| metadata.scope = metadata.scope.union(&ostiary::protocol::scope::Scope::parse("account:write").unwrap())).await;
            let tokens = log_in(&server, &client, "anna").await;
            server.clock.advance(600);
            let fresh = proved(&prove(&server, &tokens, json!({"password": PASSWORD})).await);
            refused(&holder(&server, &tokens).delete("/users/me/password").await, 401, "reauthentication_required");
            let stolen = refresh(&server, &client, &tokens).await.json();
            refused(&holder(&server, &stolen).delete("/users/me/password").await, 401, "reauthentication_required");
            refused(&holder(&server, &fresh).delete("/users/me/password").await, 409, "factor_required");
        }
    }

    async fn a_second_factor_raises_the_login_and_spends_its_code(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = app(&server, Persona::Web).await;
        let tokens = log_in(&server, &client, "anna").await;
        let secret = give_app(&server, &anna).await;
        let codes = give_recovery_codes(&server, &anna).await;
        let choices = holder(&server, &tokens).get("/auth/reauthenticate").await;
        assert_eq!(choices.json()["factors"], json!(["totp", "recovery_code"]), "what is missing, and nothing else");
        refused(&prove(&server, &tokens, json!({"password": PASSWORD})).await, 422, "invalid");
        let code = code_of(&server, &secret, 0);
        let mut tasks = JoinSet::new();
        for _ in 0..20 {
            let (server, tokens, body) = (server.clone(), tokens.clone(), json!({"code": code}));
            tasks.spawn(async move { prove(&server, &tokens, body).await });
        }
        let answers = tasks.join_all().await;
        let (done, other): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
        assert_eq!(done.len(), 1);
        for answer in other {
            refused(answer, 401, "invalid_code");
        }
        let raised = proved(done[0]);
        assert_eq!(claims(&text(&raised, "access_token"))["amr"], json!(["pwd", "otp", "mfa"]));
        assert_eq!(claims(&text(&tokens, "access_token"))["amr"], json!(["pwd"]), "S9");
        refused(&prove(&server, &raised, json!({"code": codes[0]})).await, 401, "invalid_code");
    }

    async fn an_opaque_token_goes_on_telling_what_its_person_had_proved_when_it_was_given(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = app_with(&server, Persona::Web, |metadata| metadata.access_token_format = AccessTokenFormat::Opaque).await;
        let tokens = log_in(&server, &client, "anna").await;
        let began = server.clock.now().as_seconds();
        let told = server.introspect(&client, &text(&tokens, "access_token")).await;
        assert_eq!((&told["auth_time"], &told["acr"], &told["amr"]), (&json!(began), &json!("1"), &json!(["pwd"])));
        server.clock.advance(600);
        let fresh = proved(&prove(&server, &tokens, json!({"password": PASSWORD})).await);
        assert_eq!(server.introspect(&client, &text(&fresh, "access_token")).await["auth_time"], began + 600);
        let told = server.introspect(&client, &text(&tokens, "access_token")).await;
        assert_eq!((&told["auth_time"], &told["acr"]), (&json!(began), &json!("1")));
    }

    async fn what_is_proved_at_one_moment_stands_in_the_login_together(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = app(&server, Persona::Native).await;
        let tokens = log_in(&server, &client, "anna").await;
        let mut passkey = give_passkey(&server, &anna).await;
        let secret = give_app(&server, &anna).await;
        let question = holder(&server, &tokens).get("/auth/reauthenticate").await.json()["passkey"].clone();
        let credential: Value = serde_json::from_str(&passkey.assert(&question["publicKey"], |_| {})).unwrap();
        let by_passkey = json!({"passkey": {"challenge": question["challenge"], "credential": credential}});
        let by_app = json!({"code": code_of(&server, &secret, 0)});
        let (one, other) = tokio::join!(prove(&server, &tokens, by_passkey), prove(&server, &tokens, by_app));
        for answer in [one, other] {
            proved(&answer);
        }
        let refreshed = refresh(&server, &client, &tokens).await.json();
        let amr = claims(&text(&refreshed, "access_token"))["amr"].to_string();
        assert!(["pwd", "otp", "hwk"].iter().all(|method| amr.contains(method)), "{amr}");
    }

    async fn a_passkey_will_do(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = app(&server, Persona::Native).await;
        let tokens = log_in(&server, &client, "anna").await;
        let other = log_in(&server, &client, "anna").await;
        let mut passkey = give_passkey(&server, &anna).await;
        server.clock.advance(600);
        let ask = async |tokens: &Value| holder(&server, tokens).get("/auth/reauthenticate").await.json()["passkey"].clone();
        let mut answer = |question: &Value| {
            let credential: Value = serde_json::from_str(&passkey.assert(&question["publicKey"], |_| {})).unwrap();
            json!({"passkey": {"challenge": question["challenge"], "credential": credential}})
        };
        let foreign = answer(&ask(&other).await);
        let renewed = refused(&prove(&server, &tokens, foreign).await, 400, "invalid_passkey");
        let body = answer(&renewed["passkey"]);
        let fresh = proved(&prove(&server, &tokens, body.clone()).await);
        let access = claims(&text(&fresh, "access_token"));
        assert_eq!((&access["acr"], &access["auth_time"]), (&json!("phr"), &json!(server.clock.now().as_seconds())));
        refused(&prove(&server, &tokens, body).await, 400, "invalid_passkey");
    }

    async fn whoever_was_logged_out_or_disabled_proves_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = app(&server, Persona::Web).await;
        let tokens = log_in(&server, &client, "anna").await;
        assert_eq!(holder(&server, &tokens).delete("/auth/logout").await.status, 204);
        refused(&prove(&server, &tokens, json!({"password": PASSWORD})).await, 401, "invalid_token");
        let tokens = log_in(&server, &client, "anna").await;
        server.disable(&anna).await;
        refused(&prove(&server, &tokens, json!({"password": PASSWORD})).await, 401, "invalid_token");
    }
}

/// S5.
#[tokio::test]
async fn guessing_is_limited() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.limits.enabled = true).await;
    server.person("anna").await;
    let client = app(&server, Persona::Web).await;
    let tokens = log_in(&server, &client, "anna").await;
    for _ in 0..5 {
        refused(&prove(&server, &tokens, json!({"password": "wrong password"})).await, 401, "invalid_credentials");
    }
    server.clock.advance(1);
    let limited = prove(&server, &tokens, json!({"password": PASSWORD})).await;
    refused(&limited, 429, "rate_limited");
    assert!(limited.header("retry-after").unwrap().parse::<u32>().unwrap() > 1);
    assert_eq!(server.last_reason("user.reauthentication").await.as_deref(), Some("too_many_passwords"));
}

#[tokio::test]
async fn only_logins_of_first_party_apps_go_on_here() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let body = json!({"password": PASSWORD});
    let third_party = Caller::person(&server, "anna", "account:write").await;
    refused(&third_party.post("/auth/reauthenticate", &body).await, 403, "unauthorized_client");
    refused(&Caller::anonymous(&server).post("/auth/reauthenticate", &body).await, 401, "unauthenticated");
    let client = app(&server, Persona::Web).await;
    let tokens = log_in(&server, &client, "anna").await;
    for body in
        [json!({}), json!({"password": PASSWORD, "code": "000000"}), json!({"code": "000000"}), json!({"passkey": null, "x": 1})]
    {
        refused(&prove(&server, &tokens, body).await, 422, "invalid");
    }
}
