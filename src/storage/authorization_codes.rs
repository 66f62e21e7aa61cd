//! Authorization codes: stored as hashes, spent once.

use super::db::{Columns, Db, Record, Tx};
use super::error::Error;
use super::expiry::{self, oldest};
use super::value::{Hash, Json, stored_as};
use crate::protocol::claims_request::ClaimsRequest;
use crate::protocol::confirmation::Thumbprint;
use crate::protocol::id::{ClientId, GrantId, SessionId, UserId};
use crate::protocol::pkce::CodeChallenge;
use crate::protocol::resource::Reach;
use crate::protocol::scope::Scope;
use crate::protocol::time::Timestamp;

/// What a code stands for (RFC 6749 §4.1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCode {
    pub hash: [u8; 32],
    /// The grant that redeeming it creates; known before, so that a second use can revoke what the first one gave out.
    pub grant_id: GrantId,
    pub client_id: ClientId,
    pub user_id: UserId,
    pub session_id: SessionId,
    /// Byte for byte as it was presented.
    pub redirect_uri: String,
    pub scope: Scope,
    pub claims: Option<ClaimsRequest>,
    pub reach: Reach,
    pub nonce: Option<String>,
    /// None of a request that brought an ID token with the code and needed none.
    pub code_challenge: Option<CodeChallenge>,
    pub auth_time: Timestamp,
    pub amr: Vec<String>,
    pub acr: String,
    pub created_at: Timestamp,
    pub expires_at: Timestamp,
    pub consumed_at: Option<Timestamp>,
    /// The DPoP key that alone may redeem it (RFC 9449 §10).
    pub dpop_jkt: Option<Thumbprint>,
}

/// As it is stored: empty for none.
#[derive(Clone, Debug)]
struct Challenge(Option<CodeChallenge>);

stored_as!(Challenge as String;
|challenge| Ok(challenge.0.as_ref().map_or("", CodeChallenge::as_str).to_owned());
|text| match text.as_str() {
    "" => Ok(Challenge(None)),
    _ => CodeChallenge::try_from(text).map(|challenge| Challenge(Some(challenge))).map_err(|_| "not a code challenge".into()),
});

impl Record for AuthorizationCode {
    fn read(columns: &mut Columns<'_>) -> Result<Self, Error> {
        Ok(Self {
            hash: columns.read::<Hash>()?.0,
            grant_id: columns.read()?,
            client_id: columns.read()?,
            user_id: columns.read()?,
            session_id: columns.read()?,
            redirect_uri: columns.read()?,
            scope: columns.read()?,
            claims: columns.read::<Option<Json<_>>>()?.map(|json| json.0),
            reach: columns.read::<Json<_>>()?.0,
            nonce: columns.read()?,
            code_challenge: columns.read::<Challenge>()?.0,
            auth_time: columns.read()?,
            amr: columns.read::<Json<_>>()?.0,
            acr: columns.read()?,
            created_at: columns.read()?,
            expires_at: columns.read()?,
            consumed_at: columns.read()?,
            dpop_jkt: columns.read()?,
        })
    }
}

pub async fn insert(tx: &mut Tx, code: &AuthorizationCode) -> Result<(), Error> {
    tx.put(
        "INSERT INTO authorization_codes (hash, grant_id, client_id, user_id, session_id, redirect_uri, scope, claims, reach, \
         nonce, code_challenge, auth_time, amr, acr, created_at, expires_at, consumed_at, dpop_jkt) \
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18)",
    )
    .bind(Hash(code.hash))
    .bind(&code.grant_id)
    .bind(&code.client_id)
    .bind(&code.user_id)
    .bind(&code.session_id)
    .bind(code.redirect_uri.as_str())
    .bind(&code.scope)
    .bind(code.claims.clone().map(Json))
    .bind(Json(code.reach.clone()))
    .bind(code.nonce.as_deref())
    .bind(Challenge(code.code_challenge.clone()))
    .bind(code.auth_time)
    .bind(Json(code.amr.clone()))
    .bind(code.acr.as_str())
    .bind(code.created_at)
    .bind(code.expires_at)
    .bind(code.consumed_at)
    .bind(code.dpop_jkt)
    .run()
    .await?;
    Ok(())
}

/// The code, spent and expired ones too: the caller tells a replay from an unknown code.
pub async fn load(db: &Db, hash: &[u8; 32]) -> Result<Option<AuthorizationCode>, Error> {
    db.find(
        "SELECT hash, grant_id, client_id, user_id, session_id, redirect_uri, scope, claims, reach, nonce, code_challenge, \
         auth_time, amr, acr, created_at, expires_at, consumed_at, dpop_jkt FROM authorization_codes WHERE hash = $1",
        hash,
    )
    .await
}

/// Spends the code, for one caller alone and before it expires. The transactions of the others are undone ([`Tx::require`]): they
/// present it a second time, and revoke the grant (RFC 6749 §4.1.2).
pub async fn consume(tx: &mut Tx, hash: &[u8; 32], now: Timestamp) -> Result<(), Error> {
    tx.require(
        "UPDATE authorization_codes SET consumed_at = $2 WHERE hash = $1 AND consumed_at IS NULL AND expires_at > $2 \
         RETURNING hash",
    )
    .bind(Hash(*hash))
    .bind(now)
    .run()
    .await
}

/// Deletes up to `limit` codes that expired before `before`. Spent ones should stay for a while: they tell a replay.
pub async fn delete_expired(tx: &mut Tx, before: Timestamp, limit: i64) -> Result<u64, Error> {
    expiry::delete(tx, oldest!("authorization_codes", "hash", "expires_at"), before, limit).await
}
