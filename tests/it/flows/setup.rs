//! The first administrator: behaviours OP8.

use http::StatusCode;

use crate::support::browser::{Answer, Browser, Form};
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::{PASSWORD, TestServer};
use crate::support::setup::setup_link;

/// Opens the link and fills in its form.
async fn choose(browser: &mut Browser, link: &str, name: &str, password: &str) -> Answer {
    let page = browser.visit(link).await;
    assert_eq!(page.status, StatusCode::OK, "{page:#?}");
    let form = page.form().set("username", name).set("password", password).set("password_again", password);
    browser.submit(&form).await
}

/// The page that says that the link works no longer.
#[track_caller]
fn assert_dead(answer: &Answer) {
    assert_eq!(answer.status, StatusCode::GONE, "{answer:#?}");
    assert!(answer.body.contains("no longer works"));
    assert!(!answer.body.contains("<form"));
}

on_both! {
    async fn whoever_has_the_link_becomes_the_administrator_and_is_logged_in(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let link = setup_link(&server).await;
        let mut browser = server.browser();
        let answer = choose(&mut browser, &link, "root", PASSWORD).await;
        assert_eq!((answer.status, answer.url.as_str()), (StatusCode::OK, "/admin"));
        let event = server.audit().await.into_iter().find(|entry| entry.kind == "setup.completed").expect("an event");
        assert_eq!(event.actor.kind(), "user");

        assert_dead(&server.browser().visit(&link).await);
        let mut other = server.browser();
        let page = other.visit("/login").await;
        let answer = other.submit(&page.form().set("username", "ROOT").set("password", PASSWORD)).await;
        assert_eq!(answer.url, "/account");
    }

    async fn of_many_who_use_links_at_once_one_becomes_the_administrator(database: TestDatabase) {
        let server = TestServer::start(database).await;
        // Two nodes print a link each, and both get about.
        let links = [setup_link(&server).await, setup_link(&server).await];
        let mut forms = Vec::new();
        for number in 0..8 {
            let mut browser = server.browser();
            let form = browser.visit(&links[number % 2]).await.form().set("username", &format!("root{number}"));
            forms.push((browser, form.set("password", PASSWORD).set("password_again", PASSWORD)));
        }
        let attempt = async |(mut browser, form): (Browser, Form)| browser.submit(&form).await;
        let attempts: tokio::task::JoinSet<_> = forms.into_iter().map(attempt).collect();
        let answers = attempts.join_all().await;
        let (made, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.url == "/admin");
        assert_eq!(made.len(), 1, "{answers:#?}");
        refused.into_iter().for_each(assert_dead);
    }

    async fn a_link_dies_when_somebody_else_becomes_the_administrator(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let link = setup_link(&server).await;
        let mut browser = server.browser();
        let page = browser.visit(&link).await;
        server.person_with("root", &["admin"], None).await;
        assert_dead(&server.browser().visit(&link).await);
        let form = page.form().set("username", "second").set("password", PASSWORD).set("password_again", PASSWORD);
        assert_dead(&browser.submit(&form).await);
        assert_eq!(server.last_reason("setup.completed").await.as_deref(), Some("setup_link_dead"));
    }
}

async fn start() -> (TestServer, String) {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let link = setup_link(&server).await;
    (server, link)
}

#[tokio::test]
async fn a_link_lives_an_hour() {
    let (server, link) = start().await;
    server.clock.advance(3_599);
    assert_eq!(server.browser().visit(&link).await.status, StatusCode::OK);
    server.clock.advance(1);
    assert_dead(&server.browser().visit(&link).await);
    for made_up in ["/setup", "/setup?token=", "/setup?token=made-up"] {
        assert_dead(&server.browser().visit(made_up).await);
    }
}

#[tokio::test]
async fn what_is_wrong_is_said_and_the_link_is_not_spent() {
    let (server, link) = start().await;
    server.person("anna").await;
    let mut browser = server.browser();
    for (name, password, problem) in [
        ("", PASSWORD, "username-problem"),
        ("two\u{7}words", PASSWORD, "username-problem"),
        ("Anna", PASSWORD, "username-problem"),
        ("root", "", "password-problem"),
        ("root", "elevenchars", "password-problem"),
        ("root@example.org", "ROOT@example.org", "password-problem"),
        ("root", "line\nbreaks are no letters", "password-problem"),
    ] {
        let answer = choose(&mut browser, &link, name, password).await;
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{name:?} {password:?}");
        assert!(answer.body.contains(&format!("id=\"{problem}\"")), "{name:?} {password:?}: {}", answer.body);
        assert!(password.is_empty() || !answer.body.contains(password), "a password never comes back");
    }
    let page = browser.visit(&link).await;
    let form = page.form().set("username", "root").set("password", PASSWORD).set("password_again", "another password");
    assert!(browser.submit(&form).await.body.contains("id=\"password-again-problem\""));
    assert_eq!(choose(&mut browser, &link, "root", PASSWORD).await.url, "/admin");
}

#[tokio::test]
async fn a_form_from_another_site_makes_no_administrator() {
    let (server, link) = start().await;
    let page = server.browser().visit(&link).await;
    let form = page.form().set("username", "root").set("password", PASSWORD).set("password_again", PASSWORD);
    let mut other = server.browser();
    other.visit(&link).await;
    let refused = other.submit(&form).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN, "the token of another browser");
    assert_eq!(server.last_reason("request.forged").await.as_deref(), Some("csrf"));
    assert_eq!(server.browser().visit(&link).await.status, StatusCode::OK, "the link is not spent");
}
