//! The device code grant (RFC 8628 §3.4, §3.5), and that of clients which asked a person (OpenID Connect CIBA Core 1.0 §10.1).
//!
//! Whoever waits asks again and again until the person has decided elsewhere. It gets a session of its own, which its person sees
//! among theirs and can end: the one in which it was allowed belongs to another browser.

use super::family::{self, Family};
use super::{Failure, TokenRequest, TokenResponse, id_token};
use crate::audit;
use crate::authn::session;
use crate::keys::hash::TokenKind;
use crate::protocol::backchannel;
use crate::protocol::device::{self, Refusals, SLOWED_BY};
use crate::protocol::error::OAuthError;
use crate::protocol::id::GrantId;
use crate::protocol::resource::{Reach, Target};
use crate::protocol::time::Timestamp;
use crate::random;
use crate::storage;
use crate::storage::device_codes::{self, Allowed, DeviceCode};
use crate::storage::grants::Grant;
use crate::storage::session_clients;
use crate::storage::sessions::{self, Session};
use crate::storage::users::{self, UserStatus};
use crate::telemetry::findings::note;
use crate::web::error::Problem;

/// Who waits.
#[derive(Clone, Copy, Debug)]
pub(super) enum Waits {
    Device,
    /// It asked a person.
    Client,
}

impl Waits {
    /// The parameter with what it was told at the beginning.
    const fn parameter(self) -> &'static str {
        match self {
            Self::Device => "device_code",
            Self::Client => "auth_req_id",
        }
    }

    const fn kind(self) -> TokenKind {
        match self {
            Self::Device => TokenKind::DeviceCode,
            Self::Client => TokenKind::BackchannelRequest,
        }
    }

    const fn refusals(self) -> &'static Refusals {
        match self {
            Self::Device => &device::REFUSALS,
            Self::Client => &backchannel::REFUSALS,
        }
    }

    /// For the audit log.
    const fn grant_type(self) -> &'static str {
        match self {
            Self::Device => "device_code",
            Self::Client => "ciba",
        }
    }
}

/// What became of it in the transaction.
enum Redeemed {
    Given,
    /// It was used, or taken back, since it was loaded.
    Late,
    Ended,
}

pub(super) async fn redeem(request: TokenRequest<'_>, waits: Waits) -> Result<TokenResponse, Failure> {
    let TokenRequest { state, context, client, confirmation, .. } = request;
    let refusals = waits.refusals();
    let hash = state.tokens.hash(waits.kind(), request.required(waits.parameter())?);
    let stored = device_codes::load(&mut state.db.read().await?, &hash).await?.ok_or(refusals.unknown)?;
    if stored.client_id != client.id {
        note("waiting_client", "presented_by", &client.id);
        note("waiting_client", "given_to", &stored.client_id);
        return Err(refusals.of_another_client.into());
    }
    if stored.consumed_at.is_some() {
        return replayed(&request, &stored, refusals).await;
    }
    judge(&stored, refusals, context.now)?;
    let Some(allowed) = &stored.allowed else { return wait(&request, &stored, refusals).await };
    let user = users::by_id(&mut state.db.read().await?, &allowed.user_id).await?;
    let user = user.filter(|user| user.status == UserStatus::Active).ok_or(refusals.person_disabled)?;

    let session = session(&request, allowed);
    let target = request.target(&stored.reach, &allowed.scope).await?;
    let grant = grant(&request, &session, (&stored.reach, allowed), &target)?;
    let family = Family::prepare(state, client, grant, (target, confirmation), context.now).await?;
    let session = Session { expires_at: family.grant.expires_at, ..session };
    let event = audit::token_issued(context, client, Some(&family.grant), family.claims(), waits.grant_type());
    let redeemed = state
        .db
        .write(async |tx| {
            if !users::stands(tx, &user).await? {
                return Ok(Redeemed::Ended);
            }
            if !device_codes::consume(tx, &hash, &family.grant.id, context.now).await? {
                return Ok(Redeemed::Late);
            }
            sessions::insert(tx, &session).await?;
            if id_token::is_due(&family.grant) {
                session_clients::add(tx, &session.id, client).await?;
            }
            family.store(tx).await?;
            storage::audit::insert(tx, &event).await?;
            Ok(Redeemed::Given)
        })
        .await?;
    match redeemed {
        Redeemed::Given => Ok(family.finish(state, client, None, context.now)?),
        Redeemed::Late => late(&request, &hash, refusals).await,
        Redeemed::Ended => Err(refusals.person_disabled.into()),
    }
}

