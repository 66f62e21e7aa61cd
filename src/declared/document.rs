//! Reading documents: TOML or JSON, of version 1.

use std::collections::BTreeMap;
use std::path::{Path as FilePath, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use serde_path_to_error::Segment;

use super::SecretReference;
use super::lines::{self, Lines};
use super::path::{Complaint, Path};
use crate::protocol::client::{ClientMetadata, ClientStatus};
use crate::protocol::id::ClientId;
use crate::protocol::printable::printable;
use crate::protocol::resource::ResourceMetadata;

/// The names of the two kinds.
pub const CLIENTS: &str = "clients";
pub const RESOURCES: &str = "resources";

/// The one version that there is.
pub const VERSION: i64 = 1;

/// What an installation should hold. A kind that no document names is left alone; so is what stands in none of them, unless it is
/// asked for that it goes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    pub clients: Option<BTreeMap<ClientId, DeclaredClient>>,
    /// By identifier.
    pub resources: Option<BTreeMap<String, ResourceMetadata>>,
    places: BTreeMap<Path, Place>,
}

/// A client as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeclaredClient {
    /// `None`: as it is. An administrator may have disabled it in haste, which no document should undo by saying nothing.
    pub status: Option<ClientStatus>,
    /// `None`: the one that it has.
    pub secret: Option<SecretReference>,
    pub metadata: ClientMetadata,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    file: PathBuf,
    line: usize,
}

/// How a document is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    Toml,
    Json,
}

impl Document {
    /// Reads one more file into this document. Everything that is wrong is told at once.
    pub fn read(&mut self, file: &FilePath, form: Form, text: &str) -> Result<(), Vec<Complaint>> {
        let mut complaints = Vec::new();
        let root = Path::default();
        let read = match form {
            Form::Toml => from_toml(text),
            Form::Json => from_json(text),
        };
        // What stands twice is complained of at its second place.
        let mut place = |path, line| _ = self.places.insert(path, Place { file: file.to_owned(), line });
        let (value, lines) = read.map_err(|(line, complaint)| {
            place(complaint.path.clone(), line);
            vec![complaint]
        })?;
        place(root.clone(), 1);
        for (path, line) in lines {
            place(path, line);
        }
        nul(&value, &root, &mut complaints);
        let Value::Object(mut members) = value else { return Err(vec![Complaint::new(root, "it must be an object")]) };
        match members.shift_remove("version") {
            Some(version) if version == VERSION => {}
            Some(_) => complaints.push(Complaint::new(root.member("version"), format!("must be {VERSION}"))),
            None => complaints.push(Complaint::new(root.clone(), format!("it must begin with version, which is {VERSION}"))),
        }
        if let Some(clients) = kind(CLIENTS, &mut members, &mut complaints) {
            self.add_clients(clients, &mut complaints);
        }
        if let Some(resources) = kind(RESOURCES, &mut members, &mut complaints) {
            self.add_resources(resources, &mut complaints);
        }
        complaints.extend(members.keys().map(|name| Complaint::new(root.member(name), UNKNOWN)));
        if complaints.is_empty() { Ok(()) } else { Err(complaints) }
    }

    fn add_clients(&mut self, clients: Map<String, Value>, complaints: &mut Vec<Complaint>) {
        let known = self.clients.get_or_insert_default();
        for (id, value) in clients {
            let path = Path::of(CLIENTS, &id);
            let Ok(id) = ClientId::parse(id) else {
                complaints.push(Complaint::new(path, "must be 1 to 255 printable ASCII characters without space"));
                continue;
            };
            match client(value, &path) {
                Ok(client) => {
                    if known.insert(id, client).is_some() {
                        complaints.push(Complaint::new(path, TWICE));
                    }
                }
                Err(found) => complaints.extend(found),
            }
        }
    }

    fn add_resources(&mut self, resources: Map<String, Value>, complaints: &mut Vec<Complaint>) {
        let known = self.resources.get_or_insert_default();
        for (identifier, value) in resources {
            let path = Path::of(RESOURCES, &identifier);
            match typed(value, &path) {
                Ok(resource) => {
                    if known.insert(identifier, resource).is_some() {
                        complaints.push(Complaint::new(path, TWICE));
                    }
                }
                Err(complaint) => complaints.push(complaint),
            }
        }
    }

