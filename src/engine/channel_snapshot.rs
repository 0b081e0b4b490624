//! Channel snapshots for the replay of webhooks.

use std::time::Instant;

use super::AppRuntime;
use crate::{
    channels::members::Members,
    domain::channel::Channel,
    observe::webhook::{ChannelReader, ChannelSnapshot},
};

impl ChannelReader for AppRuntime {
    fn with_channel<T>(&self, name: &str, look: impl FnOnce(&ChannelSnapshot<'_>) -> T) -> T {
        // The name's own length is the limit: only its characters can be invalid.
        let Ok(channel) = Channel::parse(name, name.len()) else {
            let members = &Members::default();
            return look(&ChannelSnapshot { subscribers: 0, members, cached: false });
        };
        let now = Instant::now();
        // Creates a missing record, so that no client joins meanwhile.
        let (looked, record) = self.directory.with(&channel, |record, locked| {
            let cached = locked.last_event.as_ref().is_some_and(|event| event.expires > now);
            let subscribers = locked.subscription_count();
            let snapshot = ChannelSnapshot { subscribers, members: &locked.members, cached };
            (look(&snapshot), record.clone())
        });
        self.directory.remove_if_unused(&record, now);
        looked
    }
}
