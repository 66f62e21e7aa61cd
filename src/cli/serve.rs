//! `ostiary serve`: the server.

mod observing;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

use self::observing::Observing;
use super::failure::{Exit, Failure};
use super::output::Output;
use super::start::{Installation, Lock};
use crate::audit::{self, Kind, Origin, Worker};
use crate::config::Config;
use crate::jobs::mail::{self, Postman};
use crate::jobs::notices::{self, Messenger};
use crate::jobs::sealer::Sealer;
use crate::jobs::{cleanup, clock_watch, deletion, imitation, key_rotation};
use crate::keys::evidence::EvidenceKey;
use crate::keys::hash::TokenKind;
use crate::keys::ring::KeyRing;
use crate::outbound::mail::{Sender, Transport};
use crate::pages::setup::ROLE as ADMINISTRATOR_ROLE;
use crate::protocol::metadata::path::OPENID_CONFIGURATION;
use crate::protocol::time::Seconds;
use crate::state::{AppState, Parts};
use crate::storage::audit::{Actor, Event, insert as record};
use crate::storage::error::Error as StorageError;
use crate::storage::{setup_links, users};
use crate::telemetry::{self, TraceId};
use crate::web::server::{self, Limits, Listener, Shutdown, Tls};
use crate::{app, explain, random};

pub const EXAMPLE: &str = "\
While nobody has the role 'admin', a link is printed with which the first administrator is made. It works once, for an hour;
each start makes a new one.

SIGTERM or Ctrl-C ends the server after the requests under way, at most server.shutdown_timeout seconds later; a second one ends
it at once.

Example:
  ostiary --config /etc/ostiary.toml serve";

/// How long the link to make the first administrator works.
const SETUP_LINK_LIFETIME: Seconds = Seconds::hours(1);

pub async fn run(config: Config, output: Output) -> Result<(), Failure> {
    telemetry::init(&config.log).map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
    let _lock = Lock::acquire(&config)?;
    let server = Box::pin(Server::prepare(Installation::open(config).await?)).await?;
    // Before the notice: whoever has read it may end the server.
    let shutdown = Shutdown::new();
    shutdown.on_signals().map_err(|error| Failure::failed(format!("can't wait for signals: {error}")))?;
    let notice = Notice::new(&server, server.setup_link().await?)?;
    output.answer(&notice, Notice::text)?;
    server.run_until(shutdown).await;
    Ok(())
}

/// A server that listens, and answers once it runs.
#[derive(Debug)]
pub struct Server {
    pub state: AppState,
    evidence: Arc<EvidenceKey>,
    listener: TcpListener,
    tls: Option<Tls>,
    /// Where certificates are asked for, and how.
    beside: Option<(TcpListener, Tls)>,
    observing: Observing,
    refusals: Worker,
    explanations: explain::Worker,
    sealer: Sealer,
    /// None where mail is off.
    postman: Option<Postman>,
}

impl Server {
    /// Puts the server together. At the first start this makes the signing keys, which takes a second or so.
    pub async fn prepare(installation: Installation) -> Result<Self, Failure> {
        // Before anything that takes time: a port in use is the commonest failure.
        let listen = installation.config.server.listen;
        let listener = bind(listen, "server.listen").await?;
        Self::prepare_on(listener, installation).await
    }

    /// The same on a socket that listens already.
    pub async fn prepare_on(listener: TcpListener, installation: Installation) -> Result<Self, Failure> {
        let Installation { config, clock, root, db, evidence, .. } = installation;
        let unusable = |error| Failure::new(Exit::Configuration, format!("configuration: {error}"));
        let tls = Tls::new(&config.tls).map_err(unusable)?;
        let beside = match (config.tls.second_listener(), &tls) {
            (Ok(Some(address)), Some(tls)) => Some((bind(address, "tls.mtls_listen").await?, tls.asking().map_err(unusable)?)),
            _ => None,
        };
        let observing = Observing::prepare(&config, &clock).await?;
        let event = key_rotation::by_the_server(clock.now());
        let keys = KeyRing::open(&db, &root, &config.keys, &config.tokens, &event).await.map_err(Failure::unusable)?;
        let (queue, refusals) = audit::queue();
        let sealer = Sealer::new(&db.for_jobs(), &clock, Arc::clone(&evidence), &config.audit);
        let (explained, explanations) = explain::queue(&config.explain);
        let state = AppState::new(Parts { config, clock, db, root, keys, refusals: queue, explanations: explained })
            .map_err(|error| Failure::new(Exit::Configuration, error.to_string()))?;
        let postman = postman(&state)?;
        state.guard.connect().await;
        Ok(Self { state, evidence, listener, tls, beside, observing, refusals, explanations, sealer, postman })
    }

