//! Requests that ask for more than the session shows: behaviours 1.1 A19, A23, A37, and 1.11 S8, S9.

use http::StatusCode;
use ostiary::authn::totp::Secret;
use ostiary::protocol::authentication::Acr;
use serde_json::json;

use crate::support::browser::{Answer, Browser};
use crate::support::database::{TestDatabase, on_both};
use crate::support::factors::{code_of, enter_code, give_app, half_way};
use crate::support::flow::{AuthorizationUrl, authorize, claims, log_in, redeem, text};
use crate::support::server::{Persona, TestClient, TestServer};

const ESSENTIAL: &str = r#"{"id_token":{"acr":{"essential":true,"values":["2"]}}}"#;

async fn id_token(server: &TestServer, client: &TestClient, answer: &Answer) -> serde_json::Value {
    let code = &answer.redirect_params()["code"];
    claims(&text(&redeem(server, client, code).await.json(), "id_token"))
}

/// Sets up an app on the page for it, and goes on from there.
async fn set_up(server: &TestServer, browser: &mut Browser, page: &Answer) -> Answer {
    let base32 = page.texts("#totp-secret").concat().replace(' ', "");
    let secret = Secret::from_bytes(&data_encoding::BASE32_NOPAD.decode(base32.as_bytes()).unwrap()).unwrap();
    let done = browser.submit(&page.form_of("enrolment-form").set("code", &code_of(server, &secret, 0))).await;
    let document = scraper::Html::parse_document(&done.body);
    let link = document.select(&scraper::Selector::parse("a#continue").unwrap()).next().expect("a way on");
    let link = link.attr("href").unwrap().to_owned();
    browser.visit(&link).await
}

on_both! {
    async fn whoever_lacks_a_factor_is_led_to_it_and_no_further(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
        let mut browser = server.browser();
        let url = AuthorizationUrl::new(&client);
        authorize(&mut browser, &url, "anna").await;
        let logged_in_at = server.clock.now().as_seconds();
        let before = browser.cookies["__Host-sid"].clone();
        server.clock.advance(60);
        // Set up elsewhere, by an administrator's import for one: this session is older.
        let secret = give_app(&server, &anna).await;

        let url = url.with("claims", ESSENTIAL);
        let silent = browser.get(&url.clone().with("prompt", "none").path()).await.redirect_params();
        assert_eq!(silent["error"], "interaction_required");
        let page = browser.visit(&url.path()).await;
        assert!(page.url.starts_with("/login/factor?flow="), "no password: {page:#?}");
        let wrong = enter_code(&mut browser, &page, "000000").await;
        assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
        let answer = enter_code(&mut browser, &page, &code_of(&server, &secret, 0)).await;
        let token = id_token(&server, &client, &answer).await;
        assert_eq!((&token["acr"], &token["amr"]), (&json!("2"), &json!(["pwd", "otp", "mfa"])));
        assert_eq!(token["auth_time"], logged_in_at, "the password was not typed again");
        assert_ne!(browser.cookies["__Host-sid"], before, "S9");
        let mut stolen = server.browser();
        stolen.cookies.insert("__Host-sid".to_owned(), before);
        assert_eq!(stolen.get("/account").await.location(), "/login");
    }

    async fn whoever_has_no_such_factor_sets_one_up_on_the_way_and_gets_back(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |metadata| {
            metadata.first_party = true;
            metadata.required_acr = Some(Acr::Multi);
        }).await;
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        let page = log_in(&mut browser, &page, "anna").await;
        assert!(page.url.starts_with("/account/security/totp?flow="), "{page:#?}");
        let answer = set_up(&server, &mut browser, &page).await;
        let token = id_token(&server, &client, &answer).await;
        assert_eq!((&token["acr"], &token["amr"]), (&json!("2"), &json!(["pwd", "otp", "mfa"])));
    }
}

#[tokio::test]
async fn an_old_session_proves_itself_before_it_sets_something_up() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let mut browser = server.browser();
    authorize(&mut browser, &AuthorizationUrl::new(&client), "anna").await;
    server.clock.advance(301);
    let page = browser.visit(&AuthorizationUrl::new(&client).with("claims", ESSENTIAL).path()).await;
    assert!(page.url.starts_with("/account/reauthenticate?to=totp&flow="), "{page:#?}");
    let form = page.form_of("password-form").set("password", crate::support::server::PASSWORD);
    let page = browser.submit(&form).await;
    assert!(page.url.starts_with("/account/security/totp?flow="), "{page:#?}");
    let answer = set_up(&server, &mut browser, &page).await;
    assert_eq!(id_token(&server, &client, &answer).await["acr"], "2");
}

#[tokio::test]
async fn a_voluntary_acr_asks_for_what_is_there_and_refuses_nothing() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let url = AuthorizationUrl::new(&client).with("acr_values", "phr 2");
    let mut browser = server.browser();
    let page = browser.visit(&url.path()).await;
    let answer = log_in(&mut browser, &page, "anna").await;
    assert_eq!(id_token(&server, &client, &answer).await["acr"], "1");

    let secret = give_app(&server, &anna).await;
    let page = browser.visit(&url.path()).await;
    let answer = enter_code(&mut browser, &page, &code_of(&server, &secret, 0)).await;
    assert_eq!(id_token(&server, &client, &answer).await["acr"], "2");
    let answer = browser.get(&url.with("acr_values", "1").path()).await;
    assert_eq!(id_token(&server, &client, &answer).await["acr"], "1", "the one that was asked for");
}

