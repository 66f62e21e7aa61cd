//! Clients that there are: finding, disabling and deleting them, and new secrets.

use super::stored;
use crate::audit::{self, Kind};
use crate::cli::failure::Failure;
use crate::cli::start::Installation;
use crate::protocol::client::{Client, ClientStatus};
use crate::protocol::id::ClientId;
use crate::protocol::time::Seconds;
use crate::random;
use crate::storage::audit::{Actor, Event, insert as record};
use crate::storage::clients;
use crate::storage::error::Error as StorageError;

pub(super) async fn set_status(installation: &Installation, id: &str, status: ClientStatus) -> Result<Client, Failure> {
    let mut client = find(installation, id).await?;
    if client.status == status {
        return Ok(client);
    }
    let kind = if status == ClientStatus::Disabled { Kind::ClientDisabled } else { Kind::ClientEnabled };
    let event = event(kind, &client.id, installation);
    client.status = status;
    client.updated_at = event.at;
    let updated = installation.db.write(async |tx| {
        if !clients::update(tx, &client, client.version).await? {
            return Err(StorageError::Conflict);
        }
        record(tx, &event).await
    });
    updated.await?;
    Ok(client)
}

pub(super) async fn reset_secret(installation: &Installation, id: &str) -> Result<(Client, String), Failure> {
    let client = find(installation, id).await?;
    if client.is_public() {
        return Err(Failure::usage(format!("{} is a public client: it has no secret", client.id)));
    }
    if !client.has_secret() {
        return Err(Failure::usage(format!("{} authenticates with its keys: it has no secret", client.id)));
    }
    let secret = random::secret();
    let event = event(Kind::ClientSecretReset, &client.id, installation);
    let stored = stored(installation, &client, &secret, event.at);
    let old_expires_at = event.at + Seconds::hours(installation.config.tokens.client_secret_overlap_hours);
    let updated = installation.db.write(async |tx| {
        if !clients::add_secret(tx, &client.id, &stored, old_expires_at).await? {
            return Err(StorageError::Conflict);
        }
        record(tx, &event).await
    });
    updated.await?;
    Ok((client, secret))
}

pub(super) async fn delete(installation: &Installation, id: &str) -> Result<Client, Failure> {
    let client = find(installation, id).await?;
    let event = event(Kind::ClientDeleted, &client.id, installation);
    let deleted = installation.db.write(async |tx| {
        if !clients::delete(tx, &client.id).await? {
            return Err(StorageError::Conflict);
        }
        record(tx, &event).await
    });
    deleted.await?;
    Ok(client)
}

pub(super) async fn find(installation: &Installation, id: &str) -> Result<Client, Failure> {
    let client = match ClientId::parse(id) {
        Ok(id) => clients::load(&mut installation.db.read().await?, &id).await?,
        Err(_) => None,
    };
    client.ok_or_else(|| Failure::not_found(format!("there is no client {id}")))
}

pub(in crate::cli) fn event(kind: Kind, client: &ClientId, installation: &Installation) -> Event {
    Event { actor: Actor::CommandLine, client_id: Some(client.clone()), ..audit::event(kind, installation.origin()) }
}
