//! The `claims` parameter (OpenID Connect Core §5.5).

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::scope::{self, Scope};

/// The most bytes of JSON.
pub const MAX_LENGTH: usize = 4096;
/// The most claims, both members taken together.
pub const MAX_CLAIMS: usize = 64;
/// The deepest nesting of a requested value.
const MAX_DEPTH: usize = 4;

/// Not JSON of the shape that OpenID Connect Core §5.5 describes, or too much of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a valid claims request")]
pub struct InvalidClaimsRequest;

/// Claims that were asked for one by one. Members that nobody knows are ignored (§5.5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClaimsRequest {
    /// To be returned from the userinfo endpoint.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub userinfo: BTreeMap<String, ClaimRequest>,
    /// To be returned in the ID token.
    #[serde(default, deserialize_with = "null_as_default", skip_serializing_if = "BTreeMap::is_empty")]
    pub id_token: BTreeMap<String, ClaimRequest>,
}

/// How one claim is asked for (§5.5.1). JSON `null`, an ordinary request, is the default.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Option<Members>")]
pub struct ClaimRequest {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub essential: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub values: Option<Vec<Value>>,
}

#[derive(Default, Deserialize)]
struct Members {
    #[serde(default)]
    essential: bool,
    #[serde(default)]
    value: Option<Value>,
    #[serde(default)]
    values: Option<Vec<Value>>,
}

impl From<Option<Members>> for ClaimRequest {
    fn from(members: Option<Members>) -> Self {
        let Members { essential, value, values } = members.unwrap_or_default();
        Self { essential, value, values }
    }
}

fn null_as_default<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, ClaimRequest>, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

impl ClaimRequest {
    /// The values that would do, if only certain ones would: `value`, else `values`.
    pub fn accepted(&self) -> Option<Vec<&Value>> {
        match (&self.value, &self.values) {
            (Some(value), _) => Some(vec![value]),
            (None, Some(values)) => Some(values.iter().collect()),
            (None, None) => None,
        }
    }
}

impl ClaimsRequest {
    pub fn parse(json: &str) -> Result<Self, InvalidClaimsRequest> {
        if json.len() > MAX_LENGTH {
            return Err(InvalidClaimsRequest);
        }
        // A struct would also be read from an array.
        if !json.trim_start().starts_with('{') {
            return Err(InvalidClaimsRequest);
        }
        let request: Self = serde_json::from_str(json).map_err(|_| InvalidClaimsRequest)?;
        let claims = || request.userinfo.iter().chain(&request.id_token);
        let values = || claims().flat_map(|(_, claim)| claim.value.iter().chain(claim.values.iter().flatten()));
        if claims().count() > MAX_CLAIMS || values().any(|value| depth(value) > MAX_DEPTH) {
            return Err(InvalidClaimsRequest);
        }
        // Names end up in tables and on pages; PostgreSQL takes no NUL.
        let fine = |name: &String| (1..=128).contains(&name.len()) && !name.chars().any(char::is_control);
        if !claims().all(|(name, _)| fine(name)) || json.contains("\\u0000") {
            return Err(InvalidClaimsRequest);
        }
        Ok(request)
    }

    /// The same, as if each claim of the scope had been asked for in the ID token (§5.4): there is no access token to ask the
    /// userinfo endpoint with.
    #[must_use]
    pub fn with_scope(mut self, scope: &Scope) -> Self {
        let of_scope = scope::CLAIMS.iter().filter(|(value, _)| scope.contains(value)).flat_map(|(_, claims)| *claims);
        for name in of_scope {
            self.id_token.entry((*name).to_owned()).or_default();
        }
        self
    }

    pub fn is_empty(&self) -> bool {
        self.userinfo.is_empty() && self.id_token.is_empty()
    }

    /// Names of claims about the person (OpenID Connect Core §5.1) that `scope` does not cover: what consent is needed for
    /// beside the scope. Claims that the server doesn't know are never returned, and claims about the login itself
    /// (`acr`, `auth_time`, `sub` …) tell nothing new.
    pub fn beyond(&self, scope: &Scope) -> BTreeSet<String> {
        let names = self.userinfo.keys().chain(self.id_token.keys());
        let personal = |name: &&String| match scope::of_claim(name) {
            Some("openid") | None => false,
            Some(value) => !scope.contains(value),
        };
        names.filter(personal).cloned().collect()
    }

    /// The request without those claims about the person that neither `scope` covers nor `consented` names.
    #[must_use]
    pub fn limited_to(&self, scope: &Scope, consented: &BTreeSet<String>) -> Self {
        let refused: BTreeSet<String> = self.beyond(scope).difference(consented).cloned().collect();
        let mut limited = self.clone();
        limited.userinfo.retain(|name, _| !refused.contains(name));
        limited.id_token.retain(|name, _| !refused.contains(name));
        limited
    }

    /// The `acr` values one of which the ID token must carry, if the client insists (§5.5.1.1).
    pub fn essential_acrs(&self) -> Option<Vec<&str>> {
        let acr = self.id_token.get("acr").filter(|claim| claim.essential)?;
        Some(acr.accepted()?.into_iter().filter_map(Value::as_str).collect())
    }

