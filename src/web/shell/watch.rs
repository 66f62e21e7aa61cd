//! What is done with what is seen of a request from outside: it is counted and measured, gets a line in the log, and becomes a span
//! of a trace; as far as anybody wants to know.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Instant;

use http::{Method, Request, StatusCode, Uri};

use crate::clock::Clock;
use crate::protocol::time::Timestamp;
use crate::telemetry::metrics::{ABANDONED, Endpoint, IN_FLIGHT, REQUESTS};
use crate::telemetry::spans::{Recorder, Recording};
use crate::telemetry::{TraceId, in_trace};

/// Who wants to know what. By default nobody anything.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    /// Requests are counted.
    pub counts: bool,
    /// Each has a line in the log.
    pub lines: bool,
    /// They are recorded.
    pub recorder: Option<Recorder>,
}

/// What was asked for and by whom, as far as it is looked at after the answer.
#[derive(Debug)]
pub(super) struct Asked {
    /// None where the request could not be read.
    pub(super) method: Option<Method>,
    uri: Uri,
    /// How much of its path is the issuer's.
    base: usize,
    pub(super) address: IpAddr,
    /// When.
    pub(super) at: Timestamp,
}

impl Asked {
    /// `base` is the issuer's path.
    pub(super) fn new<B>(request: &Request<B>, base: &str, address: IpAddr, at: Timestamp) -> Self {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let base = if uri.path().starts_with(base) { base.len() } else { 0 };
        Self { method: Some(method), uri, base, address, at }
    }

    /// A request that could not be read.
    pub(super) fn nothing(at: Timestamp) -> Self {
        Self { method: None, uri: Uri::default(), base: 0, address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), at }
    }

    /// The path below the issuer's.
    pub(super) fn path(&self) -> &str {
        self.uri.path().get(self.base..).unwrap_or_default()
    }
}

/// Letters of a method that a line shows.
const METHOD: usize = 16;

impl Watch {
    /// A request begins.
    pub(super) fn begin<B>(
        &self,
        trace_id: TraceId,
        at: Timestamp,
        request: &Request<B>,
        is_trusted: impl FnOnce() -> bool,
    ) -> Option<Box<Recording>> {
        if self.counts {
            IN_FLIGHT.count();
        }
        let recorder = self.recorder.as_ref()?;
        // Who may say what belongs to which trace may have everything recorded.
        let parent = request.headers().get("traceparent").filter(|_| recorder.heeds_parents() && is_trusted());
        Some(recorder.begin(trace_id, at, parent.and_then(|parent| parent.to_str().ok())))
    }

    /// A request is answered. One that could not even be read never began.
    pub(super) fn answered(
        &self,
        asked: &Asked,
        trace_id: TraceId,
        (status, clock): (StatusCode, &Clock),
        recording: Option<Box<Recording>>,
    ) {
        if !self.counts && !self.lines && recording.is_none() {
            return;
        }
        let endpoint = if asked.method.is_some() { Endpoint::of(asked.path()) } else { Endpoint::NONE };
        let micros = u64::try_from(clock.now().as_micros() - asked.at.as_micros()).unwrap_or_default();
        if self.counts {
            if asked.method.is_some() {
                IN_FLIGHT.discount();
            }
            REQUESTS.answered(endpoint, asked.method.as_ref(), status, micros);
        }
        let method = asked.method.as_ref().map_or("-", Method::as_str);
        if self.lines {
            let (endpoint, status) = (endpoint.as_str(), status.as_u16());
            // A stranger may make up long ones.
            let method = method.get(..METHOD).unwrap_or(method);
            in_trace(trace_id, || tracing::info!(target: "ostiary::requests", method, endpoint, status, micros, "answered"));
        }
        if let (Some(recorder), Some(recording)) = (&self.recorder, recording) {
            recorder.end(recording, method, endpoint, status);
        }
    }

    /// A client went away before the answer.
    pub(super) fn abandoned(&self) {
        if self.counts {
            ABANDONED.count();
        }
    }

    /// The program ends before the answer.
    pub(super) fn cut_off(&self) {
        if self.counts {
            IN_FLIGHT.discount();
        }
    }
}

/// A request's line in the log, which is written at the level `debug` only.
#[derive(Debug)]
pub(super) struct LogLine {
    method: Method,
    /// Without the query: codes and tokens stand there.
    path: String,
    began: Instant,
}

impl LogLine {
    pub(super) fn begin<B>(request: &Request<B>) -> Option<Box<Self>> {
        tracing::enabled!(tracing::Level::DEBUG).then(|| {
            let (method, path) = (request.method().clone(), request.uri().path().to_owned());
            Box::new(Self { method, path, began: Instant::now() })
        })
    }

    pub(super) fn end(&self, status: StatusCode) {
        let micros = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        tracing::debug!(method = self.method.as_str(), path = self.path, status = status.as_u16(), micros, "answered");
    }
}
