//! Files that cannot be used: a sentence with a way out, and the file as it was.

use std::{fs, io, os::unix::fs::PermissionsExt};

use super::*;

fn filled(name: &str) -> HistoryDir {
    let dir = HistoryDir::new(name);
    let (disk, _) = dir.open();
    for number in 2..2000 {
        let log = log(["a", "b"][number % 2], HistoryStore::DiskBefore);
        disk.append_behind(&log, entry(number as u64, number as u64 - 1)).unwrap();
    }
    disk.finish();
    dir
}

/// Opening fails with these words, and changes nothing.
fn refused(dir: &HistoryDir, says: &[&str]) {
    let before = fs::read(dir.file()).unwrap();
    let error = dir.open_at(NOW).err().expect("it is refused").to_string();
    let path = dir.file().display().to_string();
    for part in [&path, "cannot be used"].iter().chain(says) {
        assert!(error.contains(part), "{part}: {error}");
    }
    assert!(fs::read(dir.file()).unwrap() == before, "a refused file stays as it is: {error}");
}

#[test]
fn truncated_file_is_refused() {
    let dir = filled("truncated");
    let whole = fs::read(dir.file()).unwrap();
    for length in [whole.len() - 1, whole.len() / 2, whole.len() / 2 + 4096, 8192, 4096, 100, 1] {
        fs::write(dir.file(), &whole[..length]).unwrap();
        refused(&dir, &["mv "]);
    }
    fs::write(dir.file(), &whole).unwrap();
    assert_eq!(dir.open().1.logs.len(), 2);
}

#[test]
fn altered_file_is_refused_or_read_whole() {
    let dir = filled("altered");
    let whole = fs::read(dir.file()).unwrap();
    let mut refusals = 0;
    for step in 0..40 {
        let mut altered = whole.clone();
        let at = step * altered.len() / 40 + 13;
        altered[at] ^= 0x55;
        fs::write(dir.file(), &altered).unwrap();
        match dir.open_at(NOW) {
            // In a page that is not in use.
            Ok((disk, contents)) => {
                let entries: usize = contents.logs.iter().map(|log| log.entries.len()).sum();
                assert_eq!(entries, 1998, "byte {at}");
                disk.finish();
            }
            Err(error) => {
                refusals += 1;
                assert!(error.to_string().contains("mv "), "{error}");
                assert!(fs::read(dir.file()).unwrap() == altered, "byte {at}: {error}");
            }
        }
    }
    assert!(refusals > 5, "{refusals}");
}

#[test]
fn foreign_file_is_refused() {
    let dir = filled("foreign");
    fs::write(dir.file(), "These are somebody's notes.".repeat(500)).unwrap();
    refused(&dir, &["no history file", "mv "]);
    // A database of another program.
    fs::remove_file(dir.file()).unwrap();
    let other = redb::Database::create(dir.file()).unwrap();
    let write = other.begin_write().unwrap();
    write
        .open_table(redb::TableDefinition::<u64, u64>::new("theirs"))
        .unwrap()
        .insert(1, 2)
        .unwrap();
    write.commit().unwrap();
    drop(other);
    fs::set_permissions(dir.file(), PermissionsExt::from_mode(0o600)).unwrap();
    let error = dir.open_at(NOW).err().unwrap().to_string();
    assert!(error.contains("no history file"), "{error}");
}

#[test]
fn file_of_a_newer_version_is_refused() {
    let dir = filled("newer");
    let file = HistoryFile::open(&dir.file(), false).unwrap();
    let newer = vec![(meta::FORMAT, Some(2_u32.to_be_bytes().to_vec()))];
    file.commit(&FileChanges { meta: newer, ..FileChanges::default() }).unwrap();
    drop(file);
    let error = dir.open_at(NOW).err().unwrap().to_string();
    assert!(error.contains("format 2") && error.contains("Run the version"), "{error}");
}

#[test]
fn other_history_key_is_named_and_changes_nothing() {
    let dir = filled("other-key");
    let epochs = {
        let (disk, contents) = dir.open();
        disk.finish();
        contents.epochs
    };
    let keys = dir.0.join(state_dir::HISTORY_KEYS);
    let text = fs::read(&keys).unwrap();
    let id = HistoryKeyFile::of(&dir.0).load(None, NOW).unwrap().newest().fingerprint();
    fs::remove_file(&keys).unwrap();
    let error = dir.open_at(NOW).err().unwrap().to_string();
    for part in [id.as_str(), "history.key", "history-keys.json", "mv "] {
        assert!(error.contains(part), "{part}: {error}");
    }
    fs::write(&keys, text).unwrap();
    let (_disk, contents) = dir.open();
    assert_eq!(contents.logs.iter().map(|log| log.entries.len()).sum::<usize>(), 1998);
    assert_eq!(contents.epochs.disk_behind, epochs.disk_behind, "its end is still clean");
}

