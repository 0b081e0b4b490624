//! The connection is lost, and comes back.

use std::time::Instant;

use bytes::Bytes;

use super::{NodeDriver, Reach};
use crate::cluster::{
    membership::Now,
    node::{news::ReplicaNews, status::LinkStatus},
    redis::{checks::MasterRun, link::LinkError},
    replica::input::MasterChange,
};

impl NodeDriver {
    /// Before the first topic is subscribed.
    pub(super) fn connected(&mut self, redis_ms: u64) {
        self.set_clock(redis_ms);
        self.opening.reconnected(redis_ms);
    }

    /// The replicas are told when the node is a member.
    pub(super) fn up(&mut self, run: MasterRun) {
        let is_other = self.last_run.replace(run.clone()).is_some_and(|last| last != run);
        tracing::info!(is_other_master = is_other, "connected to Redis");
        if is_other {
            self.master_change = MasterChange::Other;
        }
        // Before this node is one that others wait for.
        self.read_revocations_and_enter();
    }

    /// A replica is told that it is linked before it is told that its topic is subscribed.
    pub(super) fn subscribed(&mut self, topic: Bytes) {
        if self.note_topic_subscribed(&topic) {
            return;
        }
        let is_member = self.reach == Reach::Joined;
        if let Some(followed) = self.followers.subscribed(&topic).filter(|_| is_member) {
            followed.holder.take(ReplicaNews::Subscribed);
        }
    }

    /// Also after each failed attempt.
    pub(super) fn away(&mut self, error: LinkError) {
        self.note_away(error);
        self.followers.connection_lost();
        self.snapshots.clear();
        self.revocations.stop_reading();
        self.tables_away();
        let effects = self.membership.unlinked(Now::read());
        self.run_effects(effects);
    }

    /// Redis is there, and does not let the node become a member.
    pub(super) fn kept_out(&mut self, error: LinkError) {
        if matches!(self.reach, Reach::Unknown | Reach::Away) {
            self.note_away(error);
        }
    }

    fn note_away(&mut self, error: LinkError) {
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
        // A node that was refused stays so until it is a member.
        if self.reach != Reach::Refused {
            self.lose_reach(Reach::Away);
        }
    }

    /// What has no answer is posted, once in an outage.
    pub(super) fn lose_reach(&mut self, reach: Reach) {
        let before = std::mem::replace(&mut self.reach, reach);
        if before == Reach::Joined {
            self.followers.tell_all(|| ReplicaNews::Unlinked);
        }
        if matches!(before, Reach::Joined | Reach::Unknown) {
            self.post_all_early();
        }
    }
}
