//! The refresh token grant (RFC 6749 §6; RFC 9700 §4.14.2; OpenID Connect Core §12).
//!
//! A public client's refresh token rotates, unless it is bound to the client's key; a confidential client's stays, since its secret
//! already binds it (RFC 9700 §2.2.2), unless the client asks for rotation. A rotated token works again while its successor has not been used, for a
//! bounded time: an answer that was lost on the way logs nobody out. Every other reuse revokes the family.

use super::access_token::{self, Prepared, Terms};
use super::id_token::Contents;
use super::{Failure, TokenRequest, TokenResponse, id_token};
use crate::audit;
use crate::keys::hash::TokenKind;
use crate::protocol::client::{Client, GrantType};
use crate::protocol::client_registration::MAX_ACCESS_TOKEN_LIFETIME;
use crate::protocol::error::{ErrorCode, OAuthError};
use crate::protocol::introspection::RefreshTokenFacts;
use crate::protocol::scope::Scope;
use crate::protocol::time::{Seconds, Timestamp};
use crate::state::AppState;
use crate::storage::db::Tx;
use crate::storage::error::Error as StorageError;
use crate::storage::grants::Grant;
use crate::storage::refresh_tokens::{self, RefreshToken, Rotation};
use crate::storage::users::UserStatus;
use crate::storage::{self, access_tokens, sessions, users};
use crate::telemetry::findings::note;
use crate::web::error::Problem;

const fn invalid(reason: &'static str) -> OAuthError {
    OAuthError::new(ErrorCode::InvalidGrant, reason, "The refresh token is wrong, expired or revoked.")
}

/// Whether a grant of `scope` comes with refresh tokens (OpenID Connect Core §11).
pub fn allowed(client: &Client, scope: &Scope) -> bool {
    client.may_use(GrantType::RefreshToken)
        && scope.contains("offline_access")
        && client.metadata.scope.contains("offline_access")
}

pub(super) async fn redeem(request: TokenRequest<'_>) -> Result<TokenResponse, Failure> {
    let TokenRequest { state, context, client, confirmation, .. } = request;
    let hash = state.tokens.hash(TokenKind::RefreshToken, request.required("refresh_token")?);
    let found = refresh_tokens::load(&state.db, &hash).await?;
    let (stored, grant, status) = found.ok_or(invalid("refresh_token_unknown"))?;
    if grant.client_id != client.id {
        note("refresh_token_client", "presented_by", &client.id);
        note("refresh_token_client", "given_to", &grant.client_id);
        return Err(invalid("refresh_token_of_another_client").into());
    }
    // RFC 9449 §5, RFC 8705 §4. It is not a theft: whoever has the key may still use it.
    if grant.confirmation.is_some() && grant.confirmation != confirmation {
        return Err(invalid("refresh_token_of_another_key").into());
    }
    judge(client, &stored, &grant, status, context.now).inspect_err(|_| saw(&stored, &grant, context.now))?;
    reaches(state, &grant).await.inspect_err(|_| saw(&stored, &grant, context.now))?;
    let scope = narrowed(&request, &grant).await?;

    let target = request.target(&grant.reach, &scope).await?;
    let token = access_token::prepare(state, Terms { client, grant: Some(&grant), target, confirmation }, context.now);
    let is_due = id_token::is_due(&grant) && scope.contains("openid");
    let id_token = if is_due { Some(id_token::prepare(state, client, &grant, context.now).await?) } else { None };
    let idle_end = (context.now + Seconds(state.config.tokens.refresh_token_idle)).min(grant.expires_at);
    let refresh = if rotates(client, &grant, &stored) {
        Some(rotate(&request, &stored, &grant, &token, idle_end).await?)
    } else {
        keep(&request, &stored, &grant, &token, idle_end).await?;
        None
    };
    let (lifetime, token_type) = (token.lifetime(), token.token_type());
    let (told, authorization_details) = (token.claims.scope.clone(), token.claims.authorization_details.clone());
    let access_token = token.finish(state).map_err(Problem::internal)?;
    let id_token = match id_token {
        Some(prepared) => {
            let contents = Contents { access_token: Some(&access_token), code: None, nonce: None, prepared, now: context.now };
            Some(id_token::sign(state, client, &grant, contents)?)
        }
        None => None,
    };
    Ok(TokenResponse {
        access_token,
        issued_token_type: None,
        token_type,
        expires_in: lifetime,
        refresh_token: refresh,
        id_token,
        scope: told,
        authorization_details,
    })
}

/// A token that was exchanged before the key came is judged as it was then: its answer may have been lost.
fn rotates(client: &Client, grant: &Grant, stored: &RefreshToken) -> bool {
    let is_unbound = grant.confirmation.is_none() || stored.used_at.is_some() || stored.dead;
    client.metadata.rotate_refresh_tokens || client.is_public() && is_unbound
}

