//! What the parts of a membership need to act.

use std::time::Duration;

use redis::Cmd;

use super::{
    effect::{MembershipCount, MembershipEffect},
    now::Now,
    token::{MembershipToken, Purpose},
};
use crate::cluster::{
    names::{Incarnation, Partition, PartitionSet},
    node::{keys::partition_keys, sealing::NodeSealing},
    redis::{keys::Keys, scripts::Scripts, verbs::Verb},
    rejection::ClusterRejection,
};

pub(super) struct MembershipContext<'a> {
    pub sealing: &'a NodeSealing,
    pub scripts: &'a Scripts,
    pub now: Now,
    pub round: u64,
    pub lease: Duration,
    /// Partitions whose master is not there: what is sent there waits.
    pub unreached: PartitionSet,
    pub effects: Vec<MembershipEffect>,
}

impl MembershipContext<'_> {
    pub fn ask(&mut self, commands: Vec<Cmd>, purpose: Purpose) {
        let token = MembershipToken { round: self.round, purpose };
        self.effects.push(MembershipEffect::Ask { commands, token });
    }

    pub fn change(&mut self, partition: Partition, verb: &Verb, keys: &Keys, purpose: Purpose) {
        let token = MembershipToken { round: self.round, purpose };
        let command = verb.command(self.scripts, keys);
        self.effects.push(MembershipEffect::Change { partition, command, token });
    }

    /// For a verb of a whole partition, in the name of `node`.
    pub fn change_partition(
        &mut self,
        partition: Partition,
        node: &Incarnation,
        verb: &Verb,
        purpose: Purpose,
    ) {
        let keys = partition_keys(&self.sealing.layout, partition, node);
        self.change(partition, verb, &keys, purpose);
    }

    pub fn count(&mut self, count: MembershipCount) {
        self.effects.push(MembershipEffect::Count(count));
    }

    /// `None` for a value that does not open, which is counted.
    pub fn opened<T>(&mut self, result: Result<T, ClusterRejection>) -> Option<T> {
        result.map_err(|rejection| self.reject(rejection)).ok()
    }

    pub fn reject(&mut self, rejection: ClusterRejection) {
        self.count(MembershipCount::Rejected(rejection));
    }

    pub fn lease_ms(&self) -> u64 {
        self.lease.as_millis() as u64
    }
}

/// A command on one key.
pub(super) fn command(name: &str, key: &[u8]) -> Cmd {
    let mut command = redis::cmd(name);
    command.arg(key);
    command
}
