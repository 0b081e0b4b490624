//! The two clocks of a membership.

use std::time::{Duration, Instant};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Now {
    /// For deadlines.
    pub at: Instant,
    /// Does not stand still while the machine is suspended. Only its differences mean anything.
    pub boot: Duration,
}

impl Now {
    pub fn read() -> Self {
        Self { at: Instant::now(), boot: since_boot() }
    }
}

fn since_boot() -> Duration {
    use rustix::time::{ClockId, clock_gettime};
    #[cfg(any(target_os = "linux", target_os = "android"))]
    let clock = ClockId::Boottime;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    let clock = ClockId::Monotonic;
    let time = clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clocks_never_go_back() {
        let (earlier, later) = (Now::read(), Now::read());
        assert!(later.at >= earlier.at && later.boot >= earlier.boot);
        assert!(later.boot > Duration::ZERO);
    }
}
