//! A way back for who forgot the password: a code to the mailbox, then a new password. It proves one mailbox and nothing else: a
//! second factor is asked for at the login that follows.

use secrecy::{ExposeSecret, SecretString};

use super::code::{self, Draft, Holder, Letter};
use super::{Complaint, admitted, by, end_everything, hash, mailbox_of};
use crate::audit::{self, Kind};
use crate::authn::password::{Checked, HashingError, Password, Strength};
use crate::guard::limit::Action;
use crate::guard::{Subject, Verdict};
use crate::outbound::mail::{self, Mail, Message};
use crate::protocol::email_address::EmailAddress;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::db::Conn;
use crate::storage::email_codes::{self, Claim, Purpose};
use crate::storage::error::Error as StorageError;
use crate::storage::users::{self, User};
use crate::storage::{email_addresses, factors, login_failures, profiles};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Sends a code to whoever signs in with what was typed. Where there is nobody, the same is done and nothing sent. Gives the id
/// with which the code is shown again. `proof` is a challenge and its solution, for an address that asked often.
pub async fn begin(
    state: &AppState,
    context: &RequestContext,
    holder: Holder,
    (typed, locale): (&str, Option<&str>),
    proof: Option<(&str, &str)>,
) -> Result<Result<String, Complaint>, Problem> {
    match state.guard.admit(Action::Recover, &Subject::new(context.address), context.now).await {
        Verdict::Allowed => {}
        Verdict::Refused { .. } => return Ok(Err(Complaint::TooMany)),
        Verdict::Challenge => {
            let Some(proof) = proof else { return Ok(Err(Complaint::Challenge)) };
            if !state.guard.redeem(Action::Recover, context.address, proof, context.now).await? {
                return Ok(Err(Complaint::Challenge));
            }
        }
    }
    // One hash, so that what it takes to find somebody doesn't show, and floods are bounded like those of logins.
    match state.passwords.verify(&placeholder()?, None).await {
        Ok(_) => {}
        Err(HashingError::Overloaded) => return Ok(Err(Complaint::Overloaded)),
        Err(error) => return Err(Problem::internal(error)),
    }
    let found = found(state, typed).await?;
    let (user, address, letter) = found
        .map_or_else(|| (None, unknown(typed), Letter::Nothing), |Found { user, address, letter }| (Some(user), address, letter));
    let user_id = user.as_ref().map(|user| &user.id);
    let draft = Draft {
        purpose: Purpose::ResetPassword,
        holder,
        user_id,
        address: &address,
        locale,
        letter,
        wish: None,
        event: Event { user_id: user_id.cloned(), ..audit::event(Kind::RecoveryRequested, context) },
    };
    code::send(state, context, &draft).await.map(Ok)
}

/// Somebody who can be written to, and what is written.
struct Found {
    user: User,
    address: EmailAddress,
    letter: Letter,
}

async fn found(state: &AppState, typed: &str) -> Result<Option<Found>, Problem> {
    let mut conn = state.db.read().await?;
    let Some(user) = users::find_by_login_name(&mut conn, typed).await?.filter(User::is_active) else { return Ok(None) };
    let letter = if has_chosen_passkeys(&mut conn, &user).await? { Letter::Notice(Message::NoPassword) } else { Letter::Code };
    let address = mailbox_of(&mut conn, &user).await?;
    Ok(address.map(|address| Found { user, address, letter }))
}

/// Who has chosen passkeys instead of a password must not get one by way of the mailbox, which is a weaker proof.
async fn has_chosen_passkeys(conn: &mut Conn, user: &User) -> Result<bool, StorageError> {
    Ok(user.password_hash.is_none() && factors::enrolled(conn, &user.id).await?.passkeys)
}

/// Stands in for the address of nobody: what was typed, to be counted by.
fn unknown(typed: &str) -> EmailAddress {
    let text: String = typed.trim().to_lowercase().chars().filter(|letter| !letter.is_control()).take(254).collect();
    EmailAddress::parse(typed).unwrap_or_else(|_| EmailAddress::from_stored(text.clone(), text))
}

fn placeholder() -> Result<Password, Problem> {
    Password::parse("nobody's password").map_err(Problem::internal)
}

/// Whether this is the code. Who has shown it may set a new password.
pub async fn check(
    state: &AppState,
    context: &RequestContext,
    holder: Holder,
    (id, typed): (&str, &str),
) -> Result<Result<(), Complaint>, Problem> {
    let Some(hash) = code::typed(state, context, Purpose::ResetPassword, id, typed).await else {
        return Ok(Err(Complaint::TooMany));
    };
    let claim = holder.claim(id, Purpose::ResetPassword, context.now);
    if state.db.write(async |tx| email_codes::spend(tx, claim, &hash).await).await? {
        return Ok(Ok(()));
    }
    state.refusals.refused(audit::refused(Kind::UserPasswordChanged, context, "code_wrong"));
    Ok(Err(Complaint::Code))
}

