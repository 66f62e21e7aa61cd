//! Who waits for a person to decide elsewhere: devices (RFC 8628), and clients that ask somebody (OpenID Connect CIBA Core 1.0). Codes are
//! stored as hashes, allowed once, spent once.

use std::collections::BTreeMap;

use super::db::{Columns, Conn, Record, Tx};
use super::error::Error;
use super::value::{Hash, Json};
use crate::protocol::authentication::Factors;
use crate::protocol::id::{ClientId, GrantId, SessionId, UserId};
use crate::protocol::resource::Reach;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// What a device code stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCode {
    pub hash: [u8; 32],
    /// Of the code that the person types; random where a client asks: [`crate::protocol::backchannel::Handle`].
    pub user_code: [u8; 32],
    pub client_id: ClientId,
    /// What is asked for.
    pub scope: Scope,
    pub reach: Reach,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// Seconds.
    pub poll_interval: i64,
    /// The device asks too early before this.
    pub next_poll_at: Timestamp,
    pub allowed: Option<Allowed>,
    pub denied_at: Option<Timestamp>,
    pub consumed_at: Option<Timestamp>,
    /// What it was redeemed for: a second use takes it back.
    pub grant_id: Option<GrantId>,
    /// A device does not know who will come.
    pub asked: Option<Asked>,
}

/// Whom a client asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Nobody else can decide.
    pub user_id: UserId,
    pub binding_message: Option<String>,
    /// In order of preference.
    pub acr_values: Vec<String>,
    /// With what the client is told of the answer: [`crate::keys::notification`].
    pub notification: Option<Vec<u8>>,
}

/// Who allowed a device what.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowed {
    pub user_id: UserId,
    pub scope: Scope,
    /// Of the login in which it was allowed.
    pub auth_time: Timestamp,
    pub acr: String,
    pub factors: Factors,
}

macro_rules! device_code_columns {
    () => {
        "hash, user_code, client_id, scope, reach, created_at, expires_at, poll_interval, next_poll_at, user_id, allowed_scope, \
         auth_time, acr, factors, denied_at, consumed_at, grant_id, asked_of, binding_message, asked_acrs, notification"
    };
}

impl Record for DeviceCode {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            hash: columns.read::<Hash>()?.0,
            user_code: columns.read::<Hash>()?.0,
            client_id: columns.read()?,
            scope: columns.read()?,
            reach: columns.read::<Json<_>>()?.0,
            created_at: columns.read()?,
            expires_at: columns.read()?,
            poll_interval: columns.read()?,
            next_poll_at: columns.read()?,
            allowed: allowed(columns)?,
            denied_at: columns.read()?,
            consumed_at: columns.read()?,
            grant_id: columns.read()?,
            asked: asked(columns)?,
        })
    }
}

fn asked(columns: &mut Columns<'_>) -> Result<Option<Asked>, Error> {
    let (user_id, binding_message) = (columns.read::<Option<UserId>>()?, columns.read()?);
    let acr_values = columns.read::<Option<Json<Vec<String>>>>()?.map(|json| json.0).unwrap_or_default();
    let notification = columns.read()?;
    Ok(user_id.map(|user_id| Asked { user_id, binding_message, acr_values, notification }))
}

fn allowed(columns: &mut Columns<'_>) -> Result<Option<Allowed>, Error> {
    let (user_id, scope) = (columns.read::<Option<UserId>>()?, columns.read::<Option<Scope>>()?);
    let (auth_time, acr) = (columns.read::<Option<Timestamp>>()?, columns.read::<Option<String>>()?);
    let factors = columns.read::<Option<Json<BTreeMap<String, Timestamp>>>>()?.map(|json| Factors::from(json.0));
    let whole = user_id.zip(scope).zip(auth_time.zip(acr)).zip(factors);
    Ok(whole.map(|(((user_id, scope), (auth_time, acr)), factors)| Allowed { user_id, scope, auth_time, acr, factors }))
}

