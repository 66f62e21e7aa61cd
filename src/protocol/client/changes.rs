//! What a change of a client's metadata changes.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::ClientMetadata;

impl ClientMetadata {
    /// The names of the members that are not the same in both, for the audit log.
    pub fn differing(&self, other: &Self) -> Vec<String> {
        let (own, other) = (members(self), members(other));
        let names: BTreeSet<&String> = own.keys().chain(other.keys()).collect();
        names.into_iter().filter(|name| own.get(*name) != other.get(*name)).cloned().collect()
    }
}

fn members(metadata: &ClientMetadata) -> Map<String, Value> {
    match serde_json::to_value(metadata) {
        Ok(Value::Object(members)) => members,
        _ => Map::new(),
    }
}
