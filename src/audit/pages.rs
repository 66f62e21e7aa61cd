//! The audit log from its first entry to its last, with its checkpoints, a page at a time.

use std::collections::VecDeque;

use crate::protocol::time::Timestamp;
use crate::storage::audit::AuditFilter;
use crate::storage::audit::chain::{self, Head, Row, Sealed, Stored};
use crate::storage::db::Db;
use crate::storage::error::Error;

/// Rows read at once.
const PAGE: i64 = 500;

/// What the log consists of, in this order: checkpoints stand after the entry that they vouch for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Item {
    Entry(Sealed),
    /// As it was signed, and what its row says beside that; an export has no rows.
    Checkpoint(String, Option<Columns>),
    /// An entry that is not in the chain yet, and whether the chain has one with the same id.
    Waiting(Row, bool),
}

/// What a checkpoint's row says of it: number, sequence, and when it was made.
pub type Columns = (i64, i64, Timestamp);

/// Reads the log.
#[derive(Debug)]
pub struct Pages {
    db: Db,
    filter: AuditFilter,
    /// Where the chain ended when the reading began.
    head: Option<Head>,
    /// Only a whole log has checkpoints.
    newest: i64,
    number: i64,
    checkpoints: VecDeque<Stored>,
    sequence: i64,
    waiting_after: String,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Chain,
    Inbox,
    Done,
}

impl Pages {
    /// Of the entries that the filter lets through; of all of them, with the checkpoints, when it is empty.
    pub async fn open(db: &Db, filter: AuditFilter) -> Result<Self, Error> {
        let mut conn = db.read().await?;
        // In this order: the chain goes on meanwhile, and never ends before the checkpoint.
        let newest = chain::last_checkpoint(&mut conn).await?.map_or(0, |checkpoint| checkpoint.number);
        let head = chain::head(&mut conn).await?;
        Ok(Self {
            db: db.clone(),
            newest: if filter == AuditFilter::default() { newest } else { 0 },
            filter,
            head,
            number: -1,
            checkpoints: VecDeque::new(),
            sequence: i64::MIN,
            waiting_after: String::new(),
            stage: Stage::Chain,
        })
    }

    /// Where the chain ended when the reading began; `None` if it had not begun.
    pub const fn head(&self) -> Option<Head> {
        self.head
    }

    /// The next page; `None` after the last one. A page may be empty.
    pub async fn next(&mut self) -> Result<Option<Vec<Item>>, Error> {
        match self.stage {
            Stage::Chain => self.entries().await.map(Some),
            Stage::Inbox => self.inbox().await.map(Some),
            Stage::Done => Ok(None),
        }
    }

    async fn entries(&mut self) -> Result<Vec<Item>, Error> {
        let entries = chain::entries(&mut self.db.read().await?, self.sequence, &self.filter, PAGE).await?;
        let mut items = Vec::with_capacity(entries.len());
        for entry in entries {
            self.checkpoints_before(entry.sequence, &mut items).await?;
            self.sequence = entry.sequence.saturating_add(1);
            items.push(Item::Entry(entry));
        }
        if i64::try_from(items.len()).is_ok_and(|found| found < PAGE) {
            self.checkpoints_before(i64::MAX, &mut items).await?;
            self.stage = Stage::Inbox;
        }
        Ok(items)
    }

    /// Those that vouch for entries before this sequence.
    async fn checkpoints_before(&mut self, sequence: i64, items: &mut Vec<Item>) -> Result<(), Error> {
        loop {
            if self.checkpoints.is_empty() && self.number < self.newest {
                let more = chain::checkpoints(&mut self.db.read().await?, self.number, self.newest, PAGE).await?;
                self.number = more.last().map_or(self.newest, |last| last.number);
                self.checkpoints.extend(more);
            }
            match self.checkpoints.pop_front() {
                Some(next) if next.sequence < sequence => {
                    items.push(Item::Checkpoint(next.signed, Some((next.number, next.sequence, next.made_at))));
                }
                Some(next) => {
                    self.checkpoints.push_front(next);
                    return Ok(());
                }
                None => return Ok(()),
            }
        }
    }

    async fn inbox(&mut self) -> Result<Vec<Item>, Error> {
        let found = chain::waiting(&mut self.db.read().await?, &self.waiting_after, &self.filter, PAGE).await?;
        match found.last() {
            Some((last, _)) if i64::try_from(found.len()).is_ok_and(|found| found == PAGE) => {
                self.waiting_after.clone_from(&last.id);
            }
            _ => self.stage = Stage::Done,
        }
        Ok(found.into_iter().map(|(row, copied)| Item::Waiting(row, copied)).collect())
    }
}
