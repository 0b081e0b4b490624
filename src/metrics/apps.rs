//! Metrics of each app: connections, channels, events.

use std::fmt;

use super::page::{BYTES, Page, SECONDS};
use crate::{channel::ChannelKind, counting::Distribution, engine::Tenant, hub::census::Census};

pub fn write(page: &mut Page<'_>, tenants: &[&Tenant]) -> fmt::Result {
    let mut open = page.gauge("connections", "Connections that are open")?;
    for tenant in tenants {
        open.add(&[("app", &tenant.id)], tenant.connections())?;
    }
    let mut opened = page.counter("connections_opened", "Connections that were let in")?;
    for tenant in tenants {
        opened.add(&[("app", &tenant.id)], tenant.counts.connections.get())?;
    }
    channels(page, tenants)?;
    events(page, tenants)?;
    seals(page, tenants)
}

fn channels(page: &mut Page<'_>, tenants: &[&Tenant]) -> fmt::Result {
    let counted: Vec<(&str, Census)> =
        tenants.iter().map(|tenant| (&*tenant.id, tenant.directory.census())).collect();
    let by_kind =
        || counted.iter().flat_map(|(app, census)| census.kinds.iter().map(move |of| (*app, of)));
    let labels =
        |app, kind: ChannelKind| [("app", app), ("kind", kind.access.name()), cached(kind.cached)];
    let mut channels = page.gauge("channels", "Channels that have subscribers")?;
    for (app, of) in by_kind() {
        channels.add(&labels(app, of.kind), of.channels)?;
    }
    let mut subscriptions = page.gauge("subscriptions", "Subscriptions")?;
    for (app, of) in by_kind() {
        subscriptions.add(&labels(app, of.kind), of.subscriptions)?;
    }
    let mut members = page.gauge("members", "Members of presence channels")?;
    for (app, census) in &counted {
        members.add(&[("app", app)], census.members)?;
    }
    let mut events = page.gauge("cached_events", "Events that are kept on cache channels")?;
    for (app, census) in &counted {
        events.add(&[("app", app)], census.cached_events)?;
    }
    let mut bytes = page.gauge_in(&BYTES, "cache", "What these events take")?;
    for tenant in tenants {
        bytes.add(&[("app", &tenant.id)], tenant.directory.ledger().bytes())?;
    }
    let mut dropped =
        page.counter("cached_events_dropped", "Events that were kept until there was no room")?;
    for tenant in tenants {
        dropped.add(&[("app", &tenant.id)], tenant.directory.ledger().dropped())?;
    }
    Ok(())
}

fn cached(cached: bool) -> (&'static str, &'static str) {
    ("cached", if cached { "true" } else { "false" })
}

fn events(page: &mut Page<'_>, tenants: &[&Tenant]) -> fmt::Result {
    let mut events =
        page.counter("events", "Events that were accepted, one for each channel that they name")?;
    for Tenant { id, counts, .. } in tenants {
        events.add(&[("app", id), ("source", "api")], counts.published.get())?;
        events.add(&[("app", id), ("source", "client")], counts.client_events.get())?;
    }
    Ok(())
}

fn seals(page: &mut Page<'_>, tenants: &[&Tenant]) -> fmt::Result {
    let mut seals = page.counter("seals", "Events of backends on encrypted channels")?;
    for Tenant { id, counts, .. } in tenants {
        seals.add(&[("app", id), ("mode", "sealed")], counts.sealed.get())?;
        seals.add(&[("app", id), ("mode", "relayed")], counts.relayed.get())?;
    }
    let mut refused =
        page.counter("plaintext_refused", "Plaintext on channels that are relayed blindly")?;
    for Tenant { id, counts, .. } in tenants {
        let plaintext = counts.not_sealed.iter().find(|(reason, _)| *reason == PLAINTEXT);
        refused.add(&[("app", id)], plaintext.map_or(0, |(_, count)| count))?;
    }
    let mut failures =
        page.counter("seal_failures", "Events on encrypted channels that were refused otherwise")?;
    for Tenant { id, counts, .. } in tenants {
        for (reason, count) in counts.not_sealed.iter().filter(|(reason, _)| *reason != PLAINTEXT) {
            failures.add(&[("app", id), ("reason", reason)], count)?;
        }
    }
    let mut times = page.histogram_in(
        &SECONDS,
        "seal_duration",
        "How long it takes to seal an event, of which one in 64 is timed",
    )?;
    for Tenant { id, counts, .. } in tenants {
        let mut sum = Distribution::default();
        counts.seal_times.add_to(&mut sum);
        times.add(&[("app", id)], &sum)?;
    }
    Ok(())
}

const PLAINTEXT: &str = "plaintext";
