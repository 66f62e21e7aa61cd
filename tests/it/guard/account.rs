//! What somebody adds to an account, by its pages or without a browser: a session in the wrong hands fills no mailbox, and keeps no
//! owner from taking away what was added. And the steps of logins without a browser, before they are read.

use ostiary::storage::passkeys;
use ostiary::storage::users::User;
use serde_json::{Value, json};

use super::attack::{limited, recorded};
use crate::api::persona::{Caller, assert_refused};
use crate::support::authenticator::Passkey;
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::{PASSWORD, TestServer};

const PASSKEYS: &str = "/users/me/passkeys";

async fn reader(server: &TestServer) -> User {
    let profile = json!({"email": "anna@example.com", "email_verified": true});
    server.person_with("anna", &[], Some(profile)).await
}

async fn make(caller: &Caller) -> Answer {
    let question = caller.post("/users/me/passkeys/options", &Value::Null).await.json();
    let credential: Value = serde_json::from_str(&Passkey::create(&question["publicKey"], |_| {}).1).unwrap();
    caller.post(PASSKEYS, &json!({"challenge": question["challenge"], "credential": credential})).await
}

on_both! {
    async fn a_stolen_session_adds_so_many_factors_and_its_owner_removes_them(database: TestDatabase) {
        let server = limited(database).await;
        let anna = reader(&server).await;
        let thief = Caller::browser(&server, &anna).await;
        for number in 0..10 {
            assert_eq!(make(&thief).await.status, 201, "{number}");
        }
        let refused = make(&thief).await;
        assert_refused(&refused, 429, "rate_limited");
        assert_eq!(refused.header("retry-after"), Some("360"));
        assert!(recorded(&server, "passkey.added", "rate_limited").await);
        assert_refused(&thief.post("/users/me/recovery-codes", &Value::Null).await, 429, "rate_limited");
        assert!(recorded(&server, "recovery_codes.created", "rate_limited").await);
        assert_eq!(server.mails().await.len(), 10);

        // Another session of the same account: the account is what is counted. Nothing is in the owner's way to get rid of it all.
        let owner = Caller::browser(&server, &anna).await;
        assert_refused(&make(&owner).await, 429, "rate_limited");
        for passkey in passkeys::list(&mut server.state.db.read().await.unwrap(), &anna.id).await.unwrap() {
            assert_eq!(owner.delete(&format!("{PASSKEYS}/{}", passkey.id)).await.status, 204);
        }
        let new = json!({"current_password": PASSWORD, "password": "another horse, another staple"});
        assert_eq!(owner.put("/users/me/password", &new).await.status, 204);
        server.clock.advance(360);
        let owner = Caller::browser(&server, &anna).await;
        assert_eq!(make(&owner).await.status, 201, "a tenth of an hour later");
    }

    async fn a_stolen_session_sends_so_many_codes_whatever_the_mailboxes(database: TestDatabase) {
        let server = limited(database).await;
        let anna = reader(&server).await;
        let thief = Caller::browser(&server, &anna).await;
        let ask = async |number: u32| {
            let new = json!({"email": format!("victim{number}@example.net"), "current_password": PASSWORD});
            thief.at(&format!("198.51.100.{number}")).put("/users/me/email", &new).await
        };
        for number in 1..=5 {
            assert_eq!(ask(number).await.status, 202, "{number}");
            server.clock.advance(20);
        }
        server.clock.advance(120);
        let refused = ask(6).await;
        assert_refused(&refused, 429, "rate_limited");
        assert!(refused.header("retry-after").unwrap().parse::<u32>().unwrap() > 400, "{refused:#?}");
        assert!(recorded(&server, "user.email_code_requested", "rate_limited").await);
        assert_eq!(server.mails().await.len(), 5);
    }
}

/// Each route by itself, from an address of its own: nothing of the body is looked at any more.
#[tokio::test]
async fn steps_without_a_browser_are_counted_before_they_are_read() {
    let server = limited(TestDatabase::sqlite().await).await;
    let routes = [
        ("register", "user.registration_requested"),
        ("email/verify", "user.registered"),
        ("email/resend", "user.registration_requested"),
        ("password/forgot", "user.recovery_requested"),
        ("password/reset", "user.password_changed"),
        ("mfa", "user.second_factor"),
        ("passkey/options", "user.login"),
    ];
    for (number, (route, kind)) in routes.into_iter().enumerate() {
        let stranger = Caller::anonymous(&server).at(&format!("198.51.100.{number}"));
        let ask = async || stranger.post(&format!("/auth/{route}"), &json!("no object")).await;
        for _ in 0..60 {
            assert_eq!(ask().await.status, 422, "{route}");
        }
        let refused = ask().await;
        assert_refused(&refused, 429, "rate_limited");
        assert_eq!(refused.header("retry-after"), Some("1"), "{route}");
        assert!(recorded(&server, kind, "rate_limited").await, "{route}");
    }
    // The others of a site count together: sixteen times as much.
    let (mut passed, mut network) = (0, 0);
    loop {
        network += 1;
        let stranger = Caller::anonymous(&server).at(&format!("2001:db8:7:{network:x}::1"));
        if stranger.post("/auth/mfa", &json!([])).await.status == 429 {
            break;
        }
        passed += 1;
    }
    assert_eq!(passed, 960);
}
