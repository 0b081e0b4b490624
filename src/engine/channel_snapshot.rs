//! Reads of a channel's state for the replay of webhooks.

use std::{
    io::{self, ErrorKind},
    sync::Arc,
    time::Instant,
};

use tokio::runtime::Handle;

use super::{AppRuntime, Engine};
use crate::{
    domain::channel::Channel,
    observe::webhook::{ChannelNow, ChannelReader},
};

/// The channels of an app, on all nodes. For threads that may wait.
pub struct PresentChannels {
    pub engine: Arc<Engine>,
    pub runtime: Arc<AppRuntime>,
}

impl ChannelReader for PresentChannels {
    fn with_channel<T>(
        &self,
        name: &str,
        user: Option<&str>,
        look: impl FnOnce(ChannelNow) -> T,
    ) -> io::Result<T> {
        // The name's own length is the limit: only its characters can be invalid.
        let Ok(channel) = Channel::parse(name, name.len()) else {
            return Ok(look(ChannelNow::default()));
        };
        let Some(node) = self.engine.cluster.node() else {
            return Ok(self.runtime.with_local_channel(&channel, user, look));
        };
        let place = node.channel(&self.runtime.id, &channel);
        let present = Handle::current().block_on(node.present(&place, user));
        let present = present.map_err(|error| io::Error::new(ErrorKind::TimedOut, error))?;
        Ok(look(ChannelNow {
            subscribers: u32::try_from(present.total).unwrap_or(u32::MAX),
            is_member: present.is_member,
            has_last_event: present.has_last_event,
        }))
    }
}

impl AppRuntime {
    fn with_local_channel<T>(
        &self,
        channel: &Channel,
        user: Option<&str>,
        look: impl FnOnce(ChannelNow) -> T,
    ) -> T {
        let now = Instant::now();
        // Creates a missing record, so that no client joins meanwhile.
        let (looked, record) = self.directory.with(channel, |record, locked| {
            (look(ChannelNow::of(&locked, user, now)), record.clone())
        });
        self.directory.remove_if_unused(&record, now);
        looked
    }
}
