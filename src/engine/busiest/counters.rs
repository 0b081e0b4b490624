//! Space-saving counters: the busiest of any number of channels in a table of fixed size. Pure.
//!
//! A channel outside of the table takes the place of the lightest one and inherits its weight, so a
//! channel with more than 1/64 of the load is always in it. What is shown of a channel counts from
//! its own entry alone: it may be too low, never too high.
//!
//! Each second all counts fade by a fifth, which makes them moving averages over about five seconds.

use std::{hash::BuildHasher, hash::RandomState, sync::Arc};

use serde::{Deserialize, Serialize};

/// Channels in the table.
pub const MAX_CHANNELS: usize = 64;
const KEPT: f64 = 0.8;

/// A channel with its load at the moment.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BusyChannel {
    pub name: Arc<str>,
    pub events_per_second: f64,
    /// Frames to subscribers of this server.
    pub deliveries_per_second: f64,
}

#[derive(Default)]
pub(super) struct BusiestCounters {
    hashes: RandomState,
    entries: Vec<CountedChannel>,
    /// Seconds since the first count.
    seconds: i32,
}

struct CountedChannel {
    hash: u64,
    name: Arc<str>,
    /// Events and deliveries, with those of the channels before it in its place.
    weight: f64,
    /// Up to the last second that is over.
    events: f64,
    deliveries: f64,
    /// In the running second.
    new_events: f64,
    new_deliveries: f64,
}

impl CountedChannel {
    fn new(hash: u64, name: &Arc<str>, weight: f64) -> Self {
        let (name, events, deliveries) = (name.clone(), 0.0, 0.0);
        Self { hash, name, weight, events, deliveries, new_events: 0.0, new_deliveries: 0.0 }
    }
}

impl BusiestCounters {
    pub(super) fn add(&mut self, name: &Arc<str>, receivers: u32) {
        let hash = self.hashes.hash_one(name);
        let known = self.entries.iter().position(|it| it.hash == hash && it.name == *name);
        let index = known.unwrap_or_else(|| self.enter(hash, name));
        let entry = &mut self.entries[index];
        entry.weight += 1.0 + f64::from(receivers);
        entry.new_events += 1.0;
        entry.new_deliveries += f64::from(receivers);
    }

    fn enter(&mut self, hash: u64, name: &Arc<str>) -> usize {
        let weights = self.entries.iter().enumerate().map(|(index, entry)| (index, entry.weight));
        let lightest = weights.min_by(|(_, one), (_, other)| one.total_cmp(other));
        match lightest.filter(|_| self.entries.len() >= MAX_CHANNELS) {
            Some((index, weight)) => {
                self.entries[index] = CountedChannel::new(hash, name, weight);
                index
            }
            None => {
                self.entries.push(CountedChannel::new(hash, name, 0.0));
                self.entries.len() - 1
            }
        }
    }

    /// A second has passed.
    pub(super) fn fade(&mut self) {
        self.seconds = self.seconds.saturating_add(1);
        for entry in &mut self.entries {
            entry.weight *= KEPT;
            entry.events = KEPT * (entry.events + std::mem::take(&mut entry.new_events));
            let new_deliveries = std::mem::take(&mut entry.new_deliveries);
            entry.deliveries = KEPT * (entry.deliveries + new_deliveries);
        }
    }

    /// The busiest first.
    pub(super) fn ranked(&self) -> Vec<BusyChannel> {
        // The sum of the weights of the seconds so far: in the first seconds it is below that of an
        // endless past.
        let span = (KEPT - KEPT.powi(self.seconds.saturating_add(1))) / (1.0 - KEPT);
        let rate = |count: f64| if self.seconds == 0 { 0.0 } else { rounded(count / span) };
        let mut entries: Vec<_> = self.entries.iter().collect();
        entries.sort_by(|one, other| {
            let load = |it: &CountedChannel| it.events + it.deliveries;
            load(other).total_cmp(&load(one)).then_with(|| one.name.cmp(&other.name))
        });
        let channels = entries.into_iter().map(|entry| BusyChannel {
            name: entry.name.clone(),
            events_per_second: rate(entry.events),
            deliveries_per_second: rate(entry.deliveries),
        });
        channels.filter(|it| it.events_per_second > 0.0).collect()
    }
}

/// To tenths: more digits would pretend an accuracy that is not there.
fn rounded(rate: f64) -> f64 {
    (rate * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(n: usize) -> Arc<str> {
        format!("room-{n}").into()
    }

    #[test]
    fn rates_are_averages_of_the_last_seconds() {
        let mut counters = BusiestCounters::default();
        assert_eq!(counters.ranked(), []);
        for second in 1..=30 {
            (0..10).for_each(|_| counters.add(&name(1), 3));
            counters.add(&name(2), 100);
            counters.fade();
            let [first, other] = &*counters.ranked() else { panic!("two") };
            assert_eq!((&*first.name, &*other.name), ("room-2", "room-1"));
            let rates = (other.events_per_second, other.deliveries_per_second);
            assert_eq!(rates, (10.0, 30.0), "in second {second}");
        }
        (0..40).for_each(|_| counters.fade());
        assert_eq!(counters.ranked(), [], "silent channels fade");
    }

    #[test]
    fn heavy_channels_are_found_among_many_light_ones() {
        let mut counters = BusiestCounters::default();
        for n in 0..100_000 {
            counters.add(&name(1000 + n), 0);
            if n % 20 == 0 {
                counters.add(&name(n / 20 % 3), 0);
            }
        }
        counters.fade();
        assert_eq!(counters.entries.len(), MAX_CHANNELS);
        let first: Vec<_> = counters.ranked().into_iter().take(3).map(|it| it.name).collect();
        let heavy: Vec<_> = (0..3).map(name).collect();
        assert!(heavy.iter().all(|name| first.contains(name)), "{first:?}");
    }

    #[test]
    fn newcomer_is_not_shown_with_the_load_of_its_place() {
        let mut counters = BusiestCounters::default();
        for n in 0..MAX_CHANNELS {
            (0..100).for_each(|_| counters.add(&name(n), 0));
        }
        counters.add(&name(9999), 0);
        counters.fade();
        let newcomer = counters.ranked().into_iter().find(|it| it.name == name(9999));
        assert_eq!(newcomer.map(|it| it.events_per_second), Some(1.0));
    }
}
