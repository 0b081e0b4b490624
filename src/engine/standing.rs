//! Channels as webhooks look at them before something is told again.

use std::time::Instant;

use super::Tenant;
use crate::{
    channel::Channel,
    presence::Members,
    webhook::{Channels, Standing},
};

impl Channels for Tenant {
    fn hold<T>(&self, name: &str, look: impl FnOnce(&Standing<'_>) -> T) -> T {
        // Longer than this one it cannot be.
        let Ok(channel) = Channel::parse(name, name.len()) else {
            let members = &Members::default();
            return look(&Standing { subscribers: 0, members, cached: false });
        };
        let now = Instant::now();
        // Where there is no record one is made, so that nobody joins meanwhile.
        let (looked, record) = self.directory.with(&channel, |record, locked| {
            let cached = locked.last_event.as_ref().is_some_and(|event| event.expires > now);
            let subscribers = locked.subscription_count();
            let standing = Standing { subscribers, members: &locked.members, cached };
            (look(&standing), record.clone())
        });
        self.directory.tidy(&record, now);
        looked
    }
}
