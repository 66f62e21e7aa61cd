//! Introspection, revocation, userinfo, keys and metadata: behaviours 1.8.

use axum::body::Body;
use http::Request;
use ostiary::protocol::client::Algorithm;
use ostiary::protocol::jwt::TokenType;
use serde_json::json;

use crate::support::database::{TestDatabase, on_both};
use crate::support::flow::{AuthorizationUrl, assert_error, header, refresh, text, tokens, tokens_of};
use crate::support::server::{Persona, TestServer, basic};

on_both! {
    async fn revoking_an_access_token_leaves_its_grant_alone(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let tokens = tokens(&server, &client, "anna").await;
        let token = text(&tokens, "access_token");
        for _ in 0..2 {
            let answer = server.post_as(&client, "/revoke", &[("token", &token), ("token_type_hint", "refresh_token")]).await;
            assert_eq!((answer.status.as_u16(), answer.body.as_str()), (200, ""));
        }
        assert_eq!(server.introspect(&client, &token).await, json!({"active": false}));
        assert_eq!(server.userinfo(&token).await.status, 401);
        assert_eq!(refresh(&server, &client, &text(&tokens, "refresh_token")).await.status, 200);
    }

    async fn revoking_a_refresh_token_revokes_its_whole_family(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Spa, |_| {}).await;
        let first = tokens(&server, &client, "anna").await;
        let second = refresh(&server, &client, &text(&first, "refresh_token")).await.json();
        assert_eq!(server.post_as(&client, "/revoke", &[("token", &text(&second, "refresh_token"))]).await.status, 200);
        for tokens in [&first, &second] {
            assert_eq!(server.userinfo(&text(tokens, "access_token")).await.status, 401);
        }
        assert_error(&refresh(&server, &client, &text(&second, "refresh_token")).await, 400, "invalid_grant");
    }

    async fn nobody_revokes_another_clients_token(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let client = server.client(Persona::Web, |_| {}).await;
        let other = server.client(Persona::Web, |_| {}).await;
        let public = server.client(Persona::Spa, |_| {}).await;
        let tokens = tokens(&server, &client, "anna").await;
        for name in ["access_token", "refresh_token"] {
            let token = text(&tokens, name);
            assert_error(&server.post_as(&other, "/revoke", &[("token", &token)]).await, 400, "invalid_request");
            assert_eq!(server.post_as(&public, "/revoke", &[("token", &token)]).await.status, 200);
            assert_eq!(server.introspect(&client, &token).await["active"], true, "{name}");
        }
        assert_eq!(server.post_as(&other, "/revoke", &[("token", "unknown")]).await.status, 200);
        assert_error(&server.post_as(&other, "/revoke", &[]).await, 400, "invalid_request");
    }
}

#[tokio::test]
async fn introspection_is_for_clients_that_prove_who_they_are() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let service = server.client(Persona::Service, |_| {}).await;
    let public = server.client(Persona::Spa, |_| {}).await;
    assert_error(&server.post_with("/introspect", &[], &[("token", "x")]).await, 401, "invalid_client");
    assert_error(&server.post_as(&public, "/introspect", &[("token", "x")]).await, 401, "invalid_client");
    assert_error(&server.post_as(&service, "/introspect", &[]).await, 400, "invalid_request");
    assert_eq!(server.get("/introspect?token=x").await.status, 405);
    for junk in ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "\u{fffd}"] {
        let answer = server.post_as(&service, "/introspect", &[("token", junk), ("token_type_hint", "nonsense")]).await;
        assert_eq!((answer.status.as_u16(), answer.json()), (200, json!({"active": false})), "{junk}");
    }
}

#[tokio::test]
async fn a_refresh_token_is_described_to_its_own_client_only() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let user = server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    let other = server.client(Persona::Web, |_| {}).await;
    let token = text(&tokens(&server, &client, "anna").await, "refresh_token");
    assert_eq!(server.introspect(&client, &token).await["sub"], user.id.as_str());
    assert_eq!(server.introspect(&other, &token).await, json!({"active": false}));
}

