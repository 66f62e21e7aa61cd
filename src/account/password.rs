//! A new password for somebody who is logged in.

use secrecy::{ExposeSecret, SecretString};

use super::{Complaint, Seat, by, hash, mailbox_of};
use crate::audit::Kind;
use crate::authn::password::{Checked, Strength};
use crate::authn::session::Begun;
use crate::flow::admission::admit_owner;
use crate::flow::login::Entrance;
use crate::flow::password::Confirmed;
use crate::guard::device::Device;
use crate::guard::limit::Action;
use crate::outbound::mail::{self, Mail, Message};
use crate::protocol::authentication::Method;
use crate::state::AppState;
use crate::storage::profiles;
use crate::storage::users::{self, User};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Owner<'a> {
    pub user: &'a User,
    pub seat: Seat<'a>,
    /// They proved just now who they are.
    pub is_fresh: bool,
    /// What is known of the browser.
    pub device: Option<&'a Device>,
}

impl Owner<'_> {
    /// Who has a password types it again; who has none must have proved who they are just now.
    pub const fn has_password(&self) -> bool {
        self.user.password_hash.is_some()
    }
}

/// Checks that it is still the owner who asks. Counted like a login, before anything is hashed.
pub async fn confirm(
    state: &AppState,
    context: &RequestContext,
    owner: Owner<'_>,
    current: &str,
) -> Result<Result<(), Complaint>, Problem> {
    if !owner.has_password() {
        return Ok(if owner.is_fresh { Ok(()) } else { Err(Complaint::CurrentPassword) });
    }
    let at = Entrance { state, context, former: None, client_id: None, device: owner.device };
    Ok(match at.confirm(owner.user, current).await? {
        Confirmed::Right => Ok(()),
        Confirmed::Wrong => Err(Complaint::CurrentPassword),
        Confirmed::TooMany => Err(Complaint::TooMany),
        Confirmed::Overloaded => Err(Complaint::Overloaded),
    })
}

/// What became of a new password.
#[derive(Debug)]
pub enum Outcome {
    /// With the session that takes the place of a browser's.
    Done(Option<Box<Begun>>),
    Refused {
        complaints: Vec<Complaint>,
        strength: Option<Strength>,
    },
    /// The password was changed, the person disabled or the session ended meanwhile.
    Ended,
}

/// Sets a new password. It ends every other session, and everything that other applications were given; a browser's session gets
/// a new secret, and the person is told.
pub async fn change(
    state: &AppState,
    context: &RequestContext,
    owner: Owner<'_>,
    (current, new): (&SecretString, &SecretString),
) -> Result<Outcome, Problem> {
    let refused = |complaint, strength| Ok(Outcome::Refused { complaints: vec![complaint], strength });
    if let Err(complaint) = confirm(state, context, owner, current.expose_secret()).await? {
        return refused(complaint, None);
    }
    let user = owner.user;
    // Whoever has one is counted by what they type.
    if !owner.has_password() {
        admit_owner(state, context, &user.id, (Action::AddFactor, Kind::UserPasswordChanged)).await?;
    }
    let (address, locale) = {
        let mut conn = state.db.read().await?;
        let profile = profiles::load(&mut conn, &user.id).await?;
        (mailbox_of(&mut conn, user).await?, profile.and_then(|(profile, _)| profile.locale))
    };
    let known: Vec<&str> = address.iter().map(crate::protocol::email_address::EmailAddress::as_str).collect();
    let Checked { password, strength } =
        state.password_policy.check(new.expose_secret(), user.sign_in_name.as_str(), &known).await;
    let password = match password {
        Ok(password) => password,
        Err(problem) => return refused(Complaint::Password(problem), strength),
    };
    let new_hash = match hash(state, &password).await? {
        Ok(hash) => hash,
        Err(complaint) => return refused(complaint, None),
    };
    let begun = owner.seat.renewed(state, Method::Password, context.now);
    let event = by(&user.id, Kind::UserPasswordChanged, context);
    let notice = address.map(|to| Mail { to, locale, user_id: Some(user.id.clone()), message: Message::PasswordChanged });
    let done = state
        .db
        .write(async |tx| {
            if !users::stands(tx, user).await? || !owner.seat.go_on_alone(tx, &user.id, begun.as_deref(), context.now).await? {
                return Ok(false);
            }
            users::set_password(tx, &user.id, &new_hash, context.now).await?;
            if let Some(notice) = &notice {
                mail::enqueue(tx, &state.outbox, notice, context.now).await?;
            }
            crate::storage::audit::insert(tx, &event).await?;
            Ok(true)
        })
        .await?;
    Ok(if done { Outcome::Done(begun) } else { Outcome::Ended })
}
