//! Who records requests, and hands over those that are collected.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::StatusCode;
use tokio::sync::mpsc;

use super::{Context, Recording, SpanId};
use crate::protocol::time::Timestamp;
use crate::telemetry::TraceId;
use crate::telemetry::metrics::{Endpoint, SPANS};

/// Requests that may wait to be exported.
const CAPACITY: usize = 2_048;

/// Spans of all of them, which are what takes memory: about 200 bytes each.
const MOST_SPANS: usize = 16_384;

/// Records requests. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Recorder {
    /// Traces whose id is below this are collected.
    below: u64,
    /// Whether `traceparent` counts, where it comes from a trusted proxy.
    heeds_parents: bool,
    sender: mpsc::Sender<Ended>,
    /// Spans that were handed over and are not exported yet.
    waiting: Arc<AtomicUsize>,
}

/// What was recorded and is to be exported.
pub type Receiver = mpsc::Receiver<Ended>;

/// A request that has been answered.
#[derive(Debug)]
pub struct Ended {
    pub recording: Box<Recording>,
    pub method: &'static str,
    pub endpoint: Endpoint,
    pub status: StatusCode,
    /// What it takes of the memory for all.
    _room: Room,
}

/// Room for so many spans, until it is dropped.
#[derive(Debug)]
struct Room(usize, Arc<AtomicUsize>);

impl Room {
    fn take(spans: usize, waiting: &Arc<AtomicUsize>) -> Option<Self> {
        let taken = Self(spans, Arc::clone(waiting));
        (waiting.fetch_add(spans, Ordering::Relaxed) + spans <= MOST_SPANS).then_some(taken)
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.1.fetch_sub(self.0, Ordering::Relaxed);
    }
}

/// A recorder that collects this share of the traces, and what comes out of it.
pub fn queue(ratio: f64) -> (Recorder, Receiver) {
    let (sender, receiver) = mpsc::channel(CAPACITY);
    (Recorder { below: share(ratio), heeds_parents: false, sender, waiting: Arc::default() }, receiver)
}

/// Of all numbers of 64 bits.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss, reason = "`as` saturates")]
fn share(ratio: f64) -> u64 {
    (ratio.clamp(0.0, 1.0) * u64::MAX as f64) as u64
}

impl Recorder {
    /// Goes on with traces of trusted proxies: an ordinary one passes on what strangers send, so that is asked for.
    #[must_use]
    pub fn heeding_parents(self, heeds_parents: bool) -> Self {
        Self { heeds_parents, ..self }
    }

    pub const fn heeds_parents(&self) -> bool {
        self.heeds_parents
    }

    /// A request begins: a trace of its own, or a part of another program's, which then has decided whether it is collected.
    pub fn begin(&self, request_id: TraceId, at: Timestamp, traceparent: Option<&str>) -> Box<Recording> {
        let earlier = traceparent.and_then(Context::parse);
        let span = SpanId::random();
        let context = match earlier {
            Some(earlier) => Context { span, ..earlier },
            None => Context { trace: request_id, span, sampled: self.collects(request_id) },
        };
        Box::new(Recording::new(context, earlier.map(|earlier| earlier.span), request_id, at))
    }

    /// It is answered. Never waits: what does not fit is counted.
    pub fn end(&self, mut recording: Box<Recording>, method: &str, endpoint: Endpoint, status: StatusCode) {
        if !recording.context.sampled {
            return;
        }
        recording.took = recording.began.elapsed();
        let spans = recording.spans.len() + 1;
        let ended = Room::take(spans, &self.waiting).map(|room| Ended {
            recording,
            method: known(method),
            endpoint,
            status,
            _room: room,
        });
        if ended.is_none_or(|ended| self.sender.try_send(ended).is_err()) {
            SPANS.add("dropped", "", spans as u64);
        }
    }

    /// By the second half of the id, which is random: every node decides the same.
    fn collects(&self, trace: TraceId) -> bool {
        let number = trace.as_str().get(16..).and_then(|digits| u64::from_str_radix(digits, 16).ok());
        self.below == u64::MAX || number.is_some_and(|number| number < self.below)
    }
}

/// OpenTelemetry's word for a method that nobody knows.
fn known(method: &str) -> &'static str {
    const METHODS: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    METHODS.into_iter().find(|known| *known == method).unwrap_or("_OTHER")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn about_the_share_that_is_asked_for_is_collected() {
        let collected = |ratio| {
            let (recorder, _receiver) = queue(ratio);
            (0..4_000).filter(|_| recorder.collects(TraceId::random())).count()
        };
        assert_eq!((collected(0.0), collected(1.0)), (0, 4_000));
        assert!((800..1_200).contains(&collected(0.25)), "a thousand, give or take");
    }

    #[test]
    fn another_program_that_is_believed_decides() {
        let (recorder, _receiver) = queue(0.0);
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let at = Timestamp::from_seconds(1);
        let recording = recorder.begin(TraceId::random(), at, Some(parent));
        assert!(recording.context.sampled);
        assert_eq!(recording.context.trace.as_str(), "0af7651916cd43dd8448eb211c80319c");
        assert_eq!(recording.parent.map(|span| span.to_string()).as_deref(), Some("b7ad6b7169203331"));
        let own = recorder.begin(TraceId::random(), at, Some("nonsense"));
        assert_eq!((own.context.trace, own.context.sampled, own.parent), (own.request_id, false, None));
    }

    #[test]
    fn a_full_queue_drops_and_does_not_wait() {
        let (recorder, mut receiver) = queue(1.0);
        for _ in 0..CAPACITY + 5 {
            let recording = recorder.begin(TraceId::random(), Timestamp::from_seconds(1), None);
            recorder.end(recording, "BREW", Endpoint::NONE, StatusCode::OK);
        }
        let mut kept = 0;
        while let Ok(ended) = receiver.try_recv() {
            assert_eq!(ended.method, "_OTHER");
            kept += 1;
        }
        assert_eq!(kept, CAPACITY);
    }

    #[test]
    fn requests_of_many_spans_take_the_room_of_many() {
        use crate::telemetry::spans::{MAX_SPANS, collect, span};
        let (recorder, mut receiver) = queue(1.0);
        let send = || {
            let mut recording = Some(recorder.begin(TraceId::random(), Timestamp::from_seconds(1), None));
            collect(&mut recording, || (0..MAX_SPANS).for_each(|_| drop(span("a"))));
            recorder.end(recording.unwrap(), "GET", Endpoint::NONE, StatusCode::OK);
        };
        let fit = MOST_SPANS / (MAX_SPANS + 1);
        (0..fit + 5).for_each(|_| send());
        let mut held = Vec::new();
        while let Ok(ended) = receiver.try_recv() {
            held.push(ended);
        }
        assert_eq!(held.len(), fit);
        // What is being exported takes its room still.
        send();
        assert!(receiver.try_recv().is_err());
        held.clear();
        send();
        assert!(receiver.try_recv().is_ok());
    }
}
