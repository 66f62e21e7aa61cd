//! The tour that a newcomer takes: every button of the demonstration, over real sockets.

use serde_json::{Value, json};
use url::Url;

use super::browser::{Browser, Page};
use super::process::Dev;

/// A newcomer with a browser, at a running `ostiary dev`.
struct Tour {
    dev: Dev,
    browser: Browser,
}

impl Tour {
    fn begin() -> Self {
        Self { dev: Dev::start(), browser: Browser::new() }
    }

    async fn start_page(&mut self) -> Page {
        let page = self.browser.open(&self.dev.url("demonstration")).await;
        assert_eq!(page.status, 200);
        page
    }

    /// Presses this login button of the start page.
    async fn press(&mut self, id: &str) -> Page {
        let page = self.start_page().await;
        self.browser.follow(&page, id).await
    }

    /// Fills in the provider's login form.
    async fn type_password(&mut self, page: &Page, name: &str) -> Page {
        self.assert_at_provider(page);
        let password = self.dev.password_of(name);
        self.browser.submit(page, "#log-in", &[("username", name), ("password", &password)]).await
    }

    /// Presses the login button, logs in and allows.
    async fn log_in(&mut self, id: &str, name: &str) -> Page {
        let login = self.press(id).await;
        let consent = self.type_password(&login, name).await;
        self.assert_at_provider(&consent);
        let page = self.browser.submit(&consent, "#allow", &[]).await;
        assert_logged_in(&page);
        page
    }

    /// Presses one of the buttons below the tokens; gives the page with the answer.
    async fn call(&mut self, page: &Page, what: &str) -> Page {
        let page = self.browser.submit(page, &format!("#call-{what}"), &[]).await;
        assert_logged_in(&page);
        page
    }

    #[track_caller]
    fn assert_at_provider(&self, page: &Page) {
        assert!(page.url.as_str().starts_with(&self.dev.url("issuer")), "{} {}", page.url, page.html);
        assert_eq!(page.status, 200, "{}", page.html);
    }
}

#[track_caller]
fn assert_logged_in(page: &Page) {
    assert_eq!((page.status, page.text("h1").as_str()), (200, "Logged in"), "{} {}", page.url, page.html);
}

