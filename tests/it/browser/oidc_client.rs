//! The npm package oidc-client-ts, unmodified, in a browser: a login, another token in a hidden frame, and watching the session.

use std::path::Path;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use http::header;
use ostiary::protocol::client::GrantType;
use serde_json::Value;
use tokio::net::TcpListener;

use super::driver::Browser;
use super::scene::{NAME, log_in, reachable_with};
use crate::support::server::{Persona, TestServer};

/// An application on the server's own site, so that its hidden frames are sent cookies. It has a secret, which its page shows: a
/// public one at a loopback address would be answered by a page each time (A21), and by none in a frame.
async fn application(server: &TestServer) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/clients/node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js");
    let library =
        std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}; scripts/test installs it", file.display()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let client = server
        .client(Persona::Web, |metadata| {
            metadata.first_party = true;
            // So that the frame is what renews, and no refresh token.
            metadata.grant_types = vec![GrantType::AuthorizationCode];
            metadata.redirect_uris = vec![format!("{origin}/callback"), format!("{origin}/silent")];
            metadata.post_logout_redirect_uris = vec![format!("{origin}/out")];
            metadata.allowed_origins = vec![origin.clone()];
        })
        .await;
    let settings = format!(
        "const manager = new oidc.UserManager({{ authority: '{}', client_id: '{}', redirect_uri: '{origin}/callback',
            silent_redirect_uri: '{origin}/silent', post_logout_redirect_uri: '{origin}/out', scope: 'openid email',
            client_secret: '{}', client_authentication: 'client_secret_basic',
            monitorSession: true, checkSessionIntervalInSeconds: 1, automaticSilentRenew: false }});
         const show = (id) => {{ const heading = document.createElement('h2'); heading.id = id; document.body.append(heading); }};
         manager.events.addUserSignedOut(() => show('signed-out'));",
        server.issuer(),
        client.id(),
        client.secret.clone().unwrap_or_default()
    );
    let page = |script: &str| {
        Html(format!(
            "<!doctype html><html lang=\"en\"><title>App</title><body><h1 id=\"app\">App</h1><script src=\"/library.js\"></script><script>{settings}{script}</script></body></html>"
        ))
    };
    let app = page("manager.getUser();");
    let callback = page("manager.signinCallback().then(() => show('signed-in'), (error) => show('failed-' + error.message));");
    let silent = page("manager.signinSilentCallback();");
    let out = page("manager.signoutCallback().then(() => show('came-back'));");
    let router = Router::new()
        .route("/", get(async move || app))
        .route("/callback", get(async move || callback))
        .route("/silent", get(async move || silent))
        .route("/out", get(async move || out))
        .route("/library.js", get(async move || ([(header::CONTENT_TYPE, "text/javascript")], library)))
        .route("/favicon.ico", get(async || ""));
    tokio::spawn(async move { axum::serve(listener, router).await });
    origin
}

/// What a promise of the page comes to; a refusal as its text.
async fn promised(browser: &Browser, expression: &str) -> Value {
    let script = format!(
        "const done = arguments[arguments.length - 1]; Promise.resolve({expression}).then(done, (error) => done(String(error)));"
    );
    browser.run_async(&script).await
}

#[tokio::test]
#[ignore = "needs a browser and npm packages: scripts/test"]
async fn oidc_client_ts_logs_in_renews_in_a_frame_and_notices_the_end_of_the_session() {
    let server = reachable_with(|config| config.session.check_session_iframe = true).await;
    server.person(NAME).await;
    let origin = application(&server).await;
    let browser = Browser::start().await;
    let login = async || {
        browser.goto(&origin).await;
        browser.find("#app").await;
        browser.run("manager.signinRedirect();").await;
    };
    login().await;
    log_in(&browser).await;
    browser.find("#signed-in").await;

    let first = promised(&browser, "manager.getUser().then((user) => user.access_token)").await;
    let renewed = promised(&browser, "manager.signinSilent().then((user) => user.access_token)").await;
    assert!(renewed.as_str().is_some_and(|token| token.matches('.').count() == 2) && renewed != first, "{renewed}");

    // Somebody logs out at the server; the application is open again, and asks its frame.
    browser.goto(&format!("{}/end-session", server.issuer())).await;
    browser.click("#log-out").await;
    browser.find("#log-in-again").await;
    browser.goto(&origin).await;
    browser.find("#signed-out").await;
    let refused = promised(&browser, "manager.signinSilent()").await;
    assert!(refused.as_str().is_some_and(|error| error.contains("not logged in")), "{refused}");

    // And once more: the application itself sends its person to log out, with the ID token.
    login().await;
    log_in(&browser).await;
    browser.find("#signed-in").await;
    browser.run("manager.signoutRedirect();").await;
    browser.find("#came-back").await;
    browser.goto(&format!("{}/account", server.issuer())).await;
    browser.find("#log-in").await;
}
