//! What runs beside the server for those who look at it: the listener for the figures, and who sends the traces.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::bind;
use crate::app;
use crate::audit::Kind;
use crate::cli::failure::{Exit, Failure};
use crate::clock::Clock;
use crate::config::{Config, ServerConfig};
use crate::jobs::traces::Exporter;
use crate::state::AppState;
use crate::telemetry::metrics;
use crate::telemetry::spans::{Receiver, Recorder, queue};
use crate::web::server::{self, Limits, Listener, Shutdown, Stopped};

/// Scrapes that may go on at once.
const CONNECTIONS: usize = 64;

/// How long the last traces may take.
const FLUSH: Duration = Duration::from_secs(2);

/// What there is of it, before the server runs.
#[derive(Debug)]
pub(super) struct Observing {
    figures: Option<TcpListener>,
    traces: Option<(Exporter, Receiver)>,
    pub(super) recorder: Option<Recorder>,
}

/// What runs of it.
#[derive(Debug)]
pub(super) struct Running {
    figures: Option<(Shutdown, JoinHandle<Stopped>)>,
    traces: Option<(oneshot::Sender<()>, JoinHandle<()>)>,
}

impl Observing {
    pub(super) async fn prepare(config: &Config, clock: &Clock) -> Result<Self, Failure> {
        let figures = match config.metrics.address() {
            Some(address) => Some(bind(address, "metrics.listen").await?),
            None => None,
        };
        let (mut traces, mut recorder) = (None, None);
        if config.telemetry.is_on() {
            let unusable = |error| Failure::new(Exit::Configuration, format!("configuration: {error}"));
            let exporter = Exporter::new(config, clock).map_err(unusable)?;
            let (records, receiver) = queue(config.telemetry.sample_ratio);
            let records = records.heeding_parents(config.telemetry.trust_traceparent);
            (traces, recorder) = (Some((exporter, receiver)), Some(records));
        }
        Ok(Self { figures, traces, recorder })
    }

    /// Where the figures are, if anywhere.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.figures.as_ref()?.local_addr().ok()
    }

    pub(super) fn run(self, state: &AppState) -> Running {
        let figures = self.figures.map(|listener| {
            let outcomes = |kind: &Kind| [(kind.as_str(), "success"), (kind.as_str(), "refused")];
            metrics::begin(Kind::ALL.iter().flat_map(outcomes), state.clock.now());
            let (shell, shutdown) = (app::metrics_shell(state), Shutdown::new());
            let serving = server::serve(Listener::new(listener, None), shell, limits(), shutdown.clone());
            (shutdown, tokio::spawn(serving))
        });
        let traces = self.traces.map(|(exporter, receiver)| {
            let (stop, stops) = oneshot::channel::<()>();
            let exporting = exporter.run(receiver, async {
                // Either way there is nothing more to come.
                let _ = stops.await;
            });
            (stop, tokio::spawn(exporting))
        });
        Running { figures, traces }
    }
}

impl Running {
    /// After everything else: the figures and traces of the end are of use too.
    pub(super) async fn stop(self) {
        if let Some((stop, mut exporting)) = self.traces {
            drop(stop);
            if timeout(FLUSH, &mut exporting).await.is_err() {
                tracing::warn!("the last traces were not taken in time");
                exporting.abort();
            }
        }
        if let Some((shutdown, serving)) = self.figures {
            shutdown.request();
            serving.abort();
        }
    }
}

/// The files that this may have open.
pub(super) fn files(config: &Config) -> usize {
    if config.metrics.address().is_some() { CONNECTIONS + 1 } else { 0 }
}

fn limits() -> Limits {
    let server =
        ServerConfig { max_connections: CONNECTIONS, max_connections_per_address: CONNECTIONS, ..ServerConfig::default() };
    Limits::from(&server)
}
