//! The figures of the last hour, one row a second. They are kept only while the console is on.

mod percentile;
mod totals;

use std::{collections::VecDeque, sync::Arc, time::Instant};

use parking_lot::Mutex;
use serde::{Serialize, Serializer, ser::SerializeSeq as _};
use tokio::sync::watch;

use crate::{domain::time::UnixSeconds, engine::Engine, web::context::http_counts::HttpCounts};
use totals::{Occupancies, Totals};

/// The columns of a row. Counters are rates per second.
pub const NAMES: [&str; 16] = [
    "connections",
    "subscriptions",
    "channels",
    "deliveries",
    "published",
    "client_events",
    "trigger_p50_us",
    "trigger_p95_us",
    "delay_p50_us",
    "delay_p95_us",
    "waiting_bytes",
    "refused",
    "dropped",
    "sealed",
    "relayed",
    "webhooks_waiting",
];

/// An hour.
pub const MAX_ROWS: usize = 3600;

/// Values in the order of `NAMES`; not a number where unknown. 24 bits are exact enough to draw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SeriesRow(pub [f32; NAMES.len()]);

impl SeriesRow {
    const UNKNOWN: Self = Self([f32::NAN; NAMES.len()]);
}

/// The rows, and the news of the next one.
pub struct Series {
    rows: Mutex<Rows>,
    /// The time of the newest row.
    newest: watch::Sender<UnixSeconds>,
}

#[derive(Default)]
struct Rows {
    rows: VecDeque<SeriesRow>,
    at: UnixSeconds,
}

/// The beginning of a watch.
#[derive(Serialize)]
pub struct Backfill {
    pub names: [&'static str; NAMES.len()],
    /// The time of the last row. Each row is one second after the one before.
    pub at: UnixSeconds,
    pub rows: Vec<SeriesRow>,
}

impl Default for Series {
    fn default() -> Self {
        Self { rows: Mutex::default(), newest: watch::Sender::new(0) }
    }
}

impl Series {
    /// Seconds without a row, as on a stalled machine, become unknown rows.
    pub fn push(&self, at: UnixSeconds, row: SeriesRow) {
        let mut rows = self.rows.lock();
        if at < rows.at {
            // The clock was set back: the rows before have no place in time.
            rows.rows.clear();
        } else if at == rows.at {
            rows.rows.pop_back();
        } else if !rows.rows.is_empty() {
            let missed = (at - rows.at - 1).min(MAX_ROWS as u64);
            (0..missed).for_each(|_| rows.push(SeriesRow::UNKNOWN));
        }
        rows.push(row);
        rows.at = at;
        drop(rows);
        self.newest.send_replace(at);
    }

    pub fn clear(&self) {
        *self.rows.lock() = Rows::default();
    }

    pub fn backfill(&self, range: usize) -> Backfill {
        let rows = self.rows.lock();
        let skipped = rows.rows.len().saturating_sub(range);
        let kept = rows.rows.iter().skip(skipped).copied().collect();
        Backfill { names: NAMES, at: rows.at, rows: kept }
    }

    pub fn newest(&self) -> Option<(UnixSeconds, SeriesRow)> {
        let rows = self.rows.lock();
        rows.rows.back().map(|row| (rows.at, *row))
    }

    pub fn subscribe(&self) -> watch::Receiver<UnixSeconds> {
        self.newest.subscribe()
    }
}

impl Rows {
    fn push(&mut self, row: SeriesRow) {
        if self.rows.len() >= MAX_ROWS {
            self.rows.pop_front();
        }
        self.rows.push_back(row);
    }
}

/// Takes the samples: rates are differences to the one before.
#[derive(Default)]
pub struct SeriesSampler {
    before: Option<(Totals, Instant)>,
    occupancies: Occupancies,
}

impl SeriesSampler {
    /// On a thread that may walk over all channels. The first look makes no row.
    pub fn sample(
        mut self,
        engine: &Arc<Engine>,
        http: &[HttpCounts],
    ) -> (Self, Option<SeriesRow>) {
        let now = Instant::now();
        let totals = Totals::read(engine, http, &mut self.occupancies, now);
        let row = self.before.take().map(|(before, since)| totals.row(&before, now - since));
        self.before = Some((totals, now));
        (self, row)
    }
}

impl Serialize for SeriesRow {
    /// Whole numbers without a fraction, which most are.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut values = serializer.serialize_seq(Some(self.0.len()))?;
        for value in self.0 {
            match value {
                value if value.is_nan() => values.serialize_element(&None::<u64>)?,
                value if value >= 0.0 && value.fract() == 0.0 => {
                    values.serialize_element(&(value as u64))?;
                }
                value => values.serialize_element(&value)?,
            }
        }
        values.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(value: f32) -> SeriesRow {
        SeriesRow([value; NAMES.len()])
    }

    #[test]
    fn rows_are_a_second_apart_and_an_hour_long() {
        let series = Series::default();
        series.push(100, row(1.0));
        series.push(101, row(2.0));
        series.push(104, row(3.0));
        let backfill = series.backfill(10);
        assert_eq!((backfill.at, backfill.rows.len()), (104, 5));
        assert!(backfill.rows[2].0[0].is_nan() && backfill.rows[4] == row(3.0));
        assert_eq!(series.backfill(2).rows.len(), 2);
        series.push(104, row(3.5));
        assert_eq!(series.backfill(10).rows[4..], [row(3.5)], "one row a second");
        for second in 105..105 + 2 * MAX_ROWS as u64 {
            series.push(second, row(4.0));
        }
        assert_eq!(series.backfill(usize::MAX).rows.len(), MAX_ROWS);
        series.push(50, row(5.0));
        let backfill = series.backfill(10);
        assert_eq!((backfill.at, backfill.rows), (50, vec![row(5.0)]), "the clock was set back");
        series.push(u64::MAX, row(6.0));
        assert_eq!(series.backfill(usize::MAX).rows.len(), MAX_ROWS);
        series.clear();
        assert!(series.newest().is_none());
        assert_eq!(size_of::<SeriesRow>() * MAX_ROWS, 230_400);
    }

    #[test]
    fn unknown_values_are_null() {
        let mut values = [0.0; NAMES.len()];
        (values[0], values[1], values[2]) = (f32::NAN, 3.0, 0.5);
        let text = serde_json::to_string(&SeriesRow(values)).expect("JSON");
        assert!(text.starts_with("[null,3,0.5,0,"), "{text}");
    }
}
