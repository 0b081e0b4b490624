//! Three masters of a Redis Cluster, and the slots that move between them.

use std::sync::Arc;

use crate::support::*;

/// With keys or topics of nodes: those of the partitions, and that of the entries of the nodes. The
/// slot of the identity may be one more.
pub const SLOTS: usize = 129;
pub const MASTERS: usize = 3;

pub struct MovableSlots {
    masters: Arc<Masters>,
    section: ClusterSection,
    /// Slots with the master of each.
    slots: Vec<(u16, usize)>,
}

impl MovableSlots {
    pub fn start() -> Self {
        let masters = Masters::start();
        let section = ClusterSection::on(&masters.servers[0]).url(masters.url());
        let of_master = |at| {
            let slots = masters.slots_of(at, section.prefix());
            slots.into_iter().map(move |slot| (slot, at))
        };
        let mut slots: Vec<_> = (0..MASTERS).flat_map(of_master).collect();
        slots.sort_unstable();
        // The slot of the identity may be one of the others.
        slots.dedup();
        Self { masters: Arc::new(masters), section, slots }
    }

    pub fn section(&self) -> &ClusterSection {
        &self.section
    }

    pub fn masters(&self) -> Vec<&Redis> {
        self.masters.servers.iter().collect()
    }

    /// Moves those of these slots to the master that it does not have.
    pub async fn move_to(&mut self, slots: std::ops::Range<usize>, to: usize) {
        for (slot, master) in self.slots[slots.start..].iter_mut().take(slots.len()) {
            let (slot, from) = (*slot, std::mem::replace(master, to));
            if from == to {
                continue;
            }
            let masters = self.masters.clone();
            let moving = tokio::task::spawn_blocking(move || masters.move_slot(slot, from, to));
            moving.await.expect("the slot moves");
        }
    }
}
