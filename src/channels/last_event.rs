//! The last event published on a cache channel.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::protocol::content::Content;

#[derive(Clone)]
pub struct LastEvent {
    pub name: Arc<str>,
    pub content: Content,
    pub data: Arc<str>,
    pub expires: Instant,
    /// Given by the holder of the memory budget. A number is never used twice.
    pub number: u64,
}

impl LastEvent {
    /// Seconds until expiry, at least one while the event is valid.
    pub fn ttl(&self, now: Instant) -> u64 {
        self.expires.saturating_duration_since(now).max(Duration::from_secs(1)).as_secs()
    }
}
