//! Every page in every state, checked by axe-core: light and dark, on a phone and on a desk.

use std::path::Path;
use std::sync::LazyLock;

use axum::Router;
use axum::response::Html;
use axum::routing::get;
use http::header;
use ostiary::pages::statics;
use ostiary::web::headers::Csp;
use serde_json::Value;

use super::driver::{Browser, Scheme};
use crate::pages::samples;

/// From `tests/clients`, where `scripts/test` puts it.
static AXE: LazyLock<String> = LazyLock::new(|| {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/node_modules/axe-core/axe.min.js");
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}; scripts/test installs it", file.display()))
});

/// axe's rules, its best practices too, against the page that is open.
pub async fn assert_accessible(browser: &Browser, place: &str) {
    let script = format!(
        "const done = arguments[arguments.length - 1]; {}; axe.run(document, {{ resultTypes: ['violations'] }}).then(
            (result) => done(result.passes.length === 0 ? ['nothing was checked'] : result.violations.flatMap((rule) => rule.nodes.map((node) =>
                `${{rule.id}}: ${{node.html}} ${{node.failureSummary}}`))),
            (error) => done([String(error)]));",
        *AXE
    );
    let violations = browser.run_async(&script).await;
    assert_eq!(violations, Value::Array(Vec::new()), "{place}");
    let spare = browser.run("return window.innerWidth - document.documentElement.scrollWidth").await;
    assert!(spare.as_i64().is_some_and(|pixels| pixels >= 0), "{place} is wider than the window: {spare}");
}

/// The same in both schemes, on a desk and on a phone.
pub async fn look_at_all(browser: &Browser, place: &str) {
    for (width, scheme) in LOOKS {
        browser.look(width, scheme).await;
        assert_accessible(browser, &format!("{place}, {width}, {scheme:?}")).await;
    }
    browser.look(LOOKS[0].0, LOOKS[0].1).await;
}

const LOOKS: [(u32, Scheme); 4] = [(1280, Scheme::Light), (1280, Scheme::Dark), (390, Scheme::Light), (390, Scheme::Dark)];

/// The samples under the policies that their pages have.
async fn serve_samples() -> String {
    serve(samples::all()).await
}

async fn serve(samples: Vec<(String, String)>) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    let mut router = Router::new().route(statics::ROUTE, get(statics::serve)).route("/favicon.ico", get(statics::favicon));
    for (name, html) in samples {
        let page = Csp::Page { nonce: None }.to_header();
        let with_nonce = page.to_str().unwrap().replace("script-src 'none'", &format!("script-src 'nonce-{}'", samples::NONCE));
        let policy = if name == "error" { Csp::Error.to_header() } else { with_nonce.parse().unwrap() };
        router = router.route(&format!("/{name}"), get(async move || ([(header::CONTENT_SECURITY_POLICY, policy)], Html(html))));
    }
    tokio::spawn(async move { axum::serve(listener, router).await });
    origin
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn every_page_is_accessible_and_keeps_to_its_policy() {
    let origin = serve_samples().await;
    let browser = Browser::start().await;
    // The page that sends itself away is covered where it is used.
    for (name, _) in samples::all().into_iter().filter(|(name, _)| name != "form-post") {
        for (width, scheme) in LOOKS {
            let place = format!("{name}, {width}, {scheme:?}");
            browser.look(width, scheme).await;
            browser.goto(&format!("{origin}/{name}")).await;
            browser.assert_content(&place).await;
            assert_accessible(&browser, &place).await;
            browser.assert_content(&place).await;
            keep_picture(&browser, &name, width, scheme).await;
        }
    }
}

/// For the eye: `OSTIARY_PICTURES=folder` keeps what the browser saw.
async fn keep_picture(browser: &Browser, name: &str, width: u32, scheme: Scheme) {
    use base64::Engine;
    let Some(folder) = std::env::var_os("OSTIARY_PICTURES") else { return };
    let png = base64::engine::general_purpose::STANDARD.decode(browser.picture().await).unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(Path::new(&folder).join(format!("{name}-{width}-{scheme:?}.png").to_lowercase()), png).unwrap();
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn a_password_can_be_shown_and_is_hidden_again_when_the_form_is_sent() {
    let origin = serve_samples().await;
    let browser = Browser::start().await;
    browser.goto(&format!("{origin}/login")).await;
    browser.fill("#username", "alice").await;
    browser.fill("#password", "open sesame").await;
    let kind = "return document.getElementById('password').type";
    assert_eq!(browser.run(kind).await, "password");
    browser.click("button[data-reveals=password]").await;
    assert_eq!(browser.run(kind).await, "text");
    assert_eq!(browser.run("return document.querySelector('[data-reveals]').getAttribute('aria-pressed')").await, "true");
    assert_eq!(browser.run("return document.activeElement.id").await, "password");
    let sent =
        "const form = document.getElementById('login-form'); form.addEventListener('submit', (event) => event.preventDefault());
        form.requestSubmit(); return document.getElementById('password').type";
    assert_eq!(browser.run(sent).await, "password");
    browser.assert_content("login").await;
}

#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn focus_starts_in_the_first_empty_field_and_moves_in_reading_order() {
    let origin = serve_samples().await;
    let browser = Browser::start().await;
    for (page, expected) in [
        ("login", vec!["username", "password", "", "remember", "log-in"]),
        ("login-refused", vec!["password", "", "remember", "log-in"]),
        (
            "consent",
            vec!["another", "scope-profile", "scope-email", "scope-offline_access", "scope-photos.read", "allow", "deny"],
        ),
    ] {
        browser.goto(&format!("{origin}/{page}")).await;
        let mut order = Vec::new();
        if !browser.has("[autofocus]").await {
            press_tab(&browser).await;
        }
        for _ in &expected {
            order.push(browser.run("return document.activeElement.id").await.as_str().unwrap_or_default().to_owned());
            press_tab(&browser).await;
        }
        assert_eq!(order, expected, "{page}");
    }
}

async fn press_tab(browser: &Browser) {
    for kind in ["keyDown", "keyUp"] {
        let key = serde_json::json!({ "type": kind, "key": "Tab", "code": "Tab", "windowsVirtualKeyCode": 9 });
        browser.devtools("Input.dispatchKeyEvent", key).await;
    }
}

/// Its words are longer.
#[tokio::test]
#[ignore = "needs a browser: scripts/test"]
async fn every_page_fits_on_a_phone_in_french_too() {
    let origin = serve(samples::french()).await;
    let browser = Browser::start().await;
    browser.look(390, Scheme::Light).await;
    for (name, _) in samples::french().into_iter().filter(|(name, _)| name != "form-post") {
        browser.goto(&format!("{origin}/{name}")).await;
        assert_accessible(&browser, &format!("{name}, in French")).await;
        keep_picture(&browser, &format!("{name}-fr"), 390, Scheme::Light).await;
    }
}
