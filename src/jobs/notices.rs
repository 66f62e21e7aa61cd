//! Tells clients that a session ended (OpenID Connect Back-Channel Logout 1.0 §2.5), or that a person answered whom they asked
//! (OpenID Connect CIBA Core 1.0 §10.2): off the path of whoever logged out or answered, each notice by one node, again and again
//! until the client has taken it, or it is of no use any more.
//!
//! Should a node die while it sends one, another sends it again, with the same `jti`. Servers that don't work are left alone by
//! [`Outbound`], which asks each host through a breaker of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use form_urlencoded::Serializer;
use http::{Method, StatusCode};
use url::Url;

use super::courier::{self, Courier};
use super::pace::{POLL, pause};
use crate::audit::{self, Kind, Origin};
use crate::clock::Clock;
use crate::keys::notification::Notifications;
use crate::keys::ring::KeyRing;
use crate::keys::subject::Subjects;
use crate::outbound::client_keys::ClientKeys;
use crate::outbound::envelope::Envelope;
use crate::outbound::http::{Answer, Failure, Outbound};
use crate::protocol::client::Client;
use crate::protocol::id::SessionId;
use crate::protocol::jwe::Content;
use crate::protocol::jwt::TokenType;
use crate::protocol::logout_token::LogoutTokenClaims;
use crate::protocol::time::{Seconds, Timestamp};
use crate::storage::audit::{Actor, Event, Outcome, insert as record};
use crate::storage::client_cache::ClientCache;
use crate::storage::db::{Change, Db};
use crate::storage::error::Error;
use crate::storage::notices::{self, About, Notice};
use crate::telemetry::TraceId;

/// Notices that are sent at once.
const PARALLEL: usize = 8;

/// Notices looked up at once.
const BATCH: i64 = 64;

/// How long one attempt may take: more than [`Outbound`] gives a server.
const PATIENCE: Seconds = Seconds(15);

/// How often a client may say no before it is believed: ten minutes, in which a proxy answers for one that is being replaced.
const REFUSALS: i64 = 8;

/// Sends notices. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Messenger(Arc<Shared>);

/// What the messenger needs.
#[derive(Debug)]
pub struct Parts {
    pub db: Db,
    pub clock: Clock,
    pub outbound: Outbound,
    pub clients: ClientCache,
    pub client_keys: ClientKeys,
    pub keys: Arc<KeyRing>,
    pub subjects: Subjects,
    pub notifications: Notifications,
    pub issuer: String,
}

#[derive(Debug)]
struct Shared {
    parts: Parts,
    stopping: AtomicBool,
}

/// What came of an attempt.
enum Attempt {
    /// The client took it, or wants none any more.
    Done,
    /// It says no, and went on to.
    Refused(String),
    Later(String),
    /// It was not asked: its server failed a moment ago, or is busy with other notices.
    Unasked(String),
}

/// What the client's server said; or what came of it before it was asked.
type Told = Result<Result<Answer, Failure>, Attempt>;

impl Messenger {
    pub fn new(parts: Parts) -> Self {
        Self(Arc::new(Shared { parts, stopping: AtomicBool::new(false) }))
    }

    /// Sends until `shutdown` resolves; then finishes what is under way.
    pub async fn run(self, shutdown: impl Future<Output = ()>) {
        courier::run(&self, shutdown).await;
    }

    /// Sends everything that is due, and says when something will be next.
    pub async fn round(&self) -> Result<Option<Timestamp>, Error> {
        let Parts { db, clock, .. } = &self.0.parts;
        self.give_up_expired().await?;
        while !self.0.stopping.load(Ordering::SeqCst) {
            let due = notices::due(&mut db.read().await?, clock.now(), BATCH).await?;
            if due.is_empty() {
                return notices::next_due(&mut db.read().await?).await;
            }
            courier::send_all(self, due).await?;
        }
        Ok(None)
    }

    async fn send(&self, id: &str) -> Result<(), Error> {
        let Parts { db, clock, clients, .. } = &self.0.parts;
        let now = clock.now();
        let claimed_until = now + PATIENCE;
        let Some(notice) = db.write(async |tx| notices::claim(tx, id, now, claimed_until).await).await? else {
            return Ok(());
        };
        let attempt = match clients.load(&notice.client_id).await? {
            // A client that was disabled hears nothing of people any more, here as in the browser.
            Some(client) if client.is_active() => self.attempt(&client, &notice, now).await,
            _ => Attempt::Done,
        };
        match attempt {
            Attempt::Done => db.write(async |tx| notices::delete(tx, id).await).await.map(drop),
            Attempt::Refused(why) => self.end(&notice, "refused_by_client", &why).await,
            Attempt::Later(why) => {
                tracing::info!(client_id = %notice.client_id, why, attempts = notice.attempts, "a client could not be told something");
                // Not after its end, so that its end is noticed.
                let next = (clock.now() + pause(notice.attempts)).min(notice.expires_at);
                db.write(async |tx| notices::postpone(tx, id, claimed_until, next, &why).await).await
            }
            Attempt::Unasked(why) => {
                let next = (clock.now() + POLL).min(notice.expires_at);
                db.write(async |tx| notices::put_back(tx, id, claimed_until, next, &why).await).await
            }
        }
    }

