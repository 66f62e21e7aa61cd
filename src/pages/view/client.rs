//! How a client, and what it asks for, is shown to people.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::pages::text::Text;
use crate::protocol::authorization_details;
use crate::protocol::client::Client;
use crate::protocol::client_document;
use crate::protocol::resource::{Reach, Resources};
use crate::protocol::scope::{ACCOUNT, MANAGEMENT, STANDARD, Scope};
use crate::web::logos::Logos;

/// A client as people see it.
#[derive(Clone, Debug)]
pub struct ClientView {
    pub name: String,
    /// A `data:` image.
    pub logo: Option<String>,
    pub policy: Option<String>,
    pub terms: Option<String>,
    /// It registered itself, and nobody here has looked at it.
    pub unvouched: bool,
    /// Where it publishes its registration, which anybody could have given any name.
    pub host: Option<String>,
}

impl ClientView {
    pub fn new(client: &Client) -> Self {
        let metadata = &client.metadata;
        let name = match metadata.client_name.trim() {
            "" => client.id.to_string(),
            name => name.to_owned(),
        };
        Self {
            name,
            logo: metadata.logo_uri.clone().filter(|uri| is_embedded_image(uri)),
            policy: web_link(metadata.policy_uri.as_deref()),
            terms: web_link(metadata.tos_uri.as_deref()),
            unvouched: metadata.self_registered,
            host: client_document::shown_host(&client.id).filter(|_| client.is_published()),
        }
    }

    /// The same with a logo that stands on another server, if it is known.
    pub fn with_logo(client: &Client, logos: &Logos) -> Self {
        let view = Self::new(client);
        let logo = view.logo.or_else(|| logos.known(client).map(|image| image.as_ref().to_owned()));
        Self { logo, ..view }
    }

    /// Stands where there is no logo.
    pub fn initial(&self) -> String {
        let first = self.name.chars().find(|letter| letter.is_alphanumeric());
        first.map_or_else(|| "·".to_owned(), |letter| letter.to_uppercase().collect())
    }
}

/// Bitmaps only: an SVG may hold more than a picture.
fn is_embedded_image(uri: &str) -> bool {
    ["png", "jpeg", "webp", "gif"].iter().any(|kind| {
        uri.strip_prefix("data:image/").and_then(|rest| rest.strip_prefix(kind)).is_some_and(|rest| rest.starts_with(";base64,"))
    })
}

/// A link is shown only if following it can't run anything here.
fn web_link(uri: Option<&str>) -> Option<String> {
    uri.filter(|uri| uri.starts_with("https://") || uri.starts_with("http://")).map(str::to_owned)
}

/// One scope value on the consent page.
#[derive(Clone, Debug)]
pub struct ScopeRow {
    pub value: String,
    /// What it lets the client do.
    pub sentence: String,
    /// Can't be unticked.
    pub fixed: bool,
}

impl ScopeRow {
    /// The sentence comes from the texts, or from `configured` (`token.scopes`), or is the value itself. `openid` is what
    /// makes the request a login, so it is fixed.
    pub fn new(text: Text, value: &str, configured: &BTreeMap<String, String>) -> Self {
        Self { value: value.to_owned(), sentence: scope_sentence(text, value, configured), fixed: value == "openid" }
    }

    /// A row for each value: the standard ones in the standard's order, then the others.
    pub fn all(text: Text, scope: &Scope, configured: &BTreeMap<String, String>) -> Vec<Self> {
        in_order(scope).into_iter().map(|value| Self::new(text, value, configured)).collect()
    }

    /// The id of its checkbox: an HTML id may hold all but spaces.
    pub(super) fn id(&self) -> String {
        format!("scope-{}", self.value)
    }
}

/// The values as people are shown them: what is known best comes first.
pub fn in_order(scope: &Scope) -> Vec<&str> {
    let mut values: Vec<&str> = scope.iter().collect();
    values.sort_by_key(|value| STANDARD.iter().position(|known| known == value).unwrap_or(STANDARD.len()));
    values
}

/// What the scope value lets a client do, as a sentence.
pub fn scope_sentence(text: Text, value: &str, configured: &BTreeMap<String, String>) -> String {
    let english =
        || ACCOUNT.iter().chain(&MANAGEMENT).find(|(known, _)| *known == value).map(|(_, sentence)| (*sentence).to_owned());
    message(text, "scope", value).or_else(|| configured.get(value).cloned()).or_else(english).unwrap_or_else(|| value.to_owned())
}

