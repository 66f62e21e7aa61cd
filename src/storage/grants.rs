//! Authorizations given by a person to a client: the families of tokens.

use super::db::{Columns, Conn, Record, Tx, locking};
use super::device_codes;
use super::error::Error;
use super::expiry::{self, oldest};
use super::sessions;
use super::users::UserStatus;
use super::value::Json;
use crate::protocol::claims_request::ClaimsRequest;
use crate::protocol::confirmation::Confirmation;
use crate::protocol::id::{ClientId, GrantId, SessionId, UserId};
use crate::protocol::resource::Reach;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// One authorization. To revoke it is to revoke every token that came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    pub id: GrantId,
    pub client_id: ClientId,
    pub user_id: UserId,
    /// The session in which it was given; it may have ended since.
    pub session_id: SessionId,
    /// The session stands for this grant and nothing else: an application logged its person in without a browser. Neither
    /// outlives the other.
    pub own_session: bool,
    pub scope: Scope,
    pub claims: Option<ClaimsRequest>,
    pub reach: Reach,
    pub auth_time: Timestamp,
    pub amr: Vec<String>,
    pub acr: String,
    pub created_at: Timestamp,
    /// The absolute limit of all its tokens.
    pub expires_at: Timestamp,
    pub revoked_at: Option<Timestamp>,
    /// What its refresh tokens are bound to, if they are a public client's.
    pub confirmation: Option<Confirmation>,
}

/// The columns of a [`Grant`], of the table `grants` called `g`.
macro_rules! grant_columns {
    () => {
        "g.id, g.client_id, g.user_id, g.session_id, g.own_session, g.scope, g.claims, g.reach, g.auth_time, g.amr, \
         g.acr, g.created_at, g.expires_at, g.revoked_at, g.cnf"
    };
}
pub(super) use grant_columns;

impl Record for Grant {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            id: columns.read()?,
            client_id: columns.read()?,
            user_id: columns.read()?,
            session_id: columns.read()?,
            own_session: columns.read()?,
            scope: columns.read()?,
            claims: columns.read::<Option<Json<_>>>()?.map(|json| json.0),
            reach: columns.read::<Json<_>>()?.0,
            auth_time: columns.read()?,
            amr: columns.read::<Json<_>>()?.0,
            acr: columns.read()?,
            created_at: columns.read()?,
            expires_at: columns.read()?,
            revoked_at: columns.read()?,
            confirmation: columns.read::<Option<Json<_>>>()?.map(|json| json.0),
        })
    }
}

/// Stores one. One that is there already began with a token that came through the browser together with a code: it goes on as long
/// as what the code gives. Where it was revoked since, the transaction is undone ([`Tx::require`]).
pub async fn insert(tx: &mut Tx, grant: &Grant) -> Result<(), Error> {
    tx.require(
        "INSERT INTO grants (id, client_id, user_id, session_id, own_session, scope, claims, reach, auth_time, amr, acr, \
         created_at, expires_at, revoked_at, cnf) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) \
         ON CONFLICT (id) DO UPDATE SET cnf = excluded.cnf, expires_at = CASE \
         WHEN excluded.expires_at > grants.expires_at THEN excluded.expires_at ELSE grants.expires_at END \
         WHERE grants.revoked_at IS NULL RETURNING id",
    )
    .bind(&grant.id)
    .bind(&grant.client_id)
    .bind(&grant.user_id)
    .bind(&grant.session_id)
    .bind(grant.own_session)
    .bind(&grant.scope)
    .bind(grant.claims.clone().map(Json))
    .bind(Json(grant.reach.clone()))
    .bind(grant.auth_time)
    .bind(Json(grant.amr.clone()))
    .bind(grant.acr.as_str())
    .bind(grant.created_at)
    .bind(grant.expires_at)
    .bind(grant.revoked_at)
    .bind(grant.confirmation.map(Json))
    .run()
    .await
}

