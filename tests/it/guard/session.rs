//! Somebody who got hold of a session, or of a password, and guesses at the rest.

use super::attack::{Visitor, is_in, limited, limited_with, recorded, row};
use crate::support::browser::{Answer, Browser, Form};
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, enter_code, give_app};
use crate::support::server::{PASSWORD, TestServer};

const HOME: &str = "192.0.2.1";
const ELSEWHERE: &str = "192.0.2.99";

async fn reauthenticate(browser: &mut Browser, password: &str) -> Answer {
    let page = browser.visit("/account/reauthenticate").await;
    browser.submit(&page.form_of("password-form").set("password", password)).await
}

/// As far as the page for the second factor.
async fn half_way(server: &TestServer, visitor: &mut Visitor) -> Answer {
    visitor.form = visitor.browser.get("/login").await.form();
    let answer = visitor.try_hard("anna", PASSWORD).await;
    assert!(answer.location().starts_with("/login/factor"), "{answer:#?} {}", server.issuer());
    visitor.browser.visit(answer.location()).await
}

on_both! {
    async fn s5_a_stolen_session_guesses_no_more_often_than_a_stranger_and_locks_no_owner_out(database: TestDatabase) {
        let server = limited(database).await;
        let anna = server.person("anna").await;
        let mut home = Visitor::new(&server, HOME).await;
        assert!(is_in(&home.try_once("anna", PASSWORD).await));
        let mut thief = home.browser.clone().at(ELSEWHERE);
        thief.cookies.remove("__Host-device");
        for round in 0..20 {
            for _ in 0..5 {
                assert_eq!(reauthenticate(&mut thief, "wrong password").await.status, 422, "{round}");
            }
            assert_eq!(reauthenticate(&mut thief, "wrong password").await.status, 429);
            server.clock.advance(600);
        }
        let row = row(&server, Some(&anna), "").await.unwrap();
        assert_eq!((row.consecutive, row.locked_at.is_some()), (100, true));
        assert_eq!(reauthenticate(&mut thief, PASSWORD).await.status, 422, "not even the right one");
        assert!(recorded(&server, "user.reauthentication", "password_locked").await);
        // In a browser that is known it is another matter, and its tries are its own.
        assert_eq!(reauthenticate(&mut home.browser, PASSWORD).await.url, "/account/security");
    }

    async fn s5_the_forms_that_ask_for_the_present_password_count_like_that(database: TestDatabase) {
        let server = limited_with(database, |config| config.limits.lock_after = 4).await;
        let anna = server.person("anna").await;
        let mut home = Visitor::new(&server, HOME).await;
        assert!(is_in(&home.try_once("anna", PASSWORD).await));
        let mut thief = home.browser.clone().at(ELSEWHERE);
        thief.cookies.remove("__Host-device");
        let new = ("email", "thief@example.com");
        let wrong = [("/account/password", ("password", "x")), ("/account/email", new), ("/account/email", new), ("/account/email", new)];
        for (path, (field, value)) in wrong {
            let form = thief.visit(path).await.form().set("current_password", "wrong password").set(field, value);
            let form = if field == "password" { form.set("password_again", value) } else { form };
            assert_eq!(thief.submit(&form).await.status, 422, "{path}");
        }
        assert!(row(&server, Some(&anna), "").await.unwrap().locked_at.is_some());
        server.clock.advance(600);
        let change = |form: Form| form.set("current_password", PASSWORD).set("email", "new@example.com");
        let form = change(thief.visit("/account/email").await.form());
        assert_eq!(thief.submit(&form).await.status, 422, "not even the right one");
        let form = change(home.browser.visit("/account/email").await.form());
        assert!(home.browser.submit(&form).await.url.starts_with("/account/email/code"));
    }

    async fn the_right_password_typed_once_more_makes_good_for_the_wrong_ones(database: TestDatabase) {
        let server = limited(database).await;
        let anna = server.person("anna").await;
        let mut home = Visitor::new(&server, HOME).await;
        assert!(is_in(&home.try_once("anna", PASSWORD).await));
        home.browser.cookies.remove("__Host-device");
        for _ in 0..4 {
            assert_eq!(reauthenticate(&mut home.browser, "wrong password").await.status, 422);
        }
        assert_eq!(row(&server, Some(&anna), "").await.unwrap().consecutive, 4);
        assert_eq!(reauthenticate(&mut home.browser, PASSWORD).await.url, "/account/security");
        assert!(row(&server, Some(&anna), "").await.is_none());
    }

    async fn f3_whoever_knows_the_password_uses_up_no_codes_of_a_known_device(database: TestDatabase) {
        let server = limited(database).await;
        let anna = server.person("anna").await;
        let app = give_app(&server, &anna).await;
        let mut home = Visitor::new(&server, HOME).await;
        let page = half_way(&server, &mut home).await;
        assert_eq!(enter_code(&mut home.browser, &page, &code_of(&server, &app, 0)).await.url, "/account");
        home.browser.cookies.remove("__Host-sid");
        server.clock.advance(3_600);

        let mut stranger = Visitor::new(&server, ELSEWHERE).await;
        for number in 0..3 {
            let page = half_way(&server, stranger.moved(&format!("198.51.100.{number}"))).await;
            for attempt in 0..5 {
                let answer = enter_code(&mut stranger.browser, &page, "000000").await;
                assert!(answer.url.starts_with("/login"), "{attempt}");
            }
        }
        assert!(recorded(&server, "user.second_factor", "too_many_codes").await);
        // The account's ten of the hour are gone: for strangers.
        let page = half_way(&server, stranger.moved("203.0.113.7")).await;
        let answer = enter_code(&mut stranger.browser, &page, &code_of(&server, &app, 0)).await;
        assert!(answer.url.starts_with("/login"), "{answer:#?}");
        let page = half_way(&server, &mut home).await;
        assert_eq!(enter_code(&mut home.browser, &page, &code_of(&server, &app, 0)).await.url, "/account");
    }
}
