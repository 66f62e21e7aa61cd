//! Clients that are held to FAPI 2.0: the Security Profile (§5.3.2, §5.4) and Message Signing (§5.3, §5.4, §5.5). What contradicts
//! a profile when a client is registered is tested beside `protocol::client_registration`.

mod signing;

use std::collections::BTreeMap;

use ostiary::protocol::client::{Algorithm, ClientAuthMethod, ClientMetadata, GrantType};
use ostiary::protocol::security_profile::SecurityProfile;
use serde_json::{Value, json};

use super::assert_page;
use super::pushed::opening;
use crate::guard::attack::recorded;
use crate::support::assertion::{ASSERTION_TYPE, ClientKey, claims as assertion_claims, jwks, reason};
use crate::support::browser::Answer;
use crate::support::database::{TestDatabase, on_both};
use crate::support::dpop::{Prover, open};
use crate::support::flow::{AuthorizationUrl, VERIFIER, assert_error, claims, header, log_in, text};
use crate::support::server::{PASSWORD, Persona, TestClient, TestServer, basic};

/// A client with keys of its own, and what it proves with them.
struct Bank {
    client: TestClient,
    key: ClientKey,
    prover: Prover,
}

/// Good for either profile, once it has one.
fn with_keys(metadata: &mut ClientMetadata, keys: &[&ClientKey]) {
    metadata.first_party = true;
    metadata.token_endpoint_auth_method = ClientAuthMethod::PrivateKeyJwt;
    metadata.jwks = Some(jwks(keys));
    metadata.grant_types.push(GrantType::ClientCredentials);
    metadata.id_token_signed_response_alg = Algorithm::ES256;
    metadata.authorization_signed_response_alg = Algorithm::ES256;
    metadata.introspection_signed_response_alg = Algorithm::ES256;
}

impl Bank {
    async fn register(server: &TestServer, profile: impl Into<Option<SecurityProfile>>) -> Self {
        let (key, profile) = (ClientKey::new(Algorithm::ES256), profile.into());
        let client = server
            .client(Persona::Web, |metadata| {
                with_keys(metadata, &[&key]);
                metadata.profile = profile;
            })
            .await;
        Self { client, key, prover: Prover::new() }
    }

    /// A form that the client authenticates with an assertion, and these proofs.
    async fn post(&self, server: &TestServer, path: &str, fields: &[(&str, &str)], proofs: &[&str]) -> Answer {
        let assertion = self.key.sign(&assertion_claims(server, &self.client));
        self.post_with(server, path, &assertion, (fields, proofs)).await
    }

    async fn post_with(
        &self,
        server: &TestServer,
        path: &str,
        assertion: &str,
        (fields, proofs): (&[(&str, &str)], &[&str]),
    ) -> Answer {
        server.state.refusals.flush().await;
        let proof = [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)];
        let headers: Vec<_> = proofs.iter().map(|proof| ("dpop", *proof)).collect();
        server.post_with(path, &headers, &[&proof[..], fields].concat()).await
    }

    async fn push(&self, server: &TestServer, request: &AuthorizationUrl) -> Answer {
        let fields: Vec<_> = request.params().iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.post(server, "/par", &fields, &[]).await
    }

    /// Where the browser is sent back to.
    async fn answered(&self, server: &TestServer, request: &AuthorizationUrl) -> Answer {
        let pushed = self.push(server, request).await;
        assert_eq!(pushed.status, 201, "{pushed:#?}");
        let mut browser = server.browser();
        let page = browser.visit(&opening(&self.client, &text(&pushed.json(), "request_uri"))).await;
        log_in(&mut browser, &page, "anna").await
    }

    async fn given(&self, server: &TestServer, request: &AuthorizationUrl) -> BTreeMap<String, String> {
        self.answered(server, request).await.redirect_params()
    }

    async fn redeem(&self, server: &TestServer, code: &str, proofs: &[&str]) -> Answer {
        let fields = [
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", self.client.redirect_uri()),
            ("code_verifier", VERIFIER),
        ];
        self.post(server, "/token", &fields, proofs).await
    }

    async fn ask(&self, server: &TestServer, proofs: &[&str]) -> Answer {
        self.post(server, "/token", &[("grant_type", "client_credentials"), ("scope", "")], proofs).await
    }

    fn request(&self) -> AuthorizationUrl {
        AuthorizationUrl::new(&self.client)
    }

    fn proof(&self, server: &TestServer) -> String {
        self.prover.proof(server, "POST", "/token")
    }
}

async fn start(database: TestDatabase) -> TestServer {
    let server = TestServer::start(database).await;
    server.person("anna").await;
    server
}