/// Stores a new one. `false`: its user code is in use; draw another one.
pub async fn insert(tx: &mut Tx, code: &DeviceCode) -> Result<bool, Error> {
    let asked = code.asked.as_ref();
    let inserted = tx
        .query(
            "INSERT INTO device_codes (hash, user_code, client_id, scope, created_at, expires_at, poll_interval, next_poll_at, asked_of, \
             binding_message, asked_acrs, notification, reach) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) ON CONFLICT (user_code) DO NOTHING",
        )
        .bind(Hash(code.hash))
        .bind(Hash(code.user_code))
        .bind(&code.client_id)
        .bind(&code.scope)
        .bind(code.created_at)
        .bind(code.expires_at)
        .bind(code.poll_interval)
        .bind(code.next_poll_at)
        .bind(asked.map(|asked| &asked.user_id))
        .bind(asked.and_then(|asked| asked.binding_message.as_deref()))
        .bind(asked.map(|asked| Json(asked.acr_values.clone())))
        .bind(asked.and_then(|asked| asked.notification.as_deref()))
        .bind(Json(code.reach.clone()))
        .execute()
        .await?;
    Ok(inserted == 1)
}

/// By the hash of the device code, whatever its state: the caller tells why it counts for nothing.
pub async fn load(conn: &mut Conn, hash: &[u8; 32]) -> Result<Option<DeviceCode>, Error> {
    conn.query(concat!("SELECT ", device_code_columns!(), " FROM device_codes WHERE hash = $1"))
        .bind(Hash(*hash))
        .fetch_optional()
        .await
}

/// By the hash of the user code, if a person may still decide about it.
pub async fn undecided(conn: &mut Conn, user_code: &[u8; 32], now: Timestamp) -> Result<Option<DeviceCode>, Error> {
    conn.query(concat!(
        "SELECT ",
        device_code_columns!(),
        " FROM device_codes WHERE user_code = $1 AND expires_at > $2 AND user_id IS NULL AND denied_at IS NULL"
    ))
    .bind(Hash(*user_code))
    .bind(now)
    .fetch_optional()
    .await
}

/// What a person is asked and may still decide about, the oldest first.
pub async fn undecided_of(conn: &mut Conn, user: &UserId, now: Timestamp) -> Result<Vec<DeviceCode>, Error> {
    conn.query(concat!(
        "SELECT ",
        device_code_columns!(),
        " FROM device_codes WHERE asked_of = $1 AND expires_at > $2 AND user_id IS NULL AND denied_at IS NULL ORDER BY created_at, hash"
    ))
    .bind(user)
    .bind(now)
    .fetch_all()
    .await
}

/// Whether a person said no to this client after `since`, or took a yes back.
pub async fn denied_since(conn: &mut Conn, (client, user): (&ClientId, &UserId), since: Timestamp) -> Result<bool, Error> {
    let found = conn
        .query("SELECT denied_at FROM device_codes WHERE asked_of = $1 AND client_id = $2 AND denied_at > $3 LIMIT 1")
        .bind(user)
        .bind(client)
        .bind(since)
        .fetch_optional::<(Timestamp,)>()
        .await?;
    Ok(found.is_some())
}

/// Notes that whoever waits asked. `false`: it asked too early, and has to wait `slowed_by` seconds longer from now on.
pub async fn poll(tx: &mut Tx, hash: &[u8; 32], slowed_by: i64, now: Timestamp) -> Result<bool, Error> {
    let in_time = tx
        .query("UPDATE device_codes SET next_poll_at = $2 + poll_interval * 1000000 WHERE hash = $1 AND next_poll_at <= $2")
        .bind(Hash(*hash))
        .bind(now)
        .execute()
        .await?;
    if in_time == 1 {
        return Ok(true);
    }
    tx.query(
        "UPDATE device_codes SET poll_interval = poll_interval + $3, next_poll_at = $2 + (poll_interval + $3) * 1000000 \
         WHERE hash = $1",
    )
    .bind(Hash(*hash))
    .bind(now)
    .bind(slowed_by)
    .execute()
    .await?;
    Ok(false)
}

