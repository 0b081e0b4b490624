//! The slots by which other nodes find this one.

use parking_lot::RwLock;

use crate::cluster::names::NodeSlot;

/// A node takes a slot when it joins, and may take another one later. Its sockets keep their ids, so
/// it answers for all slots that it has had. So that sockets have an id at once, the first slot is
/// drawn before there is a connection. Another node may have it as well: then both are asked.
pub struct NodeSlots(RwLock<Vec<NodeSlot>>);

impl NodeSlots {
    pub fn new(first: NodeSlot) -> Self {
        Self(RwLock::new(vec![first]))
    }

    /// Of sockets from now on. Other nodes can ask there already.
    pub fn take(&self, slot: NodeSlot) {
        let mut slots = self.0.write();
        slots.retain(|other| *other != slot);
        slots.push(slot);
    }

    pub fn of_new_sockets(&self) -> NodeSlot {
        *self.0.read().last().expect("there is one from the beginning")
    }

    pub fn has(&self, slot: NodeSlot) -> bool {
        self.0.read().contains(&slot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slots_are_kept_and_the_newest_is_that_of_new_sockets() {
        let slot = |number| NodeSlot::new(number).expect("a slot");
        let slots = NodeSlots::new(slot(1));
        for (next, before) in [(2, 1), (3, 2), (1, 3)] {
            slots.take(slot(next));
            assert_eq!(slots.of_new_sockets(), slot(next));
            assert!(slots.has(slot(before)) && slots.has(slot(next)));
        }
        assert!(!slots.has(slot(4)));
    }
}
