//! Activity, applications, the copy of one's data, and the account's end.

use ostiary::outbound::mail::Message;
use ostiary::storage::users;
use ostiary::storage::users::User;
use serde_json::{Value, json};

use super::super::auth::{app, try_login};
use super::super::persona::{Caller, assert_refused};
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::give_recovery_codes;
use crate::support::server::{PASSWORD, Persona, TestServer};

async fn exists(server: &TestServer, user: &User) -> bool {
    users::by_id(&mut server.state.db.read().await.unwrap(), &user.id).await.unwrap().is_some()
}

on_both! {
    async fn activity_comes_in_pages_and_in_the_readers_language(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let (anna, berta) = (server.person("anna").await, server.person("berta").await);
        let caller = Caller::app(&server, &anna).await;
        server.clock.advance(1);
        Caller::app(&server, &berta).await;
        assert_eq!(caller.send("PATCH", "/users/me/sessions/nobody", Some(&json!({"name": "a"}))).await.status, 404);
        let mine = caller.get("/users/me/sessions").await.json()["items"][0]["id"].clone();
        let path = format!("/users/me/sessions/{}", mine.as_str().unwrap());
        assert_eq!(caller.send("PATCH", &path, Some(&json!({"name": "My app"}))).await.status, 204);
        let mut seen = Vec::new();
        let mut path = "/users/me/activity?limit=1".to_owned();
        loop {
            let page = caller.get(&path).await.json();
            let items = page["items"].as_array().unwrap().clone();
            assert_eq!(items.len(), 1);
            seen.extend(items);
            match page["next"].as_str() {
                Some(next) => path = format!("/users/me/activity?limit=1&after={next}"),
                None => break,
            }
        }
        let kinds: Vec<_> = seen.iter().map(|item| item["type"].as_str().unwrap()).collect();
        assert_eq!(kinds, ["session.renamed", "user.login"], "the newest first, nothing of others, no tokens");
        assert_eq!((&seen[1]["by"], &seen[1]["outcome"], &seen[1]["count"]), (&json!("yourself"), &json!("success"), &json!(1)));
        let english = caller.get("/users/me/activity").await.json();
        let french = caller.clone().with("accept-language", "fr").get("/users/me/activity").await.json();
        assert_ne!(english["items"][0]["description"], french["items"][0]["description"]);
        assert_refused(&caller.get("/users/me/activity?limit=0").await, 400, "invalid_parameter");
        assert_refused(&caller.get("/users/me/activity?offset=1").await, 400, "invalid_parameter");
    }

    async fn applications_are_listed_with_what_they_may_do_and_shut_out(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let theirs = Caller::person(&server, "anna", "account:read").await;
        let caller = Caller::app(&server, &anna).await;
        let listed = caller.get("/users/me/connected-apps").await.json();
        let apps = listed["items"].as_array().unwrap();
        assert_eq!(apps.len(), 2);
        let shop = apps.iter().find(|app| app["name"] == "Web Shop").unwrap();
        let may: Vec<_> = shop["may"].as_array().unwrap().iter().map(|may| may["scope"].as_str().unwrap()).collect();
        assert_eq!(may, ["openid", "account:read"]);
        assert_eq!(shop["resources"], json!([]));
        assert!(shop["may"][1]["description"].as_str().unwrap().contains(' ') && shop["last_used_at"].is_string());
        let path = format!("/users/me/connected-apps/{}", shop["client_id"].as_str().unwrap());
        let berta = server.person("berta").await;
        assert_refused(&Caller::app(&server, &berta).await.delete(&path).await, 404, "not_found");
        assert_eq!(theirs.get("/users/me").await.status, 200);
        assert_eq!(caller.delete(&path).await.status, 204);
        assert_refused(&theirs.get("/users/me").await, 401, "invalid_token");
        assert_refused(&caller.delete(&path).await, 404, "not_found");
        assert_eq!(server.audit().await.iter().filter(|entry| entry.kind == "consent.revoked").count(), 1);
    }

    async fn the_copy_holds_everything_but_keys(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let codes = give_recovery_codes(&server, &anna).await;
        let caller = Caller::app(&server, &anna).await;
        let answer = caller.get("/users/me/export").await;
        assert_eq!((answer.status.as_u16(), answer.header("cache-control")), (200, Some("no-store")));
        let copy = answer.json();
        for member in ["account", "profile", "sessions", "grants", "consents", "passkeys", "activity", "issuer"] {
            assert!(copy.get(member).is_some(), "{member}");
        }
        assert_eq!(copy["account"]["id"], anna.id.as_str());
        assert!(!answer.body.contains("$argon2") && codes.iter().all(|code| !answer.body.contains(code.as_str())));
        assert!(server.audit().await.iter().any(|entry| entry.kind == "user.exported" && entry.user_id.as_ref() == Some(&anna.id)));
    }

    async fn whoever_leaves_may_come_back_for_as_long_as_the_operator_says(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.account.deletion_grace_days = 7).await;
        let anna = server.person_with("anna", &[], Some(json!({"email": "anna@example.com", "email_verified": true}))).await;
        let (caller, browser) = (Caller::app(&server, &anna).await, Caller::browser(&server, &anna).await);
        assert_refused(&caller.send("DELETE", "/users/me", None).await, 428, "precondition_required");
        assert_refused(&caller.clone().with("if-match", "\"99\"").send("DELETE", "/users/me", None).await, 412, "precondition_failed");
        let answer = caller.delete("/users/me").await;
        assert_eq!((answer.status.as_u16(), answer.json()["due_at"].is_string()), (202, true), "{answer:#?}");
        for ended in [&caller, &browser] {
            assert_eq!(ended.get("/users/me").await.status, 401);
        }
        let told: Vec<_> = server.mails().await.into_iter().map(|mail| mail.message).collect();
        assert!(matches!(told[..], [Message::DeletionScheduled { .. }]), "{told:?}");
        let client = app(&server, Persona::Web).await;
        assert_eq!(try_login(&server, &client, "anna", PASSWORD).await.status, 200);
        assert!(server.audit().await.iter().any(|entry| entry.kind == "user.deletion_taken_back"));
    }

    async fn whoever_leaves_is_gone_at_once_where_there_is_no_such_time(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.account.deletion_grace_days = 0).await;
        let (anna, root) = (server.person("anna").await, server.person_with("root", &["admin"], None).await);
        let caller = Caller::browser(&server, &anna).await;
        let answer = caller.delete("/users/me").await;
        assert_eq!((answer.status.as_u16(), exists(&server, &anna).await), (204, false), "{answer:#?}");
        assert!(answer.header("set-cookie").unwrap().starts_with("__Host-sid=;"), "{answer:#?}");
        assert_refused(&Caller::browser(&server, &root).await.delete("/users/me").await, 409, "last_administrator");
        assert!(exists(&server, &root).await);
    }

    async fn a_session_gets_a_name_and_loses_it(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let (anna, berta) = (server.person("anna").await, server.person("berta").await);
        let caller = Caller::browser(&server, &anna).await;
        let named = async |caller: &Caller| caller.get("/users/me/sessions").await.json()["items"][0].clone();
        let path = format!("/users/me/sessions/{}", named(&caller).await["id"].as_str().unwrap());
        for (typed, name) in [(" My\nlaptop ", json!("My laptop")), ("", Value::Null)] {
            assert_eq!(caller.send("PATCH", &path, Some(&json!({"name": typed}))).await.status, 204);
            assert_eq!(named(&caller).await["name"], name);
        }
        let other = Caller::browser(&server, &berta).await;
        assert_refused(&other.send("PATCH", &path, Some(&json!({"name": "Mine"}))).await, 404, "not_found");
        assert_eq!(caller.send("PATCH", &path, Some(&json!({"name": "a", "id": "b"}))).await.status, 422);
        // Logging out where one is asks for no proof.
        server.clock.advance(301);
        assert_eq!(caller.delete(&path).await.status, 204);
        assert_refused(&caller.get("/users/me").await, 401, "unauthenticated");
    }
}
