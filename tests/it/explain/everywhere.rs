//! Whatever endpoint refuses a request, it is told why: every route of the server is asked badly in several ways, and each refusal has its
//! explanation, with the reason.

use axum::body::Body;
use http::{Method, Request};
use ostiary::protocol::metadata::path;
use serde_json::Value;

use crate::api::persona::Caller;
use crate::support::browser::Answer;
use crate::support::database::TestDatabase;
use crate::support::server::TestServer;

/// The paths of `src/app.rs`, with something in the place of their parameters.
fn routes() -> Vec<String> {
    let source = include_str!("../../../src/app.rs");
    let named = [
        ("path::AUTHORIZATION", path::AUTHORIZATION),
        ("path::TOKEN", path::TOKEN),
        ("path::PUSHED_REQUEST", path::PUSHED_REQUEST),
        ("path::DEVICE_AUTHORIZATION", path::DEVICE_AUTHORIZATION),
        ("path::BACKCHANNEL_AUTHENTICATION", path::BACKCHANNEL_AUTHENTICATION),
        ("path::INTROSPECTION", path::INTROSPECTION),
        ("path::REVOCATION", path::REVOCATION),
        ("path::USERINFO", path::USERINFO),
        ("path::END_SESSION", path::END_SESSION),
        ("path::CLIENT_REGISTRATION", path::CLIENT_REGISTRATION),
        ("path::CHECK_SESSION", path::CHECK_SESSION),
        ("path::JWKS", path::JWKS),
        ("device::PATH", "/device"),
        ("device::ALLOWED", "/device/allowed"),
        ("device::DENIED", "/device/denied"),
        ("account::requests::ALLOWED", "/account/requests/allowed"),
        ("account::requests::DENIED", "/account/requests/denied"),
    ];
    let mut found = vec![format!("{}/x", path::CLIENT_REGISTRATION), "/nowhere".to_owned()];
    for rest in source.split(".route(").skip(1) {
        let argument = rest.trim_start().split([',', '\n']).next().unwrap_or_default().trim();
        match (argument.strip_prefix('"'), named.iter().find(|(name, _)| *name == argument)) {
            (Some(literal), _) => found.push(literal.trim_end_matches('"').replace("{action}", "x")),
            (None, Some((_, path))) => found.push((*path).to_owned()),
            // Those of well-known documents, of the home page below a path, and of one client, which is above; and files, which
            // are there or not.
            (None, None) => assert!(
                argument.is_empty() || argument == "statics::ROUTE" || argument.starts_with('&'),
                "add {argument} to the list"
            ),
        }
    }
    found
}

async fn operations(server: &TestServer) -> Vec<(Method, String)> {
    let description: Value = server.get("/api/v1/openapi.json").await.json();
    let paths = description["paths"].as_object().expect("paths");
    let of_path = |(path, methods): (&String, &Value)| {
        let path = path.split('/').map(|part| if part.starts_with('{') { "x" } else { part }).collect::<Vec<_>>().join("/");
        let methods: Vec<_> = methods.as_object().expect("methods").keys().cloned().collect();
        methods.into_iter().filter_map(move |method| Some((method.to_uppercase().parse().ok()?, path.clone())))
    };
    paths.iter().flat_map(of_path).collect()
}

async fn ask(server: &TestServer, method: &Method, path: &str, fields: &[(&str, &str)], body: &'static str) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    server.send(request.body(Body::from(body)).unwrap()).await
}

#[tokio::test]
async fn every_endpoint_that_refuses_a_request_says_why() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let auditor = Caller::service(&server, "audit:read").await;
    let form = ("content-type", "application/x-www-form-urlencoded");
    let foreign = [form, ("origin", "https://evil.example"), ("sec-fetch-site", "cross-site")];
    let (mut untold, mut refused) = (Vec::new(), 0);
    // At once: of one address a few are kept at a time.
    let mut look = async |method: &Method, path: &str, answer: Answer| {
        if !answer.status.is_client_error() {
            return;
        }
        refused += 1;
        let said = auditor.get(&format!("/admin/explain/{}", answer.trace_id())).await;
        let reason = if said.status == 200 { said.json()["reason"].as_str().map(str::to_owned) } else { None };
        if reason.is_none_or(|reason| reason.is_empty()) {
            untold.push(format!("{method} {path} {}", answer.status));
        }
    };
    for route in routes() {
        for (method, query, fields, body) in [
            (Method::GET, "", [].as_slice(), ""),
            (Method::GET, "?client_id=nobody&client_id=nobody&%ff", [].as_slice(), ""),
            (Method::POST, "", foreign.as_slice(), "a=b"),
            (Method::POST, "", [form].as_slice(), "a=1&a=2&grant_type=x&token=x"),
            (Method::POST, "", [("content-type", "text/plain")].as_slice(), "x"),
            (Method::DELETE, "", [].as_slice(), ""),
        ] {
            let answer = ask(&server, &method, &format!("{route}{query}"), fields, body).await;
            look(&method, &format!("{route}{query}"), answer).await;
        }
    }
    for (method, path) in operations(&server).await {
        let json = ("content-type", "application/json");
        for fields in [[json].as_slice(), [json, ("authorization", "Bearer made-up")].as_slice()] {
            let answer = ask(&server, &method, &path, fields, "{").await;
            look(&method, &path, answer).await;
        }
    }
    assert!(refused > 100, "{refused}");
    assert!(untold.is_empty(), "{} of {refused}: {untold:#?}", untold.len());
}
