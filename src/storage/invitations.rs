//! Invitations to register: one-time links.

use super::db::{Columns, Conn, Record, Tx};
use super::error::Error;
use super::expiry::{self, oldest};
use super::page::{Listed, Page};
use super::value::{Hash, Json};
use crate::protocol::id::UserId;
use crate::protocol::time::Timestamp;

#[derive(Clone, Debug)]
pub struct Invitation {
    pub id: String,
    /// Of the token in the link.
    pub hash: [u8; 32],
    /// Canonical; `None`: whoever has the link.
    pub address: Option<String>,
    /// What the new person gets.
    pub roles: Vec<String>,
    /// A person's or client's id; `None`: the command line.
    pub invited_by: Option<String>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub used_at: Option<Timestamp>,
    pub used_by: Option<UserId>,
}

macro_rules! columns {
    () => {
        "id, hash, address, roles, invited_by, created_at, expires_at, used_at, used_by"
    };
}

impl Record for Invitation {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: columns.read()?,
            hash: columns.read::<Hash>()?.0,
            address: columns.read()?,
            roles: columns.read::<Json<_>>()?.0,
            invited_by: columns.read()?,
            created_at: columns.read()?,
            expires_at: columns.read()?,
            used_at: columns.read()?,
            used_by: columns.read()?,
        })
    }
}

pub async fn insert(tx: &mut Tx, invitation: &Invitation) -> Result<(), Error> {
    tx.query(
        "INSERT INTO invitations (id, hash, address, roles, invited_by, created_at, expires_at) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(invitation.id.as_str())
    .bind(Hash(invitation.hash))
    .bind(invitation.address.clone())
    .bind(Json(invitation.roles.clone()))
    .bind(invitation.invited_by.clone())
    .bind(invitation.created_at)
    .bind(invitation.expires_at)
    .execute()
    .await?;
    Ok(())
}

/// The invitation of a link that works still. [`accept`] decides.
pub async fn by_hash(conn: &mut Conn, hash: &[u8; 32], now: Timestamp) -> Result<Option<Invitation>, Error> {
    conn.query(concat!("SELECT ", columns!(), " FROM invitations WHERE hash = $1 AND expires_at > $2 AND used_at IS NULL"))
        .bind(Hash(*hash))
        .bind(now)
        .fetch_optional()
        .await
}

/// Spends the invitation: `true` for one caller alone, and before it expires.
pub async fn accept(tx: &mut Tx, hash: &[u8; 32], user: &UserId, now: Timestamp) -> Result<bool, Error> {
    let accepted = tx
        .query("UPDATE invitations SET used_at = $3, used_by = $2 WHERE hash = $1 AND expires_at > $3 AND used_at IS NULL")
        .bind(Hash(*hash))
        .bind(user)
        .bind(now)
        .execute()
        .await?;
    Ok(accepted == 1)
}

pub async fn by_id(conn: &mut Conn, id: &str) -> Result<Option<Invitation>, Error> {
    conn.query(concat!("SELECT ", columns!(), " FROM invitations WHERE id = $1")).bind(id).fetch_optional().await
}

/// In the order of their ids.
pub async fn list(conn: &mut Conn, page: &Page) -> Result<Listed<Invitation>, Error> {
    let found = conn
        .query(concat!("SELECT ", columns!(), " FROM invitations WHERE id > $1 ORDER BY id LIMIT $2"))
        .bind(page.after())
        .bind(page.rows())
        .fetch_all::<Invitation>()
        .await?;
    Ok(Listed::cut(found, page, |invitation| invitation.id.clone()))
}

/// Takes an invitation back.
pub async fn delete(tx: &mut Tx, id: &str) -> Result<bool, Error> {
    Ok(tx.query("DELETE FROM invitations WHERE id = $1").bind(id).execute().await? == 1)
}

/// Deletes up to `limit` invitations that had expired by `now`.
pub async fn delete_expired(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<u64, Error> {
    expiry::delete(tx, oldest!("invitations", "id", "expires_at"), now, limit).await
}
