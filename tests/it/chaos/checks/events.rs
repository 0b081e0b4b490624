//! Events: one order, none twice, none lost.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::chaos::client::lock;
use crate::chaos::model::is_logged;
use crate::chaos::plan::CHANNELS;
use crate::chaos::record::{Event, Events, Outcome, Stay};
use crate::chaos::trouble::TroubleKind;
use crate::chaos::world::World;

/// A client that unsubscribes may be faster than an event that was answered just before.
const DELIVERY: Duration = Duration::from_secs(2);

/// All slots of one action have moved by then, and nodes have followed.
const MOVE: Duration = Duration::from_secs(5);

/// The subscribers who have not seen the mark of their channel yet.
pub fn unseen(world: &World, marks: &BTreeMap<&'static str, u64>) -> Vec<String> {
    let mut found = Vec::new();
    for client in &world.clients {
        for stay in lock(&client.seen).present() {
            let mark = marks[stay.channel];
            if !stay.events().any(|event| event == mark) {
                found.push(format!("{stay} has not seen the event {mark} of a time of calm"));
            }
        }
    }
    found
}

pub fn faults(world: &World) -> Vec<String> {
    let events = lock(&world.events);
    let mut found = Vec::new();
    for channel in CHANNELS {
        let mut orders = Vec::new();
        for client in &world.clients {
            let seen = lock(&client.seen);
            for stay in seen.stays.iter().filter(|stay| stay.channel == channel) {
                found.extend(twice_or_elsewhere(stay, &events));
                found.extend(lost(stay, &events, world));
                let taken =
                    |event: &u64| events.get(*event).is_some_and(|it| it.outcome == Outcome::Taken);
                orders.push(stay.events().filter(taken).collect::<Vec<_>>());
            }
        }
        found.extend(second_order(channel, &orders));
    }
    found
}

fn twice_or_elsewhere(stay: &Stay, events: &Events) -> Vec<String> {
    let (mut seen, mut found) = (BTreeSet::new(), Vec::new());
    for number in stay.events() {
        if !seen.insert(number) {
            found.push(format!(
                "{stay} has seen the event {number} twice: {:?}",
                events.get(number)
            ));
        }
        match events.get(number) {
            Some(event) if event.channel == stay.channel => {}
            _ => found.push(format!("{stay} has seen the event {number} of another channel")),
        }
    }
    found
}

/// Events that Redis has taken while the client was subscribed and its node had all connections.
fn lost(stay: &Stay, events: &Events, world: &World) -> Vec<String> {
    let seen: BTreeSet<u64> = stay.events().collect();
    let all = (0..).zip(&events.0);
    let missing = all.filter(|(number, event)| {
        event.channel == stay.channel
            && event.client != Some(stay.client)
            && !seen.contains(number)
            && is_promised(stay, event, world)
    });
    missing
        .map(|(number, event)| {
            format!("{stay} has missed the event {number}: {event:?}; answered {:?}", stay.answered)
        })
        .collect()
}

fn is_promised(stay: &Stay, event: &Event, world: &World) -> bool {
    let troubles = &world.nodes[stay.node].troubles;
    let was_there = stay.answered < event.sent
        && stay.ended.is_none_or(|ended| event.answered + DELIVERY < ended)
        && !stay.is_doubtful;
    if !was_there {
        return false;
    }
    // The node stood still, or heard nothing, until the client had left.
    let slow = |from, until| troubles.during(TroubleKind::Slow, from, until).is_some();
    if stay.ended.is_some_and(|ended| slow(event.sent, ended)) {
        return false;
    }
    // It was answered by a node on its own, and that went on until after the event.
    let is_alone = troubles
        .during(TroubleKind::Slow, stay.answered, stay.answered)
        .is_some_and(|it| it.until.is_none_or(|until| event.sent <= until));
    let has_lost = |from, until| troubles.during(TroubleKind::Lost, from, until).is_some();
    match event.outcome {
        // The log has rules of its own.
        Outcome::Taken if is_logged(event.channel) => false,
        Outcome::Taken => {
            // A former master takes events that reach nobody.
            let publisher = &world.nodes[event.node].troubles;
            let is_astray = publisher.during(TroubleKind::Astray, event.sent, event.answered);
            !is_alone && !has_lost(event.sent, event.answered) && is_astray.is_none()
        }
        // Nobody answers a client event: it is promised in quiet times alone.
        Outcome::Said => {
            let (from, until) = (event.sent - DELIVERY, event.sent + DELIVERY);
            let quiet = |node: usize| {
                let troubles = &world.nodes[node].troubles;
                [TroubleKind::Lost, TroubleKind::Slow]
                    .iter()
                    .all(|kind| troubles.during(*kind, from, until).is_none())
            };
            // A slot that moves for longer than a second counts as away.
            let changed = &world.losses.masters_changed;
            let has_moved = changed.iter().any(|at| (from - MOVE..until).contains(at));
            !has_moved
                && quiet(stay.node)
                && quiet(event.node)
                && stay.ended.is_none_or(|ended| until < ended)
        }
        Outcome::Unknown | Outcome::Local | Outcome::Refused => false,
    }
}

/// There is an order with all of these in it, or two events of which no order can be told.
fn second_order(channel: &str, orders: &[Vec<u64>]) -> Option<String> {
    let mut before: BTreeMap<u64, BTreeSet<u64>> = BTreeMap::new();
    for order in orders {
        order.iter().for_each(|event| _ = before.entry(*event).or_default());
        for pair in order.windows(2) {
            before.entry(pair[1]).or_default().insert(pair[0]);
        }
    }
    // Takes away what has nothing before it, again and again.
    let mut done = BTreeSet::new();
    loop {
        let next: Vec<u64> = before
            .iter()
            .filter(|(event, earlier)| !done.contains(*event) && earlier.is_subset(&done))
            .map(|(event, _)| *event)
            .collect();
        if next.is_empty() {
            break;
        }
        done.extend(next);
    }
    let left: BTreeSet<u64> = before.keys().copied().filter(|it| !done.contains(it)).collect();
    if left.is_empty() {
        return None;
    }
    let tell =
        |order: &Vec<u64>| order.iter().copied().filter(|it| left.contains(it)).collect::<Vec<_>>();
    let told: BTreeSet<_> = orders.iter().map(tell).filter(|order| order.len() > 1).collect();
    Some(format!("{channel}: subscribers have seen more than one order: {told:?}"))
}

#[test]
fn second_order_is_found_between_two_and_around_three() {
    assert_eq!(second_order("c", &[vec![1, 2, 4], vec![2, 3, 4], vec![1, 4]]), None);
    assert!(second_order("c", &[vec![1, 2], vec![2, 1]]).is_some());
    assert!(second_order("c", &[vec![1, 2], vec![2, 3], vec![3, 1]]).is_some());
}
