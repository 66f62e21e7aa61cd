//! People with second factors.

use ostiary::authn::recovery_code;
use ostiary::authn::totp::Secret;
use ostiary::protocol::time::Seconds;
use ostiary::storage::recovery_codes;
use ostiary::storage::totp_factors::{self, TotpFactor};
use ostiary::storage::users::User;

use super::browser::{Answer, Browser};
use super::flow::log_in;
use super::server::TestServer;

/// Gives a person an authenticator app, as if it had been set up long ago.
pub async fn give_app(server: &TestServer, user: &User) -> Secret {
    let secret = Secret::random();
    let factor = TotpFactor {
        user_id: user.id.clone(),
        sealed: secret.seal(&server.state.totp_secrets, &user.id),
        last_step: 0,
        created_at: user.created_at,
        last_used_at: None,
    };
    server.state.db.write(async |tx| totp_factors::save(tx, &factor).await).await.expect("stored");
    secret
}

/// Ten recovery codes, as they are shown.
pub async fn give_recovery_codes(server: &TestServer, user: &User) -> Vec<String> {
    let new = recovery_code::generate(&server.state.passwords).await.expect("codes");
    let now = server.clock.now();
    let stored = server.state.db.write(async |tx| recovery_codes::replace(tx, &user.id, &new.stored, now).await);
    stored.await.expect("stored");
    new.codes.iter().map(recovery_code::RecoveryCode::grouped).collect()
}

/// What the app shows now, or so many seconds later.
pub fn code_of(server: &TestServer, secret: &Secret, later: i64) -> String {
    secret.code_at(server.clock.now() + Seconds(later))
}

/// Types a code of the app on the page for it.
pub async fn enter_code(browser: &mut Browser, page: &Answer, code: &str) -> Answer {
    assert!(page.url.starts_with("/login/factor") || page.url.starts_with("/account/reauthenticate"), "{page:#?}");
    browser.submit(&page.form_of("factor-form").set("code", code)).await
}

pub async fn enter_recovery_code(browser: &mut Browser, page: &Answer, code: &str) -> Answer {
    browser.submit(&page.form_of("recovery-form").set("code", code)).await
}

/// As far as the page for the second factor, in a browser of its own.
pub async fn half_way(server: &TestServer, name: &str) -> (Browser, Answer) {
    let mut browser = server.browser();
    let page = browser.visit("/login").await;
    let page = log_in(&mut browser, &page, name).await;
    assert!(page.url.starts_with("/login/factor"), "{page:#?}");
    (browser, page)
}
