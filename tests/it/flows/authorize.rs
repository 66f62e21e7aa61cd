//! The authorization endpoint: behaviours 1.1.

use http::{Request, StatusCode};

use super::assert_page;
use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, allow, authorize, claims, code_of, log_in, redeem, text};
use crate::support::server::{Persona, TestServer};

on_both! {
    async fn a_person_logs_in_consents_and_comes_back_with_a_code(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let user = server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let mut browser = server.browser();

        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        let page = log_in(&mut browser, &page, "anna").await;
        assert!(page.body.contains("Web Shop"));
        let answer = allow(&mut browser, &page).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER);
        let params = answer.redirect_params();
        assert_eq!(params["state"], "af0ifjsldkj");
        assert_eq!(params["iss"], "https://id.example");

        let tokens = redeem(&server, &client, &params["code"]).await.json();
        let id_token = claims(&text(&tokens, "id_token"));
        assert_eq!(id_token["sub"], user.id.as_str());
        assert_eq!(id_token["nonce"], "n-0S6_WzA2Mj");
        assert_eq!(id_token["aud"], client.id());
    }

    async fn a_second_login_is_silent_and_keeps_sub_and_auth_time(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let mut browser = server.browser();
        let url = AuthorizationUrl::new(&client);
        let first = redeem(&server, &client, &authorize(&mut browser, &url, "anna").await["code"]).await.json();
        let hint = text(&first, "id_token");
        let first = claims(&hint);

        server.clock.advance(3_600);
        for silent in [url.clone().with("prompt", "none"), url.clone().with("id_token_hint", &hint), url.clone()] {
            let answer = browser.visit(&silent.path()).await;
            let tokens = redeem(&server, &client, &answer.redirect_params()["code"]).await.json();
            let again = claims(&text(&tokens, "id_token"));
            assert_eq!((&again["sub"], &again["auth_time"]), (&first["sub"], &first["auth_time"]));
        }
    }

    async fn nothing_is_written_for_an_anonymous_visitor(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = server.client(Persona::Web, |_| {}).await;
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        assert_eq!(page.status, StatusCode::OK);
        assert!(server.audit().await.is_empty());
    }

    async fn consent_is_asked_again_for_one_more_scope(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let mut browser = server.browser();
        let url = AuthorizationUrl::new(&client).with("scope", "openid profile");
        authorize(&mut browser, &url, "anna").await;
        let more = url.with("scope", "openid profile email");
        assert_eq!(browser.visit(&more.clone().with("prompt", "none").path()).await.redirect_params()["error"], "consent_required");
        assert!(browser.visit(&more.path()).await.url.starts_with("/consent"));
    }

    async fn a_person_may_take_scopes_away_and_can_add_none(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).with("scope", "openid profile email").path()).await;
        let page = log_in(&mut browser, &page, "anna").await;
        let form = page.form().without("scope").and("scope", "email").and("scope", "phone").set("decision", "allow");
        let code = browser.submit(&form).await.redirect_params()["code"].clone();
        let tokens = redeem(&server, &client, &code).await.json();
        assert_eq!(tokens["scope"], "email openid");
    }

    async fn a_denial_goes_back_as_access_denied(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).path()).await;
        let page = log_in(&mut browser, &page, "anna").await;
        let params = browser.submit(&page.form().set("decision", "deny")).await.redirect_params();
        assert_eq!((params["error"].as_str(), params["state"].as_str()), ("access_denied", "af0ifjsldkj"));
        assert_eq!(params["iss"], "https://id.example");
    }
}

#[tokio::test]
async fn an_unknown_disabled_or_odd_client_gets_a_page() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let disabled = server.client(Persona::Web, |_| {}).await;
    server.update_client(&disabled, |client| client.status = ostiary::protocol::client::ClientStatus::Disabled).await;
    let url = AuthorizationUrl::new(&client);
    for bad in [
        url.clone().without("client_id"),
        url.clone().with("client_id", "nobody"),
        url.clone().with("client_id", "' OR 1=1"),
        url.clone().with("client_id", disabled.id()),
        url.clone().and("client_id", client.id()),
        url.clone().and("redirect_uri", client.redirect_uri()),
        url.clone().without("redirect_uri"),
    ] {
        assert_page(&server.get(&bad.path()).await, 400);
    }
}

