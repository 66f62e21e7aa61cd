//! How often somebody may say to have forgotten a password: E11.

use http::StatusCode;
use ostiary::guard::limit::Action;

use super::recovery::{choose, person};
use super::{NEW_PASSWORD, code, enter, recover};
use crate::guard::attack::{limited, solve};
use crate::support::database::TestDatabase;
use crate::support::holding::Holding;
use crate::support::server::TestServer;

#[tokio::test]
async fn an_address_that_asks_often_proves_work_or_waits() {
    let server = limited(TestDatabase::sqlite().await).await;
    let mut browser = server.browser().at("192.0.2.1");
    for number in 0..5 {
        let answer = recover(&mut browser, &format!("name{number}")).await;
        assert!(answer.url.starts_with("/recover/code"), "{number}");
    }
    let page = browser.visit("/recover").await;
    assert!(page.body.contains("name=\"challenge\""), "the page begins with it at once");
    let asked = browser.submit(&page.form().set("username", "anna")).await;
    assert_eq!(asked.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(asked.body.contains("<noscript>"));
    let solution = solve(asked.form().field("challenge"));
    let answer = browser.submit(&asked.form().set("solution", &solution)).await;
    assert!(answer.url.starts_with("/recover/code"), "{answer:#?}");
    let again = browser.submit(&asked.form().set("solution", &solution)).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY, "once");
    server.clock.advance(30);
    assert!(browser.submit(&again.form()).await.url.starts_with("/recover/code"), "or waits");
    // What was asked for at the login page or for a registration is good for that alone.
    let other = server.state.guard.challenge(Action::Login, "192.0.2.1".parse().unwrap(), server.clock.now());
    let form = asked.form().set("challenge", &other).set("solution", &solve(&other));
    assert_eq!(browser.submit(&form).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    let mut last = None;
    for _ in 0..20 {
        last = Some(browser.submit(&asked.form()).await.status);
    }
    assert_eq!(last, Some(StatusCode::TOO_MANY_REQUESTS));
    assert!(
        recover(&mut server.browser().at("192.0.2.2"), "anna").await.url.starts_with("/recover/code"),
        "others are not concerned"
    );
}

/// One code opens the way for one password, and a hash is what costs.
#[tokio::test]
async fn of_many_new_passwords_at_once_few_are_hashed() {
    let server = limited(TestDatabase::sqlite().await).await;
    person(&server, "anna", "anna@example.com").await;
    let mut browser = server.browser();
    let page = recover(&mut browser, "anna").await;
    let page = enter(&mut browser, &page, &code(&server).await).await;
    for _ in 0..10 {
        assert!(!choose(&mut browser, &page, "short").await.body.contains("too-many"), "what is not hashed is not counted");
    }
    // Nobody's password is set before all have tried.
    let holding = Holding::start(&server.state.db, "held", Ok(())).await;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let (mut browser, form) =
            (browser.clone(), page.form().set("password", NEW_PASSWORD).set("password_again", NEW_PASSWORD));
        tasks.spawn(async move { browser.post("/recover/password", &form.fields).await.status });
    }
    for _ in 0..25 {
        assert_eq!(tasks.join_next().await.unwrap().unwrap(), StatusCode::TOO_MANY_REQUESTS);
    }
    holding.finish().await.unwrap();
    let mut hashed = tasks.join_all().await;
    hashed.sort_unstable();
    assert_eq!(hashed[0], StatusCode::SEE_OTHER);
    assert_eq!(hashed[1..], [StatusCode::BAD_REQUEST; 4]);
}

#[tokio::test]
async fn e11_a_thousand_resets_are_three_mails() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    person(&server, "anna", "anna@example.com").await;
    let mut browser = server.browser();
    let form = browser.visit("/recover").await.form();
    let mut answers = std::collections::BTreeSet::new();
    for number in 0..1_000 {
        let name = if number % 2 == 0 { "anna" } else { "ANNA@example.com" };
        let answer = browser.post("/recover", &form.clone().set("username", name).fields).await;
        answers.insert((answer.status, answer.location().split('=').next().unwrap().to_owned()));
    }
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(server.mails().await.len(), 3);
}
