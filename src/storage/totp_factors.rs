//! Authenticator apps (RFC 6238): one a person at most, and only one that gave a right code once.

use super::db::{Columns, Conn, Record, Tx};
use super::error::Error;
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;

/// A person's authenticator app.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TotpFactor {
    pub user_id: UserId,
    /// The shared secret, sealed: [`crate::authn::totp::Secret::seal`].
    pub sealed: Vec<u8>,
    /// The newest time step of which a code was taken.
    pub last_step: i64,
    pub created_at: Timestamp,
    pub last_used_at: Option<Timestamp>,
}

impl Record for TotpFactor {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            user_id: columns.read()?,
            sealed: columns.read()?,
            last_step: columns.read()?,
            created_at: columns.read()?,
            last_used_at: columns.read()?,
        })
    }
}

pub async fn load(conn: &mut Conn, user: &UserId) -> Result<Option<TotpFactor>, Error> {
    conn.query("SELECT user_id, sealed, last_step, created_at, last_used_at FROM totp_factors WHERE user_id = $1")
        .bind(user)
        .fetch_optional()
        .await
}

/// In place of the one before, if there was one.
pub async fn save(tx: &mut Tx, factor: &TotpFactor) -> Result<(), Error> {
    tx.query(
        "INSERT INTO totp_factors (user_id, sealed, last_step, created_at, last_used_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, last_step = excluded.last_step, \
            created_at = excluded.created_at, last_used_at = excluded.last_used_at",
    )
    .bind(&factor.user_id)
    .bind(factor.sealed.clone())
    .bind(factor.last_step)
    .bind(factor.created_at)
    .bind(factor.last_used_at)
    .execute()
    .await?;
    Ok(())
}

/// Takes a code of this time step, made with this very secret. `false`: one of it or of a later step was taken before (RFC 6238
/// §5.2), or the secret is another one by now.
pub async fn take_step(tx: &mut Tx, user: &UserId, sealed: &[u8], step: i64, now: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .query("UPDATE totp_factors SET last_step = $3, last_used_at = $4 WHERE user_id = $1 AND sealed = $2 AND last_step < $3")
        .bind(user)
        .bind(sealed.to_vec())
        .bind(step)
        .bind(now)
        .execute()
        .await?;
    Ok(updated == 1)
}

pub async fn delete(tx: &mut Tx, user: &UserId) -> Result<bool, Error> {
    Ok(tx.query("DELETE FROM totp_factors WHERE user_id = $1").bind(user).execute().await? == 1)
}
