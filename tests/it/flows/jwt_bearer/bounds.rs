//! What no assertion is good for.

use super::*;
use crate::support::dpop::{Prover, post};

on_both! {
    /// C8, C9.
    async fn an_assertion_says_who_for_whom_and_until_when(database: TestDatabase) {
        let issuer = Issuer::new().await;
        let server = issuer.server(database, |_| {}).await;
        server.person("anna").await;
        let client = service(&server).await;
        let now = server.clock.now().as_seconds();
        let own = server.issuer().to_owned();
        for (name, value, why) in [
            ("iss", json!("https://other.example"), "bearer_issuer_unknown"),
            ("iss", json!("https://hr.example/"), "bearer_issuer_unknown"),
            ("iss", json!([HR]), "bearer_issuer_unknown"),
            ("aud", json!(format!("{own}/token")), "bearer_audience_mismatch"),
            ("aud", json!(format!("{own}/")), "bearer_audience_mismatch"),
            ("aud", json!([own]), "bearer_audience_mismatch"),
            ("aud", json!("https://other.example"), "bearer_audience_mismatch"),
            ("sub", json!(""), "bearer_subject_missing"),
            ("sub", json!({ "name": "anna" }), "bearer_subject_missing"),
            ("exp", json!(null), "bearer_time_malformed"),
            ("exp", json!("soon"), "bearer_time_malformed"),
            ("exp", json!(now - 60), "bearer_expired"),
            ("exp", json!(now + 3_661), "bearer_lifetime_too_long"),
            ("iat", json!(now + 61), "bearer_from_the_future"),
            ("nbf", json!(now + 61), "bearer_from_the_future"),
            ("jti", json!(""), "bearer_jti_missing"),
            ("jti", json!(7), "bearer_jti_missing"),
        ] {
            let mut claims = about(&server, "anna");
            claims[name] = value.clone();
            assert_eq!(refused(&server, &client, &issuer.sign(&claims)).await, why, "{name} {value}");
        }
        for (name, why) in [
            ("iss", "bearer_issuer_unknown"),
            ("aud", "bearer_audience_mismatch"),
            ("sub", "bearer_subject_missing"),
            ("exp", "bearer_expired"),
            ("jti", "bearer_jti_missing"),
        ] {
            let mut claims = about(&server, "anna");
            claims.as_object_mut().unwrap().shift_remove(name);
            assert_eq!(refused(&server, &client, &issuer.sign(&claims)).await, why, "without {name}");
        }
        for (name, tolerated) in [("exp", now - 8), ("iat", now + 8), ("nbf", now + 8)] {
            let mut claims = about(&server, "anna");
            claims[name] = json!(tolerated);
            assert_eq!(bring(&server, &client, &issuer.sign(&claims), &[]).await.status, 200, "{name}");
        }
        let fields = [("grant_type", GRANT)];
        assert_error(&server.token(&client, &fields).await, 400, "invalid_request");
        for garbage in ["x", "a.b.c", &"a".repeat(20_000)] {
            assert_eq!(refused(&server, &client, garbage).await, "bearer_malformed");
        }
    }

    /// C11, C12.
    async fn only_the_issuers_own_keys_and_algorithms_count(database: TestDatabase) {
        let issuer = Issuer::new().await;
        let server = issuer.server(database, |_| {}).await;
        server.person("anna").await;
        let client = service(&server).await;
        let (stranger, rsa) = (ClientKey::new(Algorithm::ES256), ClientKey::new(Algorithm::RS256));
        let elsewhere = Publisher::start(&jwks(&[&stranger])).await;
        let good = || about(&server, "anna");
        let own = issuer.key.kid();
        for (assertion, why) in [
            (stranger.sign(&good()), "bearer_key_unknown"),
            (stranger.sign_as(&json!({ "alg": "ES256", "kid": own }), &good()), "bearer_signature_wrong"),
            (stranger.sign_as(&json!({ "alg": "ES256", "kid": own, "jwk": stranger.jwk() }), &good()), "bearer_signature_wrong"),
            (stranger.sign_as(&json!({ "alg": "ES256", "kid": own, "jku": elsewhere.url }), &good()), "bearer_signature_wrong"),
            (rsa.sign(&good()), "bearer_algorithm_not_allowed"),
            (issuer.key.sign_as(&json!({ "alg": "none" }), &good()), "bearer_algorithm_not_allowed"),
            (issuer.key.sign_as(&json!({ "alg": "HS256" }), &good()), "bearer_algorithm_not_allowed"),
            (issuer.key.sign_as(&json!({ "alg": "ES256", "typ": "at+jwt" }), &good()), "bearer_of_another_type"),
            (issuer.key.sign_as(&json!({ "alg": "ES256", "typ": "client-authentication+jwt" }), &good()), "bearer_of_another_type"),
            (issuer.key.sign_as(&json!({ "alg": "ES256", "crit": ["b64"], "b64": false }), &good()), "bearer_malformed"),
        ] {
            assert_eq!(refused(&server, &client, &assertion).await, why, "{assertion}");
        }
        assert_eq!(elsewhere.asked(), 0);
        // A new key is found, though the set was asked for a moment ago; and the issuer may be away.
        server.clock.advance(10);
        issuer.publisher.publish(&jwks(&[&stranger]));
        assert_eq!(bring(&server, &client, &stranger.sign(&good()), &[]).await.status, 200);
        let restarted = server.restarted().await;
        issuer.publisher.answer_with("503 Service Unavailable", "", "");
        assert_eq!(refused(&restarted, &client, &stranger.sign(&good())).await, "bearer_keys_unavailable");
    }

    async fn tokens_of_our_own_are_no_assertions(database: TestDatabase) {
        let issuer = Issuer::new().await;
        let server = issuer.server(database, |_| {}).await;
        server.person("anna").await;
        let (client, web) = (service(&server).await, server.client(Persona::Web, |_| {}).await);
        let given = crate::support::flow::tokens(&server, &web, "anna").await;
        for name in ["access_token", "id_token"] {
            assert_eq!(refused(&server, &client, &text(&given, name)).await, "bearer_issuer_unknown");
        }
        assert_eq!(refused(&server, &client, &text(&given, "refresh_token")).await, "bearer_malformed");
    }

    async fn who_may_bring_assertions_and_whose(database: TestDatabase) {
        let issuer = Issuer::new().await;
        let server = issuer.server(database, |_| {}).await;
        server.person("anna").await;
        let client = service(&server).await;
        let unregistered = server.client(Persona::Service, |_| {}).await;
        let public = server
            .client(Persona::Spa, |metadata| {
                metadata.grant_types = vec![GrantType::JwtBearer];
                metadata.scope = Scope::parse("reports:read").unwrap();
            })
            .await;
        let assertion = issuer.sign(&about(&server, "anna"));
        for other in [&unregistered, &public] {
            assert_error(&bring(&server, other, &assertion, &[]).await, 400, "unauthorized_client");
        }
        assert!(recorded(&server, "token.refused", "bearer_by_public_client").await);
        let chosen = client.id().to_owned();
        let strict = server.restarted_with(|config| config.jwt_bearer.issuers[0].clients = vec![chosen]).await;
        let other = service(&strict).await;
        assert_error(&bring(&strict, &other, &assertion, &[]).await, 400, "unauthorized_client");
        assert!(recorded(&strict, "token.refused", "bearer_client_not_allowed").await);
        assert_eq!(bring(&strict, &client, &assertion, &[]).await.status, 200);

        // Where nobody is trusted there is no such grant.
        let off = server.restarted_with(|config| config.jwt_bearer.issuers.clear()).await;
        assert_error(&bring(&off, &client, &issuer.sign(&about(&server, "anna")), &[]).await, 400, "unsupported_grant_type");
        let metadata = off.get("/.well-known/openid-configuration").await.json();
        assert!(!metadata["grant_types_supported"].as_array().unwrap().contains(&json!(GRANT)));
    }

    async fn scope_and_audience_stay_within_the_trust(database: TestDatabase) {
        let issuer = Issuer::new().await;
        let server = issuer.server(database, |trusted| trusted.audiences = vec![API.to_owned()]).await;
        server.person("anna").await;
        let client = service(&server).await;
        let ask = async |fields: &[(&str, &str)]| bring(&server, &client, &issuer.sign(&about(&server, "anna")), fields).await;
        assert_eq!(ask(&[]).await.json()["scope"], "reports:read reports:write");
        server.update_client(&client, |client| {
            client.metadata.scope = Scope::parse("reports:read openid offline_access account:read users:write").unwrap();
            client.metadata.audiences = vec![API.to_owned(), "https://ledger.example".to_owned()];
        }).await;
        for scope in ["reports:write", "openid", "offline_access", "account:read", "users:write", "reports:read openid"] {
            assert_error(&ask(&[("scope", scope)]).await, 400, "invalid_scope");
        }
        // Two audiences, of which the issuer is trusted with one.
        assert_error(&ask(&[]).await, 400, "invalid_target");
        assert_error(&ask(&[("resource", "https://ledger.example")]).await, 400, "invalid_target");
        assert_error(&ask(&[("resource", "https://other.example")]).await, 400, "invalid_target");
        let given = ask(&[("resource", API)]).await.json();
        assert_eq!(given["scope"], "reports:read");
        assert_eq!(claims(&text(&given, "access_token"))["aud"], API);
    }

    async fn the_token_is_bound_to_the_key_that_is_proved(database: TestDatabase) {
        let issuer = Issuer::new().await;
        let server = issuer.server(database, |_| {}).await;
        server.person("anna").await;
        let client = service(&server).await;
        let prover = Prover::new();
        let assertion = issuer.sign(&about(&server, "anna"));
        let fields = [("grant_type", GRANT), ("assertion", assertion.as_str())];
        let answer = post(&server, &client, "/token", &fields, &[&prover.proof(&server, "POST", "/token")]).await.json();
        assert_eq!(answer["token_type"], "DPoP", "{answer}");
        assert_eq!(claims(&text(&answer, "access_token"))["cnf"]["jkt"], prover.jkt());
        let bound = server.client(Persona::Service, |metadata| {
            metadata.grant_types = vec![GrantType::JwtBearer];
            metadata.dpop_bound_access_tokens = true;
        }).await;
        assert_error(&bring(&server, &bound, &issuer.sign(&about(&server, "anna")), &[]).await, 400, "invalid_dpop_proof");
    }
}

