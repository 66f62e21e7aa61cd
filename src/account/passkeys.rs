//! What a person does with the passkeys that they have, and what has to stay so that they can still log in.

use super::Seat;
use crate::audit::{self, Kind};
use crate::authn::passkey::Traits;
use crate::flow::passkey::about;
use crate::outbound::mail::{self, Factor, Message};
use crate::protocol::authentication::{Acr, Enrolled};
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::passkeys::{self, Passkey};
use crate::storage::users::{self, User};
use crate::storage::{self, factors};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// What became of something that was to be removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    Done,
    NotThere,
    /// Without it, the person could not log in, or not as strongly as their roles ask for.
    MustStay,
}

/// Whether a person with the passkeys `rest` alone could not log in any more, or not as strongly as their roles ask for.
pub fn must_stay(state: &AppState, user: &User, enrolled: Enrolled, rest: &[&Passkey]) -> bool {
    let gets_in = enrolled.password || rest.iter().any(|passkey| Traits::of(passkey).verifies_user);
    let left = Enrolled { passkeys: !rest.is_empty(), recovery_codes: false, ..enrolled };
    let mut required = state.config.authentication.required_of(&user.roles);
    !gets_in || !required.all(|acr| acr == Acr::Single || left.offer(acr).is_some())
}

/// Whether somebody with these passkeys may do without a password.
pub fn may_do_without_password(state: &AppState, passkeys: &[Passkey]) -> bool {
    state.passkeys.is_some()
        && state.config.passkeys.allow_without_password
        && passkeys.iter().any(|passkey| Traits::of(passkey).verifies_user)
}

/// `false`: the person has no such passkey.
pub async fn rename(state: &AppState, context: &RequestContext, user: &User, (id, name): (&str, &str)) -> Result<bool, Problem> {
    let event = about(Kind::PasskeyRenamed, context, &user.id, id);
    let renamed = state.db.write(async |tx| {
        let renamed = passkeys::rename(tx, &user.id, id, name).await?;
        if renamed {
            storage::audit::insert(tx, &event).await?;
        }
        Ok(renamed)
    });
    Ok(renamed.await?)
}

/// Removes a passkey of somebody who proved just now who they are, unless it has to stay.
pub async fn remove(state: &AppState, context: &RequestContext, user: &User, id: &str) -> Result<Removal, Problem> {
    let event = about(Kind::PasskeyRemoved, context, &user.id, id);
    let removal = state.db.write(async |tx| {
        // Of two removals at once, each sees what the other left.
        if !users::stands(tx, user).await? {
            return Ok(Removal::NotThere);
        }
        let enrolled = factors::enrolled(tx, &user.id).await?;
        let all = passkeys::list(tx, &user.id).await?;
        let rest: Vec<_> = all.iter().filter(|passkey| passkey.id != id).collect();
        if rest.len() == all.len() {
            return Ok(Removal::NotThere);
        }
        if must_stay(state, user, enrolled, &rest) {
            return Ok(Removal::MustStay);
        }
        let Some(name) = passkeys::delete(tx, &user.id, id).await? else { return Ok(Removal::NotThere) };
        storage::audit::insert(tx, &event).await?;
        let message = Message::FactorRemoved { what: Factor::Passkey { name } };
        mail::notify(tx, &state.outbox, &user.id, message, context.now).await?;
        Ok(Removal::Done)
    });
    Ok(removal.await?)
}

/// Removes the password of somebody who proved just now who they are. Whoever knows it may have opened what a change of the
/// password closes, and that ends here too.
pub async fn remove_password(
    state: &AppState,
    context: &RequestContext,
    user: &User,
    seat: Seat<'_>,
) -> Result<Removal, Problem> {
    let event = Event {
        actor: Actor::User(user.id.clone()),
        user_id: Some(user.id.clone()),
        ..audit::event(Kind::UserPasswordRemoved, context)
    };
    let removal = state.db.write(async |tx| {
        if !users::stands(tx, user).await? {
            return Ok(Removal::NotThere);
        }
        if !may_do_without_password(state, &passkeys::list(tx, &user.id).await?) {
            return Ok(Removal::MustStay);
        }
        if user.password_hash.is_none() || !seat.go_on_alone(tx, &user.id, None, context.now).await? {
            return Ok(Removal::NotThere);
        }
        users::remove_password(tx, &user.id, context.now).await?;
        storage::audit::insert(tx, &event).await?;
        mail::notify(tx, &state.outbox, &user.id, Message::PasswordRemoved, context.now).await?;
        Ok(Removal::Done)
    });
    Ok(removal.await?)
}
