//! A person's own pages: staying logged in, naming devices, activity, language. Behaviours 1.11 S9, S14, S15, S17.

use http::StatusCode;
use ostiary::audit::Kind;
use ostiary::outbound::mail::Message;
use ostiary::pages::account::activity::sentence;
use ostiary::pages::text::Text;
use ostiary::protocol::time::Seconds;
use ostiary::storage::profiles;
use serde_json::json;

use crate::support::browser::{Answer, Browser};
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, enter_code, give_app};
use crate::support::flow::{AuthorizationUrl, authorize, log_in, redeem};
use crate::support::server::{PASSWORD, Persona, TestServer};

/// Logs in on the login page, with "stay logged in" ticked or not; nothing is followed.
async fn log_in_remembered(browser: &mut Browser, name: &str, remember: bool) -> Answer {
    let form = browser.visit("/login").await.form_of("login-form").set("username", name).set("password", PASSWORD);
    let form = if remember { form.set("remember", "1") } else { form };
    browser.post(&form.action, &form.fields).await
}

/// What `Set-Cookie` says of the session's cookie.
fn session_cookie(answer: &Answer) -> Option<String> {
    let mut cookies = answer.headers.get_all("set-cookie").iter().map(|cookie| cookie.to_str().unwrap().to_owned());
    cookies.rfind(|cookie| cookie.starts_with("__Host-sid="))
}

async fn logged_in(server: &TestServer, name: &str) -> Browser {
    let mut browser = server.browser();
    let page = browser.visit("/login").await;
    assert_eq!(log_in(&mut browser, &page, name).await.url, "/account");
    browser
}

async fn is_in(browser: &mut Browser) -> bool {
    browser.visit("/account").await.url == "/account"
}

const DAY: i64 = 86_400;

