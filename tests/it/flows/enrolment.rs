//! Setting up, replacing and removing second factors: behaviours 1.14 F4, F5, B8, and 1.11 S9, S13, S15.

use http::StatusCode;
use ostiary::authn::totp::Secret;
use ostiary::protocol::authentication::Acr;

use crate::support::browser::{Answer, Browser};
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, enter_code, enter_recovery_code, give_app, half_way};
use crate::support::flow::log_in;
use crate::support::server::{PASSWORD, TestServer};

/// Logged in with a password.
async fn browser_of(server: &TestServer, name: &str) -> Browser {
    let mut browser = server.browser();
    let page = browser.visit("/login").await;
    let page = log_in(&mut browser, &page, name).await;
    assert_eq!(page.url, "/account");
    browser
}

/// The secret that the page shows.
fn shown(page: &Answer) -> Secret {
    let base32 = page.texts("#totp-secret").concat().replace(' ', "");
    Secret::from_bytes(&data_encoding::BASE32_NOPAD.decode(base32.as_bytes()).unwrap()).unwrap()
}

on_both! {
    async fn a_person_sets_up_an_app_with_a_code_of_it_and_is_asked_for_one_from_then_on(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let mut elsewhere = browser_of(&server, "anna").await;
        let mut browser = browser_of(&server, "anna").await;
        let before = browser.cookies["__Host-sid"].clone();

        let page = browser.visit("/account/security/totp").await;
        let secret = shown(&page);
        assert!(page.body.contains("otpauth://totp/id.example:anna?secret="), "{page:#?}");
        let wrong = browser.submit(&page.form_of("enrolment-form").set("code", &code_of(&server, &secret, 600))).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(shown(&wrong).as_bytes(), secret.as_bytes(), "the app need not be set up once more");
        assert!(browser.visit("/account/security").await.body.contains("id=\"add-totp\""), "nothing is stored yet");

        let code = code_of(&server, &secret, 0);
        let form = wrong.form_of("enrolment-form").set("code", &code);
        let done = browser.submit(&form).await;
        let codes = done.texts("#recovery-codes code");
        assert_eq!(codes.len(), 10, "{done:#?}");
        assert_eq!(done.header("cache-control"), Some("no-store"));
        // S9: new id, old dead; and what was opened with less is closed.
        assert_ne!(browser.cookies["__Host-sid"], before);
        assert_eq!(elsewhere.get("/account").await.location(), "/login");
        assert_eq!(browser.get("/account").await.status, StatusCode::OK);
        // The form worked once.
        assert_eq!(browser.submit(&form).await.status, StatusCode::FORBIDDEN);
        // F4: the secret is never shown again.
        let security = browser.visit("/account/security").await;
        assert_eq!(security.texts("#codes-left"), ["You have 10 recovery codes left."]);
        assert!(!security.body.contains(secret.base32().as_str()));

        // The code that was shown is no login too; the next one is, and so is a recovery code.
        let (mut browser, page) = half_way(&server, "anna").await;
        assert_eq!(enter_code(&mut browser, &page, &code).await.status, StatusCode::UNPROCESSABLE_ENTITY);
        assert_eq!(enter_code(&mut browser, &page, &code_of(&server, &secret, 30)).await.url, "/account");
        let (mut browser, page) = half_way(&server, "anna").await;
        assert_eq!(enter_recovery_code(&mut browser, &page, &codes[0]).await.url, "/account");
        let events: Vec<String> = server.audit().await.into_iter().filter(|event| event.user_id.as_ref() == Some(&anna.id)).map(|event| event.kind).collect();
        assert!(events.contains(&"factor.added".to_owned()), "{events:?}");
    }
}

/// F4, S15.
#[tokio::test]
async fn nothing_is_set_up_or_removed_on_an_old_proof() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.limits.enabled = true).await;
    server.person("anna").await;
    let mut browser = browser_of(&server, "anna").await;
    let page = browser.visit("/account/security/totp").await;
    let form = page.form_of("enrolment-form").set("code", &code_of(&server, &shown(&page), 0));
    server.clock.advance(301);
    let code = code_of(&server, &shown(&page), 0);
    assert!(browser.submit(&form.set("code", &code)).await.url.starts_with("/account/reauthenticate?to=totp"));
    let again = browser.visit("/account/security/totp").await;
    assert!(again.url.starts_with("/account/reauthenticate?to=totp"));

    // A wrong password is counted before it is looked at: S5.
    let form = again.form_of("password-form");
    for _ in 0..5 {
        let wrong = browser.submit(&form.clone().set("password", "wrong password")).await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let right = form.set("password", PASSWORD);
    assert_eq!(browser.submit(&right).await.status, StatusCode::TOO_MANY_REQUESTS);
    server.clock.advance(600);
    let before = browser.cookies["__Host-sid"].clone();
    let proved = browser.submit(&right).await;
    assert_eq!((proved.status, proved.url.as_str()), (StatusCode::OK, "/account/security/totp"));
    assert_ne!(browser.cookies["__Host-sid"], before, "S9");
}

