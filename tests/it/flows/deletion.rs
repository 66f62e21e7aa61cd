//! A person deletes their own account. Behaviours 1.11 S14, S15.

use http::StatusCode;
use ostiary::jobs::deletion::delete_due;
use ostiary::outbound::mail::Message;
use ostiary::protocol::time::Seconds;
use ostiary::storage::users::{self, User};
use serde_json::json;

use crate::support::browser::{Answer, Browser};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, authorize, log_in, redeem, text};
use crate::support::server::{PASSWORD, Persona, TestServer};

const DAY: i64 = 86_400;

async fn with_mail(server: &TestServer, name: &str, roles: &[&str]) -> User {
    let profile = json!({ "email": format!("{name}@example.org"), "email_verified": true });
    server.person_with(name, roles, Some(profile)).await
}

async fn logged_in(server: &TestServer, name: &str) -> Browser {
    let mut browser = server.browser();
    let page = browser.visit("/login").await;
    assert_eq!(log_in(&mut browser, &page, name).await.url, "/account");
    browser
}

/// Types this name on the page that asks for one.
async fn delete(browser: &mut Browser, typed: &str) -> Answer {
    let page = browser.visit("/account/delete").await;
    browser.submit(&page.form_of("delete-form").set("username", typed)).await
}

async fn exists(server: &TestServer, user: &User) -> bool {
    users::by_id(&mut server.state.db.read().await.unwrap(), &user.id).await.unwrap().is_some()
}

/// The job, as it is now.
async fn run_job(server: &TestServer) -> u64 {
    let state = &server.state;
    delete_due(&state.db, server.clock.now(), &state.outbox, &state.config.admin).await.unwrap()
}

async fn kinds(server: &TestServer) -> Vec<String> {
    server.audit().await.into_iter().map(|entry| entry.kind).collect()
}

