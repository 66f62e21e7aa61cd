//! Deletes what is older than the audit log is kept: up to a checkpoint, which the rest of the chain then begins at.
//!
//! That it was done is an entry of the chain itself, written first: entries that are missing at the beginning were deleted by us, or
//! by somebody else.

use super::pace::delete_all;
use crate::audit::{self, Kind, Origin};
use crate::keys::evidence::EvidenceKey;
use crate::protocol::evidence::Checkpoint;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::storage::audit::{Actor, Event, chain, insert as record};
use crate::storage::db::Db;
use crate::storage::error::Error;

/// Deletes the entries that were sealed more than `days` before `now`; none when `days` is 0.
///
/// What the columns say of the checkpoint is what anybody may have written there: its signature has to say the same.
pub async fn prune(db: &Db, key: &EvidenceKey, now: Timestamp, days: u32) -> Result<(), Error> {
    if days == 0 {
        return Ok(());
    }
    let mut conn = db.read().await?;
    let Some(checkpoint) = chain::checkpoint_at(&mut conn, now - Seconds::days(days.into())).await? else { return Ok(()) };
    let says = |signed: &Checkpoint| {
        (signed.number, signed.sequence) == (checkpoint.number, checkpoint.sequence)
            && signed.iat == checkpoint.made_at.as_seconds()
    };
    if !key.checkpoint(&checkpoint.signed).as_ref().is_some_and(says) {
        return Err(Error::other("a checkpoint of the audit log was changed: nothing is deleted by it (ostiary audit verify)"));
    }
    if !chain::reaches_back_to(&mut conn, checkpoint.sequence).await? {
        return Ok(());
    }
    drop(conn);
    let origin = Origin { at: now, address: None, trace_id: random::identifier() };
    let mut event = Event { actor: Actor::System, ..audit::event(Kind::AuditPruned, origin) };
    event.details.insert("until".to_owned(), checkpoint.sequence.into());
    event.details.insert("checkpoint".to_owned(), checkpoint.number.into());
    // What happened before this and is not sealed yet comes from somebody who kept a copy: an entry is sealed within seconds.
    let before = checkpoint.made_at.rfc3339().unwrap_or_default();
    event.details.insert("before".to_owned(), before.into());
    db.write(async |tx| record(tx, &event).await).await?;
    delete_all!(db, |tx, rows| chain::delete_entries(tx, checkpoint.sequence, rows));
    delete_all!(db, |tx, rows| chain::delete_checkpoints(tx, checkpoint.number, rows));
    Ok(())
}
