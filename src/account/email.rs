//! One's own e-mail address: proving it, and taking another one. The old one stays until the new one is proved.

use super::code::{self, Draft, Holder, Letter};
use super::password::{Owner, confirm};
use super::{Complaint, admitted, by, mailbox_of};
use crate::audit::{self, Kind};
use crate::guard::Subject;
use crate::guard::limit::Action;
use crate::outbound::mail::{self, Mail, Message};
use crate::protocol::email_address::EmailAddress;
use crate::protocol::id::UserId;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::email_codes::{self, Purpose};
use crate::storage::error::Error as StorageError;
use crate::storage::users::{self, User};
use crate::storage::{email_addresses, profiles};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Sends a code to a new address of somebody who has just shown that it is still them. One that is somebody else's gets a
/// notice instead, and the answer is the same.
pub async fn begin_change(
    state: &AppState,
    context: &RequestContext,
    (owner, holder): (Owner<'_>, Holder),
    (current, typed): (&str, &str),
) -> Result<Result<String, Vec<Complaint>>, Problem> {
    let address = EmailAddress::parse(typed).map_err(|_| Complaint::Address);
    if let Err(complaint) = confirm(state, context, owner, current).await? {
        let more = address.err();
        return Ok(Err(more.into_iter().chain([complaint]).collect()));
    }
    match address {
        Ok(address) => request(state, context, (owner.user, holder), Purpose::ChangeEmail, &address).await,
        Err(complaint) => Ok(Err(vec![complaint])),
    }
}

/// Sends a code to the address that stands in the account, which somebody else may have written there. `None`: none has to be
/// proved.
pub async fn begin_verification(
    state: &AppState,
    context: &RequestContext,
    (user, holder): (&User, Holder),
) -> Result<Option<Result<String, Vec<Complaint>>>, Problem> {
    let present = email_addresses::load(&mut state.db.read().await?, &user.id).await?;
    let Some(unproved) = present.filter(|present| present.verified_at.is_none()) else { return Ok(None) };
    request(state, context, (user, holder), Purpose::VerifyEmail, &unproved.address).await.map(Some)
}

async fn request(
    state: &AppState,
    context: &RequestContext,
    (user, holder): (&User, Holder),
    purpose: Purpose,
    address: &EmailAddress,
) -> Result<Result<String, Vec<Complaint>>, Problem> {
    let subject = Subject::new(context.address).account(user.id.as_str());
    for action in [Action::RequestMail, Action::ChangeAddress] {
        if !admitted(state, action, &subject, context.now).await {
            let event = audit::refused(Kind::EmailCodeRequested, context, Complaint::TooMany.reason());
            state.refusals.refused(Event { actor: Actor::User(user.id.clone()), user_id: Some(user.id.clone()), ..event });
            return Ok(Err(vec![Complaint::TooMany]));
        }
    }
    let (taken, locale) = {
        let mut conn = state.db.read().await?;
        let locale = profiles::load(&mut conn, &user.id).await?.and_then(|(profile, _)| profile.locale);
        (email_addresses::is_taken(&mut conn, address, Some(&user.id)).await?, locale)
    };
    let draft = Draft {
        purpose,
        holder,
        user_id: Some(&user.id),
        address,
        locale: locale.as_deref(),
        letter: if taken { Letter::Notice(Message::AccountExists) } else { Letter::Code },
        wish: Some(address.as_str().as_bytes()),
        event: by(&user.id, Kind::EmailCodeRequested, context),
    };
    code::send(state, context, &draft).await.map(Ok)
}

/// The address that a code was sent to, for its holder to see what they typed.
pub async fn address_of(
    state: &AppState,
    context: &RequestContext,
    holder: Holder,
    (id, purpose): (&str, Purpose),
) -> Result<Option<String>, Problem> {
    let row = email_codes::load(&mut state.db.read().await?, holder.claim(id, purpose, context.now)).await?;
    Ok(row.as_ref().and_then(|row| opened(state, row)).map(|address| address.as_str().to_owned()))
}

/// Takes the address whose code is shown. Where the person was reached before, that mailbox is told; a sign-in name that was the
/// old address, and proved, becomes the new one.
pub async fn finish(
    state: &AppState,
    context: &RequestContext,
    (user, holder): (&User, Holder),
    (id, typed, purpose): (&str, &str, Purpose),
) -> Result<Result<(), Complaint>, Problem> {
    let refuse = |reason| {
        let event = audit::refused(Kind::UserEmailChanged, context, reason);
        let actor = Actor::User(user.id.clone());
        state.refusals.refused(Event { actor, user_id: Some(user.id.clone()), ..event });
        Ok(Err(Complaint::Code))
    };
    let Some(hash) = code::typed(state, context, purpose, id, typed).await else { return Ok(Err(Complaint::TooMany)) };
    let claim = holder.claim(id, purpose, context.now);
    let (row, old, reached, locale) = {
        let mut conn = state.db.read().await?;
        let locale = profiles::load(&mut conn, &user.id).await?.and_then(|(profile, _)| profile.locale);
        let old = email_addresses::load(&mut conn, &user.id).await?;
        (email_codes::load(&mut conn, claim).await?, old, mailbox_of(&mut conn, user).await?, locale)
    };
    let row = row.filter(|row| row.user_id.as_ref() == Some(&user.id));
    let Some(address) = row.as_ref().and_then(|row| opened(state, row)) else { return refuse("code_unknown") };
    // The one of the account may have been changed since.
    if purpose == Purpose::VerifyEmail && old.as_ref().is_none_or(|old| old.address != address) {
        return refuse("address_changed");
    }
    let proved_before = old.filter(|old| old.verified_at.is_some() && old.address != address).map(|old| old.address);
    let reached = reached.filter(|reached| reached.canonical() != address.canonical());
    let notice = reached.map(|to| Mail {
        to,
        locale,
        user_id: Some(user.id.clone()),
        message: Message::EmailChanged { new_address: address.masked() },
    });
    let event = by(&user.id, Kind::UserEmailChanged, context);
    let changed = state
        .db
        .write(async |tx| {
            if !email_codes::spend(tx, claim, &hash).await? {
                return Ok(false);
            }
            rename(tx, &user.id, proved_before.as_ref(), &address, context).await?;
            email_addresses::save(tx, &user.id, &address, true, context.now).await?;
            // Codes that went to the old address open nothing any more.
            email_codes::delete_for_user(tx, &user.id).await?;
            if let Some(notice) = &notice {
                mail::enqueue(tx, &state.outbox, notice, context.now).await?;
            }
            crate::storage::audit::insert(tx, &event).await?;
            Ok(true)
        })
        .await;
    match changed {
        Ok(true) => Ok(Ok(())),
        Ok(false) => refuse("code_wrong"),
        // Somebody else proved it since the code was sent.
        Err(StorageError::Conflict) => {
            state.db.write(async |tx| email_codes::spend(tx, claim, &hash).await).await?;
            refuse("taken_meanwhile")
        }
        Err(error) => Err(error.into()),
    }
}

/// Whoever signs in with the old address signs in with the new one from now on.
async fn rename(
    tx: &mut crate::storage::db::Tx,
    id: &UserId,
    old: Option<&EmailAddress>,
    new: &EmailAddress,
    context: &RequestContext,
) -> Result<(), StorageError> {
    let Some(old) = old else { return Ok(()) };
    let Some(stored) = users::by_id(tx, id).await? else { return Ok(()) };
    if stored.sign_in_name.canonical() != old.canonical() {
        return Ok(());
    }
    let renamed = User { sign_in_name: new.clone().into(), updated_at: context.now, ..stored };
    if users::update(tx, &renamed, renamed.version).await? { Ok(()) } else { Err(StorageError::Conflict) }
}

fn opened(state: &AppState, row: &email_codes::EmailCode) -> Option<EmailAddress> {
    EmailAddress::parse(std::str::from_utf8(&code::open(state, row)?).ok()?).ok()
}
