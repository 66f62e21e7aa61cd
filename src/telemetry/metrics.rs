//! What the server counts and measures, for Prometheus (text format 0.0.4, and OpenMetrics 1.0).
//!
//! A figure is a static of the process, as the process is what is looked at: any room adds to one without being handed anything.
//! A request pays an atomic addition or a few, and one more reading of the clock while somebody may ask for the figures; it takes no
//! lock and allocates nothing.
//!
//! How many series there are does not depend on what anybody sends: a label is a word of the program's own text (`&'static str`), or
//! stands in one of its tables ([`endpoint`]). Nobody's name, address or identifier is one.

mod count;
pub mod endpoint;
pub mod family;
mod histogram;
pub mod process;
mod requests;
mod text;

pub use self::count::{Counter, Counts};
pub use self::endpoint::Endpoint;
pub use self::histogram::{Histogram, Timer};
pub use self::requests::REQUESTS;
pub use self::text::{Format, Text};

use self::histogram::{CALLERS, SECONDS};
use crate::protocol::time::Timestamp;

/// Requests that are being handled.
pub static IN_FLIGHT: Counter = Counter::new();

/// Requests whose client went away before the answer.
pub static ABANDONED: Counter = Counter::new();

/// Handlers that panicked.
pub static PANICS: Counter = Counter::new();

/// Refused requests, by the reason that the audit log has.
pub static REFUSALS: Counts = Counts::new(1_024);

/// Security events, by type and outcome.
pub static EVENTS: Counts = Counts::new(512);

/// Requests at the token endpoint, by grant type and outcome.
pub static TOKEN_REQUESTS: Counts = Counts::new(256);

/// Tokens that were given out, by kind.
pub static TOKENS: Counts = Counts::new(16);

/// Logins, by method and outcome.
pub static LOGINS: Counts = Counts::new(256);

/// How long a password waits to be hashed, and how long hashing takes.
pub static HASH_WAIT: Histogram = Histogram::new(SECONDS);
pub static HASH_TIME: Histogram = Histogram::new(SECONDS);

/// Passwords that were not hashed because too many waited.
pub static HASH_OVERLOADS: Counter = Counter::new();

/// How long a connection to the database is waited for.
pub static POOL_WAIT: Histogram = Histogram::new(SECONDS);

/// Connections to the database that did not become free in time.
pub static POOL_TIMEOUTS: Counter = Counter::new();

/// How long a commit takes, until it is on the disk.
pub static COMMIT_TIME: Histogram = Histogram::new(SECONDS);

/// Transactions that one commit made durable.
pub static COMMIT_CALLERS: Histogram = Histogram::new(CALLERS);

/// Transactions that were run again, or given up.
pub static TRANSACTION_RETRIES: Counter = Counter::new();
pub static TRANSACTIONS_LOST: Counter = Counter::new();

/// How long transactions take that delete what has expired.
pub static CLEANUP_TIME: Histogram = Histogram::new(SECONDS);

/// What is looked up in memory, each with how often it was found there and how often not.
pub static CLIENT_CACHE: Cache = Cache::new("clients");
pub static RESOURCE_CACHE: Cache = Cache::new("resources");
pub static SIGNATURE_CACHE: Cache = Cache::new("signatures");
pub static CACHES: [&Cache; 3] = [&CLIENT_CACHE, &RESOURCE_CACHE, &SIGNATURE_CACHE];

/// What the rates refused or asked a proof of work for, by the rate's name.
pub static LIMITED: Counts = Counts::new(128);

/// Checks that Redis was asked for, by whether it answered.
pub static REDIS_ANSWERS: Counter = Counter::new();
pub static REDIS_FALLBACKS: Counter = Counter::new();

/// What was asked of other servers, by purpose and outcome, and how long they took.
pub static OUTBOUND: Counts = Counts::new(256);
pub static OUTBOUND_TIME: Histogram = Histogram::new(SECONDS);

/// Mails, by what became of the attempt to send them.
pub static MAILS: Counts = Counts::new(16);

/// Runs of background jobs, by job and outcome; and when each last succeeded, in seconds since 1970.
pub static JOB_RUNS: Counts = Counts::new(64);
pub static JOB_SUCCESSES: Counts = Counts::new(32);

