//! The timer of the console: expired sessions, and one row of the series each second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_rt::{task::spawn_blocking, time::interval};
use tokio::time::MissedTickBehavior;

use super::{Console, series::SeriesSampler};
use crate::{
    domain::time::UnixSeconds,
    platform::clock::unix_now,
    web::{context::worker::SharedState, settings::console::ConsoleAccess},
};

const INTERVAL: Duration = Duration::from_secs(1);

/// Seconds since 1970, one for each tick: a late tick is counted for the second in which it was due.
struct TickClock {
    base: UnixSeconds,
    start: Instant,
}

/// Beyond it the system clock was set.
const MAX_DIFFERENCE: u64 = 2;

impl TickClock {
    fn starting(wall: UnixSeconds, now: Instant) -> Self {
        Self { base: wall, start: now }
    }

    fn second(&mut self, wall: UnixSeconds, now: Instant) -> UnixSeconds {
        let passed = now.saturating_duration_since(self.start);
        let second = self.base + (passed + Duration::from_millis(500)).as_secs();
        if second.abs_diff(wall) > MAX_DIFFERENCE {
            *self = Self::starting(wall, now);
            return wall;
        }
        second
    }
}

/// Runs until it is aborted. Without a console it reads nothing.
pub async fn sample(console: Arc<Console>, shared: SharedState) {
    let mut ticks = interval(INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut sampler = SeriesSampler::default();
    let mut clock = TickClock::starting(unix_now(), Instant::now());
    loop {
        ticks.tick().await;
        let at = clock.second(unix_now(), Instant::now());
        console.expire(&shared.engine, Instant::now());
        if shared.settings.load().console.access == ConsoleAccess::Off {
            console.series.clear();
            sampler = SeriesSampler::default();
            continue;
        }
        let (engine, http) = (shared.engine.clone(), shared.http_counts.clone());
        // It walks over all channels.
        let sampled = spawn_blocking(move || sampler.sample(&engine, &http)).await;
        let Ok((next, row)) = sampled else { return };
        sampler = next;
        if let Some(row) = row {
            console.series.push(at, row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn late_ticks_count_for_their_second() {
        let start = Instant::now();
        let mut clock = TickClock::starting(1000, start);
        let mut second = |wall, millis| clock.second(wall, start + Duration::from_millis(millis));
        assert_eq!(second(1000, 0), 1000);
        // The second begins between the ticks.
        assert_eq!([second(1002, 1020), second(1002, 1990)], [1001, 1002]);
        assert_eq!(second(900, 3000), 900, "the clock was set back");
        assert_eq!(second(901, 4010), 901);
    }
}
