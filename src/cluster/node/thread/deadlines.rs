//! The next time of each channel.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::Instant,
};

use crate::cluster::node::commands::FollowedChannel;

/// Channels are told apart by their address: a channel that is given up and followed again is
/// another one.
#[derive(Default)]
pub struct Deadlines {
    times: HashMap<usize, Instant>,
    channels: BTreeMap<(Instant, usize), Arc<FollowedChannel>>,
}

impl Deadlines {
    /// Replaces an earlier time.
    pub fn set(&mut self, channel: Arc<FollowedChannel>, at: Instant) {
        self.remove(&channel);
        let address = address(&channel);
        self.times.insert(address, at);
        self.channels.insert((at, address), channel);
    }

    pub fn remove(&mut self, channel: &Arc<FollowedChannel>) {
        let address = address(channel);
        if let Some(at) = self.times.remove(&address) {
            self.channels.remove(&(at, address));
        }
    }

    pub fn next(&self) -> Option<Instant> {
        self.channels.first_key_value().map(|((at, _), _)| *at)
    }

    /// A channel whose time has come.
    pub fn take_due(&mut self, now: Instant) -> Option<Arc<FollowedChannel>> {
        let entry = self.channels.first_entry().filter(|entry| entry.key().0 <= now)?;
        let ((_, address), channel) = entry.remove_entry();
        self.times.remove(&address);
        Some(channel)
    }
}

fn address(channel: &Arc<FollowedChannel>) -> usize {
    Arc::as_ptr(channel) as usize
}
