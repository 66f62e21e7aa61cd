//! Logging: one line an event on standard error, as text or JSON, each with the trace id of the request it belongs to.
//!
//! The trace id is not kept in a tracing span: a span costs about a microsecond a request, on requests that log nothing. It
//! is a thread-local instead, set while a request's future is polled ([`in_trace`]).

pub mod findings;
pub mod metrics;
pub mod otlp;
pub mod spans;

use std::cell::Cell;
use std::fmt::{self, Write as _};

use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use crate::clock::Clock;
use crate::config::{LogConfig, LogFormat};
use crate::random;

/// Names one request in its answer (`x-request-id`), in the log and in the audit log: 128 bits as 32 hexadecimal
/// digits, the shape of a W3C trace id. Its second half is random, and most of the first.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceId([u8; 32]);

impl TraceId {
    /// A new one.
    pub fn random() -> Self {
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        thread_local! {
            static SERIES: random::Series = const { random::Series::new() };
        }
        let mut text = [0; 32];
        for (pair, byte) in text.chunks_exact_mut(2).zip(SERIES.with(random::Series::next)) {
            pair[0] = DIGITS[usize::from(byte >> 4)];
            pair[1] = DIGITS[usize::from(byte & 15)];
        }
        Self(text)
    }

    /// Reads one as answers and the log show it. What is not of this shape names nothing.
    pub fn parse(text: &str) -> Option<Self> {
        let digits: [u8; 32] = text.as_bytes().try_into().ok()?;
        digits.iter().all(|digit| matches!(digit, b'0'..=b'9' | b'a'..=b'f')).then_some(Self(digits))
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

thread_local! {
    static TRACE: Cell<Option<TraceId>> = const { Cell::new(None) };
}

/// Runs `work` with `trace_id` on every line that it logs.
pub fn in_trace<T>(trace_id: TraceId, work: impl FnOnce() -> T) -> T {
    /// Puts the former value back, in a panic too.
    struct Restore(Option<TraceId>);
    impl Drop for Restore {
        fn drop(&mut self) {
            TRACE.set(self.0);
        }
    }
    let _restore = Restore(TRACE.replace(Some(trace_id)));
    work()
}

/// The trace id of the request that this thread is working on.
pub fn current_trace() -> Option<TraceId> {
    TRACE.get()
}

/// `log.filter` can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("configuration: 'log.filter' is not a tracing filter such as info or ostiary=debug")]
pub struct InvalidFilter;

/// Begins to log. A program does this once; a second call changes nothing.
pub fn init(config: &LogConfig) -> Result<(), InvalidFilter> {
    // It takes what anybody sends that is not well-formed for errors of the server's; the audit log has the refusal.
    let filter = format!("webauthn_rs_core=off,{}", config.filter);
    let filter = EnvFilter::try_new(filter).map_err(|_| InvalidFilter)?;
    // A second subscriber is refused: tests start the server many times in one process.
    if tracing::subscriber::set_global_default(subscriber(config.format, filter, std::io::stderr)).is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(())
}

fn subscriber<W>(format: LogFormat, filter: EnvFilter, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    tracing_subscriber::fmt().with_env_filter(filter).event_format(Lines(format)).with_writer(writer).finish()
}

/// Where it happened, and the message if it is a constant: one put together at run time might hold anything.
fn log_panic(panic: &std::panic::PanicHookInfo<'_>) {
    let location = panic.location().map(ToString::to_string).unwrap_or_default();
    let message = panic.payload().downcast_ref::<&'static str>().copied().unwrap_or("(not shown)");
    tracing::error!(%location, message, "panic");
}

struct Lines(LogFormat);

impl<S, N> FormatEvent<S, N> for Lines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'w> FormatFields<'w> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = Line { time: now(), trace_id: current_trace(), event, fields };
        match self.0 {
            LogFormat::Text => line.write_text(writer),
            LogFormat::Json => line.write_json(writer),
        }
    }
}

struct Line<'a> {
    time: String,
    trace_id: Option<TraceId>,
    event: &'a Event<'a>,
    fields: Fields,
}

