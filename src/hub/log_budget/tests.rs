use std::time::Duration;

use super::*;
use crate::{
    channels::{
        change::{Leaver, Newcomer},
        log::{EntryBody, GapReason, LogEvent, LogNumber},
    },
    domain::{channel::Channel, channel_settings::HistorySettings},
    hub::{Hub, directory::Directory},
    protocol::{frame::Frame, message::Message},
};

struct LoggingApp {
    directory: Directory,
    limit: usize,
}

struct AllChannels;

impl LogKeeper for AllChannels {
    fn settings(&self, _: &Channel) -> Option<Arc<HistorySettings>> {
        Some(Arc::default())
    }

    fn begun(&self, _: &Channel, _: &Log) {}

    fn trimmed(&self, _: &Channel, _: &Log) {}

    fn ended(&self, _: &Channel, _: &Log) {}
}

impl LoggingApp {
    fn new(hub: &Arc<Hub>, limit: usize) -> Self {
        let directory = Directory::new(hub.clone());
        directory.set_keeper(Box::new(AllChannels));
        Self { directory, limit }
    }

    fn publish(&self, name: &str, data: &str) -> LogNumber {
        let channel = Channel::parse(name, 200).unwrap();
        let frame = Frame::new(&Message::event(&channel, "e", data).unwrap());
        let body = EntryBody::Clear { data: data.into(), frame };
        let event = LogEvent { at_micros: 0, name: "e".into(), user_id: None, body };
        let now = Instant::now();
        let number = self.directory.with(&channel, |record, mut locked| {
            let reserve = Change::InLog(LogChange::Reserve { micros: 0 });
            let number = locked.apply(reserve, now).reserved.unwrap();
            let _ = locked.apply(Change::InLog(LogChange::Append { event, number }), now);
            self.directory.logs().charge(record, &mut locked, self.limit, now);
            number
        });
        self.directory.enforce_log_limit(self.limit, now);
        number
    }

    /// The number of events in the channel's log. `None`: without a record.
    fn len(&self, name: &str) -> Option<usize> {
        let record = self.directory.find(name)?;
        record.enter().map(|locked| locked.log().unwrap().len())
    }

    fn lens<const N: usize>(&self, names: [&str; N]) -> [Option<usize>; N] {
        names.map(|name| self.len(name))
    }

    fn resume(&self, name: &str, from: LogNumber) -> Result<usize, GapReason> {
        self.directory.with(&Channel::parse(name, 200).unwrap(), |_, locked| {
            locked.log().unwrap().resume(from, Instant::now()).map(|missed| missed.len())
        })
    }

    fn bytes(&self) -> usize {
        self.directory.logs().bytes()
    }
}

fn hub() -> Arc<Hub> {
    Hub::new(1, 1000, 1000)
}

/// The cost of a log with one small event.
fn one() -> usize {
    let app = LoggingApp::new(&hub(), usize::MAX);
    app.publish("a", "x");
    app.bytes()
}

#[test]
fn longest_silent_log_goes_one_byte_over_the_budget() {
    let one = one();
    assert!(one > OVERHEAD);
    for (limit, kept) in [(3 * one - 1, 2), (3 * one, 3), (2 * one, 2), (one - 1, 0)] {
        let hub = hub();
        let app = LoggingApp::new(&hub, limit);
        let names = ["a", "b", "c"];
        for name in names {
            app.publish(name, "x");
        }
        let has = [kept > 2, kept > 1, kept > 0].map(|has| has.then_some(1));
        assert_eq!(app.lens(names), has, "{limit}: no record is left of what has ended");
        let logs = app.directory.logs();
        assert_eq!((logs.bytes(), logs.count()), (kept * one, kept), "{limit}");
        assert_eq!((logs.evicted(), hub.history.bytes()), (3 - kept as u64, kept * one));
    }
}

#[test]
fn an_event_makes_its_log_the_least_silent() {
    let app = LoggingApp::new(&hub(), 2 * one() + one() / 2);
    for name in ["a", "b", "a", "c"] {
        app.publish(name, "x");
    }
    assert_eq!(app.lens(["a", "b", "c"]), [Some(2), None, Some(1)]);
}

