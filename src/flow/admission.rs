//! The cheap limit that comes before everything else of a request: by the sender's address alone.

use std::marker::PhantomData;

use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::audit::{self, Kind};
use crate::guard::limit::Action;
use crate::guard::{Subject, Verdict};
use crate::state::AppState;
use crate::web::context::RequestContext;
use crate::web::error::{PageError, Problem};

/// What a page is limited as.
pub trait Limited {
    const ACTION: Action;
    /// What a refusal is recorded as.
    const KIND: Kind;
}

/// The form of the login page.
#[derive(Debug)]
pub struct Login;

impl Limited for Login {
    const ACTION: Action = Action::Login;
    const KIND: Kind = Kind::UserLogin;
}

/// A passkey on the login page.
#[derive(Debug)]
pub struct Passkey;

impl Limited for Passkey {
    const ACTION: Action = Action::Passkey;
    const KIND: Kind = Kind::UserLogin;
}

/// The authorization endpoint.
#[derive(Debug)]
pub struct Authorize;

impl Limited for Authorize {
    const ACTION: Action = Action::Authorize;
    const KIND: Kind = Kind::AuthorizationRefused;
}

/// The logout endpoint: as cheap as the authorization endpoint, and limited with it.
#[derive(Debug)]
pub struct Logout;

impl Limited for Logout {
    const ACTION: Action = Action::Authorize;
    const KIND: Kind = Kind::UserLogout;
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
            state.refusals.refused(audit::refused(L::KIND, context, problem.reason));
            Err(problem)
        }
        verdict => Ok(verdict == Verdict::Challenge),
    }
}