    /// A link with which the first administrator is made, while there is none. Those of earlier starts die.
    pub async fn setup_link(&self) -> Result<Option<String>, Failure> {
        let token = random::secret();
        let hash = self.state.tokens.hash(TokenKind::SetupLink, &token);
        let origin = Origin { at: self.state.clock.now(), address: None, trace_id: TraceId::random().to_string() };
        let event = Event { actor: Actor::System, ..audit::event(Kind::SetupLinkCreated, origin) };
        let made = self.state.db.write(async |tx| {
            setup_links::clear(tx).await?;
            if users::has_with_role(tx, ADMINISTRATOR_ROLE).await? {
                return Ok(false);
            }
            setup_links::insert(tx, &hash, event.at + SETUP_LINK_LIFETIME).await?;
            record(tx, &event).await?;
            Ok::<_, StorageError>(true)
        });
        Ok(made.await?.then(|| format!("{}/setup?token={token}", self.state.config.server.issuer)))
    }

    /// Serves until `shutdown` is requested: from then on it is not ready, and ends when what is under way has been finished.
    pub async fn run_until(self, shutdown: Shutdown) {
        let Self { state, evidence, listener, tls, beside, observing, refusals, explanations, sealer, postman } = self;
        let (db, clock) = (state.db.for_jobs(), state.clock.clone());
        let background = [
            tokio::spawn(db.watch()),
            tokio::spawn(state.keys.follow(&db)),
            tokio::spawn(key_rotation::run(state.keys.clone(), db.clone(), clock.clone())),
            tokio::spawn(clock_watch::run(clock.clone())),
            tokio::spawn(imitation::run(state.passwords.clone(), db.clone())),
            tokio::spawn(cleanup::run(db.clone(), clock.clone(), state.config.clone(), evidence)),
            tokio::spawn(deletion::run(db.clone(), clock.clone(), state.outbox.clone(), state.config.admin.clone())),
            tokio::spawn({
                let (state, shutdown) = (state.clone(), shutdown.clone());
                async move {
                    shutdown.requested().await;
                    state.shut_down();
                }
            }),
        ];
        let follow_certificate = tls.clone().map(|tls| tokio::spawn(tls.follow()));
        let (stop_mail, mail_stops) = oneshot::channel::<()>();
        let mail = postman.map(|postman| {
            tokio::spawn(postman.run(async {
                // Either way there is nothing more to come.
                let _ = mail_stops.await;
            }))
        });
        let (stop_notices, notices_stop) = oneshot::channel::<()>();
        let notices = tokio::spawn(messenger(&state).run(async {
            // Either way there is nothing more to come.
            let _ = notices_stop.await;
        }));
        let (served, after_serving) = oneshot::channel::<()>();
        let refusals = tokio::spawn(refusals.run(db.clone(), clock.clone(), async {
            // Either way there is nothing more to come.
            let _ = after_serving.await;
        }));
        let (explained, after_explaining) = oneshot::channel::<()>();
        let explanations = tokio::spawn(explanations.run(db.clone(), clock, async {
            // Either way there is nothing more to come.
            let _ = after_explaining.await;
        }));

        let (stop_sealing, sealing_stops) = oneshot::channel::<()>();
        let sealer = tokio::spawn(sealer.run(async {
            // Either way there is nothing more to come.
            let _ = sealing_stops.await;
        }));

        let recorder = observing.recorder.clone();
        let listener = Listener::new(listener, tls);
        let listener = match beside {
            Some((socket, tls)) => listener.and(socket, tls, app::shell_for_certificates(&state).recording(recorder.clone())),
            None => listener,
        };
        let observed = observing.run(&state);
        let shell = app::shell(&state).recording(recorder);
        let stopped = server::serve(listener, shell, limits(&state.config), shutdown).await;
        if stopped.cut_off > 0 {
            tracing::warn!(cut_off = stopped.cut_off, "the server stopped before everything under way was finished");
        }

        if let Err(error) = state.guard.write_failures().await {
            tracing::error!(%error, "the last failed logins were not written down");
        }
        // What was refused up to now is written, before the database closes.
        drop(served);
        if let Err(error) = refusals.await {
            tracing::error!(%error, "the last refusals were not written to the audit log");
        }
        drop(explained);
        if let Err(error) = explanations.await {
            tracing::error!(%error, "the last refusals can not be explained");
        }
        // The mail that is being sent is sent; the rest waits in the outbox.
        drop(stop_mail);
        if let Some(mail) = mail
            && let Err(error) = mail.await
        {
            tracing::error!(%error, "mail that was being sent may be sent twice");
        }
        // So is the word that is being sent of a logout.
        drop(stop_notices);
        if let Err(error) = notices.await {
            tracing::error!(%error, "applications may be told something twice");
        }
        // Nothing more happens that the audit log would tell of.
        drop(stop_sealing);
        if let Err(error) = sealer.await {
            tracing::error!(%error, "the last entries of the audit log were not sealed");
        }
        observed.stop().await;
        for task in background.into_iter().chain(follow_certificate) {
            task.abort();
        }
        db.close().await;
    }
}

