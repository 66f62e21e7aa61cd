//! When a person is asked for consent, and what it gives.

use super::*;

#[test]
fn without_consent_the_person_is_asked_and_with_prompt_none_it_is_an_error() {
    let never = |pairs: &[_]| Case { remembered: None, ..case(pairs) };
    assert_eq!(never(&[]).question(), consented("openid email", &[]));
    assert_eq!(never(&[("prompt", "none")]).refusal(), ErrorCode::ConsentRequired);
}

#[test]
fn one_more_scope_value_is_asked_for_again() {
    let more = [("scope", "openid email phone")];
    assert_eq!(case(&more).question(), consented("openid email phone", &[]));
    assert_eq!(case(&[more[0], ("prompt", "none")]).refusal(), ErrorCode::ConsentRequired);
    assert_eq!(case(&[("scope", "openid")]).issued(), "openid");
}

#[test]
fn a_single_claim_beyond_the_scope_needs_consent_too() {
    let phone = ("claims", r#"{"userinfo":{"phone_number":null,"email":null},"id_token":{"auth_time":{"essential":true}}}"#);
    assert_eq!(case(&[phone]).question(), consented("openid email", &["phone_number"]));
    assert_eq!(case(&[phone, ("prompt", "none")]).refusal(), ErrorCode::ConsentRequired);
    let agreed = Case { remembered: Some(consented("openid email", &["phone_number"])), ..case(&[phone]) };
    assert_eq!(agreed.issued(), "email openid");
    let agreed_to_the_scope = Case { remembered: Some(consented("openid email phone", &[])), ..case(&[phone]) };
    assert_eq!(agreed_to_the_scope.issued(), "email openid");
}

#[test]
fn prompt_consent_asks_whatever_was_agreed_to_before() {
    assert_eq!(case(&[("prompt", "consent")]).question(), consented("openid email", &[]));
    let first_party = case(&[("prompt", "consent")]).with_client(|metadata| metadata.first_party = true);
    assert_eq!(first_party.question(), consented("openid email", &[]));
}

#[test]
fn what_was_agreed_to_now_is_issued_and_no_more() {
    let claims = ("claims", r#"{"userinfo":{"phone_number":null,"email":null,"name":null}}"#);
    let partly = Case { consented_now: Some(consented("openid phone", &["name"])), ..case(&[claims, ("prompt", "consent")]) };
    match partly.decide() {
        Decision::Issue { scope, claims, .. } => {
            assert_eq!(scope.to_string(), "openid");
            assert_eq!(claims.userinfo.keys().collect::<Vec<_>>(), ["name"]);
        }
        other => panic!("{other:?}"),
    }
    let only_login = Case { consented_now: Some(ConsentedScope::default()), ..case(&[]) };
    assert_eq!(only_login.issued(), "openid");
    let nothing = Case { consented_now: Some(ConsentedScope::default()), ..case(&[("scope", "email")]) };
    assert_eq!(nothing.refusal(), ErrorCode::AccessDenied);
}

#[test]
fn consent_does_not_stand_in_for_the_login() {
    let consented_now = Some(consented("openid email", &[]));
    let stale = Case { consented_now: consented_now.clone(), ..case(&[("prompt", "login")]) };
    assert_eq!(stale.login_reason(), LoginReason::Prompt);
    let anonymous = Case { consented_now, user: None, ..case(&[]) };
    assert_eq!(anonymous.login_reason(), LoginReason::NoSession);
}

#[test]
fn a_first_party_client_skips_the_consent() {
    let first_party = |pairs: &[_]| Case { remembered: None, ..case(pairs) }.with_client(|metadata| metadata.first_party = true);
    assert_eq!(first_party(&[]).issued(), "email openid");
    assert_eq!(first_party(&[("prompt", "none")]).issued(), "email openid");
}

#[test]
fn a_client_that_anybody_can_pose_as_is_never_answered_in_silence() {
    for uri in ["com.example.app:/cb", "http://127.0.0.1/cb", "http://localhost:3000/cb"] {
        for first_party in [false, true] {
            let posed = |pairs: &[_]| {
                case(pairs).with_client(|metadata| {
                    metadata.application_type = ApplicationType::Native;
                    metadata.token_endpoint_auth_method = ClientAuthMethod::None;
                    metadata.redirect_uris = vec![uri.to_owned()];
                    metadata.first_party = first_party;
                })
            };
            assert_eq!(posed(&[("prompt", "none")]).refusal(), ErrorCode::InteractionRequired, "{uri}");
            assert_eq!(posed(&[]).question(), consented("openid email", &[]));
            assert_eq!(posed(&[]).logged_in_now().question(), consented("openid email", &[]));
            let agreed = Case { consented_now: Some(consented("openid email", &[])), ..posed(&[]) };
            assert_eq!(agreed.issued(), "email openid");
            assert_eq!(Case { user: None, ..posed(&[("prompt", "none")]) }.refusal(), ErrorCode::LoginRequired);
        }
    }
}

#[test]
fn a_public_client_on_https_and_a_confidential_one_on_loopback_are_known() {
    let page = case(&[("prompt", "none")]).with_client(|metadata| metadata.token_endpoint_auth_method = ClientAuthMethod::None);
    assert_eq!(page.issued(), "email openid");
    let local =
        case(&[("prompt", "none")]).with_client(|metadata| metadata.redirect_uris = vec!["http://localhost:3000/cb".to_owned()]);
    assert_eq!(local.issued(), "email openid");
}
