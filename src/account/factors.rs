//! What somebody does with the second factors that they have; passkeys have a place of their own.

use serde_json::Map;

use super::passkeys::Removal;
use super::{Seat, by};
use crate::audit::{self, Kind};
use crate::authn::password::HashingError;
use crate::authn::recovery_code::{self, NewCodes, RecoveryCode};
use crate::flow::admission::admit_owner;
use crate::flow::login::enrolled;
use crate::guard::limit::Action;
use crate::outbound::mail::{self, Factor, Message};
use crate::protocol::authentication::{Acr, Enrolled};
use crate::state::AppState;
use crate::storage::audit::Event;
use crate::storage::users::{self, User};
use crate::storage::{self, recovery_codes, totp_factors};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// Whether what the person's roles ask for can be reached without the app.
pub fn may_remove_totp(state: &AppState, user: &User, enrolled: Enrolled) -> bool {
    let rest = Enrolled { totp: false, recovery_codes: false, ..enrolled };
    let mut required = state.config.authentication.required_of(&user.roles);
    required.all(|acr| acr == Acr::Single || rest.offer(acr).is_some())
}

/// Removes the authenticator app of somebody who proved just now who they are, unless a role of theirs needs it.
pub async fn remove_totp(state: &AppState, context: &RequestContext, user: &User) -> Result<Removal, Problem> {
    let event = about(by(&user.id, Kind::FactorRemoved, context), "totp");
    let removal = state.db.write(async |tx| {
        // Of two removals at once, each sees what the other left.
        if !users::stands(tx, user).await? {
            return Ok(Removal::NotThere);
        }
        let enrolled = storage::factors::enrolled(tx, &user.id).await?;
        // Where no passkey can be asked for nobody has one.
        let enrolled = Enrolled { passkeys: enrolled.passkeys && state.passkeys.is_some(), ..enrolled };
        if enrolled.totp && !may_remove_totp(state, user, enrolled) {
            return Ok(Removal::MustStay);
        }
        if !totp_factors::delete(tx, &user.id).await? {
            return Ok(Removal::NotThere);
        }
        // They stand in for the app; a passkey that is left may need them too.
        if !enrolled.passkeys {
            recovery_codes::delete(tx, &user.id).await?;
        }
        storage::audit::insert(tx, &event).await?;
        mail::notify(tx, &state.outbox, &user.id, Message::FactorRemoved { what: Factor::Totp }, context.now).await?;
        Ok(Removal::Done)
    });
    let removal = removal.await?;
    if removal == Removal::MustStay {
        let user_id = Some(user.id.clone());
        state.refusals.refused(Event { user_id, ..audit::refused(Kind::FactorRemoved, context, "factor_required") });
    }
    Ok(removal)
}

/// New recovery codes in the place of those that there were, to be shown this once. `None`: there is nothing that they would
/// stand in for, or the person or the seat is gone meanwhile.
pub async fn renew_recovery_codes(
    state: &AppState,
    context: &RequestContext,
    (user, seat): (&User, Seat<'_>),
) -> Result<Option<Vec<RecoveryCode>>, Problem> {
    let enrolled = enrolled(state, &user.id).await?;
    if !enrolled.totp && !enrolled.passkeys && !enrolled.recovery_codes {
        return Ok(None);
    }
    // Ten hashes and a mail each time.
    admit_owner(state, context, &user.id, (Action::AddFactor, Kind::RecoveryCodesCreated)).await?;
    let new = new_codes(state).await?;
    let event = about(by(&user.id, Kind::RecoveryCodesCreated, context), "recovery_codes");
    let stored = state.db.write(async |tx| {
        if !users::stands(tx, user).await? || !seat.stands(tx, context.now).await? {
            return Ok(false);
        }
        // Ten hashes take a while: the factor may have been removed meanwhile, and the codes with it.
        let enrolled = storage::factors::enrolled(tx, &user.id).await?;
        if !enrolled.totp && !enrolled.passkeys && !enrolled.recovery_codes {
            return Ok(false);
        }
        recovery_codes::replace(tx, &user.id, &new.stored, context.now).await?;
        storage::audit::insert(tx, &event).await?;
        mail::notify(tx, &state.outbox, &user.id, Message::FactorAdded { what: Factor::RecoveryCodes }, context.now).await?;
        Ok(true)
    });
    Ok(stored.await?.then_some(new.codes))
}

/// Ten codes for somebody.
pub(super) async fn new_codes(state: &AppState) -> Result<NewCodes, Problem> {
    recovery_code::generate(&state.passwords).await.map_err(|error| match error {
        HashingError::Overloaded => Problem::overloaded(),
        error @ HashingError::Failed(_) => Problem::internal(error),
    })
}

/// Says which factor an event is about.
pub(super) fn about(event: Event, factor: &'static str) -> Event {
    Event { details: Map::from_iter([("factor".to_owned(), factor.into())]), ..event }
}
