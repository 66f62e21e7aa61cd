//! One statement for many callers.
//!
//! Looking a row up by a hash costs PostgreSQL less than the way there and back costs both sides. While one such question is under way,
//! those who come with the same one wait, and the next of them asks for all. Nobody waits who comes alone, and what somebody reads was
//! committed when they asked or later: a statement takes nobody in once it was sent.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use tokio::sync::oneshot;

use super::pool::{Pool, Purpose, timed_out};
use crate::storage::error::Error;
use crate::storage::value::Hash;

/// How many statements of one kind are under way at a time. The fewer they are, the more callers share one.
const UNDER_WAY: usize = 2;

/// How many callers share one.
const MOST: usize = 64;

/// Who waits for what. Cheap to clone.
#[derive(Clone, Debug)]
pub(in crate::storage::db) struct Gather(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    pool: Pool,
    /// By their SELECT.
    queues: Mutex<HashMap<&'static str, Queue>>,
}

#[derive(Debug, Default)]
struct Queue {
    under_way: usize,
    waiting: VecDeque<Caller>,
}

#[derive(Debug)]
struct Caller {
    hash: [u8; 32],
    since: Instant,
    tell: oneshot::Sender<Told>,
}

type Answer = Result<Option<PgRow>, Error>;

#[derive(Debug)]
enum Told {
    Answer(Answer),
    /// To ask, for whoever waits then too.
    Ask(Place),
}

/// One of those who may ask. Dropped, it goes to the next who waits.
#[derive(Debug)]
struct Place {
    gather: Gather,
    select: &'static str,
}

impl Gather {
    pub(in crate::storage::db) fn new(pool: Pool) -> Self {
        Self(Arc::new(Shared { pool, queues: Mutex::default() }))
    }

    /// The row that this SELECT gives for a hash, its one parameter.
    pub(in crate::storage::db) async fn find(&self, select: &'static str, hash: [u8; 32]) -> Answer {
        loop {
            let place = match self.join(select, hash) {
                Ok(place) => place,
                Err(told) => match told.await {
                    Ok(Told::Answer(answer)) => return answer,
                    Ok(Told::Ask(place)) => place,
                    // Nobody waits any more for whoever was asking for this caller too.
                    Err(_) => continue,
                },
            };
            return place.ask(hash).await;
        }
    }

    /// A place to ask, or else in the queue.
    fn join(&self, select: &'static str, hash: [u8; 32]) -> Result<Place, oneshot::Receiver<Told>> {
        let mut queues = self.queues();
        let queue = queues.entry(select).or_default();
        if queue.under_way < UNDER_WAY {
            queue.under_way += 1;
            return Ok(Place { gather: self.clone(), select });
        }
        let (tell, told) = oneshot::channel();
        queue.waiting.push_back(Caller { hash, since: Instant::now(), tell });
        Err(told)
    }

    /// The first who still waits. Who did so for as long as for a connection is told that there was none.
    fn first(&self, queue: &mut Queue) -> Option<Caller> {
        while let Some(caller) = queue.waiting.pop_front() {
            if caller.tell.is_closed() {
                continue;
            }
            if caller.since.elapsed() < self.0.pool.acquire_timeout() {
                return Some(caller);
            }
            let _ = caller.tell.send(Told::Answer(Err(timed_out().into())));
        }
        None
    }

    fn queues(&self) -> MutexGuard<'_, HashMap<&'static str, Queue>> {
        self.0.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Place {
    /// Asks for this caller and those who wait, and tells them.
    async fn ask(self, hash: [u8; 32]) -> Answer {
        let mut others = Vec::new();
        let mut found = self.try_to_ask(hash, &mut others).await;
        // The server was restarted, perhaps while the connection lay in the pool, as others do: asking once more does no harm.
        if found.as_ref().is_err_and(Error::is_lost_connection) {
            self.gather.0.pool.distrust();
            found = self.try_to_ask(hash, &mut others).await;
        }
        match found {
            Ok(mut rows) => {
                drop(self);
                for (place, caller) in others.into_iter().enumerate().rev() {
                    let row = rows.get_mut(place + 1).and_then(Option::take);
                    // Who went away needs none.
                    let _ = caller.tell.send(Told::Answer(Ok(row)));
                }
                Ok(rows.into_iter().next().flatten())
            }
            Err(error) => {
                // Where nothing answers, the others need not find that out one after the other.
                if error.is_silence() {
                    others.extend(self.waiting(usize::MAX));
                }
                for caller in others {
                    let _ = caller.tell.send(Told::Answer(Err(error.clone())));
                }
                Err(error)
            }
        }
    }

    /// The rows of this caller and of the others, in their order.
    async fn try_to_ask(&self, hash: [u8; 32], others: &mut Vec<Caller>) -> Result<Vec<Option<PgRow>>, Error> {
        let mut lease = self.gather.0.pool.acquire(Purpose::Requests).await?;
        others.extend(self.waiting(MOST - 1 - others.len()));
        let (line, failure) = lease.parts();
        let found = if others.is_empty() {
            line.first(sqlx::query(self.select).bind(Hash(hash))).await.map(|row| vec![row])
        } else {
            let hashes: Vec<_> = std::iter::once(hash).chain(others.iter().map(|other| other.hash)).collect();
            let count = hashes.len();
            // All of it is written in this program.
            let query = sqlx::query(AssertSqlSafe(of_many(self.select))).bind(hashes);
            line.all(query).await.and_then(|rows| in_order(rows, count))
        };
        found.inspect_err(|error| *failure = Some(error.clone()))
    }

    /// Up to `most` of those who wait, the first of them first.
    fn waiting(&self, most: usize) -> Vec<Caller> {
        let mut queues = self.gather.queues();
        let Some(queue) = queues.get_mut(self.select) else { return Vec::new() };
        std::iter::from_fn(|| self.gather.first(queue)).take(most).collect()
    }

    /// Who asks next; if nobody waits, there is a place.
    fn next(&self) -> Option<Caller> {
        let mut queues = self.gather.queues();
        let queue = queues.get_mut(self.select)?;
        let next = self.gather.first(queue);
        if next.is_none() {
            queue.under_way -= 1;
        }
        next
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(next) = self.next() {
            // Where that one went away just now the place is dropped again, and goes on to the next.
            let place = Self { gather: self.gather.clone(), select: self.select };
            let _ = next.tell.send(Told::Ask(place));
        }
    }
}

/// The same for many hashes. `LIMIT` keeps PostgreSQL from doing anything else than looking one after the other up.
fn of_many(select: &str) -> String {
    let select = select.replace("$1", "wanted.hash");
    format!(
        "SELECT found.*, wanted.place FROM unnest($1) WITH ORDINALITY AS wanted (hash, place) CROSS JOIN LATERAL ({select} LIMIT 1) found"
    )
}

/// Each row where it was asked for: its last column says so.
fn in_order(rows: Vec<PgRow>, count: usize) -> Result<Vec<Option<PgRow>>, Error> {
    let mut ordered: Vec<_> = std::iter::repeat_with(|| None).take(count).collect();
    for row in rows {
        let place: i64 = row.try_get(row.len() - 1)?;
        let place = usize::try_from(place - 1).ok().and_then(|place| ordered.get_mut(place));
        *place.ok_or_else(|| Error::other("a row that nobody asked for"))? = Some(row);
    }
    Ok(ordered)
}
