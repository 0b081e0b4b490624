//! The figures of a second: numbers of the moment, and rates between two looks.

use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::cli::amounts::{bytes, count, rate, timestamp};

/// The part of `/stats` that changes by the second. Counters are since the start.
#[derive(Deserialize, Clone, Copy, Default)]
pub struct Figures {
    sockets: u64,
    channels: u64,
    subscriptions: u64,
    outbox_bytes: u64,
    published: u64,
    client_events: u64,
    deliveries: u64,
    delivered_bytes: u64,
}

#[derive(Serialize, Clone, PartialEq, Debug)]
pub struct StatsLine {
    sockets: u64,
    channels: u64,
    subscriptions: u64,
    outbox_bytes: u64,
    events_per_second: f64,
    client_events_per_second: f64,
    deliveries_per_second: f64,
    delivered_bytes_per_second: f64,
}

#[derive(Serialize)]
pub struct TimedLine {
    time: String,
    #[serde(flatten)]
    line: StatsLine,
}

pub const HEADER: &str =
    "    TIME  CONNECTIONS   CHANNELS  EVENTS/S DELIVERIES/S        SENT/S    WAITING\n";

impl StatsLine {
    pub fn between(before: &Figures, now: &Figures, passed: Duration) -> Self {
        let per_second = |count: fn(&Figures) -> u64| {
            // A restarted server begins anew.
            let grown = count(now).saturating_sub(count(before)) as f64;
            (grown / passed.as_secs_f64().max(0.001) * 10.0).round() / 10.0
        };
        Self {
            sockets: now.sockets,
            channels: now.channels,
            subscriptions: now.subscriptions,
            outbox_bytes: now.outbox_bytes,
            events_per_second: per_second(|it| it.published),
            client_events_per_second: per_second(|it| it.client_events),
            deliveries_per_second: per_second(|it| it.deliveries),
            delivered_bytes_per_second: per_second(|it| it.delivered_bytes),
        }
    }

    pub fn with_time(self, time: String) -> TimedLine {
        TimedLine { time, line: self }
    }

    /// Events of backends and of clients in one column.
    pub fn text(&self, time: SystemTime) -> String {
        let time = timestamp(time);
        format!(
            "{:8}  {:>11}  {:>9}  {:>8}  {:>11}  {:>12}  {:>9}\n",
            time.get(11..19).unwrap_or(&time),
            count(self.sockets),
            count(self.channels),
            rate(self.events_per_second + self.client_events_per_second),
            rate(self.deliveries_per_second),
            bytes(self.delivered_bytes_per_second as u64),
            bytes(self.outbox_bytes),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_has_the_rates_of_its_time_and_fits_80_columns() {
        let before = Figures { published: 100, deliveries: 1000, ..Figures::default() };
        let now = Figures {
            sockets: 4211,
            channels: 1002,
            published: 340,
            client_events: 3,
            deliveries: 83_040,
            delivered_bytes: 19_083_084,
            ..before
        };
        let line = StatsLine::between(&before, &now, Duration::from_secs(2));
        assert_eq!(line.events_per_second, 120.0);
        let text = line.text(SystemTime::UNIX_EPOCH);
        assert_eq!(
            text,
            "00:00:00        4,211      1,002       122       41,020       9.1 MiB        0 B\n"
        );
        assert_eq!(text.len(), HEADER.len());
        assert!(HEADER.trim_end().chars().count() <= 80);
        let restarted = StatsLine::between(&now, &Figures::default(), Duration::ZERO);
        assert_eq!(restarted.events_per_second, 0.0);
    }
}
