//! Masters are lost, and come back.

use std::time::Instant;

use bytes::Bytes;

use super::{NodeDriver, Reach};
use crate::cluster::{
    membership::Now,
    names::{Partition, PartitionSet},
    node::{news::ReplicaNews, status::LinkStatus},
    redis::{
        link::{LinkError, LinkReach},
        listener::TopicGroup,
    },
    replica::input::MasterChange,
};

impl NodeDriver {
    /// The node is a member, and the partition's master is there.
    pub(super) fn reaches(&self, partition: Partition) -> bool {
        self.reach == Reach::Joined && self.reached.contains(partition)
    }

    /// What is published there reaches this node alone.
    pub(super) fn is_on_its_own(&self, partition: Partition) -> bool {
        match self.reach {
            Reach::Unknown => false,
            Reach::Joined => !self.reached.contains(partition),
            Reach::Away | Reach::Refused => true,
        }
    }

    pub(super) fn connected(&mut self, reach: LinkReach, redis_ms: u64) {
        if reach.control {
            self.set_clock(redis_ms);
        }
        self.opening.reconnected(reach, redis_ms);
    }

    /// The replicas are told when the node is a member.
    pub(super) fn up(&mut self, reach: LinkReach, changed: PartitionSet) {
        tracing::info!(is_other_master = !changed.is_empty(), "connected to Redis");
        let has_moved = self.reached.intersection(reach.partitions);
        self.reached = self.reached.union(reach.partitions);
        self.changed = self.changed.union(changed);
        self.forget_snapshots(has_moved);
        if reach.control {
            if self.reach == Reach::Joined {
                // The entries have moved: what was asked there has no answer.
                let effects = self.membership.unlinked(Now::read());
                self.run_effects(effects);
            }
            // Before this node is one that others wait for.
            self.read_revocations_and_enter();
        }
        if self.reach == Reach::Joined {
            self.unlink_followers(has_moved);
            self.link_followers(reach.partitions);
        }
        self.show_reach();
    }

    /// A replica is told that it is linked before it is told that its topic is subscribed.
    pub(super) fn link_followers(&mut self, partitions: PartitionSet) {
        let partitions = self.reached.intersection(partitions);
        for (topic, followed) in self.followers.iter() {
            let partition = followed.channel.location.partition;
            if !partitions.contains(partition) {
                continue;
            }
            let change = match self.changed.contains(partition) {
                true => MasterChange::Other,
                false => MasterChange::Same,
            };
            followed.holder.take(ReplicaNews::Linked(change));
            if self.links.hears(TopicGroup::Partition(partition), topic) {
                followed.holder.take(ReplicaNews::Subscribed);
            }
        }
        if !self.changed.intersection(partitions).is_empty() {
            self.strays.hurry(Instant::now());
        }
        self.changed = self.changed.without(partitions);
    }

    pub(super) fn subscribed(&mut self, topic: &Bytes) {
        if self.note_topic_subscribed(topic) {
            return;
        }
        if let Some(followed) = self.followers.get(topic)
            && self.reaches(followed.channel.location.partition)
        {
            followed.holder.take(ReplicaNews::Subscribed);
        }
    }

    /// Also after each failed attempt.
    pub(super) fn away(&mut self, lost: LinkReach, error: LinkError) {
        self.away_error = Some(error);
        let partitions = self.reached.intersection(lost.partitions);
        self.reached = self.reached.without(lost.partitions);
        self.forget_snapshots(lost.partitions);
        if lost.control {
            self.note_away(error);
            self.revocations.stop_reading();
            self.tables_away();
            let effects = self.membership.unlinked(Now::read());
            return self.run_effects(effects);
        }
        self.membership.lost_partitions_of_master(lost.partitions);
        self.show_reach();
        if self.reach == Reach::Joined {
            self.unlink_followers(partitions);
            self.post_all_early(partitions);
        }
    }

    /// Redis is there, and does not let the node become a member.
    pub(super) fn kept_out(&mut self, error: LinkError) {
        if matches!(self.reach, Reach::Unknown | Reach::Away) {
            self.note_away(error);
        }
    }

    /// A member is ready if it reaches all masters.
    pub(super) fn show_reach(&mut self) {
        if self.reach != Reach::Joined {
            return;
        }
        let unreached = PartitionSet::all().without(self.reached);
        if !unreached.is_empty() {
            // Until the first error, the others may just be slower.
            if let Some(error) = self.away_error {
                self.show_away(error, unreached);
            }
        } else if self.links.is_full() {
            self.show_full();
        } else if !matches!(self.status.link(), LinkStatus::Up) {
            if matches!(self.status.link(), LinkStatus::Full) {
                tracing::info!("the memory of Redis has room again");
            }
            self.status.set_link(LinkStatus::Up);
        }
    }

    /// Events without a number go on: Redis publishes them all the same.
    fn show_full(&self) {
        if !matches!(self.status.link(), LinkStatus::Full) {
            let error = LinkError::Full;
            tracing::error!(%error, "Redis takes no new members and no events that it would keep");
            self.status.set_link(LinkStatus::Full);
        }
    }

    fn note_away(&mut self, error: LinkError) {
        self.show_away(error, PartitionSet::all());
        // A node that was refused stays so until it is a member.
        if self.reach != Reach::Refused {
            self.lose_reach(Reach::Away);
        }
    }

    fn show_away(&self, error: LinkError, unreached: PartitionSet) {
        self.status.set_unreached(unreached);
        match self.status.link() {
            LinkStatus::Away { error: before } if before == error => return,
            LinkStatus::Away { .. } => tracing::warn!(%error, "Redis is still away"),
            _ => tracing::warn!(%error, "Redis is away"),
        }
        self.status.set_link(LinkStatus::Away { error });
    }

    /// What has no answer is posted, once in an outage.
    pub(super) fn lose_reach(&mut self, reach: Reach) {
        let before = std::mem::replace(&mut self.reach, reach);
        if before == Reach::Joined {
            self.unlink_followers(PartitionSet::all());
        }
        if matches!(before, Reach::Joined | Reach::Unknown) {
            self.post_all_early(PartitionSet::all());
        }
    }

    fn unlink_followers(&self, partitions: PartitionSet) {
        for (_, followed) in self.followers.iter() {
            if partitions.contains(followed.channel.location.partition) {
                followed.holder.take(ReplicaNews::Unlinked);
            }
        }
    }

    fn forget_snapshots(&mut self, partitions: PartitionSet) {
        self.snapshots
            .retain(|_, asked| !partitions.contains(asked.followed.channel.location.partition));
    }
}
