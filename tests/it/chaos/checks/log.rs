//! The channel with a log: no event is missed in silence, and gaps have a cause.

use std::time::{Duration, Instant};

use crate::chaos::client::lock;
use crate::chaos::engine::Engine;
use crate::chaos::model::is_logged;
use crate::chaos::record::{Event, Events, Outcome, Stay, Told};
use crate::chaos::trouble::TroubleKind;
use crate::chaos::world::World;

/// A client that unsubscribes may be faster than an event that was answered just before.
const DELIVERY: Duration = Duration::from_secs(2);

/// All nodes have found another master by then, and have told their readers.
const RETURN: Duration = Duration::from_secs(20);

/// A change of master is sure to be one for a stay of before.
const BEFORE: Duration = Duration::from_secs(1);

pub fn faults(world: &World) -> Vec<String> {
    let events = lock(&world.events);
    let mut found = Vec::new();
    for (number, event) in (0..).zip(&events.0) {
        if is_logged(event.channel) && event.outcome == Outcome::Local {
            found.push(format!("the logged event {number} was answered as a local one: {event:?}"));
        }
    }
    for client in &world.clients {
        for stay in lock(&client.seen).stays.iter().filter(|stay| is_logged(stay.channel)) {
            found.extend(missed(stay, &events, world));
            found.extend(repeated(stay));
            found.extend(gaps(stay, &events, world));
        }
    }
    found
}

/// Events that the log has taken, and that neither came nor were told as a gap.
fn missed(stay: &Stay, events: &Events, world: &World) -> Vec<String> {
    let is_known = |number: u64| stay.resumed.as_ref().is_some_and(|it| it.seen.contains(&number));
    let all = (0..).zip(&events.0).filter(|(number, event)| {
        event.channel == stay.channel
            && event.outcome == Outcome::Taken
            && is_promised(stay, event, world)
            && !stay.events().any(|seen| seen == *number)
            && !is_known(*number)
    });
    let silent = all.filter(|(_, event)| !is_in_a_gap(stay, event, events));
    silent
        .map(|(number, event)| {
            let (since, gaps) = (stay.since(), stay.gaps().collect::<Vec<_>>());
            format!(
                "{stay} has missed the logged event {number} in silence: {event:?}; since {since:?}, \
                 gaps {gaps:?}"
            )
        })
        .collect()
}

fn is_promised(stay: &Stay, event: &Event, world: &World) -> bool {
    if stay.is_doubtful || event.sent <= stay.since() {
        return false;
    }
    let Some(ended) = stay.ended else { return true };
    // What comes late may come after the end.
    let troubles = &world.nodes[stay.node].troubles;
    let is_troubled = [TroubleKind::Lost, TroubleKind::Slow]
        .iter()
        .any(|kind| troubles.during(*kind, event.sent, ended).is_some());
    event.answered + DELIVERY < ended && !is_troubled
}

/// A gap was told before the first event that is surely behind this one.
fn is_in_a_gap(stay: &Stay, missed: &Event, events: &Events) -> bool {
    let is_behind = |told: &Told| match told {
        Told::Event(number) => events
            .get(*number)
            .is_some_and(|it| it.outcome == Outcome::Taken && it.sent > missed.answered),
        _ => false,
    };
    let until_then = stay.told.iter().take_while(|(_, told)| !is_behind(told));
    until_then.filter(|(_, told)| matches!(told, Told::Gap(_))).any(|(at, _)| *at >= missed.sent)
}

fn repeated(stay: &Stay) -> Option<String> {
    let read = stay.resumed.as_ref()?;
    let again: Vec<_> = stay.events().filter(|event| read.seen.contains(event)).collect();
    (!again.is_empty())
        .then(|| format!("{stay} has seen events again after its position: {again:?}"))
}

fn gaps(stay: &Stay, events: &Events, world: &World) -> Option<String> {
    if stay.is_doubtful {
        return None;
    }
    let told: Vec<_> = stay.gaps().collect();
    // The one behind the answer, and in a channel that nobody has used yet a false one.
    let is_early = |(_, told): &&(Instant, Told)| !matches!(told, Told::Event(_));
    let early = stay.told.iter().take_while(is_early);
    let began = early.filter(|(_, told)| matches!(told, Told::Gap(_))).count();
    if stay.ended.is_none() && stay.awaits_gap() {
        return Some(format!("{stay} has not recovered, and no gap has followed"));
    }
    let losses = &world.losses;
    let ended = stay.ended.unwrap_or_else(Instant::now);
    let concerns = |at: &&Instant| **at + RETURN > stay.answered && **at < ended;
    let causes = losses.masters_changed.iter().chain(&losses.all_lost).filter(concerns).count();
    if told.len() > causes + began {
        return Some(format!("{stay} was told {told:?}, with {causes} causes"));
    }
    if let Some((_, reason)) = told.iter().skip(began).find(|(_, reason)| *reason != "restarted") {
        return Some(format!("{stay} was told the gap {reason} of a log with room"));
    }
    let change = certain_change(stay, events, world)?;
    let is_told = stay.ended.is_some() || told.iter().any(|(at, _)| *at > change);
    (!is_told).then(|| format!("{stay} was told no gap after the master was replaced"))
}

/// The last change of a master whose log the stay has read before.
fn certain_change(stay: &Stay, events: &Events, world: &World) -> Option<Instant> {
    if matches!(world.engine, Engine::Masters(_)) {
        return None;
    }
    let change = *world.losses.masters_changed.last()?;
    let has_read = stay.told.iter().any(|(at, told)| match told {
        Told::Event(number) => {
            let taken = events.get(*number).is_some_and(|it| it.outcome == Outcome::Taken);
            taken && *at + BEFORE < change
        }
        _ => false,
    });
    has_read.then_some(change)
}
