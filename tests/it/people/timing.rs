//! Nothing in the time of an answer tells whether somebody has an account.

use std::time::Instant;

use super::open_with;
use crate::support::browser::{Browser, Form};
use crate::support::database::TestDatabase;
use crate::support::server::{PASSWORD, TestServer};

const TRIES: usize = 200;

async fn server() -> TestServer {
    let server = open_with(TestDatabase::sqlite().await, |config| {
        config.password.memory_kib = 4_096;
        config.password.iterations = 2;
    })
    .await;
    let profile = serde_json::json!({"email": "anna@example.com", "email_verified": true});
    server.person_with("anna", &[], Some(profile)).await;
    server
}

/// Seconds for an account that exists and for one that doesn't, all taken in turn: of each the quarter of its tries that
/// nothing disturbed.
async fn typical_times(browser: &mut Browser, path: &str, forms: [Form; 2]) -> [f64; 2] {
    let mut times = [Vec::new(), Vec::new()];
    for number in 0..TRIES {
        // Neither is always the first.
        for which in [number % 2, 1 - number % 2] {
            let begun = Instant::now();
            let answer = browser.post(path, &forms[which].fields).await;
            times[which].push(begun.elapsed());
            assert_eq!(answer.status, http::StatusCode::SEE_OTHER);
        }
    }
    times.map(|mut times| {
        times.sort();
        times[TRIES / 4].as_secs_f64()
    })
}

/// A difference of the server's is there every time; one of the machine's comes and goes.
async fn assert_equal_times(browser: &mut Browser, path: &str, forms: [Form; 2]) {
    let mut ratios = Vec::new();
    for _ in 0..8 {
        let [existing, missing] = typical_times(browser, path, forms.clone()).await;
        ratios.push(existing / missing);
        if (0.95..1.05).contains(&(existing / missing)) {
            return;
        }
    }
    panic!("{path}: {ratios:?}");
}

#[tokio::test]
async fn e1_registration_takes_the_same_time_for_an_address_that_has_an_account() {
    let server = server().await;
    let mut browser = server.browser();
    let form = browser.visit("/register").await.form().set("password", PASSWORD).set("password_again", PASSWORD);
    let forms = ["anna@example.com", "otto@example.com"].map(|address| form.clone().set("email", address));
    assert_equal_times(&mut browser, "/register", forms).await;
}

#[tokio::test]
async fn e8_recovery_takes_the_same_time_for_nobody() {
    let server = server().await;
    let mut browser = server.browser();
    let form = browser.visit("/recover").await.form();
    let forms = ["anna@example.com", "otto@example.com"].map(|name| form.clone().set("username", name));
    assert_equal_times(&mut browser, "/recover", forms).await;
}
