//! The second step of a login: behaviours 1.14 F1, F2, F3, F5, and 1.11 S8.

use http::StatusCode;
use ostiary::protocol::time::Seconds;
use ostiary::storage::recovery_codes;
use tokio::task::JoinSet;

use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, enter_code, enter_recovery_code, give_app, give_recovery_codes, half_way};
use crate::support::flow::{AuthorizationUrl, authorize, claims, log_in, redeem, text};
use crate::support::server::{Persona, TestServer};

/// A server that counts how often something is tried.
async fn limited() -> TestServer {
    TestServer::start_with(TestDatabase::sqlite().await, |config| config.limits.enabled = true).await
}

fn is_in(answer: &Answer) -> bool {
    answer.status == StatusCode::OK && answer.url == "/account"
}

on_both! {
    async fn a_login_with_a_code_is_two_factors_and_the_tokens_say_so(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        let plain = authorize(&mut server.browser(), &AuthorizationUrl::new(&client), "anna").await;
        let tokens = redeem(&server, &client, &plain["code"]).await.json();
        let before = claims(&text(&tokens, "id_token"));
        assert_eq!((&before["acr"], &before["amr"]), (&"1".into(), &serde_json::json!(["pwd"])));

        let secret = give_app(&server, &anna).await;
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        let page = log_in(&mut browser, &page, "anna").await;
        let answer = enter_code(&mut browser, &page, &code_of(&server, &secret, 0)).await;
        let tokens = redeem(&server, &client, &answer.redirect_params()["code"]).await.json();
        for token in ["id_token", "access_token"] {
            let claims = claims(&text(&tokens, token));
            assert_eq!(claims["acr"], "2", "{token}");
            assert_eq!(claims["amr"], serde_json::json!(["pwd", "otp", "mfa"]), "{token}");
            assert_eq!(claims["auth_time"], server.clock.now().as_seconds());
        }
        let silent = AuthorizationUrl::new(&client).with("prompt", "none");
        assert!(browser.get(&silent.path()).await.redirect_params().contains_key("code"), "not asked again");
    }

    /// F1: fifty browsers have come as far as the second factor; all send the one code that the app shows.
    async fn of_many_logins_with_one_code_one_succeeds(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let secret = give_app(&server, &anna).await;
        let code = code_of(&server, &secret, 0);
        assert_eq!(in_parallel(&server, "factor-form", &code).await, 1);
        // Nor later, nor the one before.
        for older in [0, -30] {
            let (mut browser, page) = half_way(&server, "anna").await;
            let replayed = enter_code(&mut browser, &page, &code_of(&server, &secret, older)).await;
            assert_eq!(replayed.status, StatusCode::UNPROCESSABLE_ENTITY);
        }
        let (mut browser, page) = half_way(&server, "anna").await;
        assert!(is_in(&enter_code(&mut browser, &page, &code_of(&server, &secret, 30)).await));
    }

    /// F5.
    async fn of_many_logins_with_one_recovery_code_one_succeeds(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        give_app(&server, &anna).await;
        let codes = give_recovery_codes(&server, &anna).await;
        assert_eq!(in_parallel(&server, "recovery-form", &codes[3]).await, 1);
        let (mut browser, page) = half_way(&server, "anna").await;
        assert_eq!(enter_recovery_code(&mut browser, &page, &codes[3]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        let typed = codes[4].replace('-', " ").to_lowercase();
        assert!(is_in(&enter_recovery_code(&mut browser, &page, &typed).await));
        assert_eq!(recovery_codes::left(&mut server.state.db.read().await.unwrap(), &anna.id).await.unwrap(), 8);
    }
}

/// How many of fifty logins get in that send `code` at once.
async fn in_parallel(server: &TestServer, form: &'static str, code: &str) -> usize {
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let (browser, page) = half_way(server, "anna").await;
        waiting.push((browser, page.form_of(form).set("code", code)));
    }
    let mut logins = JoinSet::new();
    for (mut browser, form) in waiting {
        logins.spawn(async move { browser.submit(&form).await });
    }
    let answers = logins.join_all().await;
    for answer in answers.iter().filter(|answer| !is_in(answer)) {
        assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY, "{answer:#?}");
    }
    answers.iter().filter(|answer| is_in(answer)).count()
}

/// F2: by the server's clock, whatever the request says.
#[tokio::test]
async fn a_code_counts_one_step_before_and_after_its_own() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    for (name, shift, counts) in [("a", -60, false), ("b", -30, true), ("c", 0, true), ("d", 30, true), ("e", 60, false)] {
        let person = server.person(name).await;
        let secret = give_app(&server, &person).await;
        let (mut browser, page) = half_way(&server, name).await;
        let form = page.form_of("factor-form").set("code", &code_of(&server, &secret, shift));
        let answer = browser.submit(&form.and("time", &server.clock.now().as_seconds().to_string())).await;
        assert_eq!(is_in(&answer), counts, "{shift}");
    }
}

