//! How long events take from their acceptance to the last write of a worker's turn.
//!
//! One event in [`TIMED_EVERY`] of a channel is timed, by its number on the channel: this needs no
//! counter of its own. It carries its time in the delivery, and a worker records it once, after its
//! writes.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use crate::platform::counting::{Distribution, Histogram};

const TIMED_EVERY: u64 = 64;

/// Delays that a subscriber notices begin at some milliseconds.
const BUCKETS: [Duration; 16] = [
    Duration::from_micros(25),
    Duration::from_micros(50),
    Duration::from_micros(100),
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_micros(2500),
    Duration::from_millis(5),
    Duration::from_millis(10),
    Duration::from_millis(25),
    Duration::from_millis(50),
    Duration::from_millis(100),
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(5),
];

/// When a message was accepted.
#[derive(Clone, Copy, Debug)]
pub enum EventTiming {
    /// A message of the protocol: it is no event, and is not timed.
    Untimed,
    /// In this call.
    Now,
    At(Instant),
}

impl EventTiming {
    /// `None`: this one is not timed.
    pub(super) fn timed(self, topic: u64, sequence: u64) -> Option<Instant> {
        // The topic spreads the timed ones over channels with few events.
        if !topic.wrapping_add(sequence).is_multiple_of(TIMED_EVERY) {
            return None;
        }
        match self {
            Self::Untimed => None,
            Self::Now => Some(Instant::now()),
            Self::At(accepted) => Some(accepted),
        }
    }
}

/// Over all workers, since the start.
pub struct DeliveryDelays(Histogram);

impl Default for DeliveryDelays {
    fn default() -> Self {
        Self(Histogram::new(&BUCKETS))
    }
}

impl DeliveryDelays {
    pub(super) fn note(&self, accepted: Instant) {
        self.0.add(accepted.elapsed());
    }

    /// Counts by upper bound, since the start.
    pub fn distribution(&self) -> Distribution {
        let mut sum = Distribution::default();
        self.0.add_to(&mut sum);
        sum
    }
}

/// Timed events that a worker has queued and not written. The list keeps its room.
#[derive(Default)]
pub(super) struct UnwrittenEvents(RefCell<Vec<Instant>>);

impl UnwrittenEvents {
    pub fn add(&self, accepted: Option<Instant>) {
        if let Some(accepted) = accepted {
            self.0.borrow_mut().push(accepted);
        }
    }

    pub fn written(&self, delays: &DeliveryDelays) {
        self.0.borrow_mut().drain(..).for_each(|accepted| delays.note(accepted));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_event_in_many_is_timed_on_each_channel() {
        let now = Instant::now();
        for topic in [0, 5, u64::MAX] {
            let timed = (1..=6400).filter(|n| EventTiming::At(now).timed(topic, *n).is_some());
            assert_eq!(timed.count(), 100);
            assert!((1..=64).all(|n| EventTiming::Untimed.timed(topic, n).is_none()));
        }
    }

    #[test]
    fn events_are_counted_once_they_are_written() {
        let (delays, unwritten) = (DeliveryDelays::default(), UnwrittenEvents::default());
        unwritten.add(None);
        unwritten.add(Some(Instant::now() - Duration::from_millis(3)));
        assert_eq!(delays.distribution().count(), 0);
        unwritten.written(&delays);
        unwritten.written(&delays);
        let counted: Vec<_> = delays.distribution().buckets;
        let counted: Vec<_> = counted.into_iter().filter(|(_, count)| *count > 0).collect();
        assert_eq!(counted, [(Some(Duration::from_millis(5)), 1)]);
    }
}
