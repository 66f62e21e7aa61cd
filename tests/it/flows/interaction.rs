//! What happens between the request and the answer: prompts, hints, the browser that a login is bound to, form_post.

use http::StatusCode;
use ostiary::storage::sessions::Ending;
use ostiary::storage::{consents, grants, sessions};

use super::assert_page;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, authorize, claims, log_in, redeem, text, tokens};
use crate::support::server::{PASSWORD, Persona, START, TestServer};

#[tokio::test]
async fn prompt_login_and_max_age_ask_for_the_password_again() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let mut browser = server.browser();
    let url = AuthorizationUrl::new(&client);
    let tokens = redeem(&server, &client, &authorize(&mut browser, &url, "anna").await["code"]).await.json();
    let first = claims(&text(&tokens, "id_token"))["auth_time"].as_i64().unwrap();
    for (name, value) in [("prompt", "login"), ("max_age", "0"), ("max_age", "10")] {
        server.clock.advance(60);
        let url = url.clone().with(name, value);
        let page = browser.visit(&url.path()).await;
        assert!(page.url.starts_with("/login"), "{name}={value}: {page:#?}");
        let answer = log_in(&mut browser, &page, "anna").await;
        let tokens = redeem(&server, &client, &answer.redirect_params()["code"]).await.json();
        assert!(claims(&text(&tokens, "id_token"))["auth_time"].as_i64().unwrap() > first);
    }
    server.clock.advance(60);
    let stale = browser.get(&url.with("max_age", "10").with("prompt", "none").path()).await.redirect_params();
    assert_eq!(stale["error"], "login_required");
}

#[tokio::test]
async fn a_hint_at_somebody_else_is_not_answered_about_the_one_who_is_there() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    server.person("bert").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let hint = text(&tokens(&server, &client, "anna").await, "id_token");
    let mut browser = server.browser();
    let url = AuthorizationUrl::new(&client);
    authorize(&mut browser, &url, "bert").await;
    server.clock.advance(1);
    let hinted = url.with("id_token_hint", &hint);
    assert_eq!(browser.get(&hinted.clone().with("prompt", "none").path()).await.redirect_params()["error"], "login_required");
    let page = browser.visit(&hinted.path()).await;
    let answer = log_in(&mut browser, &page, "bert").await;
    assert_eq!(answer.redirect_params()["error"], "login_required");
    // An expired hint of ours is still a hint.
    server.clock.advance(7 * 86_400);
    let mut other = server.browser();
    let page = other.visit(&hinted.path()).await;
    assert!(log_in(&mut other, &page, "anna").await.redirect_params().contains_key("code"));
}

#[tokio::test]
async fn select_account_lets_a_person_stay_or_change() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let bert = server.person("bert").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let mut browser = server.browser();
    let url = AuthorizationUrl::new(&client);
    authorize(&mut browser, &url, "anna").await;
    server.clock.advance(1);
    let url = url.with("prompt", "select_account");
    for (decision, expected) in [("continue", &anna), ("another", &bert)] {
        let page = browser.visit(&url.path()).await;
        assert!(page.url.starts_with("/login/select"), "{page:#?}");
        let mut answer = browser.submit(&page.form().set("decision", decision)).await;
        if decision == "another" {
            answer = log_in(&mut browser, &answer, "bert").await;
        }
        let tokens = redeem(&server, &client, &answer.redirect_params()["code"]).await.json();
        assert_eq!(claims(&text(&tokens, "id_token"))["sub"], expected.id.as_str());
    }
}

#[tokio::test]
async fn a_request_by_post_is_taken_up_by_get() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let mut browser = server.browser();
    let url = AuthorizationUrl::new(&client);
    authorize(&mut browser, &url, "anna").await;
    // From another site: the browser keeps its SameSite=Lax cookies back.
    let fields: Vec<(&str, &str)> = url.params().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let answer =
        server.post_with("/authorize", &[("origin", "https://app.example"), ("sec-fetch-site", "cross-site")], &fields).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER);
    assert_eq!(answer.header("set-cookie"), None);
    let answer = browser.visit(answer.location()).await;
    assert!(answer.redirect_params().contains_key("code"), "not a second login");
}

