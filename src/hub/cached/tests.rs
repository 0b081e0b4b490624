use std::time::Duration;

use super::*;
use crate::{
    domain::channel::Channel,
    hub::{Hub, directory::Directory},
    protocol::{frame::Frame, message::Message},
};

struct TestApp {
    directory: Directory,
    limit: usize,
}

impl TestApp {
    fn new(hub: &Arc<Hub>, limit: usize) -> Self {
        Self { directory: Directory::new(hub.clone()), limit }
    }

    fn event(name: &str, data: &str) -> LastEvent {
        let channel = Channel::parse(name, 200).unwrap();
        let content = Content::Same(Frame::new(&Message::event(&channel, "e", data).unwrap()));
        let expires = Instant::now() + Duration::from_secs(60);
        LastEvent { name: "e".into(), content, data: data.into(), expires, number: 0 }
    }

    fn publish(&self, name: &str, data: &str) {
        let channel = Channel::parse(name, 200).unwrap();
        self.directory.with(&channel, |record, mut locked| {
            self.directory.set_last_event(
                record,
                &mut locked,
                Self::event(name, data),
                Instant::now(),
            );
        });
        self.directory.enforce_limit(self.limit, Instant::now());
    }

    fn has(&self, name: &str) -> bool {
        let record = self.directory.find(name);
        record.is_some_and(|record| record.enter().is_some_and(|r| r.kept_event().is_some()))
    }
}

#[test]
fn f15_oldest_event_is_evicted_one_byte_over_budget() {
    let one = cost(&TestApp::event("cache-a", "x"));
    assert!(one > OVERHEAD, "a small event costs a record");
    for (limit, kept) in [(2 * one - 1, 1), (2 * one, 2), (2 * one + 1, 2), (one - 1, 0)] {
        let app = TestApp::new(&Hub::new(1, 1000, 1000), limit);
        ["cache-a", "cache-b"].iter().for_each(|name| app.publish(name, "x"));
        let has = ["cache-a", "cache-b"].map(|name| app.has(name));
        assert_eq!(has, [kept == 2, kept > 0], "{limit}");
        let ledger = app.directory.ledger();
        assert_eq!((ledger.bytes(), ledger.dropped()), (kept * one, 2 - kept as u64), "{limit}");
        let records = ["cache-a", "cache-b"].map(|name| app.directory.find(name).is_some());
        assert_eq!(records, has, "nothing is left of what was dropped");
    }
}

#[test]
fn f15_event_replaces_the_previous_one_of_its_channel() {
    let app = TestApp::new(&Hub::new(1, 1000, 1000), 100_000);
    for n in 0..100 {
        app.publish("cache-a", &"x".repeat(n * 10));
    }
    let last = cost(&TestApp::event("cache-a", &"x".repeat(990)));
    assert_eq!((app.directory.ledger().bytes(), app.directory.ledger().dropped()), (last, 0));
    app.directory.sweep(Instant::now() + Duration::from_secs(61));
    assert_eq!(app.directory.ledger().bytes(), 0, "what has expired is charged no longer");
}

#[test]
fn f15_server_budget_evicts_the_oldest_event_of_all_apps() {
    let hub = Hub::new(1, 1000, 1000);
    let one = cost(&TestApp::event("cache-a", "x"));
    hub.cache.set_limit(3 * one);
    let apps = [TestApp::new(&hub, usize::MAX), TestApp::new(&hub, usize::MAX)];
    apps[0].publish("cache-a", "x");
    apps[1].publish("cache-b", "x");
    apps[0].publish("cache-c", "x");
    apps[1].publish("cache-d", "x");
    assert!(!apps[0].has("cache-a") && apps[0].has("cache-c"));
    assert!(apps[1].has("cache-b") && apps[1].has("cache-d"));
    assert_eq!([0, 1].map(|n| apps[n].directory.ledger().dropped()), [1, 0]);
    let [first, _second] = apps;
    drop(first);
    assert_eq!(hub.cache.bytes(), 2 * one, "an app that goes gives it back");
}

#[test]
fn f15_concurrent_publishers_stay_within_the_budget() {
    let hub = Hub::new(1, 1000, 1000);
    let one = cost(&TestApp::event("cache-000", "x"));
    let app = TestApp::new(&hub, 20 * one);
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let app = &app;
            scope.spawn(move || {
                (0..200).for_each(|n| app.publish(&format!("cache-{thread}{:02}", n % 60), "x"));
            });
        }
    });
    assert!(app.directory.ledger().bytes() <= 20 * one, "{}", app.directory.ledger().bytes());
    assert_eq!(app.directory.occupancy().cached_events, 20);
}
