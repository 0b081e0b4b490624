//! The busiest channels of an app. They are counted only while an operator watches: otherwise an
//! event pays one relaxed load.

mod counters;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use counters::BusiestCounters;
pub use counters::{BusyChannel, MAX_CHANNELS};
use parking_lot::Mutex;

use super::facts::{ChannelContext, Fact, PublishedContext};
use crate::channels::fact::ChannelFact;

/// The counting ends this long after the last question.
const WATCHED_FOR: Duration = Duration::from_secs(15);

#[derive(Default)]
pub struct BusiestChannels {
    is_watched: AtomicBool,
    /// `None` while no one watches.
    counting: Mutex<Option<Counting>>,
}

struct Counting {
    until: Instant,
    counters: BusiestCounters,
}

impl BusiestChannels {
    /// An event for this many subscribers of this server.
    pub fn note(&self, channel: &Arc<str>, subscribers: u32) {
        if self.is_watched.load(Ordering::Relaxed) {
            self.count(channel, subscribers);
        }
    }

    #[cold]
    fn count(&self, channel: &Arc<str>, subscribers: u32) {
        if let Some(counting) = &mut *self.counting.lock() {
            counting.counters.add(channel, subscribers);
        }
    }

    /// The busiest first. The first question begins the counting, and so finds nothing.
    pub fn ask(&self, now: Instant) -> Vec<BusyChannel> {
        let mut counting = self.counting.lock();
        let until = now + WATCHED_FOR;
        let counting = counting
            .get_or_insert_with(|| Counting { until, counters: BusiestCounters::default() });
        counting.until = until;
        self.is_watched.store(true, Ordering::Relaxed);
        counting.counters.ranked()
    }

    /// Called once a second.
    pub fn tick(&self, now: Instant) {
        if !self.is_watched.load(Ordering::Relaxed) {
            return;
        }
        let mut counting = self.counting.lock();
        match &mut *counting {
            Some(counting) if counting.until > now => counting.counters.fade(),
            Some(_) | None => {
                self.is_watched.store(false, Ordering::Relaxed);
                *counting = None;
            }
        }
    }
}

/// Counts what is sent to subscribers of this server. In a cluster this is counted where events of
/// all nodes arrive.
pub(super) fn note_sent(fact: &Fact<'_>) {
    if let Fact::Published(PublishedContext { runtime, event, subscribers, .. }) = fact {
        runtime.busiest.note(event.channel.name(), *subscribers);
    }
    if let Fact::Channel(context, ChannelFact::ClientEvent { .. }) = fact {
        let ChannelContext { runtime, channel, subscribers } = context;
        runtime.busiest.note(channel.name(), *subscribers);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn channels_are_counted_while_someone_asks() {
        let (busiest, start) = (BusiestChannels::default(), Instant::now());
        let name: Arc<str> = "room".into();
        busiest.note(&name, 2);
        assert!(busiest.counting.lock().is_none(), "no one watches");
        assert_eq!(busiest.ask(start), []);
        busiest.note(&name, 2);
        busiest.tick(start + Duration::from_secs(1));
        let [channel] = &*busiest.ask(start + Duration::from_secs(1)) else { panic!("one") };
        assert_eq!((channel.events_per_second, channel.deliveries_per_second), (1.0, 2.0));
        busiest.tick(start + Duration::from_secs(15));
        assert!(busiest.counting.lock().is_some(), "the question renewed it");
        busiest.tick(start + Duration::from_secs(16));
        assert!(busiest.counting.lock().is_none());
        busiest.note(&name, 2);
        assert!(!busiest.is_watched.load(Ordering::Relaxed));
    }
}
