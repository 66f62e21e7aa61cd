//! Rich authorization requests: `authorization_details` (RFC 9396 §2, §5).
//!
//! A type of details belongs to the resource that is registered with it, whose schema says what they hold.

use std::collections::BTreeSet;

use serde_json::Value;

use super::audience;
use super::client::Client;
use super::error::{ErrorCode, OAuthError};
use super::json_schema;
use super::params::Params;
use super::resource::{Resource, Resources};
use super::scope::Scope;

/// The most bytes of `authorization_details`, and the most objects in it.
const MAX_LENGTH: usize = 4096;
const MAX_DETAILS: usize = 16;

const fn invalid(reason: &'static str, description: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidAuthorizationDetails, reason, description)
}

const MALFORMED: OAuthError =
    invalid("authorization_details_malformed", "authorization_details must be a JSON array of at most 16 objects in 4096 bytes");
const UNKNOWN_TYPE: OAuthError =
    invalid("authorization_details_type_unknown", "A type of authorization_details is unknown, or not for this client");
/// Told like [`UNKNOWN_TYPE`]; the audit log knows better.
const NOT_ALLOWED: OAuthError =
    invalid("authorization_details_type_not_allowed", "A type of authorization_details is unknown, or not for this client");
const NOT_OF_THE_TYPE: OAuthError =
    invalid("authorization_details_not_of_type", "An object of authorization_details is not as its type has it");
const NOT_GRANTED: OAuthError = invalid("authorization_details_not_granted", "authorization_details exceed what was granted");

/// The details that a request asks for, all of which the client may have for `asked`, or for its usual audience if that is empty.
pub fn asked(
    params: &Params,
    client: &Client,
    (resources, asked): (&Resources, &BTreeSet<String>),
    issuer: &str,
) -> Result<Vec<Value>, OAuthError> {
    let details = parse(params)?;
    let usual: BTreeSet<String> = audience::for_token(client, &Scope::default(), issuer).into_iter().collect();
    let reach = if asked.is_empty() { &usual } else { asked };
    for detail in &details {
        if !reach.contains(&judge(detail, client, resources)?.identifier) {
            return Err(NOT_ALLOWED);
        }
    }
    Ok(details)
}

/// Whose the details are, if the client may have them and they are as their type has it now.
fn judge<'a>(detail: &Value, client: &Client, resources: &'a Resources) -> Result<&'a Resource, OAuthError> {
    let name = type_of(detail).ok_or(MALFORMED)?;
    let (resource, known) = resources.detail_type(name).ok_or(UNKNOWN_TYPE)?;
    let is_registered = resource.metadata.open || client.metadata.authorization_details_types.iter().any(|own| own == name);
    if !is_registered {
        return Err(NOT_ALLOWED);
    }
    if !json_schema::accepts(&known.schema, detail, Some("type")) {
        return Err(NOT_OF_THE_TYPE);
    }
    Ok(resource)
}

/// What of the granted details a token is to hold: those that the request names, else all (RFC 9396 §6.1). What the client may no
/// longer have, or its type no longer takes, is not given again.
pub fn within(granted: &[Value], (params, client): (&Params, &Client), resources: &Resources) -> Result<Vec<Value>, OAuthError> {
    let mut left = granted.to_vec();
    left.retain(|detail| judge(detail, client, resources).is_ok());
    if !params.contains("authorization_details") {
        return Ok(left);
    }
    let details = parse(params)?;
    if details.iter().all(|detail| left.contains(detail)) { Ok(details) } else { Err(NOT_GRANTED) }
}

fn parse(params: &Params) -> Result<Vec<Value>, OAuthError> {
    let Some(text) = params.get("authorization_details") else { return Ok(Vec::new()) };
    // NUL can be written as an escape too, and one of the databases can't store it.
    if text.len() > MAX_LENGTH || text.contains("\\u0000") {
        return Err(MALFORMED);
    }
    let details: Vec<Value> = serde_json::from_str(text).map_err(|_| MALFORMED)?;
    if details.len() > MAX_DETAILS || !details.iter().all(|detail| type_of(detail).is_some()) {
        return Err(MALFORMED);
    }
    Ok(details)
}