on_both! {
    async fn a_person_logs_in_as_the_profile_has_it(database: TestDatabase) {
        let server = start(database).await;
        let bank = Bank::register(&server, SecurityProfile::Fapi2).await;
        let given = bank.given(&server, &bank.request()).await;
        // §5.3.2.2: iss in the answer.
        assert_eq!(given["iss"], "https://id.example");
        let tokens = bank.redeem(&server, &given["code"], &[&bank.proof(&server)]).await.json();
        assert_eq!(tokens["token_type"], "DPoP");
        assert_eq!(claims(&text(&tokens, "access_token"))["cnf"]["jkt"], bank.prover.jkt());
        for token in ["access_token", "id_token"] {
            assert_eq!(header(&text(&tokens, token))["alg"], "ES256");
        }
        assert_eq!(bank.prover.open(&server, "/userinfo", &text(&tokens, "access_token")).await.status, 200);
        // §5.3.2.1: no rotation.
        let refresh_token = text(&tokens, "refresh_token");
        for _ in 0..2 {
            let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
            let refreshed = bank.post(&server, "/token", &fields, &[&bank.proof(&server)]).await;
            assert_eq!((refreshed.status.as_u16(), &refreshed.json()["refresh_token"]), (200, &Value::Null));
        }
    }

    async fn requests_have_to_be_pushed_by_the_client(database: TestDatabase) {
        let server = start(database).await;
        let bank = Bank::register(&server, SecurityProfile::Fapi2).await;
        assert_page(&server.get(&bank.request().path()).await, 400);
        assert!(recorded(&server, "authorization.refused", "pushed_request_required").await);
        let fields: Vec<_> = bank.request().params().to_vec();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_error(&server.post_with("/par", &[], &fields).await, 401, "invalid_client");
        for (name, error) in [("redirect_uri", "invalid_request"), ("code_challenge", "invalid_request")] {
            assert_error(&bank.push(&server, &bank.request().without(name)).await, 400, error);
        }
        assert_error(&bank.push(&server, &bank.request().with("code_challenge_method", "plain")).await, 400, "invalid_request");
        assert_error(&bank.push(&server, &bank.request().with("response_type", "code id_token")).await, 400, "unsupported_response_type");
    }

    async fn every_access_token_is_bound(database: TestDatabase) {
        let server = start(database).await;
        let (bank, free) = (Bank::register(&server, SecurityProfile::Fapi2).await, Bank::register(&server, None).await);
        assert_eq!(free.ask(&server, &[]).await.status, 200, "which is asked of nobody else");
        let answer = bank.ask(&server, &[]).await;
        assert_error(&answer, 400, "invalid_dpop_proof");
        assert_eq!(reason(&server, &answer).await, "dpop_proof_missing");
        assert_eq!(bank.ask(&server, &[&bank.proof(&server)]).await.json()["token_type"], "DPoP");
        let code = bank.given(&server, &bank.request()).await["code"].clone();
        assert_error(&bank.redeem(&server, &code, &[]).await, 400, "invalid_dpop_proof");
        let certified = Bank::register(&server, SecurityProfile::Fapi2).await;
        server.update_client(&certified.client, |client| client.metadata.tls_client_certificate_bound_access_tokens = true).await;
        let answer = certified.ask(&server, &[&certified.proof(&server)]).await;
        assert_eq!(reason(&server, &answer).await, "certificate_missing", "one or the other");
        // A token from before it was held to the profile.
        let request = free.request().with("scope", "openid");
        let code = free.given(&server, &request).await["code"].clone();
        let token = text(&free.redeem(&server, &code, &[]).await.json(), "access_token");
        assert_eq!(server.userinfo(&token).await.status, 200);
        server.update_client(&free.client, |client| client.metadata.profile = Some(SecurityProfile::Fapi2)).await;
        assert_eq!(reason(&server, &server.userinfo(&token).await).await, "token_to_be_bound");
    }

    async fn a_code_may_be_bound_to_the_key_when_it_is_asked_for(database: TestDatabase) {
        let server = start(database).await;
        let bank = Bank::register(&server, SecurityProfile::Fapi2).await;
        let request = bank.request().with("dpop_jkt", &bank.prover.jkt());
        let code = bank.given(&server, &request).await["code"].clone();
        let other = Prover::new().proof(&server, "POST", "/token");
        assert_error(&bank.redeem(&server, &code, &[&other]).await, 400, "invalid_grant");
        assert_eq!(bank.redeem(&server, &code, &[&bank.proof(&server)]).await.status, 200);
    }

    async fn rs256_is_nothing_for_the_profile(database: TestDatabase) {
        let server = start(database).await;
        let (rsa, ec) = (ClientKey::new(Algorithm::RS256), ClientKey::new(Algorithm::ES256));
        let client = server.client(Persona::Web, |metadata| with_keys(metadata, &[&rsa, &ec])).await;
        let mut bank = Bank { client, key: rsa, prover: Prover(ClientKey::new(Algorithm::RS256)) };
        assert_eq!(bank.ask(&server, &[&bank.proof(&server)]).await.status, 200);
        server.update_client(&bank.client, |client| client.metadata.profile = Some(SecurityProfile::Fapi2)).await;
        let answer = bank.ask(&server, &[&bank.proof(&server)]).await;
        assert_error(&answer, 401, "invalid_client");
        assert_eq!(reason(&server, &answer).await, "client_assertion_algorithm_not_allowed");
        bank.key = ec;
        let answer = bank.ask(&server, &[&bank.proof(&server)]).await;
        assert_error(&answer, 400, "invalid_dpop_proof");
        assert_eq!(reason(&server, &answer).await, "dpop_algorithm_not_allowed");
        let fields: Vec<_> = bank.request().params().to_vec();
        let fields: Vec<_> = fields.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        let proof = bank.prover.proof(&server, "POST", "/par");
        assert_error(&bank.post(&server, "/par", &fields, &[&proof]).await, 400, "invalid_dpop_proof");
        bank.prover = Prover(ClientKey::new(Algorithm::EdDSA));
        assert_eq!(bank.ask(&server, &[&bank.proof(&server)]).await.status, 200);
    }

    async fn an_assertion_names_the_issuer_and_no_other_time(database: TestDatabase) {
        let server = start(database).await;
        let bank = Bank::register(&server, SecurityProfile::Fapi2).await;
        let now = server.clock.now().as_seconds();
        let token_endpoint = format!("{}/token", server.issuer());
        for (name, value, status) in [
            ("aud", json!(server.issuer()), 200),
            ("aud", json!([server.issuer()]), 401),
            ("aud", json!(token_endpoint), 401),
            // §5.3.2.1: clocks.
            ("iat", json!(now + 8), 200),
            ("nbf", json!(now + 8), 200),
            ("iat", json!(now + 61), 401),
            ("nbf", json!(now + 61), 401),
        ] {
            let mut claims = assertion_claims(&server, &bank.client);
            claims[name] = value;
            let fields = [("grant_type", "client_credentials"), ("scope", "")];
            let assertion = bank.key.sign(&claims);
            let answer = bank.post_with(&server, "/token", &assertion, (&fields, &[&bank.proof(&server)])).await;
            assert_eq!(answer.status, status, "{claims}");
        }
    }

    async fn a_code_lasts_60_seconds_whatever_the_operator_says(database: TestDatabase) {
        let server = TestServer::start_with(database, |config| config.tokens.authorization_code = 600).await;
        server.person("anna").await;
        let (bank, free) = (Bank::register(&server, SecurityProfile::Fapi2).await, Bank::register(&server, None).await);
        for (client, after, status) in [(&bank, 59, 200), (&bank, 60, 400), (&free, 60, 200)] {
            let code = client.given(&server, &client.request()).await["code"].clone();
            server.clock.advance(after);
            assert_eq!(client.redeem(&server, &code, &[&client.proof(&server)]).await.status, status, "{after}");
        }
    }

    async fn nobody_hands_a_password_to_the_client(database: TestDatabase) {
        let server = start(database).await;
        let bank = Bank::register(&server, SecurityProfile::Fapi2).await;
        let fields = [("grant_type", "password"), ("username", "anna"), ("password", PASSWORD)];
        assert_error(&bank.post(&server, "/token", &fields, &[&bank.proof(&server)]).await, 400, "unsupported_grant_type");
        let secret = server.client(Persona::Web, |metadata| {
            metadata.first_party = true;
            metadata.profile = Some(SecurityProfile::Fapi2);
        }).await;
        let body = json!({ "username": "anna", "password": PASSWORD });
        let proof = bank.prover.proof(&server, "POST", "/api/v1/auth/login");
        let basic = basic(secret.id(), secret.secret.as_deref().unwrap());
        let request = http::Request::post("/api/v1/auth/login").header("content-type", "application/json");
        let request = request.header("authorization", basic).header("dpop", proof);
        let answer = server.send(request.body(body.to_string().into()).unwrap()).await;
        assert_eq!(reason(&server, &answer).await, "client_not_first_party", "{answer:#?}");
    }

    async fn a_bound_token_opens_nothing_by_itself(database: TestDatabase) {
        let server = start(database).await;
        let bank = Bank::register(&server, SecurityProfile::Fapi2).await;
        let code = bank.given(&server, &bank.request()).await["code"].clone();
        let token = text(&bank.redeem(&server, &code, &[&bank.proof(&server)]).await.json(), "access_token");
        assert_eq!(server.userinfo(&token).await.status, 401);
        assert_eq!(open(&server, "/userinfo", &format!("DPoP {token}"), &[]).await.status, 401);
    }
}
