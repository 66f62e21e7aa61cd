//! The pages of `ostiary dev`, which are the first that a newcomer sees, checked like all the others.

use super::accessibility::look_at_all;
use super::driver::Browser;
use crate::cli::dev::process::Dev;

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn every_page_of_the_demonstration_is_accessible() {
    let dev = Dev::start();
    let (start, password) = (dev.url("demonstration"), dev.password_of("alice"));
    let browser = Browser::start().await;
    browser.goto(&start).await;
    look_at_all(&browser, "welcome").await;

    browser.click("#log-in").await;
    browser.fill("#username", "alice").await;
    browser.fill("#password", &password).await;
    browser.click("#log-in").await;
    browser.click("#allow").await;
    browser.find("#id-token").await;
    look_at_all(&browser, "tokens").await;
    for call in ["userinfo", "introspect", "refresh", "client-credentials"] {
        browser.click(&format!("#call-{call}")).await;
        browser.find("#latest pre.answer").await;
        look_at_all(&browser, call).await;
    }
    browser.run("document.querySelectorAll('details').forEach((details) => { details.open = true })").await;
    look_at_all(&browser, "tokens, unfolded").await;

    browser.click("#log-out").await;
    browser.find("#provider-logout").await;
    look_at_all(&browser, "logged out").await;
    browser.assert_content("the demonstration").await;

    browser.goto(&format!("{start}/callback?state=guessed")).await;
    browser.find("#problem").await;
    look_at_all(&browser, "problem").await;
}
