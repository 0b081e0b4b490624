use std::time::Duration;

use super::*;
use crate::{
    channels::log::LogNumber,
    domain::channel_settings::{HistorySettings, HistoryStore},
    history::journal::LogAddress,
    test_node::TestNode,
};

fn app(history_bytes: usize) -> App {
    let store = HistoryStore::DiskBehind;
    let settings = HistorySettings { store, bytes: 1 << 20, ..HistorySettings::default() };
    let mut app = App::for_tests("a").logging(settings);
    app.limits.history_bytes = history_bytes;
    app
}

/// A log whose newest event is of `minute`.
fn log(channel: &str, minute: u64, events: u64) -> JournalLog {
    let address =
        LogAddress { app: "a".into(), channel: channel.into(), store: HistoryStore::DiskBehind };
    let at = unix_micros() - Duration::from_secs(3600).as_micros() as u64 + minute * 60_000_000;
    let entry = |number| JournalEntry {
        number: LogNumber(number),
        previous: LogNumber(number - 1),
        at_micros: at,
        expires: u64::MAX,
        name: "e".into(),
        user_id: None,
        body: JournalBody::Clear("x".repeat(100).into()),
    };
    let entries = (at..at + events).map(entry).collect();
    let (last, cleared) = (LogNumber(at - 1), LogNumber::default());
    JournalLog { address, last, cleared, entries }
}

#[test]
fn restored_logs_are_within_the_apps_budget() {
    let node = TestNode::new(app(20_000));
    let channels = ["a", "b", "c", "d"];
    let logs = channels.iter().zip([3, 1, 4, 2]).map(|(name, minute)| log(name, minute, 10));
    node.engine.restore_logs(logs.collect());
    let directory = &node.runtime.directory;
    assert!((1..=20_000).contains(&directory.logs().bytes()));
    let kept = channels.map(|name| directory.find(name).is_some());
    assert!(kept[2] && !kept[1], "{kept:?}: those that were silent for longest go");
}

#[test]
fn restored_logs_are_within_the_servers_budget() {
    let node = TestNode::new(app(usize::MAX));
    node.engine.hub.history.set_limit(20_000);
    node.engine.restore_logs((1..20).map(|n| log(&format!("c{n}"), n, 10)).collect());
    assert!((1..=20_000).contains(&node.engine.hub.history.bytes()));
    assert!(node.runtime.directory.find("c19").is_some());
}

#[test]
fn large_log_is_restored_in_part() {
    let restored = |limit| {
        let node = TestNode::new(app(limit));
        node.engine.restore_logs(vec![log("a", 1, 30)]);
        let record = node.runtime.directory.find("a").expect("some of it");
        let kept = record.enter().unwrap().log().unwrap().len();
        (kept, node.runtime.directory.logs().bytes())
    };
    let (all, bytes) = restored(usize::MAX);
    assert_eq!(all, 30);
    assert!((1..30).contains(&restored(bytes - 1).0));
}

#[test]
fn cached_event_is_restored_for_the_rest_of_its_time() {
    let node = TestNode::new(app(usize::MAX));
    let logs = [("cache-old", 29), ("cache-new", 31), ("no-cache-channel", 31)];
    let logs = logs.map(|(channel, minute)| log(channel, minute, 2));
    node.engine.restore_logs(logs.into());
    let now = Instant::now();
    let half_an_hour = Duration::from_secs(1800);
    let expires = |channel| {
        let record = node.runtime.directory.find(channel).expect("a log");
        let locked = record.enter().expect("a channel");
        locked.last_event(now).map(|last| last.expires)
    };
    assert_eq!(node.runtime.app_snapshot().limits.cache_ttl(), half_an_hour);
    assert_eq!((expires("cache-old"), expires("no-cache-channel")), (None, None));
    let left = expires("cache-new").expect("an event") - now;
    assert!(left <= Duration::from_secs(60) && left > Duration::from_secs(30), "{left:?}");
}
