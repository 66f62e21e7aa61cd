//! Why requests were refused, for as long as somebody may ask.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::db::{Conn, Tx};
use super::error::Error;
use super::value::Json;
use crate::protocol::time::Timestamp;

/// Stores what is known of a refused request. One that is there already stays: a trace id names one request.
pub async fn insert(tx: &mut Tx, trace_id: &str, at: Timestamp, decision: &impl Serialize) -> Result<(), Error> {
    let decision = serde_json::to_string(decision).map_err(|error| Error::other(error.to_string()))?;
    tx.query("INSERT INTO explanations (trace_id, created_at, decision) VALUES ($1, $2, $3) ON CONFLICT (trace_id) DO NOTHING")
        .bind(trace_id)
        .bind(at)
        .bind(decision)
        .execute()
        .await?;
    Ok(())
}

pub async fn load<D: Serialize + DeserializeOwned + Send + Unpin>(
    conn: &mut Conn,
    trace_id: &str,
) -> Result<Option<(Timestamp, D)>, Error> {
    let found = conn
        .query("SELECT created_at, decision FROM explanations WHERE trace_id = $1")
        .bind(trace_id)
        .fetch_optional::<(Timestamp, Json<D>)>()
        .await?;
    Ok(found.map(|(at, Json(decision))| (at, decision)))
}

/// Deletes up to `limit` rows beyond the newest `keep`.
pub async fn trim(tx: &mut Tx, keep: i64, limit: i64) -> Result<u64, Error> {
    tx.query(
        "DELETE FROM explanations WHERE trace_id IN \
         (SELECT trace_id FROM explanations ORDER BY created_at DESC, trace_id LIMIT $1 OFFSET $2)",
    )
    .bind(limit)
    .bind(keep)
    .execute()
    .await
}

/// Deletes up to `limit` rows of before `before`.
pub async fn delete_expired(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64, Error> {
    let sql = "DELETE FROM explanations WHERE trace_id IN \
         (SELECT trace_id FROM explanations WHERE created_at < $1 ORDER BY created_at LIMIT $2)";
    tx.query(sql).unprepared().bind(before).bind(limit).execute().await
}
