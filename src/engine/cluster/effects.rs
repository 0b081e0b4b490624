//! Carries out the effects of a replica, under the lock of its record.

use std::{sync::Arc, time::Instant};

use super::{
    super::{AppRuntime, Engine, effects::tell_count},
    events::EncodedHeard,
    resuming::waiting,
};
use crate::{
    channels::change::{Change, ReplicatedChange},
    cluster::{
        node::{
            ClusterNode,
            commands::{FollowedChannel, NodeCommand},
        },
        replica::effect::ReplicaEffect,
    },
    hub::{
        mailbox::WorkerCommand,
        record::{LockedRecord, Record},
    },
};

impl Engine {
    pub(super) fn carry_out_replica(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        effects: Vec<ReplicaEffect>,
    ) {
        let Some(node) = self.cluster.node() else { return };
        let mut kept = None;
        for effect in effects {
            let Some(channel) = locked.followed().map(|held| held.channel.clone()) else { return };
            self.carry_out_one(runtime, record, locked, (node, channel), effect, &mut kept);
        }
        self.log_advanced(record, locked);
        wake_in_time(node, locked);
        if locked.followed().is_some_and(|held| held.replica.is_closed()) {
            locked.unfollow();
        }
    }

    fn carry_out_one(
        &self,
        runtime: &AppRuntime,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        (node, followed): (&ClusterNode, Arc<FollowedChannel>),
        effect: ReplicaEffect,
        kept: &mut Option<EncodedHeard>,
    ) {
        match effect {
            ReplicaEffect::MemberAdded(member) => {
                self.replicate(locked, ReplicatedChange::MemberAdded(member));
            }
            ReplicaEffect::MemberRemoved { user_id } => {
                self.replicate(locked, ReplicatedChange::MemberRemoved { user_id });
            }
            ReplicaEffect::KeepLast(event) => {
                *kept = self.keep_last(runtime, record, locked, &event);
            }
            ReplicaEffect::Deliver(event) => {
                self.deliver(runtime, record, locked, &event, kept.take());
            }
            ReplicaEffect::DropLast => runtime.directory.drop_last_event(locked, Instant::now()),
            ReplicaEffect::TellLogGap(gap) => self.tell_log_gap(runtime, record, locked, gap),
            ReplicaEffect::LogSynced => self.log_synced(node, runtime, locked),
            ReplicaEffect::TellTotal(total) if followed.channel.is_mirror() => {
                self.user_seen(runtime, locked, total > 0);
            }
            ReplicaEffect::TellTotal(total) => {
                if runtime.tells_count(record.channel()) {
                    tell_count(&self.hub, locked, saturated(total));
                }
            }
            ReplicaEffect::Answer(id) => {
                // A reader waits for what is behind its position.
                if self.may_join(locked, id) {
                    let waiting = waiting(record, id);
                    self.hub.post_to(id.socket, WorkerCommand::Opened(waiting));
                }
            }
            ReplicaEffect::RefuseFull(id) => {
                let waiting = waiting(record, id);
                self.hub.post_to(id.socket, WorkerCommand::ChannelFull(waiting));
            }
            ReplicaEffect::DroppedKeyless => {
                node.status().dropped.add();
                tracing::warn!(
                    app.id = &*runtime.id,
                    "an event of another node was dropped: its key has not come here within two seconds"
                );
            }
            ReplicaEffect::Repairing(cause) => node.status().repairs.add(cause),
            ReplicaEffect::Subscribe => node.send(NodeCommand::Follow(followed)),
            ReplicaEffect::Unsubscribe => {
                self.replicate(locked, ReplicatedChange::MembersForgotten);
                node.send(NodeCommand::Unfollow(followed));
            }
            ReplicaEffect::AskSnapshot { request, log_after } => {
                node.send(NodeCommand::Snapshot { followed, request, log_after });
            }
            ReplicaEffect::AskHeld(request) => {
                node.send(NodeCommand::AskHeld { followed, request });
            }
            ReplicaEffect::Send { request, verb } => {
                node.send(NodeCommand::Change { followed, request, verb });
            }
        }
    }

    fn replicate(&self, locked: &mut LockedRecord<'_>, change: ReplicatedChange) {
        let effects = locked.apply(Change::Replicate(change), Instant::now());
        self.post_messages(locked, effects.messages);
    }
}

/// As the protocol counts.
pub(super) fn saturated(total: u64) -> u32 {
    u32::try_from(total).unwrap_or(u32::MAX)
}

/// Asks for a tick if the replica needs one before the next that was asked for.
fn wake_in_time(node: &ClusterNode, locked: &mut LockedRecord<'_>) {
    let Some(held) = locked.followed() else { return };
    let wanted = held.replica.next_deadline();
    if let Some(at) = wanted.filter(|_| wanted != held.wake_at) {
        node.send(NodeCommand::WakeAt { followed: held.channel.clone(), at });
    }
    held.wake_at = wanted;
}
