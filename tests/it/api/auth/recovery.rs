//! A forgotten password through REST: E7 to E11.

use ostiary::outbound::mail::Message;
use ostiary::protocol::email_address::EmailAddress;
use ostiary::storage::email_addresses;
use ostiary::storage::users::User;
use serde_json::json;
use tokio::task::JoinSet;

use super::super::persona::assert_detail;
use super::{app, comparable, forgot, handle, holder, log_in, refresh, refused, reset, send, try_login};
use crate::guard::attack::solve;
use crate::people::{NEW_PASSWORD, code, wrong};
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::give_app;
use crate::support::flow::text;
use crate::support::server::{PASSWORD, Persona, TestServer};

async fn person(server: &TestServer, name: &str, address: &str) -> User {
    server.person_with(name, &[], Some(json!({"email": address, "email_verified": true}))).await
}

on_both! {
    async fn e10_a_new_password_ends_everything_tells_the_owner_and_still_asks_for_the_second_factor(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna", "anna@example.com").await;
        let client = app(&server, Persona::Web).await;
        let tokens = log_in(&server, &client, "anna").await;
        give_app(&server, &anna).await;
        let asked = handle(&forgot(&server, &client, "ANNA@example.com").await);
        let code = code(&server).await;
        let answer = reset(&server, &client, (&asked, &code), NEW_PASSWORD).await;
        assert_eq!((answer.status.as_u16(), answer.body.as_str()), (204, ""), "no tokens");
        let mails = server.mails().await;
        assert_eq!(mails.iter().map(|mail| (&mail.message, mail.to.as_str())).collect::<Vec<_>>(), [(&Message::PasswordChanged, "anna@example.com")]);
        refused(&holder(&server, &tokens).get("/users/me").await, 401, "invalid_token");
        refused(&refresh(&server, &client, &tokens).await, 400, "invalid_grant");
        refused(&try_login(&server, &client, "anna", PASSWORD).await, 401, "invalid_credentials");
        refused(&try_login(&server, &client, "anna", NEW_PASSWORD).await, 401, "mfa_required");
        refused(&reset(&server, &client, (&asked, &code), PASSWORD).await, 400, "invalid_code");
    }

    async fn e8_for_nobody_the_same_is_answered_and_no_mail_sent(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        let disabled = person(&server, "dora", "dora@example.com").await;
        server.disable(&disabled).await;
        server.person("no-address").await;
        let client = app(&server, Persona::Web).await;
        let known = forgot(&server, &client, "anna").await;
        assert_eq!(server.mails().await.len(), 1);
        for name in ["nobody", "nobody@example.com", "dora", "dora@example.com", "no-address", "", "a\u{7}b"] {
            let answer = forgot(&server, &client, name).await;
            assert_eq!(comparable(&answer), comparable(&known), "{name:?}");
            assert!(server.mails().await.is_empty(), "{name:?}");
            refused(&reset(&server, &client, (&handle(&answer), "000000"), NEW_PASSWORD).await, 400, "invalid_code");
        }
    }

    async fn e9_steps_can_not_be_left_out_and_a_password_that_was_refused_costs_no_code(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        let (client, other) = (app(&server, Persona::Web).await, app(&server, Persona::Native).await);
        let asked = handle(&forgot(&server, &client, "anna").await);
        let code = code(&server).await;
        refused(&reset(&server, &client, (&asked, &wrong(&code)), NEW_PASSWORD).await, 400, "invalid_code");
        refused(&reset(&server, &other, (&asked, &code), NEW_PASSWORD).await, 400, "invalid_code");
        for password in ["short", "anna@example.com"] {
            assert_detail(&reset(&server, &client, (&asked, &code), password).await, "password", if password == "short" { "password_too_short" } else { "password_from_context" });
        }
        refused(&reset(&server, &other, (&asked, &code), NEW_PASSWORD).await, 400, "invalid_code");
        server.clock.advance(601);
        refused(&reset(&server, &client, (&asked, &code), NEW_PASSWORD).await, 400, "invalid_code");
        assert_eq!(try_login(&server, &client, "anna", PASSWORD).await.status, 200);
    }

    async fn e5_of_fifty_new_passwords_at_once_one_counts(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        let client = app(&server, Persona::Web).await;
        let asked = handle(&forgot(&server, &client, "anna").await);
        let code = code(&server).await;
        let mut tasks = JoinSet::new();
        for number in 0..50 {
            let (server, client, asked, code) = (server.clone(), client.clone(), asked.clone(), code.clone());
            let password = format!("{NEW_PASSWORD} {number}");
            tasks.spawn(async move {
                let answer = reset(&server, &client, (&asked, &code), &password).await;
                (password, answer)
            });
        }
        let answers = tasks.join_all().await;
        let done: Vec<_> = answers.iter().filter(|(_, answer)| answer.status == 204).collect();
        assert_eq!(done.len(), 1, "{answers:#?}");
        assert_eq!(try_login(&server, &client, "anna", &done[0].0).await.status, 200);
        assert_eq!(server.mails().await.iter().filter(|mail| mail.message == Message::PasswordChanged).count(), 1);
    }

    async fn e7_a_code_that_went_to_an_address_of_before_opens_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna", "old@example.com").await;
        let client = app(&server, Persona::Web).await;
        let asked = handle(&forgot(&server, &client, "anna").await);
        let code = code(&server).await;
        let new = EmailAddress::parse("new@example.com").unwrap();
        let now = server.clock.now();
        server.state.db.write(async |tx| email_addresses::save(tx, &anna.id, &new, true, now).await).await.unwrap();
        refused(&reset(&server, &client, (&asked, &code), NEW_PASSWORD).await, 400, "invalid_code");
        assert_eq!(try_login(&server, &client, "anna", PASSWORD).await.status, 200);
    }
}

#[tokio::test]
async fn e11_many_resets_are_three_mails_and_the_answer_is_always_the_same() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    person(&server, "anna", "anna@example.com").await;
    let client = app(&server, Persona::Web).await;
    let first = comparable(&forgot(&server, &client, "anna").await);
    for number in 0..100 {
        let name = if number % 2 == 0 { "anna" } else { "ANNA@example.com" };
        assert_eq!(comparable(&forgot(&server, &client, name).await), first);
    }
    assert_eq!(server.mails().await.len(), 3);
}

#[tokio::test]
async fn an_address_that_asks_often_has_to_prove_work() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.limits.enabled = true;
        config.limits.proof_of_work_bits = 8;
    })
    .await;
    let client = app(&server, Persona::Web).await;
    for number in 0..5 {
        handle(&forgot(&server, &client, &format!("nobody{number}")).await);
    }
    let details = refused(&forgot(&server, &client, "nobody").await, 429, "proof_of_work_required");
    let challenge = text(&details, "challenge");
    let body = json!({"username": "nobody", "challenge": challenge, "solution": solve(&challenge)});
    handle(&send(&server, &client, "password/forgot", body.clone()).await);
    refused(&send(&server, &client, "password/forgot", body).await, 429, "proof_of_work_required");
}

#[tokio::test]
async fn where_no_mail_is_sent_recovery_is_not_offered() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.mail.transport = ostiary::config::MailTransport::Off;
    })
    .await;
    let client = app(&server, Persona::Web).await;
    refused(&forgot(&server, &client, "anna").await, 404, "not_found");
    refused(&reset(&server, &client, ("a.b", "000000"), NEW_PASSWORD).await, 404, "not_found");
}
