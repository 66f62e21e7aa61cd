//! The memory that hashes work in.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use argon2::Block;

/// How long memory is kept that no hash uses.
const REST: Duration = Duration::from_secs(5);

/// Room for so many blocks of 1 KiB is asked for, of which only those count that are written to. The system's allocator keeps what is
/// smaller for itself when it is freed (mallopt(3): `M_MMAP_THRESHOLD`, at most 32 MiB).
const ROOM: usize = 33 * 1024;

/// Memory of earlier hashes: allocating and faulting it in anew costs 2 ms of 15. What stays in it is overwritten by the next
/// hash; wiping it would cost as much again, and who can read it can read the pepper and the passwords too. It goes back to the
/// system when nobody has logged in for a while.
#[derive(Debug)]
pub(super) struct Buffers {
    kept: Mutex<Kept>,
    rest: Duration,
}

#[derive(Debug, Default)]
struct Kept {
    free: Vec<Vec<Block>>,
    /// How many hashes have been computed.
    uses: u64,
    /// Whether somebody will give them back.
    watched: bool,
}

impl Default for Buffers {
    fn default() -> Self {
        Self { kept: Mutex::default(), rest: REST }
    }
}

impl Buffers {
    pub fn take(&self) -> Vec<Block> {
        self.lock().free.pop().unwrap_or_else(|| Vec::with_capacity(ROOM))
    }

    pub fn give(&self, buffer: Vec<Block>) {
        let mut kept = self.lock();
        kept.free.push(buffer);
        kept.uses += 1;
    }

    /// Sees to it that what is kept goes back to the system once it has rested. To be called after a hash, by a task.
    pub fn watch(self: &Arc<Self>) {
        let mut kept = self.lock();
        if !kept.watched && !kept.free.is_empty() {
            kept.watched = true;
            tokio::spawn(Self::release(Arc::downgrade(self), self.rest, kept.uses));
        }
    }

    async fn release(buffers: Weak<Self>, rest: Duration, mut uses: u64) {
        loop {
            tokio::time::sleep(rest).await;
            let Some(buffers) = buffers.upgrade() else { return };
            let mut kept = buffers.lock();
            if kept.uses == uses {
                kept.watched = false;
                kept.free = Vec::new();
                return;
            }
            uses = kept.uses;
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub fn kept(&self) -> usize {
        self.lock().free.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_rested_goes_back_each_time() {
        let buffers = Arc::new(Buffers { rest: Duration::from_millis(20), ..Buffers::default() });
        for _ in 0..2 {
            buffers.give(vec![Block::new()]);
            assert_eq!(buffers.kept(), 1, "the next hash uses it");
            buffers.watch();
            let gone = async {
                while buffers.kept() > 0 {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), gone).await.expect("nobody used it");
        }
    }
}
