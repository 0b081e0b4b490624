//! The connection is lost, and comes back.

use std::time::Instant;

use bytes::Bytes;

use super::{NodeDriver, Reach};
use crate::cluster::{
    node::{news::ReplicaNews, status::LinkStatus},
    redis::{checks::MasterRun, link::LinkError},
    replica::input::MasterChange,
};

impl NodeDriver {
    /// Before the first topic is subscribed.
    pub(super) fn connected(&mut self, redis_ms: u64) {
        self.sealing.set_clock(redis_ms);
        self.status.set_redis_ms(redis_ms);
        self.opening.reconnected(redis_ms);
    }

    pub(super) fn up(&mut self, run: MasterRun) {
        let is_other = self.last_run.replace(run.clone()).is_some_and(|last| last != run);
        tracing::info!(is_other_master = is_other, "connected to Redis");
        self.reach = Reach::Up;
        self.status.set_link(LinkStatus::Up { since: Instant::now() });
        let change = if is_other { MasterChange::Other } else { MasterChange::Same };
        for (topic, followed) in self.followers.iter() {
            followed.holder.take(ReplicaNews::Linked(change));
            if self.confirmed.contains(topic) {
                followed.holder.take(ReplicaNews::Subscribed);
            }
        }
        self.confirmed.clear();
    }

    /// A replica is told that it is linked before it is told that its topic is subscribed.
    pub(super) fn subscribed(&mut self, topic: Bytes) {
        if self.reach != Reach::Up {
            self.confirmed.insert(topic);
        } else if let Some(followed) = self.followers.get(&topic) {
            followed.holder.take(ReplicaNews::Subscribed);
        }
    }

    /// Also after each failed attempt.
    pub(super) fn away(&mut self, error: LinkError) {
        let since = match self.status.link() {
            LinkStatus::Away { since, error: before } => {
                if before != error {
                    tracing::warn!(%error, "Redis is still away");
                }
                since
            }
            _ => {
                tracing::warn!(%error, "Redis is away");
                Instant::now()
            }
        };
        self.status.set_link(LinkStatus::Away { since, error });
        self.confirmed.clear();
        self.snapshots.clear();
        let before = std::mem::replace(&mut self.reach, Reach::Away);
        if before == Reach::Up {
            self.followers.tell_all(|| ReplicaNews::Unlinked);
        }
        if before != Reach::Away {
            self.post_all_early();
        }
    }
}
