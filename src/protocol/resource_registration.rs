//! Whether a resource may be registered.

use super::client_registration::{MAX_ACCESS_TOKEN_LIFETIME, Problem, RegistrationPolicy};
use super::json_schema;
use super::resource::{Resource, ResourceMetadata, Resources, is_identifier};
use super::scope::{self, Scope};

/// The most scope values of one resource, and the longest sentence of one.
const MAX_SCOPES: usize = 50;
const MAX_SENTENCE: usize = 200;

/// A type of authorization details belongs to one resource alone: whose schema would count if two had it?
pub fn taken_types(resource: &Resource, others: &Resources) -> Vec<Problem> {
    let names = resource.metadata.authorization_details_types.keys();
    let taken = names.filter(|name| others.detail_owners(name).any(|owner| owner.id != resource.id));
    let problem = |name: &String| Problem {
        field: "authorization_details_types".to_owned(),
        code: "taken",
        message: format!("holds {name}, which is another resource's"),
    };
    taken.map(problem).collect()
}

/// Tells everything that is wrong at once.
pub fn validate(identifier: &str, metadata: &ResourceMetadata, policy: &RegistrationPolicy, issuer: &str) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut add = |field: &str, code, message: String| problems.push(Problem { field: field.to_owned(), code, message });
    if !is_identifier(identifier) {
        add("identifier", "url", "must be an absolute URI of at most 255 characters, without a fragment".to_owned());
    } else if identifier == issuer || identifier == policy.api_audience {
        add("identifier", "reserved", "is this server's own".to_owned());
    }
    let name = metadata.name.trim();
    if name.is_empty() || name != metadata.name || name.chars().count() > 100 || name.chars().any(char::is_control) {
        add("name", "length", "must have 1 to 100 characters, no space around them and no control character".to_owned());
    }
    if metadata.scopes.len() > MAX_SCOPES {
        add("scopes", "too_many", format!("has more than {MAX_SCOPES} entries"));
    }
    let own = scope::standard().union(&scope::account()).union(&scope::management());
    for (value, sentence) in &metadata.scopes {
        if value.is_empty() || value.contains(' ') || Scope::parse(value).is_err() {
            add("scopes", "scope_value", "must have scope values for names".to_owned());
        } else if own.contains(value) {
            add("scopes", "reserved", format!("holds {value}, which is this server's own"));
        }
        if sentence.trim().is_empty() || sentence.chars().count() > MAX_SENTENCE || sentence.chars().any(char::is_control) {
            add("scopes", "sentence", format!("must have a sentence of at most {MAX_SENTENCE} characters for each value"));
        }
    }
    for (name, kind) in &metadata.authorization_details_types {
        let field = "authorization_details_types";
        if name.is_empty() || name.len() > 255 || !name.bytes().all(|byte| (0x21..=0x7e).contains(&byte)) {
            add(field, "name", "must have names of 1 to 255 printable ASCII characters without space".to_owned());
        }
        let description = &kind.description;
        if description.trim().is_empty()
            || description.chars().count() > MAX_SENTENCE
            || description.chars().any(char::is_control)
        {
            add(field, "sentence", format!("must have a description of at most {MAX_SENTENCE} characters for each type"));
        }
        if let Err(problem) = json_schema::check(&kind.schema) {
            add(field, "schema", format!("has a schema for {name} that {problem}"));
        }
    }
    if metadata.access_token_lifetime.is_some_and(|seconds| !(1..=MAX_ACCESS_TOKEN_LIFETIME).contains(&seconds)) {
        add("access_token_lifetime", "range", format!("must be 1 to {MAX_ACCESS_TOKEN_LIFETIME} seconds"));
    }
    if metadata.access_token_signed_response_alg.is_some_and(|algorithm| !policy.algorithms.contains(&algorithm)) {
        let field = "access_token_signed_response_alg";
        add(field, "unsupported", "names an algorithm that there is no signing key for (keys.algorithms)".to_owned());
    }
    problems
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::protocol::client::Algorithm;

    fn problems(identifier: &str, metadata: serde_json::Value) -> Vec<String> {
        let policy = RegistrationPolicy {
            known_scope: Scope::default(),
            algorithms: vec![Algorithm::ES256],
            legacy_response_types: false,
            api_audience: "https://id.example/api/v1".to_owned(),
            private_hosts: Vec::new(),
        };
        let metadata = serde_json::from_value(metadata).unwrap();
        let found = validate(identifier, &metadata, &policy, "https://id.example");
        found.into_iter().map(|problem| format!("{} {}", problem.field, problem.code)).collect()
    }

    #[test]
    fn a_good_resource_is_taken() {
        let metadata = json!({ "name": "Files", "scopes": { "files:read": "Read your files" }, "access_token_lifetime": 60 });
        assert_eq!(problems("https://files.example/", metadata), Vec::<String>::new());
    }

    #[test]
    fn what_would_mislead_or_take_something_of_this_server_is_refused() {
        let named = |name: &str| json!({ "name": name });
        for (identifier, metadata, problem) in [
            ("files", named("Files"), "identifier url"),
            ("https://files.example/#x", named("Files"), "identifier url"),
            ("https://id.example", named("Files"), "identifier reserved"),
            ("https://id.example/api/v1", named("Files"), "identifier reserved"),
            ("https://a.example", named(" Files"), "name length"),
            ("https://a.example", named("A\nB"), "name length"),
            ("https://a.example", json!({ "name": "A", "scopes": { "openid": "Log in" } }), "scopes reserved"),
            ("https://a.example", json!({ "name": "A", "scopes": { "users:read": "Look" } }), "scopes reserved"),
            ("https://a.example", json!({ "name": "A", "scopes": { "a b": "Look" } }), "scopes scope_value"),
            ("https://a.example", json!({ "name": "A", "scopes": { "a": "" } }), "scopes sentence"),
            (
                "https://a.example",
                json!({ "name": "A", "authorization_details_types": { "a": { "description": "A", "schema": { "pattern": "" } } } }),
                "authorization_details_types schema",
            ),
            (
                "https://a.example",
                json!({ "name": "A", "authorization_details_types": { "a b": { "description": "A", "schema": {} } } }),
                "authorization_details_types name",
            ),
            ("https://a.example", json!({ "name": "A", "access_token_lifetime": 0 }), "access_token_lifetime range"),
            (
                "https://a.example",
                json!({ "name": "A", "access_token_signed_response_alg": "PS256" }),
                "access_token_signed_response_alg unsupported",
            ),
        ] {
            assert_eq!(problems(identifier, metadata.clone()), [problem], "{identifier} {metadata}");
        }
    }
}
