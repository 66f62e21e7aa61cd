//! Proofs of work on the login page.

use super::attack::{Visitor, is_challenge, is_in, limited, limited_with, solve};
use crate::support::browser::{Answer, Form};
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::{PASSWORD, TestServer};

const DATACENTRE: &str = "203.0.113.7";

/// A server that asks everybody in [`DATACENTRE`] for work, and anna.
async fn asking(database: TestDatabase) -> TestServer {
    let server = limited_with(database, |config| {
        config.limits.datacentre_networks = vec!["203.0.113.0/24".parse().unwrap()];
        config.rates.login = "1000/s".parse().unwrap();
        config.rates.login_hard = "1000/s".parse().unwrap();
        config.rates.login_pair = "1000/s".parse().unwrap();
    })
    .await;
    server.person("anna").await;
    server
}

async fn send(visitor: &mut Visitor, form: Form) -> Answer {
    visitor.browser.post("/login", &form.set("username", "anna").set("password", PASSWORD).fields).await
}

on_both! {
    async fn one_proof_opens_one_login(database: TestDatabase) {
        let server = asking(database).await;
        let mut visitor = Visitor::new(&server, DATACENTRE).await;
        let unsolved = visitor.form.clone();
        assert!(is_challenge(&send(&mut visitor, unsolved).await), "the page asks for it at once");
        let solution = solve(visitor.form.field("challenge"));
        let solved = visitor.form.clone().set("solution", &solution);
        assert!(is_in(&send(&mut visitor, solved.clone()).await));
        visitor.browser.cookies.retain(|name, _| name == "__Host-browser");
        assert!(is_challenge(&send(&mut visitor, solved).await), "it is spent");
    }
}

#[tokio::test]
async fn a_proof_is_worth_nothing_from_elsewhere_late_or_wrong() {
    let server = asking(TestDatabase::sqlite().await).await;
    let fresh = async || {
        let visitor = Visitor::new(&server, DATACENTRE).await;
        let solution = solve(visitor.form.field("challenge"));
        let form = visitor.form.clone().set("solution", &solution);
        (visitor, form)
    };
    let (mut visitor, form) = fresh().await;
    assert!(is_challenge(&send(visitor.moved("203.0.113.8"), form).await));
    let (mut visitor, form) = fresh().await;
    assert!(is_challenge(&send(&mut visitor, form.clone().set("solution", "x")).await));
    let easier = form.field("challenge").replacen(".4.", ".0.", 1);
    assert!(is_challenge(&send(&mut visitor, form.set("challenge", &easier)).await));
    let (mut visitor, form) = fresh().await;
    server.clock.advance(60);
    assert!(is_challenge(&send(&mut visitor, form).await));
}

#[tokio::test]
async fn without_javascript_waiting_does_twice_and_then_once_a_minute() {
    let server = asking(TestDatabase::sqlite().await).await;
    let mut visitor = Visitor::new(&server, DATACENTRE).await;
    let page = visitor.browser.get("/login").await;
    assert!(page.body.contains("<noscript>") && page.body.contains("wait 30 seconds"), "{page:#?}");
    let mut forms = Vec::new();
    for _ in 0..4 {
        forms.push(visitor.browser.get("/login").await.form());
    }
    assert!(is_challenge(&send(&mut visitor, forms[0].clone()).await), "too soon");
    server.clock.advance(30);
    for form in &forms[..2] {
        assert!(is_in(&send(&mut visitor, form.clone()).await));
        visitor.browser.cookies.retain(|name, _| name == "__Host-browser");
    }
    assert!(is_challenge(&send(&mut visitor, forms[0].clone()).await), "waited for once, used once");
    assert!(is_challenge(&send(&mut visitor, forms[2].clone()).await), "waiting at many at once gains nothing");
    server.clock.advance(600);
    assert!(is_challenge(&send(&mut visitor, forms[3].clone()).await), "too late");
}

#[tokio::test]
async fn a_form_that_was_open_for_long_gets_a_new_challenge() {
    let server = asking(TestDatabase::sqlite().await).await;
    let mut visitor = Visitor::new(&server, DATACENTRE).await;
    server.clock.advance(300);
    let renewed = visitor.browser.get("/challenge/login").await;
    assert_eq!(renewed.header("cache-control"), Some("no-store"));
    let challenge = renewed.json()["challenge"].as_str().unwrap().to_owned();
    let form = visitor.form.clone().set("challenge", &challenge).set("solution", &solve(&challenge));
    assert!(is_in(&send(&mut visitor, form).await));
    let other = visitor.browser.get("/challenge/register").await.json()["challenge"].as_str().unwrap().to_owned();
    assert!(other.contains(".register."));
    assert_eq!(visitor.browser.get("/challenge/other").await.status, 404);
}

#[tokio::test]
async fn nobody_is_asked_for_work_in_peace() {
    let server = limited(TestDatabase::sqlite().await).await;
    let page = server.browser().at("192.0.2.1").get("/login").await;
    assert!(!page.body.contains("name=\"challenge\""), "{page:#?}");
}
