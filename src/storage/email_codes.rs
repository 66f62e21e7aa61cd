//! Codes that were mailed, whatever for. A code is found by its id, and used by whoever asked for it alone.

use super::db::{Columns, Conn, Record, Tx};
use super::error::Error;
use super::expiry::{self, oldest};
use super::value::{Hash, words};
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;

/// How often a code may be tried.
pub const MAX_TRIES: i64 = 5;

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Nobody has the address yet.
    Register,
    /// The address that stands in somebody's account.
    VerifyEmail,
    /// One that is to take its place.
    ChangeEmail,
    ResetPassword,
}

words!(Purpose {
    Register = "register",
    VerifyEmail = "verify_email",
    ChangeEmail = "change_email",
    ResetPassword = "reset_password",
});

impl Purpose {
    /// Nobody asks for such a code but the person whose it is.
    const fn needs_login(self) -> bool {
        matches!(self, Self::VerifyEmail | Self::ChangeEmail)
    }

    /// The word that is stored.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Register => "register",
            Self::VerifyEmail => "verify_email",
            Self::ChangeEmail => "change_email",
            Self::ResetPassword => "reset_password",
        }
    }
}

/// A code, as it is kept.
#[derive(Clone, Debug)]
pub struct EmailCode {
    pub id: String,
    pub purpose: Purpose,
    /// `None` while there is nobody, and for a decoy.
    pub user_id: Option<UserId>,
    /// Canonical.
    pub address: String,
    /// Keyed hash of the secret of the browser or app that asked for it.
    pub holder: [u8; 32],
    /// Keyed hash of the code and of what it is for; `None` for a decoy, which no code fits.
    pub hash: Option<[u8; 32]>,
    /// What becomes true when the code is right.
    pub sealed: Option<Vec<u8>>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
}

impl Record for EmailCode {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: columns.read()?,
            purpose: columns.read()?,
            user_id: columns.read()?,
            address: columns.read()?,
            holder: columns.read::<Hash>()?.0,
            hash: columns.read::<Option<Hash>>()?.map(|hash| hash.0),
            sealed: columns.read()?,
            created_at: columns.read()?,
            expires_at: columns.read()?,
        })
    }
}

/// Stores a code. The holder's older ones for the same purpose go: only the newest counts. So do those of the person's other
/// browsers, if one has to be logged in to ask for one. Those that strangers asked for stay, or anybody could take the code away
/// that somebody else has just been sent.
pub async fn insert(tx: &mut Tx, code: &EmailCode) -> Result<(), Error> {
    let person = code.user_id.as_ref().filter(|_| code.purpose.needs_login());
    tx.query("DELETE FROM email_codes WHERE purpose = $2 AND (holder = $1 OR user_id = $3)")
        .bind(Hash(code.holder))
        .bind(code.purpose)
        .bind(person)
        .execute()
        .await?;
    tx.query(
        "INSERT INTO email_codes (id, purpose, user_id, address, holder, hash, sealed, tries, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, 0, $8, $9)",
    )
    .bind(code.id.as_str())
    .bind(code.purpose)
    .bind(code.user_id.as_ref())
    .bind(code.address.as_str())
    .bind(Hash(code.holder))
    .bind(code.hash.map(Hash))
    .bind(code.sealed.clone())
    .bind(code.created_at)
    .bind(code.expires_at)
    .execute()
    .await?;
    Ok(())
}

/// Which code is meant, and by whom.
#[derive(Clone, Copy, Debug)]
pub struct Claim<'a> {
    pub id: &'a str,
    pub purpose: Purpose,
    pub holder: &'a [u8; 32],
    pub now: Timestamp,
}

/// The code while it lives, spent or not. What it opens is decided by [`spend`] alone.
pub async fn load(conn: &mut Conn, claim: Claim<'_>) -> Result<Option<EmailCode>, Error> {
    conn.query(
        "SELECT id, purpose, user_id, address, holder, hash, sealed, created_at, expires_at FROM email_codes \
         WHERE id = $1 AND purpose = $2 AND holder = $3 AND expires_at > $4",
    )
    .bind(claim.id)
    .bind(claim.purpose)
    .bind(Hash(*claim.holder))
    .bind(claim.now)
    .fetch_optional()
    .await
}

/// Counts a try, and spends the code if `hash` is its own: `true` for one caller alone. Five tries, right or wrong, are all
/// there are, however many come at once: each is counted before it is compared.
pub async fn spend(tx: &mut Tx, claim: Claim<'_>, hash: &[u8; 32]) -> Result<bool, Error> {
    let counted = tx
        .query(
            "UPDATE email_codes SET tries = tries + 1 WHERE id = $1 AND purpose = $2 AND holder = $3 AND expires_at > $4 \
             AND consumed_at IS NULL AND tries < $5 RETURNING hash",
        )
        .bind(claim.id)
        .bind(claim.purpose)
        .bind(Hash(*claim.holder))
        .bind(claim.now)
        .bind(MAX_TRIES)
        .fetch_optional::<(Option<Hash>,)>()
        .await?;
    // Hashes are compared, not codes: the time tells nothing of use.
    if counted.is_none_or(|(expected,)| expected != Some(Hash(*hash))) {
        return Ok(false);
    }
    let spent = tx
        .query("UPDATE email_codes SET consumed_at = $2 WHERE id = $1 AND consumed_at IS NULL")
        .bind(claim.id)
        .bind(claim.now)
        .execute()
        .await?;
    Ok(spent == 1)
}

/// Takes what a right code opened for a second step: `true` for one caller alone.
pub async fn take(tx: &mut Tx, claim: Claim<'_>) -> Result<bool, Error> {
    let taken = tx
        .query(
            "DELETE FROM email_codes WHERE id = $1 AND purpose = $2 AND holder = $3 AND expires_at > $4 \
             AND consumed_at IS NOT NULL",
        )
        .bind(claim.id)
        .bind(claim.purpose)
        .bind(Hash(*claim.holder))
        .bind(claim.now)
        .execute()
        .await?;
    Ok(taken == 1)
}

/// Whether a right code was given already.
pub async fn is_spent(conn: &mut Conn, claim: Claim<'_>) -> Result<bool, Error> {
    let (spent,) = conn
        .query(
            "SELECT EXISTS (SELECT 1 FROM email_codes WHERE id = $1 AND purpose = $2 AND holder = $3 AND expires_at > $4 \
             AND consumed_at IS NOT NULL)",
        )
        .bind(claim.id)
        .bind(claim.purpose)
        .bind(Hash(*claim.holder))
        .bind(claim.now)
        .fetch_one::<(bool,)>()
        .await?;
    Ok(spent)
}

/// Takes back every code that a person was sent: what they rest on has changed.
pub async fn delete_for_user(tx: &mut Tx, user: &UserId) -> Result<(), Error> {
    tx.query("DELETE FROM email_codes WHERE user_id = $1").bind(user).execute().await?;
    Ok(())
}

/// Deletes up to `limit` codes that had expired by `now`.
pub async fn delete_expired(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<u64, Error> {
    expiry::delete(tx, oldest!("email_codes", "id", "expires_at"), now, limit).await
}