#[test]
fn rotated_key_stays_until_its_last_record_has_expired() {
    let dir = filled("rotated");
    let key_file = HistoryKeyFile::of(&dir.0);
    let first = key_file.load(None, NOW).unwrap();
    let both = key_file.rotate(&first, NOW).unwrap();
    let ids = |keys: &HistoryKeys| {
        keys.newest_first().map(MasterKey::fingerprint_bytes).collect::<Vec<_>>()
    };
    let opened = DiskHistory::open(&dir.0, None, NOW).unwrap();
    assert_eq!((opened.contents.logs.len(), ids(&opened.keys)), (2, ids(&both)));
    opened.journal.finish();
    drop(opened);
    // All has expired.
    let opened = DiskHistory::open(&dir.0, None, LATER).unwrap();
    assert_eq!(ids(&opened.keys), ids(&both)[..1]);
    opened.journal.finish();
    drop(opened);
    let (_disk, contents) = dir.open();
    assert_eq!(contents.logs.iter().map(|log| log.last.0).max(), Some(1999));
}

#[test]
fn changed_configured_key_opens_with_the_earlier_one_kept() {
    let dir = HistoryDir::new("changed-key");
    let (first, second) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
    let text = first.to_text();
    let copy = || MasterKey::parse(&text).unwrap().0;
    let opened = DiskHistory::open(&dir.0, Some(first), NOW).unwrap();
    opened.journal.append_behind(&log("a", HistoryStore::DiskBehind), entry(2, 1)).unwrap();
    opened.journal.finish();
    drop(opened);
    let second_text = second.to_text();
    let error = DiskHistory::open(&dir.0, Some(second), NOW).err().unwrap().to_string();
    assert!(error.contains(copy().fingerprint().as_str()), "{error}");
    HistoryKeyFile::of(&dir.0).keep(copy(), NOW).unwrap();
    let second = || Some(MasterKey::parse(&second_text).unwrap().0);
    let opened = DiskHistory::open(&dir.0, second(), NOW).unwrap();
    assert_eq!(opened.contents.logs[0].entries.len(), 1);
    opened.journal.finish();
    drop(opened);
    // Its last record has expired, and it goes.
    DiskHistory::open(&dir.0, second(), LATER).unwrap().journal.finish();
    assert!(HistoryKeyFile::of(&dir.0).look().unwrap().is_none());
    let (journal, _) = DiskJournal::open(
        &dir.0,
        &HistoryKeyFile::of(&dir.0).load(second(), LATER).unwrap(),
        LATER,
    )
    .unwrap();
    journal.finish();
}

#[test]
fn open_file_is_refused_to_a_second_server() {
    let dir = filled("second");
    let (first, _) = dir.open();
    let error = dir.open_at(NOW).err().unwrap().to_string();
    assert!(error.contains("another server") && error.contains("state directory"), "{error}");
    first.finish();
    assert_eq!(dir.open().1.logs.len(), 2);
}

#[test]
fn directory_or_link_in_its_place_is_refused() {
    let dir = HistoryDir::new("place");
    fs::create_dir(dir.file()).unwrap();
    assert!(dir.open_at(NOW).err().unwrap().to_string().contains("cannot be used"));
    fs::remove_dir(dir.file()).unwrap();
    std::os::unix::fs::symlink("/dev/null", dir.file()).unwrap();
    let error = dir.open_at(NOW).err().unwrap().to_string();
    assert!(error.contains("symbolic link"), "{error}");
}

#[test]
fn file_is_for_its_owner_alone() {
    let dir = filled("mode");
    let mode = |path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(dir.file()), 0o600);
    fs::set_permissions(dir.file(), PermissionsExt::from_mode(0o644)).unwrap();
    refused(&dir, &["others have access", "chmod 600"]);
}

#[test]
fn every_fault_has_a_way_out() {
    for (kind, way_out) in [
        (io::ErrorKind::StorageFull, "Make room"),
        (io::ErrorKind::FileTooLarge, "Make room"),
        (io::ErrorKind::ReadOnlyFilesystem, "read and write it"),
        (io::ErrorKind::PermissionDenied, "read and write it"),
        (io::ErrorKind::UnexpectedEof, "Restore it"),
    ] {
        let fault = FileFault::from(file::FileError::Io(kind.into()));
        let text = HistoryFileError { path: "/state/history.db".into(), fault }.to_string();
        assert!(text.contains(way_out) && text.contains("/state/history.db"), "{text}");
    }
}
