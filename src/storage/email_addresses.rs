//! E-mail addresses: the one place where they stand. The claims `email` and `email_verified` are made of them.

use super::db::{Columns, Conn, Record, Tx};
use super::error::Error;
use super::users::{User, lock_names, user_columns};
use crate::protocol::email_address::EmailAddress;
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;

/// A person's address, and since when it is known that they read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonsAddress {
    pub address: EmailAddress,
    pub verified_at: Option<Timestamp>,
    pub updated_at: Timestamp,
}

impl Record for PersonsAddress {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            address: EmailAddress::from_stored(columns.read()?, columns.read()?),
            verified_at: columns.read()?,
            updated_at: columns.read()?,
        })
    }
}

pub async fn load(conn: &mut Conn, user: &UserId) -> Result<Option<PersonsAddress>, Error> {
    conn.query("SELECT address, canonical, verified_at, updated_at FROM email_addresses WHERE user_id = $1")
        .bind(user)
        .fetch_optional()
        .await
}

/// Who proved that they read what comes to this address.
pub async fn reader(conn: &mut Conn, address: &EmailAddress) -> Result<Option<User>, Error> {
    conn.query(concat!(
        "SELECT ",
        user_columns!(),
        " FROM users u JOIN email_addresses e ON e.user_id = u.id WHERE e.canonical = $1 AND e.verified_at IS NOT NULL"
    ))
    .bind(address.canonical())
    .fetch_optional()
    .await
}

/// Whether the address is somebody else's: they proved it, or sign in with it. One that somebody merely claims is free.
pub async fn is_taken(conn: &mut Conn, address: &EmailAddress, by_other_than: Option<&UserId>) -> Result<bool, Error> {
    let (taken,) = conn
        .query(
            "SELECT EXISTS (SELECT 1 FROM email_addresses \
                WHERE canonical = $1 AND verified_at IS NOT NULL AND ($2 IS NULL OR user_id <> $2)) \
             OR EXISTS (SELECT 1 FROM users WHERE canonical_name = $1 AND ($2 IS NULL OR id <> $2))",
        )
        .bind(address.canonical())
        .bind(by_other_than)
        .fetch_one::<(bool,)>()
        .await?;
    Ok(taken)
}

/// Writes a person's address in place of the one before. It was verified now, unless it was before and is the same; or it is
/// not verified (any more).
///
/// # Errors
/// [`Error::Conflict`]: it is to be verified and is somebody else's, or there is no such person.
pub async fn save(tx: &mut Tx, user: &UserId, address: &EmailAddress, verified: bool, now: Timestamp) -> Result<(), Error> {
    if verified {
        // Nobody may take it as their sign-in name meanwhile.
        lock_names(tx).await?;
        if is_taken(tx, address, Some(user)).await? {
            return Err(Error::Conflict);
        }
    }
    tx.query(
        "INSERT INTO email_addresses (user_id, address, canonical, verified_at, updated_at) VALUES ($1, $2, $3, $4, $5) \
         ON CONFLICT (user_id) DO UPDATE SET address = excluded.address, canonical = excluded.canonical, \
            verified_at = CASE WHEN excluded.verified_at IS NOT NULL AND email_addresses.canonical = excluded.canonical \
                THEN coalesce(email_addresses.verified_at, excluded.verified_at) ELSE excluded.verified_at END, \
            updated_at = excluded.updated_at",
    )
    .bind(user)
    .bind(address.as_str())
    .bind(address.canonical())
    .bind(verified.then_some(now))
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

pub async fn delete(tx: &mut Tx, user: &UserId) -> Result<bool, Error> {
    Ok(tx.query("DELETE FROM email_addresses WHERE user_id = $1").bind(user).execute().await? == 1)
}
