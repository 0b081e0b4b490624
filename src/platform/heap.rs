//! Allocated memory, without freed memory that the allocator keeps.
//!
//! The program's allocator is jemalloc (`main.rs`; reasons in DESIGN.md). It returns unused memory
//! to the system ten seconds after it was freed.

/// Bytes of memory that the process would use if the allocator kept nothing. Memory of other
/// allocators, the program itself and stacks are part of `resident` alone, and count.
pub fn used(resident: u64) -> u64 {
    allocator::state().map_or(resident, |state| state.used(resident))
}

/// Returns unallocated memory to the system now.
pub fn give_back() {
    allocator::purge();
}

#[derive(Clone, Copy, Debug)]
struct AllocatorState {
    allocated: u64,
    /// Resident bytes of the allocator, an upper bound.
    resident: u64,
}

impl AllocatorState {
    fn used(self, resident: u64) -> u64 {
        let kept = self.resident.saturating_sub(self.allocated);
        resident.saturating_sub(kept).max(self.allocated)
    }
}

#[cfg(target_os = "linux")]
mod allocator {
    use tikv_jemalloc_ctl::{Access, AsName as _, arenas, epoch, stats};

    use super::AllocatorState;

    /// The time for which freed memory is kept: jemalloc's default.
    const KEPT_MS: isize = 10_000;

    pub fn state() -> Option<AllocatorState> {
        // The figures are those of the last advance.
        epoch::advance().ok()?;
        let (allocated, resident) = (stats::allocated::read().ok()?, stats::resident::read().ok()?);
        Some(AllocatorState { allocated: allocated as u64, resident: resident as u64 })
    }

    /// A decay time of zero purges an arena at once.
    pub fn purge() {
        let mib = b"arena.0.dirty_decay_ms\0".name().mib::<[usize; 3]>();
        let (Ok(mut mib), Ok(count)) = (mib, arenas::narenas::read()) else { return };
        for arena in 0..count as usize {
            mib[1] = arena;
            // An unused arena has no setting.
            let _ = Access::<isize>::write(&mib, 0).and_then(|()| mib.write(KEPT_MS));
        }
    }
}

#[cfg(not(target_os = "linux"))]
mod allocator {
    use super::AllocatorState;

    pub fn state() -> Option<AllocatorState> {
        None
    }

    pub fn purge() {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f14_memory_kept_by_the_allocator_does_not_count() {
        for (allocated, kept, resident, used) in [
            (100, 100, 150, 150),
            (100, 900, 1000, 200),
            // Its own number is an upper bound.
            (100, 2000, 1000, 100),
        ] {
            let state = AllocatorState { allocated, resident: kept };
            assert_eq!(state.used(resident), used, "{state:?}");
        }
        assert!(used(1 << 30) <= 1 << 30);
        give_back();
    }
}
