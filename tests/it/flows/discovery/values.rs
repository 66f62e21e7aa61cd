//! Lists of the document whose every value is used here.

use serde_json::{Map, Value, json};
use tempfile::NamedTempFile;

use super::*;
use crate::support::assertion::{ASSERTION_TYPE, ClientKey, claims as assertion_claims, jwks, keyed};
use crate::support::certificate::Authority;
use crate::support::flow::{SCOPE, allow, claims, header, log_in, redeem, text, tokens_of};
use crate::support::server::basic;

/// The values of a list.
async fn listed(server: &TestServer, member: &str) -> Vec<String> {
    let document = server.get("/.well-known/openid-configuration").await.json();
    let values = document[member].as_array().unwrap_or_else(|| panic!("{member} is no list"));
    values.iter().map(|value| value.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn every_way_to_authenticate_is_taken_at_every_endpoint_that_lists_it() {
    let (authority, file) = (Authority::new("Clients"), NamedTempFile::new().unwrap());
    std::fs::write(file.path(), authority.pem()).unwrap();
    let server = TestServer::start_with(TestDatabase::sqlite().await, |config| {
        everything(config);
        config.tls.client_ca_file = file.path().to_owned();
    })
    .await;
    let (key, held, vouched_for) = (ClientKey::new(Algorithm::ES256), self_signed("CN=a"), authority.issue("CN=a", None));
    for endpoint in ["token", "revocation", "introspection"] {
        let document = server.get("/.well-known/openid-configuration").await.json();
        let path = server.path_of(document[format!("{endpoint}_endpoint")].as_str().unwrap());
        for name in listed(&server, &format!("{endpoint}_endpoint_auth_methods_supported")).await {
            let method = ClientAuthMethod::ALL.into_iter().find(|method| method.as_str() == name).unwrap();
            let client = server
                .client(Persona::Service, |metadata| {
                    metadata.token_endpoint_auth_method = method;
                    metadata.tls_client_auth_subject_dn = (name == "tls_client_auth").then(|| "CN=a".to_owned());
                    metadata.jwks = match name.as_str() {
                        "private_key_jwt" => Some(jwks(&[&key])),
                        "self_signed_tls_client_auth" => Some(json!({ "keys": [held.jwk()] })),
                        _ => None,
                    };
                })
                .await;
            let secret = client.secret.clone().unwrap_or_default();
            let in_header = basic(client.id(), &secret);
            let assertion = match method {
                ClientAuthMethod::ClientSecretJwt => keyed(secret.as_bytes(), &assertion_claims(&server, &client)),
                _ => key.sign(&assertion_claims(&server, &client)),
            };
            let certificate = if name == "tls_client_auth" { vouched_for.field() } else { held.field() };
            let (headers, own) = match method {
                ClientAuthMethod::ClientSecretBasic => (vec![("authorization", in_header.as_str())], Vec::new()),
                ClientAuthMethod::ClientSecretPost => {
                    (Vec::new(), vec![("client_id", client.id()), ("client_secret", secret.as_str())])
                }
                ClientAuthMethod::ClientSecretJwt | ClientAuthMethod::PrivateKeyJwt => {
                    (Vec::new(), vec![("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion.as_str())])
                }
                ClientAuthMethod::TlsClientAuth | ClientAuthMethod::SelfSignedTlsClientAuth => {
                    (vec![("client-cert", certificate.as_str())], vec![("client_id", client.id())])
                }
                ClientAuthMethod::None => (Vec::new(), vec![("client_id", client.id())]),
            };
            let asked = if endpoint == "token" { ("grant_type", "client_credentials") } else { ("token", "x") };
            let answer = server.post_with(&path, &headers, &[&own[..], &[asked]].concat()).await;
            if endpoint == "token" && method == ClientAuthMethod::None {
                // K1: it is known, and may not.
                assert_error(&answer, 400, "unauthorized_client");
            } else {
                assert_eq!(answer.status, 200, "{endpoint} {name} {answer:#?}");
            }
        }
    }
}

#[tokio::test]
async fn id_tokens_and_responses_are_signed_with_each_algorithm_that_is_listed() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    server.person("anna").await;
    let of_responses = listed(&server, "authorization_signing_alg_values_supported").await;
    assert_eq!(listed(&server, "id_token_signing_alg_values_supported").await, of_responses);
    for name in of_responses {
        let algorithm = Algorithm::ALL.into_iter().find(|algorithm| algorithm.as_str() == name).unwrap();
        let client = server
            .client(Persona::Web, |metadata| {
                metadata.id_token_signed_response_alg = algorithm;
                metadata.authorization_signed_response_alg = algorithm;
            })
            .await;
        let mut browser = server.browser();
        let page = browser.visit(&AuthorizationUrl::new(&client).with("response_mode", "jwt").path()).await;
        let page = log_in(&mut browser, &page, "anna").await;
        let response = allow(&mut browser, &page).await.redirect_params()["response"].clone();
        assert_eq!(header(&response)["alg"], name.as_str());
        let tokens = redeem(&server, &client, &text(&claims(&response), "code")).await.json();
        assert_eq!(header(&text(&tokens, "id_token"))["alg"], name.as_str());
    }
}

#[tokio::test]
async fn every_claim_that_is_listed_is_told() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let profile = json!({
        "name": "Anna Example", "given_name": "Anna", "family_name": "Example", "middle_name": "B", "nickname": "Ann",
        "preferred_username": "anna", "profile": "https://anna.example/", "picture": "https://anna.example/a.png",
        "website": "https://anna.example/", "gender": "female", "birthdate": "1990-01-02", "zoneinfo": "Europe/Paris",
        "locale": "fr", "email": "anna@example.org", "email_verified": true, "phone_number": "+15550100",
        "phone_number_verified": true, "address": { "locality": "Paris" },
    });
    server.person_with("anna", &[], Some(profile)).await;
    let client = server.client(Persona::Web, |_| {}).await;
    let all = listed(&server, "claims_supported").await;
    let asked: Map<String, Value> = all.iter().map(|name| (name.clone(), Value::Null)).collect();
    let url = AuthorizationUrl::new(&client)
        .with("scope", &format!("{SCOPE} address phone"))
        .with("claims", &json!({ "id_token": asked }).to_string());
    let tokens = tokens_of(&server, &client, &url, "anna").await;
    let told = claims(&text(&tokens, "id_token"));
    for name in all {
        assert!(!told[&name].is_null(), "{name} is not told: {told:#}");
    }
}

#[tokio::test]
async fn every_display_that_is_listed_is_taken() {
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let client = server.client(Persona::Web, |_| {}).await;
    for display in listed(&server, "display_values_supported").await {
        let page = server.browser().visit(&AuthorizationUrl::new(&client).with("display", &display).path()).await;
        assert!(page.url.starts_with("/login"), "{display}: {page:#?}");
    }
}
