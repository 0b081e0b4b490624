//! Load shedding when memory is short. The memory check publishes its result here once a second;
//! each worker reads it and acts on its own sockets.

use std::{
    rc::Rc,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

use super::{shard::Shard, socket::Socket, topics::shrink};
use crate::{platform::capacity::MemoryPressure, protocol::code::Close};

/// A connection below this many bytes is never closed or paused.
const LEAST_SHARE: usize = 64 * 1024;

pub struct Pressure {
    for_sockets: AtomicUsize,
    share: AtomicUsize,
    excess: AtomicUsize,
    /// The number of the check that set these values.
    look: AtomicU64,
}

impl Default for Pressure {
    fn default() -> Self {
        Self {
            for_sockets: AtomicUsize::new(0),
            share: AtomicUsize::new(usize::MAX),
            excess: AtomicUsize::new(0),
            look: AtomicU64::new(0),
        }
    }
}

impl Pressure {
    pub fn set(&self, memory_pressure: MemoryPressure, sockets: usize) {
        let bytes = |bytes: u64| usize::try_from(bytes).unwrap_or(usize::MAX);
        let share = |bytes_of_all| (bytes(bytes_of_all) / sockets.max(1)).max(LEAST_SHARE);
        let (for_sockets, share, excess) = match memory_pressure {
            MemoryPressure::Relaxed => (0, usize::MAX, 0),
            MemoryPressure::Tight { for_sockets } => (for_sockets, share(for_sockets), 0),
            MemoryPressure::Short { for_sockets, excess } => {
                (for_sockets, share(for_sockets), bytes(excess))
            }
        };
        self.for_sockets.store(bytes(for_sockets), Ordering::Relaxed);
        self.share.store(share, Ordering::Relaxed);
        self.excess.store(excess, Ordering::Relaxed);
        self.look.fetch_add(1, Ordering::Release);
    }

    /// How many bytes are too much, while memory is tight.
    pub fn excess(&self) -> Option<usize> {
        (self.share() != usize::MAX).then(|| self.excess.load(Ordering::Relaxed))
    }

    /// Bytes that one connection may hold before the server stops reading from it.
    pub fn share(&self) -> usize {
        self.share.load(Ordering::Relaxed)
    }
}

/// A socket with the bytes that it holds.
type Weighed = (usize, Rc<dyn Socket>);

impl Shard {
    /// See `Pressure::share`.
    pub fn fair_share(&self) -> usize {
        self.hub.pressure.share()
    }

    /// Closes the fullest sockets of this worker until its part of what is too much is free. Where
    /// they could free little of it, only what sockets hold together beyond their part is too much:
    /// something else has taken the memory then.
    pub(super) fn shed(&self) {
        let pressure = &self.hub.pressure;
        let look = pressure.look.load(Ordering::Acquire);
        if self.shed_at.replace(look) == look || pressure.share() == usize::MAX {
            return;
        }
        let (mut heavy, held) = self.heavier_than(pressure.share());
        let mine: usize = heavy.iter().map(|(weight, _)| weight).sum();
        self.gauges().heavy_bytes.store(mine, Ordering::Relaxed);
        self.gauges().held_bytes.store(held, Ordering::Relaxed);
        let sum =
            |sum: usize, gauge: &AtomicUsize| sum.saturating_add(gauge.load(Ordering::Relaxed));
        let all = self.hub.all_gauges().iter().map(|gauges| &gauges.heavy_bytes).fold(0, sum);
        let held = self.hub.all_gauges().iter().map(|gauges| &gauges.held_bytes).fold(0, sum);
        let beyond = held.saturating_sub(pressure.for_sockets.load(Ordering::Relaxed));
        let excess = pressure.excess.load(Ordering::Relaxed);
        let excess = if all >= excess / 2 { excess } else { excess.min(beyond) };
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

    /// Ends sockets after their close frame, while descriptors are short.
    pub fn cut_closing(&self) {
        let table = self.table.borrow();
        table.sockets.iter().for_each(|(_, entry)| entry.socket.cut());
    }

    /// Frees table memory that closed sockets have left unused.
    pub fn give_back(&self) {
        let mut table = self.table.borrow_mut();
        table.topics.give_back();
        shrink(&mut table.by_id);
        if table.sockets.is_empty() {
            table.sockets.shrink_to_fit();
        }
    }

    /// The sockets heavier than `share`, and the bytes held by all sockets of the worker.
    fn heavier_than(&self, share: usize) -> (Vec<Weighed>, usize) {
        let table = self.table.borrow();
        let open = table.sockets.iter().filter(|(_, entry)| !entry.socket.outbox().is_closing());
        let mut held = 0;
        let heavy = open
            .map(|(_, entry)| (entry.socket.weight(), &entry.socket))
            .inspect(|(weight, _)| held += weight)
            .filter(|(weight, _)| *weight > share)
            .map(|(weight, socket)| (weight, socket.clone()))
            .collect();
        (heavy, held)
    }
}

#[cfg(test)]
mod tests;
