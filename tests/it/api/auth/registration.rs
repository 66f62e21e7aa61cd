//! Registering through REST: E1, E3, E4, E5, E12, E13.

use ostiary::config::Identifier;
use ostiary::outbound::mail::Message;
use ostiary::protocol::authentication::Acr;
use ostiary::storage::users;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::persona::{assert_detail, assert_refused};
use super::{app, app_with, comparable, forgot, handle, holder, refused, register, reset, send, try_login, verify};
use crate::guard::attack::solve;
use crate::people::invitations::{by_invitation, invite};
use crate::people::{NEW_PASSWORD, code, code_in, open, open_with, wrong};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{claims, text};
use crate::support::server::{PASSWORD, Persona, TestServer};

/// How many accounts there are.
async fn accounts(server: &TestServer) -> i64 {
    users::count(&mut server.state.db.read().await.unwrap()).await.unwrap()
}

/// The token of an invitation's link.
fn token_of(link: &str) -> &str {
    link.split("invitation=").nth(1).unwrap()
}

on_both! {
    async fn somebody_registers_proves_the_address_and_has_the_tokens_of_a_login(database: TestDatabase) {
        let server = open(database).await;
        for (number, persona) in [Persona::Web, Persona::Native].into_iter().enumerate() {
            let client = app(&server, persona).await;
            let address = format!("Anna{number}@B\u{fc}cher.example");
            let begun = register(&server, &client, &address, PASSWORD).await;
            assert_eq!(begun.header("set-cookie"), None);
            assert_eq!(accounts(&server).await, i64::try_from(number).unwrap(), "nobody exists before the code is right");
            let code = code(&server).await;
            assert!(!begun.body.contains(&code));
            let answer = verify(&server, &client, &handle(&begun), &code).await;
            assert_eq!(answer.status, 200, "{answer:#?}");
            let tokens = answer.json();
            assert!(tokens["device_token"].is_string() && tokens["refresh_token"].is_string() && tokens["id_token"].is_string());
            let access = claims(&text(&tokens, "access_token"));
            assert_eq!((access["client_id"].as_str(), &access["amr"]), (Some(client.id()), &json!(["pwd"])));
            assert_eq!(holder(&server, &tokens).get("/users/me").await.json()["id"], access["sub"]);
            assert_eq!(try_login(&server, &client, &address, PASSWORD).await.status, 200);
        }
    }

    async fn e1_an_address_that_has_an_account_gets_the_same_answer_and_its_owner_a_notice(database: TestDatabase) {
        let server = open(database).await;
        server.person("berta@example.com").await;
        let client = app(&server, Persona::Web).await;
        let fresh = register(&server, &client, "carla@example.com", PASSWORD).await;
        server.mails().await;
        for taken in ["berta@example.com", "BERTA@Example.com"] {
            let answer = register(&server, &client, taken, PASSWORD).await;
            assert_eq!(comparable(&answer), comparable(&fresh));
            assert_eq!(handle(&answer).len(), handle(&fresh).len());
            let mails = server.mails().await;
            assert_eq!((mails.len(), &mails[0].message), (1, &Message::AccountExists));
            for code in ["000000", ""] {
                refused(&verify(&server, &client, &handle(&answer), code).await, 400, "invalid_code");
            }
        }
        assert_eq!(accounts(&server).await, 1);
        assert_eq!(try_login(&server, &client, "berta@example.com", PASSWORD).await.status, 200, "nothing has changed");
    }

    async fn e4_whoever_registered_with_somebody_elses_address_before_has_nothing_of_the_owners_account(database: TestDatabase) {
        let server = open(database).await;
        let client = app(&server, Persona::Native).await;
        let theirs = handle(&register(&server, &client, "victim@example.com", "the attacker knows this one").await);
        server.mails().await;
        let own = handle(&register(&server, &client, "victim@example.com", PASSWORD).await);
        let code = code(&server).await;
        refused(&verify(&server, &client, &theirs, &code).await, 400, "invalid_code");
        assert_eq!(verify(&server, &client, &own, &code).await.status, 200);
        refused(&try_login(&server, &client, "victim@example.com", "the attacker knows this one").await, 401, "invalid_credentials");
        assert_eq!(accounts(&server).await, 1);
    }

    async fn e5_a_code_has_five_tries_and_belongs_to_the_app_that_asked_for_it(database: TestDatabase) {
        let server = open(database).await;
        let (client, other) = (app(&server, Persona::Native).await, app(&server, Persona::Web).await);
        let own = handle(&register(&server, &client, "anna@example.com", PASSWORD).await);
        let first = code(&server).await;
        let theirs = handle(&register(&server, &client, "berta@example.com", PASSWORD).await);
        server.mails().await;
        refused(&verify(&server, &other, &own, &first).await, 400, "invalid_code");
        let (id, secret) = (own.split('.').next().unwrap(), theirs.split('.').nth(1).unwrap());
        for foreign in [format!("{id}.{secret}"), id.to_owned(), format!("{id}."), String::new(), ".".to_owned()] {
            refused(&verify(&server, &client, &foreign, &first).await, 400, "invalid_code");
        }
        for _ in 0..5 {
            refused(&verify(&server, &client, &own, &wrong(&first)).await, 400, "invalid_code");
        }
        refused(&verify(&server, &client, &own, &first).await, 400, "invalid_code");
        assert_eq!(accounts(&server).await, 0);
    }

    async fn e5_only_the_newest_code_counts_and_none_after_ten_minutes(database: TestDatabase) {
        let server = open(database).await;
        let client = app(&server, Persona::Web).await;
        let begun = handle(&register(&server, &client, "anna@example.com", PASSWORD).await);
        let old = code(&server).await;
        let again = handle(&send(&server, &client, "email/resend", json!({"handle": begun})).await);
        let new = code(&server).await;
        refused(&verify(&server, &client, &begun, &old).await, 400, "invalid_code");
        if old != new {
            refused(&verify(&server, &client, &again, &old).await, 400, "invalid_code");
        }
        server.clock.advance(600);
        refused(&verify(&server, &client, &again, &new).await, 400, "invalid_code");
        let begun = handle(&register(&server, &client, "anna@example.com", PASSWORD).await);
        let code = code(&server).await;
        server.clock.advance(599);
        assert_eq!(verify(&server, &client, &begun, &code).await.status, 200);
        refused(&verify(&server, &client, &begun, &code).await, 400, "invalid_code");
    }

    async fn e5_a_code_for_one_purpose_is_none_for_another(database: TestDatabase) {
        let server = open(database).await;
        server.person("anna@example.com").await;
        let client = app(&server, Persona::Web).await;
        let recovery = handle(&forgot(&server, &client, "anna@example.com").await);
        let code_of_recovery = code(&server).await;
        let registration = handle(&register(&server, &client, "new@example.com", PASSWORD).await);
        let code_of_registration = code(&server).await;
        refused(&verify(&server, &client, &recovery, &code_of_recovery).await, 400, "invalid_code");
        refused(&reset(&server, &client, (&registration, &code_of_registration), NEW_PASSWORD).await, 400, "invalid_code");
        assert_eq!(verify(&server, &client, &registration, &code_of_registration).await.status, 200);
        assert_eq!(reset(&server, &client, (&recovery, &code_of_recovery), NEW_PASSWORD).await.status, 204);
    }

    async fn e5_of_fifty_who_show_the_right_code_at_once_one_is_let_in(database: TestDatabase) {
        let server = open(database).await;
        let client = app(&server, Persona::Web).await;
        let begun = handle(&register(&server, &client, "anna@example.com", PASSWORD).await);
        let code = code(&server).await;
        let mut tasks = JoinSet::new();
        for _ in 0..50 {
            let (server, client, begun, code) = (server.clone(), client.clone(), begun.clone(), code.clone());
            tasks.spawn(async move { verify(&server, &client, &begun, &code).await });
        }
        let answers = tasks.join_all().await;
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            refused(answer, 400, "invalid_code");
        }
        assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
        assert_eq!(accounts(&server).await, 1);
    }

    async fn e13_an_invitation_works_once_for_the_address_and_the_roles_that_it_was_made_for(database: TestDatabase) {
        let server = by_invitation(database).await;
        let link = invite(&server, Some("anna@example.com"), &["editor"]).await;
        server.mails().await;
        let client = app(&server, Persona::Web).await;
        let with = async |token: &str, email: Value| {
            send(&server, &client, "register", json!({"email": email, "password": PASSWORD, "invitation": token})).await
        };
        refused(&register(&server, &client, "anna@example.com", PASSWORD).await, 403, "registration_closed");
        refused(&with(&format!("{}x", token_of(&link)), Value::Null).await, 403, "registration_closed");
        assert_detail(&with(token_of(&link), json!("eve@example.com")).await, "email", "not_allowed");
        let begun = handle(&with(token_of(&link), Value::Null).await);
        let mails = server.mails().await;
        assert_eq!(mails[0].to.as_str(), "anna@example.com");
        assert_eq!(verify(&server, &client, &begun, &code_in(&mails[0]).unwrap()).await.status, 200);
        let anna = users::find_by_login_name(&mut server.state.db.read().await.unwrap(), "anna@example.com").await.unwrap().unwrap();
        assert_eq!(anna.roles, ["editor"]);
        refused(&with(token_of(&link), Value::Null).await, 403, "registration_closed");
        let mut told = server.audit().await.into_iter().filter(|entry| entry.kind == "user.registered");
        assert!(told.any(|entry| entry.reason.as_deref() == Some("registration_closed")));
    }
}

