//! Load shedding when memory is short. The memory check publishes its result here once a second;
//! each worker reads it and acts on its own sockets.

use std::{
    rc::Rc,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::{
    shard::{Shard, Socket},
    topics::shrink,
};
use crate::{capacity::Grade, protocol::code::Close};

/// A connection below this many bytes is never closed or paused.
const LEAST_SHARE: usize = 64 * 1024;

pub struct Pressure {
    share: AtomicUsize,
    excess: AtomicUsize,
    /// The number of the check that set these values.
    look: AtomicU64,
}

impl Default for Pressure {
    fn default() -> Self {
        Self {
            share: AtomicUsize::new(usize::MAX),
            excess: AtomicUsize::new(0),
            look: AtomicU64::new(0),
        }
    }
}

impl Pressure {
    pub fn set(&self, grade: Grade, sockets: usize) {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let share = |bytes_of_all| (bytes(bytes_of_all) / sockets.max(1)).max(LEAST_SHARE);
        let (share, excess) = match grade {
            Grade::Relaxed => (usize::MAX, 0),
            Grade::Tight { for_sockets } => (share(for_sockets), 0),
            Grade::Short { for_sockets, excess } => (share(for_sockets), bytes(excess)),
        };
        self.share.store(share, Ordering::Relaxed);
        self.excess.store(excess, Ordering::Relaxed);
        self.look.fetch_add(1, Ordering::Release);
    }

    /// Bytes that one connection may hold and still be read from.
    pub fn share(&self) -> usize {
        self.share.load(Ordering::Relaxed)
    }
}

impl Shard {
    /// See `Pressure::share`.
    pub fn fair_share(&self) -> usize {
        self.hub.pressure.share()
    }

    /// Closes the sockets of this worker that hold most, until its part of the excess is free.
    pub(super) fn shed(&self) {
        let pressure = &self.hub.pressure;
        let look = pressure.look.load(Ordering::Acquire);
        if self.shed_at.replace(look) == look || pressure.share() == usize::MAX {
            return;
        }
        let mut heavy = self.heavier_than(pressure.share());
        let mine: usize = heavy.iter().map(|(weight, _)| weight).sum();
        self.gauges().heavy_bytes.store(mine, Ordering::Relaxed);
        let sum =
            |sum: usize, gauge: &AtomicUsize| sum.saturating_add(gauge.load(Ordering::Relaxed));
        let all = self.hub.all_gauges().iter().map(|gauges| &gauges.heavy_bytes).fold(0, sum);
        let excess = pressure.excess.load(Ordering::Relaxed);
        let target = (excess as f64 * mine as f64 / all.max(1) as f64) as usize;
        heavy.sort_unstable_by_key(|(weight, _)| std::cmp::Reverse(*weight));
        let mut freed = 0;
        for (weight, socket) in heavy {
            if freed >= target {
                return;
            }
            freed += weight;
            socket.outbox().close(Close::Shed);
            socket.flush();
        }
    }

    /// Gives unused capacity of the tables back. Called now and then.
    pub fn give_back(&self) {
        let mut table = self.table.borrow_mut();
        table.topics.give_back();
        shrink(&mut table.by_id);
        if table.sockets.is_empty() {
            table.sockets.shrink_to_fit();
        }
    }

    fn heavier_than(&self, share: usize) -> Vec<(usize, Rc<dyn Socket>)> {
        let table = self.table.borrow();
        let open = table.sockets.iter().filter(|(_, entry)| !entry.socket.outbox().is_closing());
        open.map(|(_, entry)| (entry.socket.weight(), &entry.socket))
            .filter(|(weight, _)| *weight > share)
            .map(|(weight, socket)| (weight, socket.clone()))
            .collect()
    }
}

#[cfg(test)]
mod tests;
