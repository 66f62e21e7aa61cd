//! What contradicts FAPI 2.0.

use serde_json::json;

use super::*;
use crate::protocol::client::RequestObjectAlgorithm;
use crate::protocol::response_type::ResponseType;
use crate::protocol::security_profile::SecurityProfile;

/// A client that fits both profiles, changed.
fn held_to(profile: SecurityProfile, change: fn(&mut ClientMetadata)) -> Vec<String> {
    let es256 = json!({
        "kty": "EC", "crv": "P-256", "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
        "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    problems(|metadata| {
        metadata.profile = Some(profile);
        metadata.token_endpoint_auth_method = ClientAuthMethod::PrivateKeyJwt;
        metadata.jwks = Some(json!({ "keys": [es256] }));
        metadata.id_token_signed_response_alg = Algorithm::ES256;
        metadata.authorization_signed_response_alg = Algorithm::ES256;
        metadata.introspection_signed_response_alg = Algorithm::ES256;
        change(metadata);
    })
}

/// A change, and what is wrong with the client by it.
type Case = (fn(&mut ClientMetadata), &'static [&'static str]);

#[test]
fn what_contradicts_the_profile_of_a_client_is_refused() {
    let cases: &[Case] = &[
        (|_| {}, &[]),
        (|metadata| metadata.grant_types = vec![GrantType::ClientCredentials], &[]),
        (|metadata| metadata.tls_client_certificate_bound_access_tokens = true, &[]),
        // FAPI 2.0 Security Profile §5.3.2.1.
        (
            |metadata| metadata.token_endpoint_auth_method = ClientAuthMethod::ClientSecretBasic,
            &["token_endpoint_auth_method profile_method"],
        ),
        (
            |metadata| metadata.token_endpoint_auth_method = ClientAuthMethod::ClientSecretJwt,
            &["token_endpoint_auth_method profile_method"],
        ),
        (|metadata| metadata.token_endpoint_auth_method = ClientAuthMethod::None, &["token_endpoint_auth_method profile_method"]),
        (|metadata| metadata.legacy_assertion_audience = true, &["legacy_assertion_audience profile_audience"]),
        (|metadata| metadata.rotate_refresh_tokens = true, &["rotate_refresh_tokens profile_rotation"]),
        (|metadata| metadata.grant_types.push(GrantType::DeviceCode), &["grant_types profile_grant_type"]),
        // §5.3.2.2.
        (
            |metadata| {
                metadata.grant_types.push(GrantType::Implicit);
                metadata.response_types = vec![ResponseType::CodeIdToken];
            },
            &["grant_types profile_grant_type", "response_types profile_response_type"],
        ),
        (
            |metadata| metadata.redirect_uris = vec!["https://a.ex/".to_owned(), "http://localhost/cb".to_owned()],
            &["redirect_uris[1] profile_redirect_uri"],
        ),
        (
            |metadata| {
                metadata.application_type = ApplicationType::Native;
                metadata.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()];
            },
            &[],
        ),
        // §5.4.1.
        (
            |metadata| metadata.id_token_signed_response_alg = Algorithm::RS256,
            &["id_token_signed_response_alg profile_algorithm"],
        ),
        (
            |metadata| metadata.access_token_signed_response_alg = Algorithm::RS256,
            &["access_token_signed_response_alg profile_algorithm"],
        ),
        (
            |metadata| metadata.authorization_signed_response_alg = Algorithm::RS256,
            &["authorization_signed_response_alg profile_algorithm"],
        ),
        (
            |metadata| metadata.introspection_signed_response_alg = Algorithm::RS256,
            &["introspection_signed_response_alg profile_algorithm"],
        ),
        (
            |metadata| metadata.userinfo_signed_response_alg = Some(Algorithm::RS256),
            &["userinfo_signed_response_alg profile_algorithm"],
        ),
        (
            |metadata| {
                metadata.jwks = None;
                metadata.jwks_uri = Some("https://app.ex/jwks".to_owned());
                metadata.token_endpoint_auth_signing_alg = Some(AssertionAlgorithm::RS256);
                metadata.request_object_signing_alg = Some(RequestObjectAlgorithm::RS256);
            },
            &["token_endpoint_auth_signing_alg profile_algorithm", "request_object_signing_alg profile_algorithm"],
        ),
    ];
    for (change, expected) in cases {
        for profile in SecurityProfile::ALL {
            assert_eq!(held_to(profile, *change), *expected);
        }
    }
    let unsigned = |metadata: &mut ClientMetadata| metadata.request_object_signing_alg = Some(RequestObjectAlgorithm::Unsigned);
    let both = ["request_object_signing_alg unsigned", "request_object_signing_alg profile_algorithm"];
    assert_eq!(held_to(SecurityProfile::Fapi2MessageSigning, unsigned), both);
}
