//! What each combination of factors is worth, and what is asked for next.

use proptest::prelude::*;

use super::*;

const NOON: Timestamp = Timestamp::from_seconds(1_800_000_000);
const KEY: Method = Method::Passkey { user_verified: false, device_bound: true };
const VERIFIED_KEY: Method = Method::Passkey { user_verified: true, device_bound: false };

fn factors(methods: &[Method]) -> Factors {
    methods.iter().fold(Factors::default(), |factors, method| factors.and(*method, NOON))
}

/// The factors, their `amr`, the strongest `acr`, and all that they satisfy.
type Row = (&'static [Method], &'static [&'static str], Acr, &'static [Acr]);

#[test]
fn each_combination_has_its_amr_and_its_acr() {
    use Method::{Password, RecoveryCode, Totp};
    let rows: [Row; 8] = [
        (&[Password], &["pwd"], Acr::Single, &[Acr::Single]),
        (&[Password, Totp], &["pwd", "otp", "mfa"], Acr::Multi, &[Acr::Single, Acr::Multi]),
        (&[Password, RecoveryCode], &["pwd", "otp", "mfa"], Acr::Multi, &[Acr::Single, Acr::Multi]),
        (&[Password, KEY], &["pwd", "hwk", "user", "mfa"], Acr::PhishingResistant, &Acr::ALL),
        (&[VERIFIED_KEY], &["swk", "user", "mfa"], Acr::PhishingResistant, &Acr::ALL),
        // Had, and neither known nor verified.
        (&[KEY], &["hwk", "user"], Acr::PhishingResistant, &[Acr::Single, Acr::PhishingResistant]),
        (&[Totp, RecoveryCode], &["otp"], Acr::Single, &[Acr::Single]),
        (&[Totp, KEY], &["otp", "hwk", "user"], Acr::PhishingResistant, &[Acr::Single, Acr::PhishingResistant]),
    ];
    for (methods, amr, strongest, satisfied) in rows {
        let factors = factors(methods);
        assert_eq!(factors.amr(), amr, "{methods:?}");
        assert_eq!(factors.acr(), strongest, "{methods:?}");
        for acr in Acr::ALL {
            assert_eq!(factors.satisfies(acr), satisfied.contains(&acr), "{methods:?} {acr}");
            assert_eq!(acr.is_met_by(&factors.amr()), satisfied.contains(&acr), "{methods:?} {acr}");
        }
    }
    assert!(!factors(&[]).satisfies(Acr::Single));
}

#[test]
fn a_token_says_the_acr_that_was_asked_for_if_it_was_reached() {
    let both = factors(&[Method::Password, Method::Totp]);
    for (asked, told) in [(&["1"][..], "1"), (&["phr", "1"], "1"), (&["phr"], "2"), (&["phr", "2", "1"], "2"), (&["x"], "2")] {
        assert_eq!(both.acr_for(asked.iter().copied()).as_str(), told, "{asked:?}");
    }
    assert_eq!(both.acr_for([]).as_str(), "2");
}

#[test]
fn factors_are_stored_under_their_words_and_unknown_words_prove_nothing() {
    let factors = factors(&Method::ALL);
    let json = serde_json::to_string(&factors).unwrap();
    assert_eq!(serde_json::from_str::<Factors>(&json).unwrap(), factors);
    let newer: Factors = serde_json::from_str(r#"{"pwd":5,"retina":6}"#).unwrap();
    assert_eq!(newer, Factors::of(Method::Password, Timestamp::from_micros(5)));
    assert!(serde_json::from_str::<Factors>("{}").unwrap().is_empty());
}

#[test]
fn only_what_was_proved_since_counts_when_freshness_is_asked_for() {
    let (early, late) = (Timestamp::from_seconds(10), Timestamp::from_seconds(20));
    let factors = Factors::of(Method::Password, early).and(Method::Totp, late);
    assert_eq!(factors.latest(), Some(late));
    assert_eq!(factors.since(late), Factors::of(Method::Totp, late));
    assert_eq!(factors.since(early), factors);
    assert_eq!(Factors::of(Method::Password, late).union(&factors), factors.and(Method::Password, late));
}

const NONE: Enrolled = Enrolled { password: true, totp: false, recovery_codes: false, passkeys: false };
const APP: Enrolled = Enrolled { totp: true, recovery_codes: true, ..NONE };
const APP_AND_KEY: Enrolled = Enrolled { passkeys: true, ..APP };

#[test]
fn what_is_missing_is_asked_for_and_no_more() {
    let pwd = factors(&[Method::Password]);
    let code = Offer { totp: true, recovery_code: true, passkey: false };
    let key = Offer { totp: false, recovery_code: false, passkey: true };
    let rows: [(&Factors, Enrolled, &[Acr], Missing); 9] = [
        (&pwd, NONE, &[], Missing::Nothing),
        (&pwd, APP_AND_KEY, &[Acr::Single], Missing::Nothing),
        (&pwd, APP, &[Acr::Multi], Missing::Proof(code)),
        (&pwd, APP_AND_KEY, &[Acr::Multi], Missing::Proof(Offer { passkey: true, ..code })),
        (&pwd, APP_AND_KEY, &[Acr::Multi, Acr::PhishingResistant], Missing::Proof(key)),
        // The code first: nobody sets up a passkey on half a login.
        (&pwd, APP, &[Acr::Multi, Acr::PhishingResistant], Missing::Proof(code)),
        (&pwd, NONE, &[Acr::Multi, Acr::PhishingResistant], Missing::Enrolment(Acr::PhishingResistant)),
        (&pwd, NONE, &[Acr::Multi], Missing::Enrolment(Acr::Multi)),
        (&factors(&[VERIFIED_KEY]), APP_AND_KEY, &[Acr::Multi, Acr::PhishingResistant], Missing::Nothing),
    ];
    for (factors, enrolled, required, expected) in rows {
        assert_eq!(missing(factors, enrolled, required), expected, "{factors:?} {enrolled:?} {required:?}");
    }
    assert_eq!(APP.own_requirement(), Some(Acr::Multi));
    assert_eq!(NONE.own_requirement(), None);
}

proptest! {
    /// Whoever proves one of what is offered after a password is never asked for another proof.
    #[test]
    fn one_second_factor_is_enough(totp: bool, recovery_codes: bool, passkeys: bool, wanted in prop::sample::subsequence(Acr::ALL.to_vec(), 0..=3)) {
        let enrolled = Enrolled { password: true, totp, recovery_codes, passkeys };
        let first = factors(&[Method::Password]);
        if let Missing::Proof(offer) = missing(&first, enrolled, &wanted) {
            let proofs: Vec<Method> = Method::ALL.into_iter().filter(|method| offer.holds(*method)).collect();
            prop_assert!(!proofs.is_empty());
            for method in proofs {
                let after = missing(&first.clone().and(method, NOON), enrolled, &wanted);
                prop_assert!(!matches!(after, Missing::Proof(_)), "{:?}", after);
            }
        }
    }
}
