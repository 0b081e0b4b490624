//! Servers killed while they write.

use std::{
    fs::{File, OpenOptions},
    io::Write,
};

use super::*;

/// The entries that the child leaves in a log.
const KEPT: u64 = 300;

fn behind() -> LogAddress {
    log("b", HistoryStore::DiskBehind)
}

fn before() -> LogAddress {
    log("a", HistoryStore::DiskBefore)
}

/// Not a test of its own: appends to both stores until it is killed. Numbers go into a file as soon
/// as the journal has told that they are written.
#[test]
fn child_appends() {
    let Some(dir) = dir_of_child() else { return };
    let (disk, contents) = open_in(&dir, NOW).unwrap();
    let journal = Journal::Disk(disk);
    let written = OpenOptions::new().append(true).create(true).open(dir.join("written")).unwrap();
    let last = |address: &LogAddress| {
        let found = contents.logs.iter().find(|log| log.address == *address);
        found.map_or(1, |log| log.entries.last().map_or(log.last.0, |entry| entry.number.0))
    };
    let (mut last_behind, mut last_before) = (last(&behind()), last(&before()));
    for number in contents.floor.0.max(1) + 1.. {
        patiently(|| journal.append_behind(&behind(), entry(number, last_behind)));
        patiently(|| {
            let committed = acknowledge(written.try_clone().unwrap(), number);
            journal.append_before(&before(), entry(number, last_before), committed)
        });
        (last_behind, last_before) = (number, number);
        if number % 10 == 0 {
            let up_to = LogNumber(number.saturating_sub(KEPT));
            [behind(), before()].iter().for_each(|log| journal.trim(log, up_to));
        }
        if number % 16 == 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

fn patiently(mut append: impl FnMut() -> Result<(), JournalError>) {
    while let Err(error) = append() {
        assert_eq!(error, JournalError::Busy);
        thread::sleep(Duration::from_millis(1));
    }
}

fn acknowledge(mut file: File, number: u64) -> Committed {
    Box::new(move |outcome| {
        assert_eq!(outcome, Ok(()));
        file.write_all(&number.to_be_bytes()).unwrap();
    })
}

/// The last number that was told.
fn last_written(dir: &HistoryDir) -> u64 {
    let bytes = std::fs::read(dir.0.join("written")).unwrap_or_default();
    bytes.chunks_exact(8).last().map_or(0, |bytes| u64::from_be_bytes(bytes.try_into().unwrap()))
}

/// `SEALCAST_TEST_KILLS` makes it longer.
#[test]
fn killed_server_loses_nothing_that_it_told() {
    let rounds = std::env::var("SEALCAST_TEST_KILLS").map_or(3, |rounds| rounds.parse().unwrap());
    let dir = HistoryDir::new("killed");
    HistoryKeyFile::of(&dir.0).load(None, NOW).unwrap();
    let mut earlier: Option<Epochs> = None;
    for round in 0..rounds {
        let goal = last_written(&dir) + 200 + round * 97 % 400;
        let mut server = child("killed::child_appends", &dir.0).spawn().unwrap();
        until("the child writes", || last_written(&dir) >= goal);
        server.kill().unwrap();
        server.wait().unwrap();
        let told = last_written(&dir);
        let (disk, contents) = dir.open();
        for address in [behind(), before()] {
            let found = find(&contents, &address);
            assert_chain(found);
            let numbers = numbers(found);
            let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
            assert!(last >= told, "round {round}: {last} of {told} in {address:?}");
            assert!(first <= last.saturating_sub(KEPT).max(1) + 1, "round {round}: from {first}");
        }
        if let Some(earlier) = earlier {
            assert_eq!(earlier.disk_before, contents.epochs.disk_before);
            assert_ne!(earlier.disk_behind, contents.epochs.disk_behind);
        }
        earlier = Some(contents.epochs);
        disk.finish();
    }
}
