//! Logging in with a passkey: behaviours 1.14, rows B1 to B5.

use http::StatusCode;
use ostiary::outbound::mail::Message;
use ostiary::protocol::email_address::EmailAddress;
use ostiary::storage::email_addresses;
use serde_json::json;

use crate::support::authenticator::{self, BACKED_UP, BACKUP_ELIGIBLE, ORIGIN, USER_PRESENT, USER_VERIFIED};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, claims, redeem, text};
use crate::support::passkeys::{give_passkey, give_passkey_like, question, use_passkey, use_passkey_twisted};
use crate::support::server::{Persona, START, TestServer};

/// Something that an authenticator must not answer.
type Twist = Box<dyn Fn(&mut authenticator::Answer)>;

/// The login page once more, which says that the passkey was not accepted.
#[track_caller]
fn assert_refused(answer: &Answer) {
    assert_eq!((answer.status, answer.url.as_str()), (StatusCode::BAD_REQUEST, "/login/passkey"), "{answer:#?}");
    assert!(answer.body.contains("This passkey was not accepted"), "{answer:#?}");
    assert_eq!(answer.header("set-cookie"), None);
}

/// Why a login was refused within this second.
async fn reason(server: &TestServer) -> Option<String> {
    let (now, events) = (server.clock.now(), server.audit().await);
    let mut now = events.into_iter().filter(|entry| entry.kind == "user.login" && entry.at == now);
    let reason = now.find_map(|entry| entry.reason);
    server.clock.advance(1);
    reason
}

on_both! {
    async fn a_passkey_alone_logs_its_owner_in_without_a_name(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        server.person("bert").await;
        let mut passkey = give_passkey(&server, &anna).await;
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        let (options, _) = question(&page);
        assert_eq!((&options["userVerification"], &options["rpId"]), (&json!("required"), &json!("id.example")));
        assert_eq!(options["allowCredentials"], json!([]), "nothing about anybody");
        let answer = use_passkey(&mut browser, &page, &mut passkey).await;
        let tokens = redeem(&server, &client, &answer.redirect_params()["code"]).await.json();
        let claims = claims(&text(&tokens, "id_token"));
        assert_eq!(claims["sub"], anna.id.as_str());
        assert_eq!((&claims["acr"], &claims["amr"]), (&json!("phr"), &json!(["hwk", "user", "mfa"])));
        assert_eq!(claims["auth_time"], START.as_seconds());
        let logins = server.audit().await.into_iter().filter(|entry| entry.kind == "user.login").collect::<Vec<_>>();
        assert_eq!((logins.len(), logins[0].user_id.as_ref()), (1, Some(&anna.id)));
    }

    async fn the_session_of_before_ends_when_a_passkey_begins_another(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let mut passkey = give_passkey(&server, &anna).await;
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        assert_eq!(use_passkey(&mut browser, &page, &mut passkey).await.url, "/account");
        let mut thief = browser.clone();
        server.clock.advance(1);
        let page = browser.visit(&AuthorizationUrl::new(&client).with("prompt", "login").path()).await;
        assert!(use_passkey(&mut browser, &page, &mut passkey).await.redirect_params().contains_key("code"));
        assert_eq!(thief.visit("/account").await.url, "/login");
    }

    async fn a_challenge_is_for_one_answer_in_one_browser_within_five_minutes(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let mut passkey = give_passkey(&server, &anna).await;
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        let (options, form) = question(&page);
        let good = form.set("credential", &passkey.assert(&options, |_| {}));

        let mut other = server.browser();
        let theirs = question(&other.visit("/login").await).1;
        let stolen = theirs.set("credential", good.field("credential")).set("passkey_challenge", good.field("passkey_challenge"));
        assert_refused(&other.submit(&stolen).await);
        assert_eq!(reason(&server).await.as_deref(), Some("passkey_challenge_foreign"));

        server.clock.advance(1);
        for challenge in ["", "AAAA", "no base64!"] {
            assert_refused(&browser.submit(&good.clone().set("passkey_challenge", challenge)).await);
        }
        assert_refused(&browser.submit(&good.clone().without("passkey_challenge")).await);
        assert_eq!(browser.clone().submit(&good).await.url, "/account");
        server.clock.advance(1);
        assert_refused(&browser.submit(&good).await);
        assert_eq!(reason(&server).await.as_deref(), Some("passkey_challenge_spent"));

        // A wrong answer spends it too.
        let page = browser.visit("/login").await;
        let (options, form) = question(&page);
        assert_refused(&browser.submit(&form.clone().set("credential", "{}")).await);
        server.clock.advance(1);
        assert_refused(&browser.submit(&form.set("credential", &passkey.assert(&options, |_| {}))).await);
        assert_eq!(reason(&server).await.as_deref(), Some("passkey_challenge_spent"));

        let page = browser.visit("/login").await;
        server.clock.advance(300);
        assert_refused(&use_passkey(&mut browser, &page, &mut passkey).await);
        assert_eq!(reason(&server).await.as_deref(), Some("passkey_challenge_expired"));
    }

    async fn of_fifty_answers_to_one_challenge_at_once_one_counts(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let mut passkey = give_passkey(&server, &anna).await;
        let mut browser = server.browser();
        let (options, form) = question(&browser.visit("/login").await);
        let form = form.set("credential", &passkey.assert(&options, |_| {}));
        let tries = (0..50).map(|_| {
            let (mut browser, form) = (browser.clone(), form.clone());
            tokio::spawn(async move { browser.post(&form.action, &form.fields).await.status })
        });
        let mut accepted = 0;
        for answer in tries.collect::<Vec<_>>() {
            accepted += u32::from(answer.await.unwrap() == StatusCode::SEE_OTHER);
        }
        assert_eq!(accepted, 1);
    }

    async fn a_counter_that_fell_lets_its_owner_in_and_tells_them(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let address = EmailAddress::parse("anna@example.com").unwrap();
        server.state.db.write(async |tx| email_addresses::save(tx, &anna.id, &address, true, START).await).await.unwrap();
        let mut passkey = give_passkey(&server, &anna).await;
        let mut log_in = async |counter: Option<u32>| {
            let mut browser = server.browser();
            let page = browser.visit("/login").await;
            let twist = |answer: &mut authenticator::Answer| answer.counter = counter.unwrap_or(answer.counter);
            assert_eq!(use_passkey_twisted(&mut browser, &page, &mut passkey, twist).await.url, "/account", "{counter:?}");
            let noticed = server.audit().await.iter().filter(|entry| entry.kind == "passkey.suspicious").count();
            (noticed, server.mails().await)
        };
        assert_eq!(log_in(Some(100)).await, (0, Vec::new()));
        let (noticed, mails) = log_in(Some(7)).await;
        assert_eq!(noticed, 1);
        assert!(matches!(&mails[..], [mail] if mail.message == Message::PasskeySuspicious { name: "Pocket".to_owned() }), "{mails:?}");
        assert_eq!(log_in(Some(101)).await.0, 1, "the other copy's turn");
        assert_eq!(log_in(Some(101)).await.0, 2, "the same number is none that rose");
    }

    async fn a_passkey_that_does_not_count_is_sound(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let mut passkey = give_passkey_like(&server, &anna, |answer| answer.counter = 0).await;
        for _ in 0..2 {
            let mut browser = server.browser();
            let page = browser.visit("/login").await;
            let answer = use_passkey_twisted(&mut browser, &page, &mut passkey, |answer| answer.counter = 0).await;
            assert_eq!(answer.url, "/account");
        }
        assert!(!server.audit().await.iter().any(|entry| entry.kind == "passkey.suspicious"));
    }
}

