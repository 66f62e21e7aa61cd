//! `/api/v1/admin/client-registration-tokens`.

use std::collections::BTreeSet;

use axum::body::Body;
use http::Request;
use ostiary::config::ClientRegistrationMode;
use serde_json::json;

use super::persona::{Caller, assert_detail, assert_refused};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::text;
use crate::support::server::TestServer;

const PATH: &str = "/admin/client-registration-tokens";

async fn start(database: TestDatabase, mode: ClientRegistrationMode) -> TestServer {
    TestServer::start_with(database, |config| config.client_registration.mode = mode).await
}

/// Registers a client with this token; the status.
async fn register(server: &TestServer, token: &str) -> u16 {
    let request = Request::post("/client-registration").header("authorization", format!("Bearer {token}"));
    let body = json!({ "redirect_uris": ["https://app.example/cb"] }).to_string();
    let request = request.header("content-type", "application/json").body(Body::from(body)).unwrap();
    server.send(request).await.status.as_u16()
}

on_both! {
    async fn a_token_is_made_shown_once_used_listed_and_taken_back(database: TestDatabase) {
        let server = start(database, ClientRegistrationMode::Token).await;
        let admin = Caller::admin(&server).await;
        let made = admin.post(PATH, &json!({ "uses": 3, "days": 30 })).await;
        assert_eq!((made.status.as_u16(), made.header("cache-control")), (201, Some("no-store")), "{made:#?}");
        let (id, token) = (text(&made.json(), "id"), text(&made.json(), "initial_access_token"));
        assert_eq!(register(&server, &token).await, 201);
        let listed = admin.get(PATH).await;
        assert!(!listed.body.contains(&token) && !listed.body.contains("hash"), "{}", listed.body);
        assert_eq!((listed.json()["items"][0]["id"].as_str(), listed.json()["items"][0]["uses_left"].as_i64()), (Some(id.as_str()), Some(2)));
        let maker = &listed.json()["items"][0]["created_by"];
        assert_eq!((&maker["type"], maker["id"].is_string()), (&json!("client"), true), "{maker}");
        let path = format!("{PATH}/{id}");
        assert_eq!(admin.delete(&path).await.status, 204);
        assert_eq!(register(&server, &token).await, 401);
        assert_refused(&admin.delete(&path).await, 404, "not_found");
        let kinds = server.audit().await.into_iter().map(|entry| entry.kind).filter(|kind| kind.starts_with("client.registration_token"));
        assert_eq!(kinds.collect::<BTreeSet<_>>(), ["client.registration_token_created", "client.registration_token_revoked"].map(str::to_owned).into());
    }

    async fn a_token_has_bounds_and_is_made_where_it_is_of_use(database: TestDatabase) {
        let server = start(database, ClientRegistrationMode::Token).await;
        let admin = Caller::admin(&server).await;
        let made = admin.post(PATH, &json!({})).await.json();
        assert_eq!(made["uses_left"], 1);
        for (name, value) in [("uses", 0), ("uses", 10_001), ("days", 0), ("days", 367)] {
            assert_detail(&admin.post(PATH, &json!({ (name): value })).await, name, "range");
        }
        for mode in [ClientRegistrationMode::Off, ClientRegistrationMode::Open] {
            let other = server.restarted_with(|config| config.client_registration.mode = mode).await;
            let admin = Caller { server: other, ..admin.clone() };
            assert_refused(&admin.post(PATH, &json!({})).await, 409, "client_registration_mode");
        }
    }
}
