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
    /// All but so many spans.
    Taken(u64),
    /// It would be again.
    Refused,
    Later,
    /// The collector failed a moment ago, and was not asked.
    Unasked,
}

impl Sent {
    /// Whether to try once more, after so many attempts.
    fn is_to_be_again(&self, attempts: &mut u32) -> bool {
        match self {
            Self::Taken(_) | Self::Refused => false,
            Self::Later => {
                *attempts += 1;
                *attempts < ATTEMPTS
            }
            // No attempt: what waits is bounded, however long that goes on.
            Self::Unasked => true,
        }
    }
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
                    let sent = self.send(&batch).await;
                    if sent.is_to_be_again(&mut attempts) {
                        due = Instant::now() + PAUSE;
                    } else {
                        count(&sent, &batch);
                        batch.clear();
                        attempts = 0;
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
            Ok(answer) if answer.status.is_success() => taken(&answer.body),
            Ok(answer) => {
                tracing::warn!(status = answer.status.as_u16(), "the collector of traces does not take them");
                if is_passing(answer.status) { Sent::Later } else { Sent::Refused }
            }
            // It was told a moment ago.
            Err(failure) if failure.is_unasked() => Sent::Unasked,
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

/// What an answer of success says: whoever else may answer so, such as a page to log in at, has taken nothing.
fn taken(body: &[u8]) -> Sent {
    match otlp::rejected(body) {
        Some(0) => Sent::Taken(0),
        Some(rejected) => {
            tracing::warn!(rejected, "the collector of traces does not take some of them");
            Sent::Taken(rejected)
        }
        None => {
            tracing::warn!("what answers at telemetry.otlp_endpoint is no collector of traces that takes JSON");
            Sent::Refused
        }
    }
}

fn count(sent: &Sent, batch: &[Ended]) {
    let all = otlp::count(batch);
    let dropped = if let Sent::Taken(rejected) = sent { all.min(*rejected) } else { all };
    SPANS.add("exported", "", all - dropped);
    SPANS.add("dropped", "", dropped);
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
    fn a_collector_that_was_not_asked_has_refused_nothing() {
        let mut attempts = 0;
        assert!((0..100).all(|_| Sent::Unasked.is_to_be_again(&mut attempts)));
        let tried = [(); 3].map(|()| {
            assert!(Sent::Unasked.is_to_be_again(&mut attempts));
            Sent::Later.is_to_be_again(&mut attempts)
        });
        assert_eq!(tried, [true, true, false]);
        assert!(!Sent::Refused.is_to_be_again(&mut 0) && !Sent::Taken(1).is_to_be_again(&mut 0));
    }

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
