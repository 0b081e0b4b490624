//! Channels that Redis lists for this node, and that nobody here follows.
//!
//! A master that came back with older data leaves them behind, and so does a change that arrived
//! late, over a connection that was given up. The host looks after them as after any other channel:
//! its replica compares what Redis has with what this node has.

use std::time::{Duration, Instant};

use redis::Value;

use super::{NodeDriver, token::NodeToken};
use crate::cluster::{
    names::{ChannelLocation, Partition},
    node::{keys, opening::named_channel, queries::channel_ids},
};

/// All partitions are looked through once in this time.
const INTERVAL: Duration = Duration::from_secs(60);

/// More of a partition are found by the next round.
const NAMES_AT_ONCE: usize = 500;

pub struct StraySearch {
    next: Partition,
    next_at: Instant,
    is_asked: bool,
    /// Partitions that are looked through without a pause.
    hurried: usize,
}

impl StraySearch {
    pub fn new(now: Instant) -> Self {
        Self { next: Partition::FIRST, next_at: now + pause(), is_asked: false, hurried: 0 }
    }

    /// Redis may be full of strays.
    pub fn hurry(&mut self, now: Instant) {
        (self.hurried, self.next_at) = (Partition::COUNT, now);
    }

    pub fn next_look(&self) -> Option<Instant> {
        (!self.is_asked).then_some(self.next_at)
    }

    /// The partition that is to be looked through now.
    fn begin(&mut self, now: Instant) -> Option<Partition> {
        if self.is_asked || now < self.next_at {
            return None;
        }
        self.is_asked = true;
        Some(self.next)
    }

    fn done(&mut self, now: Instant) {
        self.is_asked = false;
        self.next = self.next.following();
        let is_hurried = self.hurried > 0;
        self.hurried = self.hurried.saturating_sub(1);
        self.next_at = if is_hurried { now } else { now + pause() };
    }

    /// The answer was lost with the connection: the partition is asked for again, after a while.
    pub fn lost(&mut self, now: Instant) {
        (self.is_asked, self.next_at) = (false, now + pause());
    }
}

fn pause() -> Duration {
    INTERVAL / Partition::COUNT as u32
}

impl NodeDriver {
    pub(super) fn look_for_strays(&mut self, now: Instant) {
        let Some(partition) = self.strays.begin(now) else { return };
        if !self.reaches(partition) {
            return self.strays.done(now);
        }
        let names =
            keys::partition_keys(&self.sealing.layout, partition, &self.sealing.incarnation());
        let mut list = redis::cmd("SMEMBERS");
        list.arg(&names.i[..]);
        self.links.read_in(partition, vec![list], NodeToken::ListedChannels(partition));
    }

    pub(super) fn channels_listed(&mut self, partition: Partition, mut answers: Vec<Value>) {
        let listed = channel_ids(answers.pop().unwrap_or(Value::Nil));
        let strays: Vec<_> = listed
            .map(|id| ChannelLocation { id, partition })
            .filter(|at| !self.is_followed(at))
            .take(NAMES_AT_ONCE)
            .collect();
        if strays.is_empty() {
            return self.strays.done(Instant::now());
        }
        let name = |at: &ChannelLocation| {
            let state = self.sealing.layout.partition(partition).channel(at.id).state();
            let mut read = redis::cmd("HGET");
            read.arg(&state[..]).arg(&b"k"[..]);
            read
        };
        let names = strays.iter().map(name).collect();
        self.links.read_in(partition, names, NodeToken::StrayNames(strays));
    }

    fn is_followed(&self, at: &ChannelLocation) -> bool {
        let topic = self.sealing.layout.partition(at.partition).channel(at.id).topic();
        self.followers.get(&topic.into()).is_some()
    }

    pub(super) fn strays_named(&mut self, strays: Vec<ChannelLocation>, names: Vec<Value>) {
        let rejected = &self.status.rejected;
        for (at, name) in strays.iter().zip(names) {
            // Without a name there is nobody who could ask for the channel.
            let Value::BulkString(name) = name else { continue };
            if let Ok(stray) = rejected.counted(named_channel(&self.sealing, *at, &name)) {
                self.host.look_after(&stray.app, &stray.channel);
            }
        }
        self.strays.done(Instant::now());
    }
}
