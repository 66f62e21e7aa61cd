//! `/api/v1/users/me`.

mod credentials;
mod data;
mod factors;
mod passkeys;

use serde_json::json;

use super::auth::{app, holder, log_in, refused};
use super::persona::{Caller, assert_detail, assert_refused};
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::{Persona, TestServer};

on_both! {
    async fn a_person_reads_and_changes_their_own_profile(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let profile = json!({"name": "Anna", "email": "anna@example.com"});
        let anna = server.person_with("anna", &[], Some(profile)).await;
        let browser = Caller::browser(&server, &anna).await;
        let own = browser.get("/users/me").await;
        assert_eq!((own.json()["id"].as_str(), own.json()["profile"]["name"].as_str()), (Some(anna.id.as_str()), Some("Anna")));

        let blind = browser.send("PATCH", "/users/me", Some(&json!({"profile": {"name": "Anne"}}))).await;
        assert_refused(&blind, 428, "precondition_required");
        let patch = json!({"profile": {"name": "Anne", "email": "anna@example.com"}});
        let changed = browser.clone().with("if-match", own.header("etag").unwrap()).send("PATCH", "/users/me", Some(&patch)).await;
        assert_eq!(changed.status, 200, "{changed:#?}");
        assert_eq!(changed.json()["profile"], json!({"name": "Anne", "email": "anna@example.com", "email_verified": false}));

        for (patch, field, code) in [
            (json!({"profile": {"email_verified": true}}), "profile.email_verified", "not_yours_to_say"),
            (json!({"roles": ["admin"]}), "roles", "not_yours_to_change"),
            (json!({"status": "disabled"}), "status", "not_yours_to_change"),
            (json!({"sign_in_name": "root"}), "sign_in_name", "not_yours_to_change"),
        ] {
            assert_detail(&browser.patch("/users/me", &patch).await, field, code);
        }
        let event = server.audit().await.into_iter().find(|entry| entry.kind == "user.updated").unwrap();
        assert_eq!((event.actor.id(), event.user_id.as_ref()), (Some(anna.id.as_str()), Some(&anna.id)));
    }

    /// Whoever reads the mailbox gets into the account.
    async fn an_address_is_not_written_over_by_whoever_may_change_the_profile(database: TestDatabase) {
        let server = TestServer::start(database).await;
        for (name, profile) in [
            ("anna", json!({"name": "Anna", "email": "anna@example.com", "email_verified": true})),
            ("berta", json!({"name": "Berta", "email": "berta@example.com"})),
        ] {
            let user = server.person_with(name, &[], Some(profile)).await;
            let browser = Caller::browser(&server, &user).await;
            for patch in [json!({"profile": {"email": "eve@example.com"}}), json!({"profile": {"email": null}}), json!({"profile": null})] {
                assert_detail(&browser.patch("/users/me", &patch).await, "profile.email", "needs_proof");
            }
            assert_eq!(browser.patch("/users/me", &json!({"profile": {"name": "Anne"}})).await.status, 200);
        }
        server.person("carla@example.com").await;
        let app = Caller::person(&server, "carla@example.com", "account:read account:write").await;
        let patch = json!({"profile": {"email": "eve@example.com"}});
        assert_detail(&app.patch("/users/me", &patch).await, "profile.email", "needs_proof");
    }

    async fn a_person_logs_out_their_own_browsers_and_nobody_elses(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let (anna, berta) = (server.person("anna").await, server.person("berta").await);
        let (here, there, elsewhere) = (Caller::browser(&server, &anna).await, Caller::browser(&server, &anna).await, Caller::browser(&server, &anna).await);
        let berta = Caller::browser(&server, &berta).await;
        let sessions = here.get("/users/me/sessions").await.json();
        let sessions = sessions["items"].as_array().unwrap();
        assert_eq!((sessions.len(), sessions.iter().filter(|session| session["current"] == true).count()), (3, 1));
        let theirs = there.get("/users/me/sessions").await.json();
        let there_id = theirs["items"].as_array().unwrap().iter().find(|session| session["current"] == true).unwrap()["id"].clone();
        let path = format!("/users/me/sessions/{}", there_id.as_str().unwrap());

        assert_refused(&berta.delete(&path).await, 404, "not_found");
        assert_eq!(there.get("/users/me").await.status, 200);
        assert_eq!(here.delete(&path).await.status, 204);
        assert_refused(&there.get("/users/me").await, 401, "unauthenticated");

        assert_eq!(here.delete("/users/me/sessions").await.status, 204);
        assert_refused(&elsewhere.get("/users/me").await, 401, "unauthenticated");
        assert_eq!(here.get("/users/me").await.status, 200, "this one stays");
        assert_eq!(berta.get("/users/me").await.status, 200);
    }

    async fn a_person_takes_back_what_they_allowed(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let app = Caller::person(&server, "anna", "account:read").await;
        assert_eq!(app.get("/users/me").await.status, 200);
        let browser = Caller::browser(&server, &anna).await;
        let consents = browser.get("/users/me/consents").await.json();
        let consent = &consents["items"][0];
        assert_eq!(consent["scope"], "account:read openid");
        let path = format!("/users/me/consents/{}", consent["client_id"].as_str().unwrap());
        let berta = server.person("berta").await;
        assert_refused(&Caller::browser(&server, &berta).await.delete(&path).await, 404, "not_found");
        assert_refused(&app.delete(&path).await, 403, "insufficient_scope");
        assert_eq!(browser.delete(&path).await.status, 204);
        assert_refused(&app.get("/users/me").await, 401, "invalid_token");
        assert_eq!(browser.get("/users/me/consents").await.json()["items"], json!([]));
    }

    /// Taking back what an application was allowed ends its logins.
    async fn another_application_is_shut_out_by_who_proved_just_now_that_it_is_them(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let house = app(&server, Persona::Native).await;
        let tokens = log_in(&server, &house, "anna").await;
        let (own, other) = (holder(&server, &tokens), Caller::app(&server, &anna).await);
        let foreign = Caller::person(&server, "anna", "account:read account:write").await;
        let consents = foreign.get("/users/me/consents").await.json();
        let itself = consents["items"][0]["client_id"].as_str().unwrap().to_owned();
        for list in ["consents", "connected-apps"] {
            let path = format!("/users/me/{list}/{}", house.id());
            assert_refused(&foreign.delete(&path).await, 403, "unauthorized_client");
        }
        server.clock.advance(301);
        let browser = Caller::browser(&server, &anna).await;
        server.clock.advance(301);
        for list in ["consents", "connected-apps"] {
            let path = format!("/users/me/{list}/{}", house.id());
            for stale in [&browser, &other] {
                refused(&stale.delete(&path).await, 401, "reauthentication_required");
            }
            assert_eq!(own.get("/users/me").await.status, 200);
        }
        assert_eq!(own.delete(&format!("/users/me/consents/{}", house.id())).await.status, 204, "what is its own");
        assert_eq!(foreign.delete(&format!("/users/me/connected-apps/{itself}")).await.status, 204, "what is its own");
    }
}
