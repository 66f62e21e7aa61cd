//! Nobody grants more than they hold (behaviours Y2).

use serde_json::json;

use super::persona::{Caller, assert_refused, everything, service};
use crate::support::database::{TestDatabase, on_both};
use crate::support::server::TestServer;

/// A server with a role that gives a part of the scopes.
async fn server(database: TestDatabase) -> TestServer {
    TestServer::start_with(database, |config| {
        let scope = |text| ostiary::protocol::scope::Scope::parse(text).unwrap();
        config.admin.roles.insert("helpdesk".to_owned(), scope("users:read users:write sessions:read sessions:write"));
        config.admin.roles.insert("registrar".to_owned(), scope("clients:read clients:write"));
    })
    .await
}

on_both! {
    async fn a_limited_administrator_gives_nobody_more_than_they_have(database: TestDatabase) {
        let server = server(database).await;
        server.person_with("root", &["admin"], None).await;
        let helper = server.person_with("helper", &["helpdesk"], None).await;
        let peer = server.person_with("peer", &["helpdesk"], None).await;
        let caller = Caller::browser(&server, &helper).await;
        for roles in [json!(["admin"]), json!(["helpdesk", "registrar"])] {
            for user in [&helper, &peer] {
                let answer = caller.patch(&format!("/admin/users/{}", user.id), &json!({"roles": roles})).await;
                assert_refused(&answer, 403, "exceeds_caller");
            }
            let new = json!({"sign_in_name": "accomplice", "roles": roles});
            assert_refused(&caller.post("/admin/users", &new).await, 403, "exceeds_caller");
        }
        let answer = caller.post("/admin/users", &json!({"sign_in_name": "new", "roles": ["helpdesk", "accountant"]})).await;
        assert_eq!(answer.status, 201);
    }

    async fn a_limited_administrator_does_not_touch_a_superior(database: TestDatabase) {
        let server = server(database).await;
        let root = server.person_with("root", &["admin"], None).await;
        server.person_with("zoe", &["admin"], None).await;
        let helper = server.person_with("helper", &["helpdesk"], None).await;
        let caller = Caller::browser(&server, &helper).await;
        let path = format!("/admin/users/{}", root.id);
        let session = {
            Caller::browser(&server, &root).await;
            let sessions = caller.get(&format!("{path}/sessions")).await.json();
            sessions["items"][0]["id"].as_str().unwrap().to_owned()
        };
        for patch in [json!({"status": "disabled"}), json!({"roles": []}), json!({"sign_in_name": "nobody"}), json!({"profile": {"email": "x@y.example"}}), json!({})] {
            assert_refused(&caller.patch(&path, &patch).await, 403, "exceeds_caller");
        }
        assert_refused(&caller.delete(&path).await, 403, "exceeds_caller");
        let password = json!({"password": "taken over by helpdesk"});
        assert_refused(&caller.put(&format!("{path}/password"), &password).await, 403, "exceeds_caller");
        assert_refused(&caller.delete(&format!("{path}/sessions")).await, 403, "exceeds_caller");
        assert_refused(&caller.delete(&format!("/admin/sessions/{session}")).await, 403, "exceeds_caller");
        assert_refused(&caller.delete(&format!("{path}/consents/some-client")).await, 403, "exceeds_caller");
        assert_eq!(server.audit().await.iter().filter(|entry| entry.reason.as_deref() == Some("exceeds_caller")).map(|entry| entry.count).sum::<i64>(), 10);
    }

    async fn a_token_with_less_scope_than_its_person_gives_no_more_than_it_has(database: TestDatabase) {
        let server = server(database).await;
        let root = server.person_with("root", &["admin"], None).await;
        let caller = Caller::person(&server, "root", "users:write").await;
        let path = format!("/admin/users/{}", root.id);
        assert_refused(&caller.put(&format!("{path}/password"), &json!({"password": "stolen token speaks"})).await, 403, "exceeds_caller");
        let anna = server.person("anna").await;
        let answer = caller.patch(&format!("/admin/users/{}", anna.id), &json!({"roles": ["helpdesk"]})).await;
        assert_refused(&answer, 403, "exceeds_caller");
    }

    async fn a_client_can_do_no_more_than_who_registers_or_touches_it(database: TestDatabase) {
        let server = server(database).await;
        let audience = server.state.api_audience();
        let registrar = Caller::service(&server, "clients:read clients:write").await;
        let metadata = |scope: &str| json!({
            "client_name": "Tool", "grant_types": ["client_credentials"], "scope": scope, "audiences": [audience],
        });
        for scope in ["users:read", "clients:read users:write", "audit:read"] {
            assert_refused(&registrar.post("/admin/clients", &metadata(scope)).await, 403, "exceeds_caller");
        }
        let mut first_party = metadata("clients:read");
        first_party["first_party"] = json!(true);
        assert_refused(&registrar.post("/admin/clients", &first_party).await, 403, "exceeds_caller");
        let own = registrar.post("/admin/clients", &metadata("clients:read")).await;
        assert_eq!(own.status, 201);
        let own = format!("/admin/clients/{}", own.json()["client_id"].as_str().unwrap());
        for patch in [json!({"scope": "clients:read users:write"}), json!({"first_party": true})] {
            assert_refused(&registrar.patch(&own, &patch).await, 403, "exceeds_caller");
        }

        let powerful = service(&server, &everything()).await;
        let path = format!("/admin/clients/{}", powerful.id());
        assert_refused(&registrar.send("POST", &format!("{path}/secret"), None).await, 403, "exceeds_caller");
        assert_refused(&registrar.patch(&path, &json!({"scope": ""})).await, 403, "exceeds_caller");
        assert_refused(&registrar.patch(&path, &json!({"status": "disabled"})).await, 403, "exceeds_caller");
        assert_refused(&registrar.delete(&path).await, 403, "exceeds_caller");
    }

    async fn the_last_administrator_stays(database: TestDatabase) {
        let server = server(database).await;
        let admin = Caller::admin(&server).await;
        let root = server.person_with("root", &["admin"], None).await;
        server.person_with("helper", &["helpdesk"], None).await;
        let path = format!("/admin/users/{}", root.id);
        assert_refused(&admin.patch(&path, &json!({"roles": []})).await, 409, "last_administrator");
        assert_refused(&admin.patch(&path, &json!({"roles": ["helpdesk"]})).await, 409, "last_administrator");
        assert_refused(&admin.patch(&path, &json!({"status": "disabled"})).await, 409, "last_administrator");
        assert_refused(&admin.delete(&path).await, 409, "last_administrator");
        assert_eq!(admin.get(&path).await.json()["roles"], json!(["admin"]));
        assert_eq!(admin.patch(&path, &json!({"roles": ["admin", "helpdesk"]})).await.status, 200);

        let zoe = server.person_with("zoe", &["admin"], None).await;
        server.disable(&zoe).await;
        assert_refused(&admin.delete(&path).await, 409, "last_administrator");
        assert_eq!(admin.patch(&format!("/admin/users/{}", zoe.id), &json!({"status": "active"})).await.status, 200);
        assert_eq!(admin.delete(&path).await.status, 204);
    }

    async fn of_two_last_administrators_who_remove_each_other_one_stays(database: TestDatabase) {
        let server = server(database).await;
        let admin = Caller::admin(&server).await;
        for round in 0..5 {
            let mut tries = Vec::new();
            for name in ["one", "two", "three", "four"] {
                let user = server.person_with(&format!("{name}{round}"), &["admin"], None).await;
                let admin = admin.clone();
                tries.push(async move { admin.delete(&format!("/admin/users/{}", user.id)).await.status.as_u16() });
            }
            let tries: Vec<_> = tries.into_iter().map(tokio::spawn).collect();
            let mut statuses = Vec::new();
            for attempt in tries {
                statuses.push(attempt.await.unwrap());
            }
            assert!(statuses.iter().all(|status| matches!(status, 204 | 409)), "{statuses:?}");
            let left = admin.get("/admin/users?role=admin&status=active").await.json()["items"].as_array().unwrap().len();
            assert_eq!(left, 1, "{statuses:?}");
        }
    }
}
