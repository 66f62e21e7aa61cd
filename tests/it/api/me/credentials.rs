//! Password and e-mail address: E15, S5.

use http::StatusCode;
use ostiary::outbound::mail::Message;
use ostiary::storage::email_addresses;
use ostiary::storage::users::User;
use serde_json::json;

use super::super::auth::{app, holder, log_in, refresh, try_login};
use super::super::persona::{Caller, assert_detail, assert_refused};
use crate::people::code_in;
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::text;
use crate::support::passkeys::give_passkey;
use crate::support::server::{PASSWORD, Persona, TestServer};

const NEW: &str = "seven quiet lamps above the harbour";
const PATH: &str = "/users/me/password";
const EMAIL: &str = "/users/me/email";

async fn reader(server: &TestServer, name: &str) -> User {
    server.person_with(name, &[], Some(json!({"email": format!("{name}@example.com"), "email_verified": true}))).await
}

async fn change(caller: &Caller, current: &str, new: &str) -> Answer {
    caller.put(PATH, &json!({"current_password": current, "password": new})).await
}

/// Asks for a code to an address, and gives its id and, if one was mailed there, the code.
async fn ask(server: &TestServer, caller: &Caller, address: &str) -> (String, Option<String>) {
    let answer = caller.put(EMAIL, &json!({"email": address, "current_password": PASSWORD})).await;
    assert_eq!((answer.status, &answer.json()["expires_in"]), (StatusCode::ACCEPTED, &json!(600)), "{answer:#?}");
    let mails = server.mails().await;
    let [mail] = &mails[..] else { panic!("one mail: {mails:?}") };
    assert_eq!(mail.to.as_str(), address);
    (answer.json()["id"].as_str().unwrap().to_owned(), code_in(mail))
}

async fn show(caller: &Caller, id: &str, code: &str) -> Answer {
    caller.post("/users/me/email/confirm", &json!({"id": id, "code": code})).await
}

async fn address(server: &TestServer, user: &User) -> String {
    let found = email_addresses::load(&mut server.state.db.read().await.unwrap(), &user.id).await.unwrap();
    found.unwrap().address.as_str().to_owned()
}

on_both! {
    async fn a_new_password_ends_everything_else(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = app(&server, Persona::Web).await;
        for (name, by_browser) in [("anna", true), ("berta", false)] {
            let user = reader(&server, name).await;
            let elsewhere = log_in(&server, &client, name).await;
            let mut caller = if by_browser { Caller::browser(&server, &user).await } else { Caller::app(&server, &user).await };
            let other = Caller::browser(&server, &user).await;
            assert_detail(&change(&caller, "wrong password", NEW).await, "current_password", "wrong");
            assert_detail(&caller.put(PATH, &json!({"password": NEW})).await, "current_password", "wrong");
            assert_detail(&change(&caller, PASSWORD, "short").await, "password", "password_too_short");
            assert_detail(&caller.put(PATH, &json!({"password": NEW, "current_password": PASSWORD, "repeat": NEW})).await, "repeat", "unknown");
            assert_eq!(other.get("/users/me").await.status, 200);

            let answer = change(&caller, PASSWORD, NEW).await;
            assert_eq!(answer.status, 204, "{answer:#?}");
            if by_browser {
                assert_refused(&caller.get("/users/me").await, 401, "unauthenticated");
                caller.follow(&answer);
            }
            assert_eq!(caller.get("/users/me").await.status, 200, "the one that asked goes on");
            assert_refused(&other.get("/users/me").await, 401, "unauthenticated");
            assert_eq!(refresh(&server, &client, &elsewhere).await.status, 400);
            assert_eq!(try_login(&server, &client, name, PASSWORD).await.status, 401);
            assert_eq!(try_login(&server, &client, name, NEW).await.status, 200);
            let told: Vec<_> = server.mails().await.into_iter().map(|mail| mail.message).collect();
            assert_eq!(told, [Message::PasswordChanged]);
        }
    }

    async fn whoever_has_no_password_sets_one(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        give_passkey(&server, &anna).await;
        let caller = Caller::app(&server, &anna).await;
        assert_eq!(caller.delete(PATH).await.status, 204);
        assert_eq!(caller.put(PATH, &json!({"password": NEW})).await.status, 204);
        let client = app(&server, Persona::Web).await;
        assert_eq!(try_login(&server, &client, "anna", NEW).await.status, 200);
    }

    /// E15.
    async fn another_address_counts_when_its_code_has_come_back(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = reader(&server, "anna").await;
        for (caller, new) in [(Caller::browser(&server, &anna).await, "one@example.com"), (Caller::app(&server, &anna).await, "two@example.com")] {
            let before = address(&server, &anna).await;
            let refused = caller.put(EMAIL, &json!({"email": new, "current_password": "wrong password"})).await;
            assert_detail(&refused, "current_password", "wrong");
            assert_detail(&caller.put(EMAIL, &json!({"email": "a@b@c", "current_password": PASSWORD})).await, "email", "malformed");
            let (id, code) = ask(&server, &caller, new).await;
            let code = code.unwrap();
            let wrong = if code == "000000" { "111111" } else { "000000" };
            assert_refused(&show(&caller, &id, wrong).await, 400, "invalid_code");
            let stranger = Caller::app(&server, &anna).await;
            assert_refused(&show(&stranger, &id, &code).await, 400, "invalid_code");
            assert_eq!(caller.get(EMAIL).await.json()["email"], before.as_str(), "the old one stays until then");
            assert_eq!(show(&caller, &id, &code).await.status, 204);
            assert_eq!(address(&server, &anna).await, new);
            assert!(caller.get(EMAIL).await.json()["verified_at"].is_string());
            let mails = server.mails().await;
            assert_eq!((mails.len(), mails[0].to.as_str()), (1, before.as_str()));
            assert!(matches!(mails[0].message, Message::EmailChanged { .. }), "{mails:?}");
            assert_refused(&show(&caller, &id, &code).await, 400, "invalid_code");
        }
    }

    async fn an_address_of_somebody_else_gets_the_same_answer_and_a_notice(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let (anna, _) = (reader(&server, "anna").await, reader(&server, "berta").await);
        let caller = Caller::app(&server, &anna).await;
        let (id, code) = ask(&server, &caller, "berta@example.com").await;
        assert_eq!(code, None);
        assert_refused(&show(&caller, &id, "123456").await, 400, "invalid_code");
        assert_eq!(address(&server, &anna).await, "anna@example.com");
    }

    async fn an_address_that_stands_there_unproved_is_proved(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person_with("anna", &[], Some(json!({"email": "anna@example.com"}))).await;
        let caller = Caller::app(&server, &anna).await;
        let answer = caller.post("/users/me/email/verification", &json!(null)).await;
        assert_eq!(answer.status, 202, "{answer:#?}");
        let code = code_in(&server.mails().await[0]).unwrap();
        let body = json!({"id": answer.json()["id"], "code": code, "purpose": "verification"});
        let as_change = json!({"id": answer.json()["id"], "code": code});
        assert_refused(&caller.post("/users/me/email/confirm", &as_change).await, 400, "invalid_code");
        assert_eq!(caller.post("/users/me/email/confirm", &body).await.status, 204);
        assert!(caller.get(EMAIL).await.json()["verified_at"].is_string());
        assert_refused(&caller.post("/users/me/email/verification", &json!(null)).await, 409, "nothing_to_verify");
    }

    async fn who_was_reached_at_the_sign_in_address_is_told_of_another_one(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna@example.com").await;
        let caller = Caller::app(&server, &anna).await;
        let (id, code) = ask(&server, &caller, "new@example.com").await;
        assert_eq!(show(&caller, &id, &code.unwrap()).await.status, 204);
        let mails = server.mails().await;
        assert_eq!(mails.iter().map(|mail| mail.to.as_str()).collect::<Vec<_>>(), ["anna@example.com"]);
        assert!(matches!(mails[0].message, Message::EmailChanged { .. }), "{mails:?}");

        let berta = server.person("berta@example.com").await;
        let caller = Caller::app(&server, &berta).await;
        let (id, code) = ask(&server, &caller, "Berta@example.com").await;
        assert_eq!(show(&caller, &id, &code.unwrap()).await.status, 204);
        assert!(server.mails().await.is_empty(), "it is the same mailbox");
    }
}

