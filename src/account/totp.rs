//! Setting up an authenticator app: nothing is stored before a right code shows that the app has the secret.

use super::{Seat, by, factors};
use crate::audit::{self, Kind};
use crate::authn::enrolment;
use crate::authn::recovery_code::RecoveryCode;
use crate::authn::session::Begun;
use crate::authn::totp::{Secret, typed_code};
use crate::flow::admission::admit_owner;
use crate::guard::Subject;
use crate::guard::limit::Action;
use crate::outbound::mail::{self, Factor, Message};
use crate::protocol::authentication::Method;
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::totp_factors::{self, TotpFactor};
use crate::storage::users::{self, User};
use crate::storage::{self, recovery_codes};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Seals a secret for whoever it is shown to, to come back with a code.
pub fn offer(state: &AppState, context: &RequestContext, seat: Seat<'_>, secret: &Secret) -> Result<String, Problem> {
    enrolment::seal(&state.flows, secret, seat.name(), context.now).map_err(Problem::internal)
}

/// What became of a code.
#[derive(Debug)]
pub enum Outcome {
    /// The recovery codes, this once; and the session that takes the place of a browser's.
    Done { codes: Vec<RecoveryCode>, begun: Option<Box<Begun>> },
    /// Not the app's: the same secret may be tried again.
    Wrong(Secret),
    /// It was not looked at.
    TooMany(Secret),
    /// Open for too long, used before, or never offered here.
    Stale,
    /// The password was changed, the person disabled or logged out meanwhile.
    Ended,
}

/// Sets the app up for somebody who proved just now who they are. Their session goes on with this factor proved, and the others
/// end: they were opened with less.
pub async fn confirm(
    state: &AppState,
    context: &RequestContext,
    (user, seat): (&User, Seat<'_>),
    (sealed, typed): (&str, &str),
) -> Result<Outcome, Problem> {
    let refused = |reason| {
        let user_id = Some(user.id.clone());
        state.refusals.refused(Event { user_id, ..audit::refused(Kind::FactorAdded, context, reason) });
    };
    let Some(enrolment) = enrolment::open(&state.flows, sealed, seat.name(), context.now) else {
        refused("enrolment_stale");
        return Ok(Outcome::Stale);
    };
    let subject = Subject::new(context.address).account(user.id.as_str()).session(seat.name());
    if !state.guard.admit(Action::Code, &subject, context.now).await.is_allowed() {
        refused("too_many_codes");
        return Ok(Outcome::TooMany(enrolment.secret));
    }
    let Some(step) = typed_code(typed).and_then(|code| enrolment.secret.step_of(&code, context.now)) else {
        refused("wrong_code");
        return Ok(Outcome::Wrong(enrolment.secret));
    };
    admit_owner(state, context, &user.id, (Action::AddFactor, Kind::FactorAdded)).await?;
    let codes = factors::new_codes(state).await?;
    let factor = TotpFactor {
        user_id: user.id.clone(),
        sealed: enrolment.secret.seal(&state.totp_secrets, &user.id),
        // The code that was just shown is not a login too.
        last_step: step,
        created_at: context.now,
        last_used_at: None,
    };
    let begun = seat.renewed(state, Method::Totp, context.now);
    let event = factors::about(by(&user.id, Kind::FactorAdded, context), "totp");
    let enrolled = state.db.write(async |tx| {
        if !users::stands(tx, user).await? {
            return Ok(Some(Outcome::Ended));
        }
        if !enrolment.spend(tx, context.now).await? {
            return Ok(Some(Outcome::Stale));
        }
        if !seat.go_on(tx, &user.id, begun.as_deref(), state.ending(context.now)).await? {
            return Ok(Some(Outcome::Ended));
        }
        totp_factors::save(tx, &factor).await?;
        recovery_codes::replace(tx, &user.id, &codes.stored, context.now).await?;
        storage::audit::insert(tx, &event).await?;
        mail::notify(tx, &state.outbox, &user.id, Message::FactorAdded { what: Factor::Totp }, context.now).await?;
        Ok(None)
    });
    let enrolled = enrolled.await?.unwrap_or(Outcome::Done { codes: codes.codes, begun });
    if matches!(enrolled, Outcome::Stale) {
        refused("enrolment_stale");
    }
    Ok(enrolled)
}
