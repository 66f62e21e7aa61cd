//! Requests for tokens through the browser that nobody gets (RFC 9700 §2.1.1, §2.1.2).

use http::{Method, Request};
use ostiary::config::ClientRegistrationMode;
use ostiary::protocol::client::ApplicationType;
use ostiary::protocol::response_type::ResponseType;

use super::*;
use crate::support::assertion::reason;

/// Where a refused request is answered, with what, and why.
async fn refusal(server: &TestServer, url: &AuthorizationUrl) -> (char, String, String) {
    server.state.refusals.flush().await;
    let before = server.audit().await.len();
    let answer = server.get(&url.path()).await;
    let place = if answer.location().contains('#') { '#' } else { '?' };
    let params = answer.redirect_params();
    assert!(!["code", "id_token", "access_token"].iter().any(|name| params.contains_key(*name)), "{params:?}");
    assert_eq!(params["iss"], "https://id.example");
    assert_eq!(server.audit().await.len(), before + 1, "one event for a refusal");
    (place, params["error"].clone(), reason(server, &answer).await)
}

#[track_caller]
fn assert_refused(refusal: &(char, String, String), error: &str, reason: &str) {
    assert_eq!((refusal.0, refusal.1.as_str(), refusal.2.as_str()), ('#', error, reason));
}