pub async fn load(conn: &mut Conn, id: &GrantId) -> Result<Option<Grant>, Error> {
    conn.query(concat!("SELECT ", grant_columns!(), " FROM grants g WHERE g.id = $1")).bind(id).fetch_optional().await
}

/// The grant, if it counts now: not revoked, not expired, of somebody who is active.
pub async fn live(conn: &mut Conn, id: &GrantId, now: Timestamp) -> Result<Option<Grant>, Error> {
    conn.query(concat!(
        "SELECT ",
        grant_columns!(),
        " FROM grants g JOIN users u ON u.id = g.user_id \
         WHERE g.id = $1 AND g.revoked_at IS NULL AND g.expires_at > $2 AND u.status = $3"
    ))
    .bind(id)
    .bind(now)
    .bind(UserStatus::Active)
    .fetch_optional()
    .await
}

/// The newest that a client was given in this session, if one counts now.
pub async fn live_of_session(
    conn: &mut Conn,
    (client, session): (&ClientId, &SessionId),
    now: Timestamp,
) -> Result<Option<Grant>, Error> {
    conn.query(concat!(
        "SELECT ",
        grant_columns!(),
        " FROM grants g JOIN users u ON u.id = g.user_id \
         WHERE g.client_id = $1 AND g.session_id = $2 AND g.revoked_at IS NULL AND g.expires_at > $3 \
         AND u.status = $4 ORDER BY g.created_at DESC, g.id LIMIT 1"
    ))
    .bind(client)
    .bind(session)
    .bind(now)
    .bind(UserStatus::Active)
    .fetch_optional()
    .await
}

/// Whether the grant still counts; it does until this transaction ends.
pub async fn stands(tx: &mut Tx, id: &GrantId, now: Timestamp) -> Result<bool, Error> {
    let found = tx
        .lock(locking!("SELECT id FROM grants WHERE id = $1 AND revoked_at IS NULL AND expires_at > $2"))
        .bind(id)
        .bind(now)
        .fetch_optional::<(GrantId,)>()
        .await?;
    Ok(found.is_some())
}

/// What counts of all that a person gave, in the order of time.
pub async fn live_for_user(conn: &mut Conn, user: &UserId, now: Timestamp) -> Result<Vec<Grant>, Error> {
    conn.query(concat!(
        "SELECT ",
        grant_columns!(),
        " FROM grants g WHERE g.user_id = $1 AND g.revoked_at IS NULL AND g.expires_at > $2 ORDER BY g.created_at, g.id"
    ))
    .bind(user)
    .bind(now)
    .fetch_all()
    .await
}

/// All that a person gave and that is remembered, in the order of time.
pub async fn list_for_user(conn: &mut Conn, user: &UserId) -> Result<Vec<Grant>, Error> {
    conn.query(concat!("SELECT ", grant_columns!(), " FROM grants g WHERE g.user_id = $1 ORDER BY g.created_at, g.id"))
        .bind(user)
        .fetch_all()
        .await
}