/// Spans that were exported, and that were lost.
pub static SPANS: Counts = Counts::new(16);

/// Something that is looked up in memory.
#[derive(Debug)]
pub struct Cache {
    pub name: &'static str,
    hits: Counter,
    misses: Counter,
}

impl Cache {
    const fn new(name: &'static str) -> Self {
        Self { name, hits: Counter::new(), misses: Counter::new() }
    }

    /// It was found there.
    pub fn hit(&self) {
        self.hits.count();
    }

    pub fn missed(&self) {
        self.misses.count();
    }
}

/// Begins figures at nothing whose first step an alert watches: what was never counted has no series, and its first step is none to
/// Prometheus. A job that never succeeds counts as one that did when the process began.
pub fn begin(events: impl Iterator<Item = (&'static str, &'static str)>, now: Timestamp) {
    events.for_each(|(event, outcome)| EVENTS.add(event, outcome, 0));
    for job in JOBS {
        JOB_RUNS.add(job, "failure", 0);
        JOB_SUCCESSES.set(job, "", u64::try_from(now.as_seconds()).unwrap_or_default());
    }
}

/// The background jobs that have to succeed now and then, whatever there is to do.
pub const JOBS: [&str; 4] = ["cleanup", "deletion", "key_rotation", "sealer"];

/// Notes what came of one run of a background job.
pub fn job_ran<T, E>(job: &'static str, now: Timestamp, outcome: &Result<T, E>) {
    JOB_RUNS.count(job, if outcome.is_ok() { "success" } else { "failure" });
    if outcome.is_ok() {
        JOB_SUCCESSES.set(job, "", u64::try_from(now.as_seconds()).unwrap_or_default());
    }
}

/// Writes every figure of the process. What one installation has, such as its connections, is added by whoever knows it.
pub fn write(text: &mut Text) {
    REQUESTS.write(text);
    text.value(&family::IN_FLIGHT, IN_FLIGHT.get());
    text.value(&family::ABANDONED, ABANDONED.get());
    text.value(&family::PANICS, PANICS.get());
    text.counts(&family::REFUSALS, &REFUSALS);
    text.counts(&family::EVENTS, &EVENTS);
    text.counts(&family::TOKEN_REQUESTS, &TOKEN_REQUESTS);
    text.counts(&family::TOKENS, &TOKENS);
    text.counts(&family::LOGINS, &LOGINS);
    text.histogram(&family::HASH_WAIT, &HASH_WAIT);
    text.histogram(&family::HASH_TIME, &HASH_TIME);
    text.value(&family::HASH_OVERLOADS, HASH_OVERLOADS.get());
    text.histogram(&family::POOL_WAIT, &POOL_WAIT);
    text.value(&family::POOL_TIMEOUTS, POOL_TIMEOUTS.get());
    text.histogram(&family::COMMIT_TIME, &COMMIT_TIME);
    text.histogram(&family::COMMIT_CALLERS, &COMMIT_CALLERS);
    text.value(&family::TRANSACTION_RETRIES, TRANSACTION_RETRIES.get());
    text.value(&family::TRANSACTIONS_LOST, TRANSACTIONS_LOST.get());
    text.histogram(&family::CLEANUP_TIME, &CLEANUP_TIME);
    text.begin(&family::CACHE_LOOKUPS);
    for cache in CACHES {
        text.sample("", &[cache.name, "hit"], cache.hits.get());
        text.sample("", &[cache.name, "miss"], cache.misses.get());
    }
    text.counts(&family::LIMITED, &LIMITED);
    text.begin(&family::REDIS_CHECKS);
    text.sample("", &["answered"], REDIS_ANSWERS.get());
    text.sample("", &["unanswered"], REDIS_FALLBACKS.get());
    text.counts(&family::OUTBOUND, &OUTBOUND);
    text.histogram(&family::OUTBOUND_TIME, &OUTBOUND_TIME);
    text.counts(&family::MAILS, &MAILS);
    text.counts(&family::JOB_RUNS, &JOB_RUNS);
    text.counts(&family::JOB_SUCCESSES, &JOB_SUCCESSES);
    text.counts(&family::SPANS, &SPANS);
    text.begin(&family::BUILD);
    text.sample("", &[env!("CARGO_PKG_VERSION")], 1);
}