on_both! {
    async fn who_wants_to_stay_logged_in_does_so_for_thirty_days_and_not_longer(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (mut remembered, mut other) = (server.browser(), server.browser());
        let answer = log_in_remembered(&mut remembered, "anna", true).await;
        assert!(session_cookie(&answer).unwrap().contains("; Max-Age=2592000"), "{answer:?}");
        let answer = log_in_remembered(&mut other, "anna", false).await;
        assert!(!session_cookie(&answer).unwrap().contains("Max-Age"), "it ends with the browser");
        server.clock.advance(13 * 3_600);
        assert!(is_in(&mut remembered).await, "the idle limit is not for it");
        assert!(!is_in(&mut other).await);
        assert!(remembered.visit("/account/sessions").await.body.contains("Stays logged in"));
        server.clock.advance(30 * DAY - 13 * 3_600 - 1);
        assert!(is_in(&mut remembered).await);
        server.clock.advance(1);
        assert!(!is_in(&mut remembered).await);
    }

    async fn staying_logged_in_survives_the_second_factor_and_a_new_proof(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let app = give_app(&server, &anna).await;
        let mut browser = server.browser();
        let answer = log_in_remembered(&mut browser, "anna", true).await;
        assert_eq!(session_cookie(&answer), None, "S8");
        let page = browser.visit(answer.location()).await;
        let form = page.form_of("factor-form").set("code", &code_of(&server, &app, 0));
        let answer = browser.post(&form.action, &form.fields).await;
        assert!(session_cookie(&answer).unwrap().contains("; Max-Age=2592000"), "{answer:?}");

        server.clock.advance(DAY);
        let before = browser.cookies["__Host-sid"].clone();
        let page = browser.visit("/account/reauthenticate?to=sessions").await;
        let form = page.form_of("password-form").set("password", PASSWORD);
        let answer = browser.post(&form.action, &form.fields).await;
        assert!(session_cookie(&answer).unwrap().contains("; Max-Age=2505600"), "no more time than it had: {answer:?}");
        assert_ne!(browser.cookies["__Host-sid"], before, "S9");
        assert!(browser.visit("/account/sessions").await.body.contains("Stays logged in"));
    }

    async fn a_device_is_called_what_its_owner_calls_it(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let mut browser = logged_in(&server, "anna").await;
        let page = browser.visit("/account/sessions").await;
        let form = page.form_with("name").set("name", " Anna’s  <b>laptop</b>\n");
        let page = browser.submit(&form).await;
        assert_eq!((page.status, page.url.as_str()), (StatusCode::OK, "/account/sessions"));
        assert!(page.body.contains("<bdi>Anna’s &#60;b&#62;laptop&#60;/b&#62;</bdi>"), "{}", page.body);
        let page = browser.submit(&page.form_with("name").set("name", "  ")).await;
        assert!(!page.body.contains("laptop"), "an empty name is none");
        assert_eq!(server.audit().await.iter().filter(|entry| entry.kind == "session.renamed").count(), 2);
    }

    async fn nobody_is_logged_out_on_an_old_proof(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let mut other = logged_in(&server, "anna").await;
        let mut browser = logged_in(&server, "anna").await;
        let page = browser.visit("/account/sessions").await;
        server.clock.advance(301);
        let asked = browser.submit(&page.form_with_button("end-others").set("others", "all")).await;
        assert!(asked.url.starts_with("/account/reauthenticate?to=sessions"), "S15: {}", asked.url);
        assert!(is_in(&mut other).await);
        let page = browser.submit(&asked.form_of("password-form").set("password", PASSWORD)).await;
        assert_eq!(page.url, "/account/sessions");
        browser.submit(&page.form_with_button("end-others").set("others", "all")).await;
        assert!(!is_in(&mut other).await, "S14");
        assert!(is_in(&mut browser).await);
    }

    async fn a_login_in_a_browser_that_is_not_known_is_told_by_mail_once(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person_with("anna", &[], Some(json!({ "email": "anna@example.org", "email_verified": true, "locale": "fr" }))).await;
        let told = async || {
            let mails = server.every_mail().await;
            mails.into_iter().filter(|mail| matches!(mail.message, Message::NewDevice { .. })).collect::<Vec<_>>()
        };
        let mut browser = logged_in(&server, "anna").await;
        let mails = told().await;
        assert_eq!(mails.len(), 1);
        assert_eq!((mails[0].to.as_str(), mails[0].locale.as_deref()), ("anna@example.org", Some("fr")));
        let page = browser.visit("/logout").await;
        browser.submit(&page.form_of("logout-form")).await;
        log_in_remembered(&mut browser, "anna", false).await;
        assert_eq!(told().await.len(), 0, "the browser is known");
        logged_in(&server, "anna").await;
        assert_eq!(told().await.len(), 1, "another one is not");
        let mut wrong = server.browser();
        let form = wrong.visit("/login").await.form_of("login-form");
        wrong.submit(&form.set("username", "anna").set("password", "wrong wrong wrong")).await;
        assert_eq!(told().await.len(), 0, "a failed login is no login");
    }

    async fn applications_of_the_house_are_listed_and_shut_out_too(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |metadata| {
            metadata.client_name = "House Calendar".to_owned();
            metadata.first_party = true;
        }).await;
        let mut browser = server.browser();
        let answer = authorize(&mut browser, &AuthorizationUrl::new(&client), "anna").await;
        let tokens = redeem(&server, &client, &answer["code"]).await.json();
        let page = browser.visit("/account/apps").await;
        assert!(page.body.contains("House Calendar"), "{}", page.body);
        assert!(browser.visit("/account").await.body.contains("One application has access"));
        let page = browser.submit(&page.form_with("client_id")).await;
        assert!(page.body.contains("id=\"no-apps\""));
        let refused = server.introspect(&client, tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(refused["active"], false, "T6");
    }

    async fn a_person_reads_what_happened_in_plain_words_page_by_page(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        server.person("ben").await;
        logged_in(&server, "ben").await;
        let mut browser = server.browser();
        let form = browser.visit("/login").await.form_of("login-form");
        browser.submit(&form.clone().set("username", "anna").set("password", "wrong wrong wrong")).await;
        for _ in 0..31 {
            server.clock.advance(1);
            logged_in(&server, "anna").await;
        }
        server.state.refusals.flush().await;
        let mut browser = logged_in(&server, "anna").await;
        let count = |page: &Answer| page.body.matches("Logged in</p>").count() + page.body.matches("Logged in ").count();
        let first = browser.visit("/account/activity").await;
        assert_eq!(count(&first), 30, "{}", first.body);
        let older = first.link("older");
        let second = browser.visit(&older).await;
        assert!(count(&second) >= 2 && second.body.contains("A login failed"), "{}", second.body);
        assert!(!second.body.contains("id=\"older\""));
        for foreign in ["/account/activity?after=x", "/account/activity?after=%27", "/account/activity?after=ffffffff-ffff-7fff-bfff-ffffffffffff"] {
            assert_eq!(browser.visit(foreign).await.status, StatusCode::OK, "{foreign}");
        }
    }

    async fn a_language_is_chosen_for_the_browser_and_for_mails(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let mut browser = logged_in(&server, "anna").await;
        let form = browser.visit("/account/language").await.form_with("to");
        let page = browser.submit(&form.clone().set("to", "fr")).await;
        assert!(page.body.contains("<html lang=\"fr\"") && page.body.contains("Langue"), "{}", page.body);
        let profile = profiles::load(&mut server.state.db.read().await.unwrap(), &anna.id).await.unwrap();
        assert_eq!(profile.unwrap().0.locale.as_deref(), Some("fr"));
        assert!(server.audit().await.iter().any(|entry| entry.kind == "user.updated"));
        assert_eq!(browser.submit(&form.set("to", "tlh")).await.status, StatusCode::NOT_FOUND);
    }
}

