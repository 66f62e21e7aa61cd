//! Buckets in memory: a fixed number of them, found without allocating, each decided under a lock of its own set.
//!
//! Like a processor's cache, the table is an array of small sets, and a key's bucket lives in the one set that the key's hash
//! picks. A full bucket is the same as none, so its place is free. When a set has no such place, the bucket from which the
//! least has been taken makes room, and the newcomer takes over its debt, measured in parts of a whole bucket. So the debt of
//! the table never shrinks because of memory: an attacker who makes up keys to drive out a bucket of his gets nothing for it,
//! for what he drives out is passed on to him.

use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::gcra::{self, Decision};
use crate::config::Rate;

/// Places of one set.
const WAYS: usize = 16;

/// One bucket.
#[derive(Clone, Copy, Debug)]
struct Bucket {
    key: u64,
    /// When it is full again, in microseconds.
    full_at: i64,
    /// How long it takes to fill from empty.
    capacity: i64,
}

impl Bucket {
    /// What has been taken, in parts of the whole.
    fn debt(&self, now: i64) -> f64 {
        fraction(self.full_at.saturating_sub(now).max(0), self.capacity)
    }
}

#[expect(clippy::cast_precision_loss, reason = "a part of a bucket need not be exact")]
fn fraction(part: i64, whole: i64) -> f64 {
    part as f64 / whole.max(1) as f64
}

/// The table. Keys are hashed with a secret of this process: nobody can aim at a set or at somebody's bucket.
#[derive(Debug)]
pub struct Table {
    sets: Box<[Mutex<Vec<Bucket>>]>,
    hasher: RandomState,
}

impl Table {
    /// Holds about `buckets` buckets; memory is taken as they come.
    pub fn new(buckets: usize) -> Self {
        let sets = buckets.div_ceil(WAYS).max(1);
        Self { sets: (0..sets).map(|_| Mutex::default()).collect(), hasher: RandomState::new() }
    }

    /// The bucket's name in this table.
    pub fn key(&self, parts: impl Hash) -> u64 {
        self.hasher.hash_one(parts)
    }

    /// Takes one out of the bucket.
    pub fn take(&self, key: u64, rate: Rate, now: i64) -> Decision {
        let mut set = self.set(key);
        let place = place_of(&mut set, key, rate, now);
        let decision = gcra::take(Some(set[place].full_at), now, rate);
        if let Decision::Allowed { full_at, .. } = decision {
            set[place].full_at = full_at;
        }
        decision
    }

    /// What [`Table::take`] would say. Nothing is taken.
    pub fn look(&self, key: u64, rate: Rate, now: i64) -> Decision {
        let found = self.set(key).iter().find(|bucket| bucket.key == key).map(|bucket| bucket.full_at);
        gcra::take(found, now, rate)
    }

    /// Adds one to what has been taken, and says how much that is: [`gcra::count`].
    pub fn count(&self, key: u64, rate: Rate, ceiling: u32, now: i64) -> u32 {
        let mut set = self.set(key);
        let place = place_of(&mut set, key, rate, now);
        let (full_at, level) = gcra::count(Some(set[place].full_at), now, rate, ceiling);
        set[place].full_at = full_at;
        level
    }

    /// Notes that the bucket will not be full before `full_at`, whoever found out.
    pub fn note(&self, key: u64, rate: Rate, full_at: i64, now: i64) {
        let mut set = self.set(key);
        let place = place_of(&mut set, key, rate, now);
        set[place].full_at = set[place].full_at.max(full_at);
    }

    /// How much has been taken.
    pub fn level(&self, key: u64, rate: Rate, now: i64) -> u32 {
        let found = self.set(key).iter().find(|bucket| bucket.key == key).map_or(now, |bucket| bucket.full_at);
        gcra::taken(found, now, rate)
    }

    /// Makes the bucket full.
    pub fn refill(&self, key: u64) {
        self.set(key).retain(|bucket| bucket.key != key);
    }

