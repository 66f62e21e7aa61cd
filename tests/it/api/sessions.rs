//! `/api/v1/admin/sessions`.

use serde_json::json;

use super::persona::{Caller, assert_refused, cookie};
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::TestServer;

on_both! {
    async fn sessions_are_listed_and_ended(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let (anna, berta) = (server.person("anna").await, server.person("berta").await);
        let at_home = Caller::browser(&server, &anna).await;
        let at_work = Caller::browser(&server, &anna).await;
        let berta_browser = Caller::browser(&server, &berta).await;
        let admin = Caller::service(&server, "sessions:read sessions:write").await;

        let all = admin.get("/admin/sessions").await;
        assert_eq!(all.json()["items"].as_array().unwrap().len(), 3);
        let secret = cookie(&server, &berta).await;
        assert!(!admin.get("/admin/sessions").await.body.contains(&secret));
        let of_anna = admin.get(&format!("/admin/sessions?user_id={}", anna.id)).await.json();
        assert_eq!(of_anna["items"].as_array().unwrap().len(), 2);
        let session = &of_anna["items"][0];
        assert_eq!((session["user_agent"].as_str(), session["address"].as_str()), (Some("Test Browser"), Some("192.0.2.7")));
        assert_eq!(session["current"], false);
        assert_eq!((&session["network"], &session["remembered"], &session["name"]), (&json!("192.0.2.7"), &json!(false), &json!(null)));
        assert_eq!(session["factors"], json!({"pwd": session["auth_time"]}));
        assert!(session["device"].is_string(), "{session}");

        let path = format!("/admin/sessions/{}", session["id"].as_str().unwrap());
        assert_eq!(admin.delete(&path).await.status, 204);
        assert_refused(&admin.delete(&path).await, 404, "not_found");
        let alive = [at_home.get("/users/me").await.status.as_u16(), at_work.get("/users/me").await.status.as_u16()];
        assert_eq!(alive.iter().filter(|status| **status == 200).count(), 1);

        assert_eq!(admin.delete(&format!("/admin/users/{}/sessions", anna.id)).await.status, 204);
        for browser in [&at_home, &at_work] {
            assert_refused(&browser.get("/users/me").await, 401, "unauthenticated");
        }
        assert_eq!(berta_browser.get("/users/me").await.status, 200);
        let ended: Vec<_> = server.audit().await.into_iter().filter(|entry| entry.kind == "session.ended").map(|entry| entry.user_id.unwrap()).collect();
        assert_eq!(ended, [anna.id.clone(), anna.id]);
    }

    async fn a_session_past_its_limit_is_not_listed(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        cookie(&server, &anna).await;
        server.clock.advance(43_200);
        let admin = Caller::service(&server, "sessions:read").await;
        assert_eq!(admin.get("/admin/sessions").await.json()["items"].as_array().unwrap().len(), 0);
    }
}
