//! Files that are moved, deleted, cut or overwritten while the log is written.

use super::*;

fn events_of(path: &std::path::Path) -> Vec<String> {
    let bytes = std::fs::read(path).unwrap();
    verify(bytes.as_slice(), None).unwrap();
    let lines = std::str::from_utf8(&bytes).unwrap().lines();
    let event = |line| serde_json::from_str::<serde_json::Value>(line).unwrap()["event"].clone();
    lines.map(|line| event(line).as_str().unwrap().to_owned()).collect()
}

#[test]
fn moved_or_deleted_file_is_recreated() {
    let place = LogPath::new("audit-moved");
    let (audit, recorder) = Audit::begin(Some(&place.file())).unwrap();
    let note = |written| {
        audit.note(stopped());
        until("a line", || audit.stats().unwrap().written == written);
    };
    note(1);
    let moved = place.0.join("moved");
    std::fs::rename(place.file(), &moved).unwrap();
    note(3);
    assert_eq!(events_of(&moved), ["server_stopped"]);
    assert_eq!(events_of(&place.file()), ["file_replaced", "server_stopped"]);
    let last = verify(std::fs::read(&moved).unwrap().as_slice(), None).unwrap().hash.unwrap();
    assert!(
        std::fs::read_to_string(place.file()).unwrap().contains(&format!("\"after\":\"{last}\""))
    );
    std::fs::remove_file(place.file()).unwrap();
    note(5);
    assert_eq!(events_of(&place.file()), ["file_replaced", "server_stopped"]);
    // One that cannot be continued is left alone, and the log stays where it was.
    let second = place.0.join("second");
    std::fs::rename(place.file(), &second).unwrap();
    std::fs::write(place.file(), "something else").unwrap();
    note(6);
    note(7);
    assert_eq!(events_of(&second).len(), 4);
    assert_eq!(std::fs::read_to_string(place.file()).unwrap(), "something else");
    drop((audit, recorder));
}

#[test]
fn f10_file_that_is_cut_or_overwritten_goes_on_as_a_chain() {
    let place = LogPath::new("audit-cut");
    let (audit, recorder) = Audit::begin(Some(&place.file())).unwrap();
    let note = |written| {
        audit.note(stopped());
        until("a line", || audit.stats().unwrap().written == written);
    };
    note(1);
    let older = std::fs::read(place.file()).unwrap();
    note(2);
    // As `copytruncate` does.
    std::fs::write(place.file(), "").unwrap();
    note(4);
    assert_eq!(events_of(&place.file()), ["file_replaced", "server_stopped"]);
    std::fs::write(place.file(), &older).unwrap();
    note(6);
    let events = events_of(&place.file());
    assert_eq!(events, ["server_stopped", "file_replaced", "server_stopped"]);
    let other = std::fs::File::open(place.file()).unwrap();
    assert!(other.try_lock().is_err(), "the file is no longer locked");
    drop((audit, recorder));
}
