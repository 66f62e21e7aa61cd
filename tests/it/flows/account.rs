//! A person's own page, the administrator's, and logging out: behaviours 1.10 L7 and 1.12.

use http::StatusCode;
use scraper::{Html, Selector};

use crate::support::browser::{Answer, Browser, Form};
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, authorize, log_in, redeem, text};
use crate::support::server::{PASSWORD, Persona, TestServer};

/// Logs in to the account page.
async fn account(server: &TestServer, name: &str) -> (Browser, Answer) {
    let mut browser = server.browser();
    let page = browser.visit("/account").await;
    let page = log_in(&mut browser, &page, name).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, "/account"));
    (browser, page)
}

/// The form of the page with this action and these fields beside the CSRF token.
fn form(page: &Answer, action: &str, fields: &[(&str, &str)]) -> Form {
    let csrf = page.form().field("csrf").to_owned();
    let fields = fields.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    Form { action: action.to_owned(), fields: fields.chain([("csrf".to_owned(), csrf)]).collect() }
}

/// The sessions that the page can end.
fn endable(page: &Answer) -> Vec<String> {
    let inputs = Selector::parse("form[action='/account/sessions'] input[name=session]").unwrap();
    let document = Html::parse_document(&page.body);
    document.select(&inputs).map(|input| input.attr("value").unwrap().to_owned()).collect()
}

/// Logs in, and looks at where one is logged in.
async fn sessions(server: &TestServer, name: &str) -> (Browser, Answer) {
    let (mut browser, _) = account(server, name).await;
    let page = browser.visit("/account/sessions").await;
    (browser, page)
}

on_both! {
    async fn logging_out_ends_the_session_and_clears_the_browser(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (mut browser, _) = account(&server, "anna").await;
        let kept = browser.clone();
        let question = browser.visit("/logout").await;
        assert_eq!(browser.visit("/account").await.url, "/account", "asking ends nothing");

        let form = question.form();
        let done = browser.post(&form.action, &form.fields).await;
        assert_eq!((done.status, done.location()), (StatusCode::SEE_OTHER, "/logout"));
        assert_eq!(done.header("clear-site-data"), Some("\"cache\", \"storage\""));
        assert!(!browser.cookies.contains_key("__Host-sid"));
        assert!(browser.visit("/logout").await.body.contains("You are logged out"));
        assert!(server.audit().await.iter().any(|entry| entry.kind == "user.logout"));

        let mut thief = kept;
        assert_eq!(thief.visit("/account").await.url, "/login", "the old cookie is worth nothing");
    }

    async fn a_person_ends_one_session_or_all_others(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (mut first, _) = account(&server, "anna").await;
        let (mut second, _) = account(&server, "anna").await;
        let (mut third, page) = sessions(&server, "anna").await;
        assert_eq!(endable(&page).len(), 2, "one's own is not offered");

        let one = form(&page, "/account/sessions", &[("session", &endable(&page)[0])]);
        let page = third.submit(&one).await;
        assert_eq!(endable(&page).len(), 1);
        let page = third.submit(&form(&page, "/account/sessions", &[("others", "all")])).await;
        assert!(endable(&page).is_empty());
        assert_eq!(first.visit("/account").await.url, "/login");
        assert_eq!(second.visit("/account").await.url, "/login");
        assert_eq!(server.audit().await.iter().filter(|entry| entry.kind == "session.ended").count(), 2);
    }

    async fn nobody_ends_the_session_of_somebody_else(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        server.person("ben").await;
        let (mut anna, _) = account(&server, "anna").await;
        account(&server, "anna").await;
        let of_anna = endable(&anna.visit("/account/sessions").await);
        account(&server, "ben").await;
        let (mut ben, page) = sessions(&server, "ben").await;
        for (path, id) in [("/account/sessions", &*of_anna[0]), ("/account/sessions/name", &of_anna[0]), ("/account/sessions", "none")] {
            let refused = ben.submit(&form(&page, path, &[("session", id), ("name", "mine")])).await;
            assert_eq!(refused.status, StatusCode::NOT_FOUND, "S17: {path} {id}");
        }
        ben.submit(&form(&page, "/account/sessions", &[("others", "all")])).await;
        let page = anna.visit("/account/sessions").await;
        assert_eq!(endable(&page), of_anna);
        assert!(!page.body.contains("mine"));
    }

    async fn an_application_that_is_shut_out_loses_its_tokens_and_has_to_ask_again(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let mut browser = server.browser();
        let url = AuthorizationUrl::new(&client);
        let tokens = redeem(&server, &client, &authorize(&mut browser, &url, "anna").await["code"]).await.json();
        let page = browser.visit("/account/apps").await;
        assert!(page.body.contains("Last used"), "{}", page.body);
        assert!(page.body.contains("Web Shop") && page.body.contains("Keep this access while you are away"), "{}", page.body);

        // It ends logins too: not by who found the browser open.
        server.clock.advance(301);
        let late = browser.submit(&form(&page, "/account/apps", &[("client_id", client.id())])).await;
        assert!(late.url.starts_with("/account/reauthenticate"), "{late:#?}");
        let page = browser.submit(&late.form_of("password-form").set("password", PASSWORD)).await;
        assert_eq!(page.url, "/account/apps");
        let page = browser.submit(&form(&page, "/account/apps", &[("client_id", client.id())])).await;
        assert!(page.body.contains("No application has access"));
        let refresh_token = text(&tokens, "refresh_token");
        let refused = server.token(&client, &[("grant_type", "refresh_token"), ("refresh_token", &refresh_token)]).await;
        assert_eq!(refused.json()["error"], "invalid_grant");
        assert_eq!(server.introspect(&client, &text(&tokens, "access_token")).await["active"], false);
        assert!(browser.visit(&url.path()).await.url.starts_with("/consent"));
        assert!(server.audit().await.iter().any(|entry| entry.kind == "consent.revoked"));
    }
}

