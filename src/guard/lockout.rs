//! What the guard keeps in the database, and by what names: keys of accounts, devices and addresses; blocks of addresses.

use aws_lc_rs::hmac;

use super::Guard;
use super::network::Network;
use crate::audit::{self, Kind, Origin};
use crate::protocol::id::UserId;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage;
use crate::storage::audit::{Actor, Event};
use crate::storage::error::Error;
use crate::storage::login_failures;
use crate::storage::mail_counts::Quota;
use crate::telemetry::TraceId;

impl Guard {
    /// The name under which failures at an account are counted: that of the person, whichever of their names was typed, or
    /// that of the name where nobody has it.
    pub fn account_key(&self, user_id: Option<&UserId>, name: &str) -> [u8; 32] {
        match user_id {
            Some(id) => self.key(&["user", id.as_str()]),
            None => self.key(&["name", name]),
        }
    }

    pub(super) fn network_key(&self, network: Network) -> [u8; 32] {
        self.key(&["address", &network.name()])
    }

    /// What a mailbox may get of one kind of mail, limits or not: for [`storage::mail_counts::take`].
    pub const fn mailbox_quota(&self) -> Quota {
        self.mailbox
    }

    pub(super) fn key(&self, parts: &[&str]) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(hmac::sign(&self.keys, parts.join("\0").as_bytes()).as_ref());
        hash
    }

    /// Keeps an address, or the whole site around it, out for a day.
    pub(super) async fn block(&self, network: Network, now: Timestamp) -> Result<(), Error> {
        let (key, name, until) = (self.network_key(network), network.name(), now + self.login.block);
        let origin = Origin { at: now, address: Some(name.clone()), trace_id: TraceId::random().to_string() };
        let event = Event { actor: Actor::System, ..audit::event(Kind::AddressBlocked, origin) };
        self.failures
            .db()
            .write(async |tx| {
                if login_failures::block(tx, &key, &name, now, until).await? {
                    storage::audit::insert(tx, &event).await?;
                }
                Ok(())
            })
            .await
    }
}

/// Of the rates of the configuration.
pub(super) fn quota(hourly: crate::config::Rate, daily: crate::config::Rate) -> Quota {
    let window = |rate: crate::config::Rate| {
        let micros = rate.interval().saturating_mul(rate.burst().into());
        (i64::from(rate.burst()), Seconds(i64::try_from(micros / 1_000_000).unwrap_or(i64::MAX)))
    };
    Quota { windows: [window(hourly), window(daily)] }
}
