//! A plan as people and programs read it. No secret is in it.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde::Serialize;
use serde_json::{Map, Value};

use super::document::{CLIENTS, RESOURCES};
use super::plan::{ClientChange, Plan, ResourceChange};
use crate::protocol::client::{ClientMetadata, ClientStatus};
use crate::protocol::printable::printable;

/// Every change, field by field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownPlan {
    pub changes: Vec<ShownChange>,
    /// What stands in no document, and stays.
    pub undeclared: Vec<Undeclared>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Undeclared {
    pub kind: &'static str,
    pub id: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ShownChange {
    pub action: Action,
    pub kind: &'static str,
    pub id: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<Field>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    Create,
    Change,
    Delete,
}

/// `null`: it is not there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Field {
    pub name: String,
    pub before: Value,
    pub after: Value,
}

/// In the place of a secret, whichever it is.
const SECRET: &str = "(secret)";
const OTHER_SECRET: &str = "(another secret)";

impl From<&Plan> for ShownPlan {
    fn from(plan: &Plan) -> Self {
        let changes = plan.resources.iter().map(resource).chain(plan.clients.iter().map(client));
        let undeclared = plan.undeclared.iter().map(|(kind, id)| Undeclared { kind, id: id.clone() });
        Self { changes: changes.collect(), undeclared: undeclared.collect() }
    }
}

fn resource(change: &ResourceChange) -> ShownChange {
    let before = change.edit.before().map(|before| members(&before.metadata));
    shown(RESOURCES, &change.identifier, before, change.edit.after().map(members))
}

fn client(change: &ClientChange) -> ShownChange {
    let all = |status: ClientStatus, metadata: &ClientMetadata| {
        let mut members = members(metadata);
        members.insert("status".to_owned(), serde_json::to_value(status).unwrap_or_default());
        members
    };
    let mut before = change.edit.before().map(|before| all(before.status, &before.metadata));
    let mut after = change.edit.after().map(|(status, metadata)| all(*status, metadata));
    if change.secret {
        let had_one = change.edit.before().is_some_and(|before| !before.secrets.is_empty());
        if let Some(before) = before.as_mut().filter(|_| had_one) {
            before.insert("client_secret".to_owned(), SECRET.into());
        }
        if let Some(after) = &mut after {
            after.insert("client_secret".to_owned(), if had_one { OTHER_SECRET } else { SECRET }.into());
        }
    }
    shown(CLIENTS, change.id.as_str(), before, after)
}

/// What is written of something.
pub(super) fn members(metadata: &impl Serialize) -> Map<String, Value> {
    match serde_json::to_value(metadata) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}

fn shown(kind: &'static str, id: &str, before: Option<Map<String, Value>>, after: Option<Map<String, Value>>) -> ShownChange {
    let action = match (&before, &after) {
        (None, _) => Action::Create,
        (Some(_), Some(_)) => Action::Change,
        (Some(_), None) => Action::Delete,
    };
    let mut fields = Vec::new();
    if let Some(after) = after {
        let before = before.unwrap_or_default();
        let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        let member = |members: &Map<String, Value>, name: &String| members.get(name).cloned().unwrap_or_default();
        let all = names.into_iter().map(|name| Field {
            name: name.clone(),
            before: member(&before, name),
            after: member(&after, name),
        });
        fields.extend(all.filter(|field| field.before != field.after));
    }
    ShownChange { action, kind, id: id.to_owned(), fields }
}

impl ShownPlan {
    /// A line for each change and each of its fields, and how many there are.
    pub fn text(&self) -> String {
        let mut text = String::new();
        for change in &self.changes {
            let sign = match change.action {
                Action::Create => '+',
                Action::Change => '~',
                Action::Delete => '-',
            };
            // Nothing fails in a text.
            _ = writeln!(text, "{sign} {}.{}", change.kind, printable(&change.id));
            for field in &change.fields {
                let (name, after) = (printable(&field.name), value(&field.after));
                _ = if change.action == Action::Create {
                    writeln!(text, "    {name} = {after}")
                } else {
                    writeln!(text, "    {name}: {} → {after}", value(&field.before))
                };
            }
        }
        text.push_str(&self.summary());
        if !self.undeclared.is_empty() {
            let names: Vec<_> = self.undeclared.iter().map(|other| format!("{}.{}", other.kind, printable(&other.id))).collect();
            _ = write!(text, "\nIn no document, and left as they are without --prune: {}", names.join(", "));
        }
        text
    }

    pub fn summary(&self) -> String {
        let count = |action| self.changes.iter().filter(|change| change.action == action).count();
        if self.changes.is_empty() {
            return "Nothing to change.".to_owned();
        }
        format!("{} to create, {} to change, {} to delete.", count(Action::Create), count(Action::Change), count(Action::Delete))
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Null => "(none)".to_owned(),
        Value::String(text) if text == SECRET || text == OTHER_SECRET => text.clone(),
        other => printable(&other.to_string()),
    }
}
