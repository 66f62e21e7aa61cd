//! The authorization code grant (RFC 6749 §4.1.3; RFC 7636 §4.6).
//!
//! The order is the safety: the code is loaded and judged purely; then one transaction spends it by a conditional update
//! and writes everything that it gives out; only after the commit is anything signed. A code that comes a second time,
//! in a race too, revokes what its first use gave out (RFC 6749 §4.1.2).

use super::family::{self, Family};
use super::{Failure, TokenRequest, TokenResponse};
use crate::audit;
use crate::keys::hash::TokenKind;
use crate::protocol::confirmation::Confirmation;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::pkce;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::authorization_codes::{self, AuthorizationCode};
use crate::storage::error::Error as StorageError;
use crate::storage::{self, grants::Grant};
use crate::telemetry::findings::note;

/// Every wrong code gets the same answer; the audit log knows why.
const fn invalid(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidGrant, reason, "The authorization code is wrong, expired or already used.")
}

pub(super) async fn redeem(request: TokenRequest<'_>) -> Result<TokenResponse, Failure> {
    let TokenRequest { state, context, client, confirmation, .. } = request;
    let code = request.required("code")?;
    let hash = state.tokens.hash(TokenKind::Code, code);
    let stored = authorization_codes::load(&state.db, &hash).await?;
    let stored = stored.ok_or(invalid("code_unknown"))?;
    if stored.client_id != client.id {
        note("code_client", "presented_by", &client.id);
        note("code_client", "given_to", &stored.client_id);
        // Refused and not burnt: the client that the code was for may still redeem it.
        return Err(invalid("code_of_another_client").into());
    }
    if stored.consumed_at.is_some() {
        return replayed(&request, &stored).await;
    }
    judge(&request, &stored)?;

    let target = request.target(&stored.reach, &stored.scope).await?;
    let lasts = family::lifetime(state, client, &stored.scope, &target);
    let grant = grant(&stored, context.now, lasts);
    let family = Family::prepare(state, client, grant, (target, confirmation), context.now).await?;
    let event = audit::token_issued(context, client, Some(&family.grant), family.claims(), "authorization_code");
    let redeemed = state
        .db
        .write(async |tx| {
            authorization_codes::consume(tx, &hash, context.now).await?;
            family.store(tx).await?;
            storage::audit::insert(tx, &event).await
        })
        .await;
    match redeemed {
        Ok(()) => Ok(family.finish(state, client, stored.nonce, context.now)?),
        Err(StorageError::Unmet) => too_late(&request, &hash).await,
        Err(error) => Err(error.into()),
    }
}

/// Of a code that looked good, and was not any more when it was to be spent.
async fn too_late(request: &TokenRequest<'_>, hash: &[u8; 32]) -> Result<TokenResponse, Failure> {
    match authorization_codes::load(&request.state.db, hash).await? {
        // Somebody was faster.
        Some(stored) if stored.consumed_at.is_some() => replayed(request, &stored).await,
        // What came through the browser together with the code was revoked since, and the code with it.
        Some(_) => Err(invalid("grant_revoked").into()),
        None => Err(invalid("code_unknown").into()),
    }
}

/// What can be judged without writing: the time, the key, the redirect URI, the verifier.
fn judge(request: &TokenRequest<'_>, stored: &AuthorizationCode) -> Result<(), OAuthError> {
    if request.context.now >= stored.expires_at {
        note("code_age", "seconds", request.context.now.as_seconds() - stored.created_at.as_seconds());
        note("code_age", "lifetime", stored.expires_at.as_seconds() - stored.created_at.as_seconds());
        return Err(invalid("code_expired"));
    }
    if let Some(key) = stored.dpop_jkt
        && request.confirmation != Some(Confirmation::Dpop(key))
    {
        note("code_key", "expected", key);
        return Err(invalid("code_of_another_key"));
    }
    if request.params.get("redirect_uri") != Some(stored.redirect_uri.as_str()) {
        note("redirect_uri", "presented", request.params.get("redirect_uri").unwrap_or("nothing"));
        note("redirect_uri", "expected", &stored.redirect_uri);
        return Err(invalid("redirect_uri_mismatch"));
    }
    let challenge = stored.code_challenge.as_ref();
    match request.params.get("code_verifier") {
        None if challenge.is_none() => Ok(()),
        None => Err(invalid("code_verifier_missing")),
        Some(verifier) if challenge.is_some_and(|challenge| pkce::verify(challenge, verifier)) => Ok(()),
        // Of a request without challenge, too: somebody may have taken that away (RFC 9700 §2.1.1).
        Some(verifier) => {
            note("code_verifier", "characters", verifier.chars().count());
            note("code_verifier", "code_challenge_method", pkce::METHODS[0]);
            Err(invalid("code_verifier_mismatch"))
        }
    }
}

/// RFC 6749 §4.1.2: a second use is refused and revokes all that came of the first.
async fn replayed(request: &TokenRequest<'_>, stored: &AuthorizationCode) -> Result<TokenResponse, Failure> {
    let TokenRequest { state, context, client, .. } = *request;
    if let Some(used) = stored.consumed_at {
        note("code_use", "used_seconds_ago", context.now.as_seconds() - used.as_seconds());
    }
    let event = audit::code_replayed(context, client, (&stored.grant_id, &stored.user_id), "code_replayed");
    state
        .db
        .write(async |tx| {
            storage::grants::revoke(tx, &stored.grant_id, context.now).await?;
            storage::audit::insert(tx, &event).await
        })
        .await?;
    Err(Failure::recorded(invalid("code_replayed")))
}

fn grant(code: &AuthorizationCode, now: Timestamp, lasts: Seconds) -> Grant {
    Grant {
        id: code.grant_id.clone(),
        client_id: code.client_id.clone(),
        user_id: code.user_id.clone(),
        session_id: code.session_id.clone(),
        own_session: false,
        scope: code.scope.clone(),
        claims: code.claims.clone(),
        reach: code.reach.clone(),
        auth_time: code.auth_time,
        amr: code.amr.clone(),
        acr: code.acr.clone(),
        created_at: now,
        expires_at: now + lasts,
        revoked_at: None,
        confirmation: None,
    }
}
