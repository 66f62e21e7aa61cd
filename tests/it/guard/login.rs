//! Guessing passwords: what it costs the guesser, and what it doesn't cost the owner.

use std::time::Duration;

use ostiary::outbound::mail::Message;
use ostiary::protocol::email_address::EmailAddress;
use ostiary::protocol::time::{Seconds, Timestamp};
use ostiary::storage::{email_addresses, login_failures, outbox};

use super::attack::{Visitor, address, attack, is_challenge, is_in, is_refused, limited, limited_with, recorded, row, waiting};
use crate::support::browser::without_passkey_challenge;
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::{PASSWORD, TestServer};

const HOME: &str = "192.0.2.1";
const ELSEWHERE: &str = "192.0.2.99";

fn seconds(answers: &[(crate::support::browser::Answer, Duration)]) -> Vec<u64> {
    answers.iter().map(|(_, waited)| waited.as_secs()).collect()
}

/// Wrong passwords from as many addresses, without any work: what each got, and how long it waited.
async fn attempts(server: &TestServer, names: &[&str], many: u32) -> Vec<(crate::support::browser::Answer, Duration)> {
    let mut visitor = Visitor::new(server, &address(0)).await;
    let mut answers = Vec::new();
    for number in 0..many {
        let name = names[number as usize % names.len()];
        visitor.moved(&address(number));
        answers.push(waiting(server, visitor.try_once(name, "wrong password")).await);
    }
    answers
}