/// F3: the login ends, the password does not.
#[tokio::test]
async fn five_wrong_codes_end_the_login_and_lock_no_password() {
    let server = limited().await;
    let anna = server.person("anna").await;
    let secret = give_app(&server, &anna).await;
    let wrong = code_of(&server, &secret, 600);
    let (mut browser, page) = half_way(&server, "anna").await;
    for _ in 0..5 {
        assert_eq!(enter_code(&mut browser, &page, &wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    // The sixth isn't looked at, right as it is.
    let over = enter_code(&mut browser, &page, &code_of(&server, &secret, 0)).await;
    assert_eq!(over.status, StatusCode::TOO_MANY_REQUESTS);
    assert!(!browser.cookies.contains_key("__Host-sid"));
    let reasons: Vec<_> = server.audit().await.into_iter().filter(|event| event.kind == "user.second_factor").collect();
    assert!(reasons.iter().any(|event| event.reason.as_deref() == Some("too_many_codes")), "{reasons:?}");
    // It is the login page again.
    let page = browser.submit(&over.form().set("password", crate::support::server::PASSWORD)).await;
    assert!(is_in(&enter_code(&mut browser, &page, &code_of(&server, &secret, 0)).await));
}

/// F3: a new login is no new hour of guessing.
#[tokio::test]
async fn guesses_are_counted_for_the_account_over_all_logins() {
    let server = limited().await;
    let anna = server.person("anna").await;
    let secret = give_app(&server, &anna).await;
    let wrong = code_of(&server, &secret, 600);
    for login in 0..3 {
        let (mut browser, page) = half_way(&server, "anna").await;
        for guess in 0..5 {
            let status = enter_code(&mut browser, &page, &wrong).await.status;
            let expected = if login < 2 { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::TOO_MANY_REQUESTS };
            assert_eq!(status, expected, "{login} {guess}");
        }
    }
    server.clock.advance(3_600);
    let (mut browser, page) = half_way(&server, "anna").await;
    assert!(is_in(&enter_code(&mut browser, &page, &code_of(&server, &secret, 0)).await));
}

/// S8.
#[tokio::test]
async fn the_first_factor_alone_opens_nothing() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person_with("anna", &["admin"], None).await;
    give_app(&server, &anna).await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let (mut browser, page) = half_way(&server, "anna").await;
    assert!(!browser.cookies.contains_key("__Host-sid"), "no session");
    let (mut conn, now) = (server.state.db.read().await.unwrap(), server.clock.now());
    assert_eq!(ostiary::storage::sessions::count(&mut conn, now, Seconds(600)).await.unwrap(), 0);
    drop(conn);
    for path in ["/account", "/account/security", "/account/security/totp", "/account/reauthenticate", "/admin"] {
        assert_eq!(browser.get(path).await.location(), "/login", "{path}");
    }
    let url = AuthorizationUrl::new(&client);
    assert!(browser.visit(&url.path()).await.url.starts_with("/login?"));
    assert_eq!(browser.get(&url.with("prompt", "none").path()).await.redirect_params()["error"], "login_required");
    for path in ["/api/v1/users/me", "/api/v1/admin/users"] {
        assert_eq!(browser.get(path).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    // Nor does the sealed login in another browser, later, or after the password was changed.
    let mut other = server.browser();
    other.visit("/login").await;
    assert_eq!(other.get(&page.url).await.location(), "/login");
    let password = ostiary::authn::password::Password::parse("another one altogether").unwrap();
    let new_hash = server.state.passwords.hash(&password).await.unwrap();
    server.state.db.write(async |tx| ostiary::storage::users::set_password(tx, &anna.id, &new_hash, now).await).await.unwrap();
    assert_eq!(browser.get(&page.url).await.location(), "/login");
}

#[tokio::test]
async fn a_login_waits_ten_minutes_for_its_second_factor() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let secret = give_app(&server, &anna).await;
    let (mut browser, page) = half_way(&server, "anna").await;
    server.clock.advance(599);
    assert_eq!(browser.get(&page.url).await.status, StatusCode::OK);
    server.clock.advance(1);
    let late = enter_code(&mut browser, &page, &code_of(&server, &secret, 0)).await;
    assert_eq!(late.url, "/login");
    assert!(!browser.cookies.contains_key("__Host-sid"));
}

#[tokio::test]
async fn a_code_from_another_site_counts_for_nothing() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let secret = give_app(&server, &anna).await;
    let (mut browser, page) = half_way(&server, "anna").await;
    let form = page.form_of("factor-form").set("code", &code_of(&server, &secret, 0));
    assert_eq!(browser.submit(&form.clone().without("csrf")).await.status, StatusCode::FORBIDDEN);
    assert!(is_in(&browser.submit(&form).await), "and was not spent");
}