#[tokio::test]
async fn keys_may_stand_in_a_file() {
    let issuer = Issuer::new().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("hr.json");
    std::fs::write(&file, jwks(&[&issuer.key]).to_string()).unwrap();
    let server = issuer
        .server(TestDatabase::sqlite().await, |trusted| {
            trusted.jwks_uri = String::new();
            trusted.jwks_file.clone_from(&file);
        })
        .await;
    server.person("anna").await;
    let client = service(&server).await;
    assert_eq!(bring(&server, &client, &issuer.sign(&about(&server, "anna")), &[]).await.status, 200);
    assert_eq!(issuer.publisher.asked(), 0);
    let mut config = server.state.config.jwt_bearer.issuers.clone();
    assert!(ostiary::web::trusted_issuers::TrustedIssuers::load(&config).is_ok());
    for content in ["", "{}", r#"{"keys":[]}"#] {
        std::fs::write(&file, content).unwrap();
        assert!(ostiary::web::trusted_issuers::TrustedIssuers::load(&config).is_err(), "{content}");
    }
    config[0].jwks_file = folder.path().join("nothing.json");
    assert!(ostiary::web::trusted_issuers::TrustedIssuers::load(&config).is_err());
}

#[test]
fn an_issuer_that_could_not_be_trusted_safely_refuses_to_start() {
    use ostiary::config::Config;

    let good =
        json!({ "issuer": HR, "jwks_uri": "https://hr.example/jwks.json", "subject": "email", "scopes": ["reports:read"] });
    let check = |entries: Vec<Value>| {
        let issuers = json!({ "jwt_bearer": { "issuers": entries } });
        serde_json::from_value::<Config>(issuers).is_ok_and(|config| config.validate().is_ok())
    };
    assert!(check(vec![good.clone()]));
    assert!(!check(vec![good.clone(), good.clone()]), "twice");
    for (name, value) in [
        ("issuer", json!("")),
        ("issuer", json!("h r")),
        ("issuer", json!(Config::default().server.issuer)),
        ("jwks_uri", json!("")),
        ("jwks_uri", json!("http://hr.example/jwks.json")),
        ("jwks_uri", json!("https://127.0.0.1/jwks.json")),
        ("jwks_file", json!("too.json")),
        ("algorithms", json!([])),
        ("algorithms", json!(["none"])),
        ("subject", json!("sub")),
        ("scopes", json!([])),
        ("scopes", json!(["openid"])),
        ("scopes", json!(["reports:read", "offline_access"])),
        ("scopes", json!(["users:write"])),
        ("scopes", json!(["account:read"])),
        ("unknown", json!(1)),
    ] {
        let mut entry = good.clone();
        entry[name] = value.clone();
        assert!(!check(vec![entry]), "{name} {value}");
    }
    for name in ["issuer", "subject", "scopes", "jwks_uri"] {
        let mut entry = good.clone();
        entry.as_object_mut().unwrap().shift_remove(name);
        assert!(!check(vec![entry]), "without {name}");
    }
}
