//! Mail to people: what is said to whom, and the outbox that it waits in.
//!
//! A mail is put into the outbox in the transaction of what it tells about: both happen, or neither. `jobs::mail` sends it at
//! least once. It lies there sealed, for it may hold a code.

mod letter;
mod message;
mod sender;
mod smtp;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use letter::{Letter, LetterError, compose};
pub use message::{Factor, Message};
pub use sender::{Sender, Transport, Unsent};
pub use smtp::{Consequence, Failure, Smtp, SmtpError, Step};

use crate::config::MailConfig;
use crate::keys::root::Root;
use crate::keys::seal::Sealer;
use crate::protocol::email_address::EmailAddress;
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;
use crate::random;
use crate::storage::db::Tx;
use crate::storage::error::Error;
use crate::storage::outbox::{self, Waiting};
use crate::storage::{email_addresses, profiles};

/// One message to one address.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mail {
    pub to: EmailAddress,
    /// The language that the reader wants, as a BCP 47 tag; the server's own when there is none or no texts in it.
    pub locale: Option<String>,
    /// Whose account it is about, for the audit log.
    pub user_id: Option<UserId>,
    pub message: Message,
}

/// Where mail is put to be sent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Outbox {
    sealer: Arc<Sealer>,
    is_on: bool,
}

impl Outbox {
    pub fn new(root: &Root, config: &MailConfig) -> Self {
        Self { sealer: Arc::new(Sealer::new(&root.derive("seal/outbox"))), is_on: config.is_on() }
    }

    /// Whether mail is sent at all. What can't do without is not offered otherwise; notices are left out.
    pub fn is_on(&self) -> bool {
        self.is_on
    }

    #[expect(clippy::expect_used, reason = "numbers and text can be written as JSON")]
    fn seal(&self, id: &str, mail: &Mail) -> Vec<u8> {
        let plain = serde_json::to_vec(mail).expect("numbers and text");
        self.sealer.seal(&plain, id.as_bytes())
    }

    /// The mail in a row; `None` when it was sealed with another key, or by a version with other messages.
    pub fn open(&self, waiting: &Waiting) -> Option<Mail> {
        let plain = self.sealer.open(&waiting.sealed, waiting.id.as_bytes())?;
        serde_json::from_slice(&plain).ok()
    }
}

/// Puts a mail into the outbox, in the transaction of what it tells about. Nothing happens where mail is off.
pub async fn enqueue(tx: &mut Tx, outbox: &Outbox, mail: &Mail, now: Timestamp) -> Result<(), Error> {
    if !outbox.is_on {
        return Ok(());
    }
    let id = random::uuid();
    let waiting = Waiting {
        sealed: outbox.seal(&id, mail),
        id,
        kind: mail.message.kind().to_owned(),
        attempts: 0,
        created_at: now,
        expires_at: now + mail.message.lifetime(),
    };
    outbox::insert(tx, &waiting).await
}

/// Tells a person about something that has happened to what is theirs, at the address that they proved to read. Whoever has
/// proved none is told nothing.
pub async fn notify(tx: &mut Tx, outbox: &Outbox, user: &UserId, message: Message, now: Timestamp) -> Result<(), Error> {
    if !outbox.is_on {
        return Ok(());
    }
    let Some(found) = email_addresses::load(tx, user).await?.filter(|found| found.verified_at.is_some()) else { return Ok(()) };
    let locale = profiles::load(tx, user).await?.and_then(|(profile, _)| profile.locale);
    let mail = Mail { to: found.address, locale, user_id: Some(user.clone()), message };
    enqueue(tx, outbox, &mail, now).await
}
