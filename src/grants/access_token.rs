//! Access tokens in both formats: prepared before the transaction, stored in it, signed after it, and looked up again.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::keys::hash::TokenKind;
use crate::keys::ring::SignError;
use crate::protocol::access_token::{AccessTokenClaims, TokenId};
use crate::protocol::audience::Audience;
use crate::protocol::client::{AccessTokenFormat, Algorithm, Client};
use crate::protocol::confirmation::Confirmation;
use crate::protocol::id::{ClientId, GrantId, UserId};
use crate::protocol::jwt::TokenType;
use crate::protocol::resource::Target;
use crate::protocol::scope::Scope;
use crate::protocol::time::{Seconds, Timestamp};
use crate::protocol::token_exchange::MayAct;
use crate::random;
use crate::state::AppState;
use crate::storage::access_tokens::{self, AccessToken, Authentication, Standing};
use crate::storage::db::Tx;
use crate::storage::error::Error as StorageError;
use crate::storage::grants::{self, Grant};
use crate::web::error::Problem;

/// A token that is decided on and not yet given out.
pub struct Prepared {
    pub claims: Box<AccessTokenClaims>,
    form: Form,
}

enum Form {
    Jwt(Algorithm),
    Opaque { token: String, row: Box<AccessToken> },
}

/// What an access token is to say.
#[derive(Clone, Debug)]
pub struct Terms<'a> {
    pub client: &'a Client,
    /// Without one it is the client's own.
    pub grant: Option<&'a Grant>,
    pub target: Target,
    /// What it is bound to.
    pub confirmation: Option<Confirmation>,
}

/// Decides everything about a new access token; writes nothing.
pub fn prepare(state: &AppState, terms: Terms<'_>, now: Timestamp) -> Prepared {
    let random = random::identifier();
    let jti = terms.grant.map_or_else(|| TokenId::without_grant(&random), |grant| TokenId::of_grant(&grant.id, &random));
    prepare_as(state, terms, jti, now)
}

/// The same of a token that is given for a proof, and is the only one that gains by it: neither those from before nor what a
/// refresh token gives afterwards, since whoever holds one may have stolen it.
pub fn prepare_for_proof(state: &AppState, terms: Terms<'_>, grant: &Grant, now: Timestamp) -> Prepared {
    let jti = TokenId::of_proof(&grant.id, &random::identifier());
    prepare_as(state, Terms { grant: Some(grant), ..terms }, jti, now)
}

fn prepare_as(state: &AppState, terms: Terms<'_>, jti: TokenId, now: Timestamp) -> Prepared {
    let Terms { client, grant, target, confirmation } = terms;
    let lifetime = lifetime(state, &target);
    let exp = grant.map_or(now + lifetime, |grant| (now + lifetime).min(grant.expires_at));
    let claims = AccessTokenClaims {
        iss: state.config.server.issuer.clone(),
        sub: grant.map_or_else(|| client.id.to_string(), |grant| state.subjects.of(client, &grant.user_id)),
        aud: Audience(target.audience),
        exp,
        iat: now,
        nbf: None,
        jti,
        client_id: client.id.clone(),
        scope: target.scope,
        auth_time: grant.map(|grant| grant.auth_time),
        acr: grant.map(|grant| grant.acr.clone()),
        amr: grant.map(|grant| grant.amr.clone()).unwrap_or_default(),
        sid: None,
        authorization_details: target.authorization_details,
        cnf: confirmation,
        act: None,
        may_act: grant.and_then(|_| may_act(client)),
    };
    let form = (target.format, target.algorithm);
    prepare_claims(state, form, claims, (grant.map(|grant| grant.id.clone()), grant.map(|grant| grant.user_id.clone())))
}

/// Who may act for the people who log in to this client.
pub fn may_act(client: &Client) -> Option<MayAct> {
    client.metadata.may_act.as_ref().map(|actor| MayAct { sub: actor.to_string() })
}

/// A token that says exactly this, of a grant and a person, if there are any.
pub fn prepare_claims(
    state: &AppState,
    (format, algorithm): (AccessTokenFormat, Algorithm),
    claims: AccessTokenClaims,
    (grant_id, user_id): (Option<GrantId>, Option<UserId>),
) -> Prepared {
    let form = match format {
        AccessTokenFormat::Jwt => Form::Jwt(algorithm),
        AccessTokenFormat::Opaque => {
            let token = TokenKind::AccessToken.draw();
            let row = AccessToken {
                hash: state.tokens.hash(TokenKind::AccessToken, &token),
                id: claims.jti.as_str().to_owned(),
                // What is neither its person nor its client.
                subject: Some(claims.sub.clone()).filter(|_| user_id.is_none() && claims.sub != claims.client_id.as_str()),
                grant_id,
                client_id: claims.client_id.clone(),
                user_id,
                scope: claims.scope.clone(),
                audience: claims.aud.0.clone(),
                authorization_details: claims.authorization_details.clone(),
                created_at: claims.iat,
                expires_at: claims.exp,
                confirmation: claims.cnf,
                authentication: claims.acr.clone().map(|acr| Authentication {
                    auth_time: claims.auth_time,
                    acr,
                    amr: claims.amr.clone(),
                }),
                act: claims.act.clone(),
                may_act: claims.may_act.clone(),
            };
            Form::Opaque { token, row: Box::new(row) }
        }
    };
    Prepared { claims: Box::new(claims), form }
}

/// How long such a token lasts, unless its grant ends before.
pub fn lifetime(state: &AppState, target: &Target) -> Seconds {
    Seconds(target.lifetime.unwrap_or(state.config.tokens.access_token))
}

