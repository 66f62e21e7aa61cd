//! Authenticator apps and recovery codes: F4, F5, B8.

use http::StatusCode;
use ostiary::authn::totp::Secret;
use ostiary::outbound::mail::{Factor, Message};
use ostiary::protocol::authentication::{Acr, Method};
use ostiary::storage::totp_factors;
use ostiary::storage::users::User;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::auth::{app, refused, send, try_login};
use super::super::persona::{Caller, assert_detail, assert_refused};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, give_app, give_recovery_codes};
use crate::support::flow::text;
use crate::support::server::{PASSWORD, Persona, TestServer};

const TOTP: &str = "/users/me/factors/totp";
const CONFIRM: &str = "/users/me/factors/totp/confirm";
const CODES: &str = "/users/me/recovery-codes";

/// What is offered, and the secret of it.
async fn offered(caller: &Caller) -> (Value, Secret) {
    let answer = caller.post(TOTP, &Value::Null).await;
    assert_eq!((answer.status, answer.header("cache-control")), (StatusCode::OK, Some("no-store")), "{answer:#?}");
    let offer = answer.json();
    let bytes = data_encoding::BASE32_NOPAD.decode(text(&offer, "secret").as_bytes()).unwrap();
    (offer, Secret::from_bytes(&bytes).unwrap())
}

async fn confirm(caller: &Caller, offer: &Value, code: &str) -> Answer {
    caller.post(CONFIRM, &json!({"enrolment": offer["enrolment"], "code": code})).await
}

fn codes_in(answer: &Answer) -> Vec<String> {
    assert_eq!(answer.status, 200, "{answer:#?}");
    serde_json::from_value(answer.json()["recovery_codes"].clone()).unwrap()
}

async fn has_app(server: &TestServer, user: &User) -> bool {
    totp_factors::load(&mut server.state.db.read().await.unwrap(), &user.id).await.unwrap().is_some()
}

