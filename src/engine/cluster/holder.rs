//! Takes the news of a followed channel to its record.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use super::super::{AppRuntime, Engine};
use crate::{
    cluster::{
        node::news::{ReplicaHolder, ReplicaNews},
        replica::{ChannelReplica, effect::ReplicaEffect},
    },
    hub::record::{LockedRecord, Record},
};

/// Refers to its record weakly, since the record refers to it.
pub(super) struct RecordHolder {
    pub(super) engine: Weak<Engine>,
    pub(super) runtime: Weak<AppRuntime>,
    pub(super) record: Weak<Record>,
}

impl ReplicaHolder for RecordHolder {
    fn take(&self, news: ReplicaNews) {
        let engine = self.engine.upgrade();
        let (Some(engine), Some(runtime)) = (engine, self.runtime.upgrade()) else { return };
        let Some(record) = self.record.upgrade() else { return };
        if let Some(mut locked) = record.enter() {
            engine.take_news(&runtime, &record, &mut locked, news);
        }
        runtime.directory.remove_if_unused(&record, Instant::now());
    }
}

impl Engine {
    fn take_news(
        &self,
        runtime: &Arc<AppRuntime>,
        record: &Arc<Record>,
        locked: &mut LockedRecord<'_>,
        news: ReplicaNews,
    ) {
        let now = Instant::now();
        let news = match news {
            ReplicaNews::PostEarly { event, is_kept: false } => {
                return self.deliver(runtime, locked, &event);
            }
            news => self.with_keys(runtime, locked.channel(), news),
        };
        let Some(held) = locked.followed() else { return };
        let effects = apply(&mut held.replica, news, now);
        self.carry_out_replica(runtime, record, locked, effects);
    }
}

fn apply(replica: &mut ChannelReplica, news: ReplicaNews, now: Instant) -> Vec<ReplicaEffect> {
    match news {
        ReplicaNews::Linked(master) => replica.reconnected(master, now),
        ReplicaNews::Unlinked => replica.disconnected(now),
        ReplicaNews::AnnounceAll => replica.announce_all(now),
        ReplicaNews::Audit => replica.audit(now),
        ReplicaNews::Tick => replica.tick(now),
        ReplicaNews::Subscribed => replica.subscribed(now),
        ReplicaNews::Heard(message) => replica.hear(message, now),
        ReplicaNews::Marked(request) => replica.marked(request, now),
        ReplicaNews::SnapshotTaken(request, taken) => replica.snapshot_taken(request, taken, now),
        ReplicaNews::SnapshotFailed(request) => replica.snapshot_failed(request, now),
        ReplicaNews::Held(request, held) => replica.audited(request, held, now),
        ReplicaNews::Replied(request, reply) => replica.replied(request, reply, now),
        ReplicaNews::VerbFailed(request, failure) => replica.verb_failed(request, failure, now),
        ReplicaNews::PostEarly { event, .. } => replica.post_early(event, now),
    }
}
