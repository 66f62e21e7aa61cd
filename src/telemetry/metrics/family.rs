//! The table of figures: name, labels, and what each says. The documentation is held to it.

/// What kind of figure it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It rises until the process ends.
    Counter,
    Gauge,
    Histogram,
}

/// One figure with all its labels.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    pub name: &'static str,
    pub kind: Kind,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

macro_rules! families {
    ($($constant:ident: $kind:ident $name:literal [$($label:ident),*], $help:literal;)*) => {
        $(
            #[doc = $help]
            pub const $constant: Family =
                Family { name: $name, kind: Kind::$kind, labels: &[$(stringify!($label)),*], help: $help };
        )*

        /// Every figure, in the order of the table.
        pub const ALL: &[Family] = &[$($constant),*];
    };
}

families! {
    // Requests
    REQUESTS: Counter "ostiary_http_requests_total" [endpoint, method, status],
        "Answered requests by route, method and class of the status.";
    REQUEST_TIME: Histogram "ostiary_http_request_duration_seconds" [endpoint],
        "Time from the head of a request to the head of its answer, by route.";
    IN_FLIGHT: Gauge "ostiary_http_requests_in_flight" [],
        "Requests that are being handled.";
    ABANDONED: Counter "ostiary_http_requests_abandoned_total" [],
        "Requests whose client went away before the answer. What they began was finished, and is counted as if it had been waited for.";
    PANICS: Counter "ostiary_http_panics_total" [],
        "Handlers that panicked. Each is a bug.";
    REFUSALS: Counter "ostiary_refusals_total" [reason],
        "Refused requests by reason: the words of docs/checks.md and of the audit log.";
    READY: Gauge "ostiary_ready" [],
        "1 while the server takes requests, 0 once it was asked to stop.";
    // Protocol
    TOKEN_REQUESTS: Counter "ostiary_token_requests_total" [grant_type, outcome],
        "Requests at the token endpoint by grant type, and issued or the error code of the answer.";
    TOKENS: Counter "ostiary_tokens_issued_total" [kind],
        "Tokens given out by the token endpoint: access, refresh or id.";
    LOGINS: Counter "ostiary_logins_total" [method, outcome],
        "Logins of people by method, and success or the reason of the refusal.";
    EVENTS: Counter "ostiary_audit_events_total" [type, outcome],
        "Events written to the audit log, by type and outcome.";
    // Passwords
    HASH_WAIT: Histogram "ostiary_password_hash_wait_seconds" [],
        "Time that a password waited for its turn to be hashed.";
    HASH_TIME: Histogram "ostiary_password_hash_duration_seconds" [],
        "Time that hashing a password took.";
    HASH_OVERLOADS: Counter "ostiary_password_hash_overloads_total" [],
        "Passwords that were not hashed because too many waited.";
    HASH_PLACES: Gauge "ostiary_password_hash_places" [state],
        "Places for passwords being hashed and waiting (busy), and how many there are (most).";
    // Database
    DATABASE_UP: Gauge "ostiary_database_up" [],
        "1 if the database answered within a second, just now.";
    CONNECTIONS: Gauge "ostiary_database_connections" [state],
        "Connections to read with (SQLite) or in the pool (PostgreSQL): in_use, open, and most.";
    POOL_WAIT: Histogram "ostiary_database_wait_seconds" [],
        "Time that a transaction or a query waited for a connection that was not free at once (PostgreSQL: every one).";
    POOL_TIMEOUTS: Counter "ostiary_database_wait_timeouts_total" [],
        "Waits for a connection that database.acquire_timeout ended.";
    COMMIT_TIME: Histogram "ostiary_database_commit_duration_seconds" [],
        "Time that a commit took until it was on the disk.";
    COMMIT_CALLERS: Histogram "ostiary_database_commit_callers" [],
        "Transactions that one commit made durable (SQLite).";
    TRANSACTION_RETRIES: Counter "ostiary_database_transaction_retries_total" [],
        "Transactions that PostgreSQL gave up for another one, and that were run again.";
    TRANSACTIONS_LOST: Counter "ostiary_database_transactions_lost_total" [],
        "Transactions of callers that SQLite could not commit.";
    CLEANUP_TIME: Histogram "ostiary_cleanup_transaction_duration_seconds" [],
        "Time that a transaction took which deletes what has expired. On SQLite nobody else writes meanwhile.";
    // In memory
    CACHE_LOOKUPS: Counter "ostiary_cache_lookups_total" [cache, result],
        "What was looked up in memory: clients, resources, good signatures of access tokens.";
    LIMITED: Counter "ostiary_limits_exceeded_total" [rate, answer],
        "What a rate of the section `rates` refused, or asked a proof of work for.";
    REDIS_CHECKS: Counter "ostiary_redis_checks_total" [result],
        "Rates that Redis was asked about; where it did not answer, the node counted by itself.";
    REDIS_CONNECTED: Gauge "ostiary_redis_connected" [],
        "1 while nodes count together. Only where redis.url is set.";
    // Other servers
    OUTBOUND: Counter "ostiary_outbound_requests_total" [purpose, outcome],
        "Requests to other servers by purpose, and the class of the status or why there was no answer.";
    OUTBOUND_TIME: Histogram "ostiary_outbound_request_duration_seconds" [],
        "Time that other servers took.";
    MAILS: Counter "ostiary_mails_total" [outcome],
        "Attempts to send a mail: sent, postponed, refused, expired, or the mail server did not work (down).";
    QUEUED: Gauge "ostiary_queue_length" [queue],
        "What waits in the database to be brought to others: mail, notices; and entries of the audit log that are not sealed yet: audit. The same on every node.";
    QUEUE_AGE: Gauge "ostiary_queue_oldest_seconds" [queue],
        "How long the oldest of it has waited.";
    // Background work
    JOB_RUNS: Counter "ostiary_job_runs_total" [task, outcome],
        "Runs of background jobs on this node.";
    JOB_SUCCESSES: Gauge "ostiary_job_last_success_timestamp_seconds" [task],
        "When a background job last succeeded on this node.";
    KEY_AGE: Gauge "ostiary_signing_key_age_seconds" [algorithm],
        "How long the key of an algorithm has been in use.";
    CLOCK_BEHIND: Gauge "ostiary_clock_behind_seconds" [],
        "How far the system's clock is behind the time that was told already: above 0 somebody set it back.";
    SPANS: Counter "ostiary_spans_total" [outcome],
        "Spans of traces that were exported, and that were dropped because the collector did not take them.";
    // The process
    BUILD: Gauge "ostiary_build_info" [version],
        "1, with the version of the program.";
    CPU: Counter "process_cpu_seconds_total" [],
        "CPU time, user and system.";
    RESIDENT: Gauge "process_resident_memory_bytes" [],
        "Resident memory.";
    VIRTUAL: Gauge "process_virtual_memory_bytes" [],
        "Virtual memory.";
    OPEN_FILES: Gauge "process_open_fds" [],
        "Open file descriptors.";
    MOST_FILES: Gauge "process_max_fds" [],
        "The limit of open file descriptors.";
    STARTED: Gauge "process_start_time_seconds" [],
        "When the process began, in seconds since 1970.";
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_figure_has_a_name_of_its_own_in_the_manner_of_prometheus() {
        let names: BTreeSet<_> = ALL.iter().map(|family| family.name).collect();
        assert_eq!(names.len(), ALL.len());
        for Family { name, kind, help, .. } in ALL {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(name.starts_with("ostiary_") || name.starts_with("process_"), "{name}");
            assert!(name.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'_')) && !help.contains(['\n', '\\']), "{name}");
        }
    }
}
