//! What response types may be registered.

use super::*;
use crate::protocol::response_type::ResponseType;

#[test]
fn response_types_and_grant_types_go_together() {
    let with = |types: &[ResponseType], grants: &[GrantType]| {
        problems(|metadata| {
            metadata.response_types = types.to_vec();
            metadata.grant_types = grants.to_vec();
        })
    };
    let (code, implicit) = (GrantType::AuthorizationCode, GrantType::Implicit);
    let none = GrantType::ClientCredentials;
    for (types, grants) in [
        (vec![], vec![code]),
        (vec![], vec![none]),
        (vec![ResponseType::Code], vec![code]),
        (vec![ResponseType::IdToken], vec![implicit]),
        (vec![ResponseType::CodeToken], vec![code, implicit]),
        (vec![ResponseType::Code, ResponseType::IdTokenToken], vec![implicit, code]),
    ] {
        assert_eq!(with(&types, &grants), NONE, "{types:?} {grants:?}");
    }
    for (types, grants) in [
        (vec![], vec![implicit]),
        (vec![], vec![code, implicit]),
        (vec![ResponseType::Code], vec![code, implicit]),
        (vec![ResponseType::Code], vec![none]),
        (vec![ResponseType::IdToken], vec![code]),
        (vec![ResponseType::IdToken], vec![code, implicit]),
        (vec![ResponseType::CodeIdToken], vec![code]),
        (vec![ResponseType::CodeIdToken], vec![implicit]),
    ] {
        assert_eq!(with(&types, &grants), ["response_types grant_types"], "{types:?} {grants:?}");
    }
    assert_eq!(with(&[ResponseType::Code, ResponseType::Code], &[code]), ["response_types duplicate"]);
}

#[test]
fn tokens_through_the_browser_are_for_openid_over_https_and_not_bound() {
    let implicit = |change: fn(&mut ClientMetadata)| {
        problems(|metadata| {
            metadata.grant_types = vec![GrantType::Implicit];
            metadata.response_types = vec![ResponseType::IdTokenToken];
            change(metadata);
        })
    };
    assert_eq!(implicit(|_| {}), NONE);
    assert_eq!(implicit(|metadata| metadata.scope = Scope::default()), ["scope openid_missing"]);
    assert_eq!(implicit(|metadata| metadata.dpop_bound_access_tokens = true), ["response_types bound_tokens"]);
    assert_eq!(implicit(|metadata| metadata.tls_client_certificate_bound_access_tokens = true), ["response_types bound_tokens"]);
    assert_eq!(
        implicit(|metadata| metadata.redirect_uris = vec!["http://127.0.0.1/cb".to_owned()]),
        ["redirect_uris[0] implicit"]
    );
    assert_eq!(
        implicit(|metadata| metadata.redirect_uris = vec!["https://localhost/cb".to_owned()]),
        ["redirect_uris[0] implicit"]
    );
    assert_eq!(implicit(|metadata| metadata.redirect_uris.clear()), ["redirect_uris required"]);
    let off = RegistrationPolicy { legacy_response_types: false, ..policy() };
    let client = client(|metadata| {
        metadata.grant_types = vec![GrantType::Implicit];
        metadata.response_types = vec![ResponseType::IdToken];
    });
    let problems = validate(&client.metadata, &off).unwrap_err();
    assert_eq!(problems.iter().map(|problem| problem.code).collect::<Vec<_>>(), ["legacy"]);
}
