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

/// A reading that is earlier than expected pulls the clock back by this much. It is more than clocks
/// drift between two readings.
const PULLED_BACK_MS: u64 = 20;

/// By more, the clock of Redis was set back.
const SET_BACK_MS: u64 = 5_000;

/// What is read is late: by the way of the answer, and by all that this node did meanwhile. So the
/// clock trusts the latest reading at once, and earlier ones slowly.
fn followed(expected_ms: u64, read_ms: u64) -> u64 {
    match expected_ms.saturating_sub(read_ms) {
        ..=SET_BACK_MS => read_ms.max(expected_ms.saturating_sub(PULLED_BACK_MS)),
        _ => read_ms,
    }
}

impl NodeDriver {
    pub(super) fn read_clock_in_time(&mut self, now: Instant) {
        if now < self.next_clock_read {
            return;
        }
        self.next_clock_read = now + READ_INTERVAL;
        if self.reach == Reach::Joined {
            self.links.read(vec![redis::cmd("TIME")], NodeToken::Clock);
        }
    }

    pub(super) fn clock_read(&mut self, answers: &[Value]) {
        if let Some(redis_ms) = answers.first().and_then(milliseconds) {
            self.set_clock(followed(self.sealing.redis_ms(), redis_ms));
        }
    }

    /// Of another connection.
    pub(super) fn set_clock(&mut self, redis_ms: u64) {
        self.sealing.set_clock(redis_ms);
        self.status.set_redis_ms(redis_ms);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_readings_pull_the_clock_back_slowly() {
        assert_eq!(followed(1000, 1300), 1300, "the one before was late");
        assert_eq!(followed(9000, 8990), 8990);
        assert_eq!(followed(9000, 8000), 8980, "this one is late, or the clock drifts");
        assert_eq!(followed(9000, 9000 - SET_BACK_MS), 8980);
        assert_eq!(followed(9000, 3000), 3000, "the clock of Redis was set");
    }
}