    /// `FILE:LINE: PATH SENTENCE`, with the line of the nearest place that was written down.
    pub fn located(&self, complaint: &Complaint) -> String {
        let mut near = Some(complaint.path.clone());
        let place = loop {
            match near {
                Some(path) => match self.places.get(&path) {
                    Some(place) => break Some(place),
                    None => near = path.outer(),
                },
                None => break None,
            }
        };
        let place = place.map(|place| format!("{}:{}: ", place.file.display(), place.line)).unwrap_or_default();
        let space = if complaint.path.0.is_empty() { "" } else { " " };
        // Names that a document, or whoever named its file, chose.
        printable(&format!("{place}{}{space}{}", complaint.path, complaint.sentence))
    }
}

const UNKNOWN: &str = "is not known here";
const TWICE: &str = "stands in another document already";

/// With the line of what is wrong.
type Read = Result<(Value, Lines), (usize, Complaint)>;

fn from_toml(text: &str) -> Read {
    let value = toml::from_str(text).map_err(|error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        (before.matches('\n').count() + 1, Complaint::new(Path::default(), "it is not valid TOML"))
    })?;
    Ok((value, lines::of_toml(text)))
}

fn from_json(text: &str) -> Read {
    let value =
        serde_json::from_str(text).map_err(|error| (error.line(), Complaint::new(Path::default(), "it is not valid JSON")))?;
    let (lines, twice) = lines::of_json(text);
    match twice {
        Some(path) => Err((lines.get(&path).copied().unwrap_or(1), Complaint::new(path, "stands twice"))),
        None => Ok((value, lines)),
    }
}

fn kind(name: &str, members: &mut Map<String, Value>, complaints: &mut Vec<Complaint>) -> Option<Map<String, Value>> {
    if let Value::Object(things) = members.shift_remove(name)? {
        return Some(things);
    }
    complaints.push(Complaint::new(Path::default().member(name), "must be an object, with an entry for each"));
    None
}

fn client(value: Value, path: &Path) -> Result<DeclaredClient, Vec<Complaint>> {
    let Value::Object(mut members) = value else { return Err(vec![Complaint::new(path.clone(), "must be an object")]) };
    let mut complaints = Vec::new();
    let status = members.shift_remove("status").map(|status| typed(status, &path.member("status")));
    let status = status.transpose().map_err(|complaint| complaints.push(complaint)).ok().flatten();
    // Never with serde's words: somebody may have written the secret itself.
    let secret = members.shift_remove("client_secret").map(|secret| {
        let sentence = "must be { file = \"…\" } or { env = \"…\" }: no document holds a secret";
        serde_json::from_value(secret).map_err(|_| Complaint::new(path.member("client_secret"), sentence))
    });
    let secret = secret.transpose().map_err(|complaint| complaints.push(complaint)).ok().flatten();
    match typed(Value::Object(members), path) {
        Ok(metadata) if complaints.is_empty() => Ok(DeclaredClient { status, secret, metadata }),
        Ok(_) => Err(complaints),
        Err(complaint) => {
            complaints.push(complaint);
            Err(complaints)
        }
    }
}

/// Reads a value as a type, and says where it does not fit and what belongs there.
fn typed<T: DeserializeOwned>(value: Value, path: &Path) -> Result<T, Complaint> {
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut path = path.clone();
        for segment in error.path() {
            match segment {
                Segment::Map { key } => path = path.member(key),
                Segment::Seq { index } => path = path.entry(*index),
                Segment::Enum { .. } | Segment::Unknown => {}
            }
        }
        let message = error.into_inner().to_string();
        let quoted = message.split('`').nth(1).unwrap_or_default();
        let expected = message.rsplit_once("expected ").map(|(_, expected)| expected);
        if message.starts_with("unknown field") {
            let is_last = path.0.last().is_some_and(|last| last == quoted);
            Complaint::new(if is_last { path } else { path.member(quoted) }, UNKNOWN)
        } else if message.starts_with("missing field") {
            Complaint::new(path.member(quoted), "is missing")
        } else {
            let expected = expected.map(|expected| format!(": it should be {expected}")).unwrap_or_default();
            Complaint::new(path, format!("does not fit{expected}"))
        }
    })
}

