//! Why a request was refused: kept for a while, for administrators, under the trace id that the person saw.
//!
//! The shell hands over what was found out about a refused request; a worker writes it down. A request that is answered as it asked
//! writes nothing, and a flood of refusals writes a bounded number of rows: so many from one address and so many in all within a
//! window, and so many in the table.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::config::ExplainConfig;
use crate::protocol::checks::{self, Outcome};
use crate::protocol::time::Timestamp;
use crate::storage::db::{Conn, Db};
use crate::storage::error::Error;
use crate::storage::{explanations, queue};
use crate::telemetry::TraceId;
use crate::telemetry::findings::{Found, Note};

/// Refusals that may wait to be written.
const CAPACITY: usize = 512;

/// The most that are written within a window, which is a second.
const MAX_ROWS: usize = 100;

/// The most of them that come from one address (with IPv6: from one network of 64 bits).
const MAX_ROWS_PER_SENDER: u32 = 10;

/// The most of them that come from one site of IPv6 (a network of 48 bits), which has as many networks as it likes.
const MAX_ROWS_PER_SITE: u32 = 40;

/// The table is cut down to its bound after so many rows.
const TRIM_AFTER: usize = 1_000;

/// Rows deleted in one transaction: few enough that nobody waits for it.
const TRIMMED_AT_ONCE: i64 = 500;

/// The longest path that is kept, in characters.
const MAX_PATH: usize = 256;

/// One refused request.
#[derive(Clone, Debug)]
pub struct Case {
    pub trace_id: TraceId,
    pub at: Timestamp,
    /// Bounds what one sender may have written; it is not kept.
    pub sender: IpAddr,
    pub decision: Decision,
}

/// What is kept of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Decision {
    pub method: String,
    /// Below the issuer's path, and without the query: codes and tokens stand there.
    pub path: String,
    pub status: u16,
    pub procedure: String,
    pub reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<Note>,
}

impl Decision {
    /// What was found out about a request, if it was refused.
    pub fn new(method: &str, path: &str, status: u16, found: Found) -> Option<Self> {
        let reason = found.reason()?.to_owned();
        let procedure = found.procedure.unwrap_or_else(|| checks::of_request(method, path).name);
        Some(Self {
            method: method.chars().take(16).collect(),
            path: path.chars().take(MAX_PATH).collect(),
            status,
            procedure: procedure.to_owned(),
            reason,
            client_id: found.client_id,
            notes: found.notes,
        })
    }
}

/// Takes refused requests in. Clones share it.
#[derive(Clone, Debug)]
pub struct Queue {
    queue: queue::Queue<Case>,
    is_on: bool,
}

/// Writes what the [`Queue`] took in. Run it in a task of its own.
pub type Worker = queue::Worker<Batch>;

/// A queue and its worker.
pub fn queue(config: &ExplainConfig) -> (Queue, Worker) {
    let (queue, worker) = queue::queue(Batch::new(config), CAPACITY);
    (Queue { queue, is_on: config.days > 0 }, worker)
}

impl Queue {
    /// Keeps it, some time soon; never waits.
    pub fn push(&self, case: Case) {
        if self.is_on {
            self.queue.push(case);
        }
    }

    /// Waits until everything that came before is written.
    pub async fn flush(&self) {
        self.queue.flush().await;
    }
}

/// The refused requests of one window.
#[derive(Debug)]
pub struct Batch {
    rows: Vec<Case>,
    /// By the network, and how many of its bits count.
    senders: HashMap<(IpAddr, u32), u32>,
    /// The most rows of the table.
    keep: i64,
    since_trim: usize,
}

impl Batch {
    fn new(config: &ExplainConfig) -> Self {
        Self { rows: Vec::new(), senders: HashMap::new(), keep: config.rows.into(), since_trim: TRIM_AFTER }
    }
}

impl queue::Batch for Batch {
    type Row = Case;