/// Writes down how its person proved once more who they are. `false`: it was revoked, or isn't there.
pub async fn prove(tx: &mut Tx, grant: &Grant) -> Result<bool, Error> {
    let updated = tx
        .query("UPDATE grants SET auth_time = $2, amr = $3, acr = $4 WHERE id = $1 AND revoked_at IS NULL")
        .bind(&grant.id)
        .bind(grant.auth_time)
        .bind(Json(grant.amr.clone()))
        .bind(grant.acr.as_str())
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Revokes one, and ends its own session, of which the client is told. `false`: it was revoked already, or isn't there.
pub async fn revoke(tx: &mut Tx, id: &GrantId, now: Timestamp) -> Result<bool, Error> {
    // The session first, as whoever ends it or proves something in it does: two that go at it from both ends would wait for
    // each other.
    let own = tx
        .lock(locking!(
            "SELECT user_id FROM sessions \
             WHERE id = (SELECT session_id FROM grants WHERE id = $1 AND own_session AND revoked_at IS NULL)"
        ))
        .bind(id)
        .fetch_optional::<(UserId,)>()
        .await?;
    let revoked =
        tx.query("UPDATE grants SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL").bind(id).bind(now).execute().await?;
    if let Some((user,)) = own {
        sessions::end_own(tx, &user, None, now).await?;
    }
    Ok(revoked == 1)
}

/// Binds one to a key: `false` when it is bound to another one.
pub async fn bind(tx: &mut Tx, id: &GrantId, confirmation: &Confirmation) -> Result<bool, Error> {
    let bound = tx
        .query("UPDATE grants SET cnf = $2 WHERE id = $1 AND (cnf IS NULL OR cnf = $2)")
        .bind(id)
        .bind(Json(*confirmation))
        .execute()
        .await?;
    Ok(bound == 1)
}

/// Revokes all of a person's and tells how many; what logged in without a browser is logged out by that. Authorization codes
/// that are still under way die too.
pub async fn revoke_for_user(tx: &mut Tx, user: &UserId, now: Timestamp) -> Result<u64, Error> {
    revoke_for_user_but(tx, user, None, now).await
}

/// Like [`revoke_for_user`], of all but one.
pub async fn revoke_others_for_user(tx: &mut Tx, user: &UserId, except: &GrantId, now: Timestamp) -> Result<u64, Error> {
    revoke_for_user_but(tx, user, Some(except), now).await
}

async fn revoke_for_user_but(tx: &mut Tx, user: &UserId, except: Option<&GrantId>, now: Timestamp) -> Result<u64, Error> {
    lock_sessions(tx, user).await?;
    // The codes before the grants: one that is being redeemed is waited for here, and its grant is seen by the next statement.
    tx.query("DELETE FROM authorization_codes WHERE user_id = $1 AND consumed_at IS NULL").bind(user).execute().await?;
    device_codes::take_back(tx, user, None, now).await?;
    let revoked = tx
        .query("UPDATE grants SET revoked_at = $2 WHERE user_id = $1 AND revoked_at IS NULL AND ($3 IS NULL OR id <> $3)")
        .bind(user)
        .bind(now)
        .bind(except)
        .execute()
        .await?;
    sessions::end_own(tx, user, None, now).await?;
    Ok(revoked)
}

/// The sessions before what they stand for, everywhere and in one order: two that go at it from both ends would wait for each other.
/// Whoever begins a login without a browser just now is waited for, and the grant is seen by the next statement.
async fn lock_sessions(tx: &mut Tx, user: &UserId) -> Result<(), Error> {
    tx.lock(locking!("SELECT id FROM sessions WHERE user_id = $1 ORDER BY id")).bind(user).fetch_all::<(SessionId,)>().await?;
    Ok(())
}

/// Like [`revoke_for_user`], of what one client was given.
pub async fn revoke_for_client_and_user(tx: &mut Tx, client: &ClientId, user: &UserId, now: Timestamp) -> Result<u64, Error> {
    lock_sessions(tx, user).await?;
    tx.query("DELETE FROM authorization_codes WHERE user_id = $1 AND client_id = $2 AND consumed_at IS NULL")
        .bind(user)
        .bind(client)
        .execute()
        .await?;
    device_codes::take_back(tx, user, Some(client), now).await?;
    let revoked = tx
        .query("UPDATE grants SET revoked_at = $3 WHERE user_id = $1 AND client_id = $2 AND revoked_at IS NULL")
        .bind(user)
        .bind(client)
        .bind(now)
        .execute()
        .await?;
    sessions::end_own(tx, user, Some(client), now).await?;
    Ok(revoked)
}

/// Deletes up to `limit` grants that ended before `before`, and with them all their tokens.
pub async fn delete_expired(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64, Error> {
    expiry::delete(tx, oldest!("grants", "id", "expires_at"), before, limit).await
}