/// What can be judged without writing. A used token goes on to [`rotate`], which knows whether it is a retry or a theft.
fn judge(client: &Client, stored: &RefreshToken, grant: &Grant, status: UserStatus, now: Timestamp) -> Result<(), OAuthError> {
    if grant.revoked_at.is_some() {
        return Err(invalid("grant_revoked"));
    }
    let is_newest = stored.used_at.is_none() && !stored.dead;
    if is_newest && now >= stored.expires_at {
        return Err(invalid("refresh_token_expired"));
    }
    if now >= grant.expires_at {
        return Err(invalid("grant_expired"));
    }
    if status != UserStatus::Active {
        return Err(invalid("user_disabled"));
    }
    if !allowed(client, &grant.scope) {
        return Err(invalid("refresh_not_allowed_any_more"));
    }
    if client.metadata.required_acr.is_some_and(|acr| !acr.is_met_by(&grant.amr)) {
        return Err(invalid("acr_required_since"));
    }
    Ok(())
}

/// What the person's roles ask for by now: a login that was strong enough once may be so no longer.
async fn reaches(state: &AppState, grant: &Grant) -> Result<(), Failure> {
    let policy = &state.config.authentication;
    if policy.required_acr_by_role.is_empty() {
        return Ok(());
    }
    let user = users::by_id(&mut state.db.read().await?, &grant.user_id).await?.ok_or(invalid("user_unknown"))?;
    if policy.required_of(&user.roles).all(|acr| acr.is_met_by(&grant.amr)) {
        return Ok(());
    }
    Err(invalid("acr_required_by_role_since").into())
}

/// For whoever explains the refusal.
fn saw(stored: &RefreshToken, grant: &Grant, now: Timestamp) {
    let ago = |at: Timestamp| now.as_seconds() - at.as_seconds();
    if let Some(revoked_at) = grant.revoked_at {
        note("grant", "revoked_seconds_ago", ago(revoked_at));
    }
    note("idle", "given_out_seconds_ago", ago(stored.created_at));
    note("idle", "expired_seconds_ago", ago(stored.expires_at));
    note("grant_age", "seconds", ago(grant.created_at));
    note("grant_age", "expired_seconds_ago", ago(grant.expires_at));
    note("person", "account", &grant.user_id);
    note("factors", "proved", grant.amr.join(" "));
}

/// RFC 6749 §6: the same scope or a narrower one; the refresh token keeps the whole.
async fn narrowed(request: &TokenRequest<'_>, grant: &Grant) -> Result<Scope, Failure> {
    // What the client has lost since is not given again.
    let resources = request.state.resources.current().await?;
    let registered = &request.client.metadata.scope;
    let may_have = |value: &str| registered.contains(value) || resources.open_scope(&grant.reach.resources, value);
    let granted = grant.scope.filter(may_have);
    let Some(asked) = request.scope()? else { return Ok(granted) };
    if !asked.is_subset(&granted) {
        note("scope", "asked_for", &asked);
        note("scope", "granted", &granted);
        return Err(
            OAuthError::new(ErrorCode::InvalidScope, "scope_wider_than_granted", "The scope exceeds what was granted.").into()
        );
    }
    Ok(asked)
}

