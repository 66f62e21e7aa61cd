//! Which claims about a person are told, and where (OpenID Connect Core §5.3.2, §5.4, §5.5).
//!
//! With the code flow, the claims of a scope come from the userinfo endpoint; an ID token holds claims about the person only where
//! the `claims` parameter asked for them there. What was asked for beyond the scope has been limited to what the person consented to
//! before it comes here ([`ClaimsRequest::limited_to`]).

use serde_json::{Map, Value};

use super::claims_request::ClaimsRequest;
pub use super::profile::{Address, InvalidProfile, Profile};
use super::scope::{CLAIMS, Scope};
use super::time::Timestamp;

/// Claims about the login and the token, which every ID token may hold.
const PROTOCOL: [&str; 11] = ["iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "sid"];

/// `claims_supported`: everything that this server may tell.
pub fn supported() -> Vec<&'static str> {
    CLAIMS.iter().flat_map(|(_, claims)| *claims).copied().chain(PROTOCOL).collect()
}

/// What the userinfo endpoint answers: `sub`, the claims of the scope, and those that the `claims` parameter asked for there.
///
/// `updated_at` is the time of the profile's last change. A claim without a value is left out (§5.3.2). A requested `value` is a wish
/// that changes nothing (§5.5.1): what is told is what is known.
pub fn userinfo(
    scope: &Scope,
    requested: &ClaimsRequest,
    sub: &str,
    profile: Option<&Profile>,
    updated_at: Option<Timestamp>,
) -> Map<String, Value> {
    let of_scope = CLAIMS.iter().filter(|(value, _)| scope.contains(value)).flat_map(|(_, claims)| *claims).copied();
    let names = of_scope.chain(requested.userinfo.keys().map(String::as_str));
    let mut answer = Map::from_iter([("sub".to_owned(), sub.into())]);
    answer.extend(pick(names, profile, updated_at));
    answer
}

/// Claims about the person for the ID token: those that the `claims` parameter asked for there, and nothing else.
pub fn for_id_token(requested: &ClaimsRequest, profile: Option<&Profile>, updated_at: Option<Timestamp>) -> Map<String, Value> {
    pick(requested.id_token.keys().map(String::as_str), profile, updated_at)
}

