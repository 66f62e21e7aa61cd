//! People who look after their own accounts: behaviours 1.13.

mod credentials;
pub mod invitations;
mod prompt_create;
mod recovery;
mod recovery_limits;
mod registration;
mod timing;

use ostiary::config::{Config, RegistrationMode};
use ostiary::outbound::mail::{Mail, Message};

use crate::support::browser::{Answer, Browser};
use crate::support::database::TestDatabase;
use crate::support::server::{PASSWORD, TestServer};

/// What somebody chooses who has forgotten [`PASSWORD`].
pub const NEW_PASSWORD: &str = "seven quiet lamps above the harbour";

/// A server at which anybody may register.
pub async fn open(database: TestDatabase) -> TestServer {
    open_with(database, |_| {}).await
}

pub async fn open_with(database: TestDatabase, change: impl FnOnce(&mut Config)) -> TestServer {
    TestServer::start_with(database, |config| {
        config.registration.mode = RegistrationMode::Open;
        change(config);
    })
    .await
}

/// The code in a mail, if there is one in it.
pub fn code_in(mail: &Mail) -> Option<String> {
    let (Message::RegisterCode { code }
    | Message::VerifyEmail { code }
    | Message::ChangeEmail { code }
    | Message::ResetPassword { code }) = &mail.message
    else {
        return None;
    };
    Some(code.to_string())
}

/// The code of the one mail that waits.
pub async fn code(server: &TestServer) -> String {
    let mails = server.mails().await;
    assert_eq!(mails.len(), 1, "{mails:?}");
    code_in(&mails[0]).unwrap_or_else(|| panic!("no code in {mails:?}"))
}

/// Another code than this one.
pub fn wrong(code: &str) -> String {
    if code == "000000" { "111111".to_owned() } else { "000000".to_owned() }
}

/// Fills in the form for registration with an address.
async fn register(browser: &mut Browser, address: &str, password: &str) -> Answer {
    let page = browser.visit("/register").await;
    let form = page.form().set("email", address).set("password", password).set("password_again", password);
    browser.submit(&form).await
}

/// Types a code on the page that asks for it.
async fn enter(browser: &mut Browser, page: &Answer, code: &str) -> Answer {
    browser.submit(&page.form().set("code", code)).await
}

/// Registers somebody with [`PASSWORD`], who is logged in here afterwards.
async fn registered(server: &TestServer, browser: &mut Browser, address: &str) -> Answer {
    let page = register(browser, address, PASSWORD).await;
    let code = code(server).await;
    let answer = enter(browser, &page, &code).await;
    assert_eq!(answer.url, "/account", "{answer:#?}");
    answer
}

/// Asks for a new password.
async fn recover(browser: &mut Browser, name: &str) -> Answer {
    let page = browser.visit("/recover").await;
    browser.submit(&page.form().set("username", name)).await
}

async fn log_in(browser: &mut Browser, name: &str, password: &str) -> Answer {
    let page = browser.visit("/login").await;
    browser.submit(&page.form().set("username", name).set("password", password)).await
}

/// Everything that differs from one page to the next for good reason, taken out.
fn comparable(answer: &Answer, typed: &[&str]) -> String {
    let mut body = answer.body.clone();
    for field in ["csrf", "id"] {
        body = body.replace(answer.form().field(field), "");
    }
    for text in typed {
        body = body.replace(text, "TYPED");
    }
    let nonce = answer.header("content-security-policy").unwrap().split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    body.replace(nonce, "")
}
