//! The queue of one watcher.

use std::collections::VecDeque;

use bytestring::ByteString;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{entry::LiveEntry, filter::LiveFilter};

/// Bounds of the queue, beside the kernel's buffers: some seconds of a busy server.
const MAX_ENTRIES: usize = 4096;
const MAX_BYTES: usize = 1024 * 1024;

pub struct LiveWatcher {
    filter: LiveFilter,
    queue: Mutex<WatcherQueue>,
    /// Signals an entry or the end.
    wake: Notify,
    ended: Notify,
}

#[derive(Default)]
struct WatcherQueue {
    entries: VecDeque<ByteString>,
    bytes: usize,
    end: Option<WatchEnd>,
}

/// The reason for the end of the feed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WatchEnd {
    /// The watcher read too slowly; the rest is dropped.
    TooSlow,
    Server,
    SwitchedOff,
}

#[derive(PartialEq, Eq, Debug)]
pub enum NextEntry {
    Entry(ByteString),
    End(WatchEnd),
}

impl LiveWatcher {
    pub(super) fn new(filter: LiveFilter) -> Self {
        Self { filter, queue: Mutex::default(), wake: Notify::new(), ended: Notify::new() }
    }

    pub(super) fn wants(&self, entry: &LiveEntry<'_>) -> bool {
        self.filter.wants(entry)
    }

    /// False if the feed has ended for this watcher.
    pub(super) fn enqueue(&self, line: &ByteString) -> bool {
        let mut queue = self.queue.lock();
        if queue.end.is_some() {
            return false;
        }
        if queue.entries.len() >= MAX_ENTRIES || queue.bytes + line.len() > MAX_BYTES {
            // Ends at once and drops the queue: it shows a moment long past.
            *queue = WatcherQueue::default();
            drop(queue);
            self.end(WatchEnd::TooSlow);
            return false;
        }
        queue.bytes += line.len();
        queue.entries.push_back(line.clone());
        drop(queue);
        self.wake.notify_one();
        true
    }

    pub(super) fn end(&self, end: WatchEnd) {
        self.queue.lock().end.get_or_insert(end);
        self.wake.notify_one();
        self.ended.notify_one();
    }

    pub(super) fn has_ended(&self) -> bool {
        self.queue.lock().end.is_some()
    }

    fn pop(&self) -> Option<NextEntry> {
        let mut queue = self.queue.lock();
        match queue.entries.pop_front() {
            Some(line) => {
                queue.bytes -= line.len();
                Some(NextEntry::Entry(line))
            }
            None => queue.end.map(NextEntry::End),
        }
    }

    /// For one task at a time.
    pub async fn next(&self) -> NextEntry {
        loop {
            if let Some(next) = self.pop() {
                return next;
            }
            self.wake.notified().await;
        }
    }

    /// Returns at the end of the feed, even if entries still wait. For one task, once.
    pub async fn ended(&self) {
        self.ended.notified().await;
    }
}
