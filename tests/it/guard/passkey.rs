//! What wrong passwords do to whoever has a passkey: nothing (behaviours 1.11 S3).

use ostiary::storage::passkeys;

use super::attack::{Visitor, address, attack, is_in, is_refused, limited_with, row};
use crate::support::database::{TestDatabase, on_both};
use crate::support::passkeys::{give_passkey, use_passkey};
use crate::support::server::PASSWORD;

on_both! {
    async fn a_passkey_opens_the_door_that_guessers_locked_and_takes_the_lock_away(database: TestDatabase) {
        let server = limited_with(database, |config| config.limits.lock_after = 10).await;
        let anna = server.person("anna").await;
        let mut passkey = give_passkey(&server, &anna).await;
        attack(&server, "anna", 0..11).await;
        assert!(row(&server, Some(&anna), "").await.unwrap().locked_at.is_some());
        let mut stranger = Visitor::new(&server, "192.0.2.9").await;
        assert!(is_refused(&stranger.try_hard("anna", PASSWORD).await), "the password alone opens nothing now");

        // From an address that the guessers used too.
        let mut browser = server.browser().at(&address(3));
        let page = browser.visit("/login").await;
        assert_eq!(use_passkey(&mut browser, &page, &mut passkey).await.url, "/account");
        assert!(row(&server, Some(&anna), "").await.is_none());
        let mut elsewhere = Visitor::new(&server, "192.0.2.10").await;
        assert!(is_in(&elsewhere.try_hard("anna", PASSWORD).await));
    }
}

#[tokio::test]
async fn passkeys_from_one_address_are_limited_before_they_are_looked_at() {
    let server = limited_with(TestDatabase::sqlite().await, |_| {}).await;
    let anna = server.person("anna").await;
    let mut passkey = give_passkey(&server, &anna).await;
    let mut browser = server.browser().at("192.0.2.9");
    let page = browser.visit("/login").await;
    let form = page.form_of("passkey-form");
    let mut limited = None;
    for number in 0..40 {
        let answer = browser.submit(&form.clone().set("credential", "{}")).await;
        if answer.status == 429 {
            assert!(answer.header("retry-after").is_some());
            limited = Some(number);
            break;
        }
    }
    assert_eq!(limited, Some(30));
    let mut elsewhere = server.browser().at("192.0.2.10");
    let page = elsewhere.visit("/login").await;
    assert_eq!(use_passkey(&mut elsewhere, &page, &mut passkey).await.url, "/account");
    assert_eq!(passkeys::count(&mut server.state.db.read().await.unwrap(), &anna.id).await.unwrap(), 1);
}