on_both! {
    async fn a11_nobody_gets_them_unless_the_operator_switched_them_on(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let client = client(&server, Persona::Web).await;
        for kind in LEGACY {
            let refusal = refusal(&server, &url(&client, kind)).await;
            assert_refused(&refusal, "unsupported_response_type", "response_type_unsupported");
        }
        let discovery = server.get("/.well-known/openid-configuration").await.json();
        assert_eq!(discovery["response_types_supported"], json!(["code"]));
        assert!(!discovery["grant_types_supported"].as_array().unwrap().contains(&json!("implicit")));
    }

    async fn a11_a_token_alone_is_for_nobody(database: TestDatabase) {
        let server = start(database).await;
        let client = client(&server, Persona::Web).await;
        for unknown in ["token", "none", "code none", "id_token id_token"] {
            let refusal = refusal(&server, &AuthorizationUrl::new(&client).with("response_type", unknown)).await;
            assert_eq!((refusal.1.as_str(), refusal.2.as_str()), ("unsupported_response_type", "response_type_unsupported"), "{unknown}");
        }
        let discovery = server.get("/.well-known/openid-configuration").await.json();
        let all: Vec<_> = ResponseType::ALL.iter().map(|kind| kind.as_str()).collect();
        assert_eq!(discovery["response_types_supported"], json!(all));
        assert!(discovery["grant_types_supported"].as_array().unwrap().contains(&json!("implicit")));
    }

    async fn a12_a_client_gets_what_it_is_registered_for(database: TestDatabase) {
        let server = start(database).await;
        let plain = server.client(Persona::Web, |_| {}).await;
        let one = server.client(Persona::Web, |metadata| {
            legacy(metadata);
            metadata.response_types = vec![ResponseType::CodeIdToken];
        }).await;
        for kind in LEGACY {
            assert_refused(&refusal(&server, &url(&plain, kind)).await, "unauthorized_client", "response_type_not_registered");
            if kind != ResponseType::CodeIdToken {
                assert_refused(&refusal(&server, &url(&one, kind)).await, "unauthorized_client", "response_type_not_registered");
            }
        }
        let code = refusal(&server, &AuthorizationUrl::new(&one)).await;
        assert_eq!((code.0, code.1.as_str()), ('?', "unauthorized_client"), "nor the code alone");
    }

    async fn what_such_a_request_needs(database: TestDatabase) {
        let server = start(database).await;
        let client = client(&server, Persona::Web).await;
        for kind in LEGACY {
            let good = url(&client, kind);
            for (bad, error, reason) in [
                (good.clone().without("nonce"), "invalid_request", "nonce_missing"),
                (good.clone().with("nonce", ""), "invalid_request", "nonce_missing"),
                (good.clone().with("scope", "profile"), "invalid_scope", "openid_not_asked_for"),
                // A13.
                (good.clone().with("response_mode", "query"), "invalid_request", "response_mode_query"),
                (good.clone().with("response_mode", "sideways"), "invalid_request", "response_mode_invalid"),
                (good.clone().with("code_challenge_method", "plain"), "invalid_request", "code_challenge_method_unsupported"),
            ] {
                assert_refused(&refusal(&server, &bad).await, error, reason);
            }
            let signed = server.get(&good.with("response_mode", "query.jwt").path()).await;
            let response = signed.location().strip_prefix("https://app.example/cb#response=").expect("in the fragment all the same");
            assert_eq!(claims(response)["error"], "invalid_request");
        }
    }

    async fn pkce_is_dispensable_only_where_the_id_token_vouches_for_the_code(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let (web, spa) = (client(&server, Persona::Web).await, client(&server, Persona::Spa).await);
        let bare = |client: &TestClient, kind| url(client, kind).without("code_challenge").without("code_challenge_method");
        for (client, kind) in [
            (&web, ResponseType::Code),
            (&web, ResponseType::CodeToken),
            (&spa, ResponseType::CodeIdToken),
            (&spa, ResponseType::CodeIdTokenToken),
        ] {
            let refusal = refusal(&server, &bare(client, kind)).await;
            assert_eq!((refusal.1.as_str(), refusal.2.as_str()), ("invalid_request", "code_challenge_missing"), "{kind:?}");
        }
        let code = given(&server, &bare(&web, ResponseType::CodeIdToken)).await["code"].clone();
        // Somebody took the challenge out of the request of a client that sent one.
        assert_error(&redeem(&server, &web, &code).await, 400, "invalid_grant");
        assert_eq!(server.last_reason("token.refused").await.as_deref(), Some("code_verifier_mismatch"));
        let fields = [("grant_type", "authorization_code"), ("code", code.as_str()), ("redirect_uri", web.redirect_uri())];
        assert_eq!(server.token(&web, &fields).await.status, 200);
        let proved = given(&server, &url(&web, ResponseType::CodeIdToken)).await["code"].clone();
        let fields = [("grant_type", "authorization_code"), ("code", proved.as_str()), ("redirect_uri", web.redirect_uri())];
        assert_error(&server.token(&web, &fields).await, 400, "invalid_grant");
    }

    async fn a_client_whose_tokens_are_bound_gets_none_through_the_browser(database: TestDatabase) {
        let server = start(database).await;
        let bound = [
            server.client(Persona::Web, |metadata| { legacy(metadata); metadata.dpop_bound_access_tokens = true; }).await,
            server.client(Persona::Web, |metadata| { legacy(metadata); metadata.tls_client_certificate_bound_access_tokens = true; }).await,
        ];
        let free = client(&server, Persona::Web).await;
        for kind in LEGACY.into_iter().filter(|kind| kind.has_token()) {
            for client in &bound {
                assert_refused(&refusal(&server, &url(client, kind)).await, "invalid_request", "front_channel_token_unbound");
            }
            let keyed = url(&free, kind).with("dpop_jkt", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM");
            assert_refused(&refusal(&server, &keyed).await, "invalid_request", "front_channel_token_unbound");
        }
    }

    /// A21: such a client never has to show the secret that it has.
    async fn an_application_that_another_can_stand_in_for_gets_nothing_silently(database: TestDatabase) {
        let server = start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |metadata| {
            legacy(metadata);
            metadata.application_type = ApplicationType::Native;
            metadata.redirect_uris = vec!["com.example.app:/cb".to_owned()];
        }).await;
        let asked = url(&client, ResponseType::IdToken);
        let mut browser = server.browser();
        let page = browser.visit(&asked.path()).await;
        let page = log_in(&mut browser, &page, "anna").await;
        assert!(page.url.starts_with("/consent"), "{page:#?}");
        let silent = browser.get(&asked.with("prompt", "none").path()).await;
        assert_eq!(silent.redirect_params()["error"], "interaction_required");
    }

    async fn the_token_endpoint_knows_no_such_grant(database: TestDatabase) {
        let server = start(database).await;
        let client = client(&server, Persona::Web).await;
        assert_error(&server.token(&client, &[("grant_type", "implicit")]).await, 400, "unsupported_grant_type");
    }

    /// They are for applications that can't be changed; one that registers itself is new.
    async fn n3_no_application_registers_itself_for_them_even_where_they_are_on(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| {
            config.client_registration.mode = ClientRegistrationMode::Open;
            config.legacy.response_types = true;
        }).await;
        let body = |types: &[&str], grants: &[&str]| {
            json!({ "redirect_uris": ["https://app.example/cb"], "response_types": types, "grant_types": grants })
        };
        for bad in [
            body(&["code", "code id_token"], &["authorization_code", "implicit"]),
            body(&["code id_token"], &["authorization_code"]),
            body(&["id_token"], &["implicit"]),
            body(&["token"], &["implicit"]),
            body(&["code"], &["authorization_code", "implicit"]),
        ] {
            let answer = register(&server, &bad).await;
            assert_eq!((answer.0, &answer.1["error"]), (400, &json!("invalid_client_metadata")), "{bad}");
        }
        let answer = register(&server, &body(&["code"], &["authorization_code"])).await;
        assert_eq!((answer.0, &answer.1["response_types"]), (201, &json!(["code"])));
    }
}

async fn register(server: &TestServer, body: &Value) -> (u16, Value) {
    server.state.refusals.flush().await;
    let request = Request::builder().method(Method::POST).uri("/client-registration").header("content-type", "application/json");
    let answer = server.send(request.body(body.to_string().into()).unwrap()).await;
    (answer.status.as_u16(), answer.json())
}
