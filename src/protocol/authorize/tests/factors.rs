//! Which factors a request gets, by what the session has, what its person set up, and what is asked for: one row a case.

use super::*;

const PWD: &[Method] = &[Method::Password];
const CODE: &[Method] = &[Method::Password, Method::Totp];
const KEY: &[Method] = &[Method::Passkey { user_verified: true, device_bound: false }];
const SECOND_KEY: &[Method] = &[Method::Password, Method::Passkey { user_verified: false, device_bound: true }];

const NOTHING: Enrolled = Enrolled { password: true, totp: false, recovery_codes: false, passkeys: false };
const APP: Enrolled = Enrolled { totp: true, recovery_codes: true, ..NOTHING };
const PASSKEY: Enrolled = Enrolled { passkeys: true, ..NOTHING };
const BOTH: Enrolled = Enrolled { passkeys: true, ..APP };

#[derive(Clone, Copy, Debug)]
enum Asks {
    Nothing,
    /// `acr_values`.
    Wish(&'static str),
    /// As an essential claim.
    Essential(&'static str),
    /// The client's registration.
    Client(Acr),
    /// The policy of a role.
    Role(Acr),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gets {
    /// A code whose tokens say this `acr`.
    Acr(&'static str),
    /// Totp, recovery code, passkey.
    Prove(bool, bool, bool),
    Enrol(Acr),
    Error(ErrorCode),
}

use Acr::{Multi, PhishingResistant};
use Asks::{Client, Essential, Nothing, Role, Wish};

const ROWS: &[(&[Method], Enrolled, Asks, Gets)] = &[
    // Nobody asks for anything.
    (PWD, NOTHING, Nothing, Gets::Acr("1")),
    (CODE, APP, Nothing, Gets::Acr("2")),
    (KEY, PASSKEY, Nothing, Gets::Acr("phr")),
    (SECOND_KEY, PASSKEY, Nothing, Gets::Acr("phr")),
    // But whoever set up an app uses it, unless a passkey verified them.
    (PWD, APP, Nothing, Gets::Prove(true, true, false)),
    (PWD, BOTH, Nothing, Gets::Prove(true, true, true)),
    (PWD, PASSKEY, Nothing, Gets::Acr("1")),
    (KEY, BOTH, Nothing, Gets::Acr("phr")),
    // A wish is met with what is there, and never refused.
    (PWD, NOTHING, Wish("2 phr"), Gets::Acr("1")),
    (PWD, PASSKEY, Wish("2"), Gets::Prove(false, false, true)),
    (PWD, PASSKEY, Wish("1 2"), Gets::Acr("1")),
    (CODE, APP, Wish("phr"), Gets::Acr("2")),
    (CODE, BOTH, Wish("phr"), Gets::Prove(false, false, true)),
    (CODE, BOTH, Wish("phr 1"), Gets::Acr("1")),
    (KEY, BOTH, Wish("2"), Gets::Acr("2")),
    (PWD, NOTHING, Wish("unheard-of"), Gets::Acr("1")),
    // An essential acr is reached, or the person is led to it.
    (PWD, NOTHING, Essential("2"), Gets::Enrol(Multi)),
    (PWD, PASSKEY, Essential("2"), Gets::Prove(false, false, true)),
    (CODE, APP, Essential("2"), Gets::Acr("2")),
    (CODE, APP, Essential("phr"), Gets::Enrol(PhishingResistant)),
    (CODE, APP, Essential("phr 2"), Gets::Acr("2")),
    (PWD, PASSKEY, Essential("unheard-of phr"), Gets::Prove(false, false, true)),
    (PWD, NOTHING, Essential("unheard-of"), Gets::Error(ErrorCode::UnmetAuthenticationRequirements)),
    (KEY, PASSKEY, Essential("2"), Gets::Acr("2")),
    // First the proof of what is there, then the enrolment.
    (PWD, APP, Essential("phr"), Gets::Prove(true, true, false)),
    // The client and the role ask for it in the same way.
    (PWD, NOTHING, Client(Multi), Gets::Enrol(Multi)),
    (PWD, PASSKEY, Client(Multi), Gets::Prove(false, false, true)),
    (CODE, APP, Client(Multi), Gets::Acr("2")),
    (CODE, APP, Client(PhishingResistant), Gets::Enrol(PhishingResistant)),
    (KEY, PASSKEY, Client(PhishingResistant), Gets::Acr("phr")),
    (PWD, NOTHING, Role(Multi), Gets::Enrol(Multi)),
    (CODE, APP, Role(Multi), Gets::Acr("2")),
    (CODE, BOTH, Role(PhishingResistant), Gets::Prove(false, false, true)),
    (SECOND_KEY, BOTH, Role(PhishingResistant), Gets::Acr("phr")),
];

fn case_of(factors: &[Method], enrolled: Enrolled, asks: Asks, prompt: &'static str) -> Case {
    let essential = |values: &str| {
        let values: Vec<&str> = values.split(' ').collect();
        let claims = serde_json::json!({ "id_token": { "acr": { "essential": true, "values": values } } });
        &*Box::leak(claims.to_string().into_boxed_str())
    };
    let mut pairs = vec![("prompt", prompt)];
    match asks {
        Wish(values) => pairs.push(("acr_values", values)),
        Essential(values) => pairs.push(("claims", essential(values))),
        Nothing | Client(_) | Role(_) => {}
    }
    let mut case = Case { factors: factors.to_vec(), enrolled, ..case(&pairs) };
    match asks {
        Client(acr) => case = case.with_client(|metadata| metadata.required_acr = Some(acr)),
        Role(acr) => case.required = vec![acr],
        Nothing | Wish(_) | Essential(_) => {}
    }
    case
}

fn gets(case: &Case) -> Gets {
    match case.decide() {
        Decision::Issue { acr, .. } => Gets::Acr(acr.as_str()),
        Decision::ProveFactor(offer) => Gets::Prove(offer.totp, offer.recovery_code, offer.passkey),
        Decision::EnrolFactor(acr) => Gets::Enrol(acr),
        Decision::Refuse(error) => Gets::Error(error.code),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_person_is_led_to_the_missing_factor_and_no_further() {
    for (factors, enrolled, asks, expected) in ROWS {
        assert_eq!(gets(&case_of(factors, *enrolled, *asks, "")), *expected, "{factors:?} {enrolled:?} {asks:?}");
    }
}

#[test]
fn with_prompt_none_a_missing_factor_is_an_error_and_a_wish_is_none() {
    for (factors, enrolled, asks, interactive) in ROWS {
        let silent = gets(&case_of(factors, *enrolled, *asks, "none"));
        let wished = matches!(asks, Wish(_)) && !enrolled.totp;
        match interactive {
            // What is told is what was reached.
            Gets::Prove(..) if wished || (matches!(asks, Wish(_)) && *factors != PWD) => {
                assert!(matches!(silent, Gets::Acr(_)), "{factors:?} {enrolled:?} {asks:?}: {silent:?}");
            }
            Gets::Prove(..) | Gets::Enrol(_) => assert_eq!(silent, Gets::Error(ErrorCode::InteractionRequired), "{asks:?}"),
            Gets::Acr(_) | Gets::Error(_) => assert_eq!(silent, *interactive),
        }
    }
}

#[test]
fn the_login_comes_before_the_factor() {
    let essential = case_of(PWD, APP, Essential("2"), "login");
    assert_eq!(essential.login_reason(), LoginReason::Prompt);
    assert_eq!(gets(&essential.logged_in_now()), Gets::Prove(true, true, false));
    let unreachable = Case { user: None, ..case_of(PWD, NOTHING, Essential("unheard-of"), "") };
    assert_eq!(unreachable.refusal(), ErrorCode::UnmetAuthenticationRequirements, "told at once");
}
