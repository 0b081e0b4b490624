//! The log from noting to the file, with files that fail.

mod followed;

use std::{
    io::{self, Write},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, mpsc},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::*;
use crate::{crypto::key::MasterKey, domain::channel::Channel, platform::state_dir::write_whole};

/// A file that does what the test wants.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<SinkState>>);

#[derive(Default)]
struct SinkState {
    bytes: Vec<u8>,
    syncs: usize,
    /// How many more bytes there is room for; none if nothing bounds it.
    room: Option<usize>,
    /// Held until the other end goes away.
    stuck: Option<mpsc::Receiver<()>>,
}

impl Write for Disk {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let stuck = self.0.lock().stuck.take();
        if let Some(stuck) = stuck {
            let _ = stuck.recv();
        }
        let mut state = self.0.lock();
        let taken = bytes.len().min(state.room.unwrap_or(usize::MAX));
        if taken == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        state.room = state.room.map(|room| room - taken);
        state.bytes.extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Sink for Disk {
    fn sync(&mut self) -> io::Result<()> {
        self.0.lock().syncs += 1;
        Ok(())
    }
}

impl Disk {
    fn log(&self, capacity: usize) -> (Audit, Recorder) {
        Audit::write_to(self.clone(), Chain::new(), capacity).unwrap()
    }

