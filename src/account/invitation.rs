//! Invitations: a link to the page for registration, which changes nothing by being opened.

use crate::audit::Kind;
use crate::keys::hash::TokenKind;
use crate::outbound::mail::{self, Mail, Message, Outbox};
use crate::protocol::email_address::EmailAddress;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::db::Db;
use crate::storage::error::Error as StorageError;
use crate::storage::invitations::{self, Invitation};

/// Whom to invite, and to what.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Nobody else may use it, and it is mailed to them. `None`: whoever has the link.
    pub address: Option<EmailAddress>,
    pub roles: Vec<String>,
    /// A person's or client's id; `None`: the command line.
    pub invited_by: Option<String>,
    pub lifetime: Seconds,
}

/// An invitation and its link, which is shown this once.
#[derive(Debug)]
pub struct Invited {
    pub invitation: Invitation,
    pub link: String,
}

/// Where an invitation is made: by the server, or by a command beside it.
#[derive(Clone, Copy, Debug)]
pub struct Office<'a> {
    pub db: &'a Db,
    pub tokens: &'a crate::keys::hash::TokenHasher,
    pub outbox: &'a Outbox,
    pub issuer: &'a str,
}

impl<'a> Office<'a> {
    pub fn of(state: &'a AppState) -> Self {
        Self { db: &state.db, tokens: &state.tokens, outbox: &state.outbox, issuer: &state.config.server.issuer }
    }

    /// Stores the invitation and mails it. `event` becomes `invitation.created`.
    pub async fn invite(self, draft: Draft, mut event: Event) -> Result<Invited, StorageError> {
        let (token, now) = (random::secret(), event.at);
        let link = format!("{}/register?invitation={token}", self.issuer);
        let invitation = Invitation {
            id: random::identifier(),
            hash: self.tokens.hash(TokenKind::Invitation, &token),
            address: draft.address.as_ref().map(|address| address.canonical().to_owned()),
            roles: draft.roles,
            invited_by: draft.invited_by,
            created_at: now,
            expires_at: now + draft.lifetime,
            used_at: None,
            used_by: None,
        };
        debug_assert_eq!(event.kind, Kind::InvitationCreated.as_str());
        event.details.insert("invitation_id".to_owned(), invitation.id.as_str().into());
        event.details.insert("roles".to_owned(), invitation.roles.clone().into());
        let mail = draft.address.map(|to| Mail {
            to,
            locale: None,
            user_id: None,
            message: Message::Invitation { link: link.clone().into() },
        });
        self.db
            .write(async |tx| {
                invitations::insert(tx, &invitation).await?;
                if let Some(mail) = &mail {
                    mail::enqueue(tx, self.outbox, mail, now).await?;
                }
                crate::storage::audit::insert(tx, &event).await
            })
            .await?;
        Ok(Invited { invitation, link })
    }
}

/// The invitation of a link, while it is good.
pub(super) async fn of_link(state: &AppState, token: &str, now: Timestamp) -> Result<Option<Invitation>, StorageError> {
    let hash = state.tokens.hash(TokenKind::Invitation, token);
    invitations::by_hash(&mut state.db.read().await?, &hash, now).await
}
