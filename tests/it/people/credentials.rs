//! Changing one's own password and address: S5, S9, S15, E15.

use http::StatusCode;
use ostiary::outbound::mail::Message;
use ostiary::storage::users::User;
use ostiary::storage::{email_addresses, users};
use serde_json::json;

use super::{NEW_PASSWORD, code, code_in, comparable, enter, log_in, wrong};
use crate::guard::attack::recorded;
use crate::support::browser::{Answer, Browser};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{refresh, text, tokens};
use crate::support::server::{PASSWORD, Persona, TestServer};

async fn person(server: &TestServer, name: &str, address: &str) -> User {
    server.person_with(name, &[], Some(json!({"email": address, "email_verified": true}))).await
}

async fn change_password(browser: &mut Browser, current: &str, new: &str) -> Answer {
    let page = browser.visit("/account/password").await;
    let form = page.form().set("current_password", current).set("password", new).set("password_again", new);
    browser.submit(&form).await
}

async fn change_email(browser: &mut Browser, current: &str, address: &str) -> Answer {
    let page = browser.visit("/account/email").await;
    browser.submit(&page.form().set("current_password", current).set("email", address)).await
}

async fn address(server: &TestServer, user: &User) -> (String, bool) {
    let stored = email_addresses::load(&mut server.state.db.read().await.unwrap(), &user.id).await.unwrap().unwrap();
    (stored.address.as_str().to_owned(), stored.verified_at.is_some())
}

on_both! {
    async fn s9_a_new_password_keeps_this_browser_with_a_new_secret_and_ends_all_others(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let tokens = tokens(&server, &client, "anna").await;
        let (mut here, mut there) = (server.browser(), server.browser());
        log_in(&mut here, "anna", PASSWORD).await;
        log_in(&mut there, "anna", PASSWORD).await;
        let mut stolen = here.clone();
        assert_eq!(change_password(&mut here, PASSWORD, NEW_PASSWORD).await.url, "/account");
        assert_eq!(here.visit("/account").await.url, "/account");
        for browser in [&mut there, &mut stolen] {
            assert!(browser.visit("/account").await.url.starts_with("/login"));
        }
        assert_eq!(refresh(&server, &client, &text(&tokens, "refresh_token")).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(server.mails().await[0].message, Message::PasswordChanged);
        assert_eq!(log_in(&mut server.browser(), "anna", NEW_PASSWORD).await.url, "/account");
        let event = server.audit().await.into_iter().find(|entry| entry.kind == "user.password_changed").unwrap();
        assert_eq!(event.actor.kind(), "user");
    }

    async fn s15_a_wrong_present_password_changes_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna", "anna@example.com").await;
        let mut browser = server.browser();
        log_in(&mut browser, "anna", PASSWORD).await;
        for wrong in ["wrong password", "", &"x".repeat(300)] {
            let answer = change_password(&mut browser, wrong, NEW_PASSWORD).await;
            assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
            assert!(answer.body.contains("id=\"current-password-problem\""));
            let answer = change_email(&mut browser, wrong, "new@example.com").await;
            assert!(answer.body.contains("id=\"current-password-problem\""));
        }
        assert!(server.mails().await.is_empty());
        assert_eq!(address(&server, &anna).await.0, "anna@example.com");
        for reason in ["wrong_password", "password_malformed"] {
            assert!(recorded(&server, "user.reauthentication", reason).await, "{reason}");
        }
    }

    async fn e15_a_new_address_counts_once_it_is_proved_and_the_old_one_is_told(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna", "old@example.com").await;
        let mut browser = server.browser();
        log_in(&mut browser, "anna", PASSWORD).await;
        let page = change_email(&mut browser, PASSWORD, "New@example.com").await;
        assert!(page.url.starts_with("/account/email/code?id="), "{page:#?}");
        let mails = server.mails().await;
        assert_eq!((mails.len(), mails[0].to.as_str()), (1, "New@example.com"));
        let code = code_in(&mails[0]).unwrap();
        assert_eq!(address(&server, &anna).await, ("old@example.com".to_owned(), true));
        assert_eq!(enter(&mut browser, &page, &wrong(&code)).await.status, StatusCode::BAD_REQUEST);
        assert_eq!(log_in(&mut server.browser(), "old@example.com", PASSWORD).await.url, "/account", "the old one is valid until then");

        assert_eq!(enter(&mut browser, &page, &code).await.url, "/account");
        assert_eq!(address(&server, &anna).await, ("New@example.com".to_owned(), true));
        let mails = server.mails().await;
        assert_eq!(mails[0].to.as_str(), "old@example.com");
        assert!(matches!(&mails[0].message, Message::EmailChanged { new_address } if !new_address.contains("New")), "masked");
        assert_eq!(log_in(&mut server.browser(), "old@example.com", PASSWORD).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(log_in(&mut server.browser(), "new@example.com", PASSWORD).await.url, "/account");
    }

    async fn e15_whoever_signs_in_with_the_address_signs_in_with_the_new_one(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "old@example.com", "old@example.com").await;
        let mut browser = server.browser();
        log_in(&mut browser, "old@example.com", PASSWORD).await;
        let page = change_email(&mut browser, PASSWORD, "new@example.com").await;
        assert_eq!(enter(&mut browser, &page, &code(&server).await).await.url, "/account");
        let stored = users::by_id(&mut server.state.db.read().await.unwrap(), &anna.id).await.unwrap().unwrap();
        assert_eq!(stored.sign_in_name.as_str(), "new@example.com");
    }

    async fn e15_the_address_of_somebody_else_gets_the_same_answer_and_its_owner_a_notice(database: TestDatabase) {
        let server = TestServer::start(database).await;
        person(&server, "anna", "anna@example.com").await;
        person(&server, "berta", "berta@example.com").await;
        let mut browser = server.browser();
        log_in(&mut browser, "anna", PASSWORD).await;
        let taken = change_email(&mut browser, PASSWORD, "berta@example.com").await;
        let mails = server.mails().await;
        assert_eq!((&mails[0].message, mails[0].to.as_str()), (&Message::AccountExists, "berta@example.com"));
        let free = change_email(&mut browser, PASSWORD, "carla@example.com").await;
        assert_eq!(comparable(&taken, &["berta@example.com"]), comparable(&free, &["carla@example.com"]));
    }

    async fn a_code_for_an_address_that_was_taken_meanwhile_is_spent(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = person(&server, "anna", "anna@example.com").await;
        let mut browser = server.browser();
        log_in(&mut browser, "anna", PASSWORD).await;
        let page = change_email(&mut browser, PASSWORD, "new@example.com").await;
        let code = code(&server).await;
        let berta = person(&server, "berta", "new@example.com").await;
        let refused = enter(&mut browser, &page, &code).await;
        assert!(refused.body.contains("id=\"code-problem\""), "{refused:#?}");
        assert_eq!(server.last_reason("user.email_changed").await.as_deref(), Some("taken_meanwhile"));
        server.state.db.write(async |tx| users::delete(tx, &berta.id).await).await.unwrap();
        server.clock.advance(1);
        enter(&mut browser, &refused, &code).await;
        assert_eq!(server.last_reason("user.email_changed").await.as_deref(), Some("code_wrong"), "it counts no more");
        assert_eq!(address(&server, &anna).await.0, "anna@example.com");
    }

    async fn an_address_that_an_administrator_entered_is_proved_by_its_owner(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person_with("anna", &[], Some(json!({"email": "anna@example.com"}))).await;
        let mut browser = server.browser();
        let page = log_in(&mut browser, "anna", PASSWORD).await;
        let form = page.form();
        assert_eq!(form.action, "/account/email/verify");
        server.clock.advance(301);
        let page = browser.submit(&form).await;
        assert!(page.url.starts_with("/account/reauthenticate?to=account"), "{page:#?}");
        let page = browser.submit(&page.form().set("password", PASSWORD)).await;
        assert_eq!(page.url, "/account");
        let page = browser.submit(&page.form()).await;
        assert!(page.url.starts_with("/account/email/verify?id="), "{page:#?}");
        assert_eq!(enter(&mut browser, &page, &code(&server).await).await.url, "/account");
        assert_eq!(address(&server, &anna).await, ("anna@example.com".to_owned(), true));
        assert!(server.mails().await.is_empty(), "there is no old address to tell");
    }
}