/// Only names that a [`Profile`] has: neither `sub` nor a protocol claim can be overwritten from here.
fn pick<'a>(
    names: impl Iterator<Item = &'a str>,
    profile: Option<&Profile>,
    updated_at: Option<Timestamp>,
) -> Map<String, Value> {
    let Some(Ok(Value::Object(mut known))) = profile.map(serde_json::to_value) else {
        return Map::new();
    };
    if let Some(time) = updated_at {
        known.insert("updated_at".to_owned(), time.as_seconds().into());
    }
    names.filter_map(|name| known.get(name).map(|value| (name.to_owned(), value.clone()))).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;
    use crate::protocol::scope;

    fn profile() -> Profile {
        serde_json::from_value(json!({
            "name": "Zoë", "email": "zoe@example.com", "email_verified": true, "phone_number": "+33123456789",
            "phone_number_verified": false, "address": {"country": "FR"}, "name#ja": "ゾーイ",
        }))
        .unwrap()
    }

    fn told(scope: &str, claims: &Value) -> Value {
        let request = ClaimsRequest::parse(&claims.to_string()).unwrap();
        let updated_at = Some(Timestamp::from_micros(1_700_000_000_900_000));
        Value::Object(userinfo(&Scope::parse(scope).unwrap(), &request, "person", Some(&profile()), updated_at))
    }

    #[test]
    fn each_scope_tells_its_own_claims() {
        assert_eq!(told("openid", &json!({})), json!({"sub": "person"}));
        assert_eq!(told("openid profile", &json!({})), json!({"sub": "person", "name": "Zoë", "updated_at": 1_700_000_000}));
        assert_eq!(
            told("openid email", &json!({})),
            json!({"sub": "person", "email": "zoe@example.com", "email_verified": true})
        );
        assert_eq!(told("openid address", &json!({})), json!({"sub": "person", "address": {"country": "FR"}}));
        let phone = json!({"sub": "person", "phone_number": "+33123456789", "phone_number_verified": false});
        assert_eq!(told("openid phone", &json!({})), phone);
        assert_eq!(told("openid offline_access", &json!({})), json!({"sub": "person"}));
    }

    #[test]
    fn claims_are_told_where_they_were_asked_for() {
        let request = json!({"userinfo": {"email": null, "nickname": {"essential": true}}, "id_token": {"name": null}});
        assert_eq!(told("openid", &request), json!({"sub": "person", "email": "zoe@example.com"}));
        let request = ClaimsRequest::parse(&request.to_string()).unwrap();
        assert_eq!(Value::Object(for_id_token(&request, Some(&profile()), None)), json!({"name": "Zoë"}));
    }

    #[test]
    fn an_id_token_has_no_claims_of_the_scope() {
        assert!(for_id_token(&ClaimsRequest::default(), Some(&profile()), None).is_empty());
    }

    #[test]
    fn a_language_is_told_when_it_was_asked_for() {
        let request = json!({"userinfo": {"name#ja": null, "name#fr": null}});
        assert_eq!(told("openid", &request), json!({"sub": "person", "name#ja": "ゾーイ"}));
    }

    #[test]
    fn a_claim_in_another_language_belongs_to_the_same_scope() {
        assert_eq!(scope::of_claim("name#ja"), Some("profile"));
    }

    #[test]
    fn a_requested_value_changes_nothing() {
        let request = json!({"userinfo": {"email": {"value": "other@example.com"}}});
        assert_eq!(told("openid", &request)["email"], "zoe@example.com");
    }

    #[test]
    fn a_person_without_profile_is_just_an_id() {
        let scope = Scope::parse("openid profile email").unwrap();
        let answer = userinfo(&scope, &ClaimsRequest::default(), "person", None, None);
        assert_eq!(Value::Object(answer), json!({"sub": "person"}));
    }

    #[test]
    fn protocol_claims_are_not_for_the_asking() {
        let names = ["sub", "iss", "aud", "exp", "nonce", "acr", "roles"];
        let wishes: Map<String, Value> = names.map(|name| (name.to_owned(), json!({"value": "forged"}))).into_iter().collect();
        let request = ClaimsRequest::parse(&json!({"userinfo": wishes, "id_token": wishes}).to_string()).unwrap();
        assert!(for_id_token(&request, Some(&profile()), None).is_empty());
        assert_eq!(told("openid", &json!({"userinfo": wishes})), json!({"sub": "person"}));
    }

    /// Every claim of a scope has a place in the profile, and the profile has no claim that no scope tells.
    #[test]
    fn the_table_of_scopes_and_the_profile_hold_the_same_claims() {
        let whole: Profile = serde_json::from_value(json!({
            "name": "n", "given_name": "g", "family_name": "f", "middle_name": "m", "nickname": "n", "preferred_username": "p",
            "profile": "https://a.example", "picture": "https://a.example", "website": "https://a.example", "email": "a@a.example",
            "email_verified": true, "gender": "g", "birthdate": "2000-01-01", "zoneinfo": "UTC", "locale": "fr",
            "phone_number": "+33123456789", "phone_number_verified": true, "address": {"country": "FR"},
        }))
        .unwrap();
        let scope = Scope::parse("openid profile email address phone").unwrap();
        let answer = userinfo(&scope, &ClaimsRequest::default(), "s", Some(&whole), Some(Timestamp::from_seconds(1)));
        let mut told: Vec<_> = answer.keys().map(String::as_str).collect();
        let mut table: Vec<_> = CLAIMS.iter().flat_map(|(_, claims)| *claims).copied().collect();
        told.sort_unstable();
        table.sort_unstable();
        assert_eq!(told, table);
        assert_eq!(serde_json::to_value(&whole).unwrap().as_object().unwrap().len() + 2, answer.len());
    }

    proptest! {
        #[test]
        fn no_request_makes_userinfo_lie_about_the_subject(name in ".{1,20}", value in ".*") {
            if let Ok(request) = ClaimsRequest::parse(&json!({"userinfo": {name: {"value": value}}}).to_string()) {
                let answer = userinfo(&Scope::default(), &request, "person", Some(&profile()), None);
                prop_assert_eq!(&answer["sub"], "person");
            }
        }
    }
}