/// Status and body of the answer that is shown.
#[track_caller]
fn answer(page: &Page) -> (String, Value) {
    let body = page.text("#latest pre.answer");
    (page.text("#latest .status"), serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

/// A claim of the token in this section, as it is shown.
#[track_caller]
fn claim(page: &Page, section: &str, name: &str) -> String {
    let names = page.texts(&format!("#{section} th"));
    let row = names.iter().position(|shown| shown == name).unwrap_or_else(|| panic!("no {name} in {names:?}"));
    page.texts(&format!("#{section} td .value")).swap_remove(row)
}

/// The `state` of the authorization request that led to this page.
#[track_caller]
fn state_of(page: &Page) -> String {
    let request = page.visited.iter().find(|url| url.path().ends_with("/authorize")).expect("an authorization request");
    request.query_pairs().find(|(name, _)| name == "state").expect("a state").1.into_owned()
}

#[tokio::test]
async fn one_click_logs_in_and_every_button_does_what_it_says() {
    let mut tour = Tour::begin();
    let page = tour.log_in("log-in", "alice").await;
    let issuer = tour.dev.url("issuer");

    // The tokens, decoded and checked.
    assert_eq!(page.text("#client"), "demo-web");
    let checks = page.texts("#id-token .checks li");
    for word in ["RS256 signature", "iss", "aud names demo-web", "exp", "nonce", "at_hash"] {
        assert!(checks.iter().any(|check| check.contains(word)), "{word} is missing in {checks:?}");
    }
    assert_eq!(claim(&page, "id-token", "iss"), issuer);
    assert_eq!(claim(&page, "id-token", "sub"), page.text("#subject"));
    assert_eq!(claim(&page, "access-token", "typ"), "at+jwt");
    assert!(claim(&page, "access-token", "scope").contains("openid"));

    let page = tour.call(&page, "userinfo").await;
    let (status, userinfo) = answer(&page);
    assert_eq!((status.as_str(), &userinfo["name"]), ("200", &json!("Alice Example")));
    assert_eq!(userinfo["sub"], page.text("#subject"));
    assert_eq!(userinfo["email_verified"], true);
    assert_eq!(userinfo["address"]["locality"], "Paris");

    let page = tour.call(&page, "introspect").await;
    assert_eq!(answer(&page).1["active"], true);

    let first_id = claim(&page, "access-token", "jti");
    let page = tour.call(&page, "refresh").await;
    assert_eq!(answer(&page).0, "200");
    assert_ne!(claim(&page, "access-token", "jti"), first_id, "the new tokens are shown");

    let page = tour.call(&page, "client-credentials").await;
    let (status, service) = answer(&page);
    assert_eq!((status.as_str(), &service["scope"]), ("200", &json!("clients:read users:read")));

    let page = tour.call(&page, "revoke").await;
    assert_eq!(answer(&page), ("200".to_owned(), json!("(empty)")));
    let page = tour.call(&page, "introspect").await;
    assert_eq!(answer(&page).1, json!({"active": false}));
    let page = tour.call(&page, "userinfo").await;
    assert_eq!(answer(&page).0, "401");
    let page = tour.call(&page, "refresh").await;
    assert_eq!((answer(&page).0.as_str(), &answer(&page).1["error"]), ("400", &json!("invalid_grant")));
    assert_eq!(page.texts("#earlier h3").len(), 8, "all that was asked before is kept");

    // Out of the demonstration, and out of the provider.
    let page = tour.browser.submit(&page, "#log-out", &[]).await;
    assert_eq!(page.text("h1"), "Logged out here");
    assert!(tour.start_page().await.has("#log-in"));
    let page = tour.browser.follow(&page, "provider-logout").await;
    tour.assert_at_provider(&page);
    let page = tour.browser.submit(&page, "#log-out", &[]).await;
    tour.assert_at_provider(&page);
    let page = tour.press("log-in-silent").await;
    assert_eq!(page.text("#error"), "login_required");
}

#[tokio::test]
async fn a_second_login_is_silent_unless_the_password_or_the_question_is_asked_for() {
    let mut tour = Tour::begin();
    let page = tour.press("log-in-silent").await;
    assert_eq!(page.text("#error"), "login_required");

    let first = tour.log_in("log-in", "alice").await;
    let page = tour.browser.submit(&first, "#log-out", &[]).await;
    assert_eq!(page.text("h1"), "Logged out here");
    let silent = tour.press("log-in-silent").await;
    assert_logged_in(&silent);
    for name in ["sub", "auth_time"] {
        assert_eq!(claim(&silent, "id-token", name), claim(&first, "id-token", name), "{name}");
    }
    assert_ne!(claim(&silent, "id-token", "nonce"), claim(&first, "id-token", "nonce"));

    tour.browser.submit(&silent, "#log-out", &[]).await;
    let page = tour.press("log-in-again").await;
    let page = tour.type_password(&page, "alice").await;
    assert_logged_in(&page);

    tour.browser.submit(&page, "#log-out", &[]).await;
    let consent = tour.press("log-in-consent").await;
    let page = tour.browser.submit(&consent, "#deny", &[]).await;
    assert_eq!(page.text("#error"), "access_denied");
    assert!(tour.start_page().await.has("#log-in"), "nobody is logged in");
}

#[tokio::test]
async fn a_public_client_logs_in_with_pkce_alone_and_its_refresh_token_rotates() {
    let mut tour = Tour::begin();
    let page = tour.log_in("log-in-public", "bob").await;
    assert_eq!(page.text("#client"), "demo-spa");
    assert_eq!(claim(&page, "id-token", "aud"), "demo-spa");
    assert!(page.text("#latest pre.request").contains("code_verifier="));
    assert!(!page.text("#latest pre.request").contains("Authorization"), "{}", page.html);

    // Bob has no profile.
    let page = tour.call(&page, "userinfo").await;
    assert_eq!(answer(&page).1, json!({"sub": page.text("#subject")}));
    let page = tour.call(&page, "introspect").await;
    assert_eq!(answer(&page).1["client_id"], "demo-spa");

    let used = page.text("#refresh-token pre");
    let page = tour.call(&page, "refresh").await;
    assert_eq!(answer(&page).0, "200");
    assert_ne!(page.text("#refresh-token pre"), used);
    let page = tour.call(&page, "revoke").await;
    let page = tour.call(&page, "introspect").await;
    assert_eq!(answer(&page).1, json!({"active": false}));
}

#[tokio::test]
async fn the_demonstration_takes_no_answer_that_it_did_not_ask_for() {
    let mut tour = Tour::begin();
    let origin = tour.dev.url("demonstration");
    let login = tour.press("log-in").await;
    let state = state_of(&login);
    let issuer = tour.dev.url("issuer");
    let callback = |state: &str, issuer: &str| {
        let parameters = [("code", "guessed"), ("state", state), ("iss", issuer)];
        Url::parse_with_params(&format!("{origin}/callback"), parameters).expect("a URL").to_string()
    };

    let page = tour.browser.open(&callback("guessed", &issuer)).await;
    assert_eq!(page.status, 400, "an unknown state");
    let page = Browser::new().open(&callback(&state, &issuer)).await;
    assert_eq!(page.status, 400, "another browser");
    let page = tour.browser.open(&callback(&state, "http://localhost:1")).await;
    assert_eq!(page.status, 400, "another issuer");
    let page = tour.browser.open(&callback(&state, &issuer)).await;
    assert_eq!(page.status, 400, "a state counts once");

    // A code that the provider doesn't know, with everything else right.
    let login = tour.press("log-in").await;
    let state = state_of(&login);
    let page = tour.browser.open(&callback(&state, &issuer)).await;
    assert_eq!((page.status, page.text(".status").as_str()), (502, "400"));
    assert!(page.text("pre.answer").contains("invalid_grant"), "{}", page.html);

    // A form of another site, while somebody is logged in.
    let page = tour.log_in("log-in", "alice").await;
    assert_eq!(tour.browser.forge(&page, "#call-revoke").await.status, 403);
    assert_eq!(tour.browser.forge(&page, "#log-out").await.status, 403);
    assert_logged_in(&tour.start_page().await);
    assert_eq!(tour.browser.open(&format!("{origin}/nothing-here")).await.status, 404);
}
