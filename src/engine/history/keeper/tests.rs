use std::{
    path::PathBuf,
    time::{Duration, Instant},
};

use super::*;
use crate::{
    channels::{
        change::{Change, LogChange, Newcomer},
        log::{EntryBody, LogEvent, LogNumber},
    },
    history::{
        disk::DiskHistory,
        journal::{JournalBody, JournalEntry},
    },
    hub::{Hub, directory::Directory},
    platform::state_dir,
    protocol::{frame::Frame, message::Message},
};

/// An app with one channel, whose log is on disk and whose clock the test has.
struct DiskApp {
    dir: PathBuf,
    journal: Journal,
    directory: Directory,
    channel: Channel,
    now: Instant,
    last: LogNumber,
}

const TTL: Duration = Duration::from_secs(10);
const INTERVAL: Duration = Duration::from_millis(100);
/// Events that live at one moment.
const LIVE: usize = 100;

fn app() -> App {
    let settings = HistorySettings {
        events: 5000,
        bytes: 8 << 20,
        ttl: TTL,
        store: HistoryStore::DiskBehind,
        ..HistorySettings::default()
    };
    App::for_tests("a").logging(settings)
}

fn open(dir: &std::path::Path) -> DiskHistory {
    DiskHistory::open(dir, None, 1_800_000_000).unwrap()
}

impl DiskApp {
    fn new(name: &str) -> Self {
        let name = format!("sealcast-keeper-{name}-{}", std::process::id());
        let dir = std::env::temp_dir().join(name);
        let _ = std::fs::remove_dir_all(&dir);
        state_dir::make(&dir).unwrap();
        let journal = Journal::Disk(open(&dir).journal);
        let directory = Directory::new(Hub::new(1, 1000, 1000));
        directory
            .set_keeper(Box::new(AppLogKeeper { app: app().into(), journal: journal.clone() }));
        let channel = Channel::parse("room", 200).unwrap();
        let (now, last) = (Instant::now(), LogNumber::default());
        let app = Self { dir, journal, directory, channel, now, last };
        // Its record stays, so that the journal keeps the log.
        app.directory.with(&app.channel, |_, mut locked| {
            let _ = locked.subscribe(0, Newcomer::default(), now);
        });
        app
    }

    fn publish(&mut self) {
        self.now += INTERVAL;
        let (now, channel) = (self.now, &self.channel);
        self.last = self.directory.with(channel, |record, mut locked| {
            let reserve = Change::InLog(LogChange::Reserve { micros: 0 });
            let number = locked.apply(reserve, now).reserved.unwrap();
            let store = HistoryStore::DiskBehind;
            let log = LogAddress { app: "a".into(), channel: channel.name().clone(), store };
            let entry = JournalEntry {
                number,
                previous: locked.newest_number().unwrap(),
                at_micros: 0,
                // Only trims drop it.
                expires: u64::MAX,
                name: "e".into(),
                user_id: None,
                body: JournalBody::Clear("x".into()),
            };
            self.journal.append_behind(&log, entry).unwrap();
            let frame = Frame::new(&Message::event(channel, "e", "x").unwrap());
            let body = EntryBody::Clear { data: "x".into(), frame };
            let event = LogEvent { at_micros: 0, name: "e".into(), user_id: None, body };
            let _ = locked.apply(Change::InLog(LogChange::Append { event, number }), now);
            self.directory.logs().charge(record, &mut locked, usize::MAX, now);
            number
        });
    }

    /// Ends the server. Returns the entries in the file, and the log's last number.
    fn end(self) -> (usize, LogNumber) {
        self.journal.finish();
        drop((self.directory, self.journal));
        let logs = open(&self.dir).contents.logs;
        std::fs::remove_dir_all(&self.dir).unwrap();
        let last = logs[0].entries.last().map_or(logs[0].last, |entry| entry.number);
        (logs[0].entries.len(), last)
    }
}

#[test]
fn what_expires_while_others_come_leaves_the_journal() {
    let mut app = DiskApp::new("expires");
    for _ in 0..20 * LIVE {
        app.publish();
    }
    let last = app.last;
    assert_eq!(app.end(), (LIVE, last));
}

#[test]
fn what_expires_in_silence_leaves_the_journal() {
    let mut app = DiskApp::new("silence");
    (0..LIVE).for_each(|_| app.publish());
    app.directory.sweep(app.now + TTL);
    let last = app.last;
    assert_eq!(app.end(), (0, last), "its number is known");
}

#[test]
fn what_memory_gives_up_leaves_the_journal() {
    let mut app = DiskApp::new("memory");
    (0..LIVE).for_each(|_| app.publish());
    let record = app.directory.find("room").unwrap();
    app.directory.logs().charge(&record, &mut record.enter().unwrap(), 1, app.now);
    let left = record.enter().unwrap().log().unwrap().len();
    assert!((1..LIVE).contains(&left), "half of it");
    let last = app.last;
    assert_eq!(app.end(), (left, last));
    let mut app = DiskApp::new("budget");
    (0..LIVE).for_each(|_| app.publish());
    app.directory.enforce_log_limit(0, app.now);
    let last = app.last;
    assert_eq!(app.end(), (0, last));
}