/// S13.
#[tokio::test]
async fn a_reauthentication_leads_to_places_of_a_fixed_list() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    for to in ["//evil", "/\\evil", "https:evil", "javascript:alert(1)", "%09//evil", "\t//evil", "/admin"] {
        let mut browser = browser_of(&server, "anna").await;
        let page = browser.get("/account/reauthenticate").await;
        let form = page.form_of("password-form").set("password", PASSWORD).set("to", to).set("flow", "x&to=//evil");
        assert_eq!(browser.post(&form.action, &form.fields).await.location(), "/account/security", "{to}");
    }
}

#[tokio::test]
async fn a_secret_is_set_up_in_the_session_that_it_was_shown_in() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    server.person("mallory").await;
    let mut mallory = browser_of(&server, "mallory").await;
    let theirs = mallory.visit("/account/security/totp").await;
    let mut anna = browser_of(&server, "anna").await;
    let page = anna.visit("/account/security/totp").await;
    let planted = page.form_of("enrolment-form").set("enrolment", theirs.form_of("enrolment-form").field("enrolment"));
    let refused = anna.submit(&planted.set("code", &code_of(&server, &shown(&theirs), 0))).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(anna.visit("/account/security").await.body.contains("id=\"add-totp\""));
}

#[tokio::test]
async fn an_app_is_replaced_and_removed_by_its_owner_and_its_codes_go_with_it() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let old = give_app(&server, &anna).await;
    let (mut browser, page) = half_way(&server, "anna").await;
    enter_code(&mut browser, &page, &code_of(&server, &old, 0)).await;
    let page = browser.visit("/account/security/totp").await;
    let new = shown(&page);
    let done = browser.submit(&page.form_of("enrolment-form").set("code", &code_of(&server, &new, 0))).await;
    let first = done.texts("#recovery-codes code");
    let (mut other, page) = half_way(&server, "anna").await;
    assert_eq!(enter_code(&mut other, &page, &code_of(&server, &old, 30)).await.status, StatusCode::UNPROCESSABLE_ENTITY);

    // New recovery codes kill the old: F5.
    let security = browser.visit("/account/security").await;
    let done = browser.submit(&security.form_with_button("new-codes")).await;
    let second = done.texts("#recovery-codes code");
    assert_eq!(second.len(), 10);
    assert_eq!(enter_recovery_code(&mut other, &page, &first[0]).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert_eq!(enter_recovery_code(&mut other, &page, &second[0]).await.url, "/account");

    let removed = browser.submit(&security.form_with_button("remove-totp")).await;
    assert!(removed.body.contains("id=\"add-totp\"") && !removed.body.contains("id=\"codes-left\""), "{removed:#?}");
    browser_of(&server, "anna").await;
}

/// B8.
#[tokio::test]
async fn a_factor_that_a_role_requires_is_not_removed() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.authentication.required_acr_by_role.insert("admin".to_owned(), Acr::Multi);
    })
    .await;
    let anna = server.person_with("anna", &["admin"], None).await;
    let secret = give_app(&server, &anna).await;
    let (mut browser, page) = half_way(&server, "anna").await;
    enter_code(&mut browser, &page, &code_of(&server, &secret, 0)).await;
    let page = browser.visit("/account/security").await;
    assert!(page.body.contains("id=\"totp-required\"") && !page.body.contains("id=\"remove-totp\""), "{page:#?}");
    let mut form = page.form_with_button("new-codes");
    form.action = "/account/security/totp/remove".to_owned();
    assert_eq!(browser.submit(&form).await.status, StatusCode::FORBIDDEN);
    assert_eq!(server.last_reason("factor.removed").await.as_deref(), Some("factor_required"));
    half_way(&server, "anna").await;
}
