use std::{
    fs::OpenOptions,
    os::unix::fs::{PermissionsExt, symlink},
};

use super::*;

fn path(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("sealcast-letters-{name}-{}", std::process::id()))
}

fn new(event: &str) -> NewLetter<'_> {
    NewLetter { endpoint: "https://a.example/", reason: "it answered 500", attempts: 3, event }
}

fn events(letters: &DeadLetters) -> Vec<String> {
    let mut found = Vec::new();
    letters
        .read(|letter| {
            found.push(letter.event.get().to_owned());
            true
        })
        .unwrap();
    found
}

/// Puts those under way that are wanted, and says which these are.
fn send(letters: &DeadLetters, wanted: fn(u64) -> bool) -> Vec<u64> {
    let mut sent = Vec::new();
    let each = |letter: &Letter| {
        let send = wanted(letter.id.0);
        sent.extend(send.then_some(letter.id.0));
        send
    };
    letters.replay_each(each).unwrap();
    sent
}

#[test]
fn letters_stay_until_delivered() {
    let path = path("stay");
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    assert!(!path.exists());
    letters.write("then", &[new(r#"{"n":1}"#), new(r#"{"n":2}"#)]).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    send(&letters, |id| id == 1);
    letters.delivered("https://a.example/", &[LetterId(1)]).unwrap();
    drop(letters);
    // Like a restart after a last line cut off in the middle.
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"id\":9,\"ti").unwrap();
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    letters.write("now", &[new(r#"{"n":3}"#)]).unwrap();
    assert_eq!(events(&letters), [r#"{"n":2}"#, r#"{"n":3}"#]);
    let mut ids = Vec::new();
    letters
        .read(|letter| {
            ids.push(letter.id);
            true
        })
        .unwrap();
    assert_eq!(ids, [LetterId(2), LetterId(3)]);
    assert_eq!(letters.count(), 2);
    send(&letters, |_| true);
    letters.delivered("https://a.example/", &ids).unwrap();
    assert_eq!((letters.count(), std::fs::metadata(&path).unwrap().len()), (0, 0));
    assert!(events(&letters).is_empty());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn letter_is_sent_once_at_a_time() {
    let path = path("once");
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    letters.write("then", &[new("{}"), new("{}")]).unwrap();
    assert_eq!(send(&letters, |id| id == 1), [1]);
    assert_eq!(send(&letters, |_| true), [2]);
    assert!(send(&letters, |_| true).is_empty());
    letters.release(&[LetterId(1)]);
    assert_eq!(send(&letters, |_| true), [1]);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn full_disk_is_an_error_and_not_counted() {
    let path = path("full");
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    symlink("/dev/full", &path).unwrap();
    assert!(letters.write("then", &[new("{}")]).is_err());
    assert_eq!(letters.count(), 0);
    std::fs::remove_file(&path).unwrap();
    let nowhere = DeadLetters::open(None).unwrap();
    assert!(nowhere.write("then", &[new("{}")]).is_err());
    assert!(events(&nowhere).is_empty());
}

#[test]
fn deleted_or_replaced_file_is_noticed() {
    let path = path("deleted");
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    letters.write("then", &[new("1"), new("2"), new("3")]).unwrap();
    assert_eq!(send(&letters, |id| id == 1), [1]);
    std::fs::remove_file(&path).unwrap();
    assert!(events(&letters).is_empty());
    assert_eq!(letters.count(), 0);
    letters.write("now", &[new("4")]).unwrap();
    // An id of the replaced file: no letter in the new one has ended.
    letters.delivered("https://a.example/", &[LetterId(1)]).unwrap();
    assert_eq!((events(&letters), letters.count()), (vec!["4".to_owned()], 1));
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("{\"id\":4,"));
    // Moved, and another put there.
    let moved = path.with_extension("moved");
    std::fs::rename(&path, &moved).unwrap();
    std::fs::copy(&moved, &path).unwrap();
    letters.write("now", &[new("5")]).unwrap();
    assert_eq!(events(&letters), ["4", "5"]);
    // Emptied.
    OpenOptions::new().write(true).truncate(true).open(&path).unwrap();
    letters.write("now", &[new("6")]).unwrap();
    assert_eq!((events(&letters), letters.count()), (vec!["6".to_owned()], 1));
    [path, moved].iter().for_each(|path| std::fs::remove_file(path).unwrap());
}

#[test]
fn discard_removes_letters_and_keeps_those_in_flight() {
    let path = path("discard");
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    letters.write("then", &["1", "2", "3", "4"].map(new)).unwrap();
    send(&letters, |id| id == 2);
    let discard = |letters: &DeadLetters, up_to: u64| {
        let Discarded { discarded, under_way } =
            letters.discard(|letter| letter.id.0 <= up_to).unwrap();
        (discarded, under_way)
    };
    assert_eq!(discard(&letters, 3), (2, 1));
    assert_eq!((letters.count(), events(&letters)), (2, vec!["2".to_owned(), "4".to_owned()]));
    drop(letters);
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    assert_eq!(events(&letters), ["2", "4"], "after a restart, too");
    assert_eq!(discard(&letters, 9), (2, 0));
    assert_eq!((letters.count(), std::fs::metadata(&path).unwrap().len()), (0, 0));
    assert_eq!(discard(&letters, 9), (0, 0));
    letters.write("now", &[new("5")]).unwrap();
    assert!(std::fs::read_to_string(&path).unwrap().starts_with("{\"id\":5,"), "ids go on");
    std::fs::remove_file(&path).unwrap();
}

/// How much this thread has read.
#[cfg(target_os = "linux")]
fn bytes_read() -> u64 {
    let text = std::fs::read_to_string("/proc/thread-self/io").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix("rchar: "));
    line.unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn large_file_is_read_in_the_background_and_listed_without_the_lock() {
    const LETTERS: u64 = 20_000;
    let path = path("large");
    let event = format!("\"{}\"", "x".repeat(900));
    let letter = |id| {
        format!(
            "{{\"id\":{id},\"time\":\"t\",\"endpoint\":\"e\",\"reason\":\"r\",\"attempts\":1,\"event\":{event}}}\n"
        )
    };
    let text: String = (1..=LETTERS).map(letter).chain(["{\"delivered\":7}\n".into()]).collect();
    assert!(text.len() > 18_000_000);
    state_dir::write_whole(&path, text.as_bytes()).unwrap();
    let before = bytes_read();
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    assert!(bytes_read() - before < 2_000_000, "only its end");
    // Without waiting for the reader, and with an id of its own.
    letters.write("now", &[new("\"new\"")]).unwrap();
    let mut seen = Vec::new();
    letters
        .read(|letter| {
            seen.push(letter.id.0);
            // The lock is free in the middle of a listing.
            if seen.len() == 3 {
                letters.write("now", &[new("\"newer\"")]).unwrap();
            }
            seen.len() < 10
        })
        .unwrap();
    assert_eq!(seen, [1, 2, 3, 4, 5, 6, 8, 9, 10, 11]);
    assert_eq!(letters.count(), LETTERS + 1);
    let mut ids = Vec::new();
    letters
        .read(|letter| {
            ids.push(letter.id.0);
            true
        })
        .unwrap();
    assert_eq!(ids[ids.len() - 3..], [LETTERS, LETTERS + 1, LETTERS + 2]);
    assert_eq!(ids.len() as u64, LETTERS + 1);
    // It was written anew without what was delivered, and with what came meanwhile.
    assert!(!std::fs::read_to_string(&path).unwrap().contains("delivered"));
    assert!(!path.with_extension("jsonl.tmp").exists());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn letters_are_counted_by_endpoint_and_recounted_after_a_restart() {
    let path = path("waiting");
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    let other = |event| NewLetter { endpoint: "https://b.example/", ..new(event) };
    letters.write("then", &[new("1"), other("2"), new("3"), other("4"), other("5")]).unwrap();
    let counts = |letters: &DeadLetters| {
        let waiting = letters.waiting();
        let of = |endpoint| waiting.of(endpoint);
        (of("https://a.example/"), of("https://b.example/"), waiting.total(), letters.count())
    };
    assert_eq!(counts(&letters), (2, 3, 5, 5));
    send(&letters, |id| id == 1);
    letters.delivered("https://a.example/", &[LetterId(1)]).unwrap();
    letters.discard(|letter| letter.id.0 == 2).unwrap();
    assert_eq!(counts(&letters), (1, 2, 3, 3));
    drop(letters);
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    letters.write("now", &[other("6")]).unwrap();
    // Waits for the index.
    assert_eq!(events(&letters).len(), 4);
    assert_eq!(counts(&letters), (1, 3, 4, 4));
    letters.discard(|_| true).unwrap();
    assert_eq!(counts(&letters), (0, 0, 0, 0));
    std::fs::remove_file(&path).unwrap();
}
