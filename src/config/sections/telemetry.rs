//! What operators see of the server.

use std::net::SocketAddr;
use std::path::PathBuf;

use crate::config::section;

section! {
    /// Figures for Prometheus, at `/metrics` on a listener of their own: never where the public asks.
    MetricsConfig {
        /// Address and port of that listener, such as `127.0.0.1:9090`. Whoever reaches it may read the figures: no addresses, names or
        /// secrets, but how much is going on. Without it there is none, and requests are not counted.
        listen: String = String::new();
    }
}

impl MetricsConfig {
    /// Where to listen, if anywhere.
    pub fn address(&self) -> Option<SocketAddr> {
        self.listen.parse().ok()
    }
}

section! {
    /// Traces for OpenTelemetry, sent over OTLP (HTTP with JSON). A login is one trace, from the authorization request to the code.
    TelemetryConfig {
        /// The collector's URL, such as `http://localhost:4318`; `/v1/traces` is added. Without it nothing is recorded.
        otlp_endpoint: String = String::new();
        /// A file with header fields for the collector, one `name: value` on a line: where it wants a token.
        otlp_headers_file: PathBuf = PathBuf::new();
        /// The share of the traces that is collected, from 0 to 1.
        sample_ratio: f64 = 1.0;
        /// Go on with the traces of the proxies in `server.trusted_proxies`, whose `traceparent` then says what is collected too. Only where they
        /// take it out of what strangers send: an ordinary proxy passes it on, and anybody could flood the collector.
        trust_traceparent: bool = false;
        /// `service.name` of the spans.
        service_name: String = "ostiary".to_owned();
    }
}

impl TelemetryConfig {
    pub const fn is_on(&self) -> bool {
        !self.otlp_endpoint.is_empty()
    }
}
