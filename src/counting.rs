//! Counters that stand where something happens. Nobody waits for them, and whoever reads several
//! gets no state of one moment.

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

    /// Adds one, and says how many there were before.
    pub fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::Relaxed)
    }

    pub fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// What the names of a `Tally` are added up under that it was not made with: so a counter has as
/// many values as were written down, and no stranger can add any.
pub const OTHER: &str = "other";

/// How often each of a few things has happened that have names.
pub struct Tally(Box<[(&'static str, Count)]>);

impl Tally {
    pub fn new(names: impl IntoIterator<Item = &'static str>) -> Self {
        let names = names.into_iter().chain([OTHER]);
        Self(names.map(|name| (name, Count::default())).collect())
    }

    pub fn add(&self, name: &str) {
        let (other, known) = self.0.split_last().expect("it was made with one at least");
        known.iter().find(|(known, _)| *known == name).unwrap_or(other).1.add();
    }

    /// The others only if there are any.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counted = self.0.iter().map(|(name, count)| (*name, count.get()));
        counted.filter(|(name, count)| *name != OTHER || *count > 0)
    }
}

/// How long something took, by a few bounds.
pub struct Histogram {
    /// Ascending.
    bounds: &'static [Duration],
    /// One more than there are bounds.
    counts: Box<[Count]>,
    nanoseconds: Count,
}

/// Several of the same bounds, added up.
#[derive(Default)]
pub struct Distribution {
    /// By its bound; what is beyond all of them has none.
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
    fn a_name_that_is_not_known_makes_no_new_one() {
        let tally = Tally::new(["a", "b"]);
        assert_eq!(tally.iter().collect::<Vec<_>>(), [("a", 0), ("b", 0)]);
        ["b", "c", "d", "b"].iter().for_each(|name| tally.add(name));
        assert_eq!(tally.iter().collect::<Vec<_>>(), [("a", 0), ("b", 2), (OTHER, 2)]);
    }

    #[test]
    fn a_bound_is_in_its_bucket_and_what_is_beyond_all_has_its_own() {
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
