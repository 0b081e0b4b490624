use std::time::Duration;

use super::*;
use crate::{
    channels::change::{Leaver, Newcomer},
    protocol::{content::Content, frame::Frame, message::Message},
};

#[test]
fn record_lives_while_it_is_in_use() {
    let directory = Directory::new(Hub::new(1, 1024, 1000));
    let channel = Channel::parse("cache-a", 200).unwrap();
    let now = Instant::now();
    let record = directory.with(&channel, |record, mut locked| {
        let _ = locked.subscribe(0, Newcomer::default(), now);
        record.clone()
    });
    directory.remove_if_unused(&record, now);
    assert!(directory.find("cache-a").is_some());
    let _ = record.enter().unwrap().unsubscribe(0, None, Leaver::default(), now);
    directory.remove_if_unused(&record, now);
    assert!(directory.find("cache-a").is_none());
    assert!(record.enter().is_none());
    let again = directory.with(&channel, |record, _| record.topic());
    assert_ne!(again, record.topic());
}

#[test]
fn cached_event_keeps_its_record_until_it_expires() {
    let directory = Directory::new(Hub::new(1, 1024, 1000));
    let channel = Channel::parse("cache-a", 200).unwrap();
    let now = Instant::now();
    let expires = now + Duration::from_secs(5);
    let content = Content::Same(Frame::new(&Message::event(&channel, "e", "d").unwrap()));
    directory.with(&channel, |record, mut locked| {
        let last = LastEvent { name: "e".into(), content, data: "d".into(), expires, number: 0 };
        directory.set_last_event(record, &mut locked, last, now);
    });
    directory.sweep(now);
    assert_eq!(directory.occupancy().cached_events, 1);
    directory.sweep(expires);
    assert!(directory.find("cache-a").is_none());
}
