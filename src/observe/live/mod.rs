//! The live feed: events as they happen, for operators (`docs/live.md`).
//!
//! Every part of the server notes entries. Without watchers that is one relaxed load. An entry is
//! encoded once for all watchers. Each watcher has a bounded queue and is disconnected when it is
//! full.

mod class;
mod entry;
mod filter;
mod sampler;
mod watcher;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::RwLock;

pub use entry::{ApiCallDetail, EntryDetail, EntryType, LiveEntry, LiveEnvelope, LiveEvent};
pub use filter::{LiveFilter, UnknownFilter};
pub use sampler::{BATCHES_PER_SECOND, ClassCounts, FeedBatch, LiveSampler};
pub use watcher::{LiveWatcher, NextEntry, WatchEnd};

/// Each watcher costs one filter evaluation per entry.
pub const MAX_WATCHERS: usize = 16;

/// Shared by all parts that note entries.
#[derive(Default)]
pub struct LiveBroadcaster {
    watching: AtomicUsize,
    /// Locked after all other locks, for as long as it takes to queue an entry.
    watchers: RwLock<Watchers>,
}

#[derive(Default)]
struct Watchers {
    /// They get every matching entry, or their end.
    followers: Vec<Arc<LiveWatcher>>,
    samplers: Vec<Arc<LiveSampler>>,
}

impl Watchers {
    fn len(&self) -> usize {
        self.followers.len() + self.samplers.len()
    }
}

/// A registered watcher, removed on drop.
pub struct WatchGuard {
    feed: Arc<LiveBroadcaster>,
    watcher: Arc<LiveWatcher>,
}

/// The same of a sampler.
pub struct SamplerGuard {
    feed: Arc<LiveBroadcaster>,
    sampler: Arc<LiveSampler>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{MAX_WATCHERS} are watching already, which is the limit: end one of them")]
pub struct TooManyWatchers;

impl LiveBroadcaster {
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.watching.load(Ordering::Relaxed) > 0
    }

    /// Never waits for a watcher.
    #[inline]
    pub fn note<'a>(&self, entry: impl FnOnce() -> LiveEntry<'a>) {
        if self.is_watched() {
            self.deliver(&entry());
        }
    }

    #[cold]
    fn deliver(&self, entry: &LiveEntry<'_>) {
        let (mut line, mut cut) = (None, false);
        let watchers = self.watchers.read();
        for follower in watchers.followers.iter().filter(|follower| follower.wants(entry)) {
            let line = line.get_or_insert_with(|| entry.to_json());
            cut |= !follower.enqueue(line);
        }
        for sampler in watchers.samplers.iter().filter(|sampler| sampler.wants(entry)) {
            sampler.offer(entry, || line.get_or_insert_with(|| entry.to_json()).clone());
        }
        drop(watchers);
        if cut {
            self.remove(|watcher| watcher.has_ended());
        }
    }

    pub fn watch(self: &Arc<Self>, filter: LiveFilter) -> Result<WatchGuard, TooManyWatchers> {
        let mut watchers = self.watchers.write();
        if watchers.followers.len() >= MAX_WATCHERS {
            return Err(TooManyWatchers);
        }
        let watcher = Arc::new(LiveWatcher::new(filter));
        watchers.followers.push(watcher.clone());
        self.watching.store(watchers.len(), Ordering::Relaxed);
        Ok(WatchGuard { feed: self.clone(), watcher })
    }

    /// For a watcher with another bound than `watch`: it is never cut.
    pub fn sample(self: &Arc<Self>, filter: LiveFilter) -> Result<SamplerGuard, TooManyWatchers> {
        let mut watchers = self.watchers.write();
        if watchers.samplers.len() >= MAX_WATCHERS {
            return Err(TooManyWatchers);
        }
        let sampler = Arc::new(LiveSampler::new(filter));
        watchers.samplers.push(sampler.clone());
        self.watching.store(watchers.len(), Ordering::Relaxed);
        Ok(SamplerGuard { feed: self.clone(), sampler })
    }

    /// Each watcher gets the rest of its queue, and no more. Samplers are ended by their owners.
    pub fn end(&self, end: WatchEnd) {
        self.watchers.read().followers.iter().for_each(|watcher| watcher.end(end));
        self.remove(|_| true);
    }

    fn remove(&self, who: impl Fn(&Arc<LiveWatcher>) -> bool) {
        let mut watchers = self.watchers.write();
        watchers.followers.retain(|watcher| !who(watcher));
        self.watching.store(watchers.len(), Ordering::Relaxed);
    }
}

impl std::ops::Deref for WatchGuard {
    type Target = LiveWatcher;

    fn deref(&self) -> &LiveWatcher {
        &self.watcher
    }
}

impl Drop for WatchGuard {
    fn drop(&mut self) {
        self.feed.remove(|watcher| Arc::ptr_eq(watcher, &self.watcher));
    }
}

impl std::ops::Deref for SamplerGuard {
    type Target = LiveSampler;

    fn deref(&self) -> &LiveSampler {
        &self.sampler
    }
}

impl Drop for SamplerGuard {
    fn drop(&mut self) {
        let mut watchers = self.feed.watchers.write();
        watchers.samplers.retain(|sampler| !Arc::ptr_eq(sampler, &self.sampler));
        self.feed.watching.store(watchers.len(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
