//! Passkeys: B1, B4, B6, B8; and what an administrator may do with them.

use ostiary::outbound::mail::{Factor, Message};
use ostiary::storage::passkeys;
use ostiary::storage::users::User;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::super::persona::{Caller, assert_detail, assert_refused};
use crate::support::authenticator::Passkey;
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::passkeys::give_passkey;
use crate::support::server::TestServer;

const PASSKEYS: &str = "/users/me/passkeys";

/// The options, and the challenge that comes back.
async fn options(caller: &Caller) -> (Value, Value) {
    let answer = caller.post("/users/me/passkeys/options", &Value::Null).await;
    assert_eq!(answer.status, 200, "{answer:#?}");
    (answer.json()["publicKey"].clone(), answer.json()["challenge"].clone())
}

/// The body with which a new passkey comes.
fn made(question: &(Value, Value)) -> (Passkey, Value) {
    let (passkey, credential) = Passkey::create(&question.0, |_| {});
    let credential: Value = serde_json::from_str(&credential).unwrap();
    (passkey, json!({"challenge": question.1, "credential": credential}))
}

async fn stored(server: &TestServer, user: &User) -> Vec<passkeys::Passkey> {
    passkeys::list(&mut server.state.db.read().await.unwrap(), &user.id).await.unwrap()
}

/// Somebody who reads mail.
async fn reader(server: &TestServer, name: &str) -> User {
    server.person_with(name, &[], Some(json!({"email": format!("{name}@example.com"), "email_verified": true}))).await
}

async fn told(server: &TestServer) -> Vec<Message> {
    server.mails().await.into_iter().map(|mail| mail.message).collect()
}

