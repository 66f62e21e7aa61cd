//! Setting up an authenticator app, logging in with it, and losing it.

use ostiary::authn::totp::Secret;

use super::accessibility::look_at_all;
use super::driver::Browser;
use super::scene::{NAME, Scene, log_in, reachable};
use crate::support::factors::code_of;

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_person_sets_up_an_app_logs_in_with_it_and_with_a_recovery_code() {
    let server = reachable().await;
    server.person(NAME).await;
    let browser = Browser::start().await;
    let account = format!("{}/account", server.issuer());
    browser.goto(&account).await;
    log_in(&browser).await;
    browser.click("#security").await;
    look_at_all(&browser, "security").await;
    browser.click("#add-totp").await;
    look_at_all(&browser, "enrolment").await;
    browser.click(".steps summary").await;
    look_at_all(&browser, "enrolment, as text").await;
    let base32 = browser.find("#totp-secret").await.text().await.unwrap().replace(' ', "");
    let secret = Secret::from_bytes(&data_encoding::BASE32_NOPAD.decode(base32.as_bytes()).unwrap()).unwrap();
    browser.fill("#code", "123456").await;
    browser.click("#enrol").await;
    browser.find("#problem").await;
    look_at_all(&browser, "enrolment refused").await;
    // The browser reports the status of the refusal.
    browser.complaints().await;
    browser.fill("#code", &code_of(&server, &secret, 0)).await;
    browser.click("#enrol").await;
    let codes = browser.find("#recovery-codes").await.text().await.unwrap();
    let codes: Vec<&str> = codes.split_whitespace().collect();
    assert_eq!(codes.len(), 10, "{codes:?}");
    look_at_all(&browser, "recovery codes").await;
    browser.assert_content("recovery codes").await;
    assert!(browser.is_visible("#print").await);
    browser.click("#continue").await;
    browser.find("#codes-left").await;

    // In another browser the code is asked for; a recovery code stands in.
    let other = Browser::start().await;
    other.goto(&account).await;
    log_in(&other).await;
    other.find("#factor-form").await;
    look_at_all(&other, "second factor").await;
    other.fill("#code", "123456").await;
    other.click("#check-code").await;
    other.find("#problem").await;
    look_at_all(&other, "second factor refused").await;
    other.complaints().await;
    other.fill("#code", &code_of(&server, &secret, 30)).await;
    other.click("#check-code").await;
    other.find("#sign-in-name").await;
    other.assert_content("second factor").await;
    let third = Browser::start().await;
    third.goto(&account).await;
    log_in(&third).await;
    third.click("#use-recovery-code").await;
    look_at_all(&third, "recovery code").await;
    third.fill("#recovery-code", &codes[7].to_lowercase().replace('-', " ")).await;
    third.click("#check-recovery-code").await;
    third.find("#sign-in-name").await;

    // What is sensitive asks again after five minutes.
    server.clock.advance(301);
    third.goto(&format!("{account}/security")).await;
    third.click("#new-codes").await;
    third.find("#password-form").await;
    look_at_all(&third, "re-authentication").await;
    third.fill("#password", crate::support::server::PASSWORD).await;
    third.click("#confirm-password").await;
    third.click("#remove-totp").await;
    third.find("#add-totp").await;
    third.assert_content("removal").await;
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn an_application_that_asks_for_two_factors_gets_them_on_the_way() {
    let scene = Scene::set().await;
    let browser = &scene.browser;
    let essential = r#"{"id_token":{"acr":{"essential":true,"values":["2"]}}}"#;
    scene.begin(&[("claims", essential)]).await;
    scene.log_in().await;
    browser.click(".steps summary").await;
    look_at_all(browser, "enrolment on the way").await;
    let base32 = browser.find("#totp-secret").await.text().await.unwrap().replace(' ', "");
    let secret = Secret::from_bytes(&data_encoding::BASE32_NOPAD.decode(base32.as_bytes()).unwrap()).unwrap();
    browser.fill("#code", &code_of(&scene.server, &secret, 0)).await;
    browser.click("#enrol").await;
    browser.click("#continue").await;
    browser.click("#allow").await;
    scene.arrived().await;
    // And the next time it is a step of the login.
    browser.goto(&format!("{}/logout", scene.server.issuer())).await;
    browser.click("#log-out").await;
    browser.find("#log-in-again").await;
    scene.begin(&[("claims", essential)]).await;
    scene.log_in().await;
    browser.fill("#code", &code_of(&scene.server, &secret, 30)).await;
    browser.click("#check-code").await;
    scene.arrived().await;
}
