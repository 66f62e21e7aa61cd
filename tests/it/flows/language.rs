//! The language of the pages (OpenID Connect Core §3.1.2.1 `ui_locales`; RFC 9110 §12.5.4).

use axum::body::Body;
use http::{Request, StatusCode, header};
use scraper::{Html, Selector};

use crate::support::browser::{Answer, Browser};
use crate::support::database::TestDatabase;
use crate::support::flow::{AuthorizationUrl, allow, log_in};
use crate::support::server::{Persona, TestServer};

fn language(page: &Answer) -> String {
    let document = Html::parse_document(&page.body);
    document.select(&Selector::parse("html").unwrap()).next().unwrap().attr("lang").unwrap().to_owned()
}

/// The link to a language at the foot of the page.
fn link_to(page: &Answer, language: &str) -> Option<String> {
    let document = Html::parse_document(&page.body);
    let link = document.select(&Selector::parse(&format!("footer a[hreflang={language}]")).unwrap()).next();
    link.map(|link| link.attr("href").unwrap().to_owned())
}

async fn get_in(browser: &mut Browser, path: &str, accept_language: &str) -> Answer {
    let request = Request::get(path).header(header::ACCEPT_LANGUAGE, accept_language).header(header::ACCEPT, "text/html");
    browser.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_browser_is_answered_in_its_language_or_the_servers() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let mut browser = server.browser();
    for (accepted, expected) in [("fr-CA, en;q=0.5", "fr"), ("en", "en"), ("de, fr;q=0.1", "fr"), ("de", "en"), ("\u{1}", "en")] {
        let accepted = accepted.replace('\u{1}', ";;q=,");
        assert_eq!(language(&get_in(&mut browser, "/login", &accepted).await), expected, "{accepted}");
        assert_eq!(language(&get_in(&mut browser, "/nowhere", &accepted).await), expected, "{accepted}: the error page too");
    }
    let french = |config: &mut ostiary::config::Config| config.server.default_locale = "fr".to_owned();
    let server = TestServer::start_with(TestDatabase::sqlite().await, french).await;
    assert_eq!(language(&get_in(&mut server.browser(), "/login", "de").await), "fr");
    assert_eq!(language(&get_in(&mut server.browser(), "/login", "en").await), "en");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_may_ask_for_a_language_and_the_person_has_the_last_word() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    server.person("anna").await;
    let mut browser = server.browser();
    let page = browser.visit(&AuthorizationUrl::new(&client).with("ui_locales", "tlh fr en").path()).await;
    assert_eq!((language(&page).as_str(), link_to(&page, "fr")), ("fr", None));

    // English is chosen at the foot of the page, and the login under way goes on.
    let page = browser.visit(&link_to(&page, "en").expect("a link")).await;
    assert!(page.url.starts_with("/login?flow="), "{}", page.url);
    assert_eq!(language(&page), "en");
    let page = log_in(&mut browser, &page, "anna").await;
    assert_eq!(language(&page), "en", "although the client asked for French");
    assert!(allow(&mut browser, &page).await.redirect_params().contains_key("code"));

    // It is remembered.
    assert_eq!(language(&get_in(&mut browser, "/account", "fr").await), "en");
    let error = get_in(&mut browser, "/nowhere", "fr").await;
    assert_eq!((error.status, language(&error).as_str()), (StatusCode::NOT_FOUND, "en"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_that_a_form_made_offers_no_way_back_that_would_not_work() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let mut browser = server.browser();
    let page = browser.visit("/login").await;
    assert!(link_to(&page, "fr").is_some());
    let refused = browser.submit(&page.form().set("username", "nobody").set("password", "wrong")).await;
    assert_eq!(link_to(&refused, "fr"), None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_choice_leads_nowhere_else_and_takes_what_there_is() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    for (next, expected) in [
        ("%2Faccount%3Fa%3Db", "/account?a=b"),
        ("%2F%2Fevil.example", "/"),
        ("https%3A%2F%2Fevil.example", "/"),
        ("%2F%5Cevil.example", "/"),
        ("", "/"),
    ] {
        let answer = server.get(&format!("/language?to=fr&next={next}")).await;
        assert_eq!((answer.status, answer.location()), (StatusCode::SEE_OTHER, expected));
        let cookie = answer.header("set-cookie").unwrap();
        assert_eq!(cookie, "__Host-language=fr; Path=/; HttpOnly; SameSite=Lax; Secure; Max-Age=31536000");
    }
    for unknown in ["tlh", "", "en%0d%0aSet-Cookie:%20a=b", "..%2F..%2Fen"] {
        let answer = server.get(&format!("/language?to={unknown}&next=/account")).await;
        assert_eq!((answer.status, answer.header("set-cookie")), (StatusCode::NOT_FOUND, None), "{unknown}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_metadata_lists_the_languages() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["ui_locales_supported"], serde_json::json!(["en", "fr"]));
}
