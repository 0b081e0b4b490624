use std::{fs::OpenOptions, os::unix::fs::PermissionsExt};

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

#[test]
fn letters_stay_until_they_are_delivered() {
    let path = path("stay");
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    assert!(!path.exists());
    letters.write("then", &[new(r#"{"n":1}"#), new(r#"{"n":2}"#)]).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    letters.delivered(&[LetterId(1)]).unwrap();
    drop(letters);
    // As after a restart, of which the server before has not written its last line to the end.
    OpenOptions::new().append(true).open(&path).unwrap().write_all(b"{\"id\":9,\"ti").unwrap();
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    assert_eq!(letters.count(), 1);
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
    letters.delivered(&ids).unwrap();
    assert_eq!((letters.count(), std::fs::metadata(&path).unwrap().len()), (0, 0));
    assert!(events(&letters).is_empty());
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_letter_is_under_way_once() {
    let path = path("once");
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    letters.write("then", &[new("{}"), new("{}")]).unwrap();
    let sent = |letters: &DeadLetters, wanted: fn(u64) -> bool| {
        let mut sent = Vec::new();
        letters
            .send_again(|letter| {
                let send = wanted(letter.id.0);
                sent.extend(send.then_some(letter.id.0));
                send
            })
            .unwrap();
        sent
    };
    assert_eq!(sent(&letters, |id| id == 1), [1]);
    assert_eq!(sent(&letters, |_| true), [2]);
    assert!(sent(&letters, |_| true).is_empty());
    letters.kept(&[LetterId(1)]);
    assert_eq!(sent(&letters, |_| true), [1]);
    std::fs::remove_file(&path).unwrap();
}

#[test]
fn a_full_disk_is_an_error_and_counts_nothing() {
    let path = path("full");
    let letters = DeadLetters::open(Some(path.clone())).unwrap();
    std::os::unix::fs::symlink("/dev/full", &path).unwrap();
    assert!(letters.write("then", &[new("{}")]).is_err());
    assert_eq!(letters.count(), 0);
    std::fs::remove_file(&path).unwrap();
    let nowhere = DeadLetters::open(None).unwrap();
    assert!(nowhere.write("then", &[new("{}")]).is_err());
    assert!(events(&nowhere).is_empty());
}
