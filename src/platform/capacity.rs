//! The capacity for new connections: the server refuses them before file descriptors or memory run
//! out for the existing ones.

use std::{
    fs::File,
    io,
    os::fd::AsRawFd,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use crate::platform::{heap, system};

/// Share of the memory limit. Over it, connections above their share are not read from, and freed
/// heap is returned to the system.
const MEMORY_TIGHT: f64 = 0.75;
/// Over it, the connections that hold most are closed.
const MEMORY_SHORT: f64 = 0.85;
/// Over it, new connections are refused.
const MEMORY_FULL: f64 = 0.90;
/// Share of the memory limit for all connections while memory is tight.
const FOR_SOCKETS: f64 = 0.25;
/// Factor for leaving a state: each state ends only below its threshold times this, so that it does
/// not flap.
const RELIEF: f64 = 0.95;

pub struct Capacity {
    memory: Option<u64>,
    descriptors: Option<Descriptors>,
    used: AtomicU64,
    open: AtomicU64,
    tight: AtomicBool,
    short_of_memory: AtomicBool,
    short_of_descriptors: AtomicBool,
}

struct Descriptors {
    most: u64,
    /// Any open file. A copy of it gets the lowest free descriptor number, which shows in one call
    /// how many are in use.
    probe: File,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shortage {
    Memory,
    Descriptors,
}

/// The two kinds of listeners that are not for operators.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Listener {
    /// Clients, and backends without an address of their own.
    Public,
    /// Backends that have an address of their own (`api_listen`).
    Api,
}

/// The answer to a new connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    Enough,
    /// The connection stays, and an idle one should be closed.
    Short,
    None,
}

/// The pressure on memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MemoryPressure {
    #[default]
    Relaxed,
    /// Connections above their share of `for_sockets` bytes are not read from.
    Tight { for_sockets: u64 },
    /// In addition, the connections that hold most are closed until `excess` bytes are free.
    Short { for_sockets: u64, excess: u64 },
}

/// Use in percent, for each resource with a limit.
#[derive(Clone, Copy, Debug, serde::Serialize)]
pub struct ResourceUsage {
    #[serde(rename = "descriptors_percent")]
    pub descriptors: Option<u64>,
    #[serde(rename = "memory_percent")]
    pub memory: Option<u64>,
    #[serde(rename = "connections_percent")]
    pub connections: Option<u64>,
}

impl ResourceUsage {
    pub fn exceeds(&self, percent: u64) -> bool {
        let all = [self.descriptors, self.memory, self.connections];
        all.into_iter().flatten().any(|used| used >= percent)
    }
}

impl Descriptors {
    /// Descriptors reserved for files, webhooks and the HTTP API.
    fn reserve(&self) -> u64 {
        (self.most / 20).clamp(32, 1024)
    }

    fn for_sockets(&self) -> u64 {
        self.most.saturating_sub(self.reserve())
    }

    /// Half of the reserve is closed to strangers, and its last quarter is for operators alone:
    /// probes and commands are answered when clients and API have used up their part.
    fn for_connections(&self, listener: Listener) -> u64 {
        let kept = match listener {
            Listener::Public => self.reserve() / 2,
            Listener::Api => self.reserve() / 4,
        };
        self.most.saturating_sub(kept)
    }

    fn are_short(&self) -> bool {
        match self.probe.try_clone() {
            Ok(copy) => number(&copy) >= self.for_sockets(),
            Err(_) => true,
        }
    }
}

fn number(file: &File) -> u64 {
    u64::try_from(file.as_raw_fd()).unwrap_or(0)
}

impl Capacity {
    /// Without any limit.
    pub fn unlimited() -> Self {
        Self {
            memory: None,
            descriptors: None,
            used: AtomicU64::new(0),
            open: AtomicU64::new(0),
            tight: AtomicBool::new(false),
            short_of_memory: AtomicBool::new(false),
            short_of_descriptors: AtomicBool::new(false),
        }
    }

