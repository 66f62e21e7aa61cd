//! Passkeys, with an authenticator that Chromium has in itself.

use serde_json::json;

use super::accessibility::look_at_all;
use super::driver::Browser;
use super::scene::{NAME, Scene, log_in, reachable};
use crate::support::server::TestServer;

/// On the page that names it, with a passkey just made.
async fn set_up(browser: &Browser, server: &TestServer) {
    browser.goto(&format!("{}/account/security/passkeys", server.issuer())).await;
    browser.click("#create-passkey").await;
    browser.find("#name-form").await;
}

async fn log_out(browser: &Browser, server: &TestServer) {
    browser.goto(&format!("{}/logout", server.issuer())).await;
    browser.click("#logout-form #log-out").await;
    browser.find("#log-in-again").await;
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_person_sets_up_a_passkey_logs_in_with_it_by_the_button_and_removes_it() {
    let server = reachable().await;
    server.person(NAME).await;
    let browser = Browser::start().await;
    browser.add_authenticator(json!({})).await;
    let account = format!("{}/account", server.issuer());
    browser.goto(&account).await;
    log_in(&browser).await;
    browser.click("#security").await;
    browser.click("#add-passkey").await;
    look_at_all(&browser, "a new passkey").await;
    browser.click("#create-passkey").await;
    browser.find("#name-form").await;
    look_at_all(&browser, "its name").await;
    browser.fill("#name", "Test device").await;
    browser.click("#save").await;
    browser.find("#passkey-1").await;
    assert!(browser.text().await.contains("Test device"));
    look_at_all(&browser, "security with a passkey").await;
    browser.assert_content("setting up a passkey").await;

    // The same device is not asked twice.
    browser.click("#add-passkey").await;
    browser.click("#create-passkey").await;
    browser.find("#passkey-problem:not([hidden])").await;
    assert!(browser.text().await.contains("This device has a passkey for this site already"));
    look_at_all(&browser, "a passkey that is there already").await;

    log_out(&browser, &server).await;
    // The suggestion waits for nobody in this test.
    browser.stop_suggestions(&account).await;
    browser.find("#use-passkey").await;
    look_at_all(&browser, "login with passkeys").await;
    browser.click("#use-passkey").await;
    assert_eq!(browser.find("#sign-in-name").await.text().await.unwrap(), NAME);
    browser.assert_content("login with a passkey").await;

    browser.goto(&format!("{account}/security")).await;
    browser.click("button[aria-describedby='passkey-1']").await;
    browser.find("#add-passkey").await;
    assert!(!browser.has("#passkey-1").await);
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn the_browser_suggests_a_passkey_where_the_name_is_typed() {
    let scene = Scene::set().await;
    let browser = &scene.browser;
    browser.add_authenticator(json!({})).await;
    browser.goto(&format!("{}/account", scene.server.issuer())).await;
    scene.log_in().await;
    browser.find("#sign-in-name").await;
    set_up(browser, &scene.server).await;
    log_out(browser, &scene.server).await;
    // Chromium's own authenticator takes the suggestion by itself.
    scene.begin(&[]).await;
    browser.click("#allow").await;
    assert!(scene.arrived().await.get("code").is_some());
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_passkey_that_is_not_given_leaves_the_other_ways_open() {
    let server = reachable().await;
    server.person(NAME).await;
    let browser = Browser::start().await;
    browser.add_authenticator(json!({ "isUserVerified": false })).await;
    let account = format!("{}/account", server.issuer());
    browser.stop_suggestions(&account).await;
    browser.click("#use-passkey").await;
    browser.find("#passkey-problem:not([hidden])").await;
    look_at_all(&browser, "login without a passkey").await;
    log_in(&browser).await;
    browser.find("#sign-in-name").await;
    browser.assert_content("another way").await;
}
