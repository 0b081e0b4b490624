//! Metrics of the whole server: version, connections, queues.

use std::{fmt, time::SystemTime};

use super::page::{BYTES, Page, SECONDS};
use crate::{
    engine::Engine, hub::WorkerGauges, platform::counting::LabelledCounter, protocol::code::Close,
};

pub fn write(page: &mut Page<'_>, engine: &Engine, started: SystemTime) -> fmt::Result {
    page.info("build", "The version that runs")?.add(&[("version", env!("CARGO_PKG_VERSION"))])?;
    let since = started.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    page.gauge_in(&SECONDS, "start_time", "When it was started, since 1970")?
        .add(&[], since.as_secs_f64())?;
    page.gauge("workers", "Threads that have sockets")?.add(&[], engine.hub.workers())?;
    let ready = u64::from(engine.unready().is_empty());
    page.gauge("ready", "1 while traffic should be led here, as /ready says")?.add(&[], ready)?;
    let draining = u64::from(engine.hub.is_draining());
    page.gauge("draining", "1 while it shuts down")?.add(&[], draining)?;
    reloads(page, engine)?;
    deliveries(page, engine)?;
    closed(page, engine)?;
    drops(page, engine)
}

fn reloads(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let reloads = &engine.reloads;
    let mut read = page.counter("reloads", "How often the configuration was read again")?;
    read.add(&[("outcome", "taken")], reloads.taken.get())?;
    read.add(&[("outcome", "refused")], reloads.refused.get())?;
    page.gauge_in(&SECONDS, "last_reload_time", "When one was taken last, since 1970; or 0")?
        .add(&[], reloads.last_taken().unwrap_or(0))
}

fn deliveries(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let hub = &engine.hub;
    let sum = |of: fn(&WorkerGauges) -> u64| hub.all_gauges().iter().map(of).sum::<u64>();
    page.gauge("event_streams", "Those of the connections that are event streams")?
        .add(&[], hub.event_streams())?;
    page.gauge_in(&BYTES, "outbox", "What sockets have not taken yet")?
        .add(&[], hub.outbox_bytes())?;
    page.gauge_in(&BYTES, "mailbox", "What workers have not delivered yet")?
        .add(&[], hub.mailbox_bytes())?;
    page.counter("deliveries", "Frames for subscribers, one for each of them")?
        .add(&[], sum(|gauges| gauges.deliveries.get()))?;
    page.counter_in(&BYTES, "delivered", "What these frames are long")?
        .add(&[], sum(|gauges| gauges.delivered_bytes.get()))?;
    let help =
        "From the acceptance of an event to the last write of a worker's turn, for one in 64";
    page.histogram_in(&SECONDS, "delivery_delay", help)?.add(&[], &hub.delays.distribution())
}

fn closed(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let mut closed = page.counter("connections_closed", "Connections that ended, by the reason")?;
    let code = |reason: &str| {
        Close::REASONS.iter().find(|(name, _)| *name == reason).map_or("", |(_, code)| code)
    };
    for (reason, count) in sums(engine, |gauges| &gauges.closed) {
        closed.add(&[("code", code(reason)), ("reason", reason)], count)?;
    }
    page.counter("strays", "Connections that came without the PROXY header they were to have")?
        .add(&[], engine.counts.refused.strays.get())?;
    let mut faults = page.counter(
        "client_faults",
        "Connections that ended by a fault of their clients, by its kind",
    )?;
    for (kind, count) in engine.client_faults.counts() {
        faults.add(&[("kind", kind)], count)?;
    }
    let mut asked = page.counter(
        "reauth",
        "Secrets of channels that are sealed here, asked for at the auth endpoint, by the reason",
    )?;
    for (reason, count) in sums(engine, |gauges| &gauges.secret_requests) {
        asked.add(&[("reason", reason)], count)?;
    }
    Ok(())
}

/// Sums over all workers.
fn sums(engine: &Engine, of: fn(&WorkerGauges) -> &LabelledCounter) -> Vec<(&'static str, u64)> {
    let mut sums: Vec<(&'static str, u64)> = Vec::new();
    for (name, count) in engine.hub.all_gauges().iter().flat_map(|gauges| of(gauges).iter()) {
        match sums.iter_mut().find(|(known, _)| *known == name) {
            Some((_, sum)) => *sum += count,
            None => sums.push((name, count)),
        }
    }
    sums
}

fn drops(page: &mut Page<'_>, engine: &Engine) -> fmt::Result {
    let audit = engine.audit_stats().unwrap_or_default();
    let (spilled, lost) = engine.runtimes().iter().filter_map(|runtime| runtime.webhooks()).fold(
        (0, 0),
        |(spilled, lost), hooks| {
            let now = std::time::Instant::now();
            (spilled + hooks.totals(now).spilled, lost + hooks.stats().endpoints.lost)
        },
    );
    let mut drops = page.counter("drops", "What found no room or no way, by the reason")?;
    for (reason, count) in [
        ("slow_reader", engine.hub.slow_readers() as u64),
        ("mailbox_full", engine.counts.refused.overloaded.get()),
        ("tripwire", engine.hub.trip_count()),
        ("webhook_queue_full", spilled),
        ("webhook_lost", lost),
        ("audit_queue_full", audit.lost),
    ] {
        drops.add(&[("reason", reason)], count)?;
    }
    page.counter("tripwire", "Events in clear that were kept off encrypted channels")?
        .add(&[], engine.hub.trip_count())?;
    page.counter("log_lines_dropped", "Lines of the log that were not written")?
        .add(&[], engine.log_lines_dropped.get())?;
    page.counter("audit_lines", "Lines in the audit log")?.add(&[], audit.written)?;
    page.counter("audit_write_errors", "Attempts to write to it that failed")?
        .add(&[], audit.write_errors)
}
