//! Takes the news of a followed channel to its record.

use std::{
    sync::{Arc, Weak},
    time::Instant,
};

use super::super::{AppRuntime, Engine};
use crate::{
    cluster::node::news::{ReplicaHolder, ReplicaNews},
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
        if let ReplicaNews::LogRead { number, after, part } = news {
            let answer = engine.read_answer(&runtime, record.channel(), after, part.as_ref());
            if let Some(mut locked) = record.enter() {
                engine.log_read(&record, &mut locked, number, answer);
            }
            return;
        }
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
                return self.deliver(runtime, record, locked, &event, None);
            }
            news => self.with_keys(runtime, locked.channel(), news),
        };
        let Some(held) = locked.followed() else { return };
        let effects = news.apply(&mut held.replica, now);
        self.carry_out_replica(runtime, record, locked, effects);
    }
}
