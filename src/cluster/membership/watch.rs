//! Death is observed: a node is dead when its entry stood still for a lease, all of which the
//! observer lived through with a connection. It is the longer one of the observer's and the node's.
//!
//! No clock of Redis or of another node counts. An outage, or a pause of the observer, begins every
//! observation anew: what did not move meanwhile may not have been able to.

use std::{collections::HashMap, time::Duration};

use bytes::Bytes;

use crate::cluster::names::Incarnation;

pub(super) struct DeathWatch {
    lease: Duration,
    seen: HashMap<Incarnation, Observed>,
    last_asked: Option<Duration>,
}

struct Observed {
    entry: Bytes,
    since: Duration,
}

/// When a read was sent and when it was answered, as times since boot. What was read is from a
/// moment between them.
#[derive(Clone, Copy, Debug)]
pub(super) struct ReadTimes {
    pub asked: Duration,
    pub answered: Duration,
}

impl DeathWatch {
    pub fn new(lease: Duration) -> Self {
        Self { lease, seen: HashMap::new(), last_asked: None }
    }

    pub fn restart(&mut self) {
        self.seen.clear();
        self.last_asked = None;
    }

    /// When the entry has changed last, as far as it was observed.
    pub fn since(&self, node: &Incarnation) -> Option<Duration> {
        self.seen.get(node).map(|seen| seen.since)
    }

    /// True if the observer was away between two reads. It then knows nothing of that time.
    pub fn has_paused(&mut self, asked: Duration) -> bool {
        let last = self.last_asked.replace(asked);
        last.is_some_and(|last| asked.saturating_sub(last) > self.lease / 2)
    }

    /// The entries that have stood still for a lease: `lease_of` is that of a node. `has_paused` has
    /// been asked before.
    pub fn observe(
        &mut self,
        times: ReadTimes,
        entries: &[(Incarnation, Bytes)],
        lease_of: impl Fn(&Incarnation) -> Duration,
    ) -> Vec<(Incarnation, Bytes)> {
        let mut earlier = std::mem::take(&mut self.seen);
        let mut still = Vec::new();
        for (node, entry) in entries {
            let since = match earlier.remove(node) {
                Some(seen) if seen.entry == *entry => seen.since,
                _ => times.answered,
            };
            if times.asked.saturating_sub(since) >= self.lease.max(lease_of(node)) {
                still.push((*node, entry.clone()));
            }
            self.seen.insert(*node, Observed { entry: entry.clone(), since });
        }
        still
    }
}