on_both! {
    /// One of the databases can't even look for it.
    async fn a_path_with_nul_names_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let caller = Caller::browser(&server, &anna).await;
        for path in ["/users/me/passkeys/%00", "/users/me/sessions/a%00b"] {
            assert_refused(&caller.patch(path, &json!({"name": "x"})).await, 404, "not_found");
        }
    }

    async fn a_passkey_is_made_named_and_removed(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = reader(&server, "anna").await;
        for caller in [Caller::browser(&server, &anna).await, Caller::app(&server, &anna).await] {
            let (passkey, mut body) = made(&options(&caller).await);
            body["name"] = " My\nkey ".into();
            let answer = caller.post(PASSKEYS, &body).await;
            assert_eq!(answer.status, 201, "{answer:#?}");
            let path = format!("{PASSKEYS}/{}", passkey.name());
            assert_eq!(answer.header("location").unwrap(), format!("/api/v1{path}"));
            assert_eq!((&answer.json()["name"], &answer.json()["verifies_user"]), (&json!("My key"), &json!(true)));
            let excluded = options(&caller).await.0["excludeCredentials"].clone();
            assert!(excluded.as_array().unwrap().iter().any(|known| known["id"] == passkey.name()));

            assert_eq!(caller.send("PATCH", &path, Some(&json!({"name": "Pocket"}))).await.status, 204);
            assert_detail(&caller.send("PATCH", &path, Some(&json!({"name": " \n"}))).await, "name", "empty");
            assert_detail(&caller.send("PATCH", &path, Some(&json!({"name": "a", "counter": 0}))).await, "counter", "unknown");
            let listed = caller.get(PASSKEYS).await;
            assert_eq!((&listed.json()["items"][0]["id"], &listed.json()["items"][0]["name"]), (&json!(passkey.name()), &json!("Pocket")));
            assert_eq!(listed.json()["items"][0].as_object().unwrap().len(), 5, "nothing of its key: {listed:#?}");

            server.clock.advance(1);
            assert_eq!(caller.delete(&path).await.status, 204);
            assert_refused(&caller.delete(&path).await, 404, "not_found");
            assert_eq!(told(&server).await, [
                Message::FactorAdded { what: Factor::Passkey { name: "My key".to_owned() } },
                Message::FactorRemoved { what: Factor::Passkey { name: "Pocket".to_owned() } },
            ]);
        }
        let mut kinds: Vec<_> = server.audit().await.into_iter().map(|entry| entry.kind).filter(|kind| kind.starts_with("passkey.")).collect();
        // All at one moment of the clock.
        kinds.sort_unstable();
        assert_eq!(kinds, ["passkey.added", "passkey.added", "passkey.removed", "passkey.removed", "passkey.renamed", "passkey.renamed"]);
    }

    /// B1, B6: a challenge is for who got it, and its first answer spends it.
    async fn a_challenge_counts_once_and_for_nobody_else(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let (anna, berta) = (server.person("anna").await, server.person("berta").await);
        let (browser, app) = (Caller::browser(&server, &anna).await, Caller::app(&server, &anna).await);
        let (question, late) = (options(&app).await, options(&app).await);
        let (_, body) = made(&question);
        for other in [&browser, &Caller::app(&server, &anna).await, &Caller::app(&server, &berta).await] {
            assert_refused(&other.post(PASSKEYS, &body).await, 400, "invalid_passkey");
        }
        assert_eq!(app.post(PASSKEYS, &body).await.status, 201);
        server.clock.advance(1);
        assert_refused(&app.post(PASSKEYS, &made(&question).1).await, 400, "invalid_passkey");
        assert_eq!(server.last_reason("passkey.added").await.as_deref(), Some("passkey_challenge_spent"));
        server.clock.advance(299);
        assert_refused(&app.post(PASSKEYS, &made(&late).1).await, 400, "invalid_passkey");
        for body in [json!({"challenge": "", "credential": {}}), json!({"challenge": late.1, "credential": {"id": "x"}})] {
            assert_refused(&app.post(PASSKEYS, &body).await, 400, "invalid_passkey");
        }
        assert_eq!(stored(&server, &anna).await.len(), 1);
    }

    async fn of_many_answers_to_one_challenge_one_is_taken(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let caller = Caller::app(&server, &anna).await;
        let question = options(&caller).await;
        let mut tries = JoinSet::new();
        for _ in 0..50 {
            let (caller, body) = (caller.clone(), made(&question).1);
            tries.spawn(async move { caller.post(PASSKEYS, &body).await.status.as_u16() });
        }
        let mut statuses = tries.join_all().await;
        statuses.sort_unstable();
        assert_eq!((statuses[0], statuses[49], statuses.iter().filter(|status| **status == 400).count()), (201, 400, 49));
        assert_eq!(stored(&server, &anna).await.len(), 1);
    }

    /// B4.
    async fn nobody_gets_at_the_passkeys_of_somebody_else(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let (anna, berta) = (server.person("anna").await, server.person("berta").await);
        let theirs = give_passkey(&server, &anna).await;
        let caller = Caller::app(&server, &berta).await;
        let question = options(&caller).await;
        let (_, credential) = Passkey::create(&question.0, |answer| answer.id.clone_from(&theirs.id));
        let body = json!({"challenge": question.1, "credential": serde_json::from_str::<Value>(&credential).unwrap()});
        assert_refused(&caller.post(PASSKEYS, &body).await, 409, "passkey_taken");
        let path = format!("{PASSKEYS}/{}", theirs.name());
        assert_refused(&caller.send("PATCH", &path, Some(&json!({"name": "Mine"}))).await, 404, "not_found");
        assert_refused(&caller.delete(&path).await, 404, "not_found");
        assert_eq!(caller.get(PASSKEYS).await.json()["items"], json!([]));
        assert_eq!(stored(&server, &anna).await[0].name, "Pocket");
    }

    /// B8: without a password the last passkey stays, of two removals at once too.
    async fn the_last_way_in_is_not_removed(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = reader(&server, "anna").await;
        let caller = Caller::browser(&server, &anna).await;
        assert_refused(&caller.delete("/users/me/password").await, 409, "factor_required");
        assert_eq!(server.last_reason("user.password_removed").await.as_deref(), Some("last_factor"));
        let paths = [give_passkey(&server, &anna).await, give_passkey(&server, &anna).await].map(|passkey| format!("{PASSKEYS}/{}", passkey.name()));
        let other = Caller::app(&server, &anna).await;
        assert_eq!(caller.delete("/users/me/password").await.status, 204);
        assert_refused(&other.get("/users/me").await, 401, "invalid_token");
        assert_refused(&caller.delete("/users/me/password").await, 404, "not_found");
        let mut removals = JoinSet::new();
        for path in paths {
            let caller = caller.clone();
            removals.spawn(async move { caller.delete(&path).await.status.as_u16() });
        }
        let mut statuses = removals.join_all().await;
        statuses.sort_unstable();
        assert_eq!((statuses.as_slice(), stored(&server, &anna).await.len()), ([204, 409].as_slice(), 1));
        assert!(told(&server).await.contains(&Message::PasswordRemoved));
    }

    async fn an_administrator_takes_one_passkey_away(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = reader(&server, "anna").await;
        let (lost, kept) = (give_passkey(&server, &anna).await, give_passkey(&server, &anna).await);
        let admin = Caller::admin(&server).await;
        let own = Caller::browser(&server, &anna).await;
        let path = format!("/admin/users/{}/passkeys/{}", anna.id, lost.name());
        let listed = admin.get(&format!("/admin/users/{}/factors", anna.id)).await.json();
        assert!(listed["passkeys"].as_array().unwrap().iter().any(|passkey| passkey["id"] == lost.name()), "{listed:#}");
        assert_eq!(admin.delete(&path).await.status, 204);
        assert_refused(&admin.delete(&path).await, 404, "not_found");
        assert_eq!(stored(&server, &anna).await[0].id, kept.name());
        assert_refused(&own.get("/users/me").await, 401, "unauthenticated");
        assert_eq!(told(&server).await, [Message::FactorRemoved { what: Factor::Passkey { name: "Pocket".to_owned() } }]);
        let event = server.audit().await.into_iter().find(|entry| entry.kind == "passkey.removed").unwrap();
        assert_eq!((event.user_id.as_ref(), event.details["passkey"].as_str()), (Some(&anna.id), Some(lost.name().as_str())));
        assert_ne!(event.actor.id(), Some(anna.id.as_str()));
    }
}

#[tokio::test]
async fn nobody_takes_away_their_own_passkey_as_an_administrator_or_that_of_somebody_mightier() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        let scope = ostiary::protocol::scope::Scope::parse("users:read users:write").unwrap();
        config.admin.roles.insert("helpdesk".to_owned(), scope);
    })
    .await;
    let help = server.person_with("help", &["helpdesk"], None).await;
    let boss = server.person_with("boss", &["admin"], None).await;
    let caller = Caller::browser(&server, &help).await;
    for (person, code) in [(&help, "own_factors"), (&boss, "exceeds_caller")] {
        let passkey = give_passkey(&server, person).await;
        let answer: Answer = caller.delete(&format!("/admin/users/{}/passkeys/{}", person.id, passkey.name())).await;
        assert_refused(&answer, 403, code);
        assert_eq!(stored(&server, person).await.len(), 1);
    }
}
