//! A copy of everything that is held about a person, for the person.

use serde_json::{Value, json};

use crate::audit::{self, Kind};
use crate::protocol::id::UserId;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::held::{self, MAX_ENTRIES};
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// The copy as a JSON document, and the audit event that it was taken. For somebody who has just shown that it is still them.
pub async fn export(state: &AppState, context: &RequestContext, user_id: &UserId) -> Result<String, Problem> {
    let mut event = audit::event(Kind::UserExported, context);
    event = Event { actor: Actor::User(user_id.clone()), user_id: Some(user_id.clone()), ..event };
    state.db.write(async |tx| crate::storage::audit::insert(tx, &event).await).await?;
    let mut conn = state.db.read().await?;
    let mut copy = held::about(&mut conn, user_id).await?.ok_or(Problem::not_found())?;
    copy.insert("issuer".to_owned(), state.config.server.issuer.clone().into());
    copy.insert("exported_at".to_owned(), context.now.rfc3339().unwrap_or_default().into());
    let (mut activity, mut after) = (Vec::new(), None);
    loop {
        let (entries, next) = held::activity(&mut conn, user_id, after).await?;
        activity.extend(entries);
        after = next;
        if after.is_none() || activity.len() >= MAX_ENTRIES {
            break;
        }
    }
    copy.insert("activity_is_complete".to_owned(), after.is_none().into());
    copy.insert("activity".to_owned(), Value::Array(activity));
    serde_json::to_string_pretty(&json!(copy)).map_err(Problem::internal)
}
