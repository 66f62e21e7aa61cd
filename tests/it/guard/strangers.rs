//! What others do from the same network or at the same account: nobody learns of it, and it keeps no owner out.

use ostiary::protocol::email_address::EmailAddress;
use ostiary::storage::email_addresses;
use ostiary::storage::login_failures::{self, Kind, LockoutFilter};
use ostiary::storage::page::Page;
use ostiary::storage::users::User;

use super::attack::{
    Visitor, address, attack, is_challenge, is_in, is_refused, limited, limited_with, recorded, row, solve, waiting,
};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::passkeys::{give_passkey, use_passkey};
use crate::support::server::{PASSWORD, TestServer};

const HOME: &str = "192.0.2.1";

/// The first address of the numbered /64 of one site.
fn at_the_site(number: u32) -> String {
    format!("2001:db8:1:{number:x}::1")
}

async fn with_address(server: &TestServer, name: &str) -> User {
    let user = server.person(name).await;
    let mail = EmailAddress::parse(&format!("{name}@example.com")).unwrap();
    server.state.db.write(async |tx| email_addresses::save(tx, &user.id, &mail, true, server.clock.now()).await).await.unwrap();
    user
}

/// Fails at so many names that the address is kept out.
async fn get_blocked(server: &TestServer, visitor: &mut Visitor) {
    for number in 0..16 {
        server.clock.advance(12);
        assert!(is_refused(&visitor.try_hard(&format!("name{number}"), "wrong password").await), "{number}");
    }
    assert_eq!(visitor.try_hard("somebody", "wrong password").await.status, 429, "the address is kept out");
}

/// What can be seen of an attempt.
fn seen(answer: &Answer) -> (u16, bool, bool) {
    (answer.status.as_u16(), is_challenge(answer), is_refused(answer))
}