on_both! {
    async fn five_attempts_are_free_then_each_waits_longer_and_after_twenty_work_is_asked_for(database: TestDatabase) {
        let server = limited(database).await;
        server.person("anna").await;
        let answers = attempts(&server, &["anna"], 25).await;
        let expected = [vec![0; 5], vec![1, 2, 4, 8, 16], vec![30; 10], vec![0; 5]].concat();
        assert_eq!(seconds(&answers), expected);
        assert!(answers[..20].iter().all(|(answer, _)| is_refused(answer)));
        assert!(answers[20..].iter().all(|(answer, _)| is_challenge(answer)));
        // What was counted flows back: three minutes each.
        server.clock.advance(180);
        assert!(is_refused(&Visitor::new(&server, ELSEWHERE).await.try_once("anna", "wrong password").await));
    }

    async fn a_name_that_nobody_has_is_counted_like_one_that_somebody_has(database: TestDatabase) {
        let server = limited(database).await;
        let anna = server.person("anna").await;
        let of_anna = attempts(&server, &["anna"], 25).await;
        let server = server.restarted().await;
        let of_nobody = attempts(&server, &["nobody"], 25).await;
        assert_eq!(seconds(&of_anna), seconds(&of_nobody));
        for ((one, _), (other, _)) in of_anna.iter().zip(&of_nobody) {
            assert_eq!((one.status, is_challenge(one), is_refused(one)), (other.status, is_challenge(other), is_refused(other)));
        }
        let known = row(&server, Some(&anna), "").await.unwrap();
        let unknown = row(&server, None, "nobody").await.unwrap();
        assert_eq!((known.consecutive, unknown.consecutive), (20, 20));
    }

    async fn every_name_of_an_account_shares_one_counter(database: TestDatabase) {
        let server = limited(database).await;
        let anna = server.person("Anna").await;
        let mail = EmailAddress::parse("anna@example.com").unwrap();
        server.state.db.write(async |tx| email_addresses::save(tx, &anna.id, &mail, true, server.clock.now()).await).await.unwrap();
        let names = ["anna", "ANNA", "anna ", "\u{ff41}nna"];
        let answers = attempts(&server, &names, 26).await;
        assert!(answers[..20].iter().all(|(answer, _)| is_refused(answer)));
        assert!(answers[20..].iter().all(|(answer, _)| is_challenge(answer)), "one after the other, none is free again");
        // The address is another name: what follows from the counter that they share can't be seen.
        let mut visitor = Visitor::new(&server, ELSEWHERE).await;
        for name in ["anna@example.com", "Anna@Example.COM"] {
            assert!(is_refused(&visitor.try_once(name, PASSWORD).await), "it is not looked at");
        }
        assert_eq!(row(&server, Some(&anna), "").await.unwrap().consecutive, 20);
    }

    async fn the_owner_gets_in_from_a_known_device_while_a_thousand_addresses_attack(database: TestDatabase) {
        let server = limited(database).await;
        let anna = server.person("anna").await;
        let mut home = Visitor::new(&server, HOME).await;
        assert!(is_in(&home.try_once("anna", PASSWORD).await));
        home.browser.cookies.remove("__Host-sid");

        let answers = attack(&server, "anna", 0..1_000).await;
        assert!(!answers.iter().any(is_in));
        assert!(row(&server, Some(&anna), "").await.unwrap().locked_at.is_some());
        // The password opens nothing for strangers, not even the right one.
        let mut stranger = Visitor::new(&server, ELSEWHERE).await;
        assert!(is_refused(&stranger.try_hard("anna", PASSWORD).await));
        assert!(recorded(&server, "user.login", "password_locked").await);

        let home_form = home.browser.get("/login").await.form();
        home.form = home_form;
        let (answer, waited) = waiting(&server, home.try_once("anna", PASSWORD)).await;
        assert!(is_in(&answer) && waited.is_zero(), "{answer:#?}");
        home.browser.cookies.remove("__Host-sid");
        assert!(row(&server, Some(&anna), "").await.unwrap().locked_at.is_some(), "strangers stay out");
        // From somewhere else too: it is the browser that is known.
        assert!(is_in(&home.moved(ELSEWHERE).try_once("anna", PASSWORD).await));
    }

    async fn a_hundred_failures_lock_the_password_over_a_restart_until_it_is_reset(database: TestDatabase) {
        let server = limited(database).await;
        let anna = server.person("anna").await;
        attack(&server, "anna", 0..99).await;
        assert!(row(&server, Some(&anna), "").await.unwrap().locked_at.is_none());
        attack(&server, "anna", 99..100).await;
        let locked = row(&server, Some(&anna), "").await.unwrap();
        assert_eq!((locked.consecutive, locked.locked_until), (100, None));

        let server = server.restarted().await;
        server.clock.advance(90 * 86_400);
        assert!(is_refused(&Visitor::new(&server, ELSEWHERE).await.try_hard("anna", PASSWORD).await));
        let events: Vec<_> = server.audit().await.into_iter().filter(|entry| entry.kind == "user.password_locked").collect();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].user_id.as_ref(), Some(&anna.id));

        assert!(server.state.db.write(async |tx| login_failures::clear(tx, &anna.id).await).await.unwrap());
        server.state.guard.forgive(&anna.id).await;
        assert!(is_in(&Visitor::new(&server, "192.0.2.98").await.try_hard("anna", PASSWORD).await));
    }

    async fn the_owner_is_told_of_a_lock_once_and_by_a_verified_address_only(database: TestDatabase) {
        let server = limited_with(database, |config| config.limits.lock_after = 10).await;
        for (name, verified) in [("anna", true), ("bert", false)] {
            let user = server.person(name).await;
            let mail = EmailAddress::parse(&format!("{name}@example.com")).unwrap();
            server.state.db.write(async |tx| email_addresses::save(tx, &user.id, &mail, verified, server.clock.now()).await).await.unwrap();
        }
        attack(&server, "anna", 0..15).await;
        attack(&server, "bert", 15..30).await;
        let now = server.clock.now();
        let ids = outbox::due(&mut server.state.db.read().await.unwrap(), now, 10).await.unwrap();
        assert_eq!(ids.len(), 1, "{ids:?}");
        let claimed = server.state.db.write(async |tx| outbox::claim(tx, &ids[0], now, now + Seconds(60)).await).await.unwrap();
        let mail = server.state.outbox.open(&claimed.unwrap()).unwrap();
        assert_eq!((mail.to.as_str(), mail.message), ("anna@example.com", Message::PasswordLocked));
    }

    async fn what_is_not_yet_written_counts_too(database: TestDatabase) {
        let server = limited(database).await;
        server.person("anna").await;
        let mut visitor = Visitor::new(&server, &address(0)).await;
        for number in 0..100 {
            visitor.moved(&address(number)).try_hard("anna", "wrong password").await;
        }
        assert!(is_refused(&visitor.moved(ELSEWHERE).try_hard("anna", PASSWORD).await));
    }

    async fn a_success_begins_the_count_anew(database: TestDatabase) {
        let server = limited(database).await;
        let anna = server.person("anna").await;
        attack(&server, "anna", 0..60).await;
        assert!(is_in(&Visitor::new(&server, HOME).await.try_hard("anna", PASSWORD).await));
        assert_eq!(row(&server, Some(&anna), "").await, None);
        let answers = attack(&server, "anna", 60..120).await;
        assert!(answers.iter().all(is_refused));
        assert_eq!(row(&server, Some(&anna), "").await.unwrap().locked_at, None);
    }

    async fn attempts_that_come_at_once_are_all_counted(database: TestDatabase) {
        let server = limited(database).await;
        let anna = server.person("anna").await;
        let visitor = Visitor::new(&server, &address(0)).await;
        let tries: Vec<_> = (0..50)
            .map(|number| {
                let mut visitor = Visitor { browser: visitor.browser.clone(), form: visitor.form.clone() };
                tokio::spawn(async move { visitor.moved(&address(number)).try_once("anna", "wrong password").await })
            })
            .collect();
        let mut looked_at = 0;
        for attempt in tries {
            looked_at += i64::from(is_refused(&attempt.await.unwrap()));
        }
        assert_eq!(looked_at, 20);
        assert_eq!(row(&server, Some(&anna), "").await.unwrap().consecutive, looked_at);
    }

    async fn an_address_that_fails_at_fifteen_accounts_is_kept_out_for_a_day(database: TestDatabase) {
        let server = limited(database).await;
        server.person("anna").await;
        let mut visitor = Visitor::new(&server, HOME).await;
        for number in 0..16 {
            // Slowly, so that no other limit is met, and each name but the last twice: it counts once.
            for _ in 0..2 - number / 15 {
                server.clock.advance(12);
                assert!(is_refused(&visitor.try_once(&format!("name{number}"), "wrong password").await), "{number}");
            }
        }
        let answer = visitor.try_once("anna", PASSWORD).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("86400")));
        assert!(is_in(&Visitor::new(&server, ELSEWHERE).await.try_once("anna", PASSWORD).await), "others are not concerned");

        let server = server.restarted().await;
        server.clock.advance(86_399);
        assert_eq!(Visitor::new(&server, HOME).await.try_once("anna", PASSWORD).await.status, 429, "it holds over a restart");
        server.clock.advance(1);
        assert!(is_in(&Visitor::new(&server, HOME).await.try_once("anna", PASSWORD).await));
        let events: Vec<_> = server.audit().await.into_iter().filter(|entry| entry.kind == "address.blocked").collect();
        assert_eq!(events.len(), 1);
        assert_eq!(events[0].address.as_deref(), Some(HOME));
    }
}

