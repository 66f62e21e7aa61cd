//! Recovery codes: found by their selector, kept as hashes, used once.

use secrecy::{ExposeSecret, SecretString};

use super::db::{Conn, Tx};
use super::error::Error;
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;

/// One code, as it is stored.
#[derive(Clone, Debug)]
pub struct StoredCode {
    /// The code's first characters; not secret.
    pub selector: String,
    /// Argon2id of the whole code, in PHC string format.
    pub hash: SecretString,
}

/// New codes in place of all that there were.
pub async fn replace(tx: &mut Tx, user: &UserId, codes: &[StoredCode], now: Timestamp) -> Result<(), Error> {
    delete(tx, user).await?;
    for code in codes {
        tx.query("INSERT INTO recovery_codes (user_id, selector, hash, created_at) VALUES ($1, $2, $3, $4)")
            .bind(user)
            .bind(code.selector.as_str())
            .bind(code.hash.expose_secret())
            .bind(now)
            .execute()
            .await?;
    }
    Ok(())
}

/// The one that is not used yet and begins with `selector`.
pub async fn by_selector(conn: &mut Conn, user: &UserId, selector: &str) -> Result<Option<StoredCode>, Error> {
    let found = conn
        .query("SELECT selector, hash FROM recovery_codes WHERE user_id = $1 AND selector = $2 AND used_at IS NULL")
        .bind(user)
        .bind(selector)
        .fetch_optional::<(String, String)>()
        .await?;
    Ok(found.map(|(selector, hash)| StoredCode { selector, hash: SecretString::from(hash) }))
}

/// `false`: it was used before, or replaced.
pub async fn consume(tx: &mut Tx, user: &UserId, code: &StoredCode, now: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .query("UPDATE recovery_codes SET used_at = $4 WHERE user_id = $1 AND selector = $2 AND hash = $3 AND used_at IS NULL")
        .bind(user)
        .bind(code.selector.as_str())
        .bind(code.hash.expose_secret())
        .bind(now)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// How many are not used yet.
pub async fn left(conn: &mut Conn, user: &UserId) -> Result<i64, Error> {
    let (left,) = conn
        .query("SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1 AND used_at IS NULL")
        .bind(user)
        .fetch_one::<(i64,)>()
        .await?;
    Ok(left)
}

/// Tells how many there were, used or not.
pub async fn delete(tx: &mut Tx, user: &UserId) -> Result<u64, Error> {
    tx.query("DELETE FROM recovery_codes WHERE user_id = $1").bind(user).execute().await
}