    pub fn new(memory: Option<u64>) -> io::Result<Self> {
        let probe = File::open("/dev/null")?;
        let descriptors = system::descriptor_limit().map(|most| Descriptors { most, probe });
        let capacity = Self { memory, descriptors, ..Self::unlimited() };
        let _ = capacity.look();
        Ok(capacity)
    }

    /// Bytes; `None` without a limit.
    pub fn memory_limit(&self) -> Option<u64> {
        self.memory
    }

    /// The number of sockets for which descriptors remain.
    pub fn sockets(&self) -> Option<u64> {
        let descriptors = self.descriptors.as_ref()?;
        Some(descriptors.for_sockets().saturating_sub(self.open.load(Ordering::Relaxed)))
    }

    /// Checked for each new socket.
    pub fn short(&self) -> Option<Shortage> {
        if self.short_of_memory.load(Ordering::Relaxed) {
            return Some(Shortage::Memory);
        }
        let descriptors = self.descriptors.as_ref().filter(|d| d.are_short())?;
        self.warn_of_descriptors(descriptors);
        Some(Shortage::Descriptors)
    }

    /// Asked for each connection that is not an operator's, with its own descriptor: that it is the
    /// lowest free one tells how many are in use.
    pub fn room(&self, connection: &impl AsRawFd, listener: Listener) -> Room {
        let number = u64::try_from(connection.as_raw_fd()).unwrap_or(0);
        self.room_at(number, listener)
    }

    fn room_at(&self, number: u64, listener: Listener) -> Room {
        match &self.descriptors {
            Some(descriptors) if number >= descriptors.for_connections(listener) => {
                self.warn_of_descriptors(descriptors);
                Room::None
            }
            Some(descriptors) if number >= descriptors.for_sockets() => Room::Short,
            _ => Room::Enough,
        }
    }