on_both! {
    async fn an_app_is_set_up_with_its_first_code_in_a_browser(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let (mut caller, other) = (Caller::browser(&server, &anna).await, Caller::browser(&server, &anna).await);
        let (offer, secret) = offered(&caller).await;
        assert_eq!(text(&offer, "uri"), *secret.uri("id.example", "anna"));
        assert!(text(&offer, "qr_svg").starts_with("<svg xmlns=") && offer["expires_in"] == 600);
        assert!(!has_app(&server, &anna).await, "nothing is stored before the code");
        for wrong in ["", "000000", "1234567", "abcdef"] {
            assert_detail(&confirm(&caller, &offer, wrong).await, "code", "wrong");
        }
        let code = code_of(&server, &secret, 0);
        let answer = confirm(&caller, &offer, &code).await;
        assert_eq!(codes_in(&answer).len(), 10);
        assert_refused(&caller.get("/users/me").await, 401, "unauthenticated");
        assert_refused(&other.get("/users/me").await, 401, "unauthenticated");
        caller.follow(&answer);
        let factors = caller.get("/users/me/factors").await;
        assert_eq!((&factors.json()["recovery_codes_left"], factors.json()["totp"]["created_at"].is_string()), (&json!(10), true));
        assert!(!factors.body.contains(&*text(&offer, "secret")));
        assert_eq!(caller.get(CODES).await.json(), json!({"left": 10}));

        // The session proved the app too, and the next is set up in the place of this one.
        let (second, secret) = offered(&caller).await;
        assert_detail(&confirm(&caller, &offer, &code).await, "enrolment", "stale");
        caller.follow(&confirm(&caller, &second, &code_of(&server, &secret, 0)).await);
        let sent: Vec<_> = server.mails().await.into_iter().map(|mail| mail.message).collect();
        assert!(sent.is_empty(), "there is no address: {sent:?}");
        let added = server.audit().await.into_iter().filter(|entry| entry.kind == "factor.added");
        let added: Vec<_> = added.map(|entry| entry.reason.unwrap_or_default()).collect();
        assert!(added.iter().filter(|reason| reason.is_empty()).count() == 2 && added.contains(&"enrolment_stale".to_owned()), "{added:?}");
    }

    async fn an_app_is_set_up_with_its_first_code_by_an_application(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person_with("anna", &[], Some(json!({"email": "anna@example.com", "email_verified": true}))).await;
        let (caller, other) = (Caller::app(&server, &anna).await, Caller::app(&server, &anna).await);
        let (offer, secret) = offered(&caller).await;
        codes_in(&confirm(&caller, &offer, &code_of(&server, &secret, 0)).await);
        assert_refused(&other.get("/users/me").await, 401, "invalid_token");
        assert_eq!(caller.get("/users/me").await.status, 200, "its own tokens stay");
        let details = refused(&caller.post(TOTP, &Value::Null).await, 401, "reauthentication_required");
        assert_eq!(details, json!({"max_age": 300, "acr_values": "2"}), "and say what they said");
        let sent: Vec<_> = server.mails().await.into_iter().map(|mail| mail.message).collect();
        assert_eq!(sent, [Message::FactorAdded { what: Factor::Totp }]);
    }

    /// F4: an offer is for who got it, once, and for ten minutes.
    async fn an_offer_is_of_no_use_to_anybody_else_or_later(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let (anna, berta) = (server.person("anna").await, server.person("berta").await);
        let caller = Caller::app(&server, &anna).await;
        let (offer, secret) = offered(&caller).await;
        for other in [Caller::browser(&server, &anna).await, Caller::app(&server, &anna).await, Caller::app(&server, &berta).await] {
            assert_detail(&confirm(&other, &offer, &code_of(&server, &secret, 0)).await, "enrolment", "stale");
        }
        for unknown in [json!({"enrolment": offer["enrolment"]}), json!({"enrolment": offer["enrolment"], "code": "1", "secret": "x"})] {
            assert_eq!(caller.post(CONFIRM, &unknown).await.status, 422);
        }
        assert!(!has_app(&server, &anna).await && !has_app(&server, &berta).await);
    }

    async fn of_many_confirmations_of_one_offer_one_succeeds(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let (anna, berta) = (server.person("anna").await, server.person("berta").await);
        for (user, caller) in [(&anna, Caller::app(&server, &anna).await), (&berta, Caller::browser(&server, &berta).await)] {
            let (offer, secret) = offered(&caller).await;
            let mut tries = JoinSet::new();
            for _ in 0..50 {
                let (caller, offer, code) = (caller.clone(), offer.clone(), code_of(&server, &secret, 0));
                tries.spawn(async move { confirm(&caller, &offer, &code).await });
            }
            let answers = tries.join_all().await;
            assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
            assert!(answers.iter().all(|answer| matches!(answer.status.as_u16(), 200 | 401 | 422)), "{answers:#?}");
            assert!(has_app(&server, user).await);
            let added = server.audit().await.into_iter().filter(|entry| entry.kind == "factor.added" && entry.reason.is_none());
            assert_eq!(added.filter(|entry| entry.user_id.as_ref() == Some(&user.id)).count(), 1);
        }
    }

    /// New codes take a while to hash.
    async fn no_codes_are_left_of_an_app_that_is_removed_while_they_are_made(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let caller = Caller::browser_of(&server, &anna, &[Method::Password, Method::Totp]).await;
        for _ in 0..5 {
            give_app(&server, &anna).await;
            let (renewal, removal) = tokio::join!(caller.post(CODES, &Value::Null), caller.delete(TOTP));
            assert_eq!(removal.status, 204, "{removal:#?}");
            assert!(matches!(renewal.status.as_u16(), 200 | 409), "{renewal:#?}");
            assert_eq!(caller.get(CODES).await.json()["left"], 0, "{renewal:#?}");
        }
    }

    /// B8.
    async fn an_app_is_removed_unless_a_role_needs_it(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| {
            config.authentication.required_acr_by_role.insert("admin".to_owned(), Acr::Multi);
        })
        .await;
        let (anna, root) = (server.person("anna").await, server.person_with("root", &["admin"], None).await);
        for user in [&anna, &root] {
            give_app(&server, user).await;
            give_recovery_codes(&server, user).await;
        }
        let proved = [Method::Password, Method::Totp];
        let admin = Caller::browser_of(&server, &root, &proved).await;
        assert_refused(&admin.delete(TOTP).await, 409, "factor_required");
        assert!(has_app(&server, &root).await);
        assert_eq!(server.last_reason("factor.removed").await.as_deref(), Some("factor_required"));
        let caller = Caller::browser_of(&server, &anna, &proved).await;
        assert_eq!(caller.delete(TOTP).await.status, 204);
        assert!(!has_app(&server, &anna).await);
        assert_eq!(caller.get(CODES).await.json()["left"], 0, "they stood in for it");
        assert_refused(&caller.delete(TOTP).await, 404, "not_found");
    }

    /// F5.
    async fn recovery_codes_are_shown_once_and_each_is_good_for_one_login(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let caller = Caller::browser_of(&server, &anna, &[Method::Password, Method::Totp]).await;
        assert_refused(&caller.post(CODES, &Value::Null).await, 409, "no_second_factor");
        give_app(&server, &anna).await;
        let old = give_recovery_codes(&server, &anna).await;
        let answer = caller.post(CODES, &Value::Null).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let new = codes_in(&answer);
        assert!(new.len() == 10 && new.iter().all(|code| code.len() == 19 && !old.contains(code)), "{new:?}");
        for shown in [caller.get(CODES).await, caller.get("/users/me/factors").await, caller.get("/users/me/export").await] {
            assert!(shown.status == 200 && new.iter().all(|code| !shown.body.contains(code.as_str())), "{shown:#?}");
        }
        let client = app(&server, Persona::Web).await;
        let login = async |code: &str| {
            let details = refused(&try_login(&server, &client, "anna", PASSWORD).await, 401, "mfa_required");
            send(&server, &client, "mfa", json!({"mfa_token": details["mfa_token"], "code": code})).await.status.as_u16()
        };
        assert_eq!(login(&old[0]).await, 401);
        assert_eq!(login(&new[0].to_lowercase().replace('-', " ")).await, 200, "however it is typed");
        assert_eq!(login(&new[0]).await, 401);
        assert_eq!(caller.get(CODES).await.json()["left"], 9);
    }
}

/// F3: counted like any other code.
#[tokio::test]
async fn first_codes_are_not_guessed_for_long() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.limits.enabled = true).await;
    let anna = server.person("anna").await;
    let caller = Caller::browser(&server, &anna).await;
    let (offer, secret) = offered(&caller).await;
    let right = code_of(&server, &secret, 0);
    let wrong = if right == "000000" { "111111" } else { "000000" };
    for _ in 0..5 {
        assert_detail(&confirm(&caller, &offer, wrong).await, "code", "wrong");
    }
    assert_refused(&confirm(&caller, &offer, &right).await, 429, "rate_limited");
    assert!(!has_app(&server, &anna).await);
}