#[tokio::test]
async fn one_address_tries_one_account_five_times_in_a_quarter_of_an_hour() {
    let server = limited(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let mut visitor = Visitor::new(&server, HOME).await;
    for _ in 0..5 {
        assert!(is_refused(&visitor.try_once("anna", "wrong password").await));
    }
    let answer = visitor.try_once("anna", PASSWORD).await;
    assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, Some("180")));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(recorded(&server, "user.login", "rate_limited").await);
    assert!(is_refused(&visitor.try_once("bert", "wrong password").await), "another account");
    server.clock.advance(180);
    assert!(is_in(&visitor.try_once("anna", PASSWORD).await));
}

#[tokio::test]
async fn one_address_logs_in_ten_times_then_proves_work_and_is_refused_after_forty() {
    let server = limited(TestDatabase::sqlite().await).await;
    let mut visitor = Visitor::new(&server, HOME).await;
    for number in 0..10 {
        assert!(is_refused(&visitor.try_once(&format!("name{}", number / 5), "wrong password").await), "{number}");
    }
    for number in 10..40 {
        assert!(is_challenge(&visitor.try_once("name", "wrong password").await), "{number}");
    }
    let answer = visitor.try_once("name", "wrong password").await;
    assert_eq!(answer.status, 429);
    assert!(answer.body.contains("Too many requests"), "{answer:#?}");
    server.clock.advance(6);
    assert!(is_refused(&visitor.try_once("name", "wrong password").await));
}

