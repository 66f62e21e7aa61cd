//! Sends recorded requests to a collector (OTLP over HTTP), in batches. A collector that does not work costs nobody anything: what it
//! does not take is tried again a few times and then dropped, and counted.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use tokio::time::{Instant, sleep_until};
use url::Url;

use crate::clock::Clock;
use crate::config::Config;
use crate::outbound::http::{Outbound, UnusableAuthorities};
use crate::random;
use crate::telemetry::metrics::SPANS;
use crate::telemetry::otlp::{self, Service};
use crate::telemetry::spans::{Ended, Receiver};

/// How long a request waits for others.
const WINDOW: Duration = Duration::from_secs(1);

/// Before a batch that was not taken is tried again.
const PAUSE: Duration = Duration::from_secs(5);

/// Requests sent at once.
const MOST: usize = 512;

/// How often a batch is tried.
const ATTEMPTS: u32 = 3;

/// The collector can't be used.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    #[error("'telemetry.otlp_endpoint' is not a URL")]
    Url,
    #[error("'telemetry.otlp_headers_file' {0} can't be read, or holds something else than lines like 'name: value'")]
    Headers(PathBuf),
    #[error(transparent)]
    Authorities(#[from] UnusableAuthorities),
}

/// Sends traces.
#[derive(Debug)]
pub struct Exporter {
    url: Url,
    fields: HeaderMap,
    outbound: Outbound,
    service: Service,
}

/// What became of a batch.
enum Sent {
    Taken,
    /// It would be again.
    Refused,
    Later,
}

impl Exporter {
    pub fn new(config: &Config, clock: &Clock) -> Result<Self, Unusable> {
        let telemetry = &config.telemetry;
        let base = telemetry.otlp_endpoint.trim_end_matches('/');
        let url = Url::parse(&format!("{base}/{}", otlp::PATH)).map_err(|_| Unusable::Url)?;
        let outbound = Outbound::for_operator(&config.outbound, &url, clock, "traces")?;
        let service = Service { name: telemetry.service_name.clone(), instance: random::uuid() };
        Ok(Self { url, fields: fields(&telemetry.otlp_headers_file)?, outbound, service })
    }

    /// Sends until `shutdown` resolves; then what is left, once.
    pub async fn run(self, mut ended: Receiver, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let (mut batch, mut attempts) = (Vec::new(), 0);
        let mut due = Instant::now();
        loop {
            let (is_empty, room) = (batch.is_empty(), MOST - batch.len());
            tokio::select! {
                () = &mut shutdown => break,
                received = ended.recv_many(&mut batch, room), if room > 0 => {
                    if received == 0 {
                        break;
                    }
                    if is_empty {
                        due = Instant::now() + WINDOW;
                    }
                    if received == room && attempts == 0 {
                        due = Instant::now();
                    }
                }
                () = sleep_until(due), if !is_empty => {
                    attempts += 1;
                    match self.send(&batch).await {
                        Sent::Later if attempts < ATTEMPTS => due = Instant::now() + PAUSE,
                        sent => {
                            count(&sent, &batch);
                            batch.clear();
                            attempts = 0;
                        }
                    }
                }
            }
        }
        ended.close();
        while ended.recv_many(&mut batch, MOST).await > 0 {}
        for batch in batch.chunks(MOST) {
            count(&self.send(batch).await, batch);
        }
    }

    async fn send(&self, batch: &[Ended]) -> Sent {
        let body = otlp::request(&self.service, batch);
        match self.outbound.send(Method::POST, &self.url, self.fields.clone(), body.into()).await {
            Ok(answer) if answer.status.is_success() => Sent::Taken,
            Ok(answer) => {
                tracing::warn!(status = answer.status.as_u16(), "the collector of traces does not take them");
                if is_passing(answer.status) { Sent::Later } else { Sent::Refused }
            }
            // It was told a moment ago.
            Err(failure) if failure.is_unasked() => Sent::Later,
            Err(failure) => {
                tracing::warn!(%failure, "the collector of traces can't be reached");
                Sent::Later
            }
        }
    }
}

/// Those after which OTLP says to try again.
fn is_passing(status: StatusCode) -> bool {
    matches!(status.as_u16(), 429 | 502 | 503 | 504)
}

fn count(sent: &Sent, batch: &[Ended]) {
    SPANS.add(if matches!(sent, Sent::Taken) { "exported" } else { "dropped" }, "", otlp::count(batch));
}

/// The fields of a request, with those of the file unless its name is empty.
fn fields(file: &Path) -> Result<HeaderMap, Unusable> {
    let mut fields = HeaderMap::new();
    fields.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if file.as_os_str().is_empty() {
        return Ok(fields);
    }
    let unusable = || Unusable::Headers(file.to_owned());
    let text = fs::read_to_string(file).map_err(|_| unusable())?;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (name, value) = line.split_once(':').ok_or_else(unusable)?;
        let name = HeaderName::try_from(name.trim()).map_err(|_| unusable())?;
        let mut value = HeaderValue::try_from(value.trim()).map_err(|_| unusable())?;
        value.set_sensitive(true);
        fields.insert(name, value);
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fields_of_the_file_are_sent_and_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("headers");
        fs::write(&file, "authorization: Bearer hunter2\n\nx-tenant: a\n").unwrap();
        let fields = fields(&file).unwrap();
        assert_eq!((fields["authorization"].as_bytes(), fields["x-tenant"].as_bytes()), (&b"Bearer hunter2"[..], &b"a"[..]));
        assert!(!format!("{fields:?}").contains("hunter2"));
        fs::write(&file, "hunter2\n").unwrap();
        let complaint = super::fields(&file).unwrap_err().to_string();
        assert!(complaint.contains("otlp_headers_file") && !complaint.contains("hunter2"), "{complaint}");
        assert!(matches!(super::fields(&folder.path().join("none")), Err(Unusable::Headers(_))));
    }
}
