//! The set-up link, the account page, and logging out.

use ostiary::pages::account::nav::Place;

use super::accessibility::look_at_all;
use super::driver::{Browser, Scheme};
use super::scene::{NAME, Scene, log_in, reachable};
use crate::support::setup::setup_link;

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn the_setup_link_makes_the_first_administrator_once() {
    let server = reachable().await;
    let link = setup_link(&server).await;
    let browser = Browser::start().await;
    browser.goto(&link).await;
    look_at_all(&browser, "set-up").await;
    browser.assert_content("set-up").await;

    browser.run("document.getElementById('setup-form').noValidate = true").await;
    browser.fill("#username", "root@example.org").await;
    browser.fill("#password", "short").await;
    browser.fill("#password-again", "short").await;
    browser.click("#create").await;
    browser.find("#password-problem").await;
    look_at_all(&browser, "set-up refused").await;

    browser.fill("#password", "a long enough password").await;
    browser.fill("#password-again", "a long enough password").await;
    browser.click("#create").await;
    browser.find("#interfaces").await;
    assert!(browser.url().await.ends_with("/admin"), "whoever chose the password is logged in");
    assert_eq!(browser.find("#users").await.text().await.unwrap(), "1");
    look_at_all(&browser, "administration").await;

    let other = Browser::start().await;
    other.goto(&link).await;
    other.find("#trace-id").await;
    assert!(other.text().await.contains("no longer works"));
    assert!(!other.has("form").await);
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn the_account_page_needs_a_login_and_the_administrators_a_role() {
    let server = reachable().await;
    server.person(NAME).await;
    let browser = Browser::start().await;
    browser.goto(server.issuer()).await;
    browser.find("#login-form").await;
    look_at_all(&browser, "login").await;
    log_in(&browser).await;
    assert_eq!(browser.find("#sign-in-name").await.text().await.unwrap(), NAME);
    assert!(!browser.has("#administration").await);
    look_at_all(&browser, "account").await;
    browser.assert_content("account").await;
    browser.goto(&format!("{}/admin", server.issuer())).await;
    browser.find("#trace-id").await;
    assert!(browser.text().await.contains("This page is not for you"));
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn logging_out_is_asked_done_and_said() {
    let server = reachable().await;
    server.person(NAME).await;
    let browser = Browser::start().await;
    let account = format!("{}/account", server.issuer());
    browser.goto(&account).await;
    log_in(&browser).await;
    browser.find("#sign-in-name").await;
    browser.goto(&format!("{}/logout", server.issuer())).await;
    look_at_all(&browser, "log out?").await;
    browser.goto(&account).await;
    browser.find("#sign-in-name").await;

    browser.click("#log-out").await;
    browser.click("#logout-form #log-out").await;
    browser.find("#log-in-again").await;
    look_at_all(&browser, "logged out").await;
    browser.assert_content("logged out").await;
    browser.back().await;
    browser.goto(&account).await;
    browser.find("#login-form").await;
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_person_ends_their_other_sessions() {
    let server = reachable().await;
    server.person(NAME).await;
    let (here, there) = (Browser::start().await, Browser::start().await);
    for browser in [&there, &here] {
        browser.goto(&format!("{}/account", server.issuer())).await;
        log_in(browser).await;
        browser.find("#sign-in-name").await;
    }
    let sessions = format!("{}/account/sessions", server.issuer());
    here.goto(&sessions).await;
    assert!(here.text().await.contains("Chromium on Linux"), "the brand that it sends");
    look_at_all(&here, "sessions").await;
    // The other one is told apart by the name that it is given.
    here.click("#sessions li:nth-child(2) summary").await;
    here.fill("#sessions li:nth-child(2) input[name=name]", "Old telephone").await;
    look_at_all(&here, "sessions, renaming").await;
    here.click("#sessions li:nth-child(2) .rename button").await;
    here.find("#sessions input[value='Old telephone']").await;
    assert!(here.text().await.contains("Old telephone"));
    here.click("#sessions li:nth-child(2) button[aria-describedby^=session]").await;
    here.find("#sessions:not(:has(li:nth-child(2)))").await;
    assert!(!here.has("#end-others").await && !here.text().await.contains("Old telephone"));
    there.goto(&format!("{}/account", server.issuer())).await;
    there.find("#login-form").await;

    log_in(&there).await;
    there.find("#sign-in-name").await;
    here.goto(&sessions).await;
    here.click("#end-others").await;
    here.find("#sessions").await;
    assert!(!here.has("#end-others").await);
    there.goto(&format!("{}/account", server.issuer())).await;
    there.find("#login-form").await;
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn every_page_of_the_account_is_reached_from_every_other_on_a_desk_and_on_a_phone() {
    let server = reachable().await;
    server.person(NAME).await;
    let browser = Browser::start().await;
    browser.goto(&format!("{}/account", server.issuer())).await;
    log_in(&browser).await;
    browser.find("#sign-in-name").await;
    // To the list of requests leads a mail.
    for place in Place::ALL.iter().filter(|place| **place != Place::Requests) {
        browser.look(1280, Scheme::Light).await;
        browser.click(&format!(".on-a-desk a[href='{}']", place.path())).await;
        browser.find(&format!(".on-a-desk a[href='{}'][aria-current=page]", place.path())).await;
        browser.assert_content(place.path()).await;
        look_at_all(&browser, place.path()).await;
        browser.look(390, Scheme::Light).await;
        browser.click(".on-a-phone > summary").await;
        browser.click(".on-a-phone a[href='/account']").await;
        browser.find("#sign-in-name").await;
    }
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_person_takes_a_copy_of_their_data_and_leaves() {
    let server = reachable().await;
    server.person(NAME).await;
    let browser = Browser::start().await;
    browser.goto(&format!("{}/account", server.issuer())).await;
    log_in(&browser).await;
    browser.find("#sign-in-name").await;
    browser.goto(&format!("{}/account/data", server.issuer())).await;
    let download = "const done = arguments[arguments.length - 1], form = document.getElementById('download-data').form;
        fetch(form.action, { method: 'POST', body: new URLSearchParams(new FormData(form)) })
            .then((answer) => answer.json()).then((copy) => done(copy.account.sign_in_name), (error) => done(String(error)));";
    assert_eq!(browser.run_async(download).await, NAME);
    browser.click("#delete-account").await;
    browser.fill("#username", "somebody else").await;
    look_at_all(&browser, "delete").await;
    browser.click("#delete").await;
    browser.find("#problem").await;
    look_at_all(&browser, "delete refused").await;
    let complaints = browser.complaints().await;
    assert!(complaints.iter().all(|complaint| complaint.contains("422")), "{complaints:?}");
    browser.fill("#username", NAME).await;
    browser.click("#delete").await;
    browser.find("#due").await;
    look_at_all(&browser, "deletion scheduled").await;
    browser.assert_content("deletion scheduled").await;
    browser.click("#log-in-again").await;
    log_in(&browser).await;
    browser.find("#stays").await;
    look_at_all(&browser, "account that stays").await;
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn an_application_that_is_shut_out_has_to_ask_again() {
    let scene = Scene::set().await;
    let browser = &scene.browser;
    scene.arrive().await;
    browser.goto(&format!("{}/account/apps", scene.server.issuer())).await;
    assert!(browser.text().await.contains("Photo Printer"));
    look_at_all(browser, "applications").await;
    browser.click(&format!("button[aria-describedby='app-{}']", scene.client.id())).await;
    browser.find("#no-apps").await;
    scene.begin(&[]).await;
    browser.find("#consent-form").await;
}
