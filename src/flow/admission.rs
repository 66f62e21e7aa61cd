//! The cheap limit that comes before everything else of a request: by the sender's address alone.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::audit::{self, Kind};
use crate::guard::limit::Action;
use crate::guard::{Subject, Verdict};
use crate::protocol::id::UserId;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::telemetry::metrics::LOGINS;
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};

/// What a page or a route is limited as.
pub trait Limited {
    const ACTION: Action;
    /// What a refusal is recorded as.
    const KIND: Kind;
}

macro_rules! limited {
    ($($(#[doc = $doc:literal])* $name:ident: $action:ident as $kind:ident;)*) => {$(
        $(#[doc = $doc])*
        #[derive(Debug)]
        pub struct $name;

        impl Limited for $name {
            const ACTION: Action = Action::$action;
            const KIND: Kind = Kind::$kind;
        }
    )*};
}

limited! {
    /// The form of the login page.
    Login: Login as UserLogin;
    /// A passkey on the login page.
    Passkey: Passkey as UserLogin;
    /// The authorization endpoint.
    Authorize: Authorize as AuthorizationRefused;
    /// Without a browser: the question for a passkey.
    PasskeyQuestion: FirstParty as UserLogin;
    /// Without a browser: a second factor.
    SecondFactor: FirstParty as SecondFactor;
    /// Without a browser: somebody registers, or asks for the code once more.
    Registration: FirstParty as RegistrationRequested;
    /// Without a browser: the code of a registration.
    RegistrationCode: FirstParty as UserRegistered;
    /// Without a browser: somebody forgot a password.
    Recovery: FirstParty as RecoveryRequested;
    /// Without a browser: the new one.
    NewPassword: FirstParty as UserPasswordChanged;
}

/// The logout endpoint: as cheap as the authorization endpoint, and limited with it.
#[derive(Debug)]
pub struct Logout;

impl Limited for Logout {
    const ACTION: Action = Action::Authorize;
    const KIND: Kind = Kind::UserLogout;
}

/// The registration of clients by themselves.
#[derive(Debug)]
pub struct RegisterClient;

impl Limited for RegisterClient {
    const ACTION: Action = Action::RegisterClient;
    const KIND: Kind = Kind::ClientCreated;
}

/// The sender may go on; with a proof of work, if it says so. An extractor: put it before those that read the body or the
/// database. Who may not is answered 429, with a page.
#[derive(Debug)]
pub struct Admitted<L> {
    pub needs_proof: bool,
    limited: PhantomData<L>,
}

impl<L: Limited> FromRequestParts<AppState> for Admitted<L> {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, PageError> {
        let context = RequestContext::from_request_parts(parts, state).await.map_err(|error| PageError(error.0))?;
        Ok(Self { needs_proof: admit::<L>(state, &context).await?, limited: PhantomData })
    }
}

/// Counts a request of this kind. Whoever may go on may have to give a proof of work: `true`.
pub async fn admit<L: Limited>(state: &AppState, context: &RequestContext) -> Result<bool, Problem> {
    match state.guard.admit(L::ACTION, &Subject::new(context.address), context.now).await {
        Verdict::Refused { retry_after } => {
            let problem = Problem::too_many(retry_after);
            if L::KIND == Kind::UserLogin {
                LOGINS.count(if L::ACTION == Action::Login { "password" } else { "passkey" }, problem.reason);
            }
            state.refusals.refused(audit::refused(L::KIND, context, problem.reason));
            Err(problem)
        }
        verdict => Ok(verdict == Verdict::Challenge),
    }
}

/// Counts what somebody adds to their own account and is told of by mail: whoever got hold of a session must not fill its owner's
/// mailbox. What takes something away is not counted: there is no more of it than was added, and a thief must not keep the owner
/// from it.
pub async fn admit_owner(
    state: &AppState,
    context: &RequestContext,
    user: &UserId,
    (action, kind): (Action, Kind),
) -> Result<(), Problem> {
    let subject = Subject::new(context.address).account(user.as_str());
    let Verdict::Refused { retry_after } = state.guard.admit(action, &subject, context.now).await else { return Ok(()) };
    let problem = Problem::too_many(retry_after);
    let event = audit::refused(kind, context, problem.reason);
    state.refusals.refused(Event { actor: Actor::User(user.clone()), user_id: Some(user.clone()), ..event });
    Err(problem)
}