/// One claim on the consent page.
#[derive(Clone, Debug)]
pub struct ClaimRow {
    pub name: String,
    pub label: String,
}

impl ClaimRow {
    pub fn new(text: Text, name: &str) -> Self {
        Self { name: name.to_owned(), label: message(text, "claim", name).unwrap_or_else(|| name.to_owned()) }
    }
}

/// A resource, to a person.
#[derive(Clone, Debug)]
pub struct ResourceRow {
    /// What its operator calls it.
    pub name: Option<String>,
    pub identifier: String,
}

impl ResourceRow {
    pub fn all(identifiers: &BTreeSet<String>, known: &Resources) -> Vec<Self> {
        let row = |identifier: &String| Self {
            name: known.get(identifier).map(|resource| resource.metadata.name.clone()),
            identifier: identifier.clone(),
        };
        identifiers.iter().map(row).collect()
    }
}

/// One object of authorization details on the consent page.
#[derive(Clone, Debug)]
pub struct DetailRow {
    /// What its type is about.
    pub sentence: String,
    /// Names and values of all that it holds.
    pub members: Vec<(String, String)>,
}

impl DetailRow {
    pub fn all(reach: &Reach, known: &Resources) -> Vec<Self> {
        let row = |detail: &Value| {
            let name = authorization_details::type_of(detail).unwrap_or_default();
            let sentence = known.detail_type(name).map_or_else(|| name.to_owned(), |(_, kind)| kind.description.clone());
            let mut members = Vec::new();
            flatten(detail, "", &mut members);
            members.retain(|(path, _)| path != "type");
            Self { sentence, members }
        };
        reach.authorization_details.iter().map(row).collect()
    }
}

/// Every value, under the path to it: `amount.currency`.
fn flatten(value: &Value, path: &str, found: &mut Vec<(String, String)>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| flatten(value, &below(name), found)),
        Value::Array(items) => items.iter().for_each(|item| flatten(item, path, found)),
        Value::String(text) => found.push((path.to_owned(), text.clone())),
        Value::Null => found.push((path.to_owned(), "-".to_owned())),
        Value::Number(_) | Value::Bool(_) => found.push((path.to_owned(), value.to_string())),
    }
}

/// The message for a name of the protocol, if there is one: `users:read` is `scope-users-read`.
fn message(text: Text, kind: &str, name: &str) -> Option<String> {
    let plain = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || matches!(letter, ':' | '_');
    if name.is_empty() || !name.chars().all(plain) {
        return None;
    }
    text.find(&format!("{kind}-{}", name.replace([':', '_'], "-")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_standard_and_management_scope_has_a_sentence_of_its_own() {
        let none = BTreeMap::new();
        let known =
            crate::protocol::scope::STANDARD.into_iter().chain(ACCOUNT.into_iter().chain(MANAGEMENT).map(|(value, _)| value));
        for value in known {
            assert!(message(Text::default(), "scope", value).is_some(), "{value}");
            assert_ne!(scope_sentence(Text::default(), value, &none), value);
        }
    }

    #[test]
    fn an_operators_scope_has_the_operators_sentence() {
        let configured = BTreeMap::from([("photos.read".to_owned(), "See your photos".to_owned())]);
        assert_eq!(scope_sentence(Text::default(), "photos.read", &configured), "See your photos");
        assert_eq!(scope_sentence(Text::default(), "photos.write", &configured), "photos.write");
    }

    #[test]
    fn what_makes_the_request_a_login_is_shown_first() {
        let scope = Scope::parse("albums.read email offline_access openid profile").unwrap();
        assert_eq!(in_order(&scope), ["openid", "profile", "email", "offline_access", "albums.read"]);
    }

    #[test]
    fn only_embedded_bitmaps_and_web_links_are_shown() {
        assert!(is_embedded_image("data:image/png;base64,AAAA"));
        for refused in
            ["https://app.example/logo.png", "data:image/svg+xml;base64,AAAA", "data:text/html;base64,AAAA", "javascript:1"]
        {
            assert!(!is_embedded_image(refused), "{refused}");
        }
        assert!(web_link(Some("https://app.example/terms")).is_some());
        for refused in ["javascript:alert(1)", "data:text/html,x", "//app.example", "ftp://app.example"] {
            assert!(web_link(Some(refused)).is_none(), "{refused}");
        }
    }
}