/// One of the databases can't store it.
fn nul(value: &Value, path: &Path, complaints: &mut Vec<Complaint>) {
    let mut found = |path: &Path| complaints.push(Complaint::new(path.clone(), "holds the character U+0000"));
    match value {
        Value::String(text) if text.contains('\0') => found(path),
        Value::Array(entries) => {
            for (index, entry) in entries.iter().enumerate() {
                nul(entry, &path.entry(index), complaints);
            }
        }
        Value::Object(members) => {
            for (name, value) in members {
                let path = path.member(name);
                if name.contains('\0') {
                    complaints.push(Complaint::new(path.clone(), "holds the character U+0000"));
                }
                nul(value, &path, complaints);
            }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(form: Form, text: &str) -> Vec<String> {
        let mut document = Document::default();
        let found = document.read("a".as_ref(), form, text).err().unwrap_or_default();
        found.iter().map(|complaint| document.located(complaint)).collect()
    }

    #[test]
    fn what_is_not_known_or_does_not_fit_is_told_with_its_path_and_line() {
        for (text, expected) in [
            ("version = 1\nclient = 1", "a:2: client is not known here"),
            ("version = 2", "a:1: version must be 1"),
            ("", "a:1: it must begin with version, which is 1"),
            ("version = 1\n[clients.a]\nclient_name = 'A'\nredirect_url = ''", "a:4: clients.a.redirect_url is not known here"),
            ("version = 1\n[clients.a]\nscope = 'openid'", "a:2: clients.a.client_name is missing"),
            (
                "version = 1\n[clients.a]\nclient_name = 'A'\nfirst_party = 'yes'",
                "a:4: clients.a.first_party does not fit: it should be a boolean",
            ),
            (
                "version = 1\n[resources.'https://a.example/']\nname = 'A'\n[resources.'https://a.example/'.authorization_details_types.x]\ndescription = 'X'\nschema = {}\nmore = 1",
                "a:7: resources.\"https://a.example/\".authorization_details_types.x.more is not known here",
            ),
            (
                "version = 1\n[clients.a]\nclient_name = 'A'\ngrant_types = [\n'implicit',\n'password']",
                "a:6: clients.a.grant_types[1] does not fit",
            ),
            ("version = 1\nclients = 3", "a:2: clients must be an object, with an entry for each"),
            ("version = 1\n[clients.'a b']\nclient_name = 'A'", "a:2: clients.\"a b\" must be 1 to 255"),
            ("version = 1\n[clients.a]\nclient_name = \"A\\u0000\"", "a:3: clients.a.client_name holds the character U+0000"),
            ("version = 1\n[clients", "a:2: it is not valid TOML"),
        ] {
            let found = complaints(Form::Toml, text);
            assert!(found.len() == 1 && found[0].starts_with(expected), "{text}: {found:?}");
        }
        let json = "{\"version\": 1,\n\"clients\": {\"a\": {\"client_name\": \"A\",\n\"first_party\": 1}}}";
        assert_eq!(complaints(Form::Json, json), ["a:3: clients.a.first_party does not fit: it should be a boolean"]);
        assert_eq!(complaints(Form::Json, "{\"version\": 1,\n\"version\": 1}"), ["a:2: version stands twice"]);
        assert_eq!(complaints(Form::Json, "{\n\n"), ["a:3: it is not valid JSON"]);
    }

    #[test]
    fn a_secret_in_a_document_is_refused_without_being_quoted() {
        let found = complaints(Form::Toml, "version = 1\n[clients.a]\nclient_name = 'A'\nclient_secret = 'hunter2'");
        assert!(found[0].starts_with("a:4: clients.a.client_secret must be { file"), "{found:?}");
        assert!(!found[0].contains("hunter2"));
    }

    #[test]
    fn several_files_are_one_document_and_nothing_stands_in_two() {
        let mut document = Document::default();
        document.read("a".as_ref(), Form::Toml, "version = 1\n[clients.a]\nclient_name = 'A'").unwrap();
        assert_eq!(document.resources, None);
        document
            .read("b".as_ref(), Form::Json, r#"{"version": 1, "clients": {"b": {"client_name": "B"}}, "resources": {}}"#)
            .unwrap();
        assert_eq!(document.clients.as_ref().map(BTreeMap::len), Some(2));
        assert_eq!(document.resources, Some(BTreeMap::new()));
        let again = document.read("c".as_ref(), Form::Toml, "version = 1\n\n[clients.a]\nclient_name = 'A'").unwrap_err();
        assert_eq!(document.located(&again[0]), "c:3: clients.a stands in another document already");
    }
}