on_both! {
    async fn a_deleted_account_is_out_at_once_and_gone_after_its_days(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = with_mail(&server, "anna", &[]).await;
        let client = server.client(Persona::Web, |_| {}).await;
        let mut browser = server.browser();
        let code = authorize(&mut browser, &AuthorizationUrl::new(&client), "anna").await;
        let tokens = redeem(&server, &client, &code["code"]).await.json();
        let mut other = logged_in(&server, "anna").await;
        server.mails().await;

        let done = delete(&mut browser, " ANNA").await;
        assert_eq!(done.status, StatusCode::OK, "{done:?}");
        assert!(done.body.contains("id=\"due\"") && done.body.contains("datetime=\"2027-01-29"), "{}", done.body);
        assert!(!browser.cookies.contains_key("__Host-sid"));
        assert_eq!(other.visit("/account").await.url, "/login", "S14");
        assert_eq!(server.introspect(&client, &text(&tokens, "access_token")).await["active"], false);
        let refresh = [("grant_type", "refresh_token"), ("refresh_token", &*text(&tokens, "refresh_token"))];
        assert_eq!(server.token(&client, &refresh).await.json()["error"], "invalid_grant");
        let due = server.clock.now() + Seconds(14 * DAY);
        let mails: Vec<Message> = server.mails().await.into_iter().map(|mail| mail.message).collect();
        assert_eq!(mails, [Message::DeletionScheduled { due }]);

        server.clock.advance(14 * DAY - 1);
        assert_eq!(run_job(&server).await, 0);
        assert!(exists(&server, &anna).await);
        server.clock.advance(1);
        assert_eq!(run_job(&server).await, 1);
        assert!(!exists(&server, &anna).await);
        let last: Vec<_> = server.mails().await.into_iter().map(|mail| (mail.to.as_str().to_owned(), mail.message)).collect();
        assert_eq!(last, [("anna@example.org".to_owned(), Message::AccountDeleted)]);
        let kinds = kinds(&server).await;
        assert!(kinds.contains(&"user.deletion_scheduled".to_owned()) && kinds.contains(&"user.deleted".to_owned()));
        assert_eq!(run_job(&server).await, 0);
    }

    async fn a_login_in_time_takes_the_deletion_back(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = with_mail(&server, "anna", &[]).await;
        let mut browser = logged_in(&server, "anna").await;
        delete(&mut browser, "anna").await;
        let form = browser.visit("/login").await.form_of("login-form").set("username", "anna");
        browser.submit(&form.clone().set("password", "wrong wrong wrong")).await;
        server.clock.advance(14 * DAY - 1);
        let page = browser.submit(&form.set("password", PASSWORD)).await;
        assert!(page.url == "/account" && page.body.contains("id=\"stays\""), "{}", page.body);
        assert!(kinds(&server).await.contains(&"user.deletion_taken_back".to_owned()));
        server.clock.advance(DAY);
        assert_eq!(run_job(&server).await, 0);
        assert!(exists(&server, &anna).await);
        let mut later = logged_in(&server, "anna").await;
        assert!(!later.visit("/account").await.body.contains("id=\"stays\""), "it is said once");
    }

    async fn without_days_to_think_it_over_an_account_is_gone_at_once(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.account.deletion_grace_days = 0).await;
        let anna = with_mail(&server, "anna", &[]).await;
        let mut browser = logged_in(&server, "anna").await;
        server.mails().await;
        let done = delete(&mut browser, "anna").await;
        assert!(done.status == StatusCode::OK && done.body.contains("id=\"deleted\""), "{}", done.body);
        assert!(!exists(&server, &anna).await);
        assert_eq!(browser.visit("/account").await.url, "/login");
        assert_eq!(server.mails().await.into_iter().map(|mail| mail.message).collect::<Vec<_>>(), [Message::AccountDeleted]);
        assert!(kinds(&server).await.contains(&"user.deleted".to_owned()));
    }

    async fn an_account_is_deleted_by_a_fresh_proof_and_the_name_typed_right(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = with_mail(&server, "anna", &[]).await;
        let mut browser = logged_in(&server, "anna").await;
        for typed in ["", "ben", "anna2", &"a".repeat(1_000)] {
            let refused = delete(&mut browser, typed).await;
            assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{typed}");
        }
        let form = browser.visit("/account/delete").await.form_of("delete-form").set("username", "anna");
        assert_eq!(browser.submit(&form.clone().without("csrf")).await.status, StatusCode::FORBIDDEN);
        server.clock.advance(301);
        assert!(browser.submit(&form).await.url.starts_with("/account/reauthenticate?to=delete"), "S15");
        assert!(browser.visit("/account/delete").await.url.starts_with("/account/reauthenticate?to=delete"));
        let due = users::deletion_due_at(&mut server.state.db.read().await.unwrap(), &anna.id).await.unwrap();
        assert_eq!(due, None);
    }

    async fn the_last_administrator_stays(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let root = with_mail(&server, "root", &["admin"]).await;
        let mut browser = logged_in(&server, "root").await;
        let refused = delete(&mut browser, "root").await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN);
        assert!(refused.body.contains("last administrator"), "{}", refused.body);
        assert_eq!(server.last_reason("user.deletion_scheduled").await.as_deref(), Some("last_administrator"));

        // One who is about to go is none to rely on.
        let second = with_mail(&server, "second", &["admin"]).await;
        assert_eq!(delete(&mut browser, "root").await.status, StatusCode::OK);
        let mut browser = logged_in(&server, "second").await;
        assert_eq!(delete(&mut browser, "second").await.status, StatusCode::FORBIDDEN);

        // The other one went by another way meanwhile.
        server.state.db.write(async |tx| users::delete(tx, &second.id).await).await.unwrap();
        server.clock.advance(15 * DAY);
        assert_eq!(run_job(&server).await, 0);
        assert!(exists(&server, &root).await);
        with_mail(&server, "third", &["admin"]).await;
        assert_eq!(run_job(&server).await, 1);
        assert!(!exists(&server, &root).await);
    }
}
