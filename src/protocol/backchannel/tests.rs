use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::protocol::client::{Algorithm, testing::client};

fn parse(mode: DeliveryMode, pairs: &[(&str, &str)]) -> Result<(), OAuthError> {
    let params = Params::of(pairs.iter().map(|(name, value)| (*name, Some(*value))));
    BackchannelRequest::parse(&params, mode).map(drop)
}

#[test]
fn one_hint_says_who_is_asked() {
    let poll = |pairs: &[(&str, &str)]| parse(DeliveryMode::Poll, pairs);
    assert_eq!(poll(&[("login_hint", "anna")]), Ok(()));
    assert_eq!(poll(&[("id_token_hint", "a.b.c")]), Ok(()));
    assert_eq!(poll(&[]), Err(HINT_MISSING));
    assert_eq!(poll(&[("login_hint_token", "a.b.c")]), Err(HINT_TOKEN));
    assert_eq!(poll(&[("login_hint", "anna"), ("id_token_hint", "a.b.c")]), Err(HINTS));
    assert_eq!(poll(&[("login_hint", "anna"), ("login_hint_token", "a.b.c")]), Err(HINTS));
    assert_eq!(poll(&[("login_hint", &"a".repeat(255))]), Err(PERSON_UNKNOWN));
    assert_eq!(poll(&[("id_token_hint", &"a".repeat(8_193))]), Err(ID_TOKEN_HINT));
}

#[test]
fn a_message_is_short_and_can_be_seen() {
    for good in ["W4SCT", "Pay 12 € to Müller & Søn", &"é".repeat(100)] {
        assert_eq!(message(good).as_deref(), Ok(good));
    }
    for bad in ["", " ", " a", "a ", "a\nb", "a\u{202e}b", "a\u{200b}b", "\u{feff}", "a\u{ad}b", &"a".repeat(101)] {
        assert_eq!(message(bad), Err(MESSAGE), "{bad:?}");
    }
}

#[test]
fn how_long_a_request_lasts_is_bounded() {
    for (text, seconds) in [("1", 1), ("600", 600), ("3600", 3_600), ("3601", 3_600), ("99999999999999999999", 3_600)] {
        assert_eq!(lifetime(text), Ok(Seconds(seconds)), "{text}");
    }
    for bad in ["", "0", "-1", "+1", "1.5", "1e3", " 1", "soon"] {
        assert_eq!(lifetime(bad), Err(EXPIRY), "{bad:?}");
    }
}

#[test]
fn who_is_to_be_told_says_with_what() {
    let ping = |token: &str| parse(DeliveryMode::Ping, &[("login_hint", "anna"), ("client_notification_token", token)]);
    for good in ["8d67dc78-7faa-4d41-aabd-67707b374255", "a-._~+/b==", &"t".repeat(1_024)] {
        assert_eq!(ping(good), Ok(()), "{good}");
    }
    for bad in ["", "=", "a=b", "a b", "a\nb", "é", &"t".repeat(1_025)] {
        assert_eq!(ping(bad), Err(NOTIFICATION_TOKEN), "{bad:?}");
    }
    assert_eq!(parse(DeliveryMode::Ping, &[("login_hint", "anna")]), Err(NOTIFICATION_TOKEN));
}

#[test]
fn who_signs_signs_all_of_it() {
    let of = |alg: Option<Algorithm>, pairs: &[(&str, &str)]| {
        let client = client(|metadata| metadata.backchannel_authentication_request_signing_alg = alg);
        let params = Params::of(pairs.iter().map(|(name, value)| (*name, Some(*value))));
        signed(&params, &client).map(|request| request.map(str::to_owned))
    };
    let es256 = Some(Algorithm::ES256);
    assert_eq!(of(None, &[("login_hint", "anna")]), Ok(None));
    assert_eq!(of(es256, &[("request", "a.b.c"), ("client_id", "app")]), Ok(Some("a.b.c".to_owned())));
    assert_eq!(of(es256, &[("login_hint", "anna")]), Err(SIGNATURE_MISSING));
    assert_eq!(of(None, &[("request", "a.b.c")]), Err(SIGNATURE_UNREGISTERED));
    assert_eq!(of(es256, &[("request", "a.b.c"), ("login_hint", "anna")]), Err(MIXED));
}

#[test]
fn a_signed_request_says_who_for_whom_and_until_when() {
    const NOW: i64 = 1_800_000_000;
    let own = ClientId::parse("app").unwrap();
    let check = |change: &dyn Fn(&mut Value)| {
        let mut claims = json!({
            "iss": "app", "aud": "https://id.example", "exp": NOW + 60, "nbf": NOW, "iat": NOW, "jti": "1",
            "scope": "openid", "login_hint": "anna", "requested_expiry": 60,
        });
        change(&mut claims);
        params(claims.as_object().unwrap(), &own, "https://id.example", Timestamp::from_seconds(NOW))
    };
    let (params, once) = check(&|_| ()).unwrap();
    assert_eq!((params.get("login_hint"), params.get("requested_expiry"), params.get("aud")), (Some("anna"), Some("60"), None));
    assert_eq!(once.jti, "1");
    for (name, value, error) in [
        ("iss", json!("other"), OF_ANOTHER_CLIENT),
        ("sub", json!("app"), OF_ANOTHER_CLIENT),
        ("aud", json!("https://other.example"), AUDIENCE),
        ("aud", json!(null), AUDIENCE),
        ("exp", json!(NOW - 60), REQUEST_EXPIRED),
        ("exp", json!(NOW + 4_000), TOO_LONG),
        ("nbf", json!(NOW + 60), NOT_YET),
        ("iat", json!("now"), TIMES),
        ("jti", json!(1), NO_ID),
        ("request", json!("a.b.c"), MALFORMED),
        ("scope", json!(null), MALFORMED),
        // Authorization requests, which the client signed for the browser.
        ("response_type", json!("code"), MALFORMED),
        ("redirect_uri", json!("https://app.ex/cb"), MALFORMED),
        ("code_challenge", json!("E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"), MALFORMED),
    ] {
        assert_eq!(check(&|claims| claims[name] = value.clone()).map(drop), Err(error), "{name} {value}");
    }
    for (name, error) in [("iat", TIMES), ("nbf", TIMES), ("exp", REQUEST_EXPIRED), ("jti", NO_ID), ("iss", OF_ANOTHER_CLIENT)] {
        let without = check(&|claims| _ = claims.as_object_mut().unwrap().shift_remove(name));
        assert_eq!(without.map(drop), Err(error), "without {name}");
    }
}

proptest! {
    #[test]
    fn a_handle_is_read_as_it_is_written(bytes: [u8; 32], anything in ".*") {
        let handle = Handle::new(bytes);
        prop_assert_eq!(Handle::parse(&handle.to_string()), Ok(handle));
        prop_assert!(Handle::parse(&anything).is_err() || anything.len() == 43);
    }
}
