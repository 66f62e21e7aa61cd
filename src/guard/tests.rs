//! The rows of the table, one requirement each (behaviours section 3).

use super::*;
use crate::storage::db::DatabaseTarget;

const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);
const ADDRESS: &str = "192.0.2.1";

/// A guard, with a database that goes with it.
struct House {
    guard: Guard,
    _folder: tempfile::TempDir,
}

impl std::ops::Deref for House {
    type Target = Guard;

    fn deref(&self) -> &Guard {
        &self.guard
    }
}

async fn guard() -> House {
    guard_with(|_| {}).await
}

async fn guard_with(change: impl FnOnce(&mut Config)) -> House {
    let mut config = Config::default();
    change(&mut config);
    let folder = tempfile::tempdir().unwrap();
    let target = DatabaseTarget::Sqlite(folder.path().join("test.db"));
    let db = Db::open(&target, &config.database).await.unwrap();
    let guard = Guard::new(&config, &Root::random(), &db, &Clock::fixed(NOON)).unwrap();
    House { guard, _folder: folder }
}

fn subject(address: &str) -> Subject<'static> {
    let address = address.parse().unwrap();
    Subject::new(address).account("anna").client("web").session("s").mail_domain("example.com").token("t")
}

/// How many are let in at once; then the answer to one more.
async fn at_once(guard: &Guard, action: Action, subject: &Subject<'_>, now: Timestamp) -> (u32, Verdict) {
    for count in 0..100_000 {
        match guard.admit(action, subject, now).await {
            Verdict::Allowed => {}
            other => return (count, other),
        }
    }
    panic!("no limit");
}

/// Takes all that can be had at once.
async fn exhaust(guard: &Guard, action: Action, subject: &Subject<'_>, now: Timestamp) {
    assert!(at_once(guard, action, subject, now).await.0 > 0);
}

/// An action that refuses after `burst`, and lets one more in after `seconds`.
async fn refuses_after(action: Action, burst: u32, seconds: i64) {
    let (guard, subject) = (guard().await, subject(ADDRESS));
    let (count, verdict) = at_once(&guard, action, &subject, NOON).await;
    assert_eq!((count, verdict), (burst, Verdict::Refused { retry_after: Seconds(seconds) }), "{action:?}");
    assert!(!guard.admit(action, &subject, NOON + Seconds(seconds - 1)).await.is_allowed() || seconds == 1);
    assert!(guard.admit(action, &subject, NOON + Seconds(seconds)).await.is_allowed());
}

#[tokio::test]
async fn authorize_allows_60_at_once_and_5_a_second_to_an_address() {
    refuses_after(Action::Authorize, 60, 1).await;
    let guard = guard().await;
    exhaust(&guard, Action::Authorize, &subject(ADDRESS), NOON).await;
    assert_eq!(at_once(&guard, Action::Authorize, &subject(ADDRESS), NOON + Seconds(2)).await.0, 10);
    assert_eq!(at_once(&guard, Action::Authorize, &subject("192.0.2.2"), NOON).await.0, 60);
}

#[tokio::test]
async fn a_public_client_gets_60_at_once_and_10_a_second_from_each_address() {
    refuses_after(Action::TokenPublic, 60, 1).await;
    let guard = guard().await;
    exhaust(&guard, Action::TokenPublic, &subject(ADDRESS), NOON).await;
    assert!(guard.admit(Action::TokenPublic, &subject(ADDRESS).client("other"), NOON).await.is_allowed());
    assert!(guard.admit(Action::TokenPublic, &subject("192.0.2.2"), NOON).await.is_allowed());
    assert_eq!(at_once(&guard, Action::TokenPublic, &subject(ADDRESS), NOON + Seconds(1)).await.0, 10);
}

#[tokio::test]
async fn a_client_that_authenticates_gets_2000_at_once_and_1000_a_second_wherever_it_is() {
    refuses_after(Action::Token, 2_000, 1).await;
    let guard = guard().await;
    exhaust(&guard, Action::Token, &subject(ADDRESS), NOON).await;
    assert!(!guard.admit(Action::Token, &subject("192.0.2.2"), NOON).await.is_allowed());
    assert_eq!(at_once(&guard, Action::Token, &subject(ADDRESS), NOON + Seconds(1)).await.0, 1_000);
}

#[tokio::test]
async fn introspection_allows_5000_a_second_to_a_client() {
    refuses_after(Action::Introspect, 5_000, 1).await;
}

#[tokio::test]
async fn a_client_may_fail_to_authenticate_10_times_a_minute_from_an_address() {
    refuses_after(Action::FailClientAuthentication, 10, 6).await;
    let guard = guard().await;
    let here = subject(ADDRESS);
    exhaust(&guard, Action::FailClientAuthentication, &here, NOON).await;
    assert!(!guard.look(Action::FailClientAuthentication, &here, NOON).is_allowed());
    assert!(
        guard.look(Action::FailClientAuthentication, &subject("192.0.2.2"), NOON).is_allowed(),
        "nobody locks a client by its id"
    );
}

