//! Where a person is logged in: names for their browsers and apps, and logging them out.

use crate::protocol::id::{SessionId, UserId};
use crate::state::AppState;
use crate::storage::audit::{self, Event};
use crate::storage::sessions;
use crate::web::error::Problem;

/// Ends all of a person's sessions but one.
pub async fn end_others(state: &AppState, user: &UserId, except: Option<&SessionId>, event: &Event) -> Result<(), Problem> {
    let ended = state.db.write(async |tx| {
        let ended = sessions::end_all(tx, user, except, state.ending(event.at)).await?;
        let mut event = event.clone();
        event.details.insert("sessions".to_owned(), ended.into());
        audit::insert(tx, &event).await
    });
    Ok(ended.await?)
}

/// Ends a session. `false`: it had ended already.
pub async fn end(state: &AppState, id: &SessionId, event: &Event) -> Result<bool, Problem> {
    let event = about(event, id);
    let ended = state.db.write(async |tx| {
        let ended = sessions::end(tx, id, state.ending(event.at)).await?;
        if ended {
            audit::insert(tx, &event).await?;
        }
        Ok(ended)
    });
    Ok(ended.await?)
}

/// Calls one of the person's sessions something else, or by its own name again. `false`: there is no such session of theirs.
pub async fn rename(
    state: &AppState,
    (user, id): (&UserId, &SessionId),
    name: Option<&str>,
    event: &Event,
) -> Result<bool, Problem> {
    let event = about(event, id);
    let renamed = state.db.write(async |tx| {
        let renamed = sessions::rename(tx, id, user, name).await?;
        if renamed {
            audit::insert(tx, &event).await?;
        }
        Ok(renamed)
    });
    Ok(renamed.await?)
}

fn about(event: &Event, id: &SessionId) -> Event {
    let mut event = event.clone();
    event.details.insert("session_id".to_owned(), id.as_str().into());
    event
}