#[tokio::test]
async fn a_redirect_uri_that_is_not_registered_to_the_letter_gets_a_page() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let url = AuthorizationUrl::new(&client);
    for uri in [
        "https://app.example/cb/",
        "https://app.example/cb/x",
        "https://app.example/CB",
        "https://app.example/cb?x",
        "https://app.example/cb#f",
        "https://app.example/cb/../e",
        "https://app.example/cb/..;/e",
        "https://app.example/cb%2f..",
        "https://app.example:443/cb",
        "https://APP.EXAMPLE/cb",
        "https://app.example./cb",
        "http://app.example/cb",
        "//app.example/cb",
        "https://app.example@evil.example/cb",
        "https://a@b@app.example/cb",
        "https://evil.example\\@app.example/cb",
        "https://app.example/cb\r\nSet-Cookie: x=y",
        "https://app.example/cb\t",
        "https://app．example/cb",
        "https://аpp.example/cb",
        "javascript:alert(1)",
    ] {
        // With any other error besides: the redirect URI is judged first.
        for url in [url.clone(), url.clone().with("response_type", "nonsense"), url.clone().with("scope", "\"")] {
            let answer = server.get(&url.with("redirect_uri", uri).path()).await;
            assert_page(&answer, 400);
            assert!(!answer.body.contains("evil"), "{uri} is reflected");
        }
    }
    assert_eq!(server.last_reason("authorization.refused").await.as_deref(), Some("redirect_uri_mismatch"));
}

#[tokio::test]
async fn errors_go_back_with_state_and_iss_once_the_redirect_uri_is_good() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |metadata| metadata.scope = "openid profile".to_owned().try_into().unwrap()).await;
    let url = AuthorizationUrl::new(&client).with("scope", "openid");
    for (bad, error) in [
        (url.clone().without("response_type"), "invalid_request"),
        (url.clone().with("response_type", "token"), "unsupported_response_type"),
        (url.clone().with("response_type", "code code"), "unsupported_response_type"),
        (url.clone().with("response_mode", "pigeon"), "invalid_request"),
        (url.clone().without("code_challenge"), "invalid_request"),
        (url.clone().with("code_challenge_method", "plain"), "invalid_request"),
        (url.clone().without("code_challenge_method"), "invalid_request"),
        (url.clone().with("code_challenge", "short"), "invalid_request"),
        (url.clone().and("scope", "openid"), "invalid_request"),
        (url.clone().and("nonce", "x"), "invalid_request"),
        (url.clone().with("scope", "openid \""), "invalid_scope"),
        (url.clone().with("scope", "openid email"), "invalid_scope"),
        (url.clone().with("prompt", "none"), "login_required"),
        (url.clone().with("prompt", "none login"), "invalid_request"),
        (url.clone().with("prompt", "dance"), "invalid_request"),
        (url.clone().with("max_age", "-1"), "invalid_request"),
        (url.clone().with("max_age", "1e30"), "invalid_request"),
        (url.clone().with("id_token_hint", "a.b.c"), "invalid_request"),
        (url.clone().with("request", "eyJhbGciOiJub25lIn0.e30."), "invalid_request_object"),
        (url.clone().with("request_uri", "http://169.254.169.254/"), "request_uri_not_supported"),
        (url.clone().with("registration", "{}"), "registration_not_supported"),
        (url.clone().with("claims", "{"), "invalid_request"),
        (
            url.clone().with("claims", r#"{"id_token":{"acr":{"essential":true,"value":"moon"}}}"#),
            "unmet_authentication_requirements",
        ),
    ] {
        let answer = server.get(&bad.path()).await;
        assert_eq!(answer.status, StatusCode::SEE_OTHER, "{bad:?} {answer:#?}");
        // What would have brought a token is answered in the fragment.
        let place = if bad.path() == url.clone().with("response_type", "token").path() {
            "https://app.example/cb#"
        } else {
            "https://app.example/cb?"
        };
        assert!(answer.location().starts_with(place), "{answer:#?}");
        let params = answer.redirect_params();
        assert_eq!(params["error"], error, "{bad:?}");
        assert_eq!((params["state"].as_str(), params["iss"].as_str()), ("af0ifjsldkj", "https://id.example"), "{bad:?}");
    }
    let twice = server.get(&url.and("state", "other").path()).await.redirect_params();
    assert_eq!(twice["error"], "invalid_request");
    assert!(!twice.contains_key("state"));
}

#[tokio::test]
async fn state_and_nonce_come_back_byte_for_byte() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let mut browser = server.browser();
    let long = "s".repeat(2_048);
    for state in [long.as_str(), "a+b%2B c&d=e#f\"<>", "🦊\u{2028}é"] {
        for length in [43, 64, 384] {
            let nonce: String = "n-~._é".chars().cycle().take(length).collect();
            let url = AuthorizationUrl::new(&client).with("state", state).with("nonce", &nonce);
            let params = authorize(&mut browser, &url, "anna").await;
            assert_eq!(params["state"], state);
            let tokens = redeem(&server, &client, &params["code"]).await.json();
            assert_eq!(claims(&text(&tokens, "id_token"))["nonce"], nonce.as_str());
        }
    }
    let too_long = AuthorizationUrl::new(&client).with("state", &"s".repeat(4_097));
    let params = browser.get(&too_long.path()).await.redirect_params();
    assert_eq!(params["error"], "invalid_request");
    assert!(!params.contains_key("state"), "never cut short");
}

