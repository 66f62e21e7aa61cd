//! The applications that act on a person's behalf, what they may do, and shutting them out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::protocol::client::Client;
use crate::protocol::id::{ClientId, UserId};
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::state::AppState;
use crate::storage::audit::{self, Event};
use crate::storage::{consents, grants};
use crate::web::error::Problem;

/// An application that a person uses.
#[derive(Clone, Debug)]
pub struct Connected {
    pub client: Arc<Client>,
    pub scope: Scope,
    /// Where: the identifiers of the resources that were named. Without any, it is for this server or where the client is at home.
    pub resources: BTreeSet<String>,
    pub since: Timestamp,
    /// When it last got tokens.
    pub last_used: Option<Timestamp>,
}

/// Those that the person agreed to, and those of the house that act without asking, in the order of their names.
///
/// When each was last used is read from the audit log, which is written at every issue anyway: no token costs a write more.
pub async fn connected(state: &AppState, user: &UserId, now: Timestamp) -> Result<Vec<Connected>, Problem> {
    let mut conn = state.db.read().await?;
    let mut found: BTreeMap<ClientId, (Scope, BTreeSet<String>, Timestamp)> = BTreeMap::new();
    for consent in consents::list_for_user(&mut conn, user).await? {
        let resources = consent.resources();
        found.insert(consent.client_id, (consent.scope, resources, consent.created_at));
    }
    for grant in grants::live_for_user(&mut conn, user, now).await? {
        let known = found.entry(grant.client_id).or_insert_with(|| (Scope::default(), BTreeSet::new(), grant.created_at));
        known.0 = known.0.union(&grant.scope);
        known.1.extend(grant.reach.resources);
        known.2 = known.2.min(grant.created_at);
    }
    let last_uses: BTreeMap<ClientId, Timestamp> = audit::last_uses(&mut conn, user).await?.into_iter().collect();
    drop(conn);
    let mut apps = Vec::with_capacity(found.len());
    for (id, (scope, resources, since)) in found {
        if let Some(client) = state.clients.load(&id).await? {
            apps.push(Connected { client, scope, resources, since, last_used: last_uses.get(&id).copied() });
        }
    }
    apps.sort_by_key(|app| app.client.metadata.client_name.to_lowercase());
    Ok(apps)
}

/// Takes the consent back, and every token that the client holds. `false`: it holds nothing.
pub async fn disconnect(
    state: &AppState,
    (user, client): (&UserId, &ClientId),
    event: &Event,
    now: Timestamp,
) -> Result<bool, Problem> {
    let found = state.db.write(async |tx| {
        let consented = consents::delete(tx, user, client).await?;
        let revoked = grants::revoke_for_client_and_user(tx, client, user, now).await?;
        if !consented && revoked == 0 {
            return Ok(false);
        }
        audit::insert(tx, event).await?;
        Ok(true)
    });
    Ok(found.await?)
}
