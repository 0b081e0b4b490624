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
            self.links.read(vec![redis::cmd("TIME")], NodeToken::Clock);
        }
    }

    pub(super) fn clock_read(&mut self, answers: &[Value]) {
        if let Some(redis_ms) = answers.first().and_then(milliseconds) {
            self.set_clock(redis_ms);
        }
    }

    pub(super) fn set_clock(&mut self, redis_ms: u64) {
        self.sealing.set_clock(redis_ms);
        self.status.set_redis_ms(redis_ms);
    }
}
