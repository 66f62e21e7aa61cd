//! Invitations: E13.

use http::StatusCode;
use ostiary::account::invitation::{Draft, Office};
use ostiary::audit::{self, Kind, Origin};
use ostiary::config::RegistrationMode;
use ostiary::outbound::mail::Message;
use ostiary::protocol::email_address::EmailAddress;
use ostiary::protocol::time::Seconds;
use ostiary::storage::users;

use super::{code, code_in, enter};
use crate::support::browser::{Answer, Browser};
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::{PASSWORD, TestServer};

pub async fn by_invitation(database: TestDatabase) -> TestServer {
    TestServer::start_with(database, |config| config.registration.mode = RegistrationMode::Invitation).await
}

pub async fn invite(server: &TestServer, address: Option<&str>, roles: &[&str]) -> String {
    let draft = Draft {
        address: address.map(|address| EmailAddress::parse(address).unwrap()),
        roles: roles.iter().map(|role| (*role).to_owned()).collect(),
        invited_by: None,
        lifetime: Seconds::hours(24),
    };
    let origin = Origin { at: server.clock.now(), address: None, trace_id: "0".repeat(32) };
    Office::of(&server.state).invite(draft, audit::event(Kind::InvitationCreated, origin)).await.unwrap().link
}

async fn register(browser: &mut Browser, link: &str, address: &str) -> Answer {
    let page = browser.visit(link).await;
    assert_eq!(page.status, StatusCode::OK, "{page:#?}");
    let form = page.form().set("email", address).set("password", PASSWORD).set("password_again", PASSWORD);
    browser.submit(&form).await
}

on_both! {
    async fn e13_an_invitation_works_once_for_the_address_and_the_roles_that_it_was_made_for(database: TestDatabase) {
        let server = by_invitation(database).await;
        let link = invite(&server, Some("Anna@example.com"), &["editor"]).await;
        let mails = server.mails().await;
        assert!(matches!(&mails[0].message, Message::Invitation { link: mailed } if **mailed == *link));
        let mut browser = server.browser();
        for _ in 0..3 {
            assert_eq!(browser.visit(&link).await.status, StatusCode::OK, "opening it spends nothing");
        }
        let page = register(&mut browser, &link, "somebody.else@example.com").await;
        let mails = server.mails().await;
        assert_eq!(mails[0].to.as_str(), "anna@example.com", "whatever the form says");
        let answer = enter(&mut browser, &page, &code_in(&mails[0]).unwrap()).await;
        assert_eq!(answer.url, "/account");
        let anna = users::find_by_login_name(&mut server.state.db.read().await.unwrap(), "anna@example.com").await.unwrap().unwrap();
        assert_eq!(anna.roles, ["editor"]);
        assert_eq!(server.browser().visit(&link).await.status, StatusCode::FORBIDDEN, "used");
    }

    async fn e13_of_two_who_use_one_invitation_one_comes_in(database: TestDatabase) {
        let server = by_invitation(database).await;
        let link = invite(&server, None, &[]).await;
        let mut ready = Vec::new();
        for address in ["a@example.com", "b@example.com"] {
            let mut browser = server.browser();
            let page = register(&mut browser, &link, address).await;
            let form = page.form().set("code", &code(&server).await);
            ready.push((browser, form));
        }
        let tasks: tokio::task::JoinSet<_> =
            ready.into_iter().map(|(mut browser, form)| async move { browser.post("/register/code", &form.fields).await }).collect();
        let answers = tasks.join_all().await;
        assert_eq!(answers.iter().filter(|answer| answer.status == StatusCode::SEE_OTHER).count(), 1, "{answers:#?}");
        assert_eq!(users::count(&mut server.state.db.read().await.unwrap()).await.unwrap(), 1);
    }
}

#[tokio::test]
async fn e13_a_link_that_was_changed_made_up_or_is_old_opens_nothing() {
    let server = by_invitation(TestDatabase::sqlite().await).await;
    let link = invite(&server, None, &[]).await;
    let mut changed = link.clone();
    let last = changed.pop().unwrap();
    changed.push(if last == 'A' { 'B' } else { 'A' });
    for dead in ["/register", "/register?invitation=", "/register?invitation=made-up", &changed] {
        let answer = server.browser().visit(dead).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{dead}");
        assert!(!answer.body.contains("<form"));
    }
    let mut browser = server.browser();
    let form =
        browser.visit(&link).await.form().set("email", "a@example.com").set("password", PASSWORD).set("password_again", PASSWORD);
    server.clock.advance(24 * 3_600);
    assert_eq!(server.browser().visit(&link).await.status, StatusCode::FORBIDDEN, "expired");
    assert_eq!(browser.submit(&form).await.status, StatusCode::FORBIDDEN);
}
