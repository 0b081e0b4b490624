//! Finds nodes that a partition still lists and the entries do not: Redis may have lost an entry
//! alone, and nobody would reap its node.

use std::{collections::BTreeMap, time::Duration};

use redis::Value;

use super::{
    context::{MembershipContext, command},
    entries::Entries,
    token::{Grave, Purpose},
    values,
};
use crate::cluster::{
    names::{Incarnation, Partition},
    node::keys::partition_keys,
};

const INTERVAL: Duration = Duration::from_secs(60);

#[derive(Default)]
pub(super) struct ForgottenNodes {
    /// As time since boot.
    next: Duration,
    is_asked: bool,
    /// Who is missing, and since when.
    missing: BTreeMap<(Partition, Incarnation), Duration>,
    /// That of any node so far. A missing one does not tell its own.
    longest_lease: Duration,
}

impl ForgottenNodes {
    /// With each beat.
    pub fn ask(&mut self, owned: Vec<Partition>, context: &mut MembershipContext<'_>) {
        let now = context.now.boot;
        if self.is_asked || owned.is_empty() || now < self.next {
            return;
        }
        (self.is_asked, self.next) = (true, now + INTERVAL);
        let own = context.sealing.incarnation();
        let list = |partition: &Partition| {
            command("HKEYS", &partition_keys(&context.sealing.layout, *partition, &own).p)
        };
        let commands = owned.iter().map(list).collect();
        context.ask(commands, Purpose::ListNodes { partitions: owned, asked: now });
    }

    /// Those who have been missing for a lease.
    pub fn listed(
        &mut self,
        partitions: Vec<Partition>,
        asked: Duration,
        answers: Vec<Value>,
        entries: &Entries,
        context: &MembershipContext<'_>,
    ) -> Vec<Grave> {
        self.is_asked = false;
        self.longest_lease = self.longest_lease.max(context.lease).max(entries.longest_lease());
        let lease = self.longest_lease;
        let mut earlier = std::mem::take(&mut self.missing);
        let mut graves = Vec::new();
        for (partition, answer) in partitions.into_iter().zip(answers) {
            let listed = values::texts(answer).unwrap_or_default();
            let listed = listed.iter().filter_map(|id| values::id(id));
            for node in listed.map(Incarnation::from_bytes) {
                if entries.has(&node) || node == context.sealing.incarnation() {
                    continue;
                }
                let since = earlier.remove(&(partition, node)).unwrap_or(context.now.boot);
                if asked.saturating_sub(since) >= lease {
                    graves.push(Grave::new(node, partition));
                } else {
                    self.missing.insert((partition, node), since);
                }
            }
        }
        if !self.missing.is_empty() {
            self.next = self.next.min(context.now.boot + lease);
        }
        graves
    }

    pub fn lost(&mut self) {
        self.is_asked = false;
    }

    /// The observer did not live through the time before.
    pub fn restart(&mut self) {
        let (next, longest_lease) = (self.next, self.longest_lease);
        *self = Self { next, longest_lease, ..Self::default() };
    }
}
