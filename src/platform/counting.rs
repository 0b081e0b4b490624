//! Counters, updated without locks. A reader of several counters does not get a consistent
//! snapshot.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

#[derive(Default)]
pub struct Count(AtomicU64);

impl Count {
    pub fn add(&self) {
        self.add_many(1);
    }

    pub fn add_many(&self, count: u64) {
        self.0.fetch_add(count, Ordering::Relaxed);
    }

    /// Adds one and returns the count before.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// The label for all names outside the fixed set, so that clients cannot add labels.
pub const OTHER: &str = "other";

/// One counter for each of a fixed set of labels.
pub struct LabelledCounter(Box<[(&'static str, Count)]>);

impl LabelledCounter {
    pub fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let names = names.into_iter().chain([OTHER]);
        Self(names.map(|name| (name, Count::default())).collect())
    }

    pub fn add(&self, name: &str) {
        let (other, known) = self.0.split_last().expect("it was made with one at least");
        known.iter().find(|(known, _)| *known == name).unwrap_or(other).1.add();
    }

    /// All counts; `OTHER` only if it is not zero.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counted = self.0.iter().map(|(name, count)| (*name, count.get()));
        counted.filter(|(name, count)| *name != OTHER || *count > 0)
    }
}

/// Durations, counted by bucket.
pub struct Histogram {
    /// Ascending.
    bounds: &'static [Duration],
    /// One more than `bounds`, for durations beyond the last.
    counts: Box<[Count]>,
    nanoseconds: Count,
}

/// The sum of histograms with the same bounds.
#[derive(Default)]
pub struct Distribution {
    /// Counts by upper bound; `None` for durations beyond the last.
    pub buckets: Vec<(Option<Duration>, u64)>,
    pub sum: Duration,
}

impl Histogram {
    pub fn new(bounds: &'static [Duration]) -> Self {
        let counts = (0..=bounds.len()).map(|_| Count::default()).collect();
        Self { bounds, counts, nanoseconds: Count::default() }
    }

    pub fn add(&self, took: Duration) {
        let bucket = self.bounds.iter().position(|bound| took <= *bound);
        self.counts[bucket.unwrap_or(self.bounds.len())].add();
        self.nanoseconds.add_many(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn add_to(&self, sum: &mut Distribution) {
        let bounds = self.bounds.iter().copied().map(Some).chain([None]);
        sum.buckets.resize(self.counts.len(), (None, 0));
        for ((bucket, bound), count) in sum.buckets.iter_mut().zip(bounds).zip(&self.counts) {
            *bucket = (bound, bucket.1 + count.get());
        }
        sum.sum += Duration::from_nanos(self.nanoseconds.get());
    }
}

impl Distribution {
    pub fn count(&self) -> u64 {
        self.buckets.iter().map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_label_creates_no_series() {
        let counter = LabelledCounter::new(["a", "b"]);
        assert_eq!(counter.iter().collect::<Vec<_>>(), [("a", 0), ("b", 0)]);
        ["b", "c", "d", "b"].iter().for_each(|name| counter.add(name));
        assert_eq!(counter.iter().collect::<Vec<_>>(), [("a", 0), ("b", 2), (OTHER, 2)]);
    }

    #[test]
    fn bucket_bounds_are_inclusive_and_larger_values_overflow() {
        const BOUNDS: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(10)];
        let (one, two) = (Histogram::new(&BOUNDS), Histogram::new(&BOUNDS));
        [1, 2, 11].map(Duration::from_millis).iter().for_each(|took| one.add(*took));
        two.add(Duration::from_millis(10));
        let mut sum = Distribution::default();
        one.add_to(&mut sum);
        two.add_to(&mut sum);
        assert_eq!(sum.buckets, [(Some(BOUNDS[0]), 1), (Some(BOUNDS[1]), 2), (None, 1)]);
        assert_eq!((sum.count(), sum.sum), (4, Duration::from_millis(24)));
    }
}
