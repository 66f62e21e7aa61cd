//! What holds in every situation.

use proptest::prelude::*;

use super::*;

fn any_case() -> impl Strategy<Value = Case> {
    let pick = |values: Vec<&'static str>| prop::sample::select(values);
    let request = (
        pick(vec!["", "none", "login", "consent", "select_account", "login consent select_account", "create", "create login"]),
        pick(vec!["", "0", "60", "86400"]),
        pick(vec!["openid", "openid email", "email", "openid phone offline_access"]),
        pick(vec![
            "{}",
            r#"{"userinfo":{"name":null}}"#,
            r#"{"id_token":{"acr":{"essential":true,"value":"2"}}}"#,
            r#"{"id_token":{"sub":{"value":"bob"}}}"#,
        ]),
        pick(vec!["", "2", "1", "9", "phr 2"]),
    );
    let acrs = |most| prop::sample::subsequence(Acr::ALL.to_vec(), 0..=most);
    let standing = (any::<[bool; 3]>(), acrs(2), prop::option::of(prop::sample::select(Acr::ALL.to_vec())));
    let situation = (
        pick(vec!["", "alice", "bob"]),
        -100_i64..100,
        any::<bool>(),
        any::<bool>(),
        any::<bool>(),
        prop::option::of(pick(vec!["alice", "bob"])),
    );
    (request, situation, standing).prop_map(
        |((prompt, max_age, scope, claims, acrs), (name, ago, chosen, remembered, posing, hint), (has, required, of_client))| {
            let pairs = [("prompt", prompt), ("max_age", max_age), ("scope", scope), ("claims", claims), ("acr_values", acrs)];
            let case = Case {
                hint: hint.map(user),
                user: (!name.is_empty()).then(|| user(name)),
                auth_time: NOW - Seconds(ago),
                account_selected: chosen,
                remembered: remembered.then(|| consented("openid email phone offline_access", &["name"])),
                enrolled: Enrolled { password: true, totp: has[0], recovery_codes: has[1], passkeys: has[2] },
                required,
                ..case(&pairs)
            };
            case.with_client(|metadata| {
                metadata.required_acr = of_client;
                if posing {
                    metadata.token_endpoint_auth_method = ClientAuthMethod::None;
                    metadata.redirect_uris = vec!["http://localhost/cb".to_owned()];
                }
            })
        },
    )
}

proptest! {
    #[test]
    fn prompt_none_never_shows_anything(mut case in any_case()) {
        case.pairs[0] = ("prompt", "none");
        let decision = case.decide();
        prop_assert!(matches!(decision, Decision::Issue { .. } | Decision::Refuse(_)), "{:?}", decision);
    }

    #[test]
    fn every_flow_ends_if_the_person_does_what_is_asked(mut case in any_case()) {
        let passkey = Method::Passkey { user_verified: false, device_bound: true };
        for _ in 0..7 {
            match case.decide() {
                Decision::LogIn { .. } => {
                    case.user.get_or_insert_with(|| user("alice"));
                    case = case.logged_in_now();
                    case.factors = vec![Method::Password];
                }
                Decision::ProveFactor(offer) => {
                    let proof = [Method::Totp, Method::RecoveryCode, passkey].into_iter().find(|method| offer.holds(*method));
                    case.factors.push(proof.expect("something is on offer"));
                }
                Decision::EnrolFactor(Acr::PhishingResistant) => {
                    case.enrolled.passkeys = true;
                    case.factors.push(passkey);
                }
                Decision::EnrolFactor(_) => {
                    case.enrolled.totp = true;
                    case.factors.push(Method::Totp);
                }
                Decision::SelectAccount => case.account_selected = true,
                Decision::AskConsent(asked) => case.consented_now = Some(asked),
                Decision::Issue { .. } | Decision::Refuse(_) => return Ok(()),
            }
        }
        prop_assert!(false, "no end");
    }

    #[test]
    fn nothing_is_issued_on_less_than_is_required(mut case in any_case()) {
        case.factors = vec![Method::Password];
        if let Decision::Issue { acr, .. } = case.decide() {
            prop_assert_eq!(acr, Acr::Single);
            prop_assert!(case.required.iter().chain(&case.client.metadata.required_acr).all(|acr| *acr == Acr::Single));
            prop_assert!(!case.enrolled.totp);
        }
    }

    #[test]
    fn nothing_is_issued_about_anybody_but_the_hinted_person(case in any_case()) {
        if let (Decision::Issue { .. }, Some(hint)) = (case.decide(), &case.hint) {
            prop_assert_eq!(case.user.as_ref(), Some(hint));
        }
    }
}