on_both! {
    async fn a_site_tries_one_account_sixteen_times_as_often_as_a_network_of_it(database: TestDatabase) {
        let server = limited(database).await;
        server.person("anna").await;
        let mut visitor = Visitor::new(&server, HOME).await;
        for number in 0..80 {
            let answer = visitor.moved(&at_the_site(number)).try_hard("anna", "wrong password").await;
            assert!(is_refused(&answer), "{number} {answer:#?}");
        }
        let answer = visitor.moved(&at_the_site(80)).try_hard("anna", "wrong password").await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("12")));
        assert!(is_refused(&visitor.moved("2001:db8:2::1").try_hard("anna", "wrong password").await), "another site");
    }

    async fn a_site_that_fails_at_240_accounts_is_kept_out_with_all_its_networks(database: TestDatabase) {
        let server = limited(database).await;
        server.person("anna").await;
        let mut home = Visitor::new(&server, &at_the_site(0xff00)).await;
        assert!(is_in(&home.try_once("anna", PASSWORD).await));
        home.browser.cookies.remove("__Host-sid");
        let mut visitor = Visitor::new(&server, HOME).await;
        for number in 0..241 {
            let answer = visitor.moved(&at_the_site(number)).try_hard(&format!("name{number}"), "wrong password").await;
            assert!(is_refused(&answer), "{number} {answer:#?}");
        }
        let answer = visitor.moved(&at_the_site(0xff01)).try_hard("anna", PASSWORD).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("86400")));
        let filter = LockoutFilter { now: server.clock.now(), kind: Some(Kind::Address), user_id: None, unreviewed: true };
        let blocked = login_failures::list(&mut server.state.db.read().await.unwrap(), &filter, &Page::first(10)).await.unwrap().items;
        assert_eq!(blocked.iter().map(|row| row.address.as_deref()).collect::<Vec<_>>(), [Some("2001:db8:1::/48")]);

        let server = server.restarted().await;
        let mut visitor = Visitor::new(&server, &at_the_site(0xff02)).await;
        assert_eq!(visitor.try_hard("anna", PASSWORD).await.status, 429, "over a restart");
        assert!(is_in(&visitor.moved("2001:db8:2::1").try_hard("anna", PASSWORD).await), "another site");
        home.form = home.browser.get("/login").await.form();
        assert!(is_in(&home.try_hard("anna", PASSWORD).await), "and whoever is known here");
    }

    async fn an_address_that_is_kept_out_keeps_no_known_device_out_and_no_passkey(database: TestDatabase) {
        let server = limited(database).await;
        let anna = server.person("anna").await;
        server.person("bert").await;
        let mut passkey = give_passkey(&server, &anna).await;
        let mut home = Visitor::new(&server, HOME).await;
        assert!(is_in(&home.try_once("anna", PASSWORD).await));
        home.browser.cookies.remove("__Host-sid");

        let mut guesser = Visitor::new(&server, HOME).await;
        get_blocked(&server, &mut guesser).await;
        assert_eq!(guesser.try_hard("anna", PASSWORD).await.status, 429);
        // The browser knows anna, and nobody else.
        assert_eq!(home.try_hard("bert", PASSWORD).await.status, 429);
        assert!(is_refused(&home.try_hard("anna", "wrong password").await));
        assert!(is_in(&home.try_hard("anna", PASSWORD).await));

        let mut browser = server.browser().at(HOME);
        let page = browser.visit("/login").await;
        assert_eq!(use_passkey(&mut browser, &page, &mut passkey).await.url, "/account");
    }

    /// Tries that go from one name to the other, first from one address and then from many: what comes back says nothing of whether
    /// both are one person's.
    async fn two_names_of_one_account_look_like_names_of_two(database: TestDatabase) {
        let server = limited(database).await;
        with_address(&server, "anna").await;
        server.person("bert").await;
        let mut observed = Vec::new();
        for (round, names) in [["anna", "anna@example.com"], ["bert", "nobody@example.com"], ["nobody", "none@example.com"]].iter().enumerate() {
            let server = server.restarted().await;
            let base = u32::try_from(round).unwrap() * 100;
            let mut visitor = Visitor::new(&server, &address(base)).await;
            let mut round = Vec::new();
            for number in 0..8 {
                let (answer, waited) = waiting(&server, visitor.try_once(names[number % 2], "wrong password")).await;
                round.push((seen(&answer), waited));
            }
            for number in 1..=48 {
                visitor.moved(&address(base + number));
                let (answer, waited) = waiting(&server, visitor.try_once(names[number as usize % 2], "wrong password")).await;
                round.push((seen(&answer), waited));
            }
            observed.push(round);
        }
        assert_eq!(observed[0], observed[1]);
        assert_eq!(observed[0], observed[2]);
        assert!(observed[0].iter().any(|((_, challenge, _), _)| *challenge));
    }

    async fn both_names_together_open_no_more_than_one_and_their_owner_gets_in_with_the_next_try(database: TestDatabase) {
        let server = limited(database).await;
        let anna = with_address(&server, "anna").await;
        attack(&server, "anna", 0..20).await;
        assert_eq!(row(&server, Some(&anna), "").await.unwrap().consecutive, 20);
        // The other name was never typed: nothing can be seen, and nothing is looked at.
        let mut owner = Visitor::new(&server, HOME).await;
        let answer = owner.try_once("anna@example.com", PASSWORD).await;
        assert!(is_refused(&answer), "{answer:#?}");
        assert!(recorded(&server, "user.login", "account_throttled").await);
        assert_eq!(row(&server, Some(&anna), "").await.unwrap().consecutive, 20, "what is not looked at is no failure");
        // The page has brought some work with it, and the browser has done it without a word.
        assert!(!answer.body.contains("data-working"), "{answer:#?}");
        let form = answer.form();
        let solution = solve(form.field("challenge"));
        let form = form.set("username", "anna@example.com").set("password", PASSWORD).set("solution", &solution);
        assert!(is_in(&owner.browser.post("/login", &form.fields).await));
    }

    async fn who_succeeds_often_at_one_account_hides_no_attack(database: TestDatabase) {
        let server = limited_with(database, |config| config.rates.login_device = "1000/1h".parse().unwrap()).await;
        server.person("mallory").await;
        let mut visitor = Visitor::new(&server, &address(0)).await;
        let mut own = Visitor::new(&server, HOME).await;
        for number in 0..50 {
            // A success for each failure, at an account of the attacker's.
            own.moved(&address(100 + number));
            assert!(is_in(&own.try_once("mallory", PASSWORD).await), "{number}");
            own.browser.cookies.remove("__Host-sid");
            own.form = own.browser.get("/login").await.form();
            assert!(is_refused(&visitor.moved(&address(number)).try_once(&format!("name{number}"), "wrong password").await));
        }
        assert!(is_challenge(&Visitor::new(&server, "192.0.2.99").await.try_once("anna", PASSWORD).await));
    }
}