#[tokio::test]
async fn an_answer_that_is_wrong_in_anything_is_refused() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let bert = server.person("bert").await;
    let mut passkey = give_passkey_like(&server, &anna, |answer| answer.flags |= BACKUP_ELIGIBLE | BACKED_UP).await;
    let of_bert = give_passkey(&server, &bert).await;
    let good = USER_PRESENT | USER_VERIFIED | BACKUP_ELIGIBLE;
    let wrong: Vec<(&str, Twist)> = vec![
        ("passkey_user_not_present", Box::new(move |answer| answer.flags = good & !USER_PRESENT)),
        ("passkey_user_not_verified", Box::new(move |answer| answer.flags = good & !USER_VERIFIED)),
        ("passkey_backup_flags", Box::new(|answer| answer.flags = USER_PRESENT | USER_VERIFIED | BACKED_UP)),
        ("passkey_backup_flags", Box::new(|answer| answer.flags = USER_PRESENT | USER_VERIFIED)),
        ("passkey_wrong_type", Box::new(|answer| answer.client_data["type"] = "webauthn.create".into())),
        ("passkey_wrong_type", Box::new(|answer| answer.client_data["type"] = "payment.get".into())),
        ("passkey_wrong_challenge", Box::new(|answer| answer.client_data["challenge"] = "".into())),
        ("passkey_wrong_challenge", Box::new(|answer| answer.client_data["challenge"] = "AAAA".into())),
        ("passkey_wrong_origin", Box::new(|answer| answer.client_data["origin"] = "https://id.example.evil".into())),
        ("passkey_wrong_origin", Box::new(|answer| answer.client_data["origin"] = "https://evil.id.example".into())),
        ("passkey_wrong_origin", Box::new(|answer| answer.client_data["origin"] = "https://id.example:8443".into())),
        ("passkey_wrong_origin", Box::new(|answer| answer.client_data["origin"] = "http://id.example".into())),
        ("passkey_cross_origin", Box::new(|answer| answer.client_data["crossOrigin"] = true.into())),
        ("passkey_cross_origin", Box::new(|answer| answer.client_data["topOrigin"] = ORIGIN.into())),
        ("passkey_wrong_rp_id", Box::new(|answer| answer.rp_id = "example".to_owned())),
        ("passkey_malformed", Box::new(|answer| answer.kind = "password")),
        ("passkey_malformed", Box::new(|answer| answer.id = Vec::new())),
        ("passkey_unknown", Box::new(|answer| answer.id = vec![7; 32])),
        ("passkey_other_owner", Box::new(|answer| answer.handle = None)),
        ("passkey_other_owner", Box::new(|answer| answer.handle = Some(vec![7; 32]))),
        ("passkey_other_owner", {
            let handle = of_bert.handle.clone();
            Box::new(move |answer| answer.handle = Some(handle.clone()))
        }),
        ("passkey_backup_flags", {
            // Anna's key for Bert's credential, whose flags are others.
            let (id, handle) = (of_bert.id.clone(), of_bert.handle.clone());
            Box::new(move |answer| (answer.id, answer.handle) = (id.clone(), Some(handle.clone())))
        }),
        ("passkey_signature", {
            let (id, handle) = (of_bert.id.clone(), of_bert.handle.clone());
            Box::new(move |answer| {
                (answer.id, answer.handle) = (id.clone(), Some(handle.clone()));
                answer.flags = USER_PRESENT | USER_VERIFIED;
            })
        }),
    ];
    let mut browser = server.browser();
    for (expected, twist) in wrong {
        let page = browser.visit("/login").await;
        let answer = use_passkey_twisted(&mut browser, &page, &mut passkey, |answer| {
            answer.flags |= BACKUP_ELIGIBLE | BACKED_UP;
            twist(answer);
        });
        assert_refused(&answer.await);
        assert_eq!(reason(&server).await.as_deref(), Some(expected));
    }
    for credential in ["", "null", "[]", "{\"id\":1}", &"[".repeat(10_000), &"9".repeat(50_000)] {
        let (_, form) = question(&browser.visit("/login").await);
        assert_refused(&browser.submit(&form.set("credential", credential)).await);
    }
    let page = browser.visit("/login").await;
    let good = |answer: &mut authenticator::Answer| answer.flags |= BACKUP_ELIGIBLE;
    assert_eq!(use_passkey_twisted(&mut browser, &page, &mut passkey, good).await.url, "/account", "the next one is taken");
}

