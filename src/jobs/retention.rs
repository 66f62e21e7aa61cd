//! Deletes what is older than the audit log is kept: up to a checkpoint, which the rest of the chain then begins at.
//!
//! That it was done is an entry of the chain itself, written first: entries that are missing at the beginning were deleted by us, or
//! by somebody else.

use crate::audit::{self, Kind, Origin};
use crate::keys::evidence::EvidenceKey;
use crate::protocol::evidence::Checkpoint;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::storage::audit::{Actor, Event, chain, insert as record};
use crate::storage::db::Db;
use crate::storage::error::Error;

/// Rows deleted in one transaction.
const BATCH: i64 = 500;

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
    db.write(async |tx| record(tx, &event).await).await?;
    while db.write(async |tx| chain::delete_entries(tx, checkpoint.sequence, BATCH).await).await? > 0 {}
    while db.write(async |tx| chain::delete_checkpoints(tx, checkpoint.number, BATCH).await).await? > 0 {}
    Ok(())
}
