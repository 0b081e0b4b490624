//! The table of a worker's topics and their subscribers.

use std::hint::black_box;

use sealcast::{
    crypto::keytable::Version,
    hub::{
        record::TopicId,
        topics::{TopicSubscription, TopicTable},
    },
};

use super::{Run, run};

fn subscription(slot: u32) -> TopicSubscription {
    TopicSubscription::new(slot, 0, Version::BLIND)
}

fn topic_of_1000() -> TopicTable {
    let mut table = TopicTable::default();
    for slot in 0..1000 {
        assert!(table.subscribe(TopicId(7), subscription(slot)));
    }
    table
}

pub(super) fn join_and_leave() -> Run {
    let (mut table, mut turn) = (topic_of_1000(), 0);
    run(move || {
        turn = (turn + 1) % 1000;
        assert!(table.subscribe(TopicId(7), subscription(black_box(1000 + turn))));
        assert!(table.unsubscribe(TopicId(7), black_box(1000 + turn)));
    })
}

pub(super) fn one_topic(_: u32) -> TopicId {
    TopicId(7)
}

pub(super) fn topics_of_one(slot: u32) -> TopicId {
    TopicId(u64::from(slot))
}

#[derive(Clone, Copy)]
pub(super) enum Then {
    Drop,
    Leave,
}

pub(super) fn subscribe_many(topic: fn(u32) -> TopicId, then: Then) -> Run {
    run(move || {
        let mut table = TopicTable::default();
        for slot in 0..black_box(1000) {
            assert!(table.subscribe(topic(slot), subscription(slot)));
        }
        if let Then::Leave = then {
            for slot in 0..black_box(1000) {
                assert!(table.unsubscribe(topic(slot), slot));
            }
        }
        table
    })
}

/// The walk of an event over its subscribers, without those that already have it.
pub(super) fn walk() -> Run {
    let table = topic_of_1000();
    run(move || {
        for subscription in table.subscribers(black_box(TopicId(7))) {
            if subscription.since < black_box(1) {
                black_box(subscription.slot);
            }
        }
    })
}

/// The lookup of one subscriber, as after a change of the table during the walk.
pub(super) fn find() -> Run {
    let (table, mut turn) = (topic_of_1000(), 0);
    run(move || {
        turn = (turn + 1) % 1000;
        table.subscription(TopicId(7), black_box(turn)).copied()
    })
}