/// What can be judged without writing.
fn judge(stored: &DeviceCode, refusals: &Refusals, now: Timestamp) -> Result<(), OAuthError> {
    let ago = |at: Timestamp| now.as_seconds() - at.as_seconds();
    if let Some(denied) = stored.denied_at {
        note("waiting_decision", "denied_seconds_ago", ago(denied));
        return Err(refusals.denied);
    }
    if now >= stored.expires_at {
        note("waiting_age", "seconds", ago(stored.created_at));
        return Err(refusals.expired);
    }
    Ok(())
}

/// Why a code that could be redeemed a moment ago can't.
async fn late(request: &TokenRequest<'_>, hash: &[u8; 32], refusals: &Refusals) -> Result<TokenResponse, Failure> {
    let TokenRequest { state, context, .. } = *request;
    let stored = device_codes::load(&mut state.db.read().await?, hash).await?.ok_or(refusals.unknown)?;
    judge(&stored, refusals, context.now)?;
    replayed(request, &stored, refusals).await
}

/// A code that comes a second time, in a race too, is known to somebody else: what its first use gave out ends, as with an
/// authorization code (RFC 6749 §4.1.2).
async fn replayed(request: &TokenRequest<'_>, stored: &DeviceCode, refusals: &Refusals) -> Result<TokenResponse, Failure> {
    let TokenRequest { state, context, client, .. } = *request;
    if let Some(used) = stored.consumed_at {
        note("waiting_use", "used_seconds_ago", context.now.as_seconds() - used.as_seconds());
    }
    let (Some(grant), Some(allowed)) = (&stored.grant_id, &stored.allowed) else { return Err(refusals.used.into()) };
    let event = audit::code_replayed(context, client, (grant, &allowed.user_id), refusals.used.reason);
    let revoked = state.db.write(async |tx| {
        storage::grants::revoke(tx, grant, context.now).await?;
        storage::audit::insert(tx, &event).await
    });
    revoked.await?;
    Err(Failure::recorded(refusals.used))
}

/// Nobody has decided yet. To be told so is no refusal: the audit log learns only of a device that asks too often.
async fn wait(request: &TokenRequest<'_>, stored: &DeviceCode, refusals: &Refusals) -> Result<TokenResponse, Failure> {
    let TokenRequest { state, context, .. } = *request;
    if state.db.write(async |tx| device_codes::poll(tx, &stored.hash, SLOWED_BY, context.now).await).await? {
        return Err(Failure::recorded(refusals.pending));
    }
    note("waiting_poll", "interval", stored.poll_interval + SLOWED_BY);
    Err(refusals.too_fast.into())
}

/// Its own. Nobody has its secret: it is there so that its person sees it and can end it.
fn session(request: &TokenRequest<'_>, allowed: &Allowed) -> Session {
    let TokenRequest { state, context, client, .. } = *request;
    let who = (&allowed.user_id, allowed.factors.clone());
    let begun = session::begin(&state.tokens, who, context.device(true), context.now, &state.config.session);
    Session { auth_time: allowed.auth_time, name: Some(client.metadata.client_name.clone()), ..begun.session }
}

fn grant(
    request: &TokenRequest<'_>,
    session: &Session,
    (reach, allowed): (&Reach, &Allowed),
    target: &Target,
) -> Result<Grant, Problem> {
    let TokenRequest { state, context, client, .. } = *request;
    Ok(Grant {
        id: GrantId::parse(random::neighbouring_uuid()).map_err(Problem::internal)?,
        client_id: client.id.clone(),
        user_id: allowed.user_id.clone(),
        session_id: session.id.clone(),
        own_session: true,
        scope: allowed.scope.clone(),
        claims: None,
        reach: reach.clone(),
        auth_time: allowed.auth_time,
        amr: allowed.factors.amr(),
        acr: allowed.acr.clone(),
        confirmation: None,
        created_at: context.now,
        expires_at: context.now + family::lifetime(state, client, &allowed.scope, target),
        revoked_at: None,
    })
}
