//! Limits how often a connection may rejoin channels: each join tells all members of a presence
//! channel.

use std::time::{Duration, Instant};

use crate::domain::rate_limit::{LocalRateLimiter, RateQuota};

/// Counts subscriptions that follow an ended or refused one. First subscriptions are free: a
/// returning page joins all its channels at once, and `channels_per_connection` bounds them.
#[derive(Default)]
pub struct RejoinLimit(Option<Box<EndedSubscriptions>>);

struct EndedSubscriptions {
    /// Closed or refused subscriptions without a successor yet.
    ended: u32,
    limiter: LocalRateLimiter,
}

/// Burst in seconds of the rate, for a page that switches from many channels to many others.
const BURST_SECONDS: u32 = 10;

impl RejoinLimit {
    pub fn note_end(&mut self, now: Instant) {
        let counted = self.0.get_or_insert_with(|| {
            Box::new(EndedSubscriptions { ended: 0, limiter: LocalRateLimiter::new(now) })
        });
        counted.ended = counted.ended.saturating_add(1);
    }

    /// `per_second` 0 means no limit. The error is the time to wait.
    pub fn take(&mut self, per_second: u32, now: Instant) -> Result<(), Duration> {
        let Some(counted) = self.0.as_mut().filter(|counted| counted.ended > 0) else {
            return Ok(());
        };
        if let Some(params) = RateQuota::with_burst_of(BURST_SECONDS, per_second).gcra() {
            counted.limiter.take(params, now)?;
        }
        counted.ended -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_joins_are_free_and_rejoins_are_counted() {
        let (mut rejoins, start) = (RejoinLimit::default(), Instant::now());
        assert!((0..20_000).all(|_| rejoins.take(1, start).is_ok()));
        let flaps = |rejoins: &mut RejoinLimit, now: Instant| {
            (0..1000)
                .filter(|_| {
                    rejoins.note_end(now);
                    rejoins.take(5, now).is_ok()
                })
                .count()
        };
        assert_eq!(flaps(&mut rejoins, start), 50);
        assert_eq!(flaps(&mut rejoins, start + Duration::from_secs(1)), 5);
        let wait = rejoins.take(5, start + Duration::from_secs(1)).expect_err("nothing is left");
        assert!(wait <= Duration::from_millis(200), "{wait:?}");
        assert!(rejoins.take(0, start).is_ok(), "0 is no limit");
    }

    #[test]
    fn rejoining_every_channel_is_allowed() {
        let (mut rejoins, now) = (RejoinLimit::default(), Instant::now());
        for _ in 0..1000 {
            rejoins.note_end(now);
        }
        assert!((0..20_000).all(|_| rejoins.take(100, now).is_ok()));
    }
}