#[tokio::test]
async fn form_post_answers_with_an_escaped_form() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let state = "\"></form></script><img onerror=x>\u{2028}";
    let url = AuthorizationUrl::new(&client).with("response_mode", "form_post").with("state", state);
    let mut browser = server.browser();
    let page = browser.visit(&url.path()).await;
    let answer = log_in(&mut browser, &page, "anna").await;
    assert_eq!(answer.status, StatusCode::OK);
    let form = answer.form();
    assert_eq!(form.action, "https://app.example/cb");
    assert_eq!(form.field("state"), state);
    assert_eq!(form.field("iss"), "https://id.example");
    assert!(!form.field("code").is_empty());
    assert!(!answer.body.contains("<img"));
    let csp = answer.header("content-security-policy").unwrap();
    assert!(csp.contains("form-action https://app.example;") && csp.contains("script-src 'nonce-"), "{csp}");
    assert_eq!(answer.header("cache-control"), Some("no-store"));

    server.clock.advance(1);
    let error = browser.visit(&url.with("prompt", "none").with("max_age", "0").path()).await;
    assert_eq!(error.status, StatusCode::OK);
    assert_eq!(error.form().field("error"), "login_required");
}

#[tokio::test]
async fn a_flow_opens_in_its_own_browser_only_and_can_not_be_edited() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let mut browser = server.browser();
    let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
    assert_page(&server.browser().get(&page.url).await, 400);

    let sealed = page.form().field("flow").to_owned();
    let edited = sealed.replacen(&sealed[40..41], if &sealed[40..41] == "A" { "B" } else { "A" }, 1);
    let form = page.form().set("username", "anna").set("password", PASSWORD);
    assert_page(&browser.submit(&form.clone().set("flow", &edited)).await, 400);

    server.clock.advance(901);
    assert_page(&browser.submit(&form).await, 400);
}

#[tokio::test]
async fn every_flow_page_names_the_clients_origin_as_form_target_and_is_never_framed() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let mut browser = server.browser();
    let login = browser.visit(&AuthorizationUrl::new(&client).path()).await;
    let consent = log_in(&mut browser, &login, "anna").await;
    for page in [&login, &consent] {
        let csp = page.header("content-security-policy").unwrap();
        assert!(csp.contains("form-action 'self' https://app.example;"), "{csp}");
        assert!(csp.contains("frame-ancestors 'none'"));
        assert_eq!(page.header("x-frame-options"), Some("DENY"));
        assert_eq!(page.header("cache-control"), Some("no-store"));
        assert_eq!(page.header("referrer-policy"), Some("no-referrer"));
        assert!(page.header("strict-transport-security").is_some());
    }
}

#[tokio::test]
async fn to_allow_nothing_is_to_deny() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let mut browser = server.browser();
    let page = browser.visit(&AuthorizationUrl::new(&client).with("scope", "profile email").path()).await;
    let page = log_in(&mut browser, &page, "anna").await;
    let answer = browser.submit(&page.form().without("scope").set("decision", "allow")).await;
    assert_eq!(answer.redirect_params()["error"], "access_denied");
}

on_both! {
    /// Sessions, consents and codes are ended while codes are being given out: none survives.
    async fn no_code_slips_past_the_end_of_what_it_rests_on(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let url = AuthorizationUrl::new(&client);
        for round in 0..6 {
            let mut browser = server.browser();
            authorize(&mut browser, &url, "anna").await;
            let silent = url.clone().with("prompt", "none").path();
            let mut requests = tokio::task::JoinSet::new();
            for _ in 0..12 {
                let (mut browser, silent) = (browser.clone(), silent.clone());
                requests.spawn(async move { browser.get(&silent).await });
            }
            let now = server.clock.now();
            let end = server.state.db.write(async |tx| {
                if round % 2 == 0 {
                    sessions::end_all(tx, &anna.id, None, Ending::of_everything(START)).await?;
                    grants::revoke_for_user(tx, &anna.id, now).await
                } else {
                    consents::delete(tx, &anna.id, &client.client.id).await?;
                    grants::revoke_for_client_and_user(tx, &client.client.id, &anna.id, now).await
                }
            });
            end.await.unwrap();
            while let Some(answer) = requests.join_next().await {
                let params = answer.unwrap().redirect_params();
                if let Some(code) = params.get("code") {
                    let answer = redeem(&server, &client, code).await;
                    assert_eq!(answer.status, 400, "{round}: {answer:#?}");
                }
            }
        }
    }
}