#[tokio::test]
async fn a_form_without_its_token_changes_nothing() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    account(&server, "anna").await;
    let (mut browser, page) = sessions(&server, "anna").await;
    let sessions = endable(&page);
    let others = form(&page, "/account/sessions", &[("others", "all")]);
    let question = browser.visit("/logout").await;
    let of_logout = question.form().field("csrf").to_owned();
    for forged in [
        others.clone().without("csrf"),
        others.clone().set("csrf", ""),
        others.clone().set("csrf", &of_logout),
        Form { action: "/account/apps".to_owned(), ..others.clone().without("csrf") },
        Form { action: "/account/sessions/name".to_owned(), ..others.clone().without("csrf") },
        Form { action: "/account/language".to_owned(), ..others.clone().without("csrf") },
        Form { action: "/account/data".to_owned(), ..others.clone().without("csrf") },
        Form { action: "/account/delete".to_owned(), ..others.clone().without("csrf") },
        Form { action: "/logout".to_owned(), ..others.without("csrf") },
    ] {
        let refused = browser.submit(&forged).await;
        assert_eq!(refused.status, StatusCode::FORBIDDEN, "{forged:?}");
        assert!(refused.body.contains("This form can’t be used any more"));
    }
    assert_eq!(endable(&browser.visit("/account/sessions").await), sessions);
}

#[tokio::test]
async fn the_administrators_page_needs_a_role_that_gives_something() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        let scope = ostiary::protocol::scope::Scope::parse("users:read").unwrap();
        config.admin.roles.insert("support".to_owned(), scope);
    })
    .await;
    server.person("anna").await;
    server.person_with("sam", &["support", "unknown"], None).await;
    server.person_with("root", &["admin"], None).await;

    let (mut anna, page) = account(&server, "anna").await;
    assert!(!page.body.contains("href=\"/admin\""));
    let refused = anna.visit("/admin").await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert!(refused.body.contains("This page is not for you"));

    let (mut sam, page) = account(&server, "sam").await;
    assert!(page.body.contains("href=\"/admin\""));
    let page = sam.visit("/admin").await;
    assert!(page.body.contains("<dd id=\"users\">3</dd>"), "{}", page.body);
    assert!(!page.body.contains("id=\"keys\""), "a number is shown to those who may see the list");

    let (mut root, _) = account(&server, "root").await;
    let page = root.visit("/admin").await;
    for shown in ["<dd id=\"users\">3</dd>", "<dd id=\"clients\">0</dd>", "<dd id=\"sessions\">3</dd>", "<dd id=\"keys\">6</dd>"]
    {
        assert!(page.body.contains(shown), "{shown}: {}", page.body);
    }
    assert_eq!(server.browser().visit("/admin").await.url, "/login");
}

#[tokio::test]
async fn pages_of_people_are_neither_stored_nor_framed() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let (mut browser, _) = account(&server, "anna").await;
    for path in [
        "/account",
        "/account/sessions",
        "/account/apps",
        "/account/activity",
        "/account/language",
        "/account/data",
        "/account/delete",
        "/logout",
    ] {
        let page = browser.visit(path).await;
        assert_eq!(page.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(page.header("x-frame-options"), Some("DENY"), "{path}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("form-action 'self'; ") && policy.contains("frame-ancestors 'none'"), "{path}: {policy}");
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_pages_below_it() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.server.issuer = "https://id.example/auth".to_owned();
    })
    .await;
    server.person("anna").await;
    let mut browser = server.browser();
    let page = browser.visit("/auth/").await;
    assert_eq!(page.url, "/auth/login");
    let page = browser.submit(&page.form().set("username", "anna").set("password", PASSWORD)).await;
    assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, "/auth/account"));
    for (attribute, prefix) in [("href=\"", "/auth/"), ("src=\"", "/auth/static/"), ("action=\"", "/auth/")] {
        for value in page.body.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()) {
            assert!(value.starts_with(prefix), "{value}");
        }
    }
    let style = page.body.split("href=\"").nth(1).unwrap().split('"').next().unwrap();
    let style = server.get(style).await;
    assert_eq!(style.header("content-type"), Some("text/css; charset=utf-8"));
    assert_eq!(style.header("cache-control"), Some("public, max-age=31536000, immutable"));
    assert_eq!(style.header("cross-origin-resource-policy"), Some("same-origin"));
}