#[tokio::test]
async fn a_disabled_person_is_told_no_more_than_a_stranger() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let mut passkey = give_passkey(&server, &anna).await;
    server.disable(&anna).await;
    let mut browser = server.browser();
    let page = browser.visit("/login").await;
    assert_refused(&use_passkey(&mut browser, &page, &mut passkey).await);
    assert_eq!(reason(&server).await.as_deref(), Some("user_disabled"));
}

#[tokio::test]
async fn a_form_of_another_site_uses_no_passkey() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let mut passkey = give_passkey(&server, &anna).await;
    let mut browser = server.browser();
    let (options, form) = question(&browser.visit("/login").await);
    let form = form.set("credential", &passkey.assert(&options, |_| {}));
    assert_eq!(browser.submit(&form.clone().without("csrf")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.submit(&form).await.url, "/account", "what was forged spent nothing");
}

#[tokio::test]
async fn a_page_that_was_open_for_long_gets_another_challenge() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let mut passkey = give_passkey(&server, &anna).await;
    assert_eq!(server.get("/login/passkey").await.status, StatusCode::BAD_REQUEST, "there is no browser to seal it for");
    let mut browser = server.browser();
    let (_, form) = question(&browser.visit("/login").await);
    server.clock.advance(900);
    let renewed = browser.get("/login/passkey").await;
    assert_eq!(renewed.header("cache-control"), Some("no-store"));
    let renewed = renewed.json();
    let form = form.set("passkey_challenge", renewed["challenge"].as_str().unwrap());
    let answer = browser.submit(&form.set("credential", &passkey.assert(&renewed["publicKey"], |_| {}))).await;
    assert_eq!(answer.url, "/account");
}

#[tokio::test]
async fn where_there_are_no_passkeys_nothing_is_said_of_them() {
    for change in [
        |config: &mut ostiary::config::Config| config.passkeys.enabled = false,
        |config: &mut ostiary::config::Config| config.server.issuer = "http://127.0.0.1:8080".to_owned(),
    ] {
        let server = TestServer::start_with(TestDatabase::sqlite().await, change).await;
        let mut browser = server.browser();
        let page = browser.visit("/login").await;
        assert!(!page.body.contains("passkey") && !page.body.contains("webauthn"), "{}", page.body);
        assert_eq!(browser.get("/login/passkey").await.status, StatusCode::NOT_FOUND);
        let form = page.form();
        let answer = browser.post("/login/passkey", &form.set("passkey_challenge", "").set("credential", "{}").fields).await;
        assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    }
}
