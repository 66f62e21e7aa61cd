//! One attempt with a password: who makes it, whether it is looked at, and what it was counted by.

use std::net::IpAddr;

use super::device::Device;
use crate::protocol::id::UserId;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::db::Tx;
use crate::storage::error::Error;
use crate::storage::login_failures;
use crate::storage::users::User;

/// Who tries.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    pub address: IpAddr,
    /// The canonical form of the name, or what was typed when it has none.
    pub name: &'a str,
    /// Whose name it is.
    pub user: Option<&'a User>,
    /// Of the browser's cookie.
    pub device: Option<&'a Device>,
    /// [`super::Guard::admit`] asked for a proof of work.
    pub challenged: bool,
    /// It was given.
    pub proved: bool,
    pub now: Timestamp,
}

/// Whether the password is looked at.
#[derive(Debug)]
#[must_use]
pub enum Entry {
    /// It is. Say what came of it: [`super::Guard::failed`] or [`super::Guard::succeeded`].
    Open(Ticket),
    /// Not without a proof of work.
    Challenge,
    /// Not from this address before that.
    Refused { retry_after: Seconds },
    /// Too many are waiting.
    Overloaded,
}

/// An attempt that is under way.
#[derive(Debug)]
pub struct Ticket {
    pub(super) counted: Counted,
    pub(super) user_id: Option<UserId>,
    /// The name that was typed.
    pub(super) name: [u8; 32],
    pub(super) account: [u8; 32],
    pub(super) address: IpAddr,
    pub(super) closed: Option<&'static str>,
    /// There may be something in the database to forget after a success.
    pub(super) stored: bool,
    pub(super) begun_at: Timestamp,
}

/// What the attempt was counted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Counted {
    /// Nothing: it was silenced, or nothing is.
    Nothing,
    Account,
    Device([u8; 32]),
}

impl Ticket {
    /// Why a right password does not open the door; `None`: it does. It is hashed all the same: the answer must not tell.
    pub const fn closed(&self) -> Option<&'static str> {
        self.closed
    }

    /// Of what the database holds, what its success makes void.
    pub(super) async fn forget(&self, tx: &mut Tx) -> Result<(), Error> {
        if let Counted::Device(key) = &self.counted {
            login_failures::forget(tx, key, true).await?;
        }
        // A lock stays: the owner came in by a known device, and strangers stay out.
        login_failures::forget(tx, &self.account, self.counted == Counted::Account).await
    }
}
