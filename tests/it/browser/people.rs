//! Registering, and coming back without the password.

use ostiary::config::RegistrationMode;

use super::accessibility::look_at_all;
use super::driver::Browser;
use super::scene::reachable_with;
use crate::people::code_in;
use crate::support::server::{PASSWORD, TestServer};

const ADDRESS: &str = "anna@example.org";

async fn code(server: &TestServer) -> String {
    server.mails().await.iter().find_map(code_in).expect("a code was mailed")
}

async fn choose(browser: &Browser, password: &str) {
    browser.fill("#password", password).await;
    browser.fill("#password-again", password).await;
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_person_registers_with_a_code_and_is_logged_in() {
    let server = reachable_with(|config| config.registration.mode = RegistrationMode::Open).await;
    let browser = Browser::start().await;
    browser.goto(&format!("{}/login", server.issuer())).await;
    browser.click("#to-register").await;
    browser.find("#register-form").await;
    look_at_all(&browser, "registration").await;
    browser.fill("#email", ADDRESS).await;
    choose(&browser, "passwordpassword").await;
    browser.click("#register").await;
    browser.find("#strength-meter").await;
    look_at_all(&browser, "registration refused").await;
    // A status of 422 is one.
    browser.complaints().await;
    choose(&browser, PASSWORD).await;
    browser.click("#register").await;
    browser.find("#code-form").await;
    assert!(browser.text().await.contains(ADDRESS));
    look_at_all(&browser, "code").await;
    browser.fill("#code", &code(&server).await).await;
    browser.click("#confirm").await;
    assert_eq!(browser.find("#sign-in-name").await.text().await.unwrap(), ADDRESS);
    look_at_all(&browser, "account").await;
    browser.assert_content("account").await;
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_person_comes_back_without_the_password_and_without_javascript() {
    let server = reachable_with(|_| {}).await;
    let profile = serde_json::json!({"email": ADDRESS, "email_verified": true});
    server.person_with("anna", &[], Some(profile)).await;
    let browser = Browser::start().await;
    browser.devtools("Emulation.setScriptExecutionDisabled", serde_json::json!({ "value": true })).await;
    browser.goto(&format!("{}/login", server.issuer())).await;
    browser.click("#to-recover").await;
    browser.fill("#username", ADDRESS).await;
    browser.click("#recover").await;
    browser.find("#code-form").await;
    browser.fill("#code", &code(&server).await).await;
    browser.click("#confirm").await;
    choose(&browser, "seven quiet lamps above the harbour").await;
    browser.click("#save").await;
    browser.fill("#username", ADDRESS).await;
    browser.fill("#password", "seven quiet lamps above the harbour").await;
    browser.click("#log-in").await;
    assert_eq!(browser.find("#sign-in-name").await.text().await.unwrap(), "anna");
    browser.click("#change-password").await;
    browser.find("#password-form").await;
    browser.assert_content("change the password").await;
}