/// Whether the code of this id was shown and a new password may be set.
pub async fn is_open(state: &AppState, context: &RequestContext, holder: Holder, id: &str) -> Result<bool, Problem> {
    let claim = holder.claim(id, Purpose::ResetPassword, context.now);
    Ok(email_codes::is_spent(&mut state.db.read().await?, claim).await?)
}

/// What became of a new password.
#[derive(Debug)]
pub enum Outcome {
    Done,
    Refused {
        complaints: Vec<Complaint>,
        strength: Option<Strength>,
    },
    /// No right code was shown, or it was too long ago, or something has changed since.
    Closed,
}

/// Sets the new password of whoever showed the code. It ends every session and everything that applications were given, and
/// opens none; the person is told.
pub async fn set_password(
    state: &AppState,
    context: &RequestContext,
    holder: Holder,
    (id, typed): (&str, &SecretString),
) -> Result<Outcome, Problem> {
    let claim = holder.claim(id, Purpose::ResetPassword, context.now);
    // Nothing is looked at before a code was shown: what is wrong with a password would tell whether there is somebody.
    let Some((user, address)) = proved(state, claim).await? else { return Ok(Outcome::Closed) };
    let known = [address.as_str()];
    let Checked { password, strength } =
        state.password_policy.check(typed.expose_secret(), user.sign_in_name.as_str(), &known).await;
    let refused = |complaint, strength| Ok(Outcome::Refused { complaints: vec![complaint], strength });
    let password = match password {
        Ok(password) => password,
        Err(problem) => return refused(Complaint::Password(problem), strength),
    };
    // One code opens the way for one password: who sends many at once gets few hashed.
    if !admitted(state, Action::NewPassword, &Subject::new(context.address).session(id), context.now).await {
        return refused(Complaint::TooMany, None);
    }
    let new_hash = match hash(state, &password).await? {
        Ok(hash) => hash,
        Err(complaint) => return refused(complaint, None),
    };
    let mut event = by(&user.id, Kind::UserPasswordChanged, context);
    event.details.insert("by".to_owned(), "recovery".into());
    let locale = profiles::load(&mut state.db.read().await?, &user.id).await?.and_then(|(profile, _)| profile.locale);
    let notice = Mail { to: address.clone(), locale, user_id: Some(user.id.clone()), message: Message::PasswordChanged };
    let done = state
        .db
        .write(async |tx| {
            if !users::stands(tx, &user).await? || has_chosen_passkeys(tx, &user).await? || !email_codes::take(tx, claim).await? {
                return Ok(false);
            }
            users::set_password(tx, &user.id, &new_hash, context.now).await?;
            end_everything(tx, &user.id, None, context.now).await?;
            login_failures::clear(tx, &user.id).await?;
            prove(tx, &user, &address, context).await?;
            mail::enqueue(tx, &state.outbox, &notice, context.now).await?;
            crate::storage::audit::insert(tx, &event).await?;
            Ok(true)
        })
        .await?;
    if done {
        // Whoever failed so often is forgiven: the password that was tried is gone.
        state.guard.forgive(&user.id).await;
    }
    Ok(if done { Outcome::Done } else { Outcome::Closed })
}

/// Whose code was shown, and the mailbox that it went to, which must still be theirs.
async fn proved(state: &AppState, claim: Claim<'_>) -> Result<Option<(User, EmailAddress)>, Problem> {
    let mut conn = state.db.read().await?;
    if !email_codes::is_spent(&mut conn, claim).await? {
        return Ok(None);
    }
    let Some(row) = email_codes::load(&mut conn, claim).await? else { return Ok(None) };
    let Some(user_id) = row.user_id else { return Ok(None) };
    let Some(user) = users::by_id(&mut conn, &user_id).await?.filter(User::is_active) else { return Ok(None) };
    let address = mailbox_of(&mut conn, &user).await?.filter(|address| address.canonical() == row.address);
    Ok(address.map(|address| (user, address)))
}

/// Somebody who signs in with an address and read a mail there has proved it.
async fn prove(
    tx: &mut crate::storage::db::Tx,
    user: &User,
    address: &EmailAddress,
    context: &RequestContext,
) -> Result<(), StorageError> {
    let present = email_addresses::load(tx, &user.id).await?;
    if present.is_none_or(|present| present.verified_at.is_none() && present.address == *address) {
        email_addresses::save(tx, &user.id, address, true, context.now).await?;
    }
    Ok(())
}
