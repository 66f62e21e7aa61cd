//! The closed list of endpoints is the router's.

use std::fs;
use std::path::Path;

use ostiary::protocol::metadata::path;
use ostiary::telemetry::metrics::Endpoint;

/// Every path that `app.rs` names in its text.
fn routes() -> Vec<String> {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("src/app.rs")).expect("the router");
    let literal = |rest: &str| rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()).map(str::to_owned);
    text.split(".route(").skip(1).filter_map(literal).filter(|path| path != "/metrics").collect()
}

#[test]
fn every_route_of_the_server_is_counted_under_its_own_name() {
    let routes = routes();
    assert!(routes.len() > 40, "the router was read: {routes:?}");
    let named = [
        path::AUTHORIZATION,
        path::TOKEN,
        path::USERINFO,
        path::JWKS,
        path::INTROSPECTION,
        path::REVOCATION,
        path::PUSHED_REQUEST,
        path::DEVICE_AUTHORIZATION,
        path::BACKCHANNEL_AUTHENTICATION,
        path::CLIENT_REGISTRATION,
        path::END_SESSION,
        path::CHECK_SESSION,
        path::OPENID_CONFIGURATION,
        path::OAUTH_AUTHORIZATION_SERVER,
        ostiary::pages::device::PATH,
        ostiary::pages::device::ALLOWED,
        ostiary::pages::device::DENIED,
        ostiary::pages::account::requests::ALLOWED,
        ostiary::pages::account::requests::DENIED,
        ostiary::pages::statics::ROUTE,
    ];
    for path in routes.iter().map(String::as_str).chain(named) {
        assert_eq!(Endpoint::of(path).as_str(), path, "add it to src/telemetry/metrics/endpoint.rs");
    }
}

#[tokio::test]
async fn every_path_of_the_management_api_is_counted_under_its_own_name() {
    let server = crate::support::server::TestServer::start(crate::support::database::TestDatabase::sqlite().await).await;
    let description = server.get("/api/v1/openapi.json").await.json();
    let paths = description["paths"].as_object().expect("paths");
    assert!(paths.len() > 30, "{paths:?}");
    for path in paths.keys() {
        let path = if path.starts_with("/api/v1") { path.clone() } else { format!("/api/v1{path}") };
        assert_eq!(Endpoint::of(&path).as_str(), path, "add it to src/telemetry/metrics/endpoint.rs");
    }
}