#[tokio::test]
async fn the_management_api_allows_50_at_once_and_10_a_second_to_a_token() {
    refuses_after(Action::Api, 50, 1).await;
    let guard = guard().await;
    exhaust(&guard, Action::Api, &subject(ADDRESS), NOON).await;
    assert!(guard.admit(Action::Api, &subject(ADDRESS).token("other"), NOON).await.is_allowed());
    let (_, standing) = guard.standing(Action::Api, &subject(ADDRESS), NOON + Seconds(1)).await;
    let standing = standing.unwrap();
    assert_eq!((standing.name, standing.rate.burst()), ("api", 50));
    assert!(matches!(standing.decision, Decision::Allowed { remaining: 9, .. }), "{standing:?}");
}

#[tokio::test]
async fn a_code_is_tried_5_times_in_a_login_10_in_an_hour_and_20_in_a_day() {
    refuses_after(Action::Code, 5, 720).await;
    let guard = guard().await;
    let sessions: Vec<String> = (0..100).map(|number| number.to_string()).collect();
    let addresses: Vec<String> = (0..100).map(|number| format!("198.51.100.{number}")).collect();
    let tries = async |from: usize, now| {
        let mut allowed = 0;
        for (session, address) in sessions.iter().zip(&addresses).skip(from).take(25) {
            allowed += u32::from(guard.admit(Action::Code, &subject(address).session(session), now).await.is_allowed());
        }
        allowed
    };
    assert_eq!(tries(0, NOON).await, 10, "in an hour");
    assert!(tries(25, NOON + Seconds::hours(1)).await <= 10);
    assert!(tries(50, NOON + Seconds::hours(2)).await <= 2, "in a day");
    assert!(guard.admit(Action::Code, &subject(ADDRESS).account("bert").session("t"), NOON).await.is_allowed());
}

#[tokio::test]
async fn codes_that_are_refused_use_up_nothing_of_the_account_and_a_known_device_has_its_own() {
    let guard = guard().await;
    let (stranger, owner) = (subject(ADDRESS), subject("192.0.2.2").session("t"));
    let attempts: Vec<_> = (0..1_000).map(|_| guard.admit(Action::Code, &stranger, NOON)).collect();
    let mut allowed = 0;
    for attempt in attempts {
        allowed += u32::from(attempt.await.is_allowed());
    }
    assert_eq!(allowed, 5);
    assert_eq!(at_once(&guard, Action::Code, &owner, NOON).await.0, 5, "of the account's ten in an hour five are left");
    let next = subject("192.0.2.3").session("u");
    assert_eq!(at_once(&guard, Action::Code, &next, NOON).await.0, 0);
    for _ in 0..100 {
        assert!(!guard.admit(Action::Code, &next, NOON).await.is_allowed());
    }
    let known = [7; 32];
    assert_eq!(at_once(&guard, Action::Code, &next.session("w").device(Some(&known)), NOON).await.0, 5);
    // Of the day's twenty ten are left.
    let later = NOON + Seconds::hours(1);
    assert_eq!(at_once(&guard, Action::Code, &next.session("v"), later).await.0, 5);
    assert_eq!(at_once(&guard, Action::Code, &subject("192.0.2.4").session("x"), later).await.0, 5);
}

#[tokio::test]
async fn recovery_codes_are_tried_5_times_an_hour() {
    refuses_after(Action::RecoveryCode, 5, 720).await;
}

#[tokio::test]
async fn new_passwords_of_one_mailed_code_are_hashed_5_times_an_hour() {
    refuses_after(Action::NewPassword, 5, 720).await;
}

#[tokio::test]
async fn a_password_is_confirmed_5_times_in_10_minutes() {
    refuses_after(Action::Reauthenticate, 5, 120).await;
}

#[tokio::test]
async fn mails_are_asked_for_5_times_an_hour_from_an_address() {
    refuses_after(Action::RequestMail, 5, 720).await;
}

#[tokio::test]
async fn a_login_meets_a_challenge_after_10_attempts_and_is_refused_after_40() {
    let (guard, subject) = (guard().await, subject(ADDRESS));
    assert_eq!(at_once(&guard, Action::Login, &subject, NOON).await, (10, Verdict::Challenge));
    for _ in 11..40 {
        assert_eq!(guard.admit(Action::Login, &subject, NOON).await, Verdict::Challenge);
    }
    assert_eq!(guard.admit(Action::Login, &subject, NOON).await, Verdict::Refused { retry_after: Seconds(2) });
    assert_eq!(guard.admit(Action::Login, &subject, NOON + Seconds(6)).await, Verdict::Allowed);
}