    fn warn_of_descriptors(&self, descriptors: &Descriptors) {
        if !self.short_of_descriptors.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                descriptors.now = descriptors.most,
                "file descriptors run short: new sockets are refused with 4100 until some are free. Give the server more (ulimit -n, LimitNOFILE=), or another server beside it"
            );
        }
    }

    /// Checks descriptors and memory, once a second; returns the pressure for the workers.
    pub fn look(&self) -> MemoryPressure {
        if let (Some(descriptors), Some(open)) = (&self.descriptors, system::open_descriptors()) {
            self.open.store(open, Ordering::Relaxed);
            if (open as f64) < descriptors.for_sockets() as f64 * RELIEF {
                self.short_of_descriptors.store(false, Ordering::Relaxed);
            }
        }
        let Some(resident) = system::resident_bytes() else { return MemoryPressure::Relaxed };
        let used = heap::used(resident);
        self.used.store(used, Ordering::Relaxed);
        let memory_pressure = self.judge_memory(used);
        let full = |limit: u64| resident as f64 > limit as f64 * MEMORY_TIGHT;
        if self.memory.is_some_and(full) && resident > used {
            heap::give_back();
        }
        memory_pressure
    }

    fn judge_memory(&self, used: u64) -> MemoryPressure {
        let Some(limit) = self.memory else { return MemoryPressure::Relaxed };
        let is_over = |share: f64, is_now: &AtomicBool| {
            let relief = if is_now.load(Ordering::Relaxed) { RELIEF } else { 1.0 };
            used as f64 > limit as f64 * share * relief
        };
        let refuses = is_over(MEMORY_FULL, &self.short_of_memory);
        if refuses && !self.short_of_memory.load(Ordering::Relaxed) {
            tracing::warn!(
                memory.used = used,
                memory.limit = limit,
                "memory runs short: new sockets are refused with 4100 until some is free. Give the server more (memory_limit_bytes, or the limit of its container), or another server beside it"
            );
        }
        self.short_of_memory.store(refuses, Ordering::Relaxed);
        let tight = is_over(MEMORY_TIGHT, &self.tight);
        self.tight.store(tight, Ordering::Relaxed);
        let for_sockets = (limit as f64 * FOR_SOCKETS) as u64;
        match used as f64 > limit as f64 * MEMORY_SHORT {
            true => {
                let excess = used - (limit as f64 * MEMORY_TIGHT) as u64;
                MemoryPressure::Short { for_sockets, excess }
            }
            false if tight => MemoryPressure::Tight { for_sockets },
            false => MemoryPressure::Relaxed,
        }
    }

    /// `connections`: the current number and the maximum.
    pub fn usage(&self, connections: Option<(u64, u64)>) -> ResourceUsage {
        let percent = |used: u64, most: u64| used.saturating_mul(100) / most.max(1);
        let open = self.open.load(Ordering::Relaxed);
        let used = self.used.load(Ordering::Relaxed);
        ResourceUsage {
            descriptors: self.descriptors.as_ref().map(|d| percent(open, d.for_sockets())),
            memory: self.memory.map(|limit| percent(used, limit)),
            connections: connections.map(|(now, most)| percent(now, most)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_shortage_ends_only_after_some_is_freed() {
        let capacity = Capacity { memory: Some(1000), ..Capacity::unlimited() };
        let short = |used| {
            let _ = capacity.judge_memory(used);
            capacity.short()
        };
        let memory = Some(Shortage::Memory);
        for (used, wanted) in
            [(900, None), (901, memory), (880, memory), (856, memory), (855, None), (900, None)]
        {
            assert_eq!(short(used), wanted, "{used}");
        }
    }

    #[test]
    fn f14_overload_is_handled_in_stages() {
        let capacity = Capacity { memory: Some(1000), ..Capacity::unlimited() };
        let tight = MemoryPressure::Tight { for_sockets: 250 };
        let short = |excess| MemoryPressure::Short { for_sockets: 250, excess };
        for (used, wanted) in [
            (750, MemoryPressure::Relaxed),
            (751, tight),
            (850, tight),
            (851, short(101)),
            (990, short(240)),
            (720, tight),
            (712, MemoryPressure::Relaxed),
            (750, MemoryPressure::Relaxed),
        ] {
            assert_eq!(capacity.judge_memory(used), wanted, "{used}");
        }
        assert_eq!(Capacity::unlimited().judge_memory(u64::MAX), MemoryPressure::Relaxed);
    }

    #[test]
    fn lowest_free_descriptor_shows_descriptors_in_use() {
        let at = |most| {
            let probe = File::open("/dev/null").unwrap();
            let descriptors = Some(Descriptors { most, probe });
            Capacity { descriptors, ..Capacity::unlimited() }.short()
        };
        assert_eq!(at(1 << 30), None);
        // Some are always open.
        assert_eq!(at(33), Some(Shortage::Descriptors));
    }

    #[test]
    fn f26_backends_have_descriptors_that_strangers_cannot_use_up() {
        let probe = File::open("/dev/null").unwrap();
        let descriptors = Some(Descriptors { most: 256, probe });
        let capacity = Capacity { descriptors, ..Capacity::unlimited() };
        for (number, public, api) in [
            (223, Room::Enough, Room::Enough),
            (224, Room::Short, Room::Short),
            (239, Room::Short, Room::Short),
            (240, Room::None, Room::Short),
            (247, Room::None, Room::Short),
            (248, Room::None, Room::None),
        ] {
            let room = [Listener::Public, Listener::Api].map(|l| capacity.room_at(number, l));
            assert_eq!(room, [public, api], "{number}");
        }
        assert_eq!(Capacity::unlimited().room_at(u64::MAX, Listener::Public), Room::Enough);
    }

    #[test]
    fn any_resource_can_exceed_its_threshold() {
        let usage = Capacity::unlimited().usage(Some((89, 100)));
        assert!(!usage.exceeds(90) && usage.exceeds(89));
        assert!(!Capacity::unlimited().usage(None).exceeds(1));
    }
}
