//! Which factors a person set up, over all their tables.

use super::db::{Conn, Tx};
use super::error::Error;
use super::{passkeys, recovery_codes, totp_factors};
use crate::protocol::authentication::Enrolled;
use crate::protocol::id::UserId;

/// Nothing for a person who isn't there.
pub async fn enrolled(conn: &mut Conn, user: &UserId) -> Result<Enrolled, Error> {
    let found = conn
        .query(
            "SELECT u.password_hash IS NOT NULL, \
             EXISTS (SELECT 1 FROM totp_factors WHERE user_id = u.id), \
             EXISTS (SELECT 1 FROM recovery_codes WHERE user_id = u.id AND used_at IS NULL), \
             EXISTS (SELECT 1 FROM passkeys WHERE user_id = u.id) \
             FROM users u WHERE u.id = $1",
        )
        .bind(user)
        .fetch_optional::<(bool, bool, bool, bool)>()
        .await?;
    let (password, totp, recovery_codes, passkeys) = found.unwrap_or_default();
    Ok(Enrolled { password, totp, recovery_codes, passkeys })
}

/// What [`remove_all`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Removed {
    pub totp: bool,
    /// Used or not.
    pub recovery_codes: u64,
    pub passkeys: u64,
}

/// Takes away everything but the password.
pub async fn remove_all(tx: &mut Tx, user: &UserId) -> Result<Removed, Error> {
    Ok(Removed {
        totp: totp_factors::delete(tx, user).await?,
        recovery_codes: recovery_codes::delete(tx, user).await?,
        passkeys: passkeys::delete_all(tx, user).await?,
    })
}
