//! Opaque access tokens, and the identifiers of access tokens that were revoked.

use super::db::{Columns, Conn, Db, Record, Tx};
use super::error::Error;
use super::expiry::{self, oldest};
use super::users::UserStatus;
use super::value::{Hash, Json};
use crate::protocol::confirmation::Confirmation;
use crate::protocol::id::{ClientId, GrantId, UserId};
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;
use crate::protocol::token_exchange::{Actor, MayAct};

/// An opaque access token. JWT access tokens have no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessToken {
    pub hash: [u8; 32],
    /// `jti`.
    pub id: String,
    /// `None`: the client's own, by client credentials.
    pub grant_id: Option<GrantId>,
    pub client_id: ClientId,
    pub user_id: Option<UserId>,
    pub scope: Scope,
    pub audience: Vec<String>,
    /// RFC 9396 §9.2.
    pub authorization_details: Vec<serde_json::Value>,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    /// What it is bound to.
    pub confirmation: Option<Confirmation>,
    /// `None`: the client's own.
    pub authentication: Option<Authentication>,
    /// Whom it is about, if that is neither its person nor its client: another client, whose token was exchanged.
    pub subject: Option<String>,
    pub act: Option<Actor>,
    pub may_act: Option<MayAct>,
}

/// How the person of a token had proved who they are when it was given out: what a JWT says of it itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authentication {
    /// `None`: somebody else says who they are, and nobody here saw them.
    pub auth_time: Option<Timestamp>,
    pub acr: String,
    pub amr: Vec<String>,
}

impl Record for AccessToken {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            hash: columns.read::<Hash>()?.0,
            id: columns.read()?,
            grant_id: columns.read()?,
            client_id: columns.read()?,
            user_id: columns.read()?,
            scope: columns.read()?,
            audience: columns.read::<Json<_>>()?.0,
            authorization_details: columns.read::<Json<_>>()?.0,
            created_at: columns.read()?,
            expires_at: columns.read()?,
            confirmation: columns.read::<Option<Json<_>>>()?.map(|json| json.0),
            authentication: authentication(columns)?,
            subject: columns.read()?,
            act: columns.read::<Option<Json<_>>>()?.map(|json| json.0),
            may_act: columns.read::<Option<Json<_>>>()?.map(|json| json.0),
        })
    }
}

fn authentication(columns: &mut Columns<'_>) -> Result<Option<Authentication>, Error> {
    let (auth_time, acr) = (columns.read::<Option<Timestamp>>()?, columns.read::<Option<String>>()?);
    let amr = columns.read::<Option<Json<Vec<String>>>>()?.map(|json| json.0).unwrap_or_default();
    Ok(acr.map(|acr| Authentication { auth_time, acr, amr }))
}

pub async fn insert(tx: &mut Tx, token: &AccessToken) -> Result<(), Error> {
    let authentication = token.authentication.as_ref();
    tx.put(
        "INSERT INTO access_tokens (hash, id, grant_id, client_id, user_id, scope, audience, authorization_details, created_at, \
         expires_at, cnf, auth_time, acr, amr, subject, act, may_act) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)",
    )
    .bind(Hash(token.hash))
    .bind(token.id.as_str())
    .bind(token.grant_id.as_ref())
    .bind(&token.client_id)
    .bind(token.user_id.as_ref())
    .bind(&token.scope)
    .bind(Json(token.audience.clone()))
    .bind(Json(token.authorization_details.clone()))
    .bind(token.created_at)
    .bind(token.expires_at)
    .bind(token.confirmation.map(Json))
    .bind(authentication.and_then(|authentication| authentication.auth_time))
    .bind(authentication.map(|authentication| authentication.acr.as_str()))
    .bind(authentication.map(|authentication| Json(authentication.amr.clone())))
    .bind(token.subject.as_deref())
    .bind(token.act.clone().map(Json))
    .bind(token.may_act.clone().map(Json))
    .run()
    .await?;
    Ok(())
}

struct Loaded {
    token: AccessToken,
    revoked: bool,
    /// Of its grant's person.
    status: Option<UserStatus>,
    grant_revoked_at: Option<Timestamp>,
    grant_expires_at: Option<Timestamp>,
}

impl Record for Loaded {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            token: AccessToken::read(columns)?,
            revoked: columns.read()?,
            status: columns.read()?,
            grant_revoked_at: columns.read()?,
            grant_expires_at: columns.read()?,
        })
    }
}

