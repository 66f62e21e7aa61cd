//! The optional profile of a person.

use super::db::{Conn, Tx};
use super::error::Error;
use super::value::Json;
use crate::protocol::claims::Profile;
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;

/// The profile and when it was last changed (`updated_at`, OpenID Connect Core §5.1).
pub async fn load(conn: &mut Conn, user: &UserId) -> Result<Option<(Profile, Timestamp)>, Error> {
    let row = conn
        .query("SELECT claims, updated_at FROM profiles WHERE user_id = $1")
        .bind(user)
        .fetch_optional::<(Json<Profile>, Timestamp)>()
        .await?;
    Ok(row.map(|(claims, updated_at)| (claims.0, updated_at)))
}

/// Writes the whole profile.
///
/// # Errors
/// [`Error::Conflict`]: there is no such person.
pub async fn save(tx: &mut Tx, user: &UserId, profile: &Profile, now: Timestamp) -> Result<(), Error> {
    tx.query(
        "INSERT INTO profiles (user_id, claims, updated_at) VALUES ($1, $2, $3) \
         ON CONFLICT (user_id) DO UPDATE SET claims = excluded.claims, updated_at = excluded.updated_at",
    )
    .bind(user)
    .bind(Json(profile.clone()))
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, user: &UserId) -> Result<bool, Error> {
    Ok(tx.query("DELETE FROM profiles WHERE user_id = $1").bind(user).execute().await? == 1)
}
