//! How often one connection may join and leave: each time everybody on a presence channel is told.

use std::time::{Duration, Instant};

use crate::meter::{Allowance, Meter};

/// Counts subscriptions that follow one that was left or refused. The first of each channel are not
/// counted: a page that comes back joins all that it has at once, and how many that are is bounded
/// by `channels_per_connection`.
#[derive(Default)]
pub struct Rejoins(Option<Box<Counted>>);

struct Counted {
    /// Left or refused, and not followed by another yet.
    ended: u32,
    meter: Meter,
}

/// So many seconds' worth at once: a page of a thousand channels that shows another thousand.
const BURST: u64 = 10;

impl Rejoins {
    pub fn note_end(&mut self, now: Instant) {
        let counted =
            self.0.get_or_insert_with(|| Box::new(Counted { ended: 0, meter: Meter::new(now) }));
        counted.ended = counted.ended.saturating_add(1);
    }

    /// `per_second` 0: without limit. The error is how long to wait.
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