#[tokio::test]
async fn a_native_client_may_use_any_port_of_its_loopback_address() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Native, |_| {}).await;
    for uri in ["http://127.0.0.1:49152/cb", "http://[::1]:49153/cb", "com.example.app:/cb"] {
        let url = AuthorizationUrl::new(&client).with("redirect_uri", uri);
        let mut browser = server.browser();
        let params = authorize(&mut browser, &url, "anna").await;
        assert!(params.contains_key("code"), "{uri}: {params:?}");
        // Anybody can claim to be this client: its requests are never answered behind the person's back.
        let silent = browser.get(&url.with("prompt", "none").path()).await.redirect_params();
        assert_eq!(silent["error"], "interaction_required");
    }
    for uri in
        ["http://localhost:49152/cb", "http://127.0.0.1:49152/other", "http://127.0.0.1.evil.example/cb", "com.example.app:/x"]
    {
        assert_page(&server.get(&AuthorizationUrl::new(&client).with("redirect_uri", uri).path()).await, 400);
    }
}

#[tokio::test]
async fn the_claims_parameter_reaches_the_id_token_and_userinfo() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let profile = serde_json::json!({
        "name": "Anna Example", "email": "anna@example.org", "email_verified": true, "phone_number": "+15550100",
        "address": {"locality": "Paris"},
    });
    server.person_with("anna", &[], Some(profile)).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let wish = r#"{"userinfo":{"phone_number":null},"id_token":{"email":{"essential":true},"auth_time":{"essential":true}}}"#;
    let url = AuthorizationUrl::new(&client).with("scope", "openid profile").with("claims", wish);
    let code = code_of(&server, &client, &url, "anna").await;
    let tokens = redeem(&server, &client, &code).await.json();
    let id_token = claims(&text(&tokens, "id_token"));
    assert_eq!(id_token["email"], "anna@example.org");
    assert_eq!(id_token.get("name"), None, "scope claims come from userinfo");
    assert!(id_token["auth_time"].is_i64());
    let userinfo = server.userinfo(&text(&tokens, "access_token")).await.json();
    assert_eq!(userinfo["sub"], id_token["sub"]);
    assert_eq!(userinfo["name"], "Anna Example");
    assert_eq!(userinfo["phone_number"], "+15550100");
    assert_eq!(userinfo.get("email"), None);
    assert!(userinfo["updated_at"].is_i64());
}

#[tokio::test]
async fn every_acr_of_the_metadata_is_met_in_silence_or_led_to() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.first_party = true).await;
    let mut browser = server.browser();
    let url = AuthorizationUrl::new(&client);
    authorize(&mut browser, &url, "anna").await;
    server.clock.advance(60);
    let metadata = server.get("/.well-known/openid-configuration").await.json();
    for acr in metadata["acr_values_supported"].as_array().unwrap() {
        let essential = serde_json::json!({"id_token": {"acr": {"essential": true, "value": acr}}}).to_string();
        for url in [url.clone().with("acr_values", acr.as_str().unwrap()), url.clone().with("claims", &essential)] {
            let answer = browser.visit(&url.path()).await;
            let essential_and_not_there = url.path().contains("essential") && *acr != "1";
            if essential_and_not_there {
                assert!(answer.url.starts_with("/account/security/"), "{acr}: {answer:#?}");
                continue;
            }
            let tokens = redeem(&server, &client, &answer.redirect_params()["code"]).await.json();
            assert_eq!(claims(&text(&tokens, "id_token"))["acr"], "1", "what was done, whatever was wished");
        }
    }
}

#[tokio::test]
async fn a_flood_of_made_up_clients_is_one_row_of_the_audit_log() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    for number in 0..300 {
        assert_page(&server.get(&format!("/authorize?client_id=made-up-{number}")).await, 400);
    }
    let rows = server.audit().await;
    assert!(rows.len() <= 3, "{}", rows.len());
    assert_eq!(rows.iter().map(|row| row.count).sum::<i64>(), 300);
}

#[tokio::test]
async fn a_body_that_is_no_form_and_bytes_that_are_no_text_get_a_page() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let json = Request::post("/authorize").header("content-type", "application/json").body("{}".into()).unwrap();
    assert_page(&server.send(json).await, 400);
    for query in ["client_id=%FF", "client_id=%00", "client_id=%ED%A0%80", "client_id=%C0%AF"] {
        assert_page(&server.get(&format!("/authorize?{query}")).await, 400);
    }
}

#[tokio::test]
async fn a_request_that_fits_into_no_url_is_a_page_and_an_event() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let large = AuthorizationUrl::new(&client).with("state", &"s".repeat(4_000)).with("nonce", &"n".repeat(2_000));
    assert_page(&server.get(&large.path()).await, 414);
    let events = server.audit().await;
    let refused: Vec<_> = events.iter().filter(|entry| entry.reason.as_deref() == Some("flow_too_large")).collect();
    assert_eq!((refused.len(), refused[0].kind.as_str()), (1, "authorization.refused"));
}