#[tokio::test]
async fn what_nobody_can_reach_is_told_at_once() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let unheard_of = r#"{"id_token":{"acr":{"essential":true,"values":["gold"]}}}"#;
    let answer = server.get(&AuthorizationUrl::new(&client).with("claims", unheard_of).path()).await;
    assert_eq!(answer.redirect_params()["error"], "unmet_authentication_requirements");
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["acr_values_supported"], json!(["1", "2", "phr"]));
}

#[tokio::test]
async fn a_request_for_a_fresh_login_asks_for_the_stale_factor_alone() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let anna = server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let secret = give_app(&server, &anna).await;
    let (mut browser, page) = half_way(&server, "anna").await;
    enter_code(&mut browser, &page, &code_of(&server, &secret, 0)).await;
    // Ten minutes later the code is proved once more, and not the password.
    server.clock.advance(600);
    let page = browser.get("/account/reauthenticate").await;
    enter_code(&mut browser, &page, &code_of(&server, &secret, 0)).await;
    server.clock.advance(10);
    let url = AuthorizationUrl::new(&client);
    let page = browser.visit(&url.clone().with("max_age", "300").path()).await;
    let answer = log_in(&mut browser, &page, "anna").await;
    let token = id_token(&server, &client, &answer).await;
    assert_eq!((&token["acr"], &token["auth_time"]), (&json!("2"), &json!(server.clock.now().as_seconds())));
    // Whoever wants everything anew gets everything anew.
    server.clock.advance(60);
    let page = browser.visit(&url.with("prompt", "login").path()).await;
    let page = log_in(&mut browser, &page, "anna").await;
    assert!(page.url.starts_with("/login/factor?login="), "{page:#?}");
    let answer = enter_code(&mut browser, &page, &code_of(&server, &secret, 0)).await;
    assert_eq!(id_token(&server, &client, &answer).await["auth_time"], server.clock.now().as_seconds());
}

#[tokio::test]
async fn a_role_may_ask_for_two_factors_everywhere() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.authentication.required_acr_by_role.insert("admin".to_owned(), Acr::Multi);
    })
    .await;
    server.person_with("anna", &["admin"], None).await;
    server.person("bert").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let url = AuthorizationUrl::new(&client);
    assert!(authorize(&mut server.browser(), &url, "bert").await.contains_key("code"));

    let mut browser = server.browser();
    let page = browser.visit("/login").await;
    log_in(&mut browser, &page, "anna").await;
    assert_eq!(browser.get(&url.clone().with("prompt", "none").path()).await.redirect_params()["error"], "interaction_required");
    // Nor is the administrator's page shown on less.
    let page = browser.visit("/admin").await;
    assert!(page.url.starts_with("/account/security/totp"), "{page:#?}");
    set_up(&server, &mut browser, &page).await;
    assert_eq!(browser.get("/admin").await.status, StatusCode::OK);
    assert!(browser.get(&url.with("prompt", "none").path()).await.redirect_params().contains_key("code"));
}

/// Behaviours 1.5 R11.
#[tokio::test]
async fn a_client_that_asks_for_more_since_gets_no_more_tokens_for_less() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let tokens = crate::support::flow::tokens(&server, &client, "anna").await;
    server.update_client(&client, |client| client.metadata.required_acr = Some(Acr::Multi)).await;
    let answer = crate::support::flow::refresh(&server, &client, &text(&tokens, "refresh_token")).await;
    crate::support::flow::assert_error(&answer, 400, "invalid_grant");
}

/// Behaviours 1.5 R11.
#[tokio::test]
async fn a_role_that_asks_for_more_since_gets_no_more_tokens_for_less() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.authentication.required_acr_by_role.insert("treasurer".to_owned(), Acr::Multi);
    })
    .await;
    let anna = server.person_with("anna", &["treasurer"], None).await;
    let bert = server.person("bert").await;
    let secret = give_app(&server, &anna).await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let mut browser = server.browser();
    let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
    let page = log_in(&mut browser, &page, "anna").await;
    let answer = enter_code(&mut browser, &page, &code_of(&server, &secret, 0)).await;
    let strong = redeem(&server, &client, &answer.redirect_params()["code"]).await.json();
    let weak = crate::support::flow::tokens(&server, &client, "bert").await;
    for tokens in [&strong, &weak] {
        assert_eq!(crate::support::flow::refresh(&server, &client, &text(tokens, "refresh_token")).await.status, 200);
    }
    // From now on bert is one too.
    let promoted = ostiary::storage::users::User { roles: vec!["treasurer".to_owned()], ..bert.clone() };
    assert!(server.state.db.write(async |tx| ostiary::storage::users::update(tx, &promoted, bert.version).await).await.unwrap());
    let answer = crate::support::flow::refresh(&server, &client, &text(&weak, "refresh_token")).await;
    crate::support::flow::assert_error(&answer, 400, "invalid_grant");
    assert_eq!(server.last_reason("token.refused").await.as_deref(), Some("acr_required_by_role_since"));
    assert_eq!(crate::support::flow::refresh(&server, &client, &text(&strong, "refresh_token")).await.status, 200);
}
