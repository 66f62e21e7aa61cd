//! What an operator wants to know of the database itself.

use super::db::Conn;
use super::error::Error;
use crate::protocol::time::Timestamp;

/// Settings of PostgreSQL on which it depends that what was acknowledged stays: name and value.
pub async fn settings(conn: &mut Conn) -> Result<Vec<(String, String)>, Error> {
    conn.query(
        "SELECT name, setting FROM pg_settings WHERE name IN \
         ('fsync', 'full_page_writes', 'synchronous_commit', 'default_transaction_read_only', 'in_hot_standby') ORDER BY name",
    )
    .fetch_all()
    .await
}

/// What PostgreSQL's clock says.
pub async fn clock(conn: &mut Conn) -> Result<Timestamp, Error> {
    let seconds = "SELECT CAST(EXTRACT(EPOCH FROM now()) * 1000000 AS BIGINT)";
    Ok(conn.query(seconds).fetch_one::<(Timestamp,)>().await?.0)
}

/// When something of this kind was last recorded.
pub async fn last(conn: &mut Conn, kind: &str) -> Result<Option<Timestamp>, Error> {
    let row = conn
        .query(
            "SELECT MAX(occurred_at) FROM (SELECT MAX(occurred_at) AS occurred_at FROM audit_log WHERE type = $1 \
             UNION ALL SELECT MAX(occurred_at) FROM audit_inbox WHERE type = $1) AS both_of_them",
        )
        .bind(kind)
        .fetch_one::<(Option<Timestamp>,)>()
        .await?;
    Ok(row.0)
}
