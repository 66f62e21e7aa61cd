//! The metadata document is true (RFC 8414; OpenID Connect Discovery 1.0): whatever it says has a test that uses it, and what is switched
//! off is refused.

mod values;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ostiary::config::{ClientRegistrationMode, Config, RegistrationMode, SubjectIs, TrustedIssuer};
use ostiary::protocol::client::{Algorithm, ClientAuthMethod, GrantType};
use serde_json::{Value, json};

use super::assert_page;
use super::resources::register;
use crate::architecture::rust_files;
use crate::support::certificate::self_signed;
use crate::support::database::TestDatabase;
use crate::support::dpop::{Prover, ask};
use crate::support::flow::{AuthorizationUrl, assert_error};
use crate::support::server::{Persona, TestClient, TestServer};

/// Whatever the value, or whichever of the list: the test uses them all.
const ANY: &str = "*";

/// Which test uses what: a member, a value, and the test's name.
const USED: &[(&str, &str, &str)] = &[
    ("issuer", ANY, "errors_go_back_with_state_and_iss_once_the_redirect_uri_is_good"),
    ("authorization_endpoint", ANY, "a_person_logs_in_consents_and_comes_back_with_a_code"),
    ("token_endpoint", ANY, "client_credentials_give_an_access_token_and_nothing_else"),
    ("userinfo_endpoint", ANY, "userinfo_tells_the_claims_of_the_scope_with_their_types"),
    ("jwks_uri", ANY, "another_implementation_verifies_each_algorithm_through_the_jwks"),
    ("introspection_endpoint", ANY, "introspection_is_for_clients_that_prove_who_they_are"),
    ("revocation_endpoint", ANY, "revoking_a_refresh_token_revokes_its_whole_family"),
    ("registration_endpoint", ANY, "a_client_is_registered_used_changed_and_deleted"),
    ("device_authorization_endpoint", ANY, "a_person_connects_a_device"),
    ("pushed_authorization_request_endpoint", ANY, "p1_a_pushed_request_is_stored_under_a_hash_and_logs_the_person_in"),
    ("backchannel_authentication_endpoint", ANY, "a_person_elsewhere_says_yes"),
    ("end_session_endpoint", ANY, "an_application_logs_its_person_out_and_gets_the_browser_back"),
    ("check_session_iframe", ANY, "an_application_is_told_a_state_that_changes_with_the_session"),
    ("mtls_endpoint_aliases", ANY, "m1_a_client_with_a_certificate_goes_where_it_is_asked_for"),
    ("client_id_metadata_document_supported", ANY, "the_mcp_sdk_of_npm_connects_with_a_document_and_by_registering_itself"),
    ("require_pushed_authorization_requests", ANY, "a29_a_client_that_has_to_push_is_not_answered_otherwise"),
    ("scopes_supported", ANY, "a_service_reaches_what_its_scope_says_and_no_account"),
    ("scopes_supported", "openid", "a_person_logs_in_consents_and_comes_back_with_a_code"),
    ("scopes_supported", "profile", "userinfo_tells_the_claims_of_the_scope_with_their_types"),
    ("scopes_supported", "email", "userinfo_tells_the_claims_of_the_scope_with_their_types"),
    ("scopes_supported", "address", "userinfo_tells_the_claims_of_the_scope_with_their_types"),
    ("scopes_supported", "phone", "userinfo_tells_the_claims_of_the_scope_with_their_types"),
    ("scopes_supported", "offline_access", "without_offline_access_or_the_refresh_grant_there_is_no_refresh_token"),
    ("response_types_supported", "code", "a_person_logs_in_consents_and_comes_back_with_a_code"),
    ("response_types_supported", ANY, "each_response_type_brings_what_it_names_in_the_fragment"),
    ("response_modes_supported", "query", "a_person_logs_in_consents_and_comes_back_with_a_code"),
    ("response_modes_supported", "fragment", "each_response_type_brings_what_it_names_in_the_fragment"),
    ("response_modes_supported", "form_post", "form_post_answers_with_an_escaped_form"),
    ("response_modes_supported", "form_post.jwt", "a_form_posts_one_signed_field_which_may_hold_what_a_form_would_rewrite"),
    ("response_modes_supported", ANY, "a_code_comes_back_signed_where_the_mode_says_so"),
    ("authorization_response_iss_parameter_supported", ANY, "errors_go_back_with_state_and_iss_once_the_redirect_uri_is_good"),
    ("grant_types_supported", "authorization_code", "a_code_cannot_be_redeemed_twice_and_a_second_try_revokes_the_first"),
    ("grant_types_supported", "refresh_token", "a_public_clients_refresh_token_rotates_and_its_reuse_revokes_the_family"),
    ("grant_types_supported", "client_credentials", "client_credentials_give_an_access_token_and_nothing_else"),
    ("grant_types_supported", "implicit", "an_id_token_alone_tells_the_claims_of_the_scope"),
    ("grant_types_supported", "urn:ietf:params:oauth:grant-type:device_code", "a_person_connects_a_device"),
    (
        "grant_types_supported",
        "urn:ietf:params:oauth:grant-type:token-exchange",
        "x7_a_service_acts_for_a_person_and_says_so_all_the_way",
    ),
    ("grant_types_supported", "urn:ietf:params:oauth:grant-type:jwt-bearer", "a_service_acts_for_whom_a_trusted_issuer_names"),
    ("grant_types_supported", "urn:openid:params:grant-type:ciba", "a_person_elsewhere_says_yes"),
    ("code_challenge_methods_supported", "S256", "pkce_is_required_and_s256"),
    ("token_endpoint_auth_methods_supported", "client_secret_basic", "c3_c7_one_method_and_the_registered_one"),
    ("token_endpoint_auth_methods_supported", "client_secret_post", "c3_c7_one_method_and_the_registered_one"),
    (
        "token_endpoint_auth_methods_supported",
        "client_secret_jwt",
        "a_secret_authenticates_assertions_and_is_kept_sealed_only_for_that",
    ),
    ("token_endpoint_auth_methods_supported", "private_key_jwt", "a_client_proves_itself_with_each_kind_of_key_at_each_endpoint"),
    ("token_endpoint_auth_methods_supported", "none", "a_public_clients_refresh_token_rotates_and_its_reuse_revokes_the_family"),
    (
        "token_endpoint_auth_methods_supported",
        "tls_client_auth",
        "m1_a_client_is_known_by_the_name_that_an_authority_vouches_for",
    ),
    ("token_endpoint_auth_methods_supported", "self_signed_tls_client_auth", "m1_a_client_is_known_by_a_key_that_it_registered"),
    ("revocation_endpoint_auth_methods_supported", ANY, "every_way_to_authenticate_is_taken_at_every_endpoint_that_lists_it"),
    ("introspection_endpoint_auth_methods_supported", ANY, "every_way_to_authenticate_is_taken_at_every_endpoint_that_lists_it"),
    (
        "token_endpoint_auth_signing_alg_values_supported",
        "HS256",
        "a_secret_authenticates_assertions_and_is_kept_sealed_only_for_that",
    ),
    ("token_endpoint_auth_signing_alg_values_supported", ANY, "a_client_proves_itself_with_each_kind_of_key_at_each_endpoint"),
    (
        "revocation_endpoint_auth_signing_alg_values_supported",
        "HS256",
        "a_secret_authenticates_assertions_and_is_kept_sealed_only_for_that",
    ),
    (
        "revocation_endpoint_auth_signing_alg_values_supported",
        ANY,
        "a_client_proves_itself_with_each_kind_of_key_at_each_endpoint",
    ),
    (
        "introspection_endpoint_auth_signing_alg_values_supported",
        "HS256",
        "a_secret_authenticates_assertions_and_is_kept_sealed_only_for_that",
    ),
    (
        "introspection_endpoint_auth_signing_alg_values_supported",
        ANY,
        "a_client_proves_itself_with_each_kind_of_key_at_each_endpoint",
    ),
    ("tls_client_certificate_bound_access_tokens", ANY, "m3_a_token_that_is_bound_to_a_certificate_opens_nothing_without_it"),
    ("dpop_signing_alg_values_supported", ANY, "a_proof_may_be_signed_with_each_advertised_algorithm"),
    ("subject_types_supported", ANY, "u5_each_sector_knows_a_person_by_another_sub"),
    ("id_token_signing_alg_values_supported", ANY, "id_tokens_and_responses_are_signed_with_each_algorithm_that_is_listed"),
    ("userinfo_signing_alg_values_supported", ANY, "userinfo_is_signed_for_who_asked_for_that"),
    ("introspection_signing_alg_values_supported", ANY, "introspection_is_signed_for_who_asks_for_that"),
    ("authorization_signing_alg_values_supported", ANY, "id_tokens_and_responses_are_signed_with_each_algorithm_that_is_listed"),
    ("acr_values_supported", ANY, "every_acr_of_the_metadata_is_met_in_silence_or_led_to"),
    ("claim_types_supported", "normal", "userinfo_tells_the_claims_of_the_scope_with_their_types"),
    ("claims_supported", ANY, "every_claim_that_is_listed_is_told"),
    ("claims_parameter_supported", ANY, "the_claims_parameter_reaches_the_id_token_and_userinfo"),
    ("prompt_values_supported", "none", "errors_go_back_with_state_and_iss_once_the_redirect_uri_is_good"),
    ("prompt_values_supported", "login", "prompt_login_and_max_age_ask_for_the_password_again"),
    ("prompt_values_supported", "consent", "prompt_consent_asks_whatever_was_agreed_to_before"),
    ("prompt_values_supported", "select_account", "select_account_lets_a_person_stay_or_change"),
    ("prompt_values_supported", "create", "prompt_create_begins_with_an_account"),
    ("display_values_supported", ANY, "every_display_that_is_listed_is_taken"),
    ("ui_locales_supported", ANY, "a_client_may_ask_for_a_language_and_the_person_has_the_last_word"),
    ("request_parameter_supported", ANY, "a_signed_request_is_what_counts_and_nothing_beside_it"),
    ("request_object_signing_alg_values_supported", "none", "an_unsigned_object_is_for_clients_that_are_registered_so"),
    ("request_object_signing_alg_values_supported", ANY, "a_signed_request_is_what_counts_and_nothing_beside_it"),
    ("require_signed_request_object", ANY, "a_client_that_has_to_sign_is_not_answered_otherwise"),
    ("request_uri_parameter_supported", ANY, "a_published_request_is_what_counts_and_nothing_beside_it"),
    ("require_request_uri_registration", ANY, "a26_only_what_is_registered_is_asked_for"),
    ("backchannel_token_delivery_modes_supported", "poll", "a_person_elsewhere_says_yes"),
    ("backchannel_token_delivery_modes_supported", "ping", "a_client_is_told_that_there_is_an_answer_whatever_it_is"),
    (
        "backchannel_authentication_request_signing_alg_values_supported",
        ANY,
        "a_request_may_be_signed_with_each_algorithm_that_discovery_lists",
    ),
    ("backchannel_user_code_parameter_supported", ANY, "a_person_elsewhere_says_yes"),
    ("frontchannel_logout_supported", ANY, "every_application_of_the_session_is_loaded_in_a_frame"),
    ("frontchannel_logout_session_supported", ANY, "every_application_of_the_session_is_loaded_in_a_frame"),
    ("backchannel_logout_supported", ANY, "a_logout_token_is_signed_as_the_clients_id_tokens_are_and_is_none"),
    ("backchannel_logout_session_supported", ANY, "a_logout_token_is_signed_as_the_clients_id_tokens_are_and_is_none"),
    ("id_token_encryption_alg_values_supported", ANY, "an_id_token_is_signed_and_then_encrypted_for_its_client_alone"),
    ("id_token_encryption_enc_values_supported", ANY, "what_is_encrypted_in_each_way_is_decrypted_by_its_recipient_alone"),
    ("userinfo_encryption_alg_values_supported", ANY, "userinfo_is_encrypted_signed_or_not"),
    ("userinfo_encryption_enc_values_supported", ANY, "what_is_encrypted_in_each_way_is_decrypted_by_its_recipient_alone"),
    ("authorization_encryption_alg_values_supported", ANY, "authorization_responses_are_encrypted_successes_and_errors"),
    ("authorization_encryption_enc_values_supported", ANY, "what_is_encrypted_in_each_way_is_decrypted_by_its_recipient_alone"),
    ("introspection_encryption_alg_values_supported", ANY, "introspection_is_encrypted_for_who_asks_for_a_jwt"),
    ("introspection_encryption_enc_values_supported", ANY, "what_is_encrypted_in_each_way_is_decrypted_by_its_recipient_alone"),
    ("request_object_encryption_alg_values_supported", ANY, "an_encrypted_request_is_taken_in_every_way_that_discovery_lists"),
    ("request_object_encryption_enc_values_supported", ANY, "an_encrypted_request_is_taken_in_every_way_that_discovery_lists"),
    ("authorization_details_types_supported", ANY, "discovery_lists_the_types_that_there_are_now"),
];

