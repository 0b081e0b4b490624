//! The live feed: events as they happen, for operators (`docs/live.md`).
//!
//! Every part of the server notes entries. Without watchers that is one relaxed load. An entry is
//! encoded once for all watchers. Each watcher has a bounded queue and is disconnected when it is
//! full.

mod entry;
mod filter;
mod watcher;

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use parking_lot::RwLock;

pub use entry::{Call, Entry, Envelope, Event, Type, What};
pub use filter::{Filter, UnknownFilter};
pub use watcher::{End, Next, Watcher};

/// Each watcher costs one filter evaluation per entry.
pub const MOST_WATCHERS: usize = 16;

/// Shared by all parts that note entries.
#[derive(Default)]
pub struct Feed {
    watching: AtomicUsize,
    /// Locked after all other locks, for as long as it takes to queue an entry.
    watchers: RwLock<Vec<Arc<Watcher>>>,
}

/// A registered watcher, removed on drop.
pub struct Watching {
    feed: Arc<Feed>,
    watcher: Arc<Watcher>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("{MOST_WATCHERS} are watching already, which is the limit: end one of them")]
pub struct TooMany;

impl Feed {
    #[inline]
    pub fn is_watched(&self) -> bool {
        self.watching.load(Ordering::Relaxed) > 0
    }

    /// Never waits for a watcher.
    #[inline]
    pub fn note<'a>(&self, entry: impl FnOnce() -> Entry<'a>) {
        if self.is_watched() {
            self.tell(&entry());
        }
    }

    #[cold]
    fn tell(&self, entry: &Entry<'_>) {
        let (mut line, mut cut) = (None, false);
        for watcher in self.watchers.read().iter().filter(|watcher| watcher.wants(entry)) {
            let line = line.get_or_insert_with(|| entry.to_json());
            cut |= !watcher.take(line);
        }
        if cut {
            self.leave(|watcher| watcher.is_over());
        }
    }

    pub fn watch(self: &Arc<Self>, filter: Filter) -> Result<Watching, TooMany> {
        let mut watchers = self.watchers.write();
        if watchers.len() >= MOST_WATCHERS {
            return Err(TooMany);
        }
        let watcher = Arc::new(Watcher::new(filter));
        watchers.push(watcher.clone());
        self.watching.store(watchers.len(), Ordering::Relaxed);
        Ok(Watching { feed: self.clone(), watcher })
    }

    /// Shutdown: each watcher gets the rest of its queue, and no more.
    pub fn end(&self) {
        self.watchers.read().iter().for_each(|watcher| watcher.end(End::Server));
        self.leave(|_| true);
    }

    fn leave(&self, who: impl Fn(&Arc<Watcher>) -> bool) {
        let mut watchers = self.watchers.write();
        watchers.retain(|watcher| !who(watcher));
        self.watching.store(watchers.len(), Ordering::Relaxed);
    }
}

impl std::ops::Deref for Watching {
    type Target = Watcher;

    fn deref(&self) -> &Watcher {
        &self.watcher
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        self.feed.leave(|watcher| Arc::ptr_eq(watcher, &self.watcher));
    }
}

#[cfg(test)]
mod tests;
