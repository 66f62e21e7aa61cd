//! A sign-in name and a password, of a page's form or of REST alike: counted by the guard, then hashed, then judged.
//!
//! What is not right looks the same from outside and takes the same time, whatever was wrong, a lock included.

use secrecy::SecretString;

use super::login::{Checked as Factor, Entrance};
use crate::audit::{self, Kind};
use crate::authn::login::{Attempt, Tried, attempt};
use crate::authn::password::{HashingError, Password};
use crate::authn::second_factor::Proof;
use crate::guard::device::Device;
use crate::guard::limit::Action;
use crate::guard::login::{Attempt as Counted, Entry};
use crate::protocol::authentication::Method;
use crate::protocol::sign_in_name::SignInName;
use crate::protocol::time::Seconds;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::users::{self, User};
use crate::telemetry::findings::note;
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// What somebody typed, and what else came with it.
#[derive(Clone, Copy, Debug)]
pub struct Typed<'a> {
    pub name: &'a str,
    pub password: &'a str,
    /// Of the browser's cookie.
    pub device: Option<&'a Device>,
    /// The sender's address has to prove work: [`crate::guard::Verdict::Challenge`] of [`Action::Login`].
    pub needs_proof: bool,
    /// A challenge and its solution.
    pub proof: Option<(&'a str, &'a str)>,
}

/// What became of it.
#[derive(Debug)]
pub enum Checked {
    Right {
        user: Box<User>,
        /// See [`Attempt::Accepted`].
        rehashed: Option<SecretString>,
    },
    Wrong {
        /// For the audit log.
        reason: &'static str,
        user: Option<Box<User>>,
    },
    /// Nothing was looked at: a proof of work is needed.
    Challenge,
    /// Nothing was looked at: too many attempts from this address.
    TooMany { retry_after: Seconds },
    /// Nothing was looked at: too much to do.
    Overloaded,
}

/// Checks a password.
pub async fn check(state: &AppState, context: &RequestContext, typed: &Typed<'_>) -> Result<Checked, Problem> {
    let wrong = |reason, user: Option<User>| Ok(Checked::Wrong { reason, user: user.map(Box::new) });
    let Ok(password) = Password::parse(typed.password) else { return wrong("password_malformed", None) };
    let proved = match typed.proof {
        Some(proof) => state.guard.redeem(Action::Login, context.address, proof, context.now).await?,
        None => false,
    };
    let user = users::find_by_login_name(&mut state.db.read().await?, typed.name).await?;
    let name = SignInName::parse(typed.name);
    let counted = Counted {
        address: context.address,
        name: name.as_ref().map_or(typed.name, SignInName::canonical),
        user: user.as_ref(),
        device: typed.device,
        challenged: typed.needs_proof,
        proved,
        now: context.now,
    };
    let ticket = match state.guard.login(&counted).await? {
        Entry::Open(ticket) => ticket,
        Entry::Challenge => return Ok(Checked::Challenge),
        Entry::Refused { retry_after } => return Ok(Checked::TooMany { retry_after }),
        Entry::Overloaded => return Ok(Checked::Overloaded),
    };
    tracing::trace!(trace_id = %context.trace_id, "a password is checked");
    let tried = Tried { name: counted.name, user: user.as_ref(), closed: ticket.closed() };
    match attempt(&state.passwords, tried, &password).await {
        Ok(Attempt::Accepted { rehashed }) => {
            state.guard.succeeded(&ticket).await?;
            match user {
                Some(user) => Ok(Checked::Right { user: Box::new(user), rehashed }),
                None => wrong("unknown_user", None),
            }
        }
        Ok(Attempt::Refused { reason }) => {
            state.guard.failed(&ticket).await?;
            match &user {
                Some(user) => note("account", "account", &user.id),
                None => note("account", "account", "none of this name"),
            }
            note("lock", "closed", ticket.closed().unwrap_or("no"));
            wrong(reason, user)
        }
        Err(HashingError::Overloaded) => Ok(Checked::Overloaded),
        Err(error) => Err(Problem::internal(error)),
    }
}

/// What the password of somebody who is logged in was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmed {
    Right,
    Wrong,
    /// So many were tried that this one was not looked at.
    TooMany,
    /// Nothing was looked at: too much to do.
    Overloaded,
}

impl Entrance<'_> {
    /// The password as a factor that is proved once more.
    pub async fn check_password(self, user: &User, typed: &str) -> Result<Factor, Problem> {
        match self.confirm(user, typed).await? {
            Confirmed::Right => Ok(Factor::Right(Proof::spent(Method::Password))),
            Confirmed::Wrong => Ok(Factor::Wrong),
            Confirmed::TooMany => Ok(Factor::TooMany),
            Confirmed::Overloaded => Err(Problem::overloaded()),
        }
    }

    /// Checks the password that somebody who is logged in typed once more. Counted before it is hashed, like a login.
    pub async fn confirm(self, user: &User, typed: &str) -> Result<Confirmed, Problem> {
        let Self { state, context, device, client_id, .. } = self;
        let refused = |reason| {
            let (actor, user_id, client_id) = (Actor::User(user.id.clone()), Some(user.id.clone()), client_id.cloned());
            let event = audit::refused(Kind::UserReauthentication, context, reason);
            state.refusals.refused(Event { actor, client_id, user_id, ..event });
        };
        let Ok(password) = Password::parse(typed) else {
            refused("password_malformed");
            return Ok(Confirmed::Wrong);
        };
        let counted = Counted {
            address: context.address,
            name: user.sign_in_name.canonical(),
            user: Some(user),
            device,
            challenged: false,
            proved: false,
            now: context.now,
        };
        let ticket = match state.guard.reauthenticate(&counted).await? {
            Entry::Open(ticket) => ticket,
            Entry::Challenge | Entry::Refused { .. } | Entry::Overloaded => {
                refused("too_many_passwords");
                return Ok(Confirmed::TooMany);
            }
        };
        let tried = Tried { name: counted.name, user: Some(user), closed: ticket.closed() };
        match attempt(&state.passwords, tried, &password).await {
            Ok(Attempt::Accepted { .. }) => {
                state.guard.confirmed(&ticket).await?;
                Ok(Confirmed::Right)
            }
            Ok(Attempt::Refused { reason }) => {
                refused(reason);
                Ok(Confirmed::Wrong)
            }
            Err(HashingError::Overloaded) => Ok(Confirmed::Overloaded),
            Err(error) => Err(Problem::internal(error)),
        }
    }
}