/// The type of one object.
pub fn type_of(detail: &Value) -> Option<&str> {
    detail.as_object()?.get("type")?.as_str()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::client::testing::client;
    use crate::protocol::time::Timestamp;

    const ISSUER: &str = "https://id.example";
    const BANK: &str = "https://bank.example/";

    fn resources(open: bool) -> Resources {
        let metadata = json!({
            "name": "Bank", "open": open,
            "authorization_details_types": { "payment": {
                "description": "Pay from your account",
                "schema": { "required": ["amount"], "properties": { "amount": { "type": "integer" } } },
            } },
        });
        let at = Timestamp::from_seconds(0);
        let metadata = serde_json::from_value(metadata).unwrap();
        let (id, identifier) = ("bank".to_owned(), BANK.to_owned());
        Resources::new([Resource { id, identifier, metadata, created_at: at, updated_at: at, version: 1 }])
    }

    fn app() -> Client {
        client(|metadata| {
            metadata.audiences = vec![BANK.to_owned()];
            metadata.authorization_details_types = vec!["payment".to_owned()];
        })
    }

    fn ask(text: &str, client: &Client, open: bool, named: &[&str]) -> Result<Vec<Value>, OAuthError> {
        let params = Params::of([("authorization_details", Some(text))]);
        let named = named.iter().map(|value| (*value).to_owned()).collect();
        asked(&params, client, (&resources(open), &named), ISSUER)
    }

    #[test]
    fn a36_details_are_an_array_of_objects_of_known_types() {
        let good = r#"[{"type":"payment","amount":5}]"#;
        assert_eq!(ask(good, &app(), false, &[]), Ok(vec![json!({ "type": "payment", "amount": 5 })]));
        assert_eq!(ask("[]", &app(), false, &[]), Ok(Vec::new()));
        let many = format!("[{}]", vec![r#"{"type":"payment","amount":5}"#; 17].join(","));
        for bad in [
            "{",
            "{}",
            "1",
            "null",
            "[1]",
            "[{}]",
            r#"[{"type":1}]"#,
            r#"[{"type":"payment\u0000"}]"#,
            &many,
            &"[".repeat(4_000),
            &" ".repeat(4_097),
        ] {
            assert_eq!(ask(bad, &app(), false, &[]), Err(MALFORMED), "{bad:.40}");
        }
        assert_eq!(ask(r#"[{"type":"payments"}]"#, &app(), false, &[]), Err(UNKNOWN_TYPE));
        for bad in
            [r#"[{"type":"payment"}]"#, r#"[{"type":"payment","amount":"5"}]"#, r#"[{"type":"payment","amount":5,"to":"x"}]"#]
        {
            assert_eq!(ask(bad, &app(), false, &[]), Err(NOT_OF_THE_TYPE), "{bad}");
        }
    }

    #[test]
    fn a_type_is_for_clients_that_have_it_and_tokens_for_its_resource() {
        let good = r#"[{"type":"payment","amount":5}]"#;
        let without_type = client(|metadata| metadata.audiences = vec![BANK.to_owned()]);
        assert_eq!(ask(good, &without_type, false, &[]), Err(NOT_ALLOWED));
        assert!(ask(good, &without_type, true, &[]).is_ok(), "the resource is open");
        assert!(ask(good, &app(), false, &[BANK]).is_ok());
        assert_eq!(ask(good, &app(), false, &[ISSUER]), Err(NOT_ALLOWED), "a token for something else");
        assert_eq!(ask(good, &client(|_| {}), true, &[]), Err(NOT_ALLOWED), "nor by default");
    }

    #[test]
    fn a_token_holds_what_was_granted_and_no_more() {
        let detail = |amount: i64| json!({ "type": "payment", "amount": amount });
        let granted = [detail(5), detail(6)];
        let within = |value: Option<Value>| {
            let text = value.map(|value| value.to_string());
            let params = Params::of([("authorization_details", text.as_deref())]);
            within(&granted, (&params, &app()), &resources(false))
        };
        assert_eq!(within(None), Ok(vec![detail(5), detail(6)]));
        assert_eq!(within(Some(json!([detail(6)]))), Ok(vec![detail(6)]));
        assert_eq!(within(Some(json!([detail(7)]))), Err(NOT_GRANTED));
        assert_eq!(within(Some(json!({}))), Err(MALFORMED));
    }

    #[test]
    fn what_was_granted_is_judged_again() {
        let (good, bad) = (json!({ "type": "payment", "amount": 5 }), json!({ "type": "payment", "amount": "5" }));
        let granted = [good.clone(), bad, json!({ "type": "gone" })];
        let without_type = client(|metadata| metadata.audiences = vec![BANK.to_owned()]);
        let left = |client: &Client, open| within(&granted, (&Params::default(), client), &resources(open));
        assert_eq!(left(&app(), false), Ok(vec![good.clone()]));
        assert_eq!(left(&without_type, true), Ok(vec![good.clone()]), "the resource is open");
        assert_eq!(left(&without_type, false), Ok(Vec::new()));
        let text = json!([good]).to_string();
        let params = Params::of([("authorization_details", Some(text.as_str()))]);
        assert_eq!(within(&granted, (&params, &without_type), &resources(false)), Err(NOT_GRANTED));
    }
}
