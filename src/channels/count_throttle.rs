//! Limits how often a channel's subscription count is sent (protocol.md 2.6).

use std::time::{Duration, Instant};

use crate::domain::rate_limit::{GcraParams, LocalRateLimiter};

/// Up to this many subscribers each change is sent; above, at most one in each `INTERVAL`.
const EACH_CHANGE: u32 = 100;
const INTERVAL: Duration = Duration::from_secs(5);

/// The maximum of counts per second on a small channel. Otherwise one socket that joins and leaves
/// in a loop would cause a frame to all subscribers each time.
const SMALL_CHANNEL: GcraParams = GcraParams::new(Duration::from_secs(1), 20);

#[derive(Default)]
pub struct CountThrottle {
    sent: Option<(Instant, LocalRateLimiter)>,
    /// A change was not sent, and the channel is in the app's list of pending counts.
    pub pending: bool,
}

impl CountThrottle {
    #[must_use]
    pub fn may_send(&mut self, count: u32, now: Instant) -> bool {
        let (last, limiter) = match &mut self.sent {
            Some(sent) => (Some(sent.0), &mut sent.1),
            None => (None, &mut self.sent.insert((now, LocalRateLimiter::new(now))).1),
        };
        let due = last.is_none_or(|last| now.duration_since(last) >= INTERVAL);
        let granted =
            if count <= EACH_CHANGE { limiter.take(SMALL_CHANNEL, now).is_ok() } else { due };
        if let Some(sent) = self.sent.as_mut().filter(|_| granted) {
            sent.0 = now;
        }
        granted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_channels_report_each_change_and_large_ones_are_throttled() {
        let (mut throttle, start) = (CountThrottle::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!((0..100).filter(|_| throttle.may_send(100, start)).count(), 20);
        assert!(!throttle.may_send(101, at(1)));
        assert!(throttle.may_send(101, at(5)));
        assert!(!throttle.may_send(5000, at(9)));
        assert!(throttle.may_send(5000, at(10)));
        assert!(CountThrottle::default().may_send(5000, start));
    }
}
