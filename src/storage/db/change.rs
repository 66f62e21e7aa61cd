//! Who is told about changes of what is kept in memory.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::protocol::id::ClientId;

/// A committed change of something that is also kept in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Client(ClientId),
    /// The signing keys.
    Keys,
    /// The registry of resources.
    Resources,
    /// Mail waits to be sent.
    Outbox,
    /// Clients wait to be told something.
    Notices,
    /// It is not known what changed: forget everything.
    Everything,
}

impl Change {
    /// The text that travels between the nodes.
    pub(super) fn to_message(&self) -> String {
        match self {
            Self::Client(id) => format!("client {id}"),
            Self::Keys => "keys".to_owned(),
            Self::Resources => "resources".to_owned(),
            Self::Outbox => "outbox".to_owned(),
            Self::Notices => "notices".to_owned(),
            Self::Everything => "everything".to_owned(),
        }
    }

    /// Reads [`Change::to_message`]; what isn't understood, a newer node may have sent.
    pub(super) fn from_message(text: &str) -> Self {
        match text.split_once(' ') {
            Some(("client", id)) => ClientId::parse(id).map_or(Self::Everything, Self::Client),
            None if text == "keys" => Self::Keys,
            None if text == "resources" => Self::Resources,
            None if text == "outbox" => Self::Outbox,
            None if text == "notices" => Self::Notices,
            _ => Self::Everything,
        }
    }
}

type Subscriber = Arc<dyn Fn(&Change) + Send + Sync>;

/// Everyone who wants to know.
#[derive(Clone, Default)]
pub(super) struct Subscribers(Arc<RwLock<Vec<Subscriber>>>);

impl Subscribers {
    pub(super) fn add(&self, subscriber: impl Fn(&Change) + Send + Sync + 'static) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).push(Arc::new(subscriber));
    }

    pub(super) fn tell(&self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        // Cloned, so that a subscriber may subscribe another one.
        let subscribers = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        for change in changes {
            for subscriber in &subscribers {
                subscriber(change);
            }
        }
    }
}

impl fmt::Debug for Subscribers {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Subscribers")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_survives_the_way_to_another_node() {
        let named = Change::Client(ClientId::parse("a").unwrap());
        for change in [named, Change::Keys, Change::Resources, Change::Outbox, Change::Notices, Change::Everything] {
            assert_eq!(Change::from_message(&change.to_message()), change);
        }
        for unknown in ["", "users", "client ", "client \u{e9}", "keys 1"] {
            assert_eq!(Change::from_message(unknown), Change::Everything, "{unknown}");
        }
    }
}