    async fn attempt(&self, client: &Client, notice: &Notice, now: Timestamp) -> Attempt {
        let answer = match &notice.about {
            About::Logout(session) => self.tell_of_logout(client, notice, session, now).await,
            About::Answer(sealed) => self.tell_of_answer(client, sealed).await,
        };
        let answer = match answer {
            Ok(answer) => answer,
            Err(attempt) => return attempt,
        };
        match answer.map(|answer| answer.status) {
            Ok(status) if status.is_success() => Attempt::Done,
            Ok(status) if is_transient(status) || notice.attempts < REFUSALS => {
                Attempt::Later(format!("status {}", status.as_u16()))
            }
            Ok(status) => Attempt::Refused(format!("status {}", status.as_u16())),
            Err(failure @ Failure::Forbidden) => Attempt::Refused(failure.to_string()),
            Err(failure) if failure.is_unasked() => Attempt::Unasked(failure.to_string()),
            Err(failure) => Attempt::Later(failure.to_string()),
        }
    }

    async fn tell_of_logout(&self, client: &Client, notice: &Notice, session: &SessionId, now: Timestamp) -> Told {
        let Parts { outbound, client_keys, keys, subjects, issuer, .. } = &self.0.parts;
        let uri = client.metadata.backchannel_logout_uri.as_ref().and_then(|uri| Url::parse(uri).ok());
        let Some(uri) = uri else { return Err(Attempt::Done) };
        let subject = subjects.of(client, &notice.user_id);
        let sid = subjects.sid(client, session);
        let whom = (subject.as_str(), &sid);
        let claims = LogoutTokenClaims::new(issuer, &client.id, whom, &notice.id, now);
        // As its ID tokens are, encrypted and signed (§2.4, §2.6).
        let envelope = match Envelope::of(client_keys, client, client.metadata.id_token_encryption(), now).await {
            Ok(envelope) => envelope,
            Err(error) => return Err(Attempt::Later(error.reason.to_owned())),
        };
        let signed = keys.sign(client.metadata.id_token_signed_response_alg, TokenType::LogoutToken, &claims);
        let signed = signed.map_err(|error| error.to_string());
        let token = signed.and_then(|token| match envelope {
            Some(envelope) => envelope.seal(Content::NestedOf(issuer), &token).map_err(|error| error.to_string()),
            None => Ok(token),
        });
        let token = token.map_err(Attempt::Later)?;
        let form = Serializer::new(String::new()).append_pair("logout_token", &token).finish();
        Ok(outbound.post_form(&uri, form).await)
    }

    async fn tell_of_answer(&self, client: &Client, sealed: &[u8]) -> Told {
        let Parts { outbound, notifications, .. } = &self.0.parts;
        let uri = client.metadata.backchannel_client_notification_endpoint.as_ref().and_then(|uri| Url::parse(uri).ok());
        // Without its endpoint it asks by itself. What was sealed with another key will never be read.
        let (Some(uri), Some(notification)) = (uri, notifications.open(&client.id, sealed)) else { return Err(Attempt::Done) };
        let Some((fields, body)) = notification.message() else { return Err(Attempt::Done) };
        Ok(outbound.send(Method::POST, &uri, fields, body).await)
    }

    async fn give_up_expired(&self) -> Result<(), Error> {
        let Parts { db, clock, .. } = &self.0.parts;
        loop {
            let now = clock.now();
            let events = db.write(async |tx| {
                let expired = notices::take_expired(tx, now, BATCH).await?;
                for notice in &expired {
                    record(tx, &untold(notice, "expired", "no answer in time", now)).await?;
                }
                Ok(expired.len())
            });
            if events.await? == 0 {
                return Ok(());
            }
        }
    }

    /// Takes a notice out that did not arrive, and records it.
    async fn end(&self, notice: &Notice, reason: &'static str, why: &str) -> Result<(), Error> {
        tracing::warn!(client_id = %notice.client_id, why, "a client refuses to be told something");
        let event = untold(notice, reason, why, self.0.parts.clock.now());
        let write = self.0.parts.db.write(async |tx| {
            if notices::delete(tx, &notice.id).await? {
                record(tx, &event).await?;
            }
            Ok(())
        });
        write.await
    }
}

/// Whether the status says that it will pass.
fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
}

fn untold(notice: &Notice, reason: &'static str, why: &str, now: Timestamp) -> Event {
    let origin = Origin { at: now, address: None, trace_id: TraceId::random().to_string() };
    let kind = match notice.about {
        About::Logout(_) => Kind::LogoutUndelivered,
        About::Answer(_) => Kind::BackchannelUndelivered,
    };
    let mut event = Event {
        actor: Actor::System,
        outcome: Outcome::Failed,
        reason: Some(reason),
        client_id: Some(notice.client_id.clone()),
        user_id: Some(notice.user_id.clone()),
        ..audit::event(kind, origin)
    };
    if let About::Logout(session) = &notice.about {
        event.details.insert("session_id".to_owned(), session.as_str().into());
    }
    event.details.insert("why".to_owned(), why.into());
    event.details.insert("attempts".to_owned(), notice.attempts.into());
    event
}

impl Courier for Messenger {
    const NAME: &'static str = "notices";
    const WAITING: &'static str = "notices for clients wait for the database";

    fn db(&self) -> &Db {
        &self.0.parts.db
    }

    fn clock(&self) -> &Clock {
        &self.0.parts.clock
    }

    fn stopping(&self) -> &AtomicBool {
        &self.0.stopping
    }

    fn patience(&self) -> Seconds {
        PATIENCE
    }

    fn is_woken_by(change: &Change) -> bool {
        matches!(change, Change::Notices | Change::Everything)
    }

    fn parallel(&self) -> Option<usize> {
        Some(PARALLEL)
    }

    fn round(&self) -> impl Future<Output = Result<Option<Timestamp>, Error>> + Send {
        self.round()
    }

    fn send(&self, id: &str) -> impl Future<Output = Result<(), Error>> + Send {
        self.send(id)
    }
}
