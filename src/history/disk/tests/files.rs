//! Files that cannot be used: a sentence with a way out, and the file as it was.

use std::{fs, os::unix::fs::PermissionsExt};

use super::*;

fn filled(name: &str) -> TestDir {
    let dir = TestDir::new(name);
    let (disk, _) = dir.open();
    for number in 2..2000 {
        let log = log(["a", "b"][number % 2], HistoryStore::DiskBefore);
        disk.append_behind(&log, entry(number as u64, number as u64 - 1)).unwrap();
    }
    disk.finish();
    dir
}

/// Opening fails with these words, and changes nothing.
fn refused(dir: &TestDir, says: &[&str]) {
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
    file.commit(&file::Changes { meta: newer, ..file::Changes::default() }).unwrap();
    drop(file);
    let error = dir.open_at(NOW).err().unwrap().to_string();
    assert!(error.contains("format 2") && error.contains("Run the version"), "{error}");
}

#[test]
fn other_history_key_is_named_and_changes_nothing() {
    let dir = filled("other-key");
    let keys = dir.0.join(state_dir::HISTORY_KEYS);
    let text = fs::read(&keys).unwrap();
    let id = HistoryKeyFile::of(&dir.0).load(None, NOW).unwrap().newest().fingerprint();
    fs::remove_file(&keys).unwrap();
    refused(&dir, &[id.as_str(), "history.key", "history-keys.json", "mv "]);
    fs::write(&keys, text).unwrap();
    assert_eq!(dir.open().1.logs.len(), 2);
}

#[test]
fn rotated_key_opens_what_the_old_one_sealed() {
    let dir = filled("rotated");
    let key_file = HistoryKeyFile::of(&dir.0);
    let rotated = key_file.rotate(&key_file.load(None, NOW).unwrap(), NOW).unwrap();
    let (disk, contents) = DiskJournal::open(&dir.0, &rotated, NOW).unwrap();
    assert_eq!(contents.logs.len(), 2);
    disk.finish();
    // The old one has records left.
    let newest = MasterKey::parse(&rotated.newest().to_text()).unwrap().0;
    fs::remove_file(dir.0.join(state_dir::HISTORY_KEYS)).unwrap();
    let alone = key_file.load(Some(newest), NOW).unwrap();
    let error = DiskJournal::open(&dir.0, &alone, NOW).err().unwrap().to_string();
    assert!(error.contains("history key"), "{error}");
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
    let dir = TestDir::new("place");
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