#[tokio::test]
async fn userinfo_takes_the_token_in_one_way_and_says_what_is_missing() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |metadata| metadata.audiences = vec!["https://api.example".to_owned()]).await;
    let token = text(&tokens(&server, &client, "anna").await, "access_token");
    let bearer = format!("Bearer {token}");

    let none = server.get("/userinfo").await;
    let challenge = "Bearer realm=\"ostiary\", resource_metadata=\"https://id.example/.well-known/oauth-protected-resource\"";
    assert_eq!((none.status.as_u16(), none.header("www-authenticate")), (401, Some(challenge)));
    for scheme in ["bearer", "BEARER", "Bearer"] {
        let request = Request::get("/userinfo").header("authorization", format!("{scheme} {token}")).body(Body::empty()).unwrap();
        assert_eq!(server.send(request).await.status, 200);
    }
    let request = Request::post("/userinfo").header("authorization", &bearer).body(Body::empty()).unwrap();
    assert_eq!(server.send(request).await.status, 200);
    assert_eq!(server.post_with("/userinfo", &[], &[("access_token", &token)]).await.status, 200);

    let both = server.post_with("/userinfo", &[("authorization", &bearer)], &[("access_token", &token)]).await;
    assert_error(&both, 400, "invalid_request");
    assert_error(&server.get(&format!("/userinfo?access_token={token}")).await, 400, "invalid_request");
    let twice = Request::get("/userinfo").header("authorization", &bearer).header("authorization", &bearer);
    assert_error(&server.send(twice.body(Body::empty()).unwrap()).await, 400, "invalid_request");

    let bad = server.userinfo("a.b.c").await;
    assert_error(&bad, 401, "invalid_token");
    assert!(bad.header("www-authenticate").unwrap().contains("error=\"invalid_token\""));

    let plain = AuthorizationUrl::new(&client).with("scope", "profile");
    let plain = text(&tokens_of(&server, &client, &plain, "anna").await, "access_token");
    assert_error(&server.userinfo(&plain).await, 401, "invalid_token");
    let here = server.client(Persona::Web, |_| {}).await;
    let url = AuthorizationUrl::new(&here).with("scope", "profile");
    let plain = text(&tokens_of(&server, &here, &url, "anna").await, "access_token");
    let answer = server.userinfo(&plain).await;
    assert_error(&answer, 403, "insufficient_scope");
    assert!(answer.header("www-authenticate").unwrap().contains("scope=\"openid\""));
    let service = server.client(Persona::Service, |metadata| metadata.audiences.clear()).await;
    let token = text(&server.token(&service, &[("grant_type", "client_credentials")]).await.json(), "access_token");
    assert_error(&server.userinfo(&token).await, 403, "insufficient_scope");
}

#[tokio::test]
async fn userinfo_tells_the_claims_of_the_scope_with_their_types() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let profile = json!({
        "name": "Anna Example", "given_name": "Anna", "email": "anna@example.org", "email_verified": true,
        "phone_number": "+15550100", "phone_number_verified": false, "birthdate": "1990-01-02", "zoneinfo": "Europe/Paris",
        "address": {"street_address": "1 Rue X", "locality": "Paris", "country": "FR"},
    });
    let user = server.person_with("anna", &[], Some(profile)).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let url = AuthorizationUrl::new(&client).with("scope", "openid profile email phone address");
    let token = text(&tokens_of(&server, &client, &url, "anna").await, "access_token");
    let answer = server.userinfo(&token).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let claims = answer.json();
    assert_eq!(claims["sub"], user.id.as_str());
    assert_eq!((&claims["email_verified"], &claims["phone_number_verified"]), (&json!(true), &json!(false)));
    assert!(claims["updated_at"].is_i64());
    assert_eq!(claims["address"], json!({"street_address": "1 Rue X", "locality": "Paris", "country": "FR"}));

    let bare = server.person("bert").await;
    let token = text(&tokens_of(&server, &client, &url, "bert").await, "access_token");
    assert_eq!(server.userinfo(&token).await.json(), json!({"sub": bare.id.as_str()}));
}

#[tokio::test]
async fn keys_and_metadata_are_public_and_cached() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let metadata = server.get("/.well-known/openid-configuration").await;
    assert_eq!(metadata.body, server.get("/.well-known/oauth-authorization-server").await.body);
    assert_eq!(metadata.header("access-control-allow-origin"), Some("*"));
    assert_eq!(metadata.header("cache-control"), Some("public, max-age=300"));
    let metadata = metadata.json();
    assert_eq!(metadata["issuer"], "https://id.example");
    for (member, method) in [
        ("authorization_endpoint", "GET"),
        ("token_endpoint", "POST"),
        ("userinfo_endpoint", "GET"),
        ("introspection_endpoint", "POST"),
        ("revocation_endpoint", "POST"),
        ("jwks_uri", "GET"),
    ] {
        let url = metadata[member].as_str().unwrap().strip_prefix("https://id.example").unwrap();
        let request = Request::builder().method(method).uri(url).body(Body::empty()).unwrap();
        assert_ne!(server.send(request).await.status, 404, "{member}");
    }
    assert!(
        !metadata.to_string().contains("\"none\"]")
            || metadata["id_token_signing_alg_values_supported"].as_array().unwrap().iter().all(|alg| alg != "none")
    );

    let jwks = server.get("/jwks").await;
    assert_eq!(jwks.header("access-control-allow-origin"), Some("*"));
    assert_eq!(jwks.header("cache-control"), Some("public, max-age=300"));
    let keys = jwks.json()["keys"].as_array().unwrap().clone();
    let of_use = |usage: &str| keys.iter().filter(|key| key["use"] == usage).count();
    assert_eq!((keys.len(), of_use("sig"), of_use("enc")), (6, 4, 2));
    for key in &keys {
        // One may encrypt in several ways for one key.
        assert!(key["kid"].is_string() && (key["alg"].is_string() || key["use"] == "enc"));
        for private in ["d", "p", "q", "dp", "dq", "qi", "k", "oth"] {
            assert_eq!(key.get(private), None);
        }
    }
    let etag = jwks.header("etag").unwrap();
    let again = Request::get("/jwks").header("if-none-match", etag).body(Body::empty()).unwrap();
    assert_eq!(server.send(again).await.status, 304);
}

