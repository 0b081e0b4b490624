//! Limits how often a connection may rejoin channels: each join tells all members of a presence
//! channel.

use std::time::{Duration, Instant};

use crate::meter::{Allowance, Meter};

/// Counts subscriptions that follow an ended or refused one. First subscriptions are free: a
/// returning page joins all its channels at once, and `channels_per_connection` bounds them.
#[derive(Default)]
pub struct Rejoins(Option<Box<Counted>>);

struct Counted {
    /// Closed or refused subscriptions without a successor yet.
    ended: u32,
    meter: Meter,
}

/// Burst in seconds of the rate, for a page that switches from many channels to many others.
const BURST: u64 = 10;

impl Rejoins {
    pub fn note_end(&mut self, now: Instant) {
        let counted =
            self.0.get_or_insert_with(|| Box::new(Counted { ended: 0, meter: Meter::new(now) }));
        counted.ended = counted.ended.saturating_add(1);
    }

    /// `per_second` 0 means no limit. The error is the time to wait.
    pub fn take(&mut self, per_second: u32, now: Instant) -> Result<(), Duration> {
        let Some(counted) = self.0.as_mut().filter(|counted| counted.ended > 0) else {
            return Ok(());
        };
        let allowed = Allowance { per_second, at_once: u64::from(per_second) * BURST };
        counted.meter.take(1, allowed, now)?;
        counted.ended -= 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_joins_are_free_and_each_that_follows_an_end_is_counted() {
        let (mut rejoins, start) = (Rejoins::default(), Instant::now());
        assert!((0..20_000).all(|_| rejoins.take(1, start).is_ok()));
        let flaps = |rejoins: &mut Rejoins, now: Instant| {
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
    fn all_may_be_left_and_joined_again() {
        let (mut rejoins, now) = (Rejoins::default(), Instant::now());
        for _ in 0..1000 {
            rejoins.note_end(now);
        }
        assert!((0..20_000).all(|_| rejoins.take(100, now).is_ok()));
    }
}
