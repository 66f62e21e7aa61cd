//! Deciding for somebody who waits elsewhere: a device (RFC 8628 §3.3), or a client that asks this very person (OpenID Connect CIBA Core
//! 1.0 §8). A login under way like any other, whose end is no redirect.

use super::Flow;
use super::issue::consent;
use super::next::record;
use crate::audit::{self, Kind};
use crate::keys::hash::TokenKind;
use crate::protocol::authentication::Acr;
use crate::protocol::authorization_request::{AuthorizationRequest, Display};
use crate::protocol::authorize::{ACCESS_DENIED, ConsentedScope};
use crate::protocol::backchannel::{self, FRESH, Handle};
use crate::protocol::claims_request::ClaimsRequest;
use crate::protocol::client::Client;
use crate::protocol::device::{LATE, UserCode, Waiting};
use crate::protocol::error::OAuthError;
use crate::protocol::prompt::Prompt;
use crate::protocol::redirect_uri::RedirectUri;
use crate::protocol::resource::Reach;
use crate::protocol::response_mode::ResponseMode;
use crate::protocol::response_type::ResponseType;
use crate::protocol::scope::Scope;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::device_codes::{self, Allowed};
use crate::storage::sessions::{self, Session};
use crate::storage::{consents, notices};
use crate::telemetry::spans;
use crate::web::context::RequestContext;
use crate::web::error::Problem;

/// How it ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    Allowed,
    Denied,
}

/// The login for the device of this code. `None`: no such code counts now; nothing tells whether one ever did.
pub async fn begin(state: &AppState, context: &RequestContext, code: &UserCode) -> Result<Option<Flow>, Problem> {
    let hash = state.tokens.hash(TokenKind::UserCode, code.as_str());
    let found = device_codes::undecided(&mut state.db.read().await?, &hash, context.now).await?;
    let Some(found) = found.filter(|found| found.asked.is_none()) else { return Ok(None) };
    let Some(client) = state.clients.load(&found.client_id).await?.filter(|client| client.is_active()) else { return Ok(None) };
    let request = request(state, &client, (found.scope, found.reach), "/device")?;
    Ok(Some(flow(request, context, Waiting::Device(code.clone()))))
}

/// The login for a client that asks a person. Whoever begins it, it is only ever about that one: nobody else can go on to the end.
/// `None`: there is nothing to decide about any more.
pub async fn begin_asked(state: &AppState, context: &RequestContext, handle: Handle) -> Result<Option<Flow>, Problem> {
    let found = device_codes::undecided(&mut state.db.read().await?, handle.as_bytes(), context.now).await?;
    let Some((asked, found)) = found.and_then(|mut found| Some((found.asked.take()?, found))) else { return Ok(None) };
    let Some(client) = state.clients.load(&found.client_id).await?.filter(|client| client.is_active()) else { return Ok(None) };
    let request = AuthorizationRequest {
        id_token_hint_sub: Some(state.subjects.of(&client, &asked.user_id)),
        acr_values: asked.acr_values,
        max_age: Some(FRESH),
        ..request(state, &client, (found.scope, found.reach), "/account/requests")?
    };
    Ok(Some(flow(request, context, Waiting::Client { request: handle, binding_message: asked.binding_message })))
}

fn flow(request: AuthorizationRequest, context: &RequestContext, waiting: Waiting) -> Flow {
    Flow { request, started_at: context.now, selected_session: None, pushed: None, waiting: Some(waiting), trace: spans::root() }
}

/// By what its row is found.
fn key(state: &AppState, waiting: &Waiting) -> [u8; 32] {
    match waiting {
        Waiting::Device(code) => state.tokens.hash(TokenKind::UserCode, code.as_str()),
        Waiting::Client { request, .. } => *request.as_bytes(),
    }
}

/// What whoever decides too late is told.
pub(super) const fn late(waiting: &Waiting) -> OAuthError {
    match waiting {
        Waiting::Device(_) => LATE,
        Waiting::Client { .. } => backchannel::LATE,
    }
}

