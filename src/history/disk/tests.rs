//! Tests of the disk journal.

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::mpsc,
    time::Instant,
};

use super::{
    file::FileChanges,
    restore::{reindex, undo},
    *,
};
use crate::{
    domain::channel_settings::HistoryStore,
    history::journal::{Journal, JournalBody, JournalLog},
};

mod failing;
mod files;
mod killed;
mod queueing;

struct HistoryDir(PathBuf);

impl HistoryDir {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("sealcast-history-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        state_dir::make(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join(state_dir::HISTORY)
    }

    fn open(&self) -> (DiskJournal, JournalContents) {
        self.open_at(NOW).unwrap()
    }

    fn open_at(
        &self,
        now: UnixSeconds,
    ) -> Result<(DiskJournal, JournalContents), HistoryFileError> {
        open_in(&self.0, now)
    }
}

impl Drop for HistoryDir {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const NOW: UnixSeconds = 1_800_000_000;
const LATER: UnixSeconds = NOW + 3600;

fn open_in(
    dir: &Path,
    now: UnixSeconds,
) -> Result<(DiskJournal, JournalContents), HistoryFileError> {
    let keys = HistoryKeyFile::of(dir).load(None, now).unwrap();
    DiskJournal::open(dir, &keys, now)
}

fn log(channel: &str, store: HistoryStore) -> LogAddress {
    LogAddress { app: "shop".into(), channel: channel.into(), store }
}

fn entry(number: u64, previous: u64) -> JournalEntry {
    JournalEntry {
        number: LogNumber(number),
        previous: LogNumber(previous),
        at_micros: number,
        expires: LATER,
        name: format!("event-{number}").into(),
        user_id: Some("user".into()),
        body: JournalBody::Clear(format!("data-{number}").into()),
    }
}

/// Runs a test of this binary in a process of its own, which alone knows the directory.
fn child(test: &str, dir: &Path) -> Command {
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", &format!("history::disk::tests::{test}")]);
    child.env(CHILD_DIR, dir).stdout(Stdio::null());
    child
}

const CHILD_DIR: &str = "SEALCAST_TEST_HISTORY";

/// `None` when the test runs with all others.
fn dir_of_child() -> Option<PathBuf> {
    std::env::var_os(CHILD_DIR).map(PathBuf::from)
}

/// Waits until it is true.
fn until(what: &str, mut is_true: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !is_true() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// Each entry names the one before.
fn assert_chain(log: &JournalLog) {
    for pair in log.entries.windows(2) {
        assert_eq!(pair[0].number, pair[1].previous, "nothing is missing between");
    }
}

/// Waits for the outcome.
fn append_before(
    journal: &Journal,
    log: &LogAddress,
    entry: JournalEntry,
) -> Result<(), JournalError> {
    let (tell, told) = mpsc::channel();
    journal.append_before(
        log,
        entry,
        Box::new(move |outcome| tell.send(outcome).unwrap_or_default()),
    )?;
    told.recv().expect("the journal tells the outcome")
}

fn clear(journal: &Journal, log: &LogAddress, number: u64) -> Result<(), JournalError> {
    let (tell, told) = mpsc::channel();
    let committed: Committed = Box::new(move |outcome| tell.send(outcome).unwrap_or_default());
    journal.clear(log, LogNumber(number), committed)?;
    told.recv().expect("the journal tells the outcome")
}

fn numbers(log: &JournalLog) -> Vec<u64> {
    log.entries.iter().map(|entry| entry.number.0).collect()
}

fn find<'a>(contents: &'a JournalContents, log: &LogAddress) -> &'a JournalLog {
    contents.logs.iter().find(|found| found.address == *log).expect("the log is there")
}

