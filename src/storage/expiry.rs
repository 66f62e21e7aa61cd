//! How jobs delete what nobody needs any more: some rows at a time, the oldest first.

use super::db::Tx;
use super::error::Error;
use crate::protocol::time::Timestamp;

/// The statement that deletes rows of a table until a time, the oldest first: its name, its key, and the column of the time, which has an index.
/// In their order, because a limit alone makes PostgreSQL read the table from its front, past everything that it has just deleted.
macro_rules! oldest {
    ($table:literal, $key:literal, $time:literal) => {
        concat!(
            "DELETE FROM ",
            $table,
            " WHERE ",
            $key,
            " IN (SELECT ",
            $key,
            " FROM ",
            $table,
            " WHERE ",
            $time,
            " <= $1 ORDER BY ",
            $time,
            " LIMIT $2)"
        )
    };
}
pub(super) use oldest;

/// Deletes up to `limit` rows with this statement ([`oldest!`]) that are not newer than `until`, and tells how many there were.
pub(super) async fn delete(tx: &mut Tx, oldest: &'static str, until: Timestamp, limit: i64) -> Result<u64, Error> {
    tx.query(oldest).unprepared().bind(until).bind(limit).execute().await
}