#[tokio::test]
async fn a_registration_meets_a_challenge_after_3_and_is_refused_after_12() {
    let guard = guard().await;
    assert_eq!(at_once(&guard, Action::Register, &subject(ADDRESS), NOON).await, (3, Verdict::Challenge));
    for _ in 4..12 {
        assert_eq!(guard.admit(Action::Register, &subject(ADDRESS), NOON).await, Verdict::Challenge);
    }
    assert_eq!(guard.admit(Action::Register, &subject(ADDRESS), NOON).await, Verdict::Refused { retry_after: Seconds(300) });
    let other = subject("192.0.2.2");
    assert_eq!(guard.admit(Action::Register, &other, NOON).await, Verdict::Challenge, "the mail domain is counted");
    assert_eq!(guard.admit(Action::Register, &other.mail_domain("example.org"), NOON).await, Verdict::Allowed);
}

#[tokio::test]
async fn an_ipv6_network_counts_as_one_and_its_site_as_sixteen() {
    let guard = guard().await;
    let mut let_in = 0;
    for number in 0..100 {
        let address = format!("2001:db8:1:{number:x}::1");
        let (count, _) = at_once(&guard, Action::Authorize, &subject(&address), NOON).await;
        assert!(count <= 60);
        assert!(!guard.admit(Action::Authorize, &subject(&format!("2001:db8:1:{number:x}::2")), NOON).await.is_allowed());
        let_in += count;
    }
    assert_eq!(let_in, 16 * 60);
    assert!(guard.admit(Action::Authorize, &subject("2001:db8:2::1"), NOON).await.is_allowed());
    exhaust(&guard, Action::Authorize, &subject(ADDRESS), NOON).await;
    assert!(!guard.admit(Action::Authorize, &subject("::ffff:192.0.2.1"), NOON).await.is_allowed(), "IPv4 written as IPv6");
}

#[tokio::test]
async fn shared_networks_may_do_more_and_datacentres_less_with_a_proof_of_work_first() {
    let guard = guard_with(|config| {
        config.limits.shared_networks = vec!["198.51.100.0/24".parse().unwrap()];
        config.limits.datacentre_networks = vec!["203.0.113.0/24".parse().unwrap()];
    })
    .await;
    assert_eq!(at_once(&guard, Action::Authorize, &subject("198.51.100.7"), NOON).await.0, 300);
    assert_eq!(at_once(&guard, Action::Authorize, &subject("203.0.113.7"), NOON).await.0, 15);
    assert_eq!(at_once(&guard, Action::Login, &subject("198.51.100.7"), NOON).await, (50, Verdict::Challenge));
    assert_eq!(guard.admit(Action::Login, &subject("203.0.113.7"), NOON).await, Verdict::Challenge);
    assert_eq!(guard.admit(Action::Register, &subject("203.0.113.7"), NOON).await, Verdict::Challenge);
    for _ in 1..10 {
        assert_eq!(guard.admit(Action::Login, &subject("203.0.113.7"), NOON).await, Verdict::Challenge, "not blocked");
    }
    let refused = guard.admit(Action::Login, &subject("203.0.113.7"), NOON).await;
    assert!(matches!(refused, Verdict::Refused { .. }), "{refused:?}");
}

#[tokio::test]
async fn private_addresses_are_limited_like_others() {
    for address in ["127.0.0.1", "::1", "10.0.0.1"] {
        assert_eq!(at_once(&*guard().await, Action::Authorize, &subject(address), NOON).await.0, 60, "{address}");
    }
}

#[tokio::test]
async fn limits_can_be_turned_off() {
    let guard = guard_with(|config| config.limits.enabled = false).await;
    for _ in 0..10_000 {
        assert!(guard.admit(Action::Code, &subject(ADDRESS), NOON).await.is_allowed());
    }
    assert!(guard.look(Action::Login, &subject(ADDRESS), NOON).is_allowed());
}

#[test]
fn the_stricter_verdict_wins() {
    let refused = |seconds| Verdict::Refused { retry_after: Seconds(seconds) };
    assert_eq!(Verdict::Allowed.and(Verdict::Challenge), Verdict::Challenge);
    assert_eq!(Verdict::Challenge.and(Verdict::Allowed), Verdict::Challenge);
    assert_eq!(refused(1).and(Verdict::Challenge), refused(1));
    assert_eq!(Verdict::Challenge.and(refused(1)), refused(1));
    assert_eq!(refused(1).and(refused(2)), refused(2));
    assert_eq!(Verdict::Allowed.and(Verdict::Allowed), Verdict::Allowed);
}
