//! What contradicts the profile that a client is to be held to.

use super::Problems;
use crate::protocol::client::{ApplicationType, AssertionAlgorithm, ClientMetadata, RequestObjectAlgorithm};
use crate::protocol::redirect_uri::RedirectUri;
use crate::protocol::security_profile::{Demands, SecurityProfile};

pub(super) fn check(metadata: &ClientMetadata, problems: &mut Problems) {
    let Some(profile) = metadata.profile else { return };
    let demands = profile.demands();
    if !demands.methods.contains(&metadata.token_endpoint_auth_method) {
        let methods: Vec<_> = demands.methods.iter().map(|method| method.as_str()).collect();
        problems.add("token_endpoint_auth_method", "profile_method", of(profile, &methods));
    }
    if !metadata.grant_types.iter().all(|grant| demands.grant_types.contains(grant)) {
        let grants: Vec<_> = demands.grant_types.iter().map(|grant| grant.as_str()).collect();
        problems.add("grant_types", "profile_grant_type", of(profile, &grants));
    }
    if metadata.response_types.iter().any(|kind| kind.is_legacy()) {
        problems.add("response_types", "profile_response_type", of(profile, &["code"]));
    }
    if metadata.legacy_assertion_audience {
        let message = format!("must not be set: for the profile {} the audience is the issuer", profile.as_str());
        problems.add("legacy_assertion_audience", "profile_audience", message);
    }
    if demands.steady_refresh_tokens && metadata.rotate_refresh_tokens {
        let message = format!("must not be set: for the profile {} refresh tokens stay as they are", profile.as_str());
        problems.add("rotate_refresh_tokens", "profile_rotation", message);
    }
    algorithms(metadata, (profile, demands), problems);
    // What is http and not on this machine is refused of everybody.
    if demands.encrypted_redirects && metadata.application_type == ApplicationType::Web {
        for (index, text) in metadata.redirect_uris.iter().enumerate() {
            if RedirectUri::parse(text).is_ok_and(|uri| uri.is_loopback()) {
                problems.add(
                    format!("redirect_uris[{index}]"),
                    "profile_redirect_uri",
                    "must be https for the profile of the client",
                );
            }
        }
    }
}

fn algorithms(metadata: &ClientMetadata, (profile, demands): (SecurityProfile, &Demands), problems: &mut Problems) {
    let names: Vec<_> = demands.algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
    let of_assertions = metadata.token_endpoint_auth_signing_alg.map(AssertionAlgorithm::of_keys);
    let of_requests = metadata.request_object_signing_alg.map(RequestObjectAlgorithm::of_keys);
    for (field, algorithm) in [
        ("token_endpoint_auth_signing_alg", of_assertions),
        ("request_object_signing_alg", of_requests),
        ("id_token_signed_response_alg", Some(Some(metadata.id_token_signed_response_alg))),
        ("access_token_signed_response_alg", Some(Some(metadata.access_token_signed_response_alg))),
        ("authorization_signed_response_alg", Some(Some(metadata.authorization_signed_response_alg))),
        ("introspection_signed_response_alg", Some(Some(metadata.introspection_signed_response_alg))),
        ("userinfo_signed_response_alg", metadata.userinfo_signed_response_alg.map(Some)),
    ] {
        let fits = |algorithm: Option<_>| algorithm.is_some_and(|algorithm| demands.algorithms.contains(&algorithm));
        if algorithm.is_some_and(|algorithm| !fits(algorithm)) {
            problems.add(field, "profile_algorithm", of(profile, &names));
        }
    }
}

fn of(profile: SecurityProfile, choices: &[&str]) -> String {
    format!("must be of {} for the profile {}", choices.join(", "), profile.as_str())
}
