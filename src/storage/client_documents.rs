//! Clients whose registration is a document that they publish: stored from the first time on that something is given to them, for
//! codes, grants and consents refer to a client.

use super::audit::{self, Event};
use super::clients;
use super::db::{Conn, Tx};
use super::error::Error;
use crate::protocol::client::{Client, ClientMetadata, ClientStatus};
use crate::protocol::id::ClientId;
use crate::protocol::time::Timestamp;

/// Stores a client that is about to be given something, unless it is stored already.
pub async fn adopt(tx: &mut Tx, client: &Client, event: &Event) -> Result<(), Error> {
    match clients::insert(tx, &Client { version: 1, ..client.clone() }).await {
        Ok(()) => {}
        // By another request.
        Err(Error::Conflict) => return Ok(()),
        Err(error) => return Err(error),
    }
    tx.query("INSERT INTO client_documents (client_id, fetched_at) VALUES ($1, $2)")
        .bind(&client.id)
        .bind(client.updated_at)
        .execute()
        .await?;
    audit::insert(tx, event).await
}

/// Writes what the document comes to now for the client as it was stored `before`, if its document still counts.
pub async fn renew(tx: &mut Tx, before: &Client, metadata: &ClientMetadata, event: &Event) -> Result<(), Error> {
    let known = tx
        .query("UPDATE client_documents SET fetched_at = $2 WHERE client_id = $1")
        .bind(&before.id)
        .bind(event.at)
        .execute()
        .await?;
    if known == 0 || before.metadata == *metadata {
        return Ok(());
    }
    let changed = Client { metadata: metadata.clone(), updated_at: event.at, ..before.clone() };
    let mut event = event.clone();
    event.details.insert("changed".to_owned(), metadata.differing(&before.metadata).into());
    // Somebody changed it meanwhile: the next time, then.
    if clients::update(tx, &changed, before.version).await? { audit::insert(tx, &event).await } else { Ok(()) }
}

/// The document of a stored client is not there any more, or no good: as if nobody had ever read it.
pub async fn forget_reading(tx: &mut Tx, id: &ClientId) -> Result<(), Error> {
    let never = Timestamp::from_micros(0);
    tx.query("UPDATE client_documents SET fetched_at = $2 WHERE client_id = $1").bind(id).bind(never).execute().await?;
    Ok(())
}

/// When the document of a stored client was last read.
pub async fn fetched_at(conn: &mut Conn, id: &ClientId) -> Result<Option<Timestamp>, Error> {
    let row = conn
        .query("SELECT fetched_at FROM client_documents WHERE client_id = $1")
        .bind(id)
        .fetch_optional::<(Timestamp,)>()
        .await?;
    Ok(row.map(|(at,)| at))
}

/// Deletes up to `limit` clients whose document nobody has read since `before`, and that hold nothing. One that an administrator
/// disabled stays: its row is what keeps the document out. One that was vouched for is a client like any other from now on.
pub async fn delete_unused(tx: &mut Tx, before: Timestamp, limit: i64, event: &Event) -> Result<u64, Error> {
    let rows = tx
        .query(
            "SELECT c.id FROM client_documents d JOIN clients c ON c.id = d.client_id \
             WHERE d.fetched_at < $1 AND c.status = $2 \
             AND NOT EXISTS (SELECT 1 FROM grants WHERE grants.client_id = c.id) ORDER BY c.id LIMIT $3",
        )
        .bind(before)
        .bind(ClientStatus::Active)
        .bind(limit)
        .fetch_all::<(ClientId,)>()
        .await?;
    let found = rows.len() as u64;
    for (id,) in rows {
        if clients::load(tx, &id).await?.is_some_and(|client| client.is_published()) {
            clients::delete(tx, &id).await?;
            audit::insert(tx, &Event { client_id: Some(id), ..event.clone() }).await?;
        } else {
            tx.query("DELETE FROM client_documents WHERE client_id = $1").bind(&id).execute().await?;
        }
    }
    Ok(found)
}