/// The token, an expired one too, and whether it counts, as [`standing`] tells: one statement, for introspection.
pub async fn load(db: &Db, hash: &[u8; 32], now: Timestamp) -> Result<Option<(AccessToken, Standing)>, Error> {
    let select = "SELECT t.hash, t.id, t.grant_id, t.client_id, t.user_id, t.scope, t.audience, t.authorization_details, t.created_at, \
         t.expires_at, t.cnf, t.auth_time, t.acr, t.amr, t.subject, t.act, t.may_act, \
         EXISTS (SELECT 1 FROM revoked_access_tokens WHERE id = t.id), u.status, g.revoked_at, g.expires_at \
         FROM access_tokens t LEFT JOIN grants g ON g.id = t.grant_id LEFT JOIN users u ON u.id = g.user_id \
         WHERE t.hash = $1";
    let Some(found) = db.find::<Loaded>(select, hash).await? else { return Ok(None) };
    let alone = found.token.grant_id.is_none();
    let lives = found.grant_revoked_at.is_none() && found.grant_expires_at.is_some_and(|expires_at| expires_at > now);
    let standing = Standing {
        revoked: found.revoked,
        user_active: alone || found.status == Some(UserStatus::Active),
        grant_live: alone || lives,
    };
    Ok(Some((found.token, standing)))
}

/// Revokes one access token of either format, by its `jti`. `expires_at` is when it would have expired, or later.
pub async fn revoke(tx: &mut Tx, jti: &str, expires_at: Timestamp, now: Timestamp) -> Result<(), Error> {
    tx.query("INSERT INTO revoked_access_tokens (id, revoked_at, expires_at) VALUES ($1, $2, $3) ON CONFLICT (id) DO NOTHING")
        .bind(jti)
        .bind(now)
        .bind(expires_at)
        .execute()
        .await?;
    Ok(())
}

pub async fn is_revoked(conn: &mut Conn, jti: &str) -> Result<bool, Error> {
    let (revoked,) =
        conn.query("SELECT EXISTS (SELECT 1 FROM revoked_access_tokens WHERE id = $1)").bind(jti).fetch_one::<(bool,)>().await?;
    Ok(revoked)
}

/// What the database knows of an access token that is otherwise in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It was revoked alone.
    pub revoked: bool,
    /// Its person is active. `true` for a token without a grant, which is no person's.
    pub user_active: bool,
    /// Its grant is there, not revoked and not expired. `true` for a token without a grant.
    pub grant_live: bool,
}

impl Standing {
    /// Whether the token counts.
    pub fn is_good(self) -> bool {
        !self.revoked && self.user_active && self.grant_live
    }
}

impl Record for Standing {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self { revoked: columns.read()?, user_active: columns.read()?, grant_live: columns.read()? })
    }
}

/// What the database knows of a signed token, and whose grant it came of. One statement, for introspection and userinfo.
pub async fn standing(
    conn: &mut Conn,
    jti: &str,
    grant: Option<&GrantId>,
    now: Timestamp,
) -> Result<(Standing, Option<UserId>), Error> {
    struct Row(Standing, UserId);

    impl Record for Row {
        fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
            Ok(Self(Standing::read(columns)?, columns.read()?))
        }
    }

    let Some(grant) = grant else {
        return Ok((Standing { revoked: is_revoked(conn, jti).await?, user_active: true, grant_live: true }, None));
    };
    let found = conn
        .query(
            "SELECT EXISTS (SELECT 1 FROM revoked_access_tokens WHERE id = $1), u.status = $4, \
             g.revoked_at IS NULL AND g.expires_at > $3, g.user_id \
             FROM grants g JOIN users u ON u.id = g.user_id WHERE g.id = $2",
        )
        .bind(jti)
        .bind(grant)
        .bind(now)
        .bind(UserStatus::Active)
        .fetch_optional::<Row>()
        .await?;
    // A grant goes with its person and with its client, and when it has expired.
    let gone = Standing { revoked: false, user_active: false, grant_live: false };
    Ok(found.map_or((gone, None), |Row(standing, user_id)| (standing, Some(user_id))))
}

/// Deletes up to `limit` opaque tokens that expired before `before`.
pub async fn delete_expired(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64, Error> {
    expiry::delete(tx, oldest!("access_tokens", "hash", "expires_at"), before, limit).await
}

/// Deletes up to `limit` revocations of tokens that expired before `before`.
pub async fn delete_expired_revocations(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64, Error> {
    expiry::delete(tx, oldest!("revoked_access_tokens", "id", "expires_at"), before, limit).await
}
