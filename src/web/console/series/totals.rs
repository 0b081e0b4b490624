//! The counters and gauges behind the series, read once a second.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{NAMES, SeriesRow, percentile::percentile};
use crate::{
    engine::{AppRuntime, Engine, counts::ALLOWED},
    hub::directory::Occupancy,
    platform::counting::{Distribution, LabelledCounter},
    web::context::http_counts::HttpCounts,
};

/// The routes that publish.
const TRIGGERS: [&str; 2] = ["/apps/{app}/events", "/apps/{app}/batch_events"];
/// A walk over all channels takes at most this part of one processor.
const WALK_SHARE: u32 = 50;

/// At one moment.
#[derive(Default)]
pub struct Totals {
    connections: f64,
    subscriptions: f64,
    channels: f64,
    waiting_bytes: f64,
    webhooks_waiting: f64,
    deliveries: u64,
    published: u64,
    client_events: u64,
    refused: u64,
    dropped: u64,
    sealed: u64,
    relayed: u64,
    triggers: Distribution,
    delays: Distribution,
}

/// Counts of subscriptions and channels. On a large server they are read less often than each
/// second.
#[derive(Default)]
pub struct Occupancies {
    last: Occupancy,
    not_before: Option<Instant>,
}

impl Totals {
    pub fn read(
        engine: &Arc<Engine>,
        http: &[HttpCounts],
        occupancies: &mut Occupancies,
        now: Instant,
    ) -> Self {
        let hub = &engine.hub;
        let runtimes = engine.runtimes_snapshot();
        let occupancy = occupancies.read(runtimes.iter().map(|runtime| &**runtime), now);
        let mut totals = Self {
            connections: hub.sockets() as f64,
            subscriptions: occupancy.subscriptions as f64,
            channels: occupancy.channels as f64,
            waiting_bytes: (hub.outbox_bytes() + hub.mailbox_bytes()) as f64,
            deliveries: hub.all_gauges().iter().map(|it| it.deliveries.get()).sum(),
            triggers: triggers(http),
            delays: hub.delays.distribution(),
            dropped: hub.slow_readers() as u64 + hub.trip_count(),
            ..Self::default()
        };
        let refused = engine.counts.refused.stats();
        totals.refused = refused.plaintext
            + refused.envelopes
            + refused.overloaded
            + refused.connects
            + refused.strays
            + refusals(&engine.counts.channel_auth)
            + refusals(&engine.counts.user_auth);
        runtimes.iter().for_each(|runtime| totals.add(runtime));
        totals
    }

    fn add(&mut self, runtime: &AppRuntime) {
        let counts = &runtime.counts;
        self.published += counts.published.get();
        self.client_events += counts.client_events.get();
        self.sealed += counts.sealed.get();
        self.relayed += counts.relayed.get();
        self.refused += refusals(&counts.channel_auth)
            + refusals(&counts.user_auth)
            + refusals(&counts.subscriptions_refused)
            + refusals(&counts.sign_ins_refused);
        if let Some(webhooks) = runtime.webhooks() {
            let endpoints = webhooks.stats().endpoints;
            self.webhooks_waiting += endpoints.queued as f64;
            self.dropped += endpoints.lost;
        }
    }

    /// In the order of `NAMES`.
    pub fn row(&self, before: &Self, passed: Duration) -> SeriesRow {
        let seconds = passed.as_secs_f64().max(0.001);
        // An app that was removed has taken its counts with it.
        let rate = |now: u64, then: u64| (now.saturating_sub(then) as f64 / seconds).round();
        let trigger = |share| percentile(&before.triggers, &self.triggers, share).round().into();
        let delay = |share| percentile(&before.delays, &self.delays, share).round().into();
        let values: [f64; NAMES.len()] = [
            self.connections,
            self.subscriptions,
            self.channels,
            rate(self.deliveries, before.deliveries),
            rate(self.published, before.published),
            rate(self.client_events, before.client_events),
            trigger(0.5),
            trigger(0.95),
            delay(0.5),
            delay(0.95),
            self.waiting_bytes,
            rate(self.refused, before.refused),
            rate(self.dropped, before.dropped),
            rate(self.sealed, before.sealed),
            rate(self.relayed, before.relayed),
            self.webhooks_waiting,
        ];
        SeriesRow(values.map(|value| value as f32))
    }
}

impl Occupancies {
    fn read<'a>(
        &mut self,
        runtimes: impl Iterator<Item = &'a AppRuntime>,
        now: Instant,
    ) -> &Occupancy {
        if self.not_before.is_none_or(|not_before| now >= not_before) {
            self.last = Occupancy::default();
            runtimes.for_each(|runtime| self.last += runtime.directory.occupancy());
            self.not_before = Some(now + now.elapsed() * WALK_SHARE);
        }
        &self.last
    }
}

fn refusals(counter: &LabelledCounter) -> u64 {
    counter.iter().filter(|(name, _)| *name != ALLOWED).map(|(_, count)| count).sum()
}

fn triggers(http: &[HttpCounts]) -> Distribution {
    let mut sum = Distribution::default();
    for route in http.iter().flat_map(HttpCounts::routes) {
        if TRIGGERS.contains(&route.route) {
            route.times.add_to(&mut sum);
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_become_rates() {
        let before = Totals { deliveries: 100, published: 7, ..Totals::default() };
        let after = Totals { connections: 3.0, deliveries: 300, published: 5, ..Totals::default() };
        let SeriesRow(row) = after.row(&before, Duration::from_secs(2));
        let value = |name| row[NAMES.iter().position(|known| *known == name).expect(name)];
        assert_eq!((value("connections"), value("deliveries")), (3.0, 100.0));
        assert_eq!(value("published"), 0.0, "an app was removed");
        assert!(value("trigger_p50_us").is_nan() && value("delay_p95_us").is_nan());
    }
}
