//! How sessions end, and what ends with them.

use crate::config::SessionConfig;
use crate::protocol::id::{ClientId, SessionId, UserId};
use crate::protocol::time::Timestamp;
use crate::storage::db::{Tx, locking};
use crate::storage::error::Error;
use crate::storage::{device_codes, notices};

/// How sessions end.
#[derive(Clone, Copy, Debug)]
pub struct Ending {
    pub now: Timestamp,
    /// What applications were given for when their person is away (`offline_access`) ends too.
    pub offline: bool,
}

impl Ending {
    pub const fn new(now: Timestamp, config: &SessionConfig) -> Self {
        Self { now, offline: config.logout_ends_offline_access }
    }

    /// Nothing is to be left.
    pub const fn of_everything(now: Timestamp) -> Self {
        Self { now, offline: true }
    }
}

/// Ends one session. With it end the authorization codes that were given out in it and not redeemed yet, what was allowed in it to
/// devices that have not fetched it yet, the grant whose own session it is, and the grants that were given in it, as far as they
/// were not for when the person is away. The applications that want to hear of it are told soon after. `false`: it had ended
/// already.
pub async fn end(tx: &mut Tx, id: &SessionId, ending: Ending) -> Result<bool, Error> {
    let found = tx.lock(locking!("SELECT user_id FROM sessions WHERE id = $1")).bind(id).fetch_optional::<(UserId,)>().await?;
    let Some((user,)) = found else { return Ok(false) };
    end_locked(tx, id, &user, ending).await?;
    Ok(true)
}

/// Like [`end`], of all sessions of a person but `except`. Tells how many.
pub async fn end_all(tx: &mut Tx, user: &UserId, except: Option<&SessionId>, ending: Ending) -> Result<u64, Error> {
    lock_all(tx, user, except).await?;
    // Also of sessions that ended by themselves. A device that is being connected just now is waited for here, and its session is
    // seen by the next statement.
    device_codes::take_back_but(tx, user, except, ending.now).await?;
    let found = lock_all(tx, user, except).await?;
    for id in &found {
        end_locked(tx, id, user, ending).await?;
    }
    // Codes of sessions that ended by themselves.
    tx.query("DELETE FROM authorization_codes WHERE user_id = $1 AND ($2 IS NULL OR session_id <> $2) AND consumed_at IS NULL")
        .bind(user)
        .bind(except)
        .execute()
        .await?;
    Ok(found.len() as u64)
}

async fn lock_all(tx: &mut Tx, user: &UserId, except: Option<&SessionId>) -> Result<Vec<SessionId>, Error> {
    let found = tx
        .lock(locking!("SELECT id FROM sessions WHERE user_id = $1 AND ($2 IS NULL OR id <> $2) ORDER BY id"))
        .bind(user)
        .bind(except)
        .fetch_all::<(SessionId,)>()
        .await?;
    Ok(found.into_iter().map(|(id,)| id).collect())
}

async fn end_locked(tx: &mut Tx, id: &SessionId, user: &UserId, ending: Ending) -> Result<(), Error> {
    remove(tx, id, user, ending.now).await?;
    // The codes before the grants: one that is being redeemed is waited for here, and its grant is seen by the next statement.
    take_back(tx, user, id, ending.now).await?;
    tx.query(
        "UPDATE grants SET revoked_at = $3 WHERE user_id = $1 AND session_id = $2 AND revoked_at IS NULL \
         AND (own_session OR $4 OR (' ' || scope || ' ') NOT LIKE '% offline_access %')",
    )
    .bind(user)
    .bind(id)
    .bind(ending.now)
    .bind(ending.offline)
    .execute()
    .await?;
    Ok(())
}

/// Ends the sessions that stand for revoked grants of a person; with `client`, of that one's. The caller has locked them before
/// it revoked the grants: whoever ends a session, or proves something in it, goes that way too.
pub(in crate::storage) async fn end_own(
    tx: &mut Tx,
    user: &UserId,
    client: Option<&ClientId>,
    now: Timestamp,
) -> Result<(), Error> {
    let found = tx
        .query(
            "SELECT id FROM sessions WHERE user_id = $1 AND id IN (SELECT session_id FROM grants \
             WHERE user_id = $1 AND ($2 IS NULL OR client_id = $2) AND own_session AND revoked_at IS NOT NULL) ORDER BY id",
        )
        .bind(user)
        .bind(client)
        .fetch_all::<(SessionId,)>()
        .await?;
    for (id,) in &found {
        remove(tx, id, user, now).await?;
    }
    Ok(())
}

/// Takes the row out, and writes down who is to be told.
async fn remove(tx: &mut Tx, id: &SessionId, user: &UserId, now: Timestamp) -> Result<(), Error> {
    // Before the row goes, and what refers to it.
    notices::insert_for(tx, id, user, now).await?;
    tx.query("DELETE FROM sessions WHERE id = $1").bind(id).execute().await?;
    Ok(())
}

/// Takes back what was given out in a session and nobody has fetched yet.
pub(super) async fn take_back(tx: &mut Tx, user: &UserId, session: &SessionId, now: Timestamp) -> Result<(), Error> {
    tx.query("DELETE FROM authorization_codes WHERE user_id = $1 AND session_id = $2 AND consumed_at IS NULL")
        .bind(user)
        .bind(session)
        .execute()
        .await?;
    device_codes::take_back_of(tx, user, session, now).await
}
