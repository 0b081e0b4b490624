//! The bytes of all commands that wait for an answer.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Shared by the lanes of a node and by its publishers, which ask it before they publish.
#[derive(Clone)]
pub struct Backlog(Arc<Held>);

struct Held {
    limit: usize,
    bytes: AtomicUsize,
}

impl Backlog {
    pub fn new(limit: usize) -> Self {
        Self(Arc::new(Held { limit, bytes: AtomicUsize::new(0) }))
    }

    /// The state of the node itself is sent without room: its backlog is the state.
    pub fn has_room(&self) -> bool {
        self.bytes() < self.0.limit
    }

    pub fn bytes(&self) -> usize {
        self.0.bytes.load(Ordering::Relaxed)
    }

    pub fn add(&self, bytes: usize) {
        self.0.bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn remove(&self, bytes: usize) {
        self.0.bytes.fetch_sub(bytes, Ordering::Relaxed);
    }
}
