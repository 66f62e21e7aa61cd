//! What somebody who changes something of theirs is logged in by. It goes on when all else ends.

use crate::authn::session::{self, Begun};
use crate::protocol::authentication::Method;
use crate::protocol::id::{GrantId, SessionId, UserId};
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::storage::db::Tx;
use crate::storage::error::Error;
use crate::storage::sessions::{Ending, Session};
use crate::storage::{email_codes, grants, sessions};

#[derive(Clone, Copy, Debug)]
pub enum Seat<'a> {
    /// A browser's session: it goes on under a new secret.
    Browser(&'a Session),
    /// An application's grant, and the session that stands for it and nothing else, where there is one.
    Application { grant: &'a GrantId, session: Option<&'a SessionId> },
}

impl<'a> Seat<'a> {
    /// What is sealed for it is sealed for this name.
    pub fn name(self) -> &'a str {
        match self {
            Self::Browser(session) => session.id.as_str(),
            Self::Application { grant, .. } => grant.as_str(),
        }
    }

    /// The session that is not ended.
    pub const fn session(self) -> Option<&'a SessionId> {
        match self {
            Self::Browser(session) => Some(&session.id),
            Self::Application { session, .. } => session,
        }
    }

    /// What becomes of a browser's session after its person proved `method`. An application's tokens say what was
    /// proved when they were issued, and go on saying it.
    pub(super) fn renewed(self, state: &AppState, method: Method, now: Timestamp) -> Option<Box<Begun>> {
        match self {
            Self::Browser(session) => Some(Box::new(session::renew(&state.tokens, session, method, now))),
            Self::Application { .. } => None,
        }
    }

    /// Whether it has not ended meanwhile.
    pub(super) async fn stands(self, tx: &mut Tx, now: Timestamp) -> Result<bool, Error> {
        match self {
            Self::Browser(session) => sessions::stands(tx, &session.id).await,
            Self::Application { grant, .. } => grants::stands(tx, grant, now).await,
        }
    }

    /// Makes sure that it has not ended meanwhile, gives a browser's its new secret, and ends the person's other sessions.
    /// `false`: it has ended, and nothing is written.
    pub(super) async fn go_on(self, tx: &mut Tx, user: &UserId, begun: Option<&Begun>, ending: Ending) -> Result<bool, Error> {
        let stands = match (self, begun) {
            (Self::Browser(old), Some(begun)) => sessions::take_over(tx, &old.hash, &begun.session).await?,
            (seat, _) => seat.stands(tx, ending.now).await?,
        };
        if stands {
            sessions::end_all(tx, user, self.session(), ending).await?;
        }
        Ok(stands)
    }

    /// Like `go_on`, and takes from all other applications what they were given, and codes that were mailed their worth.
    pub async fn go_on_alone(self, tx: &mut Tx, user: &UserId, begun: Option<&Begun>, now: Timestamp) -> Result<bool, Error> {
        if !self.go_on(tx, user, begun, Ending::of_everything(now)).await? {
            return Ok(false);
        }
        match self {
            Self::Browser(_) => grants::revoke_for_user(tx, user, now).await?,
            Self::Application { grant, .. } => grants::revoke_others_for_user(tx, user, grant, now).await?,
        };
        email_codes::delete_for_user(tx, user).await?;
        Ok(true)
    }
}