    fn add(&mut self, case: Case) -> bool {
        if self.rows.len() >= MAX_ROWS {
            return false;
        }
        let around = [(64, MAX_ROWS_PER_SENDER), (48, MAX_ROWS_PER_SITE)].map(|(bits, most)| (network(case.sender, bits), most));
        if around.iter().any(|(network, most)| self.senders.get(network).is_some_and(|count| count >= most)) {
            return false;
        }
        for (network, _) in around {
            *self.senders.entry(network).or_default() += 1;
        }
        self.rows.push(case);
        true
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    async fn write(&mut self, db: &Db, _: Timestamp, lost: i64) -> Result<(), Error> {
        let (rows, keep, trim) = (&self.rows, self.keep, self.since_trim + self.rows.len() >= TRIM_AFTER);
        db.write(async |tx| {
            for Case { trace_id, at, decision, .. } in rows {
                explanations::insert(tx, trace_id.as_str(), *at, decision).await?;
            }
            Ok::<_, Error>(())
        })
        .await?;
        while trim && db.write(async |tx| explanations::trim(tx, keep, TRIMMED_AT_ONCE).await).await? > 0 {}
        self.since_trim = if trim { 0 } else { self.since_trim + self.rows.len() };
        self.rows.clear();
        self.senders.clear();
        if lost > 0 {
            tracing::info!(lost, "so many requests were refused that not all of them can be explained");
        }
        Ok(())
    }
}

/// An IPv4 address is a network by itself, whichever number of bits counts.
fn network(address: IpAddr, bits: u32) -> (IpAddr, u32) {
    match address {
        IpAddr::V6(address) => (IpAddr::V6(Ipv6Addr::from(u128::from(address) & !(u128::MAX >> bits))), bits),
        v4 @ IpAddr::V4(_) => (v4, bits),
    }
}

/// Why a request was refused, check by check.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Explanation {
    pub trace_id: String,
    pub method: String,
    /// Below the issuer's path, without the query.
    pub path: String,
    pub status: u16,
    /// The word in the audit log.
    pub reason: String,
    /// The client, where it is a registered one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// What was being done: a name in docs/checks.md.
    pub procedure: String,
    /// In the order in which they run.
    pub checks: Vec<Step>,
}

/// One check of a request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Step {
    #[schema(value_type = String)]
    pub check: &'static str,
    /// What it looks for.
    #[schema(value_type = String)]
    pub about: &'static str,
    /// `passed`, `failed`, `not_reached`, or `unknown` where nothing shows whether it was made.
    #[schema(value_type = String, example = "passed")]
    pub outcome: Outcome,
    /// What it saw. Never a secret.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub saw: Vec<Seen>,
    /// What would have made it pass; told of the one that failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub needs: Option<&'static str>,
}

/// Something that a check saw.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Seen {
    pub name: String,
    pub value: String,
}

impl Seen {
    fn of(note: &Note) -> Self {
        Self { name: note.name.clone(), value: note.value.clone() }
    }
}

impl Explanation {
    /// What is known of the request with this trace id, and when it came.
    pub async fn load(conn: &mut Conn, trace_id: TraceId) -> Result<Option<(Timestamp, Self)>, Error> {
        let found = explanations::load::<Decision>(conn, trace_id.as_str()).await?;
        Ok(found.map(|(at, decision)| (at, Self::of(trace_id, decision))))
    }

    fn of(trace_id: TraceId, decision: Decision) -> Self {
        let Decision { method, path, status, procedure, reason, client_id, notes } = decision;
        let done = checks::named(&procedure).unwrap_or_else(|| checks::of_request(&method, &path));
        let seen_by = |name: &'static str| notes.iter().filter(move |note| note.check == name);
        let outcomes = done.outcomes(Some(&reason), |check| seen_by(check.name).next().is_some());
        // What no check of this procedure is named after was noted by something that it shares with others: the one that failed.
        let is_lost = |note: &&Note| done.checks().all(|check| check.name != note.check);
        let step = |(check, outcome): (&'static checks::Check, Outcome)| Step {
            check: check.name,
            about: check.about,
            outcome,
            saw: match outcome {
                Outcome::NotReached => Vec::new(),
                Outcome::Failed => seen_by(check.name).chain(notes.iter().filter(is_lost)).map(Seen::of).collect(),
                Outcome::Passed | Outcome::Unknown => seen_by(check.name).map(Seen::of).collect(),
            },
            needs: (outcome == Outcome::Failed).then_some(check.needs),
        };
        let checks = outcomes.into_iter().map(step).collect();
        Self { trace_id: trace_id.to_string(), method, path, status, reason, client_id, procedure, checks }
    }
}

#[cfg(test)]
mod tests;
