//! Codes by mail: six digits, ten minutes, five tries, the newest only, bound to who asked for it, for what, and to the address.

use super::admitted;
use crate::config::Secret;
use crate::guard::Subject;
use crate::guard::limit::Action;
use crate::keys::hash::TokenKind;
use crate::outbound::mail::{self, Mail, Message};
use crate::protocol::email_address::EmailAddress;
use crate::protocol::id::UserId;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::email_codes::{self, Claim, EmailCode, Purpose};
use crate::storage::mail_counts;
use crate::web::context::RequestContext;
use crate::web::error::Problem;

pub const LIFETIME: Seconds = Seconds::minutes(10);

/// Who asked for a code: the browser or app that knows this secret. Nobody else can use the code, nor use up its tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Holder([u8; 32]);

impl Holder {
    pub fn new(state: &AppState, secret: &str) -> Self {
        Self(state.tokens.hash(TokenKind::EmailCodeHolder, secret))
    }

    pub(super) const fn claim<'a>(&'a self, id: &'a str, purpose: Purpose, now: Timestamp) -> Claim<'a> {
        Claim { id, purpose, holder: &self.0, now }
    }
}

/// What goes to the mailbox.
#[derive(Debug)]
pub(super) enum Letter {
    Code,
    /// No code fits; the owner of the mailbox is told this.
    Notice(Message),
    /// No code fits, and there is nobody to tell.
    Nothing,
}

/// A code that is to be sent, or the same without one.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) purpose: Purpose,
    pub(super) holder: Holder,
    pub(super) user_id: Option<&'a UserId>,
    pub(super) address: &'a EmailAddress,
    pub(super) locale: Option<&'a str>,
    pub(super) letter: Letter,
    /// Kept until the code is right.
    pub(super) wish: Option<&'a [u8]>,
    pub(super) event: Event,
}

/// Stores a code and mails it, unless the mailbox got enough of the kind; who asked learns nothing of that. Gives the id with
/// which the code is shown again.
pub(super) async fn send(state: &AppState, context: &RequestContext, draft: &Draft<'_>) -> Result<String, Problem> {
    let Draft { purpose, holder, user_id, address, locale, letter, wish, event } = draft;
    let (id, code) = (random::identifier(), random::digits());
    let row = EmailCode {
        purpose: *purpose,
        user_id: user_id.cloned(),
        address: address.canonical().to_owned(),
        holder: holder.0,
        hash: matches!(letter, Letter::Code).then(|| hash(state, *purpose, &id, &code)),
        sealed: wish.map(|wish| state.codes.seal(wish, &associated_data(*purpose, &id))),
        created_at: context.now,
        expires_at: context.now + LIFETIME,
        id,
    };
    let message = match letter {
        Letter::Code => Some(message(*purpose, code)),
        Letter::Notice(message) => Some(message.clone()),
        Letter::Nothing => None,
    };
    let mail = message.map(|message| Mail {
        to: (*address).clone(),
        locale: locale.map(str::to_owned),
        user_id: user_id.cloned(),
        message,
    });
    let mailbox = state.tokens.hash(TokenKind::Mailbox, address.canonical());
    let quota = state.guard.mailbox_quota();
    let nobody = state.tokens.hash(TokenKind::Mailbox, &row.id);
    state
        .db
        .write(async |tx| {
            mail_counts::queue_up(tx, &mailbox).await?;
            let may = mail_counts::take(tx, &mailbox, purpose.as_str(), quota, context.now).await?;
            // A code that is not mailed can only be guessed: there is none then. So a mailbox has as many codes as mails.
            let row = EmailCode { hash: row.hash.filter(|_| may), ..row.clone() };
            email_codes::insert(tx, &row).await?;
            match &mail {
                Some(mail) if may => mail::enqueue(tx, &state.outbox, mail, context.now).await?,
                // As much to write, so that the time does not tell.
                _ => _ = mail_counts::take(tx, &nobody, "none", quota, context.now).await?,
            }
            crate::storage::audit::insert(tx, event).await
        })
        .await?;
    Ok(row.id)
}

/// The hash of what somebody types as a code; spaces in it don't count. Counted by the guard before anything is looked at;
/// `None`: too many.
pub(super) async fn typed(
    state: &AppState,
    context: &RequestContext,
    purpose: Purpose,
    id: &str,
    code: &str,
) -> Option<[u8; 32]> {
    let subject = Subject::new(context.address).session(id).account(id);
    if !admitted(state, Action::Code, &subject, context.now).await {
        return None;
    }
    let digits: String = code.chars().filter(|letter| !letter.is_whitespace()).take(16).collect();
    Some(hash(state, purpose, id, &digits))
}

/// What was sealed with a code.
pub(super) fn open(state: &AppState, row: &EmailCode) -> Option<Vec<u8>> {
    state.codes.open(row.sealed.as_deref()?, &associated_data(row.purpose, &row.id))
}

fn hash(state: &AppState, purpose: Purpose, id: &str, code: &str) -> [u8; 32] {
    state.tokens.hash(TokenKind::EmailCode, &format!("{}\0{id}\0{code}", purpose.as_str()))
}

fn associated_data(purpose: Purpose, id: &str) -> Vec<u8> {
    format!("{}\0{id}", purpose.as_str()).into_bytes()
}

fn message(purpose: Purpose, code: String) -> Message {
    let code = Secret::from(code);
    match purpose {
        Purpose::Register => Message::RegisterCode { code },
        Purpose::VerifyEmail => Message::VerifyEmail { code },
        Purpose::ChangeEmail => Message::ChangeEmail { code },
        Purpose::ResetPassword => Message::ResetPassword { code },
    }
}
