//! The login page and the session: behaviours 1.11.

use http::StatusCode;
use ostiary::authn::password::{ImportedHash, learn};
use ostiary::storage::users;

use crate::support::browser::{Answer, without_passkey_challenge};
use crate::support::database::TestDatabase;
use crate::support::flow::{AuthorizationUrl, authorize, log_in};
use crate::support::server::{PASSWORD, Persona, TestServer};
use crate::support::timing::take_the_same_time;

async fn attempt(server: &TestServer, name: &str, password: &str) -> Answer {
    let client = server.client(Persona::Web, |_| {}).await;
    let mut browser = server.browser();
    let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
    browser.submit(&page.form().set("username", name).set("password", password)).await
}

/// Everything that differs from one page to the next for good reason, taken out.
fn comparable(answer: &Answer, name: &str) -> String {
    let mut body = without_passkey_challenge(&answer.without_trace_id()).replace(name, "NAME");
    for field in ["csrf", "flow", "challenge"] {
        body = body.replace(answer.form().field(field), "");
    }
    let nonce = answer.header("content-security-policy").unwrap().split("'nonce-").nth(1).unwrap().split('\'').next().unwrap();
    body.replace(nonce, "")
}

#[tokio::test]
async fn every_failure_looks_the_same() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let disabled = server.person("dora").await;
    server.disable(&disabled).await;
    let wrong = attempt(&server, "anna", "wrong password").await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("role=\"alert\""));
    for (name, password) in [("nobody", PASSWORD), ("dora", PASSWORD), ("", PASSWORD), ("anna", "")] {
        let other = attempt(&server, name, password).await;
        assert_eq!(other.status, wrong.status);
        if !name.is_empty() {
            assert_eq!(comparable(&other, name), comparable(&wrong, "anna"), "{name}");
        }
        assert!(!other.body.contains(PASSWORD));
    }
}

#[tokio::test]
async fn one_name_in_any_spelling_is_one_person() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("Anna").await;
    for spelling in ["anna", "ANNA", "anna ", "\u{ff41}nna"] {
        assert!(attempt(&server, spelling, PASSWORD).await.url.starts_with("/consent"), "{spelling:?}");
    }
}

#[tokio::test]
async fn a_password_is_compared_whole_and_measured_before_it_is_hashed() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    for wrong in [format!("{PASSWORD}x"), PASSWORD[1..].to_owned(), "x".repeat(257), "🦊".repeat(200)] {
        assert_eq!(attempt(&server, "anna", &wrong).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let huge = attempt(&server, "anna", &"x".repeat(100_000)).await;
    assert_eq!(huge.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_form_from_another_site_logs_nobody_in() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let mut browser = server.browser();
    let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
    let form = page.form().set("username", "anna").set("password", PASSWORD);
    let fields: Vec<(&str, &str)> = form.fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let cookies: Vec<String> = browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cookies = cookies.join("; ");
    for headers in [
        vec![("origin", "https://evil.example")],
        vec![("origin", "null")],
        vec![("origin", "https://id.example"), ("sec-fetch-site", "cross-site")],
        vec![("sec-fetch-site", "same-site")],
    ] {
        let headers = [vec![("cookie", cookies.as_str())], headers].concat();
        assert_eq!(server.post_with("/login", &headers, &fields).await.status, StatusCode::FORBIDDEN, "{headers:?}");
    }
    // Another browser's token.
    let mut other = server.browser();
    let theirs = other.visit(&AuthorizationUrl::new(&client).path()).await.form();
    assert_eq!(browser.submit(&form.clone().set("csrf", theirs.field("csrf"))).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.submit(&form.clone().without("csrf")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(server.last_reason("request.forged").await.as_deref(), Some("csrf"));
    assert!(browser.submit(&form).await.url.starts_with("/consent"));
}

#[tokio::test]
async fn a_choice_of_account_from_another_site_is_refused_and_recorded() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let mut browser = server.browser();
    let url = AuthorizationUrl::new(&client);
    authorize(&mut browser, &url, "anna").await;
    server.clock.advance(1);
    let login = browser.visit(&url.clone().with("prompt", "login").path()).await.form();
    let form = browser.visit(&url.with("prompt", "select_account").path()).await.form().set("decision", "continue");
    assert_eq!(server.last_reason("request.forged").await, None);
    // The login form's token counts for nothing here.
    let forged = form.clone().set("csrf", login.field("csrf"));
    assert_eq!(browser.submit(&forged).await.status, StatusCode::FORBIDDEN);
    assert_eq!(server.last_reason("request.forged").await.as_deref(), Some("csrf"));
    assert!(browser.submit(&form).await.redirect_params().contains_key("code"));
}

#[tokio::test]
async fn each_login_has_a_session_of_its_own() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let url = AuthorizationUrl::new(&client);
    let mut browser = server.browser();
    browser.cookies.insert("__Host-sid".to_owned(), "A".repeat(43));
    authorize(&mut browser, &url, "anna").await;
    let first = browser.cookies["__Host-sid"].clone();
    assert_ne!(first, "A".repeat(43));
    let mut copy = browser.clone();
    server.clock.advance(1);
    let page = browser.visit(&url.clone().with("prompt", "login").path()).await;
    log_in(&mut browser, &page, "anna").await;
    assert_ne!(browser.cookies["__Host-sid"], first);
    let silent = url.with("prompt", "none");
    assert!(browser.get(&silent.path()).await.redirect_params().contains_key("code"));
    assert_eq!(copy.get(&silent.path()).await.redirect_params()["error"], "login_required", "the old one is dead");
}

#[tokio::test]
async fn a_session_ends_when_it_is_idle_too_old_or_its_person_disabled() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let url = AuthorizationUrl::new(&client);
    let silent = url.clone().with("prompt", "none").path();

    let mut idle = server.browser();
    authorize(&mut idle, &url, "anna").await;
    server.clock.advance(43_200);
    assert_eq!(idle.get(&silent).await.redirect_params()["error"], "login_required");

    let mut busy = server.browser();
    authorize(&mut busy, &url, "anna").await;
    for _ in 0..16 {
        server.clock.advance(36_000);
        assert!(busy.get(&silent).await.redirect_params().contains_key("code"));
    }
    server.clock.advance(36_000);
    assert_eq!(busy.get(&silent).await.redirect_params()["error"], "login_required", "7 days are the limit");

    let mut browser = server.browser();
    authorize(&mut browser, &url, "anna").await;
    server.disable(&anna).await;
    assert_eq!(browser.get(&silent).await.redirect_params()["error"], "login_required");
}

#[tokio::test]
async fn cookies_are_for_this_host_for_http_and_for_tls_alone() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let mut browser = server.browser();
    let redirect = browser.get(&AuthorizationUrl::new(&client).path()).await;
    let page = browser.visit(redirect.location()).await;
    let form = page.form().set("username", "anna").set("password", PASSWORD);
    let answer = browser.post("/login", &form.fields).await;
    for answer in [&redirect, &answer] {
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.starts_with("__Host-"), "{cookie}");
        for attribute in ["Path=/", "Secure", "HttpOnly", "SameSite=Lax"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
    }
}