#[tokio::test]
async fn s5_wrong_present_passwords_are_counted_before_anything_is_hashed() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.limits.enabled = true).await;
    person(&server, "anna", "anna@example.com").await;
    let mut browser = server.browser();
    log_in(&mut browser, "anna", PASSWORD).await;
    let mut statuses = Vec::new();
    for _ in 0..7 {
        statuses.push(change_password(&mut browser, "wrong password", NEW_PASSWORD).await.status.as_u16());
    }
    assert_eq!(statuses[..4], [422; 4], "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429), "{statuses:?}");
    assert_eq!(
        change_password(&mut browser, PASSWORD, NEW_PASSWORD).await.status,
        StatusCode::TOO_MANY_REQUESTS,
        "the right one too"
    );
}

#[tokio::test]
async fn codes_for_an_address_belong_to_the_session() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    person(&server, "anna", "anna@example.com").await;
    person(&server, "berta", "berta@example.com").await;
    let (mut anna, mut berta) = (server.browser(), server.browser());
    log_in(&mut anna, "anna", PASSWORD).await;
    log_in(&mut berta, "berta", PASSWORD).await;
    let page = change_email(&mut anna, PASSWORD, "new@example.com").await;
    let code = code(&server).await;
    let theirs = change_email(&mut berta, PASSWORD, "other@example.com").await;
    server.mails().await;
    let stolen = theirs.form().set("id", page.form().field("id")).set("code", &code);
    assert_eq!(berta.submit(&stolen).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(server.browser().get("/account/email").await.location(), "/login");
}

/// E5: only whoever is logged in asks for such a code, so the newest of all browsers counts.
#[tokio::test]
async fn e5_a_code_for_a_new_address_ends_those_that_other_browsers_of_the_person_asked_for() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    person(&server, "anna", "anna@example.com").await;
    let (mut here, mut there) = (server.browser(), server.browser());
    log_in(&mut here, "anna", PASSWORD).await;
    log_in(&mut there, "anna", PASSWORD).await;
    let first = change_email(&mut there, PASSWORD, "thief@example.com").await;
    let old = code(&server).await;
    let second = change_email(&mut here, PASSWORD, "new@example.com").await;
    let new = code(&server).await;
    assert_eq!(enter(&mut there, &first, &old).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(enter(&mut here, &second, &new).await.url, "/account");
}