/// What is asked for, as if it came by a browser. Its person is always asked, whatever they agreed to before and whoever
/// the client is: the code may have been sent to them by somebody else (§5.4).
fn request(
    state: &AppState,
    client: &Client,
    (scope, reach): (Scope, Reach),
    here: &str,
) -> Result<AuthorizationRequest, Problem> {
    let ends_here = format!("{}{here}", state.config.server.issuer);
    Ok(AuthorizationRequest {
        client_id: client.id.clone(),
        response_type: ResponseType::Code,
        redirect_uri: RedirectUri::parse(&ends_here).map_err(Problem::internal)?,
        response_mode: ResponseMode::Query,
        response_alg: None,
        by_hand: false,
        dpop_jkt: None,
        scope,
        state: None,
        nonce: None,
        // No code is given out that it would belong to.
        code_challenge: None,
        prompt: Prompt { consent: true, ..Prompt::default() },
        max_age: None,
        acr_values: Vec::new(),
        claims: ClaimsRequest::default(),
        reach,
        login_hint: None,
        ui_locales: Vec::new(),
        display: Display::Page,
        id_token_hint: None,
        id_token_hint_sub: None,
    })
}

/// What came of a yes.
pub(super) enum Given {
    Allowed,
    /// Somebody else decided, or it expired.
    Late,
    SessionEnded,
}

/// Writes the yes down, what was consented to, and the audit events, in one transaction.
pub(super) async fn allow(
    state: &AppState,
    context: &RequestContext,
    (flow, waiting): (&Flow, &Waiting),
    session: &Session,
    (scope, acr): (Scope, Acr),
) -> Result<Given, Problem> {
    let hash = key(state, waiting);
    let described = |kind| Event {
        actor: Actor::User(session.user_id.clone()),
        user_id: Some(session.user_id.clone()),
        client_id: Some(flow.request.client_id.clone()),
        ..audit::event(kind, context)
    };
    let reach = flow.request.reach.clone();
    let agreed = Event { details: audit::reached(&scope, &reach), ..described(Kind::ConsentGiven) };
    let mut granted = Event { details: agreed.details.clone(), ..described(Kind::AuthorizationGranted) };
    granted.details.insert(word(waiting).to_owned(), true.into());
    let given = ConsentedScope { scope: scope.clone(), reach, ..ConsentedScope::default() };
    let consent = consent(session, &flow.request, &given, context.now);
    let allowed = Allowed {
        user_id: session.user_id.clone(),
        scope,
        auth_time: session.auth_time,
        acr: acr.to_string(),
        factors: session.factors.clone(),
    };
    let written = state.db.write(async |tx| {
        if !sessions::stands(tx, &session.id).await? {
            return Ok(Given::SessionEnded);
        }
        if !device_codes::allow(tx, &hash, (&session.id, &allowed), context.now).await? {
            return Ok(Given::Late);
        }
        notices::insert_of_answer(tx, &hash, context.now).await?;
        consents::save(tx, &consent).await?;
        crate::storage::audit::insert(tx, &agreed).await?;
        crate::storage::audit::insert(tx, &granted).await?;
        Ok(Given::Allowed)
    });
    Ok(written.await?)
}

/// For the audit log.
const fn word(waiting: &Waiting) -> &'static str {
    match waiting {
        Waiting::Device(_) => "device",
        Waiting::Client { .. } => "backchannel",
    }
}

/// Writes a no down. It also takes back the yes of the same person, if the device has not fetched that yet; and to a client that asks it
/// is the answer to everything that this client asks the person now.
pub async fn deny(
    state: &AppState,
    context: &RequestContext,
    (flow, waiting): (&Flow, &Waiting),
    session: &Session,
) -> Result<(), Problem> {
    let hash = key(state, waiting);
    let denied = Event {
        actor: Actor::User(session.user_id.clone()),
        user_id: Some(session.user_id.clone()),
        client_id: Some(flow.request.client_id.clone()),
        ..audit::refused(Kind::ConsentDenied, context, ACCESS_DENIED.reason)
    };
    let written = state.db.write(async |tx| {
        if !device_codes::deny(tx, &hash, &session.user_id, context.now).await? {
            return Ok(false);
        }
        notices::insert_of_answer(tx, &hash, context.now).await?;
        let mut denied = denied.clone();
        if let Waiting::Client { .. } = waiting {
            // Whoever asks several times at once is told no as often.
            let client = &flow.request.client_id;
            for other in device_codes::deny_others(tx, (client, &session.user_id), context.now).await? {
                notices::insert_of_answer(tx, &other, context.now).await?;
                denied.count += 1;
            }
        }
        crate::storage::audit::insert(tx, &denied).await?;
        Ok(true)
    });
    if !written.await? {
        let error = late(waiting);
        record(state, context, flow, Some(session), &error);
        return Err(error.into());
    }
    Ok(())
}
