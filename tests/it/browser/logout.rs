//! Logouts that an application learns of in the browser, with the scripts that do it.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Html;
use axum::routing::get;
use serde_json::Value;

use super::accessibility::look_at_all;
use super::driver::Browser;
use super::scene::{NAME, log_in, reachable_with};
use crate::support::flow::CHALLENGE;
use crate::support::server::{Persona, TestServer};

type Heard = Arc<Mutex<Vec<String>>>;

/// An application on the server's own site, whose frames the browser sends cookies.
async fn application(server: &TestServer) -> (String, Heard) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://localhost:{}", listener.local_addr().unwrap().port());
    let page = |id: &str, frame: &str| {
        format!("<!doctype html><html lang=\"en\"><title>{id}</title><h1 id=\"{id}\">{id}</h1>{frame}</html>")
    };
    let watched = format!("<iframe src=\"{}/check-session\"></iframe>", server.issuer());
    let (arrived, out, watch) = (page("arrived", ""), page("out", ""), page("watch", &watched));
    let heard = Heard::default();
    let router = Router::new()
        .route("/callback", get(async move || Html(arrived)))
        .route("/out", get(async move || Html(out)))
        .route("/watch", get(async move || Html(watch)))
        .route("/front", get(hear))
        .route("/favicon.ico", get(async || ""))
        .with_state(Arc::clone(&heard));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (origin, heard)
}

async fn hear(State(heard): State<Heard>, RawQuery(query): RawQuery) -> Html<&'static str> {
    heard.lock().unwrap().push(query.unwrap_or_default());
    Html("<!doctype html><title>Bye</title>")
}

/// What the watching frame answers to this message.
async fn ask(browser: &Browser, issuer: &str, message: &str) -> Value {
    let message = Value::from(message);
    let script = format!(
        "const done = arguments[arguments.length - 1];\
         window.addEventListener('message', (event) => done(event.origin + ' ' + event.data), {{ once: true }});\
         document.querySelector('iframe').contentWindow.postMessage({message}, '{issuer}');"
    );
    browser.run_async(&script).await
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn an_application_watches_the_session_and_hears_of_its_end_in_a_frame() {
    let server = reachable_with(|config| config.session.check_session_iframe = true).await;
    server.person(NAME).await;
    let (origin, heard) = application(&server).await;
    let client = server
        .client(Persona::Web, |metadata| {
            metadata.client_name = "Photo Printer".to_owned();
            metadata.first_party = true;
            metadata.redirect_uris = vec![format!("{origin}/callback")];
            metadata.post_logout_redirect_uris = vec![format!("{origin}/out")];
            metadata.frontchannel_logout_uri = Some(format!("{origin}/front?x=1"));
        })
        .await;
    let issuer = server.issuer();
    let url = |path: &str, params: &[(&str, &str)]| url::Url::parse_with_params(&format!("{issuer}{path}"), params).unwrap();
    let callback = format!("{origin}/callback");
    let request = url(
        "/authorize",
        &[
            ("client_id", client.id()),
            ("redirect_uri", &callback),
            ("response_type", "code"),
            ("scope", "openid"),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
        ],
    );
    let browser = Browser::start().await;
    browser.goto(request.as_str()).await;
    log_in(&browser).await;
    browser.find("#arrived").await;
    let arrived = url::Url::parse(&browser.url().await).unwrap();
    let state = arrived.query_pairs().find(|(name, _)| name == "session_state").unwrap().1.into_owned();

    browser.goto(&format!("{origin}/watch")).await;
    let (good, other) = (format!("{} {state}", client.id()), format!("other {state}"));
    for (message, answer) in [(good.as_str(), "unchanged"), (&other, "changed"), ("nonsense", "error"), ("", "error")] {
        assert_eq!(ask(&browser, issuer, message).await, format!("{issuer} {answer}"), "{message}");
    }
    browser.assert_content("the page that watches").await;

    let out = format!("{origin}/out");
    browser
        .goto(url("/end-session", &[("client_id", client.id()), ("post_logout_redirect_uri", &out), ("state", "s")]).as_str())
        .await;
    look_at_all(&browser, "log out for an application").await;
    browser.click("#log-out").await;
    browser.find("#out").await;
    assert_eq!(browser.url().await, format!("{out}?state=s"));
    let heard: Vec<String> = heard.lock().unwrap().drain(..).collect();
    assert_eq!(heard.len(), 1, "{heard:?}");
    assert!(heard[0].starts_with("x=1&iss=http%3A%2F%2Flocalhost%3A") && heard[0].contains("&sid="), "{heard:?}");
    browser.assert_content("the way out").await;

    browser.goto(&format!("{origin}/watch")).await;
    assert_eq!(ask(&browser, issuer, &good).await, format!("{issuer} changed"));
    browser.goto(&format!("{issuer}/account")).await;
    browser.find("#log-in").await;
}