    /// The `acr` values the client would like the ID token to carry.
    pub fn voluntary_acrs(&self) -> Vec<&str> {
        let acr = self.id_token.get("acr").filter(|claim| !claim.essential);
        acr.and_then(ClaimRequest::accepted).unwrap_or_default().into_iter().filter_map(Value::as_str).collect()
    }

    /// The one `sub` that the answer may be about (§5.5.1). Something other than text can be nobody's.
    pub fn subject(&self) -> Option<&str> {
        let value = self.id_token.get("sub")?.value.as_ref()?;
        Some(value.as_str().unwrap_or_default())
    }
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(members) => 1 + members.values().map(depth).max().unwrap_or(0),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn the_example_of_the_standard_is_read() {
        let request = ClaimsRequest::parse(
            r#"{
                "userinfo": {
                    "given_name": {"essential": true},
                    "nickname": null,
                    "email": {"essential": true},
                    "http://example.info/claims/groups": null
                },
                "id_token": {
                    "auth_time": {"essential": true},
                    "acr": {"values": ["urn:mace:incommon:iap:silver"]}
                }
            }"#,
        )
        .unwrap();
        assert!(request.userinfo["given_name"].essential);
        assert_eq!(request.userinfo["nickname"], ClaimRequest::default());
        assert_eq!(request.voluntary_acrs(), ["urn:mace:incommon:iap:silver"]);
        assert_eq!(request.essential_acrs(), None);
        assert_eq!(request.beyond(&Scope::default()), BTreeSet::from(["email", "given_name", "nickname"].map(String::from)));
        assert_eq!(request.beyond(&Scope::parse("profile").unwrap()), BTreeSet::from(["email".to_owned()]));
    }

    #[test]
    fn members_that_nobody_knows_are_ignored() {
        let request = ClaimsRequest::parse(r#"{"verified_claims":[1],"userinfo":{"email":{"purpose":"x"}},"id_token":null}"#);
        assert_eq!(request.unwrap().userinfo["email"], ClaimRequest::default());
        assert!(ClaimsRequest::parse("{}").unwrap().is_empty());
    }

    #[test]
    fn what_is_not_of_the_described_shape_is_refused() {
        let many: BTreeMap<String, Value> = (0..65).map(|n| (format!("c{n}"), Value::Null)).collect();
        let deep = format!(r#"{{"userinfo":{{"a":{{"value":{}1{}}}}}}}"#, "[".repeat(5), "]".repeat(5));
        let bomb = format!(r#"{{"x":{}"#, "[".repeat(4000));
        for bad in [
            "",
            "null",
            "[]",
            "[{},{}]",
            "\"a\"",
            "{",
            "{\"userinfo\":[]}",
            r#"{"userinfo":{"a":1}}"#,
            r#"{"userinfo":{"a":{"essential":"yes"}}}"#,
            r#"{"userinfo":{"a":{"values":"x"}}}"#,
            r#"{"userinfo":{"":null}}"#,
            r#"{"userinfo":{"a\u0000":null}}"#,
            r#"{"userinfo":{"a":{"value":"\u0000"}}}"#,
            r#"{"userinfo":{"\ud800":null}}"#,
            "{} {}",
            &deep,
            &bomb,
            &format!("{{{}}}", " ".repeat(MAX_LENGTH)),
            &json!({ "userinfo": many }).to_string(),
        ] {
            assert_eq!(ClaimsRequest::parse(bad), Err(InvalidClaimsRequest), "{bad:.80}");
        }
    }

    #[test]
    fn an_essential_acr_names_its_values() {
        let request = ClaimsRequest::parse(r#"{"id_token":{"acr":{"essential":true,"values":["2","3"]}}}"#).unwrap();
        assert_eq!(request.essential_acrs(), Some(vec!["2", "3"]));
        let any = ClaimsRequest::parse(r#"{"id_token":{"acr":{"essential":true}}}"#).unwrap();
        assert_eq!(any.essential_acrs(), None);
        // Nothing that is text: no value will ever do.
        let never = ClaimsRequest::parse(r#"{"id_token":{"acr":{"essential":true,"value":2}}}"#).unwrap();
        assert_eq!(never.essential_acrs(), Some(Vec::new()));
    }

    #[test]
    fn a_refused_claim_is_left_out_and_the_rest_stays() {
        let request =
            ClaimsRequest::parse(r#"{"userinfo":{"email":null,"name":null},"id_token":{"auth_time":null,"email":null}}"#)
                .unwrap();
        let limited = request.limited_to(&Scope::parse("openid").unwrap(), &BTreeSet::from(["name".to_owned()]));
        assert_eq!(limited, ClaimsRequest::parse(r#"{"userinfo":{"name":null},"id_token":{"auth_time":null}}"#).unwrap());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused_and_reads_back_the_same(
            text in r#"\{("(userinfo|id_token)":\{"[a-z]{1,3}":(null|\{\}|\{"essential":(true|1)\}|\{"value":["\[0-9\]]{0,4}\})\},?){0,2}\}|.*"#,
        ) {
            if let Ok(request) = ClaimsRequest::parse(&text) {
                let written = serde_json::to_string(&request).unwrap();
                prop_assert_eq!(ClaimsRequest::parse(&written), Ok(request));
            }
        }
    }
}