/// Exchanges the token for its successor, or finds a reuse.
async fn rotate(
    request: &TokenRequest<'_>,
    stored: &RefreshToken,
    grant: &Grant,
    token: &Prepared,
    idle_end: Timestamp,
) -> Result<String, Failure> {
    let TokenRequest { state, context, client, confirmation, .. } = *request;
    let binding = confirmation.filter(|_| client.is_public() && grant.confirmation.is_none());
    let secret = TokenKind::RefreshToken.draw();
    let successor = RefreshToken {
        hash: state.tokens.hash(TokenKind::RefreshToken, &secret),
        grant_id: grant.id.clone(),
        access_token_id: token.claims.jti.as_str().to_owned(),
        created_at: context.now,
        expires_at: idle_end,
        used_at: None,
        successor: None,
        retries: 0,
        dead: false,
    };
    let grace = Seconds(state.config.tokens.refresh_token_grace);
    let issued = audit::token_issued(context, client, Some(grant), &token.claims, "refresh_token");
    let replayed = audit::refresh_token_replayed(context, client, grant);
    // None lives longer.
    let access_token_end = context.now + Seconds(MAX_ACCESS_TOKEN_LIFETIME.max(state.config.tokens.access_token));
    let write = async |again: bool| {
        let written = state.db.write(async |tx| {
            let rotation = if again {
                refresh_tokens::rotate_again(tx, stored, &successor, grace, context.now).await?
            } else {
                refresh_tokens::rotate(tx, stored, &successor, context.now).await?;
                Rotation::Rotated
            };
            match &rotation {
                Rotation::Rotated => {}
                Rotation::Retried { dead_access_token_id } => {
                    access_tokens::revoke(tx, dead_access_token_id, access_token_end, context.now).await?;
                }
                Rotation::Expired => return Ok(rotation),
                Rotation::Replayed => {
                    // The family is revoked already, by whoever found the replay.
                    storage::audit::insert(tx, &replayed).await?;
                    return Ok(rotation);
                }
            }
            // RFC 9449 §5: from the first proof on the family belongs to its key. Two keys at once are one too many.
            if let Some(binding) = &binding
                && !storage::grants::bind(tx, &grant.id, binding).await?
            {
                storage::grants::revoke(tx, &grant.id, context.now).await?;
                storage::audit::insert(tx, &replayed).await?;
                return Ok(Rotation::Replayed);
            }
            token.store(tx).await?;
            seen(tx, grant, context.now).await?;
            storage::audit::insert(tx, &issued).await?;
            Ok(rotation)
        });
        written.await
    };
    let rotation = match write(stored.dead || stored.used_at.is_some()).await {
        // Somebody was faster.
        Err(StorageError::Unmet) => write(true).await?,
        rotation => rotation?,
    };
    match rotation {
        Rotation::Rotated | Rotation::Retried { .. } => Ok(secret),
        Rotation::Expired => Err(invalid("refresh_token_expired").into()),
        Rotation::Replayed => Err(Failure::recorded(invalid("refresh_token_replayed"))),
    }
}

/// Leaves the token as it is and moves its idle limit on, at most once a minute, so that a busy client costs no writes.
async fn keep(
    request: &TokenRequest<'_>,
    stored: &RefreshToken,
    grant: &Grant,
    token: &Prepared,
    idle_end: Timestamp,
) -> Result<(), Failure> {
    let TokenRequest { state, context, client, .. } = *request;
    if stored.dead || stored.used_at.is_some() {
        // It was rotated when the client was registered otherwise, and its successor is the one that counts.
        let replayed = audit::refresh_token_replayed(context, client, grant);
        let revoke = state.db.write(async |tx| {
            storage::grants::revoke(tx, &grant.id, context.now).await?;
            storage::audit::insert(tx, &replayed).await
        });
        revoke.await?;
        return Err(Failure::recorded(invalid("refresh_token_replayed")));
    }
    let extend = idle_end >= stored.expires_at + Seconds::minutes(1);
    if extend || token.is_stored() || state.config.audit.tokens {
        let event = audit::token_issued(context, client, Some(grant), &token.claims, "refresh_token");
        state
            .db
            .write(async |tx| {
                if extend {
                    refresh_tokens::extend(tx, &stored.hash, idle_end).await?;
                }
                token.store(tx).await?;
                seen(tx, grant, context.now).await?;
                storage::audit::insert(tx, &event).await
            })
            .await?;
    }
    Ok(())
}

/// A session that stands for the grant alone is in use whenever tokens are.
async fn seen(tx: &mut Tx, grant: &Grant, now: Timestamp) -> Result<(), StorageError> {
    if grant.own_session {
        sessions::touch(tx, &grant.session_id, now).await?;
    }
    Ok(())
}

/// The refresh token, and the grant it belongs to, whatever their state.
pub async fn find(state: &AppState, token: &str) -> Result<Option<(RefreshToken, Grant)>, Problem> {
    let hash = state.tokens.hash(TokenKind::RefreshToken, token);
    let found = refresh_tokens::load(&state.db, &hash).await?;
    Ok(found.map(|(token, grant, _)| (token, grant)))
}

/// What introspection tells `client` of a refresh token of its own that could be used now (RFC 7662 §2.2).
pub async fn active(
    state: &AppState,
    client: &Client,
    token: &str,
    now: Timestamp,
) -> Result<Option<RefreshTokenFacts>, Problem> {
    let hash = state.tokens.hash(TokenKind::RefreshToken, token);
    let found = refresh_tokens::load(&state.db, &hash).await?;
    let Some((stored, grant, status)) = found else { return Ok(None) };
    let usable = grant.client_id == client.id
        && stored.used_at.is_none()
        && !stored.dead
        && judge(client, &stored, &grant, status, now).is_ok();
    Ok(usable.then(|| RefreshTokenFacts {
        issuer: state.config.server.issuer.clone(),
        subject: state.subjects.of(client, &grant.user_id),
        client_id: grant.client_id,
        scope: grant.scope,
        issued_at: stored.created_at,
        expires_at: stored.expires_at,
        cnf: grant.confirmation,
    }))
}
