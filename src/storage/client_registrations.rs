//! The tokens of clients that register themselves: those to register with, and those to manage the registration with.

use super::audit::{self, Actor, Event};
use super::clients;
use super::db::{Columns, Conn, Record, Tx};
use super::error::Error;
use super::expiry::{self, oldest};
use super::page::{Listed, Page};
use super::value::Hash;
use crate::protocol::client::ClientStatus;
use crate::protocol::id::ClientId;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;

/// Gives a client its registration access token; one that it had before counts no longer.
pub async fn save(tx: &mut Tx, client: &ClientId, hash: &[u8; 32], now: Timestamp) -> Result<(), Error> {
    tx.query(
        "INSERT INTO registration_access_tokens (client_id, hash, created_at) VALUES ($1, $2, $3) \
         ON CONFLICT (client_id) DO UPDATE SET hash = excluded.hash, created_at = excluded.created_at",
    )
    .bind(client)
    .bind(Hash(*hash))
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

/// Whose registration access token it is.
pub async fn client_of(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<ClientId>, Error> {
    let found = conn
        .query("SELECT client_id FROM registration_access_tokens WHERE hash = $1")
        .bind(Hash(*hash))
        .fetch_optional::<(ClientId,)>()
        .await?;
    Ok(found.map(|(client,)| client))
}

/// Whether it still is; it is until this transaction ends.
pub async fn holds(tx: &mut Tx, client: &ClientId, hash: &[u8; 32]) -> Result<bool, Error> {
    let touched = tx
        .query("UPDATE registration_access_tokens SET created_at = created_at WHERE client_id = $1 AND hash = $2")
        .bind(client)
        .bind(Hash(*hash))
        .execute()
        .await?;
    Ok(touched == 1)
}

/// An initial access token.
#[derive(Clone, Debug)]
pub struct InitialAccessToken {
    pub id: String,
    pub hash: [u8; 32],
    pub uses_left: i64,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Who made it; nobody knows of an old one.
    pub maker: Option<Actor>,
}

impl InitialAccessToken {
    pub fn new(hash: [u8; 32], uses_left: i64, lifetime: Seconds, (maker, now): (Actor, Timestamp)) -> Self {
        let (id, maker) = (random::identifier(), Some(maker));
        Self { id, hash, uses_left, created_at: now, expires_at: now + lifetime, maker }
    }

    /// For the event of its making.
    pub fn described(&self) -> [(String, serde_json::Value); 2] {
        [("initial_access_token".to_owned(), self.id.as_str().into()), ("uses".to_owned(), self.uses_left.into())]
    }
}

impl Record for InitialAccessToken {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: columns.read()?,
            hash: columns.read::<Hash>()?.0,
            uses_left: columns.read()?,
            created_at: columns.read()?,
            expires_at: columns.read()?,
            maker: maker(columns)?,
        })
    }
}

fn maker(columns: &mut Columns<'_>) -> Result<Option<Actor>, Error> {
    let (kind, id) = (columns.read::<Option<String>>()?, columns.read()?);
    kind.map(|kind| Actor::from_stored(&kind, id)).transpose()
}

pub async fn insert_initial(tx: &mut Tx, token: &InitialAccessToken) -> Result<(), Error> {
    tx.query(
        "INSERT INTO initial_access_tokens (id, hash, uses_left, created_at, expires_at, actor_type, actor_id) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(token.id.as_str())
    .bind(Hash(token.hash))
    .bind(token.uses_left)
    .bind(token.created_at)
    .bind(token.expires_at)
    .bind(token.maker.as_ref().map(Actor::kind))
    .bind(token.maker.as_ref().and_then(Actor::id))
    .execute()
    .await?;
    Ok(())
}

/// Whether the token could be used now; using it is [`spend_initial`].
pub async fn is_initial(conn: &mut Conn, hash: &[u8; 32], now: Timestamp) -> Result<bool, Error> {
    let found = conn
        .query("SELECT id FROM initial_access_tokens WHERE hash = $1 AND uses_left > 0 AND expires_at > $2")
        .bind(Hash(*hash))
        .bind(now)
        .fetch_optional::<(String,)>()
        .await?;
    Ok(found.is_some())
}

/// Uses an initial access token once, and gives its id; `None`: it is unknown, used up or expired.
pub async fn spend_initial(tx: &mut Tx, hash: &[u8; 32], now: Timestamp) -> Result<Option<String>, Error> {
    let spent = tx
        .query(
            "UPDATE initial_access_tokens SET uses_left = uses_left - 1 WHERE hash = $1 AND uses_left > 0 AND expires_at > $2 \
             RETURNING id",
        )
        .bind(Hash(*hash))
        .bind(now)
        .fetch_optional::<(String,)>()
        .await?;
    Ok(spent.map(|(id,)| id))
}

/// In the order of their ids.
pub async fn list_initial(conn: &mut Conn, page: &Page) -> Result<Listed<InitialAccessToken>, Error> {
    let found = conn
        .query(
            "SELECT id, hash, uses_left, created_at, expires_at, actor_type, actor_id FROM initial_access_tokens \
             WHERE id > $1 ORDER BY id LIMIT $2",
        )
        .bind(page.after())
        .bind(page.rows())
        .fetch_all::<InitialAccessToken>()
        .await?;
    Ok(Listed::cut(found, page, |token| token.id.clone()))
}

/// Takes one back.
pub async fn delete_initial(tx: &mut Tx, id: &str) -> Result<bool, Error> {
    Ok(tx.query("DELETE FROM initial_access_tokens WHERE id = $1").bind(id).execute().await? == 1)
}

/// Deletes up to `limit` initial access tokens that can't be used any more.
pub async fn delete_expired_initial(tx: &mut Tx, now: Timestamp, limit: i64) -> Result<u64, Error> {
    expiry::delete(tx, oldest!("initial_access_tokens", "id", "expires_at"), now, limit).await
}

/// Deletes up to `limit` clients that registered themselves, that nobody has touched since `before`, that nobody has agreed to, and
/// that hold nothing. One that an administrator disabled stays.
pub async fn delete_unused(tx: &mut Tx, before: Timestamp, limit: i64, event: &Event) -> Result<u64, Error> {
    let rows = tx
        .query(
            r#"SELECT c.id FROM registration_access_tokens r JOIN clients c ON c.id = r.client_id
            WHERE c.updated_at < $1 AND c.status = $2 AND c.metadata LIKE '%"self_registered":true%'
                AND NOT EXISTS (SELECT 1 FROM grants WHERE grants.client_id = c.id)
                AND NOT EXISTS (SELECT 1 FROM consents WHERE consents.client_id = c.id)
            ORDER BY c.id LIMIT $3"#,
        )
        .bind(before)
        .bind(ClientStatus::Active)
        .bind(limit)
        .fetch_all::<(ClientId,)>()
        .await?;
    let mut deleted = 0;
    for (id,) in rows {
        if clients::load(tx, &id).await?.is_some_and(|client| client.metadata.self_registered) {
            clients::delete(tx, &id).await?;
            audit::insert(tx, &Event { client_id: Some(id), ..event.clone() }).await?;
            deleted += 1;
        }
    }
    Ok(deleted)
}