#[tokio::test]
async fn e3_what_is_no_address_is_refused_and_reaches_no_mail() {
    let server = open(TestDatabase::sqlite().await).await;
    let client = app(&server, Persona::Web).await;
    let long = format!("a@{}example.com", "b.".repeat(130));
    for address in ["a@x\r\nBcc: eve@example.com", "\"a b\"@example.com", "a@b@example.com", "anna", "", &long] {
        assert_detail(&register(&server, &client, address, PASSWORD).await, "email", "malformed");
    }
    assert_detail(&send(&server, &client, "register", json!({"password": PASSWORD})).await, "email", "malformed");
    assert!(server.mails().await.is_empty());
}

#[tokio::test]
async fn e12_breached_contextual_and_short_passwords_are_refused_and_the_answer_says_why() {
    let list = tempfile::NamedTempFile::new().unwrap();
    let hash = ostiary::authn::password::sha1_hex("nobody would ever think of this");
    std::fs::write(list.path(), format!("{hash}:3\n")).unwrap();
    let server = open_with(TestDatabase::sqlite().await, |config| config.password.breached_hashes = list.path().to_owned()).await;
    let client = app(&server, Persona::Web).await;
    for (password, code) in [
        ("fourteen chars", "password_too_short"),
        ("nobody would ever think of this", "password_breached"),
        ("anna.smith@example.com", "password_from_context"),
        ("aaaaaaaaaaaaaaaaaaaaaa", "password_too_weak"),
    ] {
        let answer = register(&server, &client, "anna.smith@example.com", password).await;
        assert_detail(&answer, "password", code);
        assert!(answer.json()["error"]["details"][0]["message"].is_string());
        assert!(!answer.body.contains(password), "{password}");
    }
    let all_wrong = register(&server, &client, "anna", "short").await;
    assert_eq!(all_wrong.json()["error"]["details"].as_array().unwrap().len(), 2, "everything at once: {all_wrong:#?}");
    assert!(server.mails().await.is_empty());
}

