//! `/api/v1/admin/lockouts`: what administrators see of locks, and say about them.

use serde_json::Value;

use super::attack::{Visitor, attack, is_in, is_refused, limited_with, row};
use crate::api::persona::{Caller, assert_refused};
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::{PASSWORD, TestServer};

/// A server that locks after 10.
async fn server(database: TestDatabase) -> TestServer {
    limited_with(database, |config| config.limits.lock_after = 10).await
}

/// Has an address blocked.
async fn stuff(server: &TestServer, address: &str) {
    let mut visitor = Visitor::new(server, address).await;
    for number in 0..16 {
        server.clock.advance(12);
        assert!(is_refused(&visitor.try_once(&format!("name{number}"), "wrong password").await));
    }
    server.state.guard.write_failures().await.unwrap();
}

fn items(answer: &crate::support::browser::Answer) -> Vec<Value> {
    answer.json()["items"].as_array().unwrap_or_else(|| panic!("no list: {answer:#?}")).clone()
}

on_both! {
    async fn locks_are_listed_with_why_and_since_when(database: TestDatabase) {
        let server = server(database).await;
        let anna = server.person("Anna").await;
        server.person("bert").await;
        attack(&server, "anna", 0..10).await;
        attack(&server, "bert", 10..19).await;
        attack(&server, "nobody", 20..30).await;
        stuff(&server, "2001:db8::7").await;
        let admin = Caller::service(&server, "users:read").await;
        let found = items(&admin.get("/admin/lockouts").await);
        assert_eq!(found.len(), 2, "{found:#?}");
        let of = |kind: &str| found.iter().find(|item| item["kind"] == kind).unwrap_or_else(|| panic!("no {kind}")).clone();
        let account = of("account");
        assert_eq!((&account["reason"], &account["failures"]), (&"password_guessing".into(), &10.into()));
        assert_eq!((account["user_id"].as_str(), account["sign_in_name"].as_str()), (Some(anna.id.as_str()), Some("Anna")));
        assert_eq!(account["locked_at"], "2027-01-15T08:00:00Z");
        assert_eq!(account.get("locked_until"), None);
        let address = of("address");
        assert_eq!((&address["reason"], &address["address"]), (&"credential_stuffing".into(), &"2001:db8::/64".into()));
        assert_eq!(address["locked_until"], "2027-01-16T08:03:12Z");

        assert_eq!(items(&admin.get("/admin/lockouts?kind=address").await).len(), 1);
        assert_eq!(items(&admin.get(&format!("/admin/lockouts?user_id={}", anna.id)).await).len(), 1);
        let first = admin.get("/admin/lockouts?limit=1").await.json();
        let second = items(&admin.get(&format!("/admin/lockouts?limit=1&after={}", first["next"].as_str().unwrap())).await);
        assert_ne!(first["items"][0]["id"], second[0]["id"]);
        assert_refused(&admin.get("/admin/lockouts?kind=device").await, 400, "invalid_parameter");
        server.clock.advance(86_400);
        let admin = Caller::service(&server, "users:read").await;
        assert_eq!(items(&admin.get("/admin/lockouts").await).len(), 1, "the address's ends by itself");
    }

    async fn a_lock_is_kept_or_released(database: TestDatabase) {
        let server = server(database).await;
        let anna = server.person("anna").await;
        attack(&server, "anna", 0..10).await;
        let admin = Caller::service(&server, "users:read users:write").await;
        let id = items(&admin.get("/admin/lockouts").await)[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(admin.post(&format!("/admin/lockouts/{id}/keep"), &Value::Null).await.status, 204);
        assert_eq!(items(&admin.get("/admin/lockouts?unreviewed=true").await).len(), 0);
        let kept = &items(&admin.get("/admin/lockouts").await)[0];
        assert!(kept["kept_at"].is_string() && kept["kept_by"].is_string(), "{kept:#}");
        assert!(is_refused(&Visitor::new(&server, "192.0.2.1").await.try_hard("anna", PASSWORD).await));

        assert_eq!(admin.post(&format!("/admin/lockouts/{id}/release"), &Value::Null).await.status, 204);
        assert_eq!(items(&admin.get("/admin/lockouts").await).len(), 0);
        assert_refused(&admin.post(&format!("/admin/lockouts/{id}/release"), &Value::Null).await, 404, "not_found");
        assert_refused(&admin.post("/admin/lockouts/00/keep", &Value::Null).await, 404, "not_found");
        assert!(is_in(&Visitor::new(&server, "192.0.2.2").await.try_once("anna", PASSWORD).await));
        assert_eq!(row(&server, Some(&anna), "").await, None);
        let mut events: Vec<_> = server.audit().await.into_iter().map(|entry| entry.kind).filter(|kind| kind.starts_with("lockout.")).collect();
        events.sort_unstable();
        assert_eq!(events, ["lockout.kept", "lockout.released"]);
    }

    async fn a_blocked_address_is_let_in_again(database: TestDatabase) {
        let server = server(database).await;
        server.person("anna").await;
        stuff(&server, "192.0.2.1").await;
        assert_eq!(Visitor::new(&server, "192.0.2.1").await.try_once("anna", PASSWORD).await.status, 429);
        let admin = Caller::service(&server, "users:read users:write").await;
        let id = items(&admin.get("/admin/lockouts").await)[0]["id"].as_str().unwrap().to_owned();
        assert_eq!(admin.post(&format!("/admin/lockouts/{id}/release"), &Value::Null).await.status, 204);
        assert!(is_in(&Visitor::new(&server, "192.0.2.1").await.try_once("anna", PASSWORD).await));
    }

    async fn nobody_unlocks_who_is_above_them(database: TestDatabase) {
        let server = server(database).await;
        server.person_with("root", &["admin"], None).await;
        attack(&server, "root", 0..10).await;
        let helper = Caller::service(&server, "users:read users:write").await;
        let id = items(&helper.get("/admin/lockouts").await)[0]["id"].as_str().unwrap().to_owned();
        assert_refused(&helper.post(&format!("/admin/lockouts/{id}/release"), &Value::Null).await, 403, "exceeds_caller");
        assert_eq!(items(&helper.get("/admin/lockouts").await).len(), 1);
    }

    async fn a_new_password_is_not_locked(database: TestDatabase) {
        let server = server(database).await;
        let anna = server.person("anna").await;
        attack(&server, "anna", 0..10).await;
        let admin = Caller::service(&server, "users:read users:write").await;
        let body = serde_json::json!({ "password": "another horse, another battery" });
        assert_eq!(admin.send("PUT", &format!("/admin/users/{}/password", anna.id), Some(&body)).await.status, 204);
        assert_eq!(row(&server, Some(&anna), "").await, None);
        let mut visitor = Visitor::new(&server, "192.0.2.1").await;
        assert!(is_in(&visitor.try_hard("anna", "another horse, another battery").await));
    }
}