    fn set(&self, key: u64) -> MutexGuard<'_, Vec<Bucket>> {
        let index = usize::try_from(key % self.sets.len() as u64).unwrap_or(0);
        self.sets[index].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Where the bucket is, or from now on is.
fn place_of(set: &mut Vec<Bucket>, key: u64, rate: Rate, now: i64) -> usize {
    let capacity = gcra::capacity(rate);
    if let Some(place) = set.iter().position(|bucket| bucket.key == key) {
        set[place].capacity = capacity;
        return place;
    }
    let new = Bucket { key, full_at: now, capacity };
    if let Some(place) = set.iter().position(|bucket| bucket.full_at <= now) {
        set[place] = new;
        return place;
    }
    if set.len() < WAYS {
        set.push(new);
        return set.len() - 1;
    }
    let debts = set.iter().map(|bucket| bucket.debt(now)).enumerate();
    let (place, debt) = debts.min_by(|one, other| one.1.total_cmp(&other.1)).unwrap_or((0, 0.0));
    #[expect(clippy::cast_precision_loss, clippy::cast_possible_truncation, reason = "a part of a bucket need not be exact")]
    let inherited = (debt.min(1.0) * capacity as f64).ceil() as i64;
    set[place] = Bucket { full_at: now.saturating_add(inherited), ..new };
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: i64 = 1_800_000_000_000_000;
    const RATE: Rate = Rate::new(10, 1, 6);

    fn take(table: &Table, name: u32, now: i64) -> bool {
        table.take(table.key(name), RATE, now).is_allowed()
    }

    #[test]
    fn each_key_has_a_bucket_of_its_own() {
        let table = Table::new(1_000);
        for name in 0..50 {
            assert_eq!((0..30).filter(|_| take(&table, name, NOON)).count(), 10, "{name}");
        }
        assert!(take(&table, 0, NOON + 6_000_000));
        assert!(!take(&table, 0, NOON + 6_000_000));
        table.refill(table.key(0));
        assert!(take(&table, 0, NOON + 6_000_000));
    }

    #[test]
    fn looking_takes_nothing() {
        let table = Table::new(1_000);
        let key = table.key("x");
        for _ in 0..20 {
            assert!(table.look(key, RATE, NOON).is_allowed());
        }
        for _ in 0..10 {
            assert!(table.take(key, RATE, NOON).is_allowed());
        }
        assert!(!table.look(key, RATE, NOON).is_allowed());
        assert_eq!(table.level(key, RATE, NOON), 10);
        assert_eq!(table.level(key, RATE, NOON + 30_000_000), 5);
    }

    #[test]
    fn its_memory_is_bounded_whatever_keys_are_made_up() {
        let table = Table::new(1_600);
        for name in 0..100_000 {
            take(&table, name, NOON);
        }
        let held: usize = table.sets.iter().map(|set| set.lock().unwrap().len()).sum();
        assert_eq!(held, 1_600);
    }

    #[test]
    fn buckets_that_are_full_again_make_room_first() {
        let table = Table::new(WAYS);
        let late = NOON + 6_000_000;
        for name in 0..16 {
            take(&table, name, if name == 7 { NOON } else { late });
        }
        take(&table, 100, late);
        let kept: Vec<_> = (0..16).filter(|name| table.level(table.key(*name), RATE, late) == 1).collect();
        assert_eq!(kept, (0..16).filter(|name| *name != 7).collect::<Vec<_>>());
    }

    #[test]
    fn driving_a_bucket_out_of_memory_frees_nothing() {
        // The attacker emptied one bucket, and makes up keys to have it forgotten.
        let table = Table::new(WAYS);
        while take(&table, 0, NOON) {}
        let mut spent = 0;
        for name in 1..10_000 {
            spent += u32::from(take(&table, name, NOON));
            assert!(!take(&table, 0, NOON), "freed by {spent} requests");
        }
        // All that can be had of the whole table at one moment is what it holds.
        assert!(spent <= 150, "{spent}");
    }

    #[test]
    fn a_debt_is_passed_on_in_parts_of_a_bucket() {
        let table = Table::new(WAYS);
        let daily = Rate::per(20, 86_400);
        for name in 0..16_u32 {
            table.take(table.key(name), daily, NOON);
        }
        // A twentieth of a day is a twentieth of the newcomer's bucket, and not 72 minutes.
        let rate = Rate::new(60, 5, 1);
        let taken = (0..60).filter(|_| table.take(table.key("new"), rate, NOON).is_allowed()).count();
        assert_eq!(taken, 57);
    }

    #[test]
    fn threads_that_ask_at_once_get_no_more_than_one_that_asks_often() {
        let table = Table::new(1_000);
        let allowed = std::sync::atomic::AtomicUsize::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..100 {
                        if take(&table, 1, NOON) {
                            allowed.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(allowed.into_inner(), 10);
    }
}
