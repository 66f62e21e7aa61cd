//! The document of what there is. Made of the same things it is the same text.

use std::collections::BTreeSet;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

use super::SecretReference;
use super::document::{CLIENTS, Form, RESOURCES, VERSION};
use super::plan::Present;
use super::shown::members;
use crate::protocol::client::Client;
use crate::protocol::time::Timestamp;

const HEADER: &str = "\
# What `ostiary export` found: for `ostiary plan` and `ostiary apply`. Clients that registered themselves are not in it.
";

const REFERENCES: &str = "\
# No secret is in it: put each one in the place that its client_secret names, or change the name.
";

/// JSON has a word that TOML has none for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("something registered holds a null, which TOML can't say: export it with --json")]
pub struct NullInToml;

/// Writes everything that somebody configured, less what is as it is by itself.
pub fn export(present: &Present, form: Form, references: bool, now: Timestamp) -> Result<String, NullInToml> {
    let resources = present
        .resources
        .iter()
        .map(|resource| (resource.identifier.clone(), Value::Object(unusual(&resource.metadata, json!({ "name": "" })))));
    let mut taken = BTreeSet::new();
    let configured = present.clients.iter().filter(|client| !client.metadata.self_registered);
    let clients = configured.map(|client| {
        let secret = (references && client.has_secret() && client.secrets.iter().any(|secret| secret.is_valid(now)))
            .then(|| SecretReference::Env(variable(client.id.as_str(), &mut taken)));
        (client.id.as_str().to_owned(), Value::Object(client_members(client, secret.as_ref())))
    });
    let mut document = Map::new();
    document.insert("version".to_owned(), VERSION.into());
    document.insert(RESOURCES.to_owned(), sorted(resources));
    document.insert(CLIENTS.to_owned(), sorted(clients));
    match form {
        Form::Json => Ok(format!("{:#}\n", Value::Object(document))),
        Form::Toml => {
            let text = toml::to_string_pretty(&document).map_err(|_| NullInToml)?;
            Ok(format!("{HEADER}{}{text}", if references { REFERENCES } else { "" }))
        }
    }
}

fn sorted(things: impl Iterator<Item = (String, Value)>) -> Value {
    let mut things: Vec<_> = things.collect();
    things.sort_by(|one, other| one.0.cmp(&other.0));
    Value::Object(things.into_iter().collect())
}

/// The members that are not what they are for `least` already.
fn unusual<T: Serialize + DeserializeOwned>(metadata: &T, least: Value) -> Map<String, Value> {
    let usual = serde_json::from_value::<T>(least).map(|usual| members(&usual)).unwrap_or_default();
    members(metadata).into_iter().filter(|(name, value)| usual.get(name) != Some(value)).collect()
}

fn client_members(client: &Client, secret: Option<&SecretReference>) -> Map<String, Value> {
    let mut all = unusual(&client.metadata, json!({ "client_name": "" }));
    all.insert("status".to_owned(), json!(client.status));
    if let Some(secret) = secret {
        all.insert("client_secret".to_owned(), json!(secret));
    }
    all
}

/// `CLIENT_SECRET_SHOP` for `shop`; one that is taken gets a number.
fn variable(id: &str, taken: &mut BTreeSet<String>) -> String {
    let letters = id.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter.to_ascii_uppercase() } else { '_' });
    let name: String = "CLIENT_SECRET_".chars().chain(letters).collect();
    let mut free = name.clone();
    let mut number = 1;
    while !taken.insert(free.clone()) {
        number += 1;
        free = format!("{name}_{number}");
    }
    free
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_client_has_a_variable_of_its_own() {
        let mut taken = BTreeSet::new();
        let names: Vec<_> = ["a-b", "a.b", "a_b", "A_B_2"].into_iter().map(|id| variable(id, &mut taken)).collect();
        assert_eq!(names, ["CLIENT_SECRET_A_B", "CLIENT_SECRET_A_B_2", "CLIENT_SECRET_A_B_3", "CLIENT_SECRET_A_B_2_2"]);
    }
}
