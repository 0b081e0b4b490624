//! Webhook deliveries and their outcome. Endpoints are summed: their addresses must not appear
//! here.

use std::{fmt, time::Instant};

use super::page::{BYTES, Page, SECONDS};
use crate::{
    engine::Tenant,
    webhook::{EndpointStats, Stats, Totals},
};

struct Told<'a> {
    app: &'a str,
    stats: Stats,
    totals: Totals,
}

pub fn write(page: &mut Page<'_>, tenants: &[&Tenant]) -> fmt::Result {
    let now = Instant::now();
    let told =
        |tenant: &&'_ Tenant| tenant.webhooks().map(|hooks| (hooks.stats(), hooks.totals(now)));
    let told: Vec<Told<'_>> = tenants
        .iter()
        .filter_map(|tenant| {
            let (stats, totals) = told(tenant)?;
            Some(Told { app: &tenant.id, stats, totals })
        })
        .collect();
    waiting(page, &told)?;
    events(page, &told)?;
    let mut attempts =
        page.counter("webhook_attempts", "Requests to endpoints, by the class of the answer")?;
    for Told { app, totals, .. } in &told {
        for (outcome, count) in &totals.attempts {
            attempts.add(&[("app", app), ("status", outcome)], *count)?;
        }
    }
    let mut retries =
        page.counter("webhook_retries", "Requests that were not the first of their batch")?;
    for Told { app, totals, .. } in &told {
        retries.add(&[("app", app)], totals.retries)?;
    }
    Ok(())
}

fn waiting(page: &mut Page<'_>, told: &[Told<'_>]) -> fmt::Result {
    let mut queued = page.gauge("webhook_queued_events", "Events that wait or are under way")?;
    for Told { app, stats, .. } in told {
        queued.add(&[("app", app)], stats.endpoints.queued)?;
    }
    let mut bytes = page.gauge_in(&BYTES, "webhook_queued", "What these take")?;
    for Told { app, stats, .. } in told {
        bytes.add(&[("app", app)], stats.endpoints.queued_bytes)?;
    }
    let mut oldest =
        page.gauge_in(&SECONDS, "webhook_oldest_age", "How long the oldest of them has waited")?;
    for Told { app, totals, .. } in told {
        oldest.add(&[("app", app)], totals.oldest.unwrap_or_default().as_secs_f64())?;
    }
    let mut letters =
        page.gauge("webhook_dead_letters", "Events in the dead-letter file, to be sent anew")?;
    for Told { app, stats, .. } in told {
        letters.add(&[("app", app)], stats.dead_letters)?;
    }
    Ok(())
}

fn events(page: &mut Page<'_>, told: &[Told<'_>]) -> fmt::Result {
    let mut events =
        page.counter("webhook_events", "What became of events, once that was decided")?;
    for Told { app, stats, .. } in told {
        let EndpointStats { delivered, dead_lettered, lost, .. } = stats.endpoints;
        for (outcome, count) in
            [("delivered", delivered), ("dead_lettered", dead_lettered), ("lost", lost)]
        {
            events.add(&[("app", app), ("outcome", outcome)], count)?;
        }
    }
    Ok(())
}
