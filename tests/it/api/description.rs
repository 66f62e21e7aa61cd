//! The OpenAPI description, held against the router.

use std::collections::BTreeSet;

use serde_json::Value;

use super::persona::{Caller, assert_refused};
use crate::support::database::TestDatabase;
use crate::support::server::TestServer;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

async fn description(server: &TestServer) -> Value {
    let answer = server.get("/api/v1/openapi.json").await;
    assert_eq!((answer.status.as_u16(), answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

#[tokio::test]
async fn the_description_is_openapi_3_1_and_names_this_server() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let description = description(&server).await;
    assert_eq!(description["openapi"], "3.1.0");
    assert_eq!(description["servers"][0]["url"], "https://id.example");
    assert_eq!(description["components"]["securitySchemes"]["session"]["name"], "__Host-sid");
    let flows = &description["components"]["securitySchemes"]["oauth2"]["flows"];
    assert_eq!(flows["clientCredentials"]["tokenUrl"], "https://id.example/token");
    assert_eq!(flows["clientCredentials"]["scopes"]["users:write"], "Create, change and delete people");
}

/// The router is made of the described handlers, so no route is undescribed; here each is asked, and each method besides.
#[tokio::test]
async fn every_described_route_answers_and_no_other_method_does() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let admin = Caller::admin(&server).await;
    let description = description(&server).await;
    for (path, item) in description["paths"].as_object().unwrap() {
        let described: BTreeSet<String> = item.as_object().unwrap().keys().map(|method| method.to_uppercase()).collect();
        let concrete: Vec<&str> =
            path.strip_prefix("/api/v1").unwrap().split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect();
        for method in METHODS {
            let answer = admin.send(method, &concrete.join("/"), None).await;
            let expected = described.contains(method) || (method == "HEAD" && described.contains("GET"));
            assert_eq!(answer.status != 405, expected, "{method} {path}: {}", answer.status);
            assert!(answer.status.as_u16() < 500, "{method} {path}: {}", answer.status);
            if !expected && method != "HEAD" {
                assert_refused(&answer, 405, "method_not_allowed");
                assert!(answer.header("allow").is_some(), "{method} {path}");
            }
        }
    }
    for path in ["", "/admin", "/admin/", "/admin/users/", "/admin/nothing", "/users", "/admin/users/x/y/z"] {
        assert_refused(&admin.get(path).await, 404, "not_found");
    }
}

#[tokio::test]
async fn every_reference_in_the_description_leads_somewhere() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let description = description(&server).await;
    let mut names = BTreeSet::new();
    references(&description, &mut names);
    assert!(names.len() > 10, "{names:?}");
    for name in names {
        assert!(!description.pointer(&name).unwrap_or(&Value::Null).is_null(), "{name}");
    }
    for (path, item) in description["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            assert!(operation["summary"].as_str().is_some_and(|summary| summary.ends_with('.')), "{method} {path}");
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let names: BTreeSet<_> = parameters
                .filter(|parameter| parameter["in"] == "path")
                .map(|parameter| parameter["name"].as_str().unwrap())
                .collect();
            let expected: BTreeSet<_> = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}')).collect();
            assert_eq!(names, expected, "{method} {path}");
        }
    }
}

fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, value) in members {
                match value.as_str() {
                    Some(reference) if name == "$ref" => _ = found.insert(reference.trim_start_matches('#').to_owned()),
                    _ => references(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, found)),
        _ => {}
    }
}

#[tokio::test]
async fn the_page_shows_every_route_and_loads_nothing_from_elsewhere() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let page = server.get("/api/v1/docs").await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-security-policy").unwrap().contains("script-src 'none'"));
    for path in description(&server).await["paths"].as_object().unwrap().keys() {
        assert!(page.body.contains(&format!(" {path}</code>")), "{path}");
    }
    let document = scraper::Html::parse_document(&page.body);
    for link in document.select(&scraper::Selector::parse("[src], [href]").unwrap()) {
        let target = link.attr("src").or(link.attr("href")).unwrap();
        assert!(target.starts_with('/') || target.starts_with('#'), "{target}");
        if let Some(id) = target.strip_prefix('#') {
            let found = document.select(&scraper::Selector::parse("[id]").unwrap()).any(|element| element.attr("id") == Some(id));
            assert!(found, "{target}");
        }
    }
}

#[tokio::test]
async fn under_an_issuer_with_a_path_the_api_is_below_it() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.server.issuer = "https://id.example/tenant".to_owned();
    })
    .await;
    let answer = server.get("/tenant/api/v1/openapi.json").await;
    assert_eq!(answer.json()["servers"][0]["url"], "https://id.example/tenant");
    assert!(server.get("/tenant/api/v1/docs").await.body.contains("href=\"/tenant/static/"));
    assert_eq!(server.get("/tenant/api/v1/admin/users").await.status, 401);
}
