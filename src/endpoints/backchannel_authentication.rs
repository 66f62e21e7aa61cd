//! The backchannel authentication endpoint (OpenID Connect CIBA Core 1.0 §7): a client asks a person who is elsewhere.
//!
//! It learns whether there is such a person: who may ask has to be registered for it, and may be wrong a few times only.

mod person;
mod signed;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{self, HeaderMap};
use secrecy::SecretString;
use serde::Serialize;

use super::admission::admit;
use super::authorize::saw;
use super::{limit, refusal};
use crate::audit::{self, Kind};
use crate::guard::Subject;
use crate::guard::limit::Action;
use crate::keys::hash::TokenKind;
use crate::keys::notification::Notification;
use crate::outbound::mail::{Message, notify};
use crate::protocol::authorization_request::requested_elsewhere;
use crate::protocol::backchannel::{self, AFTER_A_NO, BackchannelRequest, Handle, PERSON_UNKNOWN, REPLAYED, SAID_NO};
use crate::protocol::client::Client;
use crate::protocol::device::INTERVAL;
use crate::protocol::id::UserId;
use crate::protocol::params::Params;
use crate::random;
use crate::state::AppState;
use crate::storage::audit::{Actor, Event};
use crate::storage::device_codes::{self, Asked, DeviceCode};
use crate::storage::{email_addresses, mail_counts, spent};
use crate::telemetry::findings::note;
use crate::web::context::RequestContext;
use crate::web::cors::CrossOrigin;
use crate::web::error::Problem;
use crate::web::params::Form;

/// §7.3.
#[derive(Serialize)]
struct Begun {
    auth_req_id: String,
    /// Seconds.
    expires_in: i64,
    interval: i64,
}

/// `POST /backchannel-authentication`.
pub async fn ask(
    State(state): State<AppState>,
    context: RequestContext,
    cross_origin: CrossOrigin,
    headers: HeaderMap,
    Form(params): Form,
) -> Response {
    let client = match admit(&state, &context, (&headers, &params), &cross_origin, Kind::BackchannelRefused).await {
        Ok(client) => client,
        Err(refused) => return refused,
    };
    let response = match take(&state, &context, &client, &params).await {
        Ok(begun) => ([(header::CACHE_CONTROL, "no-store"), (header::PRAGMA, "no-cache")], Json(begun)).into_response(),
        Err(problem) => refusal::of_client(&state, &context, &client, Kind::BackchannelRefused, problem).await,
    };
    cross_origin.allow(response, Some(&client))
}

async fn take(state: &AppState, context: &RequestContext, client: &Client, params: &Params) -> Result<Begun, Problem> {
    let mode = backchannel::allowed(client).inspect_err(|_| {
        let registered: Vec<&str> = client.metadata.grant_types.iter().map(|grant| grant.as_str()).collect();
        note("backchannel_grant", "registered", registered.join(" "));
    })?;
    let opened = signed::open(state, context.now, params, client).await?;
    let (params, once) = opened.as_ref().map_or((params, None), |(params, once)| (params, Some(once)));
    let policy = state.policy().await?;
    let (scope, reach) =
        requested_elsewhere(params, client, &policy).inspect_err(|error| saw::request(params, client, error.reason))?;
    backchannel::check_scope(&scope)?;
    let request = BackchannelRequest::parse(params, mode)?;
    let user_id = person(state, context, client, &request).await?;

    let auth_req_id = random::secret();
    let handle = Handle::new(random::bytes());
    let notification = request.notification_token.map(|token| {
        let notification = Notification { request: SecretString::from(auth_req_id.clone()), token };
        state.notifications.seal(&client.id, &notification)
    });
    let row = DeviceCode {
        hash: state.tokens.hash(TokenKind::BackchannelRequest, &auth_req_id),
        user_code: *handle.as_bytes(),
        client_id: client.id.clone(),
        scope,
        reach,
        created_at: context.now,
        expires_at: context.now + request.lifetime,
        poll_interval: INTERVAL,
        next_poll_at: context.now,
        allowed: None,
        denied_at: None,
        consumed_at: None,
        grant_id: None,
        asked: Some(Asked {
            user_id: user_id.clone(),
            binding_message: request.binding_message.clone(),
            acr_values: request.acr_values,
            notification,
        }),
    };
    let event = asked(context, client, &user_id, &row);
    let letter = Message::Asked {
        client: client.metadata.client_name.clone(),
        binding_message: request.binding_message,
        request: handle.to_string(),
    };
    let mailbox = mailbox(state, &user_id).await?;
    let spent = once.map(|once| {
        let name = format!("{} {}", client.id, once.jti);
        (state.tokens.hash(TokenKind::SignedRequest, &name), once.ends_at)
    });
    let written = state.db.write(async |tx| {
        if let Some((hash, ends_at)) = &spent
            && !spent::spend(tx, hash, *ends_at, context.now).await?
        {
            return Ok(false);
        }
        if !device_codes::insert(tx, &row).await? {
            return Err(crate::storage::error::Error::Conflict);
        }
        // What is one mail too many for the mailbox is found on the person's own page all the same.
        if let Some(mailbox) = &mailbox
            && mail_counts::take(tx, mailbox, letter.kind(), state.guard.mailbox_quota(), context.now).await?
        {
            notify(tx, &state.outbox, &user_id, letter.clone(), context.now).await?;
        }
        crate::storage::audit::insert(tx, &event).await?;
        Ok(true)
    });
    if !written.await? {
        return Err(REPLAYED.into());
    }
    Ok(Begun { auth_req_id, expires_in: request.lifetime.0, interval: INTERVAL })
}

/// Who is asked, if neither the client names people at random nor the person is asked too often.
async fn person(
    state: &AppState,
    context: &RequestContext,
    client: &Client,
    request: &BackchannelRequest<'_>,
) -> Result<UserId, Problem> {
    let asking = Subject::new(context.address).client(client.id.as_str());
    limit::judged(state.guard.look(Action::FailAskPerson, &asking, context.now))?;
    limit::judged(state.guard.admit(Action::AskSomebody, &asking, context.now).await)?;
    let Some(user) = person::of(state, context, client, request.hint).await? else {
        // Before it is told: who asks for many at once learns no more than who asks for one after the other.
        limit::judged(state.guard.admit(Action::FailAskPerson, &asking, context.now).await)?;
        return Err(PERSON_UNKNOWN.into());
    };
    let since = context.now - AFTER_A_NO;
    if device_codes::denied_since(&mut state.db.read().await?, (&client.id, &user.id), since).await? {
        return Err(Problem { status: StatusCode::FORBIDDEN, ..SAID_NO.into() });
    }
    let asked = asking.account(user.id.as_str());
    limit::judged(state.guard.admit(Action::AskPerson, &asked, context.now).await)?;
    Ok(user.id)
}

/// What the mails to this person are counted by; `None`: there is nowhere to write to.
async fn mailbox(state: &AppState, user: &UserId) -> Result<Option<[u8; 32]>, Problem> {
    let address = email_addresses::load(&mut state.db.read().await?, user).await?;
    let address = address.filter(|found| found.verified_at.is_some() && state.outbox.is_on());
    Ok(address.map(|found| state.tokens.hash(TokenKind::Mailbox, found.address.canonical())))
}

fn asked(context: &RequestContext, client: &Client, user: &UserId, row: &DeviceCode) -> Event {
    let mut event = Event {
        actor: Actor::Client(client.id.clone()),
        client_id: Some(client.id.clone()),
        user_id: Some(user.clone()),
        ..audit::event(Kind::BackchannelAsked, context)
    };
    event.details = audit::reached(&row.scope, &row.reach);
    event
}