/// The calls that every journal takes, with outcomes that every journal gives.
fn suite(journal: &Journal) {
    let (behind, before) = (log("b", HistoryStore::DiskBehind), log("a", HistoryStore::DiskBefore));
    for (number, previous) in [(10, 5), (11, 10), (12, 11)] {
        assert_eq!(journal.append_behind(&behind, entry(number, previous)), Ok(()));
        assert_eq!(append_before(journal, &before, entry(number, previous)), Ok(()));
    }
    journal.trim(&behind, LogNumber(10));
    assert_eq!(clear(journal, &before, 13), Ok(()));
    assert_eq!(append_before(journal, &before, entry(14, 13)), Ok(()));
    let gone = log("gone", HistoryStore::DiskBehind);
    assert_eq!(journal.append_behind(&gone, entry(99, 1)), Ok(()));
    journal.forget(&gone);
    let empty = log("empty", HistoryStore::DiskBefore);
    journal.begin(&empty, LogNumber(42));
    journal.finish();
}

#[test]
fn memory_takes_every_call_and_keeps_nothing() {
    suite(&Journal::Memory);
    assert!(Journal::Memory.stats().is_none());
    let contents = JournalContents::empty().unwrap();
    assert!(
        contents.logs.is_empty() && contents.epochs != JournalContents::empty().unwrap().epochs
    );
}

#[test]
fn disk_gives_back_what_every_call_left() {
    let dir = HistoryDir::new("suite");
    let (disk, contents) = dir.open();
    assert!(contents.logs.is_empty() && contents.floor == LogNumber(0));
    suite(&Journal::Disk(disk.clone()));
    let stats = disk.stats();
    assert_eq!((stats.written, stats.lost, stats.queued_bytes, stats.write_errors), (8, 0, 0, 0));
    let (_disk, contents) = dir.open();
    assert_eq!(contents.logs.len(), 3);
    let behind = find(&contents, &log("b", HistoryStore::DiskBehind));
    assert!(behind.entries == [entry(11, 10), entry(12, 11)]);
    assert_eq!((behind.last, behind.cleared), (LogNumber(5), LogNumber(0)));
    let before = find(&contents, &log("a", HistoryStore::DiskBefore));
    assert!(before.entries == [entry(14, 13)]);
    assert_eq!(before.cleared, LogNumber(13));
    let empty = find(&contents, &log("empty", HistoryStore::DiskBefore));
    assert_eq!((empty.last, numbers(empty)), (LogNumber(42), vec![]));
    assert_eq!(contents.floor, LogNumber(99), "of the log that was forgotten");
}

#[test]
fn lone_event_is_written_without_another() {
    let dir = HistoryDir::new("lone");
    let (disk, _) = dir.open();
    disk.append_behind(&log("b", HistoryStore::DiskBehind), entry(2, 1)).unwrap();
    until("it is written", || disk.stats().written == 1);
}

#[test]
fn ended_journal_refuses() {
    let dir = HistoryDir::new("ended");
    let journal = Journal::Disk(dir.open().0);
    journal.finish();
    let log = log("a", HistoryStore::DiskBefore);
    assert_eq!(append_before(&journal, &log, entry(2, 1)), Err(JournalError::Ended));
    assert_eq!(journal.append_behind(&log, entry(2, 1)), Err(JournalError::Ended));
}

#[test]
fn emptied_log_keeps_its_last_number() {
    let dir = HistoryDir::new("emptied");
    let (log, expired) = (log("a", HistoryStore::DiskBefore), log("e", HistoryStore::DiskBefore));
    let journal = Journal::Disk(dir.open().0);
    for number in 2..5 {
        append_before(&journal, &log, entry(number, number - 1)).unwrap();
    }
    let short = |number| JournalEntry { expires: NOW + 1, ..entry(number, number - 1) };
    append_before(&journal, &expired, short(7)).unwrap();
    append_before(&journal, &expired, short(8)).unwrap();
    journal.trim(&log, LogNumber(4));
    journal.finish();
    drop(journal);
    for _ in 0..2 {
        let (disk, contents) = dir.open_at(NOW + 2).unwrap();
        for (log, last) in [(&log, 4), (&expired, 8)] {
            let found = find(&contents, log);
            assert_eq!((found.last, numbers(found)), (LogNumber(last), vec![]));
        }
        disk.finish();
    }
}