    /// The events in the file, which must be in order.
    fn events(&self) -> Vec<String> {
        let state = self.0.lock();
        verify(state.bytes.as_slice(), None).unwrap();
        let lines = std::str::from_utf8(&state.bytes).unwrap().lines();
        lines
            .map(|line| {
                let value: serde_json::Value = serde_json::from_str(line).unwrap();
                format!("{} {}", value["event"].as_str().unwrap(), value["count"])
            })
            .collect()
    }
}

fn until(what: &str, mut probe: impl FnMut() -> bool) {
    let end = Instant::now() + Duration::from_secs(20);
    while !probe() {
        assert!(Instant::now() < end, "{what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn stopped() -> AuditFact {
    AuditFact::ServerStopped { reason: "signal" }
}

#[test]
fn shutdown_waits_for_queued_facts() {
    let disk = Disk::default();
    let (audit, recorder) = disk.log(5000);
    for count in 0..5000 {
        audit.note(AuditFact::FactsLost { count });
    }
    drop(recorder);
    let expected: Vec<String> = (0..5000).map(|n| format!("facts_lost {n}")).collect();
    assert_eq!(disk.events(), expected);
    assert_eq!(audit.stats().unwrap().written, 5000);
    audit.note(stopped());
    assert_eq!(audit.stats().unwrap().lost, 1, "after the end there is nobody to write it");
}

#[test]
fn dropped_facts_are_counted_and_logged() {
    let disk = Disk::default();
    let (release, stuck) = mpsc::channel();
    disk.0.lock().stuck = Some(stuck);
    let (audit, recorder) = disk.log(4);
    audit.note(stopped());
    until("a write", || disk.0.lock().stuck.is_none());
    // The writer waits for the disk; no caller waits for the writer.
    let kept = (0..100).filter(|_| audit.try_note(stopped())).count();
    assert_eq!((kept, audit.stats().unwrap().lost), (4, 96));
    drop(release);
    // Said without another fact to wake the writer.
    until("facts_lost", || audit.stats().unwrap().written == 1 + 4 + 1);
    drop(recorder);
    assert_eq!(disk.events()[5], "facts_lost 96");
}

#[test]
fn writer_waits_for_disk_space_in_mid_line() {
    let disk = Disk::default();
    disk.0.lock().room = Some(100);
    let (audit, recorder) = disk.log(100);
    audit.note(stopped());
    until("an error", || audit.stats().unwrap().write_errors > 0);
    assert_eq!(disk.0.lock().bytes.len(), 100);
    audit.note(stopped());
    disk.0.lock().room = None;
    until("both lines", || audit.stats().unwrap().written == 2);
    drop(recorder);
    assert_eq!(disk.events().len(), 2);
    assert_eq!(audit.stats().unwrap().lost, 0);
}

#[test]
fn full_disk_does_not_delay_shutdown() {
    let disk = Disk::default();
    disk.0.lock().room = Some(0);
    let (audit, recorder) = disk.log(2);
    for _ in 0..10 {
        audit.note(stopped());
    }
    let begun = Instant::now();
    drop(recorder);
    assert!(begun.elapsed() < Duration::from_secs(10));
    let stats = audit.stats().unwrap();
    assert!(stats.write_errors > 0 && stats.lost > 0 && stats.written == 0);
}

#[test]
fn key_facts_are_synced_to_disk() {
    let disk = Disk::default();
    let (audit, recorder) = disk.log(10);
    audit.note(stopped());
    until("a line", || audit.stats().unwrap().written == 1);
    assert_eq!(disk.0.lock().syncs, 0);
    let key = MasterKey::generate().unwrap().fingerprint();
    audit.note(AuditFact::KeyUsed { app: "a".into(), key });
    drop(recorder);
    assert_eq!(disk.0.lock().syncs, 1);
}

#[test]
fn facts_are_written_with_their_fields() {
    let disk = Disk::default();
    let (audit, recorder) = disk.log(10);
    let channel = Channel::parse("private-encrypted-a", 200).unwrap();
    let asked = AuthRequestFields {
        channel: Some(channel),
        user: Some("u\"1".into()),
        socket_id: Some("1.2".parse().unwrap()),
    };
    audit.note(AuditFact::AuthGranted { app: "shop".into(), asked, by: "jwt", rule: None });
    let (asked, status) = (AuthRequestFields::default(), 401);
    let (code, refusal) = ("expired", None);
    audit.note(AuditFact::AuthDenied {
        app: "shop".into(),
        asked,
        by: "jwt",
        status,
        code,
        refusal,
    });
    drop(recorder);
    let text = String::from_utf8(disk.0.lock().bytes.clone()).unwrap();
    for fields in [
        r#""event":"auth_granted","app":"shop","channel":"private-encrypted-a","user":"u\"1","socket_id":"1.2","by":"jwt","prev":""#,
        r#""event":"auth_denied","app":"shop","by":"jwt","status":401,"code":"expired","prev":""#,
    ] {
        assert!(text.contains(fields), "{text}");
    }
}

#[test]
fn second_server_cannot_open_the_file() {
    let path = std::env::temp_dir().join(format!("sealcast-audit-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    for round in 1..=3 {
        let (audit, recorder) = Audit::begin(Some(&path)).unwrap();
        audit.note(stopped());
        assert!(matches!(Audit::begin(Some(&path)), Err(AuditError::InUse { .. })));
        drop((audit, recorder));
        let bytes = std::fs::read(&path).unwrap();
        assert_eq!(verify(bytes.as_slice(), None).unwrap().lines, round);
    }
    std::fs::remove_file(&path).unwrap();
    assert!(Audit::begin(None).unwrap().0.stats().is_none());
}

/// A directory with an audit file in it.
struct LogPath(PathBuf);

impl LogPath {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("sealcast-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }

    fn file(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }

    /// Lets a server begin with this file; what its lines say then.
    fn begin(&self, bytes: &[u8]) -> Result<LogSummary, String> {
        write_whole(&self.file(), bytes).unwrap();
        let begun = Audit::begin(Some(&self.file())).map_err(|error| error.to_string());
        drop(begun?);
        let bytes = std::fs::read(self.file()).unwrap();
        Ok(verify(bytes.as_slice(), None).unwrap())
    }

    /// Files moved aside, by name.
    fn kept(&self) -> Vec<(String, Vec<u8>)> {
        let entries = std::fs::read_dir(&self.0).unwrap().map(|entry| entry.unwrap());
        let kept = entries.filter(|entry| entry.path() != self.file());
        let mut kept: Vec<_> = kept
            .map(|entry| {
                assert_eq!(entry.metadata().unwrap().permissions().mode() & 0o777, 0o600);
                let name = entry.file_name().into_string().unwrap();
                (name, std::fs::read(entry.path()).unwrap())
            })
            .collect();
        kept.sort();
        kept
    }

    fn clear(&self) {
        self.kept().iter().for_each(|(name, _)| std::fs::remove_file(self.0.join(name)).unwrap());
    }
}

impl Drop for LogPath {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn three_lines() -> Vec<u8> {
    let (mut chain, mut out) = (Chain::new(), Vec::new());
    for user in ["u1", "é", "u3"] {
        let fact = AuditFact::TokenMade { app: "a".into(), jti: "ü".into(), user: user.into() };
        chain.append(SystemTime::now(), &fact, &mut out);
    }
    out
}

#[test]
fn torn_last_line_is_moved_aside_and_the_chain_continues() {
    let (place, whole) = (LogPath::new("audit-torn"), three_lines());
    let last = two_lines(&whole);
    for end in (last + 1..whole.len() - 1).step_by(3) {
        let zeros = vec![0; if end % 2 == 0 { 0 } else { 70_000 }];
        let torn = [&whole[..end], &zeros].concat();
        let summary = place.begin(&torn).unwrap();
        assert_eq!((summary.lines, summary.torn), (3, 1), "{end}");
        let line = std::fs::read_to_string(place.file()).unwrap();
        let said = format!("\"bytes\":{},\"kept_in\":\"audit.jsonl.torn-3\"", torn.len() - last);
        assert!(line.contains(&said), "{line}");
        assert_eq!(place.kept(), [("audit.jsonl.torn-3".to_owned(), torn[last..].to_vec())]);
        place.clear();
    }
    // A second tear at the same position.
    for _ in 0..2 {
        place.begin(&whole[..whole.len() - 2]).unwrap();
    }
    let names: Vec<String> = place.kept().into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["audit.jsonl.torn-3", "audit.jsonl.torn-3-2"]);
}

#[test]
fn missing_line_feed_is_added_and_trailing_zeros_are_moved_aside() {
    let (place, whole) = (LogPath::new("audit-feed"), three_lines());
    let summary = place.begin(&whole[..whole.len() - 1]).unwrap();
    assert_eq!((summary.lines, summary.torn), (3, 0));
    assert_eq!(std::fs::read(place.file()).unwrap(), whole);
    assert_eq!(place.begin(&[]).unwrap(), LogSummary::default());
    assert!(place.kept().is_empty());
    let first = &whole[..20];
    for (torn, lines, name) in [
        (&[0; 5000][..], 1, "audit.jsonl.torn-1"),
        (first, 1, "audit.jsonl.torn-1"),
        (&[&whole[..], &[0; 9]].concat(), 4, "audit.jsonl.torn-4"),
    ] {
        let summary = place.begin(torn).unwrap();
        assert_eq!((summary.lines, summary.torn), (lines, 1));
        assert_eq!(place.kept()[0].0, name);
        place.clear();
    }
}

#[test]
fn unknown_trailing_bytes_are_not_moved() {
    let (place, whole) = (LogPath::new("audit-other"), three_lines());
    for end in [
        &b"x"[..],
        b"{\"seq\":5,\"time\":\"",
        b"{\"seq\":44",
        b"\0\0{\"seq\":4,",
        b"{\"seq\":4,\0\0\"time\"",
        b"\0\0\n",
        b"{\"seq\":4,\n",
    ] {
        let bytes = [&whole[..], end].concat();
        let error = place.begin(&bytes).unwrap_err();
        assert!(error.contains("cannot be continued"), "{error}");
        assert_eq!(std::fs::read(place.file()).unwrap(), bytes, "it is evidence");
        assert!(place.kept().is_empty());
    }
    assert!(place.begin(b"a text without a line feed").is_err());
}

#[test]
fn unrepairable_end_is_retried() {
    let (place, whole) = (LogPath::new("audit-later"), three_lines());
    write_whole(&place.file(), &whole[..whole.len() - 9]).unwrap();
    let (audit, recorder) = Audit::begin(Some(&place.file())).unwrap();
    until("the line", || audit.stats().unwrap().written == 1);
    drop((audit, recorder));
    // The name is taken by something that cannot be replaced, until it has gone.
    place.clear();
    write_whole(&place.file(), &whole[..whole.len() - 9]).unwrap();
    let OpenedLog { mut file, torn, .. } = file::open(&place.file()).unwrap();
    let name = torn.unwrap().kept_in;
    std::fs::create_dir(&name).unwrap();
    assert!(file.repair_end().is_err() && name.is_dir());
    std::fs::remove_dir(&name).unwrap();
    file.repair_end().unwrap();
    assert_eq!(std::fs::read(&name).unwrap(), whole[two_lines(&whole)..whole.len() - 9]);
    assert_eq!(std::fs::metadata(place.file()).unwrap().len(), two_lines(&whole) as u64);
}

fn two_lines(whole: &[u8]) -> usize {
    whole[..whole.len() - 1].iter().rposition(|byte| *byte == b'\n').unwrap() + 1
}