/// What a token of this scope for these resources is; for none it is the client's usual one.
pub async fn target(
    state: &AppState,
    client: &Client,
    resources: &BTreeSet<String>,
    scope: &Scope,
) -> Result<Target, StorageError> {
    Ok(state.resources.current().await?.target(client, resources, scope, &state.config.server.issuer))
}

impl Prepared {
    /// `expires_in`, in seconds.
    pub fn lifetime(&self) -> i64 {
        self.claims.exp.as_seconds() - self.claims.iat.as_seconds()
    }

    /// `token_type`.
    pub fn token_type(&self) -> &'static str {
        Confirmation::token_type(self.claims.cnf)
    }

    /// Whether [`Prepared::store`] has anything to write.
    pub fn is_stored(&self) -> bool {
        matches!(self.form, Form::Opaque { .. })
    }

    pub async fn store(&self, tx: &mut Tx) -> Result<(), StorageError> {
        match &self.form {
            Form::Jwt(_) => Ok(()),
            Form::Opaque { row, .. } => access_tokens::insert(tx, row).await,
        }
    }

    /// The token itself. A JWT is signed here: after the commit, never inside a transaction.
    pub fn finish(self, state: &AppState) -> Result<String, SignError> {
        match self.form {
            Form::Jwt(algorithm) => state.keys.sign(algorithm, TokenType::AccessToken, &self.claims),
            Form::Opaque { token, .. } => Ok(token),
        }
    }
}

impl std::fmt::Debug for Prepared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Prepared").field("jti", &self.claims.jti).finish_non_exhaustive()
    }
}

/// An access token that counts at this moment, of either format.
#[derive(Clone, Debug)]
pub struct ActiveToken {
    pub claims: AccessTokenClaims,
    pub client: Arc<Client>,
    /// The person, unless the token is the client's own.
    pub user_id: Option<UserId>,
    pub grant_id: Option<GrantId>,
}

/// Finds out whether an access token of either format counts now: genuine, not expired, not revoked (alone, or with its
/// grant), its client and its person enabled. `None` is all that anybody learns of one that does not.
pub async fn active(state: &AppState, token: &str, now: Timestamp) -> Result<Option<ActiveToken>, Problem> {
    let found = if token.contains('.') { signed(state, token, now).await? } else { stored(state, token, now).await? };
    let Some((mut claims, _, user_id)) = found.filter(|(_, standing, _)| standing.is_good()) else { return Ok(None) };
    let Some(client) = state.clients.load(&claims.client_id).await?.filter(|client| client.is_active()) else { return Ok(None) };
    if claims.jti.subject().is_some() && !descent_stands(state, &claims).await? {
        return Ok(None);
    }
    if let Some(user_id) = &user_id {
        claims.sub = state.subjects.of(&client, user_id);
    }
    let grant_id = claims.jti.grant();
    Ok(Some(ActiveToken { claims, client, user_id, grant_id }))
}

/// Whether the tokens that this one was exchanged for were not revoked, and all clients that had one of them are enabled.
async fn descent_stands(state: &AppState, claims: &AccessTokenClaims) -> Result<bool, Problem> {
    let mut conn = state.db.read().await?;
    let mut before = claims.jti.subject();
    let mut clients = Vec::new();
    while let Some(jti) = before {
        if access_tokens::is_revoked(&mut conn, jti.as_str()).await? {
            return Ok(false);
        }
        before = jti.subject();
        if before.is_some() {
            clients.push(jti.exchanged_by());
        }
    }
    clients.push(match claims.jti.grant() {
        Some(grant) => grants::load(&mut conn, &grant).await?.map(|grant| grant.client_id),
        None => ClientId::parse(claims.sub.as_str()).ok(),
    });
    drop(conn);
    for client in clients {
        let Some(client) = client else { return Ok(false) };
        if !state.clients.load(&client).await?.is_some_and(|client| client.is_active()) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// A token's claims, whether it counts, and whose it is. A person's `sub` is only known to their client.
type Found = (AccessTokenClaims, Standing, Option<UserId>);

async fn signed(state: &AppState, token: &str, now: Timestamp) -> Result<Option<Found>, Problem> {
    let Ok(claims) = state.keys.access_token(token, &state.config.server.issuer, None, now) else { return Ok(None) };
    let grant_id = claims.jti.grant();
    let found = access_tokens::standing(&mut state.db.read().await?, claims.jti.as_str(), grant_id.as_ref(), now).await?;
    let (standing, user_id) = found;
    Ok(Some((claims, standing, user_id)))
}

async fn stored(state: &AppState, token: &str, now: Timestamp) -> Result<Option<Found>, Problem> {
    let hash = state.tokens.hash(TokenKind::AccessToken, token);
    let found = access_tokens::load(&state.db, &hash, now).await?;
    let Some((row, standing)) = found.filter(|(row, _)| now < row.expires_at) else { return Ok(None) };
    let (auth_time, acr, amr) = match row.authentication {
        Some(Authentication { auth_time, acr, amr }) => (auth_time, Some(acr), amr),
        None => (None, None, Vec::new()),
    };
    let claims = AccessTokenClaims {
        iss: state.config.server.issuer.clone(),
        sub: row.subject.unwrap_or_else(|| row.client_id.to_string()),
        aud: Audience(row.audience),
        exp: row.expires_at,
        iat: row.created_at,
        nbf: None,
        jti: TokenId::parse(row.id).map_err(Problem::internal)?,
        client_id: row.client_id,
        scope: row.scope,
        auth_time,
        acr,
        amr,
        sid: None,
        authorization_details: row.authorization_details,
        cnf: row.confirmation,
        act: row.act,
        may_act: row.may_act,
    };
    Ok(Some((claims, standing, row.user_id)))
}