const ALIAS: &str = "https://mtls.example";

fn everything(config: &mut Config) {
    config.legacy.response_types = true;
    config.client_registration.mode = ClientRegistrationMode::Open;
    config.client_id_metadata_documents.enabled = true;
    config.session.check_session_iframe = true;
    config.registration.mode = RegistrationMode::Open;
    config.server.trusted_proxies = vec!["0.0.0.0/32".parse().unwrap()];
    config.server.client_certificate_header = true;
    config.tls.mtls_origin = ALIAS.to_owned();
    config.tokens.scopes.insert("files:read".to_owned(), "Read your files".to_owned());
    config.jwt_bearer.issuers = vec![TrustedIssuer {
        issuer: "https://hr.example".to_owned(),
        jwks_file: std::path::PathBuf::new(),
        jwks_uri: "https://hr.example/jwks.json".to_owned(),
        algorithms: vec![Algorithm::ES256],
        subject: SubjectIs::SignInName,
        scopes: vec!["files:read".to_owned()],
        audiences: Vec::new(),
        clients: Vec::new(),
    }];
}

/// A server with everything switched on.
async fn with_everything() -> TestServer {
    let server = TestServer::start_with(TestDatabase::sqlite().await, everything).await;
    let payment = json!({ "description": "Pay", "schema": {} });
    register(&server, "https://bank.example/", json!({ "name": "Bank", "authorization_details_types": { "payment": payment } }))
        .await;
    server
}

