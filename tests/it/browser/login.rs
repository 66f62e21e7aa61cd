//! Logging in to a client on another origin, as browsers do it.

use http::Method;

use super::accessibility::{assert_accessible, look_at_all};
use super::driver::Browser;
use super::scene::{NAME, Scene};
use crate::support::flow::redeem;
use crate::support::server::PASSWORD;

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_person_logs_in_consents_and_lands_at_the_client_on_another_origin() {
    let scene = Scene::set().await;
    scene.begin(&[("state", "s-1"), ("nonce", "n-1")]).await;
    scene.browser.find("#login-form").await;
    assert!(scene.browser.text().await.contains("Photo Printer"));
    look_at_all(&scene.browser, "login").await;
    scene.log_in().await;
    scene.browser.find("#consent-form").await;
    look_at_all(&scene.browser, "consent").await;
    scene.browser.click("#scope-email").await;
    scene.browser.click("#allow").await;
    let arrival = scene.arrived().await;
    assert_eq!(arrival.method, Method::GET);
    assert_eq!(arrival.get("state"), Some("s-1"));
    assert_eq!(arrival.get("iss"), Some(scene.server.issuer()));
    let tokens = redeem(&scene.server, &scene.client, arrival.get("code").unwrap()).await.json();
    assert_eq!(tokens["scope"], "openid profile", "what was unticked is not given");
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_second_visit_is_silent() {
    let scene = Scene::set().await;
    scene.arrive().await;
    for prompt in [&[][..], &[("prompt", "none")]] {
        scene.begin(prompt).await;
        assert!(scene.arrived().await.get("code").is_some(), "{prompt:?}");
    }
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_person_says_no_and_the_client_is_told() {
    let scene = Scene::set().await;
    scene.begin(&[("state", "s-2")]).await;
    scene.log_in().await;
    scene.browser.click("#deny").await;
    let arrival = scene.arrived().await;
    assert_eq!(arrival.get("error"), Some("access_denied"));
    assert_eq!(arrival.get("state"), Some("s-2"));
    assert_eq!(arrival.get("iss"), Some(scene.server.issuer()));
    assert_eq!(arrival.get("code"), None);
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn prompt_login_asks_for_the_password_again() {
    let scene = Scene::set().await;
    scene.arrive().await;
    scene.begin(&[("prompt", "login")]).await;
    assert_eq!(scene.browser.run("return document.getElementById('username').value").await, NAME);
    look_at_all(&scene.browser, "login once more").await;
    scene.browser.fill("#password", PASSWORD).await;
    scene.browser.click("#log-in").await;
    assert!(scene.arrived().await.get("code").is_some());
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_person_chooses_the_account_to_go_on_with() {
    let scene = Scene::set().await;
    scene.arrive().await;
    scene.begin(&[("prompt", "select_account")]).await;
    scene.browser.find("#select-form").await;
    look_at_all(&scene.browser, "account selection").await;
    scene.browser.click("#continue").await;
    assert!(scene.arrived().await.get("code").is_some());
    scene.begin(&[("prompt", "select_account")]).await;
    scene.browser.click("#another").await;
    scene.browser.find("#login-form").await;
    assert_eq!(scene.browser.run("return document.getElementById('username').value").await, "", "another name is wanted");
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn whoever_is_not_themselves_on_the_consent_page_logs_in_as_somebody_else() {
    let scene = Scene::set().await;
    scene.begin(&[]).await;
    scene.log_in().await;
    scene.browser.click("#another").await;
    scene.browser.find("#login-form").await;
    assert_eq!(scene.browser.run("return document.getElementById('username').value").await, "", "another name is wanted");
    assert!(scene.party.arrival().is_none());
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_redirect_uri_that_is_not_registered_ends_on_an_error_page() {
    let scene = Scene::set().await;
    let elsewhere = scene.party.redirect_uri.replace("/callback", "/elsewhere");
    let answered = scene.request(&[("redirect_uri", &elsewhere), ("state", "s-3")]);
    scene.browser.goto(&answered).await;
    scene.browser.find("#trace-id").await;
    assert!(scene.browser.url().await.starts_with(scene.server.issuer()));
    assert!(scene.browser.text().await.contains("can’t be trusted with a login"));
    // The browser reports the status of the page itself as a failed resource.
    let complaints = scene.browser.complaints().await;
    assert!(complaints.iter().all(|complaint| complaint.contains("status of 400")), "{complaints:#?}");
    look_at_all(&scene.browser, "error").await;
    assert!(scene.party.arrival().is_none(), "the client hears nothing");
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn form_post_brings_every_character_to_the_client() {
    let scene = Scene::set().await;
    let state = "\"></form></script><img src=x onerror=alert(1)>\u{2028}&amp;'+ %2B 🚪";
    scene.begin(&[("response_mode", "form_post"), ("state", state)]).await;
    scene.log_in().await;
    scene.browser.click("#allow").await;
    let arrival = scene.arrived().await;
    assert_eq!(arrival.method, Method::POST);
    assert_eq!(arrival.get("state"), Some(state));
    assert!(arrival.get("code").is_some());
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn everything_works_without_javascript() {
    let scene = Scene::set().await;
    let off = serde_json::json!({ "value": true });
    scene.browser.devtools("Emulation.setScriptExecutionDisabled", off).await;
    scene.begin(&[("response_mode", "form_post")]).await;
    assert!(!scene.browser.is_visible("[data-reveals]").await, "a button that could do nothing is not shown");
    scene.log_in().await;
    scene.browser.click("#allow").await;
    scene.browser.click("#response button").await;
    assert_eq!(scene.arrived().await.method, Method::POST);
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_wrong_password_is_refused_and_the_name_is_kept() {
    let scene = Scene::set().await;
    scene.begin(&[]).await;
    let mut answers = Vec::new();
    for (name, password) in [(NAME, "not the password"), ("nobody", "not the password")] {
        scene.browser.fill("#username", name).await;
        scene.browser.fill("#password", password).await;
        // The second try is sent when the work is done that goes with it: until then the page is the old one.
        scene.browser.run("document.body.id = 'former'").await;
        scene.browser.click("#log-in").await;
        scene.browser.find("body:not(#former)").await;
        answers.push(scene.browser.find("#problem").await.text().await.unwrap());
        assert_eq!(scene.browser.run("return document.getElementById('username').value").await, name);
        assert_eq!(scene.browser.run("return document.getElementById('password').value").await, "");
    }
    assert_eq!(answers[0], answers[1], "an unknown name can't be told from a wrong password");
    assert_accessible(&scene.browser, "login refused").await;
    scene.log_in().await;
    scene.browser.find("#consent-form").await;
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_login_that_is_carried_to_another_browser_goes_no_further() {
    let scene = Scene::set().await;
    scene.begin(&[]).await;
    scene.browser.find("#login-form").await;
    let link = scene.browser.url().await;
    let other = Browser::start().await;
    other.goto(&link).await;
    other.find("#trace-id").await;
    assert!(!other.has("form").await);
    assert!(other.text().await.contains("another browser"));
}
