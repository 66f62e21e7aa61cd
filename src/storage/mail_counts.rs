//! How much mail a mailbox got lately: exact, over sliding windows, and written with the mail itself.

use super::db::Tx;
use super::error::Error;
use super::expiry::{self, oldest};
use super::instance;
use super::value::Hash;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;

/// What one mailbox may get of one kind of mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// So many in so long, for each of two windows.
    pub windows: [(i64, Seconds); 2],
}

/// Lets transactions that count for the same mailbox follow one another, until this one ends: for a limit that has to be exact.
pub async fn queue_up(tx: &mut Tx, mailbox: &[u8; 32]) -> Result<(), Error> {
    // Mailboxes share 256 names.
    instance::lock(tx, &format!("mailbox {:02x}", mailbox[0])).await
}

/// Counts a mail to a mailbox, in the transaction that sends it; `false`, and nothing counted, when it got enough. `mailbox`
/// is a keyed hash of the canonical address.
///
/// Two that come at the same moment may both be the last one, unless they [queued up](queue_up).
pub async fn take(tx: &mut Tx, mailbox: &[u8; 32], kind: &str, quota: Quota, now: Timestamp) -> Result<bool, Error> {
    for (most, window) in quota.windows {
        let (count,) = tx
            .query("SELECT COUNT(*) FROM mail_counts WHERE address = $1 AND kind = $2 AND created_at > $3")
            .bind(Hash(*mailbox))
            .bind(kind)
            .bind(now - window)
            .fetch_one::<(i64,)>()
            .await?;
        if count >= most {
            return Ok(false);
        }
    }
    tx.query("INSERT INTO mail_counts (id, address, kind, created_at) VALUES ($1, $2, $3, $4)")
        .bind(random::identifier())
        .bind(Hash(*mailbox))
        .bind(kind)
        .bind(now)
        .execute()
        .await?;
    Ok(true)
}

/// Deletes up to `limit` counts of before `before`.
pub async fn delete_expired(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64, Error> {
    expiry::delete(tx, oldest!("mail_counts", "id", "created_at"), before, limit).await
}
