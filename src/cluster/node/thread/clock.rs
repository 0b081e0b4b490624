//! The clock of Redis while the connection lasts.
//!
//! It may be set, and this machine's clock stands still while the machine is suspended. Nodes that
//! connect later refuse what seems to be sent long before.

use std::time::{Duration, Instant};

use redis::Value;

use super::{NodeDriver, Reach, token::NodeToken};
use crate::cluster::redis::checks::milliseconds;

/// Far below the age at which an unknown sender's message is refused.
const READ_INTERVAL: Duration = Duration::from_secs(10);

impl NodeDriver {
    pub(super) fn read_clock_in_time(&mut self, now: Instant) {
        if now < self.next_clock_read {
            return;
        }
        self.next_clock_read = now + READ_INTERVAL;
        if self.reach == Reach::Joined {
            self.links.read(vec![redis::cmd("TIME")], NodeToken::Clock(now));
        }
    }

    pub(super) fn clock_read(&mut self, asked: Instant, answers: &[Value]) {
        if let Some(read) = answers.first().and_then(milliseconds) {
            self.set_clock(corrected(self.sealing.redis_ms(), read, asked.elapsed()));
        }
    }

    /// Of another connection.
    pub(super) fn set_clock(&mut self, redis_ms: u64) {
        self.sealing.set_clock(redis_ms);
        self.status.set_redis_ms(redis_ms);
    }
}

/// The time of Redis now. It read its clock while the answer was awaited, so an estimate that this
/// allows stays as it is: a late answer sets no clock back.
fn corrected(estimate: u64, read: u64, awaited: Duration) -> u64 {
    let latest = read.saturating_add(awaited.as_millis().try_into().unwrap_or(u64::MAX));
    estimate.clamp(read, latest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_answer_sets_no_clock_back() {
        let awaited = Duration::from_millis(1700);
        for (estimate, expected, why) in [
            (11_500, 11_500, "read at 10,000, which is 1,500 ago"),
            (9_000, 10_000, "the clock of Redis is ahead"),
            (12_000, 11_700, "the clock of Redis is behind"),
        ] {
            assert_eq!(corrected(estimate, 10_000, awaited), expected, "{why}");
        }
        assert_eq!(corrected(5, u64::MAX, awaited), u64::MAX);
    }
}
