//! Metrics of logs, their readers and their journal.

use std::fmt;

use super::page::{BYTES, Page};
use crate::{
    engine::{AppRuntime, Engine},
    history::journal::JournalStats,
};

pub fn write(page: &mut Page<'_>, engine: &Engine, runtimes: &[&AppRuntime]) -> fmt::Result {
    logs(page, runtimes)?;
    readers(page, runtimes)?;
    engine.history.journal.stats().map_or(Ok(()), |stats| journal(page, stats))
}

fn logs(page: &mut Page<'_>, runtimes: &[&AppRuntime]) -> fmt::Result {
    let mut logs = page.gauge("logs", "Channels that have a log with events")?;
    for runtime in runtimes {
        logs.add(&[("app", &runtime.id)], runtime.directory.logs().count())?;
    }
    let mut bytes = page.gauge_in(&BYTES, "log", "What logged events take in memory")?;
    for runtime in runtimes {
        bytes.add(&[("app", &runtime.id)], runtime.directory.logs().bytes())?;
    }
    let mut logged = page.counter("logged_events", "Events that were logged")?;
    for AppRuntime { id, counts, .. } in runtimes {
        logged.add(&[("app", id)], counts.history.logged.get())?;
    }
    let mut evicted =
        page.counter("logged_events_evicted", "Events that a log gave up for lack of room")?;
    for AppRuntime { id, counts, directory, .. } in runtimes {
        evicted.add(&[("app", id)], counts.history.evicted.get() + directory.logs().evicted())?;
    }
    Ok(())
}

fn readers(page: &mut Page<'_>, runtimes: &[&AppRuntime]) -> fmt::Result {
    let mut replayed =
        page.counter("replayed_events", "Events that returning subscribers were given again")?;
    for AppRuntime { id, counts, .. } in runtimes {
        replayed.add(&[("app", id)], counts.history.replayed.get())?;
    }
    let mut gaps = page.counter("gaps", "Returning subscribers whose missed events were gone")?;
    for AppRuntime { id, counts, .. } in runtimes {
        for (reason, count) in counts.history.gaps.iter() {
            gaps.add(&[("app", id), ("reason", reason)], count)?;
        }
    }
    Ok(())
}

fn journal(page: &mut Page<'_>, stats: JournalStats) -> fmt::Result {
    let JournalStats { queued_bytes, file_bytes, written, lost, write_errors, is_failing } = stats;
    page.gauge_in(&BYTES, "history_queue", "Logged events that wait for the disk")?
        .add(&[], queued_bytes)?;
    page.gauge_in(&BYTES, "history_file", "Size of the file of the history")?
        .add(&[], file_bytes)?;
    page.counter("history_written", "Changes that were written to the history")?
        .add(&[], written)?;
    page.counter("history_lost", "Delivered events that the history lost")?.add(&[], lost)?;
    page.counter("history_write_errors", "Attempts to write the history that failed")?
        .add(&[], write_errors)?;
    page.gauge("history_failing", "1 while the history cannot be written")?
        .add(&[], u64::from(is_failing))
}
