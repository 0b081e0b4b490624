//! Webhook deliveries and their outcome. Endpoints are summed: their addresses must not appear
//! here.

use std::{fmt, time::Instant};

use super::page::{BYTES, Page, SECONDS};
use crate::{
    engine::AppRuntime,
    observe::webhook::{EndpointStats, WebhookStats, WebhookTotals},
};

struct AppWebhooks<'a> {
    app: &'a str,
    stats: WebhookStats,
    totals: WebhookTotals,
}

pub fn write(page: &mut Page<'_>, runtimes: &[&AppRuntime]) -> fmt::Result {
    let now = Instant::now();
    let apps = |runtime: &&'_ AppRuntime| {
        runtime.webhooks().map(|hooks| (hooks.stats(), hooks.totals(now)))
    };
    let apps: Vec<AppWebhooks<'_>> = runtimes
        .iter()
        .filter_map(|runtime| {
            let (stats, totals) = apps(runtime)?;
            Some(AppWebhooks { app: &runtime.id, stats, totals })
        })
        .collect();
    waiting(page, &apps)?;
    events(page, &apps)?;
    let mut attempts =
        page.counter("webhook_attempts", "Requests to endpoints, by the class of the answer")?;
    for AppWebhooks { app, totals, .. } in &apps {
        for (outcome, count) in &totals.attempts {
            attempts.add(&[("app", app), ("status", outcome)], *count)?;
        }
    }
    let mut retries =
        page.counter("webhook_retries", "Requests that were not the first of their batch")?;
    for AppWebhooks { app, totals, .. } in &apps {
        retries.add(&[("app", app)], totals.retries)?;
    }
    Ok(())
}

fn waiting(page: &mut Page<'_>, apps: &[AppWebhooks<'_>]) -> fmt::Result {
    let mut queued = page.gauge("webhook_queued_events", "Events that wait or are under way")?;
    for AppWebhooks { app, stats, .. } in apps {
        queued.add(&[("app", app)], stats.endpoints.queued)?;
    }
    let mut bytes = page.gauge_in(&BYTES, "webhook_queued", "What these take")?;
    for AppWebhooks { app, stats, .. } in apps {
        bytes.add(&[("app", app)], stats.endpoints.queued_bytes)?;
    }
    let mut oldest =
        page.gauge_in(&SECONDS, "webhook_oldest_age", "How long the oldest of them has waited")?;
    for AppWebhooks { app, totals, .. } in apps {
        oldest.add(&[("app", app)], totals.oldest.unwrap_or_default().as_secs_f64())?;
    }
    let mut letters =
        page.gauge("webhook_dead_letters", "Events in the dead-letter file, to be sent anew")?;
    for AppWebhooks { app, stats, .. } in apps {
        letters.add(&[("app", app)], stats.dead_letters)?;
    }
    Ok(())
}

fn events(page: &mut Page<'_>, apps: &[AppWebhooks<'_>]) -> fmt::Result {
    let mut events =
        page.counter("webhook_events", "What became of events, once that was decided")?;
    for AppWebhooks { app, stats, .. } in apps {
        let EndpointStats { delivered, dead_lettered, lost, .. } = stats.endpoints;
        for (outcome, count) in
            [("delivered", delivered), ("dead_lettered", dead_lettered), ("lost", lost)]
        {
            events.add(&[("app", app), ("outcome", outcome)], count)?;
        }
    }
    Ok(())
}