fn limits(config: &Config) -> Limits {
    // SQLite opens up to four files for each connection to the database.
    let other_files = 32 + 4 * config.database.max_connections as usize + observing::files(config);
    Limits { other_files, ..Limits::from(&config.server) }
}

/// Who tells applications of logouts and answers.
fn messenger(state: &AppState) -> Messenger {
    Messenger::new(notices::Parts {
        db: state.db.for_jobs(),
        clock: state.clock.clone(),
        outbound: state.outbound.apart("notices"),
        clients: state.clients.clone(),
        client_keys: state.client_keys.clone(),
        keys: state.keys.clone(),
        subjects: state.subjects.clone(),
        notifications: state.notifications.clone(),
        issuer: state.config.server.issuer.clone(),
    })
}

/// Who sends the mail; nobody where mail is off.
fn postman(state: &AppState) -> Result<Option<Postman>, Failure> {
    let unusable = |error: String| Failure::new(Exit::Configuration, error);
    let Some(transport) = Transport::new(&state.config).map_err(|error| unusable(error.to_string()))? else {
        return Ok(None);
    };
    let sender = Sender::new(&state.config).map_err(|_| unusable("configuration: 'mail.from' is not an address".to_owned()))?;
    let (db, clock, outbox) = (state.db.for_jobs(), state.clock.clone(), state.outbox.clone());
    Ok(Some(Postman::new(mail::Parts { db, clock, outbox, transport, sender, timeout: state.config.mail.timeout })))
}

async fn bind(address: SocketAddr, key: &str) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| cannot_listen(address, key, &error))
}

fn cannot_listen(address: SocketAddr, key: &str, error: &io::Error) -> Failure {
    Failure::unusable(match error.kind() {
        io::ErrorKind::AddrInUse => {
            format!("another program listens on {address} already: stop it, or choose another address with {key}")
        }
        io::ErrorKind::PermissionDenied => {
            format!("listening on {address} is not permitted: choose a port above 1023 with {key}, behind a reverse proxy")
        }
        _ => format!("can't listen on {address}: {error}. Choose an address of this machine with {key}"),
    })
}

/// What the server says once it listens.
#[derive(Serialize)]
struct Notice {
    listening: SocketAddr,
    issuer: String,
    discovery: String,
    /// Where the figures are.
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<SocketAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    setup_link: Option<String>,
}

impl Notice {
    fn new(server: &Server, setup_link: Option<String>) -> Result<Self, Failure> {
        let issuer = server.state.config.server.issuer.clone();
        let listening = server.listener.local_addr().map_err(Failure::failed)?;
        let metrics = server.observing.address();
        Ok(Self { listening, discovery: format!("{issuer}{OPENID_CONFIGURATION}"), issuer, metrics, setup_link })
    }

    fn text(&self) -> String {
        let version = env!("CARGO_PKG_VERSION");
        let Self { listening, issuer, discovery, .. } = self;
        let mut text = format!("Ostiary {version} listens on {listening}.\n  Issuer     {issuer}\n  Discovery  {discovery}");
        if let Some(metrics) = &self.metrics {
            text = format!("{text}\n  Metrics    http://{metrics}/metrics");
        }
        if let Some(link) = &self.setup_link {
            text.push_str(
                "\n\nThere is no administrator yet. Whoever opens this link within the hour becomes one; it works once:\n  ",
            );
            text.push_str(link);
        }
        text
    }
}
