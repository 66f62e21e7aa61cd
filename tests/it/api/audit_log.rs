//! `/api/v1/admin/audit-log`.

use serde_json::{Value, json};

use super::persona::{Caller, assert_detail, service, service_token};
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::TestServer;

on_both! {
    async fn what_happened_is_found_by_who_what_when_and_trace(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = service(&server, "users:write users:read audit:read").await;
        let admin = Caller::bearer(&server, &service_token(&server, &client).await);
        let mut people = Vec::new();
        for name in ["ada", "bob", "carol"] {
            server.clock.advance(1);
            let answer = admin.post("/admin/users", &json!({"sign_in_name": name})).await;
            people.push((answer.json()["id"].as_str().unwrap().to_owned(), answer.header("x-request-id").unwrap().to_owned()));
        }
        server.clock.advance(1);
        admin.patch(&format!("/admin/users/{}", people[0].0), &json!({"status": "disabled"})).await;

        let find = async |query: &str| -> Vec<Value> {
            let answer = admin.get(&format!("/admin/audit-log?{query}")).await;
            assert_eq!(answer.status, 200, "{answer:#?}");
            answer.json()["items"].as_array().unwrap().clone()
        };
        let newest_first: Vec<_> = find("").await.iter().map(|entry| entry["type"].clone()).collect();
        assert_eq!(newest_first, ["user.disabled", "user.created", "user.created", "user.created"]);
        assert_eq!(find(&format!("user_id={}", people[0].0)).await.len(), 2);
        assert_eq!(find("type=user.created").await.len(), 3);
        assert_eq!(find("outcome=refused").await.len(), 0);
        assert_eq!(find("from=2027-01-15T08:00:02Z&until=2027-01-15T08:00:04Z").await.len(), 2);
        assert_eq!(find("from=2027-01-15T09:00:02%2B01:00&type=user.created").await.len(), 2);
        assert_eq!(find(&format!("actor_id={}", client.id())).await.len(), 4);
        assert_eq!(find("actor_id=somebody").await.len(), 0);
        assert_eq!(find("reason=wrong_password").await.len(), 0);
        assert_eq!(find("address=192.0.2.99").await.len(), 0);
        let by_trace = find(&format!("trace_id={}", people[1].1)).await;
        assert_eq!(by_trace.len(), 1);
        let entry = &by_trace[0];
        assert_eq!(entry["user_id"], people[1].0);
        assert_eq!(entry["actor"], json!({"type": "client", "id": client.id()}));
        assert_eq!(entry["occurred_at"], "2027-01-15T08:00:02Z");
        assert_eq!((&entry["outcome"], &entry["count"]), (&json!("success"), &json!(1)));

        let first = admin.get("/admin/audit-log?limit=3").await.json();
        let rest = admin.get(&format!("/admin/audit-log?limit=3&after={}", first["next"].as_str().unwrap())).await.json();
        assert_eq!((first["items"].as_array().unwrap().len(), rest["items"].as_array().unwrap().len()), (3, 1));
    }
}

on_both! {
    async fn a_copy_is_streamed_by_filter_and_it_is_recorded_who_took_it(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = service(&server, "users:write users:read audit:read").await;
        let admin = Caller::bearer(&server, &service_token(&server, &client).await);
        // More than a page of the log.
        let write = server.state.db.write(async |tx| {
            for number in 0..1_100 {
                let origin = ostiary::audit::Origin {
                    at: server.clock.now(),
                    address: Some(format!("\u{1b}[31m{number}\u{2028}")),
                    trace_id: "=1+1".to_owned(),
                };
                let event = ostiary::audit::event(ostiary::audit::Kind::KeyCreated, origin);
                ostiary::storage::audit::insert(tx, &event).await?;
            }
            Ok(())
        });
        write.await.unwrap();
        admin.post("/admin/users", &json!({"sign_in_name": "ada"})).await;

        let csv = admin.get("/admin/audit-log/export?format=csv&type=key.created").await;
        assert_eq!((csv.status.as_u16(), csv.header("content-type")), (200, Some("text/csv; charset=utf-8")));
        assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"audit-log.csv\""));
        assert_eq!(csv.header("cache-control"), Some("no-store"));
        let lines: Vec<_> = csv.body.split("\r\n").collect();
        assert_eq!(lines.len(), 1 + 1_100 + 1, "a title, and an end");
        assert!(lines[1].contains(",\"\\u{1b}[31m") && lines[1].contains(",\"'=1+1\","), "{}", lines[1]);

        server.clock.advance(1);
        let whole = admin.get("/admin/audit-log/export").await;
        assert_eq!(whole.header("content-type"), Some("application/x-ndjson"));
        let lines: Vec<Value> = whole.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&lines[0]["ostiary_audit_log"], &lines[0]["whole"], lines[0].get("key")), (&json!(1), &json!(true), None));
        assert!(!whole.body.contains('\u{2028}') && lines.iter().any(|line| line["type"] == "user.created"));

        let exports = admin.get("/admin/audit-log?type=audit.exported").await.json();
        let exports = exports["items"].as_array().unwrap();
        assert_eq!(exports.len(), 2);
        assert_eq!(exports[0]["actor"], json!({"type": "client", "id": client.id()}));
        assert_eq!((&exports[0]["details"]["format"], &exports[1]["details"]["format"]), (&json!("jsonl"), &json!("csv")));
    }
}

#[tokio::test]
async fn a_copy_needs_the_scope_and_a_query_that_makes_sense() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let caller = Caller::service(&server, "users:read").await;
    assert_eq!(caller.get("/admin/audit-log/export").await.status, 403);
    let caller = Caller::service(&server, "audit:read").await;
    for query in ["format=xml", "format=csv&format=jsonl", "limit=1", "actor=ada"] {
        assert_detail(&caller.get(&format!("/admin/audit-log/export?{query}")).await, "query", "unknown_or_malformed");
    }
    assert_detail(&caller.get("/admin/audit-log/export?from=yesterday").await, "from", "not_a_time");
    assert_eq!(server.audit().await.iter().filter(|entry| entry.kind == "audit.exported").count(), 0);
}

#[tokio::test]
async fn a_filter_that_makes_no_sense_is_refused_and_not_ignored() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let caller = Caller::service(&server, "audit:read").await;
    for (query, field, code) in [
        ("from=yesterday", "from", "not_a_time"),
        ("until=1", "until", "not_a_time"),
        ("outcome=maybe", "query", "unknown_or_malformed"),
        ("actor=ada", "query", "unknown_or_malformed"),
        ("user_id=", "query", "unknown_or_malformed"),
    ] {
        assert_detail(&caller.get(&format!("/admin/audit-log?{query}")).await, field, code);
    }
}
