//! The authorization code grant (RFC 6749 §4.1.3; RFC 7636 §4.6).
//!
//! The order is the safety: the code is loaded and judged purely; then one transaction spends it by a conditional update
//! and writes everything that it gives out; only after the commit is anything signed. A code that comes a second time,
//! in a race too, revokes what its first use gave out (RFC 6749 §4.1.2).

use super::access_token::{self, Prepared};
use super::id_token::Contents;
use super::refresh_token;
use super::{Failure, TokenRequest, TokenResponse, id_token};
use crate::audit;
use crate::keys::hash::TokenKind;
use crate::protocol::client::Client;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::pkce;
use crate::protocol::time::{Seconds, Timestamp};
use crate::random;
use crate::state::AppState;
use crate::storage::authorization_codes::{self, AuthorizationCode};
use crate::storage::refresh_tokens::RefreshToken;
use crate::storage::{self, grants::Grant, refresh_tokens};
use crate::web::error::Problem;

/// Every wrong code gets the same answer; the audit log knows why.
const fn invalid(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidGrant, reason, "The authorization code is wrong, expired or already used.")
}

pub(super) async fn redeem(request: TokenRequest<'_>) -> Result<TokenResponse, Failure> {
    let TokenRequest { state, context, client, .. } = request;
    let code = request.required("code")?;
    let hash = state.tokens.hash(TokenKind::Code, code);
    let stored = {
        let mut conn = state.db.read().await?;
        authorization_codes::load(&mut conn, &hash).await?
    };
    let stored = stored.ok_or(invalid("code_unknown"))?;
    if stored.client_id != client.id {
        // Refused and not burnt: the client that the code was for may still redeem it.
        return Err(invalid("code_of_another_client").into());
    }
    if stored.consumed_at.is_some() {
        return replayed(&request, &stored).await;
    }
    judge(&request, &stored)?;

    let grant = grant(state, client, &stored, context.now);
    let token = access_token::prepare(state, client, Some(&grant), &grant.scope, context.now);
    let refresh = refresh_token::allowed(client, &grant.scope).then(random::secret);
    let refresh_row = refresh.as_deref().map(|secret| first_refresh_token(state, &grant, &token, secret, context.now));
    let person = if id_token::is_due(&grant) { Some(id_token::person(state, &grant).await?) } else { None };
    let event = audit::token_issued(context, client, Some(&grant), token.claims.jti.as_str(), "authorization_code");
    let issued = state
        .db
        .write(async |tx| {
            if !authorization_codes::consume(tx, &hash, context.now).await? {
                return Ok(false);
            }
            storage::grants::insert(tx, &grant).await?;
            if let Some(row) = &refresh_row {
                refresh_tokens::insert(tx, row).await?;
            }
            token.store(tx).await?;
            storage::audit::insert(tx, &event).await?;
            Ok(true)
        })
        .await?;
    if !issued {
        return replayed(&request, &stored).await;
    }

    let lifetime = token.lifetime();
    let access_token = token.finish(state).map_err(Problem::internal)?;
    let id_token = match person {
        Some(person) => {
            let contents = Contents { access_token: &access_token, nonce: stored.nonce, person, now: context.now };
            Some(id_token::sign(state, client, &grant, contents)?)
        }
        None => None,
    };
    Ok(TokenResponse {
        access_token,
        token_type: "Bearer",
        expires_in: lifetime,
        refresh_token: refresh,
        id_token,
        scope: grant.scope,
    })
}

/// What can be judged without writing: the redirect URI, the verifier, the time.
fn judge(request: &TokenRequest<'_>, stored: &AuthorizationCode) -> Result<(), OAuthError> {
    if request.context.now >= stored.expires_at {
        return Err(invalid("code_expired"));
    }
    if request.params.get("redirect_uri") != Some(stored.redirect_uri.as_str()) {
        return Err(invalid("redirect_uri_mismatch"));
    }
    match request.params.get("code_verifier") {
        None => Err(invalid("code_verifier_missing")),
        Some(verifier) if pkce::verify(&stored.code_challenge, verifier) => Ok(()),
        Some(_) => Err(invalid("code_verifier_mismatch")),
    }
}

/// RFC 6749 §4.1.2: a second use is refused and revokes all that came of the first.
async fn replayed(request: &TokenRequest<'_>, stored: &AuthorizationCode) -> Result<TokenResponse, Failure> {
    let TokenRequest { state, context, client, .. } = *request;
    let event = audit::code_replayed(context, client, stored);
    state
        .db
        .write(async |tx| {
            storage::grants::revoke(tx, &stored.grant_id, context.now).await?;
            storage::audit::insert(tx, &event).await
        })
        .await?;
    Err(Failure::recorded(invalid("code_replayed")))
}

fn grant(state: &AppState, client: &Client, code: &AuthorizationCode, now: Timestamp) -> Grant {
    let lifetime = if refresh_token::allowed(client, &code.scope) {
        state.config.tokens.refresh_token_absolute
    } else {
        client.metadata.access_token_lifetime.unwrap_or(state.config.tokens.access_token)
    };
    Grant {
        id: code.grant_id.clone(),
        client_id: code.client_id.clone(),
        user_id: code.user_id.clone(),
        session_id: code.session_id.clone(),
        scope: code.scope.clone(),
        claims: code.claims.clone(),
        auth_time: code.auth_time,
        amr: code.amr.clone(),
        acr: code.acr.clone(),
        created_at: now,
        expires_at: now + Seconds(lifetime),
        revoked_at: None,
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