/// Those of the other kinds are never about one person.
#[test]
fn every_kind_of_event_has_a_sentence_in_every_language() {
    let of_others = [
        "client.",
        "resource.",
        "key.",
        "master_key.",
        "setup.",
        "invitation.",
        "address.",
        "audit.",
        "backup.",
        "token.issued",
        "token.revoked",
        "pushed_request.",
        "device.",
    ];
    for language in Text::languages() {
        let text = Text::wanted(Some(&language), "en");
        for kind in
            Kind::ALL.iter().map(|kind| kind.as_str()).filter(|kind| !of_others.iter().any(|other| kind.starts_with(other)))
        {
            for succeeded in [true, false] {
                assert_ne!(sentence(text, kind, succeeded), text.of("activity-other"), "{language}: {kind}");
            }
        }
    }
    assert_ne!(sentence(Text::default(), "user.login", true), sentence(Text::default(), "user.login", false));
}

/// S14, for a person who is disabled while they stay logged in.
#[tokio::test]
async fn staying_logged_in_ends_with_the_account() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let mut browser = server.browser();
    log_in_remembered(&mut browser, "anna", true).await;
    assert!(is_in(&mut browser).await);
    server.disable(&anna).await;
    assert!(!is_in(&mut browser).await);
}

#[tokio::test]
async fn where_staying_logged_in_is_not_offered_nobody_gets_it() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| config.session.remembered_absolute = 0).await;
    server.person("anna").await;
    let mut browser = server.browser();
    assert!(!browser.visit("/login").await.body.contains("name=\"remember\""));
    let answer = log_in_remembered(&mut browser, "anna", true).await;
    assert!(!session_cookie(&answer).unwrap().contains("Max-Age"));
}

#[tokio::test]
async fn a_session_is_named_after_what_its_browser_says_and_shown_with_its_network() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let mut browser = server.browser();
    let form = browser.visit("/login").await.form_of("login-form").set("username", "anna").set("password", PASSWORD);
    let body = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
    let request = http::Request::post("/login")
        .header("origin", server.origin())
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded")
        .header(
            "user-agent",
            "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
        )
        .header("sec-ch-ua", "\"Chromium\";v=\"140\", \"Not=A?Brand\";v=\"24\", \"Brave\";v=\"140\"")
        .header("sec-ch-ua-platform", "\"Windows\"");
    assert_eq!(browser.send(request.body(body.into()).unwrap()).await.status, StatusCode::SEE_OTHER);
    let page = browser.visit("/account/sessions").await;
    assert!(page.body.contains("<bdi>Brave on Windows</bdi>") && page.body.contains("Password ·"), "{}", page.body);
}

/// Half a login is none, whatever was ticked: enter_code is what begins the session.
#[tokio::test]
async fn ticking_the_box_gives_nothing_before_the_second_factor() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let app = give_app(&server, &anna).await;
    let mut browser = server.browser();
    let answer = log_in_remembered(&mut browser, "anna", true).await;
    assert!(!is_in(&mut browser).await);
    let page = browser.visit(answer.location()).await;
    server.clock.advance(Seconds::minutes(11).0);
    let late = enter_code(&mut browser, &page, &code_of(&server, &app, 0)).await;
    assert_eq!(late.url, "/login");
}
