//! How a request went: spans in the sense of OpenTelemetry, for those who collect them.
//!
//! What is recorded stands in a thread-local that is set while the request's future is polled, as findings are. So any room can say
//! what it is doing; where nobody records, that costs a look at the thread-local. Nothing is decided about a trace before its
//! request has ended: then it is handed to a bounded queue, or dropped.
//!
//! A span says what was done and how long it took. It never holds what somebody sent.

mod context;
mod recorder;

use std::cell::Cell;
use std::time::{Duration, Instant};

pub use self::context::{Context, SpanId};
pub use self::recorder::{Ended, Receiver, Recorder, queue};
use super::TraceId;
use crate::protocol::time::Timestamp;

/// The most spans of one request.
const MAX_SPANS: usize = 128;

thread_local! {
    static CURRENT: Cell<Option<Box<Recording>>> = const { Cell::new(None) };
}

/// One request as it is recorded.
#[derive(Debug)]
pub struct Recording {
    /// Where it stands: its trace, and its own span.
    pub context: Context,
    /// The span that it follows from, of another request or another program.
    pub parent: Option<SpanId>,
    /// The request's own name.
    pub request_id: TraceId,
    pub at: Timestamp,
    began: Instant,
    pub took: Duration,
    pub spans: Vec<Recorded>,
    /// Spans for which there was no room.
    pub missing: u32,
    /// The span that is under way.
    innermost: Option<usize>,
}

/// A part of it.
#[derive(Debug)]
pub struct Recorded {
    pub name: String,
    pub kind: Kind,
    /// The one that it is a part of; else it is the request's.
    pub within: Option<usize>,
    /// Both after the begin of the request.
    pub from: Duration,
    pub until: Duration,
    /// What came of it, where that is known.
    pub outcome: Option<&'static str>,
}

/// What a span is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Internal,
    /// Another server does it: the database, or one that is asked over HTTP.
    Client,
}

impl Recording {
    fn new(context: Context, parent: Option<SpanId>, request_id: TraceId, at: Timestamp) -> Self {
        let (began, took) = (Instant::now(), Duration::ZERO);
        Self { context, parent, request_id, at, began, took, spans: Vec::new(), missing: 0, innermost: None }
    }

    /// The id of one of its spans: those of one request are numbered from the request's own on.
    pub fn id_of(&self, index: usize) -> SpanId {
        self.context.span.after(index)
    }

    fn begin(&mut self, name: String, kind: Kind) -> Option<usize> {
        let index = self.spans.len();
        if index >= MAX_SPANS {
            self.missing += 1;
            return None;
        }
        let from = self.began.elapsed();
        self.spans.push(Recorded { name, kind, within: self.innermost, from, until: from, outcome: None });
        self.innermost = Some(index);
        Some(index)
    }

    fn end(&mut self, index: usize, outcome: Option<&'static str>) {
        let until = self.began.elapsed();
        if let Some(span) = self.spans.get_mut(index) {
            (span.until, span.outcome) = (until, outcome);
            self.innermost = span.within;
        }
    }
}

/// Runs `work` as a part of what is recorded, if it is.
pub fn collect<T>(recording: &mut Option<Box<Recording>>, work: impl FnOnce() -> T) -> T {
    /// Takes back what was recorded, in a panic too.
    struct Collecting<'a> {
        recording: &'a mut Option<Box<Recording>>,
        former: Option<Box<Recording>>,
    }
    impl Drop for Collecting<'_> {
        fn drop(&mut self) {
            *self.recording = CURRENT.replace(self.former.take());
        }
    }
    if recording.is_none() {
        return work();
    }
    let former = CURRENT.replace(recording.take());
    let _collecting = Collecting { recording, former };
    work()
}

/// Something that is being done; until this is dropped.
#[must_use = "a span ends when it is dropped"]
#[derive(Debug)]
pub struct Span {
    index: Option<usize>,
    outcome: Option<&'static str>,
}

/// Begins a part of the request under way.
pub fn span(name: &'static str) -> Span {
    begin(|| name.to_owned(), Kind::Internal)
}

/// The same, of something that another server does. The name is made only if it is recorded.
pub fn asking(name: impl FnOnce() -> String) -> Span {
    begin(name, Kind::Client)
}

/// A statement of the database, named by what it does to which table. Its text holds no values.
pub fn statement(sql: &'static str) -> Span {
    asking(|| summary(sql))
}

/// Several that go there together.
pub fn statements(sql: impl Iterator<Item = &'static str>) -> Span {
    asking(|| sql.map(summary).collect::<Vec<_>>().join(", "))
}

fn begin(name: impl FnOnce() -> String, kind: Kind) -> Span {
    let index = change(|recording| recording.begin(name(), kind)).flatten();
    Span { index, outcome: None }
}

impl Span {
    /// What came of it: a word of the program's.
    pub fn outcome(&mut self, word: &'static str) {
        self.outcome = Some(word);
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if let Some(index) = self.index {
            change(|recording| recording.end(index, self.outcome));
        }
    }
}

/// Where the request under way stands at this moment, for whoever goes on with it elsewhere.
pub fn context() -> Option<Context> {
    change(|recording| {
        let span = recording.innermost.map_or(recording.context.span, |index| recording.id_of(index));
        Context { span, ..recording.context }
    })
}

/// Where the request as a whole stands, for the requests that follow from it.
pub fn root() -> Option<Context> {
    change(|recording| recording.context)
}

/// The request under way turns out to go on with what began in another one: from now on it is a part of that trace.
pub fn adopt(earlier: Context) {
    change(|recording| {
        recording.context = Context { span: recording.context.span, ..earlier };
        recording.parent = Some(earlier.span);
    });
}

/// Where nothing is recorded there is nothing to change.
fn change<T>(change: impl FnOnce(&mut Recording) -> T) -> Option<T> {
    let mut recording = CURRENT.take()?;
    let result = change(&mut recording);
    CURRENT.set(Some(recording));
    Some(result)
}

/// The verb, and the table after `FROM`, `INTO` or `UPDATE`: `SELECT clients`.
fn summary(sql: &str) -> String {
    let mut words = sql.split_whitespace();
    let verb = words.next().unwrap_or_default();
    let table = match verb {
        "UPDATE" => words.next(),
        "INSERT" => words.nth(1),
        _ => words.skip_while(|word| *word != "FROM").nth(1),
    };
    let is_name = |character: char| character.is_ascii_alphanumeric() || character == '_';
    let table = table.map(|table| table.split(|character| !is_name(character)).next().unwrap_or_default());
    table.filter(|table| !table.is_empty()).map_or_else(|| verb.to_owned(), |table| format!("{verb} {table}"))
}

#[cfg(test)]
mod tests;
