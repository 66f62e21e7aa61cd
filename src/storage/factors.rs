//! Which factors a person set up, over all their tables.

use super::consents::{Consent, consent_columns};
use super::db::{Columns, Conn, Record, Tx};
use super::error::Error;
use super::{passkeys, recovery_codes, totp_factors};
use crate::protocol::authentication::Enrolled;
use crate::protocol::id::{ClientId, UserId};

macro_rules! enrolled_columns {
    () => {
        "u.password_hash IS NOT NULL, \
         EXISTS (SELECT 1 FROM totp_factors WHERE user_id = u.id), \
         EXISTS (SELECT 1 FROM recovery_codes WHERE user_id = u.id AND used_at IS NULL), \
         EXISTS (SELECT 1 FROM passkeys WHERE user_id = u.id)"
    };
}

impl Record for Enrolled {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self { password: columns.read()?, totp: columns.read()?, recovery_codes: columns.read()?, passkeys: columns.read()? })
    }
}

struct EnrolledAndConsent(Enrolled, Option<Consent>);

impl Record for EnrolledAndConsent {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self(Enrolled::read(columns)?, Record::read(columns)?))
    }
}

/// Nothing for a person who isn't there.
pub async fn enrolled(conn: &mut Conn, user: &UserId) -> Result<Enrolled, Error> {
    let found =
        conn.query(concat!("SELECT ", enrolled_columns!(), " FROM users u WHERE u.id = $1")).bind(user).fetch_optional().await?;
    Ok(found.unwrap_or_default())
}

/// The same, and what they allowed a client.
pub async fn enrolled_with_consent(
    conn: &mut Conn,
    user: &UserId,
    client: &ClientId,
) -> Result<(Enrolled, Option<Consent>), Error> {
    let found = conn
        .query(concat!(
            "SELECT ",
            enrolled_columns!(),
            ", c.* FROM users u LEFT JOIN (SELECT ",
            consent_columns!(),
            " FROM consents WHERE client_id = $2) c ON c.user_id = u.id WHERE u.id = $1"
        ))
        .bind(user)
        .bind(client)
        .fetch_optional()
        .await?;
    Ok(found.map(|EnrolledAndConsent(enrolled, consent)| (enrolled, consent)).unwrap_or_default())
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