/// S5: counted before it is hashed.
#[tokio::test]
async fn the_current_password_is_not_guessed_for_long() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.limits.enabled = true).await;
    let anna = server.person("anna").await;
    let caller = Caller::browser(&server, &anna).await;
    let mut statuses = Vec::new();
    for _ in 0..30 {
        statuses.push(change(&caller, "wrong password", NEW).await.status.as_u16());
    }
    assert_eq!((statuses[0], statuses[29]), (422, 429));
    assert_refused(&change(&caller, PASSWORD, NEW).await, 429, "rate_limited");
}

#[tokio::test]
async fn too_many_mails_is_no_address_that_needs_no_proof() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.limits.enabled = true;
        config.rates.mail = "1/h".parse().unwrap();
    })
    .await;
    let anna = server.person_with("anna", &[], Some(json!({"email": "anna@example.com"}))).await;
    let caller = Caller::browser(&server, &anna).await;
    assert_eq!(caller.post("/users/me/email/verification", &json!(null)).await.status, 202);
    let limited = caller.post("/users/me/email/verification", &json!(null)).await;
    assert_refused(&limited, 429, "rate_limited");
    assert!(limited.header("retry-after").unwrap().parse::<u32>().unwrap() > 3_000, "{limited:#?}");
}

/// What strangers use up is not the owner's, on a device that they logged in from.
#[tokio::test]
async fn a_known_device_changes_the_password_whatever_others_tried() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.limits.enabled = true).await;
    let anna = server.person("anna").await;
    let client = app(&server, Persona::Native).await;
    let (tokens, stranger) = (log_in(&server, &client, "anna").await, Caller::browser(&server, &anna).await);
    let (owner, device) = (holder(&server, &tokens), text(&tokens, "device_token"));
    for _ in 0..6 {
        change(&stranger, "wrong password", NEW).await;
    }
    assert_refused(&change(&stranger, PASSWORD, NEW).await, 429, "rate_limited");
    assert_refused(&change(&owner, PASSWORD, NEW).await, 429, "rate_limited");
    let cookies = stranger.headers.iter().find(|(name, _)| name == "cookie").unwrap().1.clone();
    let browser = stranger.with("cookie", &format!("{cookies}; __Host-device={device}"));
    let new = json!({"current_password": PASSWORD, "email": "new@example.com"});
    assert_eq!(browser.put(EMAIL, &new).await.status, 202);
    assert_refused(&owner.put(EMAIL, &new).await, 429, "rate_limited");
    let new = json!({"current_password": PASSWORD, "email": "new@example.com", "device_token": device});
    assert_eq!(owner.put(EMAIL, &new).await.status, 202);
    let new = json!({"current_password": PASSWORD, "password": NEW, "device_token": device});
    assert_eq!(owner.put(PATH, &new).await.status, 204);
}
