//! How often something took how long.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use super::Counter;

/// Upper bounds of the classes of a histogram, and how many of its unit make one of what is shown.
pub(super) type Bounds = (&'static [u64], u32);

/// Microseconds, shown as seconds: from what an answer from memory takes to what no one waits for any more.
pub(super) const SECONDS: Bounds =
    (&[500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 10_000_000], 1_000_000);

/// How many share a commit.
pub(super) const CALLERS: Bounds = (&[1, 2, 4, 8, 16, 32, 64], 1);

/// One class more than there are bounds.
const CLASSES: usize = 14;

/// The classes, without their bounds: nothing but zeros in the program's file.
#[derive(Debug)]
pub(super) struct Classes {
    counts: [AtomicU64; CLASSES],
    sum: Counter,
}

impl Classes {
    pub(super) const fn new() -> Self {
        Self { counts: [const { AtomicU64::new(0) }; CLASSES], sum: Counter::new() }
    }

    pub(super) fn observe(&self, (bounds, _): Bounds, value: u64) {
        let class = bounds.iter().position(|bound| value <= *bound).unwrap_or(bounds.len());
        self.counts[class.min(CLASSES - 1)].fetch_add(1, Ordering::Relaxed);
        self.sum.add(value);
    }

    /// How many were at most as much as each bound, then how many there were; and their sum.
    pub(super) fn read(&self, (bounds, _): Bounds) -> (Vec<u64>, u64) {
        let counts = self.counts.iter().take(bounds.len() + 1);
        let cumulative = counts.scan(0, |total, count| {
            *total += count.load(Ordering::Relaxed);
            Some(*total)
        });
        (cumulative.collect(), self.sum.get())
    }
}

/// One histogram.
#[derive(Debug)]
pub struct Histogram {
    pub(super) bounds: Bounds,
    pub(super) classes: Classes,
}

impl Histogram {
    pub(super) const fn new(bounds: Bounds) -> Self {
        assert!(bounds.0.len() < CLASSES, "more bounds than there are classes");
        Self { bounds, classes: Classes::new() }
    }

    pub fn observe(&self, value: u64) {
        self.classes.observe(self.bounds, value);
    }

    pub fn took(&self, duration: Duration) {
        self.observe(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX));
    }

    /// Measures until it is dropped.
    pub fn timer(&'static self) -> Timer {
        Timer { histogram: self, began: Instant::now() }
    }
}

/// See [`Histogram::timer`].
#[must_use = "it measures until it is dropped"]
#[derive(Debug)]
pub struct Timer {
    histogram: &'static Histogram,
    began: Instant,
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.histogram.took(self.began.elapsed());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_in_the_class_of_its_bound_and_in_all_above() {
        let histogram = Histogram::new(CALLERS);
        for value in [1, 1, 2, 3, 64, 65] {
            histogram.observe(value);
        }
        let (classes, sum) = histogram.classes.read(CALLERS);
        assert_eq!((classes, sum), (vec![2, 3, 4, 4, 4, 4, 5, 6], 136));
    }

    #[test]
    fn durations_are_measured_in_microseconds() {
        let histogram = Histogram::new(SECONDS);
        histogram.took(Duration::from_micros(500));
        histogram.took(Duration::from_mins(1));
        let (classes, sum) = histogram.classes.read(SECONDS);
        assert_eq!((classes.first(), classes.get(12), classes.last(), sum), (Some(&1), Some(&1), Some(&2), 60_000_500));
    }
}