#[test]
fn growing_log_above_the_average_pays_itself() {
    let app = LoggingApp::new(&hub(), 30_000);
    let small = ["a", "b", "c"];
    for name in small {
        app.publish(name, "x");
    }
    let first = app.publish("big", "x");
    for _ in 0..200 {
        app.publish("big", &"x".repeat(500));
        assert!(app.bytes() <= 30_000);
    }
    assert_eq!(app.lens(small), [Some(1); 3]);
    assert!(app.len("big").is_some_and(|len| len > 2));
    assert_eq!(app.resume("big", first), Err(GapReason::Evicted));
}

#[test]
fn log_alone_in_its_app_gives_its_older_half() {
    let app = LoggingApp::new(&hub(), 20_000);
    let numbers: Vec<_> = (0..100).map(|_| app.publish("a", &"x".repeat(500))).collect();
    let len = app.len("a").unwrap();
    assert!((3..15).contains(&len) && app.bytes() <= 20_000, "{len}");
    assert_eq!(app.resume("a", numbers[99 - len]), Ok(len));
    assert_eq!(app.resume("a", numbers[98 - len]), Err(GapReason::Evicted));
}

#[test]
fn event_above_the_budget_is_not_kept() {
    let app = LoggingApp::new(&hub(), 10_000);
    app.publish("a", &"x".repeat(20_000));
    assert_eq!((app.bytes(), app.len("a")), (0, None));
    let number = app.publish("a", "x");
    assert_eq!(app.resume("a", number), Ok(0));
}

#[test]
fn log_that_was_given_up_begins_above_its_numbers() {
    let app = LoggingApp::new(&hub(), usize::MAX);
    let number = app.publish("a", "x");
    app.directory.enforce_log_limit(0, Instant::now());
    assert_eq!(app.len("a"), None);
    assert!(app.publish("a", "x") > number);
    assert_eq!(app.resume("a", number), Err(GapReason::Expired));
}

#[test]
fn server_budget_ends_the_longest_silent_log_of_all_apps() {
    let hub = hub();
    let one = one();
    hub.history.set_limit(3 * one);
    let apps = [LoggingApp::new(&hub, usize::MAX), LoggingApp::new(&hub, usize::MAX)];
    apps[0].publish("a", "x");
    apps[1].publish("a", "x");
    apps[0].publish("b", "x");
    apps[1].publish("b", "x");
    assert_eq!(apps[0].lens(["a", "b"]), [Some(0), Some(1)]);
    assert_eq!(apps[1].lens(["a", "b"]), [Some(1); 2]);
    assert_eq!((hub.history.bytes(), apps[0].directory.logs().evicted()), (3 * one, 1));
    apps[0].directory.sweep(Instant::now());
    assert_eq!(apps[0].lens(["a", "b"]), [None, Some(1)]);
    drop(apps);
    assert_eq!(hub.history.bytes(), 0);
}

#[test]
fn what_has_expired_is_charged_no_longer() {
    let app = LoggingApp::new(&hub(), usize::MAX);
    app.publish("a", "x");
    let HistorySettings { ttl, idle, .. } = HistorySettings::default();
    app.directory.sweep(Instant::now() + ttl.min(idle) - Duration::from_secs(1));
    assert_eq!(app.len("a"), Some(1));
    app.directory.sweep(Instant::now() + idle + Duration::from_secs(1));
    assert_eq!((app.len("a"), app.bytes(), app.directory.logs().count()), (None, 0, 0));
}

/// Visits a channel and leaves it.
fn visit(app: &LoggingApp, name: &str) {
    let channel = Channel::parse(name, 200).unwrap();
    let now = Instant::now();
    app.directory.with(&channel, |record, mut locked| {
        let _ = locked.subscribe(0, Newcomer::default(), now);
        app.directory.logs().recharge(record, &locked, now);
        assert!(app.directory.logs().count() < 100, "an empty log in use costs its reader only");
        let _ = locked.unsubscribe(0, None, Leaver::default(), now);
        app.directory.logs().recharge(record, &locked, now);
    });
    app.directory.enforce_log_limit(app.limit, now);
}

#[test]
fn visits_to_many_channels_are_charged_and_evict_no_event() {
    let app = LoggingApp::new(&hub(), one() + 10 * OVERHEAD);
    app.publish("a", "x");
    for visited in 0..50 {
        visit(&app, &format!("visited-{visited}"));
        assert!(app.bytes() <= app.limit);
    }
    assert_eq!(app.len("a"), Some(1));
    assert_eq!(app.directory.records().len(), 11);
    app.publish("b", "x");
    assert_eq!(app.lens(["a", "b"]), [Some(1); 2], "empty logs go first");
}