#[tokio::test]
async fn a_known_device_that_guesses_is_known_no_more() {
    let server = limited(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let mut home = Visitor::new(&server, HOME).await;
    assert!(is_in(&home.try_once("anna", PASSWORD).await));
    home.browser.cookies.remove("__Host-sid");
    // Ten in an hour are the device's own; what comes beyond counts as a stranger's.
    for number in 0..12 {
        home.moved(&address(number));
        assert!(is_refused(&home.try_once("anna", "wrong password").await), "{number}");
    }
    assert_eq!(row(&server, Some(&anna), "").await.unwrap().consecutive, 2);
    // Twenty without a success: the cookie was stolen, for all that is known.
    for hour in 0..3 {
        server.clock.advance(3_600);
        for number in 0..5 {
            home.moved(&address(hour * 5 + number));
            assert!(is_refused(&home.try_once("anna", "wrong password").await));
        }
    }
    assert!(row(&server, Some(&anna), "").await.unwrap().consecutive > 2);
}

#[tokio::test]
async fn a_device_cookie_is_for_this_host_alone_and_for_half_a_year() {
    let server = limited(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let answer = Visitor::new(&server, HOME).await.try_once("anna", PASSWORD).await;
    let cookies: Vec<_> = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap()).collect();
    let cookie = cookies.iter().find(|cookie| cookie.starts_with("__Host-device=")).expect("a device cookie");
    for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax", "Max-Age=15552000"] {
        assert!(cookie.contains(attribute), "{cookie}");
    }
    let refused = Visitor::new(&server, HOME).await.try_once("anna", "wrong password").await;
    assert!(!refused.headers.get_all("set-cookie").iter().any(|cookie| cookie.to_str().unwrap().contains("device")));
}

#[tokio::test]
async fn a_locked_password_and_a_wrong_one_look_the_same() {
    let server = limited(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    attack(&server, "anna", 0..100).await;
    server.clock.advance(86_400);
    let comparable = async |password: &str, address: &str| {
        let mut visitor = Visitor::new(&server, address).await;
        let answer = visitor.try_once("anna", password).await;
        let nonce =
            answer.header("content-security-policy").unwrap().split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
        let body = without_passkey_challenge(&answer.without_trace_id()).replace(nonce, "");
        let body = ["csrf", "challenge"].iter().fold(body, |body, field| body.replace(answer.form().field(field), ""));
        (answer.status, answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>(), body)
    };
    assert_eq!(comparable(PASSWORD, HOME).await, comparable("wrong password", ELSEWHERE).await);
}

#[tokio::test]
async fn when_far_more_logins_fail_than_usual_strangers_prove_work() {
    let server = limited(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let mut home = Visitor::new(&server, HOME).await;
    assert!(is_in(&home.try_once("anna", PASSWORD).await));
    home.browser.cookies.remove("__Host-sid");
    let mut visitor = Visitor::new(&server, &address(0)).await;
    // Each from another address at another account: no other limit is met.
    for number in 0..50 {
        assert!(is_refused(&visitor.moved(&address(number)).try_once(&format!("name{number}"), "wrong password").await));
    }
    let mut stranger = Visitor::new(&server, ELSEWHERE).await;
    assert!(stranger.form.fields.iter().any(|(name, _)| name == "challenge"), "the page begins with it at once");
    assert!(is_challenge(&stranger.try_once("anna", PASSWORD).await));
    assert!(is_in(&stranger.try_hard("anna", PASSWORD).await));
    let form = home.browser.get("/login").await.form().without("challenge");
    home.form = form;
    assert!(is_in(&home.try_once("anna", PASSWORD).await), "a known device is asked for nothing");
    server.clock.advance(360);
    assert!(is_in(&Visitor::new(&server, "192.0.2.98").await.try_once("anna", PASSWORD).await), "it is over");
}

#[tokio::test]
async fn who_has_to_wait_finds_only_so_many_seats() {
    let server = limited_with(TestDatabase::sqlite().await, |config| config.limits.max_delayed = 0).await;
    server.person("anna").await;
    let answers = attempts(&server, &["anna"], 6).await;
    assert!(is_refused(&answers[4].0), "who need not wait needs none");
    assert_eq!(answers[5].0.status, 503);
}

#[tokio::test]
async fn what_nobody_needs_any_more_is_deleted() {
    let server = limited(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    attack(&server, "anna", 0..3).await;
    attack(&server, "nobody", 3..6).await;
    let clean = async |at: Timestamp| ostiary::jobs::cleanup::clean(&server.state.db, at, &server.state.config).await.unwrap();
    clean(server.clock.now() + Seconds::hours(23)).await;
    assert!(row(&server, None, "nobody").await.is_some());
    clean(server.clock.now() + Seconds::days(1)).await;
    assert!(row(&server, None, "nobody").await.is_none());
    clean(server.clock.now() + Seconds::days(300)).await;
    assert_eq!(row(&server, Some(&anna), "").await.unwrap().consecutive, 3, "there is but one row for a person");
}