#[tokio::test]
async fn a_consent_needs_the_form_of_the_one_who_gives_it() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let mut browser = server.browser();
    let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
    let page = log_in(&mut browser, &page, "anna").await;
    let form = page.form().set("decision", "allow");
    assert_eq!(browser.submit(&form.clone().without("csrf")).await.status, StatusCode::FORBIDDEN);
    assert_eq!(browser.submit(&form.clone().set("csrf", "AAAA")).await.status, StatusCode::FORBIDDEN);
    // A GET approves nothing, whatever it carries.
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(&form.fields).finish();
    let shown = browser.get(&format!("/consent?{query}")).await;
    assert_eq!(shown.header("location"), None);
    let elsewhere = form.clone().and("client_id", "other").and("redirect_uri", "https://evil.example");
    let answer = browser.submit(&elsewhere).await;
    assert!(answer.location().starts_with("https://app.example/cb?"), "only the sealed request counts");
}

#[tokio::test]
async fn every_failure_takes_the_same_time() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.password.memory_kib = 4_096;
        config.password.iterations = 2;
    })
    .await;
    server.person("anna").await;
    let disabled = server.person("dora").await;
    server.disable(&disabled).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let mut browser = server.browser();
    let form = browser.visit(&AuthorizationUrl::new(&client).path()).await.form();
    let cases = [("anna", "wrong password"), ("nobody", "wrong password"), ("dora", PASSWORD)];
    take_the_same_time(&["a wrong password", "an unknown name", "a disabled person"], async |case| {
        let (name, password) = cases[case];
        let form = form.clone().set("username", name).set("password", password);
        assert_eq!(browser.submit(&form).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    })
    .await;
}

/// With the limits on, and a password that strangers have locked. Each attempt comes from an address of its own, an hour later.
#[tokio::test]
async fn s1_every_failure_takes_the_same_time_while_attempts_are_counted() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.password.memory_kib = 4_096;
        config.password.iterations = 2;
        config.limits.enabled = true;
        config.limits.lock_after = 10;
    })
    .await;
    server.person("anna").await;
    server.person("lena").await;
    let disabled = server.person("dora").await;
    server.disable(&disabled).await;
    let mut browser = server.browser();
    for _ in 0..11 {
        server.clock.advance(3_600);
        let form = browser.visit("/login").await.form().set("username", "lena").set("password", "wrong password");
        assert_eq!(browser.submit(&form).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    }
    let form = browser.visit("/login").await.form();
    let cases = [("anna", "wrong password"), ("nobody", "wrong password"), ("dora", PASSWORD), ("lena", PASSWORD)];
    let mut number = 0_u32;
    take_the_same_time(&["a wrong password", "an unknown name", "a disabled person", "a locked password"], async |case| {
        number += 1;
        server.clock.advance(3_600);
        browser.address = Some(std::net::Ipv4Addr::from(0xc612_0000 + number).into());
        let (name, password) = cases[case];
        let form = form.clone().set("username", name).set("password", password);
        assert_eq!(browser.submit(&form).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    })
    .await;
}

#[tokio::test]
async fn s1_hashes_of_another_system_tell_nobody_apart() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let hash = ImportedHash::to_stored("$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW").unwrap();
    for name in ["anna", "bert"] {
        let user = server.person(name).await;
        server.state.db.write(async |tx| users::set_password(tx, &user.id, &hash, server.clock.now()).await).await.unwrap();
    }
    learn(&server.state.passwords, &server.state.db).await.unwrap();
    let mut browser = server.browser();
    let form = browser.visit("/login").await.form().set("password", "wrong password");
    take_the_same_time(&["an imported hash", "an unknown name", "another one"], async |case| {
        let form = form.clone().set("username", ["anna", "nobody", "somebody"][case]);
        assert_eq!(browser.submit(&form).await.status, StatusCode::UNPROCESSABLE_ENTITY);
    })
    .await;
}
