//! A person deletes their own account: at once, or after a time in which a login takes it back (`account.deletion_grace_days`).

use super::{by, end_everything};
use crate::audit::{self, Kind};
use crate::jobs::deletion::take_leave;
use crate::outbound::mail::{self, Message};
use crate::protocol::time::{Seconds, Timestamp};
use crate::state::AppState;
use crate::storage::administrators::{last_holders, scopes_of};
use crate::storage::audit::{Actor, Event};
use crate::storage::users::{self, User};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// What became of the wish.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deletion {
    Done,
    /// Logged out everywhere, and gone at this time.
    Scheduled(Timestamp),
    /// Nobody could do what this person can: nothing happened.
    LastAdministrator,
    /// The person was changed meanwhile: nothing happened.
    ChangedMeanwhile,
}

/// Deletes somebody who has just shown that it is still them. All that they had opened ends at once either way.
pub async fn delete(state: &AppState, context: &RequestContext, user: &User) -> Result<Deletion, Problem> {
    let days = state.config.account.deletion_grace_days;
    let due = (days > 0).then(|| context.now + Seconds::days(days.into()));
    let kind = if due.is_some() { Kind::UserDeletionScheduled } else { Kind::UserDeleted };
    let event = by(&user.id, kind, context);
    let scopes = scopes_of(&user.roles, &state.config.admin);
    let deleted = state.db.write(async |tx| {
        if !users::stands(tx, user).await? {
            return Ok(Deletion::ChangedMeanwhile);
        }
        if !last_holders(tx, &user.id, &scopes, &state.config.admin).await?.is_empty() {
            return Ok(Deletion::LastAdministrator);
        }
        crate::storage::audit::insert(tx, &event).await?;
        let Some(due) = due else {
            take_leave(tx, &state.outbox, &user.id, context.now).await?;
            end_everything(tx, &user.id, None, context.now).await?;
            users::delete(tx, &user.id).await?;
            return Ok(Deletion::Done);
        };
        end_everything(tx, &user.id, None, context.now).await?;
        users::schedule_deletion(tx, &user.id, due).await?;
        mail::notify(tx, &state.outbox, &user.id, Message::DeletionScheduled { due }, context.now).await?;
        Ok(Deletion::Scheduled(due))
    });
    let deleted = deleted.await?;
    if deleted == Deletion::LastAdministrator {
        let refused = audit::refused(kind, context, "last_administrator");
        state.refusals.refused(Event { actor: Actor::User(user.id.clone()), user_id: Some(user.id.clone()), ..refused });
    }
    Ok(deleted)
}
