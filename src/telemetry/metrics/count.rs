//! Numbers that many threads add to.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts one thing.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub const fn new() -> Self {
        Self(AtomicU64::new(0))
    }

    pub fn count(&self) {
        self.add(1);
    }

    pub fn add(&self, number: u64) {
        self.0.fetch_add(number, Ordering::Relaxed);
    }

    /// One less, of what rises and falls.
    pub fn discount(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, number: u64) {
        self.0.store(number, Ordering::Relaxed);
    }
}

/// The words by which something is counted. They stand in the program's text: nobody sends one.
pub type Words = (&'static str, &'static str);

/// What is counted for which no place is left. It says that the table is too small.
const OTHER: Words = ("other", "other");

/// Counts by two words, or by one and none. A place is taken when its words first come; after that nothing is locked, and nothing
/// allocated.
#[derive(Debug)]
pub struct Counts {
    most: usize,
    places: OnceLock<Box<[Place]>>,
    others: Counter,
}

#[derive(Debug, Default)]
struct Place {
    words: OnceLock<Words>,
    number: Counter,
}

impl Counts {
    /// With room for so many.
    pub const fn new(most: usize) -> Self {
        Self { most, places: OnceLock::new(), others: Counter::new() }
    }

    pub fn count(&self, first: &'static str, second: &'static str) {
        self.number((first, second)).count();
    }

    pub fn add(&self, first: &'static str, second: &'static str, number: u64) {
        self.number((first, second)).add(number);
    }

    /// Of what is not counted but changes.
    pub fn set(&self, first: &'static str, second: &'static str, number: u64) {
        self.number((first, second)).set(number);
    }

    /// Everything that was counted, in the order of the words.
    pub fn all(&self) -> Vec<(Words, u64)> {
        let places = self.places.get().map(AsRef::as_ref).unwrap_or_default();
        let taken = |place: &Place| Some((*place.words.get()?, place.number.get()));
        let others = Some((OTHER, self.others.get())).filter(|(_, number)| *number > 0);
        let mut all: Vec<_> = places.iter().filter_map(taken).chain(others).collect();
        all.sort_unstable();
        all
    }

    fn number(&self, words: Words) -> &Counter {
        let places = self.places.get_or_init(|| (0..self.most).map(|_| Place::default()).collect());
        let mut hasher = DefaultHasher::new();
        words.hash(&mut hasher);
        let first = usize::try_from(hasher.finish() % self.most as u64).unwrap_or_default();
        let (before, after) = places.split_at(first);
        let place = after.iter().chain(before).find(|place| *place.words.get_or_init(|| words) == words);
        place.map_or(&self.others, |place| &place.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_words_are_counted_together_and_others_apart() {
        let counts = Counts::new(8);
        // The same text at another place in memory.
        let copied: &'static str = Box::leak("login".to_owned().into_boxed_str());
        counts.count("login", "success");
        counts.count(copied, "success");
        counts.add("login", "failure", 3);
        counts.set("clock", "", 7);
        assert_eq!(counts.all(), [(("clock", ""), 7), (("login", "failure"), 3), (("login", "success"), 2)]);
    }

    #[test]
    fn what_finds_no_place_is_counted_as_other() {
        let counts = Counts::new(2);
        for word in ["a", "b", "c", "d", "a"] {
            counts.count(word, "");
        }
        assert_eq!(counts.all(), [(("a", ""), 2), (("b", ""), 1), (OTHER, 2)]);
        assert!(Counts::new(2).all().is_empty());
    }

    #[test]
    fn many_threads_lose_nothing_and_share_the_places() {
        static COUNTS: Counts = Counts::new(16);
        let words = ["a", "b", "c", "d"];
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| (0..1_000).for_each(|number| COUNTS.count(words[number % 4], "x")));
            }
        });
        assert_eq!(COUNTS.all(), words.map(|word| ((word, "x"), 2_000)));
    }
}
