//! Reads of a channel's state for the replay of webhooks.

use std::time::Instant;

use super::AppRuntime;
use crate::{
    channels::state::ChannelState, domain::channel::Channel, observe::webhook::ChannelReader,
};

impl ChannelReader for AppRuntime {
    fn with_channel<T>(&self, name: &str, look: impl FnOnce(&ChannelState) -> T) -> T {
        // The name's own length is the limit: only its characters can be invalid.
        let Ok(channel) = Channel::parse(name, name.len()) else {
            return look(&ChannelState::default());
        };
        // Creates a missing record, so that no client joins meanwhile.
        let (looked, record) =
            self.directory.with(&channel, |record, locked| (look(&locked), record.clone()));
        self.directory.remove_if_unused(&record, Instant::now());
        looked
    }
}