impl Line<'_> {
    fn write_text(self, mut writer: Writer<'_>) -> fmt::Result {
        let metadata = self.event.metadata();
        write!(writer, "{} {:>5} {}: {}", self.time, metadata.level(), metadata.target(), printable(&self.fields.message))?;
        for (name, value) in &self.fields.others {
            // As JSON: quoted, and every control character escaped.
            write!(writer, " {name}={value}")?;
        }
        if let Some(trace_id) = self.trace_id {
            write!(writer, " trace_id={trace_id}")?;
        }
        writeln!(writer)
    }

    fn write_json(self, mut writer: Writer<'_>) -> fmt::Result {
        let metadata = self.event.metadata();
        let mut line = Map::new();
        line.insert("time".into(), self.time.into());
        line.insert("level".into(), metadata.level().as_str().into());
        line.insert("target".into(), metadata.target().into());
        line.insert("message".into(), printable(&self.fields.message).into());
        if let Some(trace_id) = self.trace_id {
            line.insert("trace_id".into(), trace_id.as_str().into());
        }
        line.insert("fields".into(), Value::Object(self.fields.others));
        writeln!(writer, "{}", Value::Object(line))
    }
}

/// The message without anything that could begin a line or move the cursor of a terminal.
fn printable(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, character| {
        if character.is_control() || matches!(character, '\u{2028}' | '\u{2029}') {
            _ = write!(line, "{}", character.escape_unicode());
        } else {
            line.push(character);
        }
        line
    })
}

#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, Value::String(text)) => _ = self.others.insert(name.to_owned(), printable(&text).into()),
            (name, value) => _ = self.others.insert(name.to_owned(), value),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, value.into());
    }
}

/// RFC 3339, in UTC.
fn now() -> String {
    let micros = i128::from(Clock::system().now().as_micros());
    let time = time::OffsetDateTime::from_unix_timestamp_nanos(micros * 1_000).unwrap_or(time::OffsetDateTime::UNIX_EPOCH);
    time.format(&time::format_description::well_known::Rfc3339).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    /// What is logged while `work` runs.
    pub(crate) fn logged(format: LogFormat, filter: &str, work: impl FnOnce()) -> String {
        let buffer = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&buffer);
        let subscriber = subscriber(format, EnvFilter::new(filter), move || Buffer(Arc::clone(&writer)));
        tracing::subscriber::with_default(subscriber, work);
        String::from_utf8(std::mem::take(&mut *buffer.lock().unwrap())).unwrap()
    }

    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_line_of_a_request_carries_its_trace_id_in_both_formats() {
        let trace_id = TraceId::random();
        let text = logged(LogFormat::Text, "info", || in_trace(trace_id, || tracing::info!(count = 3, "hello")));
        assert!(text.ends_with(&format!(" INFO ostiary::telemetry::tests: hello count=3 trace_id={trace_id}\n")), "{text}");

        let json = logged(LogFormat::Json, "info", || in_trace(trace_id, || tracing::warn!(name = "a", "hello")));
        let line: Value = serde_json::from_str(&json).unwrap();
        assert_eq!(line["trace_id"], trace_id.as_str());
        assert_eq!((&line["level"], &line["message"], &line["fields"]["name"]), (&"WARN".into(), &"hello".into(), &"a".into()));

        assert!(!logged(LogFormat::Text, "info", || tracing::info!("outside")).contains("trace_id"));
    }

    #[test]
    fn a_trace_ends_with_its_work_even_when_that_panics() {
        let (outer, inner) = (TraceId::random(), TraceId::random());
        in_trace(outer, || {
            let panicked = std::panic::catch_unwind(|| in_trace(inner, || std::panic::resume_unwind(Box::new(()))));
            assert!(panicked.is_err());
            assert_eq!(current_trace(), Some(outer));
        });
        assert_eq!(current_trace(), None);
    }

    #[test]
    fn nothing_that_is_logged_begins_a_line_of_its_own() {
        let evil = "a\r\nFAKE \u{1b}[31m \u{2028}";
        for format in [LogFormat::Text, LogFormat::Json] {
            let line = logged(format, "info", || tracing::info!(field = evil, debug = ?evil, "{evil}"));
            assert_eq!(line.matches('\n').count(), 1, "{line:?}");
            assert!(!line.contains(['\r', '\u{1b}', '\u{2028}']), "{line:?}");
        }
    }

    #[test]
    fn a_trace_id_is_32_hexadecimal_digits_and_never_the_same() {
        let (one, other) = (TraceId::random(), TraceId::random());
        assert_ne!(one, other);
        assert_eq!(one.as_str().len(), 32);
        assert!(one.as_str().bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte)));
    }

    #[test]
    fn a_filter_that_can_not_be_read_is_named() {
        let config = LogConfig { filter: "ostiary=loud,,=".into(), ..LogConfig::default() };
        assert_eq!(init(&config), Err(InvalidFilter));
    }
}
