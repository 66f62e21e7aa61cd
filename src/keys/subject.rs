//! The `sub` by which a client knows a person (OpenID Connect Core §8).

use std::fmt;

use aws_lc_rs::hmac::{self, HMAC_SHA256};

use super::master::MasterKey;
use crate::protocol::client::Client;
use crate::protocol::id::UserId;
use crate::protocol::jwt::encode;
use crate::protocol::subject_type::sector;

/// Makes pairwise identifiers: the same for one person in one sector for ever, and nothing that two sectors could compare. There
/// is no way back to the person.
#[derive(Clone)]
pub struct Subjects(hmac::Key);

impl Subjects {
    pub fn new(master: &MasterKey) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, master.derive("pairwise").as_ref()))
    }

    /// `sub` of this person for this client.
    pub fn of(&self, client: &Client, user: &UserId) -> String {
        let Some(sector) = sector(&client.metadata) else { return user.to_string() };
        let input = [sector.as_bytes(), b"\0", user.as_str().as_bytes()].concat();
        encode(hmac::sign(&self.0, &input).as_ref())
    }
}

impl fmt::Debug for Subjects {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Subjects")
    }
}
