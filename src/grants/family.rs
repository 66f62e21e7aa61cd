//! The tokens with which a family begins: access token, refresh token, ID token, of a grant that is new.

use super::TokenResponse;
use super::access_token::{self, Prepared, Terms};
use super::id_token::{self, Contents};
use super::refresh_token;
use crate::keys::hash::TokenKind;
use crate::protocol::access_token::AccessTokenClaims;
use crate::protocol::client::Client;
use crate::protocol::confirmation::Confirmation;
use crate::protocol::resource::Target;
use crate::protocol::scope::Scope;
use crate::protocol::time::{Seconds, Timestamp};
use crate::state::AppState;
use crate::storage::db::Tx;
use crate::storage::error::Error as StorageError;
use crate::storage::grants::{self, Grant};
use crate::storage::refresh_tokens::{self, RefreshToken};
use crate::web::error::Problem;

/// A grant and its first tokens, decided on and not yet given out.
pub struct Family {
    pub grant: Grant,
    token: Prepared,
    /// The secret, and its row.
    refresh: Option<(String, RefreshToken)>,
    /// If there is to be an ID token.
    id_token: Option<id_token::Prepared>,
}

/// How long a new grant of `scope` lasts: as long as anything can come of it.
pub fn lifetime(state: &AppState, client: &Client, scope: &Scope, target: &Target) -> Seconds {
    if refresh_token::allowed(client, scope) {
        Seconds(state.config.tokens.refresh_token_absolute)
    } else {
        access_token::lifetime(state, target)
    }
}

impl Family {
    /// Decides everything; writes nothing. `confirmation` is what the tokens are bound to: a public client's refresh tokens too,
    /// since nothing else is asked of whoever has one (RFC 9449 §5; RFC 8705 §4).
    pub async fn prepare(
        state: &AppState,
        client: &Client,
        grant: Grant,
        (target, confirmation): (Target, Option<Confirmation>),
        now: Timestamp,
    ) -> Result<Self, Problem> {
        let grant = Grant { confirmation: confirmation.filter(|_| client.is_public()), ..grant };
        let token = access_token::prepare(state, Terms { client, grant: Some(&grant), target, confirmation }, now);
        let refresh = refresh_token::allowed(client, &grant.scope).then(|| TokenKind::RefreshToken.draw());
        let refresh = refresh.map(|secret| {
            let row = first_refresh_token(state, &grant, &token, &secret, now);
            (secret, row)
        });
        let is_due = id_token::is_due(&grant);
        let id_token = if is_due { Some(id_token::prepare(state, client, &grant, now).await?) } else { None };
        Ok(Self { grant, token, refresh, id_token })
    }

    /// Of the access token.
    pub fn claims(&self) -> &AccessTokenClaims {
        &self.token.claims
    }

    /// Nothing is written if the grant began when its code was given out, and was revoked since.
    pub async fn store(&self, tx: &mut Tx) -> Result<(), StorageError> {
        grants::insert(tx, &self.grant).await?;
        if let Some((_, row)) = &self.refresh {
            refresh_tokens::insert(tx, row).await?;
        }
        self.token.store(tx).await
    }

    /// The answer. What is signed is signed here: after the commit.
    pub fn finish(
        self,
        state: &AppState,
        client: &Client,
        nonce: Option<String>,
        now: Timestamp,
    ) -> Result<TokenResponse, Problem> {
        let Self { grant, token, refresh, id_token } = self;
        let (lifetime, token_type) = (token.lifetime(), token.token_type());
        let (scope, authorization_details) = (token.claims.scope.clone(), token.claims.authorization_details.clone());
        let access_token = token.finish(state).map_err(Problem::internal)?;
        let id_token = match id_token {
            Some(prepared) => {
                let contents = Contents { access_token: Some(&access_token), code: None, nonce, prepared, now };
                Some(id_token::sign(state, client, &grant, contents)?)
            }
            None => None,
        };
        Ok(TokenResponse {
            access_token,
            issued_token_type: None,
            token_type,
            expires_in: lifetime,
            refresh_token: refresh.map(|(secret, _)| secret),
            id_token,
            scope,
            authorization_details,
        })
    }
}

impl std::fmt::Debug for Family {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Family").field("grant", &self.grant.id).finish_non_exhaustive()
    }
}

fn first_refresh_token(state: &AppState, grant: &Grant, token: &Prepared, secret: &str, now: Timestamp) -> RefreshToken {
    RefreshToken {
        hash: state.tokens.hash(TokenKind::RefreshToken, secret),
        grant_id: grant.id.clone(),
        access_token_id: token.claims.jti.as_str().to_owned(),
        created_at: now,
        expires_at: (now + Seconds(state.config.tokens.refresh_token_idle)).min(grant.expires_at),
        used_at: None,
        successor: None,
        retries: 0,
        dead: false,
    }
}
