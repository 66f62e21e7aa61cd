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
