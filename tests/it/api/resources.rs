//! `/api/v1/admin/resources`.

use serde_json::json;

use super::persona::{Caller, assert_detail, assert_refused};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::text;
use crate::support::server::TestServer;

on_both! {
    async fn an_api_is_registered_changed_and_deleted(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        let body = json!({ "identifier": "https://files.example/", "name": "Your files", "scopes": { "files:read": "Read your files" } });
        let created = admin.post("/admin/resources", &body).await;
        assert_eq!(created.status, 201, "{created:#?}");
        let path = format!("/admin/resources/{}", text(&created.json(), "id"));
        assert_eq!(created.header("location"), Some(format!("/api/v1{path}").as_str()));
        assert_eq!(admin.get(&path).await.json(), created.json());
        assert_eq!(admin.get("/admin/resources").await.json()["items"], json!([created.json()]));
        assert_refused(&admin.post("/admin/resources", &body).await, 409, "resource_taken");

        let changed = admin.patch(&path, &json!({ "open": true, "access_token_lifetime": 60 })).await;
        assert_eq!((&changed.json()["open"], &changed.json()["scopes"]), (&json!(true), &body["scopes"]), "{changed:#?}");
        assert_detail(&admin.patch(&path, &json!({ "identifier": "https://other.example/" })).await, "identifier", "read_only");
        assert_detail(&admin.patch(&path, &json!({ "access_token_lifetime": 0 })).await, "access_token_lifetime", "range");
        let old = admin.clone().with("if-match", created.header("etag").unwrap());
        assert_refused(&old.put(&path, &json!({ "name": "Files" })).await, 412, "precondition_failed");
        let current = admin.clone().with("if-match", changed.header("etag").unwrap());
        let replaced = current.put(&path, &json!({ "identifier": "https://files.example/", "name": "Files" })).await;
        assert_eq!((&replaced.json()["open"], &replaced.json()["scopes"]), (&json!(false), &json!({})), "{replaced:#?}");
        assert_refused(&admin.send("DELETE", &path, None).await, 428, "precondition_required");
        assert_eq!(admin.delete(&path).await.status, 204);
        assert_refused(&admin.get(&path).await, 404, "not_found");
        for kind in ["resource.created", "resource.updated", "resource.deleted"] {
            let entries = server.audit().await;
            let entry = entries.iter().find(|entry| entry.kind == kind).unwrap();
            assert_eq!(entry.details["identifier"], "https://files.example/", "{kind}");
        }
    }

    /// Whose schema would count?
    async fn a_type_of_details_belongs_to_one_api(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        let api = |identifier: &str, maximum: i64| {
            let schema = json!({ "type": "object", "properties": { "amount": { "type": "integer", "maximum": maximum } } });
            let types = json!({ "payment": { "description": "Pay", "schema": schema } });
            json!({ "identifier": identifier, "name": "Bank", "authorization_details_types": types })
        };
        let created = admin.post("/admin/resources", &api("https://bank.example/", 1_000)).await;
        assert_eq!(created.status, 201, "{created:#?}");
        let wide = api("https://a.example/", 1_000_000);
        assert_detail(&admin.post("/admin/resources", &wide).await, "authorization_details_types", "taken");
        let path = format!("/admin/resources/{}", text(&created.json(), "id"));
        assert_eq!(admin.patch(&path, &json!({ "name": "The bank" })).await.status, 200, "its own it keeps");
        assert_eq!(admin.delete(&path).await.status, 204);
        assert_eq!(admin.post("/admin/resources", &wide).await.status, 201);
    }

    async fn what_may_not_be_registered_is_named(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        for (body, field, code) in [
            (json!({ "name": "Files" }), "identifier", "required"),
            (json!({ "identifier": 1, "name": "Files" }), "identifier", "type"),
            (json!({ "identifier": "files", "name": "Files" }), "identifier", "url"),
            (json!({ "identifier": server.issuer(), "name": "Files" }), "identifier", "reserved"),
            (json!({ "identifier": "https://a.example", "name": "A", "scopes": { "users:read": "Look" } }), "scopes", "reserved"),
        ] {
            assert_detail(&admin.post("/admin/resources", &body).await, field, code);
        }
        let unknown = json!({ "identifier": "https://a.example", "name": "A", "secret": true });
        assert!(matches!(admin.post("/admin/resources", &unknown).await.status.as_u16(), 400 | 422));
    }

    async fn clients_may_be_registered_for_the_scopes_of_an_api_while_it_is_there(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let admin = Caller::admin(&server).await;
        let client = json!({ "client_name": "Service", "grant_types": ["client_credentials"], "scope": "files:read" });
        assert_detail(&admin.post("/admin/clients", &client).await, "scope", "unknown");
        let body = json!({ "identifier": "https://files.example/", "name": "Your files", "scopes": { "files:read": "Read your files" } });
        assert_eq!(admin.post("/admin/resources", &body).await.status, 201);
        assert_eq!(admin.post("/admin/clients", &client).await.status, 201);
    }
}
