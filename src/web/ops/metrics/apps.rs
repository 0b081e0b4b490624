//! Metrics of each app: connections, channels, events.

use std::fmt;

use super::page::{BYTES, Page, SECONDS};
use crate::{
    domain::channel::ChannelKind, engine::AppRuntime, hub::channel_stats::ChannelStats,
    platform::counting::Distribution,
};

pub fn write(page: &mut Page<'_>, runtimes: &[&AppRuntime]) -> fmt::Result {
    let mut open = page.gauge("connections", "Connections that are open")?;
    for runtime in runtimes {
        open.add(&[("app", &runtime.id)], runtime.connections())?;
    }
    let mut opened = page.counter("connections_opened", "Connections that were let in")?;
    for runtime in runtimes {
        opened.add(&[("app", &runtime.id)], runtime.counts.connections.get())?;
    }
    channels(page, runtimes)?;
    events(page, runtimes)?;
    seals(page, runtimes)
}

fn channels(page: &mut Page<'_>, runtimes: &[&AppRuntime]) -> fmt::Result {
    let counted: Vec<(&str, ChannelStats)> =
        runtimes.iter().map(|runtime| (&*runtime.id, runtime.directory.channel_stats())).collect();
    let by_kind =
        || counted.iter().flat_map(|(app, stats)| stats.kinds.iter().map(move |of| (*app, of)));
    let labels =
        |app, kind: ChannelKind| [("app", app), ("kind", kind.label()), cached(kind.is_cached())];
    let mut channels = page.gauge("channels", "Channels that have subscribers")?;
    for (app, of) in by_kind() {
        channels.add(&labels(app, of.kind), of.channels)?;
    }
    let mut subscriptions = page.gauge("subscriptions", "Subscriptions")?;
    for (app, of) in by_kind() {
        subscriptions.add(&labels(app, of.kind), of.subscriptions)?;
    }
    let mut members = page.gauge("members", "Members of presence channels")?;
    for (app, stats) in &counted {
        members.add(&[("app", app)], stats.members)?;
    }
    let mut events = page.gauge("cached_events", "Events that are kept on cache channels")?;
    for (app, stats) in &counted {
        events.add(&[("app", app)], stats.cached_events)?;
    }
    let mut bytes = page.gauge_in(&BYTES, "cache", "What these events take")?;
    for runtime in runtimes {
        bytes.add(&[("app", &runtime.id)], runtime.directory.ledger().bytes())?;
    }
    let mut dropped =
        page.counter("cached_events_dropped", "Events that were kept until there was no room")?;
    for runtime in runtimes {
        dropped.add(&[("app", &runtime.id)], runtime.directory.ledger().dropped())?;
    }
    Ok(())
}

fn cached(cached: bool) -> (&'static str, &'static str) {
    ("cached", if cached { "true" } else { "false" })
}

fn events(page: &mut Page<'_>, runtimes: &[&AppRuntime]) -> fmt::Result {
    let mut events =
        page.counter("events", "Events that were accepted, one for each channel that they name")?;
    for AppRuntime { id, counts, .. } in runtimes {
        events.add(&[("app", id), ("source", "api")], counts.published.get())?;
        events.add(&[("app", id), ("source", "client")], counts.client_events.get())?;
    }
    Ok(())
}

fn seals(page: &mut Page<'_>, runtimes: &[&AppRuntime]) -> fmt::Result {
    let mut seals = page.counter("seals", "Events of backends on encrypted channels")?;
    for AppRuntime { id, counts, .. } in runtimes {
        seals.add(&[("app", id), ("mode", "sealed")], counts.sealed.get())?;
        seals.add(&[("app", id), ("mode", "relayed")], counts.relayed.get())?;
    }
    let mut refused =
        page.counter("plaintext_refused", "Plaintext on channels that are relayed blindly")?;
    for AppRuntime { id, counts, .. } in runtimes {
        let plaintext = counts.not_sealed.iter().find(|(reason, _)| *reason == PLAINTEXT);
        refused.add(&[("app", id)], plaintext.map_or(0, |(_, count)| count))?;
    }
    let mut failures =
        page.counter("seal_failures", "Events on encrypted channels that were refused otherwise")?;
    for AppRuntime { id, counts, .. } in runtimes {
        for (reason, count) in counts.not_sealed.iter().filter(|(reason, _)| *reason != PLAINTEXT) {
            failures.add(&[("app", id), ("reason", reason)], count)?;
        }
    }
    let mut times = page.histogram_in(
        &SECONDS,
        "seal_duration",
        "How long it takes to seal an event, of which one in 64 is timed",
    )?;
    for AppRuntime { id, counts, .. } in runtimes {
        let mut sum = Distribution::default();
        counts.seal_times.add_to(&mut sum);
        times.add(&[("app", id)], &sum)?;
    }
    Ok(())
}

const PLAINTEXT: &str = "plaintext";
