//! What people do with their own accounts, free of HTTP: the pages call it, and so may any other interface.
//!
//! Nothing here tells a stranger whether an account exists. Where one exists and where none does the same work is done, the same
//! rows are written, and the same is answered; who can be told more is told by mail.

pub mod apps;
mod code;
pub mod deletion;
pub mod email;
pub mod export;
pub mod factors;
pub mod invitation;
pub mod passkeys;
pub mod password;
pub mod recovery;
pub mod registration;
mod seat;
pub mod sessions;
pub mod totp;

pub use code::{Holder, LIFETIME as CODE_LIFETIME};
pub use seat::Seat;

use crate::authn::password::{HashingError, NewPasswordProblem, Password};
use crate::protocol::email_address::EmailAddress;
use crate::protocol::id::{SessionId, UserId};
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::db::{Conn, Tx};
use crate::storage::error::Error as StorageError;
use crate::storage::sessions::Ending;
use crate::storage::users::User;
use crate::storage::{self, email_addresses, email_codes, grants};
use crate::web::context::RequestContext;
use crate::web::error::Problem;
use crate::{audit, guard};

/// What is wrong with what a person sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Complaint {
    /// Empty, too long, or characters that a sign-in name may not have.
    Name,
    NameTaken,
    /// No e-mail address.
    Address,
    /// An address of a domain that may not register here, or not the one that was invited.
    AddressDomain,
    Password(NewPasswordProblem),
    /// The two passwords differ.
    Repetition,
    /// The password that is asked for again is wrong.
    CurrentPassword,
    /// Wrong, too old, tried too often, or somebody else's: which of them is not told.
    Code,
    Overloaded,
    /// Too many tries: nothing was looked at.
    TooMany,
    /// Nothing was looked at: a proof of work is needed.
    Challenge,
}

impl Complaint {
    /// A stable word for whoever explains it.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Name => "name_refused",
            Self::NameTaken => "name_taken",
            Self::Address => "address_refused",
            Self::AddressDomain => "address_domain_refused",
            Self::Password(problem) => problem.code(),
            Self::Repetition => "repetition_differs",
            Self::CurrentPassword => "wrong_password",
            Self::Code => "code_wrong",
            Self::Overloaded => "overloaded",
            Self::TooMany => "rate_limited",
            Self::Challenge => "proof_of_work_missing",
        }
    }

    /// Trying the same again may help.
    pub const fn is_passing(self) -> bool {
        matches!(self, Self::Overloaded | Self::Password(NewPasswordProblem::Uncheckable))
    }
}

/// Ends what a password that is no longer trusted may have opened: sessions but `except`, grants, codes that were not redeemed
/// yet, and codes that were mailed.
pub async fn end_everything(tx: &mut Tx, user: &UserId, except: Option<&SessionId>, now: Timestamp) -> Result<(), StorageError> {
    storage::sessions::end_all(tx, user, except, Ending::of_everything(now)).await?;
    grants::revoke_for_user(tx, user, now).await?;
    email_codes::delete_for_user(tx, user).await
}

/// Where a person is reached: at the address that they proved, or that they sign in with.
async fn mailbox_of(conn: &mut Conn, user: &User) -> Result<Option<EmailAddress>, StorageError> {
    let proved = email_addresses::load(conn, &user.id).await?.filter(|address| address.verified_at.is_some());
    Ok(proved.map(|proved| proved.address).or_else(|| user.sign_in_name.clone().try_into().ok()))
}

async fn hash(state: &AppState, password: &Password) -> Result<Result<secrecy::SecretString, Complaint>, Problem> {
    match state.passwords.hash(password).await {
        Ok(hash) => Ok(Ok(hash)),
        Err(HashingError::Overloaded) => Ok(Err(Complaint::Overloaded)),
        Err(error) => Err(Problem::internal(error)),
    }
}

/// The most characters of a name that somebody gives to something of theirs.
const MAX_NAME: usize = 64;

/// What was typed as a name, on one line; `None` when nothing is left of it.
pub fn name(typed: &str) -> Option<String> {
    let words: Vec<&str> = typed.split(|letter: char| letter.is_control() || letter.is_whitespace()).collect();
    let words: Vec<&str> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let name: String = words.join(" ").chars().take(MAX_NAME).collect();
    Some(name.trim_end().to_owned()).filter(|name| !name.is_empty())
}

/// Something that a person did to what is theirs.
fn by(user: &UserId, kind: audit::Kind, context: &RequestContext) -> Event {
    Event { actor: Actor::User(user.clone()), user_id: Some(user.clone()), ..audit::event(kind, context) }
}

/// Whether the guard lets somebody do this: for what is never challenged.
async fn admitted(state: &AppState, action: guard::limit::Action, subject: &guard::Subject<'_>, now: Timestamp) -> bool {
    state.guard.admit(action, subject, now).await.is_allowed()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_one_short_line() {
        assert_eq!(name("  Anna’s\r\n\tlaptop \0 ").as_deref(), Some("Anna’s laptop"));
        assert_eq!((name(""), name(" \n")), (None, None));
        assert_eq!(name(&"é".repeat(100)).unwrap().chars().count(), MAX_NAME);
    }
}