/// Writes down that a person allowed it, in this session: `true` for one decision alone, and before it expires.
pub async fn allow(
    tx: &mut Tx,
    user_code: &[u8; 32],
    (session, allowed): (&SessionId, &Allowed),
    now: Timestamp,
) -> Result<bool, Error> {
    let updated = tx
        .query(
            "UPDATE device_codes SET user_id = $3, allowed_scope = $4, auth_time = $5, acr = $6, factors = $7, \
             session_id = $8 \
             WHERE user_code = $1 AND expires_at > $2 AND user_id IS NULL AND denied_at IS NULL \
             AND (asked_of IS NULL OR asked_of = $3)",
        )
        .bind(Hash(*user_code))
        .bind(now)
        .bind(&allowed.user_id)
        .bind(&allowed.scope)
        .bind(allowed.auth_time)
        .bind(allowed.acr.as_str())
        .bind(Json(allowed.factors.clone()))
        .bind(session)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Writes down that a person said no. It takes back their own yes, if no device has fetched it yet. `false`: it is too late for that.
pub async fn deny(tx: &mut Tx, user_code: &[u8; 32], user: &UserId, now: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .query(
            "UPDATE device_codes SET denied_at = $2 WHERE user_code = $1 AND expires_at > $2 \
             AND (user_id IS NULL OR user_id = $3) AND (asked_of IS NULL OR asked_of = $3) AND consumed_at IS NULL AND denied_at IS NULL",
        )
        .bind(Hash(*user_code))
        .bind(now)
        .bind(user)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Says no too to everything else that this client asks the person and that they have not decided about. Gives the hashes of the user codes.
pub async fn deny_others(tx: &mut Tx, (client, user): (&ClientId, &UserId), now: Timestamp) -> Result<Vec<[u8; 32]>, Error> {
    let denied = tx
        .query(
            "UPDATE device_codes SET denied_at = $3 WHERE asked_of = $1 AND client_id = $2 AND expires_at > $3 \
             AND user_id IS NULL AND denied_at IS NULL RETURNING user_code",
        )
        .bind(user)
        .bind(client)
        .bind(now)
        .fetch_all::<(Hash,)>()
        .await?;
    Ok(denied.into_iter().map(|(hash,)| hash.0).collect())
}

/// Spends the code, for this grant: `true` for one caller alone, if it is still allowed and has not expired.
pub async fn consume(tx: &mut Tx, hash: &[u8; 32], grant: &GrantId, now: Timestamp) -> Result<bool, Error> {
    let updated = tx
        .query(
            "UPDATE device_codes SET consumed_at = $2, grant_id = $3 WHERE hash = $1 AND consumed_at IS NULL \
             AND denied_at IS NULL AND user_id IS NOT NULL AND expires_at > $2",
        )
        .bind(Hash(*hash))
        .bind(now)
        .bind(grant)
        .execute()
        .await?;
    Ok(updated == 1)
}

/// Takes back what a person allowed and no device has fetched yet; with `client`, what they allowed that one.
pub async fn take_back(tx: &mut Tx, user: &UserId, client: Option<&ClientId>, now: Timestamp) -> Result<(), Error> {
    tx.query(
        "UPDATE device_codes SET denied_at = $3 WHERE user_id = $1 AND ($2 IS NULL OR client_id = $2) \
         AND consumed_at IS NULL AND denied_at IS NULL",
    )
    .bind(user)
    .bind(client)
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

/// Like [`take_back`], of what they allowed in one session.
pub(super) async fn take_back_of(tx: &mut Tx, user: &UserId, session: &SessionId, now: Timestamp) -> Result<(), Error> {
    tx.query(
        "UPDATE device_codes SET denied_at = $3 WHERE user_id = $1 AND session_id = $2 \
         AND consumed_at IS NULL AND denied_at IS NULL",
    )
    .bind(user)
    .bind(session)
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

/// Like [`take_back`], of what they allowed in all sessions but one, whether those go on or not.
pub(super) async fn take_back_but(tx: &mut Tx, user: &UserId, except: Option<&SessionId>, now: Timestamp) -> Result<(), Error> {
    tx.query(
        "UPDATE device_codes SET denied_at = $3 WHERE user_id = $1 AND ($2 IS NULL OR session_id IS NULL OR session_id <> $2) \
         AND consumed_at IS NULL AND denied_at IS NULL",
    )
    .bind(user)
    .bind(except)
    .bind(now)
    .execute()
    .await?;
    Ok(())
}

/// Deletes up to `limit` that expired before `before`; those that nobody decided about, which tell of no replay and of no person's
/// no, as soon as they expired before `undecided`.
pub async fn delete_expired(tx: &mut Tx, before: Timestamp, undecided: Timestamp, limit: i64) -> Result<u64, Error> {
    tx.query(
        "DELETE FROM device_codes WHERE hash IN (SELECT hash FROM device_codes WHERE expires_at <= $2 \
         AND (expires_at <= $1 OR user_id IS NULL AND denied_at IS NULL) LIMIT $3)",
    )
    .unprepared()
    .bind(before)
    .bind(undecided)
    .bind(limit)
    .execute()
    .await
}
