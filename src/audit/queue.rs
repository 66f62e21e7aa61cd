//! Refusals of unauthenticated requests on their way to the audit log: bounded, batched, repeats folded into one row.
//!
//! Never blocks a request. What does not fit is counted, and the count is written as a row of its own.

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use super::{Kind, Origin};
use crate::protocol::id::{ClientId, UserId};
use crate::protocol::time::Timestamp;
use crate::storage;
use crate::storage::audit::{Actor, Event};
use crate::storage::db::Db;
use crate::storage::error::Error;
use crate::storage::queue;
use crate::telemetry::findings;

/// Refusals that may wait to be folded.
const CAPACITY: usize = 8_192;

/// Different refusals that one batch holds: a sender who varies what is folded by fills this, not the table.
const MAX_ROWS: usize = 1_024;

/// Takes refusals in. Clones share it.
#[derive(Clone, Debug)]
pub struct Queue(queue::Queue<Event>);

/// Writes what the [`Queue`] took in. Run it in a task of its own.
pub type Worker = queue::Worker<Batch>;

/// A queue and its worker.
pub fn queue() -> (Queue, Worker) {
    with_capacity(CAPACITY)
}

fn with_capacity(capacity: usize) -> (Queue, Worker) {
    let (queue, worker) = queue::queue(Batch::default(), capacity);
    (Queue(queue), worker)
}

impl Queue {
    /// Records a refusal, some time soon. When the queue is full it is counted instead.
    ///
    /// `event.client_id` must be a registered client's: what an anonymous sender makes up would defeat the folding.
    pub fn refused(&self, event: Event) {
        if let Some(reason) = event.reason {
            findings::refused(reason);
        }
        if let Some(client) = &event.client_id {
            findings::client(client);
        }
        self.0.push(event);
    }

    /// Waits until everything recorded before is written.
    pub async fn flush(&self) {
        self.0.flush().await;
    }
}

fn lost(count: i64, now: Timestamp) -> Event {
    let origin = Origin { at: now, address: None, trace_id: String::new() };
    Event { actor: Actor::System, count, ..super::event(Kind::AuditDropped, origin) }
}

/// Refusals of one window: the first of its kind, and how many there were.
#[derive(Debug, Default)]
pub struct Batch {
    rows: HashMap<Key, Event>,
}

type Key = (&'static str, Option<&'static str>, Option<ClientId>, Option<UserId>, Option<String>);

impl queue::Batch for Batch {
    type Row = Event;

    /// Adds an event to its like.
    fn add(&mut self, event: Event) -> bool {
        let full = self.rows.len() >= MAX_ROWS;
        let key = (event.kind, event.reason, event.client_id.clone(), event.user_id.clone(), event.address.clone());
        match self.rows.entry(key) {
            Entry::Occupied(mut row) => row.get_mut().count += event.count,
            Entry::Vacant(_) if full => return false,
            Entry::Vacant(place) => {
                place.insert(event);
            }
        }
        true
    }

    fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// In one transaction. How many were lost is a row too.
    async fn write(&mut self, db: &Db, now: Timestamp, dropped: i64) -> Result<(), Error> {
        let mut rows: Vec<Event> = self.rows.values().cloned().collect();
        rows.sort_by_key(|event| event.at);
        rows.extend((dropped > 0).then(|| lost(dropped, now)));
        db.write(async |tx| {
            for event in &rows {
                storage::audit::insert(tx, event).await?;
            }
            Ok::<_, Error>(())
        })
        .await?;
        self.rows.clear();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::queue::Batch as _;
    use super::*;
    use crate::clock::Clock;

    fn event(reason: &'static str, address: &str) -> Event {
        let origin = Origin { at: Timestamp::from_seconds(1), address: Some(address.to_owned()), trace_id: "t".to_owned() };
        super::super::refused(Kind::UserLogin, origin, reason)
    }

    #[test]
    fn repeats_of_one_refusal_become_one_row_with_a_count() {
        let mut batch = Batch::default();
        for _ in 0..500 {
            assert!(batch.add(event("wrong_password", "192.0.2.1")));
        }
        batch.add(event("wrong_password", "192.0.2.2"));
        batch.add(event("unknown_user", "192.0.2.1"));
        let mut counts: Vec<_> = batch.rows.values().map(|event| event.count).collect();
        counts.sort_unstable();
        assert_eq!(counts, [1, 1, 500]);
    }

    #[test]
    fn a_sender_who_varies_addresses_fills_one_batch_and_not_the_table() {
        let mut batch = Batch::default();
        let taken = (0..5_000).filter(|number| batch.add(event("wrong_password", &format!("2001:db8::{number:x}")))).count();
        assert_eq!(taken, MAX_ROWS);
        assert!(batch.add(event("wrong_password", "2001:db8::1")), "a repeat still counts when the batch is full");
    }

    #[test]
    fn a_full_queue_counts_what_it_drops_and_does_not_wait() {
        let (queue, _worker) = with_capacity(10);
        for _ in 0..25 {
            queue.refused(event("wrong_password", "192.0.2.1"));
        }
        assert_eq!(queue.0.lost(), 15);
    }

    async fn written(db: &Db) -> Vec<(String, i64)> {
        let mut conn = db.read().await.unwrap();
        let found = storage::audit::list(&mut conn, &storage::audit::AuditFilter::default(), &storage::page::Page::first(200))
            .await
            .unwrap();
        let mut rows: Vec<_> = found.items.into_iter().map(|entry| (entry.reason.unwrap_or(entry.kind), entry.count)).collect();
        rows.sort_unstable();
        rows
    }

    #[tokio::test]
    async fn refusals_reach_the_table_folded_and_what_was_lost_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let target = storage::db::DatabaseTarget::Sqlite(folder.path().join("test.db"));
        let db = Db::open(&target, &crate::config::DatabaseConfig::default()).await.unwrap();
        let (queue, worker) = with_capacity(20);
        for number in 0..30 {
            queue.refused(event(if number % 4 == 0 { "unknown_user" } else { "wrong_password" }, "192.0.2.1"));
        }
        let (stop, stopped) = oneshot::channel::<()>();
        let shutdown = async {
            let _ = stopped.await;
        };
        let running = tokio::spawn(worker.run(db.clone(), Clock::system(), shutdown));
        queue.flush().await;
        let lost = ("audit.dropped".to_owned(), 10);
        assert_eq!(written(&db).await, [lost.clone(), ("unknown_user".to_owned(), 5), ("wrong_password".to_owned(), 15)]);

        queue.refused(event("user_disabled", "192.0.2.1"));
        stop.send(()).unwrap();
        running.await.unwrap();
        let rows = written(&db).await;
        assert!(rows.contains(&("user_disabled".to_owned(), 1)), "written at shutdown: {rows:?}");
        queue.refused(event("user_disabled", "192.0.2.1"));
        queue.flush().await;
    }
}