#[test]
fn epochs_last_as_long_as_nothing_can_be_lost() {
    let dir = HistoryDir::new("epochs");
    let epochs = |end: fn(&DiskJournal)| {
        let (disk, contents) = dir.open();
        disk.append_behind(&log("a", HistoryStore::DiskBehind), entry(2, 1)).unwrap();
        end(&disk);
        contents.epochs
    };
    let (first, second) = (epochs(DiskJournal::finish), epochs(DiskJournal::finish));
    assert_eq!((first.disk_behind, first.disk_before), (second.disk_behind, second.disk_before));
    assert_ne!(first.memory, second.memory);
    // A copy has another inode.
    let file = dir.file();
    std::fs::copy(&file, dir.0.join("copy")).unwrap();
    std::fs::rename(dir.0.join("copy"), &file).unwrap();
    let copied = epochs(DiskJournal::finish);
    assert!(copied.disk_behind != second.disk_behind && copied.disk_before != second.disk_before);
    let again = epochs(DiskJournal::finish);
    assert_eq!((again.disk_behind, again.disk_before), (copied.disk_behind, copied.disk_before));
}

/// The disk may report an error for what it has written all the same.
#[test]
fn refused_entry_that_was_written_is_removed() {
    let dir = HistoryDir::new("undo");
    let keys = FileKeys::new(&HistoryKeyFile::of(&dir.0).load(None, NOW).unwrap());
    let file = HistoryFile::open(&dir.file(), false).unwrap();
    let Restored { file, mut index, .. } = restore(file, &keys, NOW).unwrap();
    let address = log("a", HistoryStore::DiskBefore);
    let mut written = FileChanges::default();
    for number in [2, 3] {
        let entry = entry(number, number - 1);
        let op = Op::Append { log: address.clone(), entry, committed: None };
        index.apply(&op, &keys, &mut written).unwrap();
    }
    file.commit(&written).unwrap();
    let mut index = reindex(&file, &keys).unwrap();
    let mut removed = FileChanges::default();
    let refused = [index.key_of(&address, LogNumber(3))].into();
    undo(&refused, &mut index, &mut removed);
    file.commit(&removed).unwrap();
    drop(file);
    let (_disk, contents) = dir.open();
    assert_eq!(numbers(find(&contents, &address)), [2]);
}

#[test]
fn outcomes_come_in_order_and_all_at_the_end() {
    let dir = HistoryDir::new("order");
    let (disk, _) = dir.open();
    let (tell, told) = mpsc::channel();
    for number in 1..1000 {
        let log = log(["a", "b", "c"][number % 3], HistoryStore::DiskBefore);
        let number = number as u64;
        let tell = tell.clone();
        let committed: Committed = Box::new(move |outcome| {
            tell.send(outcome.map(|()| number)).unwrap_or_default();
        });
        disk.append_before(&log, entry(number + 3, number), committed).unwrap();
    }
    disk.finish();
    drop(tell);
    let outcomes: Vec<_> = told.iter().collect();
    assert_eq!(outcomes, (1..1000).map(Ok).collect::<Vec<_>>());
}

#[test]
fn names_users_and_data_are_not_in_the_file() {
    const CANARY: &str = "canary-7d1f";
    let dir = HistoryDir::new("canary");
    let (disk, _) = dir.open();
    for store in [HistoryStore::DiskBehind, HistoryStore::DiskBefore] {
        let log = LogAddress {
            app: format!("{CANARY}-app").into(),
            channel: format!("{CANARY}-channel").into(),
            store,
        };
        for number in 2..300 {
            let body = format!("{CANARY} data {number}").into();
            let event = JournalEntry {
                name: format!("{CANARY}-name").into(),
                user_id: Some(format!("{CANARY}-user").into()),
                body: match number % 2 {
                    0 => JournalBody::Clear(body),
                    _ => JournalBody::Blind(body),
                },
                ..entry(number, number - 1)
            };
            disk.append_behind(&log, event).unwrap();
        }
    }
    disk.finish();
    for found in std::fs::read_dir(&dir.0).unwrap() {
        let bytes = std::fs::read(found.unwrap().path()).unwrap();
        let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
        assert!(!has(CANARY) && !has("canary"));
    }
    let (_disk, contents) = dir.open();
    let log = &contents.logs[0];
    assert!(log.address.channel.starts_with(CANARY) && log.entries[0].name.starts_with(CANARY));
}