#[tokio::test]
async fn where_no_address_is_asked_for_whoever_registers_is_in_at_once() {
    let server = open_with(TestDatabase::sqlite().await, |config| config.registration.identifier = Identifier::Username).await;
    let client = app(&server, Persona::Native).await;
    let wish = |name: &str| json!({"username": name, "password": PASSWORD, "scope": "account:read"});
    let answer = send(&server, &client, "register", wish("anna")).await;
    assert_eq!((answer.status.as_u16(), &answer.json()["scope"]), (200, &json!("account:read")), "{answer:#?}");
    for (name, code) in [("ANNA", "taken"), ("\u{430}nn\u{430}", "taken"), ("anna@example.com", "malformed"), ("", "malformed")] {
        assert_detail(&send(&server, &client, "register", wish(name)).await, "username", code);
    }
    let audit = server.audit().await;
    let refused = audit.iter().filter(|entry| entry.kind == "user.registration_requested");
    assert!(refused.clone().any(|entry| entry.reason.as_deref() == Some("name_taken")), "{audit:#?}");
    assert!(refused.clone().all(|entry| entry.client_id.is_some()), "{audit:#?}");
    assert!(server.mails().await.is_empty());
}

#[tokio::test]
async fn whoever_registers_where_more_is_asked_for_than_a_password_goes_on_in_a_browser() {
    let server = open(TestDatabase::sqlite().await).await;
    let client = app_with(&server, Persona::Web, |metadata| metadata.required_acr = Some(Acr::Multi)).await;
    let begun = handle(&register(&server, &client, "anna@example.com", PASSWORD).await);
    refused(&verify(&server, &client, &begun, &code(&server).await).await, 403, "browser_required");
    let anna = users::find_by_login_name(&mut server.state.db.read().await.unwrap(), "anna@example.com").await.unwrap().unwrap();
    let admin = super::super::persona::Caller::admin(&server).await;
    let sessions = admin.get(&format!("/admin/sessions?user_id={}", anna.id)).await.json();
    assert_eq!(sessions["items"], json!([]), "nothing is left open");
}

