//! Full disks: a limit on the size of files stands for them.

use nix::sys::signal::{SigSet, Signal};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::*;

/// Of this process, and so of a child alone.
fn limit_files(bytes: Option<u64>) {
    let maximum = getrlimit(Resource::Fsize).maximum;
    setrlimit(Resource::Fsize, Rlimit { current: bytes, maximum }).unwrap();
}

fn large(number: u64, previous: u64) -> JournalEntry {
    let body = JournalBody::Clear("x".repeat(2000).into());
    JournalEntry { body, ..entry(number, previous) }
}

/// Appends until the disk refuses. Returns the numbers that were written.
fn fill(journal: &Journal, log: &LogAddress) -> Vec<u64> {
    let mut written = vec![1];
    loop {
        let (previous, number) = (written[written.len() - 1], written.len() as u64 + 1);
        match append_before(journal, log, large(number, previous)) {
            Ok(()) => written.push(number),
            Err(error) => {
                assert_eq!(error, JournalError::Unwritable);
                return written;
            }
        }
    }
}

#[test]
fn child_fills_the_disk() {
    let Some(dir) = dir_of_child() else { return };
    SigSet::from(Signal::SIGXFSZ).thread_block().unwrap();
    let keys = HistoryKeyFile::of(&dir).load(None, NOW).unwrap();
    limit_files(Some(0));
    let error = DiskJournal::open(&dir, &keys, NOW).err().unwrap().to_string();
    assert!(error.contains("Make room"), "{error}");
    limit_files(Some(512 << 10));
    let (disk, first) = DiskJournal::open_bounded(&dir, &keys, NOW, 256 << 10).unwrap();
    let journal = Journal::Disk(disk.clone());
    let (before, behind) = (log("a", HistoryStore::DiskBefore), log("b", HistoryStore::DiskBehind));
    let mut written = fill(&journal, &before);
    assert!(disk.stats().is_failing && disk.stats().lost == 0);
    let (last, refused) = (written[written.len() - 1], written.len() as u64 + 1);
    assert_eq!(
        append_before(&journal, &before, large(refused + 1, last)),
        Err(JournalError::Unwritable)
    );
    assert_eq!(clear(&journal, &before, refused + 1), Err(JournalError::Unwritable));
    // What nobody waits for is accepted, kept while there is room, then counted.
    let mut number = 1;
    while disk.stats().lost < 5 {
        number += 1;
        assert_eq!(journal.append_behind(&behind, large(number, number - 1)), Ok(()));
    }
    let kept = number - 5;
    assert!(kept > 80);
    // Every attempt fails until there is room.
    until("it is tried again", || disk.stats().write_errors > 2);
    limit_files(None);
    until("it is written again", || !disk.stats().is_failing);
    assert_eq!(append_before(&journal, &before, large(refused + 2, last)), Ok(()));
    journal.finish();
    written.push(refused + 2);
    let (_disk, contents) = DiskJournal::open(&dir, &keys, NOW).unwrap();
    // Nothing of which the publisher was told that it failed.
    assert_eq!(numbers(find(&contents, &before)), written[1..]);
    assert_chain(find(&contents, &before));
    assert_eq!(numbers(find(&contents, &behind)), (2..=kept).collect::<Vec<_>>());
    assert_eq!(contents.epochs.disk_before, first.epochs.disk_before);
    assert_ne!(contents.epochs.disk_behind, first.epochs.disk_behind);
}

#[test]
fn full_disk_refuses_or_counts_and_is_left_behind() {
    let dir = HistoryDir::new("full");
    let ended = child("failing::child_fills_the_disk", &dir.0).status().unwrap();
    assert!(ended.success());
}

#[test]
fn child_ends_on_a_full_disk() {
    let Some(dir) = dir_of_child() else { return };
    SigSet::from(Signal::SIGXFSZ).thread_block().unwrap();
    let (disk, first) = open_in(&dir, NOW).unwrap();
    limit_files(Some(256 << 10));
    let (journal, behind) = (Journal::Disk(disk), log("b", HistoryStore::DiskBehind));
    for number in 2..400 {
        journal.append_behind(&behind, large(number, number - 1)).unwrap();
    }
    journal.finish();
    limit_files(None);
    let (_disk, contents) = open_in(&dir, NOW).unwrap();
    assert_ne!(contents.epochs.disk_behind, first.epochs.disk_behind);
    assert!(contents.logs.iter().all(|log| log.entries.len() < 398));
}

#[test]
fn end_on_a_full_disk_is_no_clean_end() {
    let dir = HistoryDir::new("full-end");
    let ended = child("failing::child_ends_on_a_full_disk", &dir.0).status().unwrap();
    assert!(ended.success());
}

#[test]
fn child_clears_on_a_full_disk() {
    let Some(dir) = dir_of_child() else { return };
    SigSet::from(Signal::SIGXFSZ).thread_block().unwrap();
    let (disk, _) = open_in(&dir, NOW).unwrap();
    let (journal, behind) = (Journal::Disk(disk.clone()), log("b", HistoryStore::DiskBehind));
    for number in 2..20 {
        journal.append_behind(&behind, large(number, number - 1)).unwrap();
    }
    until("they are written", || disk.stats().written == 18);
    limit_files(Some(0));
    assert_eq!(journal.clear_behind(&behind, LogNumber(20)), Ok(()));
    until("it is tried", || disk.stats().write_errors > 1);
    assert_eq!(journal.append_behind(&behind, entry(21, 20)), Ok(()));
    limit_files(None);
    until("it is written", || !disk.stats().is_failing);
    journal.finish();
    let (_disk, contents) = open_in(&dir, NOW).unwrap();
    let found = find(&contents, &behind);
    assert_eq!((numbers(found), found.cleared), (vec![21], LogNumber(20)));
}

/// Its client was told that the events are gone.
#[test]
fn clearing_of_behind_outlives_a_full_disk() {
    let dir = HistoryDir::new("full-clear");
    let ended = child("failing::child_clears_on_a_full_disk", &dir.0).status().unwrap();
    assert!(ended.success());
}
