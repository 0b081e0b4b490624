//! Processor time of a history on disk, for an event and at the start:
//! `cargo bench --bench journal [-- EVENTS]`.
//!
//! Appends events of 300 bytes to 1,000 logs, which keep 200 each. The time is that of the whole
//! process, with the caller, sealing and the system's work for the disk.

#![allow(clippy::print_stdout, reason = "what was measured")]

use std::{
    path::Path,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use rustix::time::{ClockId, clock_gettime};
use sealcast::{
    channels::log::LogNumber,
    domain::channel_settings::HistoryStore,
    history::{
        disk::{DiskHistory, DiskJournal},
        journal::{JournalBody, JournalEntry, LogAddress},
    },
    platform::{clock::unix_now, state_dir},
};

const LOGS: u64 = 1000;
const KEPT: u64 = 200;
const DATA: usize = 300;
const BURST: Duration = Duration::from_millis(20);
const RESTORED: usize = 256 << 20;

fn processor_seconds() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

struct Load {
    logs: Vec<LogAddress>,
    name: Arc<str>,
    next: u64,
}

impl Load {
    fn new() -> Self {
        let log = |number| LogAddress {
            app: "shop".into(),
            channel: format!("private-room-{number}").into(),
            store: HistoryStore::DiskBehind,
        };
        Self { logs: (0..LOGS).map(log).collect(), name: "message".into(), next: LOGS + 1 }
    }

    /// One event for the next log.
    fn append(&mut self, journal: &DiskJournal, keeps: Option<u64>) {
        let number = self.next;
        self.next += 1;
        let log = &self.logs[(number % LOGS) as usize];
        // Data that no compression shortens would change nothing: it is sealed.
        let data = Arc::from(format!("{number:0DATA$}"));
        let entry = JournalEntry {
            number: LogNumber(number),
            previous: LogNumber(number - LOGS),
            at_micros: number,
            expires: unix_now() + 3600,
            name: self.name.clone(),
            user_id: None,
            body: JournalBody::Clear(data),
        };
        while journal.append_behind(log, entry.clone()).is_err() {
            thread::sleep(Duration::from_millis(1));
        }
        if let Some(keeps) = keeps {
            journal.trim(log, LogNumber(number.saturating_sub(keeps * LOGS)));
        }
    }
}

fn open(directory: &Path) -> DiskHistory {
    DiskHistory::open(directory, None, unix_now()).expect("the history opens")
}

/// Waits for all writes: the end of a journal leaves a slow disk alone after a few seconds.
fn finish(journal: &DiskJournal) {
    while journal.stats().queued_bytes > 0 {
        thread::sleep(Duration::from_millis(1));
    }
    journal.finish();
}

fn report(what: &str, events: u64, cpu: f64, wall: Duration) {
    println!(
        "{what}: {events} events, {:.1} us of processor time each, {:.0} a second",
        cpu * 1e6 / events as f64,
        events as f64 / wall.as_secs_f64()
    );
}

fn main() {
    let mut numbers = std::env::args().filter_map(|argument| argument.parse::<u64>().ok());
    let events = numbers.next().unwrap_or(500_000);
    let name = format!("sealcast-journal-{}", std::process::id());
    let directory = std::env::temp_dir().join(name);
    state_dir::make(&directory).expect("the directory can be made");
    let (history, mut load) = (open(&directory), Load::new());
    let (cpu, start) = (processor_seconds(), Instant::now());
    (0..events).for_each(|_| load.append(&history.journal, Some(KEPT)));
    finish(&history.journal);
    report("as fast as the disk takes them", events, processor_seconds() - cpu, start.elapsed());
    drop(history);

    for rate in [200, 2000, 20_000] {
        let history = open(&directory);
        let (cpu, start) = (processor_seconds(), Instant::now());
        let seconds = 4;
        for done in 0..rate * seconds {
            let due = Duration::from_secs_f64(done as f64 / rate as f64);
            // In bursts, so that waking the caller does not count much.
            if let Some(rest) = due.checked_sub(start.elapsed()) {
                thread::sleep(rest + BURST);
            }
            load.append(&history.journal, Some(KEPT));
        }
        finish(&history.journal);
        let cpu = processor_seconds() - cpu;
        report(&format!("{rate} a second"), rate * seconds, cpu, start.elapsed());
    }

    let history = open(&directory);
    (0..(RESTORED / DATA) as u64).for_each(|_| load.append(&history.journal, None));
    finish(&history.journal);
    let bytes = history.journal.stats().file_bytes;
    drop(history);
    let (cpu, start) = (processor_seconds(), Instant::now());
    let history = open(&directory);
    let entries: usize = history.contents.logs.iter().map(|log| log.entries.len()).sum();
    println!(
        "opened with {entries} events of {DATA} bytes in {:.2} s, {:.2} s of processor time; the file has {} MiB",
        start.elapsed().as_secs_f64(),
        processor_seconds() - cpu,
        bytes >> 20
    );
    drop(history);
    std::fs::remove_dir_all(&directory).expect("the directory can be removed");
}
