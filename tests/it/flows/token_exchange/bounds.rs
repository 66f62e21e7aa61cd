//! What is not exchanged: behaviours 1.6 X2 to X5, X8.

use ostiary::protocol::authentication::Acr;
use ostiary::storage::users::{self, User};

use super::*;
use crate::support::dpop::{Prover, ask, post};
use crate::support::flow::tokens;

on_both! {
    async fn x2_what_is_no_token_that_counts_is_not_exchanged(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (front, api) = (front(&server).await, service(&server, API, &[LEDGER]).await);
        let given = logged_in(&server, &front).await;
        let token = text(&given, "access_token");
        let (refresh_token, id_token) = (text(&given, "refresh_token"), text(&given, "id_token"));
        for subject in [refresh_token.as_str(), &id_token, "x", "a.b.c", &format!("{token}A")] {
            assert_error(&exchange(&server, &api, subject, &[]).await, 400, "invalid_request");
            assert!(recorded(&server, "token.refused", "subject_token_invalid").await);
        }
        let kinds = ["jwt", "refresh_token", "saml2", ""].map(|kind| format!("urn:ietf:params:oauth:token-type:{kind}"));
        for kind in kinds.iter().map(String::as_str).chain(["access_token"]) {
            assert_error(&exchange(&server, &api, &token, &[("subject_token_type", kind)]).await, 400, "invalid_request");
        }
        let fields = [("grant_type", GRANT), ("subject_token", token.as_str())];
        assert_error(&server.token(&api, &fields).await, 400, "invalid_request");
        let fields = [("grant_type", GRANT), ("subject_token_type", ACCESS_TOKEN)];
        assert_error(&server.token(&api, &fields).await, 400, "invalid_request");
        for kind in [ID_TOKEN, "urn:ietf:params:oauth:token-type:refresh_token"] {
            assert_error(&exchange(&server, &api, &token, &[("requested_token_type", kind)]).await, 400, "invalid_request");
        }
        assert_eq!(exchange(&server, &api, &token, &[("requested_token_type", ACCESS_TOKEN)]).await.status, 200);

        server.post_as(&front, "/revoke", &[("token", &token)]).await;
        assert_error(&exchange(&server, &api, &token, &[]).await, 400, "invalid_request");
        let token = text(&logged_in(&server, &front).await, "access_token");
        server.clock.advance(900);
        assert_error(&exchange(&server, &api, &token, &[]).await, 400, "invalid_request");
    }

    async fn x2_a_login_that_was_not_strong_enough_is_not_handed_on(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| {
            config.authentication.required_acr_by_role.insert("finance".to_owned(), Acr::Multi);
        }).await;
        let anna = server.person("anna").await;
        let (front, api) = (front(&server).await, service(&server, API, &[LEDGER]).await);
        let token = text(&logged_in(&server, &front).await, "access_token");
        let refused = async || {
            assert_error(&exchange(&server, &api, &token, &[]).await, 400, "invalid_request");
            assert!(recorded(&server, "token.refused", "subject_token_too_weak").await);
        };
        assert_eq!(exchange(&server, &api, &token, &[]).await.status, 200);
        server.update_client(&api, |client| client.metadata.required_acr = Some(Acr::Multi)).await;
        refused().await;
        server.update_client(&api, |client| client.metadata.required_acr = None).await;
        assert_eq!(exchange(&server, &api, &token, &[]).await.status, 200);
        let promoted = User { roles: vec!["finance".to_owned()], ..anna.clone() };
        assert!(server.state.db.write(async |tx| users::update(tx, &promoted, anna.version).await).await.unwrap());
        refused().await;
    }

    async fn x2_a_token_that_was_meant_for_somebody_else_is_not_exchanged(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (front, ledger) = (front(&server).await, service(&server, LEDGER, &[MAIL]).await);
        let token = text(&logged_in(&server, &front).await, "access_token");
        assert_error(&exchange(&server, &ledger, &token, &[]).await, 400, "invalid_request");
        assert!(recorded(&server, "token.refused", "subject_token_of_others").await);
    }

    async fn x3_a_token_is_for_nobody_whom_the_policy_does_not_name(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (front, api) = (front(&server).await, service(&server, API, &[LEDGER, MAIL]).await);
        let token = text(&logged_in(&server, &front).await, "access_token");
        let issuer = server.issuer().to_owned();
        for target in ["https://other.example", API, "https://ledger.example/", "/relative", &issuer, &format!("{issuer}/api/v1")] {
            for name in ["audience", "resource"] {
                assert_error(&exchange(&server, &api, &token, &[(name, target)]).await, 400, "invalid_target");
                let both = [("audience", LEDGER), (name, target)];
                assert_error(&exchange(&server, &api, &token, &both).await, 400, "invalid_target");
            }
        }
        assert_error(&exchange(&server, &api, &token, &[]).await, 400, "invalid_target");
        let both = exchange(&server, &api, &token, &[("audience", LEDGER), ("resource", MAIL)]).await.json();
        assert_eq!(claims(&text(&both, "access_token"))["aud"], json!([LEDGER, MAIL]));
    }

    async fn x4_a_token_may_no_more_than_its_subject_and_the_client(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (front, api) = (front(&server).await, service(&server, API, &[LEDGER]).await);
        let url = AuthorizationUrl::new(&front).with("scope", "openid email reports:read");
        let token = text(&tokens_of(&server, &front, &url, "anna").await, "access_token");
        for scope in ["reports:write", "reports:read reports:write", "email", "openid"] {
            assert_error(&exchange(&server, &api, &token, &[("scope", scope)]).await, 400, "invalid_scope");
        }
        assert_error(&exchange(&server, &api, &token, &[("scope", "\"")]).await, 400, "invalid_scope");
        for (scope, given) in [("reports:read", "reports:read"), ("reports:read nothing:known", "reports:read")] {
            assert_eq!(exchange(&server, &api, &token, &[("scope", scope)]).await.json()["scope"], given);
        }
        assert_eq!(exchange(&server, &api, &token, &[]).await.json()["scope"], "reports:read");
    }

    async fn x5_nobody_is_impersonated_without_policy_and_may_act_and_no_administrator_ever(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let anna = server.person("anna").await;
        let (front, api) = (front(&server).await, service(&server, API, &[LEDGER]).await);
        let none = server.client(Persona::Service, |metadata| metadata.grant_types.push(GrantType::TokenExchange)).await;
        let other = server.client(Persona::Service, |_| {}).await;
        let token = async || text(&logged_in(&server, &front).await, "access_token");
        let refused = async |client: &TestClient, reason: &str| {
            assert_error(&exchange(&server, client, &token().await, &[]).await, 400, "unauthorized_client");
            assert!(recorded(&server, "token.refused", reason).await);
        };
        refused(&other, "grant_type_not_allowed").await;
        refused(&none, "exchange_without_policy").await;
        // Without the switch a service is always named.
        assert_eq!(claims(&exchanged(&server, &api, &token().await, LEDGER).await)["act"]["sub"], api.id());

        let impersonates = |client: &mut Client| client.metadata.token_exchange.as_mut().unwrap().impersonation = true;
        server.update_client(&api, impersonates).await;
        refused(&api, "impersonation_without_may_act").await;
        server.update_client(&front, |client| client.metadata.may_act = Some(other.client.id.clone())).await;
        assert_eq!(claims(&token().await)["may_act"], json!({ "sub": other.id() }));
        refused(&api, "actor_not_named_by_may_act").await;
        server.update_client(&front, |client| client.metadata.may_act = Some(api.client.id.clone())).await;
        for format in [AccessTokenFormat::Jwt, AccessTokenFormat::Opaque] {
            server.update_client(&front, |client| client.metadata.access_token_format = format).await;
            let child = exchanged(&server, &api, &token().await, LEDGER).await;
            let told = server.introspect(&api, &child).await;
            assert_eq!((told["sub"].as_str(), told["client_id"].as_str()), (Some(anna.id.as_str()), Some(api.id())));
            assert!(told.get("act").is_none(), "{told}");
        }
        // Named it may act for whom it likes.
        let own = text(&server.token(&api, &[("grant_type", "client_credentials")]).await.json(), "access_token");
        let named = [("actor_token", own.as_str()), ("actor_token_type", ACCESS_TOKEN)];
        let promoted = ostiary::storage::users::User { roles: vec!["admin".to_owned()], ..anna };
        assert!(server.state.db.write(async |tx| ostiary::storage::users::update(tx, &promoted, 1).await).await.unwrap());
        refused(&api, "impersonation_of_an_administrator").await;
        assert_eq!(exchange(&server, &api, &token().await, &named).await.status, 200);
    }

    async fn x8_a_token_that_is_bound_to_a_key_is_not_exchanged_without_it(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (front, api) = (front(&server).await, service(&server, API, &[LEDGER]).await);
        let token = text(&logged_in(&server, &front).await, "access_token");
        let cnf = json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" });
        let bound = resigned(&server, &token, |claims| claims["cnf"] = cnf.clone());
        assert!(is_active(&server, &api, &bound).await);
        assert_error(&exchange(&server, &api, &bound, &[]).await, 400, "invalid_request");
        assert!(recorded(&server, "token.refused", "subject_token_key_not_proved").await);
        let own = text(&server.token(&api, &[("grant_type", "client_credentials")]).await.json(), "access_token");
        let own = resigned(&server, &own, |claims| claims["cnf"] = cnf);
        let fields = [("actor_token", own.as_str()), ("actor_token_type", ACCESS_TOKEN)];
        assert_error(&exchange(&server, &api, &token, &fields).await, 400, "invalid_request");
    }

    async fn x7_x8_the_key_of_whoever_asks_binds_what_it_gets(database: TestDatabase) {
        let server = TestServer::start(database).await;
        let (api, key, other) = (service(&server, API, &[LEDGER]).await, Prover::new(), Prover::new());
        let proof = |key: &Prover| key.proof(&server, "POST", "/token");
        let own = text(&ask(&server, &api, &[&proof(&key)]).await.json(), "access_token");
        let fields = [("grant_type", GRANT), ("subject_token", own.as_str()), ("subject_token_type", ACCESS_TOKEN)];
        assert_error(&server.token(&api, &fields).await, 400, "invalid_request");
        assert_error(&post(&server, &api, "/token", &fields, &[&proof(&other)]).await, 400, "invalid_request");
        let given = post(&server, &api, "/token", &fields, &[&proof(&key)]).await.json();
        assert_eq!(given["token_type"], "DPoP");
        assert_eq!(claims(&text(&given, "access_token"))["cnf"], json!({ "jkt": key.jkt() }));
    }

    async fn a_client_that_can_not_authenticate_exchanges_nothing(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let spa = server
            .client(Persona::Spa, |metadata| {
                metadata.grant_types.push(GrantType::TokenExchange);
                let audiences = vec![LEDGER.to_owned()];
                metadata.token_exchange = Some(ExchangePolicy { audiences, accepts: Vec::new(), impersonation: false });
            })
            .await;
        let token = text(&tokens(&server, &spa, "anna").await, "access_token");
        assert_error(&exchange(&server, &spa, &token, &[]).await, 400, "unauthorized_client");
    }

    async fn actors_do_not_follow_one_another_for_ever(database: TestDatabase) {
        let server = TestServer::start(database).await;
        server.person("anna").await;
        let (front, api) = (front(&server).await, service(&server, API, &[LEDGER]).await);
        let mut token = text(&logged_in(&server, &front).await, "access_token");
        for _ in 0..8 {
            token = exchanged(&server, &api, &token, LEDGER).await;
        }
        assert_error(&exchange(&server, &api, &token, &[]).await, 400, "invalid_request");
        assert!(recorded(&server, "token.refused", "actor_chain_too_long").await);
    }
}