#[tokio::test]
async fn an_issuer_with_a_path_works_under_both_well_known_forms() {
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        config.server.issuer = "https://id.example/tenant/one".to_owned();
    })
    .await;
    server.person("anna").await;
    let client = server.client(Persona::Web, |_| {}).await;
    for location in [
        "/tenant/one/.well-known/openid-configuration",
        "/.well-known/oauth-authorization-server/tenant/one",
        "/.well-known/openid-configuration/tenant/one",
        "/tenant/one/.well-known/oauth-authorization-server",
    ] {
        let metadata = server.get(location).await.json();
        assert_eq!(metadata["issuer"], "https://id.example/tenant/one", "{location}");
        assert_eq!(metadata["token_endpoint"], "https://id.example/tenant/one/token");
    }
    let mut browser = server.browser();
    let path = format!("/tenant/one{}", AuthorizationUrl::new(&client).path());
    let page = browser.visit(&path).await;
    assert!(page.url.starts_with("/tenant/one/login"), "{page:#?}");
    let page = browser.submit(&page.form().set("username", "anna").set("password", crate::support::server::PASSWORD)).await;
    let params = browser.submit(&page.form().set("decision", "allow")).await.redirect_params();
    assert_eq!(params["iss"], "https://id.example/tenant/one");
}

#[tokio::test]
async fn nothing_depends_on_the_host_that_a_request_names() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    for (name, value) in [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")] {
        let request = Request::get("/.well-known/openid-configuration").header(name, value).body(Body::empty()).unwrap();
        let answer = server.send(request).await;
        assert!(!answer.body.contains("evil"), "{name}");
    }
}

/// W3. RFC 9728 §3.3: the resource of the document is the one that was called.
#[tokio::test]
async fn w3_our_own_resources_say_what_they_are_and_who_gives_tokens_for_them() {
    for issuer in ["https://id.example", "https://id.example/tenant"] {
        let server =
            TestServer::start_with(TestDatabase::sqlite().await, |config| config.server.issuer = issuer.to_owned()).await;
        for (called, resource) in [("/userinfo", ""), ("/api/v1/users/me", "/api/v1")] {
            let refused = server.get(&server.path_of(&format!("{issuer}{called}"))).await;
            let challenge = refused.header("www-authenticate").expect("a challenge").to_owned();
            let url = challenge.split("resource_metadata=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a pointer");
            let answer = server.get(&server.path_of(url)).await;
            assert_eq!(answer.header("access-control-allow-origin"), Some("*"), "{answer:#?}");
            let document = answer.json();
            assert_eq!(document["resource"], format!("{issuer}{resource}"));
            assert_eq!(document["authorization_servers"], json!([issuer]));
            assert!(document["scopes_supported"].as_array().is_some_and(|scopes| !scopes.is_empty()));
        }
    }
}

/// RFC 9701.
#[tokio::test]
async fn introspection_is_signed_for_who_asks_for_that() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    for algorithm in Algorithm::ALL {
        let client = server.client(Persona::Web, |metadata| metadata.introspection_signed_response_alg = algorithm).await;
        let token = text(&tokens(&server, &client, "anna").await, "access_token");
        for (token, active) in [(token.as_str(), true), ("unknown", false)] {
            let plain = server.introspect(&client, token).await;
            let credentials = basic(client.id(), client.secret.as_deref().expect("a secret"));
            let fields = [("authorization", credentials.as_str()), ("accept", "application/token-introspection+jwt")];
            let answer = server.post_with("/introspect", &fields, &[("token", token)]).await;
            assert_eq!(answer.header("content-type"), Some("application/token-introspection+jwt"), "{answer:#?}");
            assert_eq!(answer.header("cache-control"), Some("no-store"));
            assert_eq!(header(&answer.body)["typ"], "token-introspection+jwt");
            assert_eq!(header(&answer.body)["alg"], algorithm.as_str());
            let claims: serde_json::Value = server.state.keys.verify(&answer.body, TokenType::Introspection).expect("genuine");
            let now = server.clock.now().as_seconds();
            let expected = json!({ "iss": server.issuer(), "aud": client.id(), "iat": now, "token_introspection": plain });
            assert_eq!(claims, expected);
            assert_eq!(claims["token_introspection"]["active"], active);
            // It opens nothing.
            assert_eq!(server.userinfo(&answer.body).await.status, 401);
        }
    }
}