#[tokio::test]
async fn nobody_registers_where_it_is_closed_nor_through_an_app_that_may_not() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = app(&server, Persona::Web).await;
    refused(&register(&server, &client, "a@example.com", PASSWORD).await, 403, "registration_closed");
    let open = open(TestDatabase::sqlite().await).await;
    let third_party = open.client(Persona::Web, |_| {}).await;
    let bodies = [
        ("register", json!({"email": "a@example.com", "password": PASSWORD})),
        ("email/verify", json!({"handle": "a.b", "code": "000000"})),
        ("email/resend", json!({"handle": "a.b"})),
        ("password/forgot", json!({"username": "a"})),
        ("password/reset", json!({"handle": "a.b", "code": "000000", "password": PASSWORD})),
        ("passkey/options", json!({})),
        ("passkey", json!({"passkey": {"challenge": "a", "credential": {}}})),
    ];
    for (path, mut body) in bodies {
        refused(&send(&open, &third_party, path, body.clone()).await, 403, "unauthorized_client");
        body["surplus"] = json!(true);
        assert_detail(&send(&open, &third_party, path, body).await, "surplus", "unknown");
    }
}

/// One address registers three people an hour; beyond that a machine has to work, and beyond that to wait.
#[tokio::test]
async fn many_registrations_from_one_address_cost_work_and_the_answers_tell_how_to_go_on() {
    let server = open_with(TestDatabase::sqlite().await, |config| {
        config.limits.enabled = true;
        config.limits.proof_of_work_bits = 8;
    })
    .await;
    let client = app(&server, Persona::Web).await;
    for number in 0..3 {
        let answer = register(&server, &client, &format!("p{number}@d{number}.example"), PASSWORD).await;
        assert!(answer.header("ratelimit").is_some() && answer.header("ratelimit-policy").is_some(), "{answer:#?}");
        handle(&answer);
    }
    let details = refused(&register(&server, &client, "p3@d3.example", PASSWORD).await, 429, "proof_of_work_required");
    let challenge = text(&details, "challenge");
    let with = async |solution: &str| {
        let body = json!({"email": "p3@d3.example", "password": PASSWORD, "challenge": challenge, "solution": solution});
        send(&server, &client, "register", body).await
    };
    refused(&with("x").await, 429, "proof_of_work_required");
    handle(&with(&solve(&challenge)).await);
    let mut last = with("x").await;
    for _ in 0..200 {
        if last.json()["error"]["code"] == "rate_limited" {
            break;
        }
        last = with("x").await;
    }
    assert_refused(&last, 429, "rate_limited");
    assert!(last.header("retry-after").unwrap().parse::<u32>().unwrap() > 0);
}

#[tokio::test]
async fn a_code_is_sent_again_for_a_handle_that_counts_and_not_too_often() {
    let server = open_with(TestDatabase::sqlite().await, |config| {
        config.limits.enabled = true;
        config.rates.mail = "1/h".parse().unwrap();
    })
    .await;
    let client = app(&server, Persona::Web).await;
    let resend = async |handle: &str| send(&server, &client, "email/resend", json!({"handle": handle})).await;
    refused(&resend("malformed").await, 400, "invalid_code");
    assert_eq!(server.last_reason("user.registration_requested").await.as_deref(), Some("code_unknown"));
    refused(&verify(&server, &client, "malformed", "123456").await, 400, "invalid_code");
    assert_eq!(server.last_reason("user.registered").await.as_deref(), Some("code_unknown"));
    refused(&reset(&server, &client, ("malformed", "123456"), NEW_PASSWORD).await, 400, "invalid_code");
    assert_eq!(server.last_reason("user.password_changed").await.as_deref(), Some("code_unknown"));
    refused(&resend("a.b").await, 400, "invalid_code");
    assert_eq!(server.last_reason("user.registration_requested").await.as_deref(), Some("code_unknown"));
    server.clock.advance(1);
    let limited = resend("a.b").await;
    refused(&limited, 429, "rate_limited");
    assert!(limited.header("retry-after").unwrap().parse::<u32>().unwrap() > 3_000, "{limited:#?}");
    assert_eq!(server.last_reason("user.registration_requested").await.as_deref(), Some("rate_limited"));
}