/// What the document says: each member with its values, or with the one that it has.
async fn said(server: &TestServer) -> BTreeMap<String, BTreeSet<String>> {
    let document = server.get("/.well-known/openid-configuration").await.json();
    let word = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let values = |value: &Value| match value {
        Value::Array(values) => values.iter().map(word).collect(),
        value => BTreeSet::from([word(value)]),
    };
    document.as_object().unwrap().iter().map(|(member, value)| (member.clone(), values(value))).collect()
}

#[tokio::test]
async fn whatever_the_document_says_has_a_test_that_uses_it() {
    let said = said(&with_everything().await).await;
    for (member, values) in &said {
        for value in values {
            let listed = USED.iter().any(|(name, used, _)| name == member && (*used == ANY || used == value));
            assert!(listed, "no test uses {member}: {value}");
        }
    }
    for (member, value, _) in USED {
        let values = said.get(*member).unwrap_or_else(|| panic!("{member} is in no document"));
        assert!(*value == ANY || values.contains(*value), "{member}: {value} is in no document");
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code: String = [root.join("tests/it"), root.join("src")]
        .iter()
        .flat_map(|folder| rust_files(folder))
        .map(|file| std::fs::read_to_string(file).unwrap())
        .collect();
    let lost: Vec<_> = USED.iter().map(|(_, _, test)| test).filter(|test| !code.contains(&format!("fn {test}("))).collect();
    assert!(lost.is_empty(), "there are no such tests: {lost:?}");
}

#[tokio::test]
async fn what_is_switched_off_is_not_said_and_is_refused() {
    let on = said(&with_everything().await).await;
    let server = TestServer::start(TestDatabase::sqlite().await).await;
    let off = said(&server).await;
    let missing = |member: &String| off.get(member).cloned().unwrap_or_default();
    let mut refused = 0;
    for (member, values) in &on {
        for value in values.difference(&missing(member)) {
            assert_refused(&server, member, value).await;
            refused += 1;
        }
    }
    assert!(refused >= 18, "{refused}");
}

/// What such a request gets where it is off.
async fn assert_refused(server: &TestServer, member: &str, value: &str) {
    let web = server.client(Persona::Web, |metadata| metadata.grant_types.push(GrantType::Implicit)).await;
    let authorize = AuthorizationUrl::new(&web);
    let error = async |url: AuthorizationUrl| {
        let params = server.get(&url.path()).await.redirect_params();
        params.get("error").cloned().unwrap_or_else(|| panic!("{member} {value}: {params:?}"))
    };
    match (member, value) {
        ("registration_endpoint", _) => {
            let answer = server.post_with("/client-registration", &[], &[]).await;
            assert!([403, 404].contains(&answer.status.as_u16()), "{answer:#?}");
        }
        ("client_id_metadata_document_supported", _) => {
            let page = server.get(&authorize.with("client_id", "https://app.example/client.json").path()).await;
            assert_page(&page, 400);
        }
        ("check_session_iframe", _) => assert_eq!(server.get("/check-session").await.status, 404),
        // Nobody is reached there.
        ("mtls_endpoint_aliases", _) => {
            let (service, prover) = (server.client(Persona::Service, |_| {}).await, Prover::new());
            let mut claims = Prover::claims(server, "POST", "/token");
            claims["htu"] = format!("{ALIAS}/token").into();
            assert_error(&ask(server, &service, &[&prover.sign(&claims)]).await, 400, "invalid_dpop_proof");
        }
        ("authorization_details_types_supported", _) => {
            let details = json!([{ "type": value }]).to_string();
            assert_eq!(error(authorize.with("authorization_details", &details)).await, "invalid_authorization_details");
        }
        ("grant_types_supported", "implicit") => {
            assert_eq!(error(authorize.with("response_type", "id_token")).await, "unsupported_response_type");
        }
        ("grant_types_supported", _) => {
            let answer = server.token(&web, &[("grant_type", value), ("assertion", "a.b.c")]).await;
            assert_error(&answer, 400, "unsupported_grant_type");
        }
        ("response_types_supported", _) => {
            assert_eq!(error(authorize.with("response_type", value)).await, "unsupported_response_type");
        }
        ("prompt_values_supported", "create") => assert_eq!(error(authorize.with("prompt", value)).await, "invalid_request"),
        ("scopes_supported", _) => assert_eq!(error(authorize.with("scope", value)).await, "invalid_scope"),
        ("token_endpoint_auth_methods_supported", method) => assert_unseen(server, "/token", method).await,
        ("revocation_endpoint_auth_methods_supported", method) => assert_unseen(server, "/revoke", method).await,
        ("introspection_endpoint_auth_methods_supported", method) => assert_unseen(server, "/introspect", method).await,
        ("tls_client_certificate_bound_access_tokens", _) => assert_unseen(server, "/token", "self_signed_tls_client_auth").await,
        _ => panic!("nobody shows that {member} {value} is refused where it is off"),
    }
}

/// A certificate is worth nothing where none can be seen.
async fn assert_unseen(server: &TestServer, path: &str, method: &str) {
    let method = ClientAuthMethod::ALL.into_iter().find(|known| known.as_str() == method).unwrap();
    assert!(method.has_certificate(), "{method:?}");
    let held = self_signed("CN=a");
    let client = with_key(server, method, &json!({ "keys": [held.jwk()] })).await;
    let fields = [("grant_type", "client_credentials"), ("client_id", client.id()), ("token", "x")];
    assert_error(&server.post_with(path, &[("client-cert", &held.field())], &fields).await, 401, "invalid_client");
}

async fn with_key(server: &TestServer, method: ClientAuthMethod, keys: &Value) -> TestClient {
    server
        .client(Persona::Service, |metadata| {
            metadata.token_endpoint_auth_method = method;
            metadata.tls_client_auth_subject_dn = (method == ClientAuthMethod::TlsClientAuth).then(|| "CN=a".to_owned());
            metadata.jwks = (method == ClientAuthMethod::SelfSignedTlsClientAuth).then(|| keys.clone());
        })
        .await
}
