//! What is counted and recorded of a request to another server.

use http::{Method, StatusCode};

use crate::telemetry::metrics::{OUTBOUND, OUTBOUND_TIME, Timer};
use crate::telemetry::spans::{self, Span};

/// Of one request, until it is dropped.
pub(super) struct Figures {
    purpose: &'static str,
    span: Span,
    _time: Timer,
}

impl Figures {
    pub(super) fn begin(purpose: &'static str, method: &Method) -> Self {
        let span = spans::asking(|| format!("{method} {purpose}"));
        Self { purpose, span, _time: OUTBOUND_TIME.timer() }
    }

    pub(super) fn end(&mut self, outcome: &'static str) {
        OUTBOUND.count(self.purpose, outcome);
        self.span.outcome(outcome);
    }
}

pub(super) const fn class(status: StatusCode) -> &'static str {
    match status.as_u16() / 100 {
        2 => "2xx",
        3 => "3xx",
        4 => "4xx",
        5 => "5xx",
        _ => "1xx",
    }
}
