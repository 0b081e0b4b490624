//! Users of all nodes, as this node's watchers see them.

use std::{sync::Arc, time::Instant};

use crate::{
    domain::channel::Channel,
    engine::{AppRuntime, Engine},
    hub::{mailbox::Audience, record::LockedRecord},
    protocol::message::Message,
};

impl Engine {
    /// A user has a connection to some node, or has none any more. `locked`: the record of the user's
    /// watchers.
    pub(super) fn user_seen(
        &self,
        runtime: &AppRuntime,
        locked: &mut LockedRecord<'_>,
        is_online: bool,
    ) {
        let Some(user) = locked.channel().subject().map(Arc::from) else { return };
        let Some(held) = locked.followed() else { return };
        let was_online = held.is_online.replace(is_online);
        if is_online {
            let returned = runtime.cancel_departure(&user);
            if was_online == Some(false) && !returned {
                let message = Message::watchlist(&[&*user], &[]);
                locked.post_message(&self.hub, &message, Audience::All);
            }
        } else if was_online == Some(true) && runtime.app().watchlist {
            runtime.hold_user(user, Instant::now());
        }
    }

    /// The user may have come back to any node meanwhile.
    pub(in crate::engine) fn announce_offline_in_cluster(&self, runtime: &AppRuntime, user: &str) {
        let channel = Channel::of_watchers(user);
        let _ = runtime.directory.with_existing(channel.name(), |_, mut locked| {
            if locked.followed().is_some_and(|held| held.is_online == Some(false)) {
                let message = Message::watchlist(&[], &[user]);
                locked.post_message(&self.hub, &message, Audience::All);
            }
        });
    }
}

impl AppRuntime {
    /// `None`: no watcher here knows.
    pub(in crate::engine) fn is_seen(&self, user: &str) -> Option<bool> {
        let record = self.directory.find(Channel::of_watchers(user).name())?;
        let mut locked = record.enter()?;
        locked.followed()?.is_online
    }
}
