//! Facts for webhooks: once each, in turn, and at last as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::chaos::losses::Losses;
use crate::chaos::model::Model;
use crate::chaos::model::is_presence;
use crate::chaos::plan::CHANNELS;
use crate::chaos::world::World;
use crate::support::*;

/// A channel, or a user of one.
type Subject = (String, Option<String>);

#[derive(Clone, Debug)]
struct Fact {
    occurred: u64,
    is_arrival: bool,
}

pub fn count(world: &World) -> usize {
    read(world).map(|facts| facts.values().map(Vec::len).sum()).unwrap_or_default()
}

/// Changes with time: what is still different now.
pub fn differences(model: &Model, world: &World) -> Vec<String> {
    let facts = match read(world) {
        Ok(facts) => facts,
        Err(fault) => return vec![fault],
    };
    let mut found = Vec::new();
    for (subject, facts) in &facts {
        found.extend(out_of_turn(subject, facts, &world.losses));
    }
    let present = present(model);
    for subject in present.iter().filter(|it| !facts.contains_key(*it)) {
        found.push(format!("{} is there, and was never told", tell(subject)));
    }
    for (subject, facts) in &facts {
        let Some(last) = facts.last() else { continue };
        let is_there = present.contains(subject);
        // An arrival before a loss may have no departure. A departure may be told and then lost, and
        // with it the return.
        let until = if is_there { last.occurred } else { u64::MAX };
        let may_be_lost = world.losses.concern(last.occurred, until);
        if last.is_arrival != is_there && !may_be_lost {
            let told = if last.is_arrival { "came" } else { "left" };
            let name = tell(subject);
            found.push(format!(
                "{name} {told}, by the last of its facts, and that is not so: {facts:?}"
            ));
        }
    }
    found
}

fn present(model: &Model) -> BTreeSet<Subject> {
    let mut present = BTreeSet::new();
    for channel in model.counts().keys() {
        present.insert(((*channel).to_owned(), None));
    }
    for channel in CHANNELS.into_iter().filter(|it| is_presence(it)) {
        present.extend(model.members(channel).into_iter().map(|it| (channel.to_owned(), Some(it))));
    }
    present
}

/// By subject, in the order of Redis, each id once.
fn read(world: &World) -> Result<BTreeMap<Subject, Vec<Fact>>, String> {
    let mut ids = BTreeMap::<String, Value>::new();
    let mut facts = BTreeMap::<Subject, Vec<Fact>>::new();
    let requests = world.receiver.requests();
    for event in requests.iter().flat_map(WebhookRequest::events_with_ids) {
        let text = |name: &str| event[name].as_str().map(str::to_owned);
        let id = text("id").ok_or_else(|| format!("{event} has no id"))?;
        if let Some(same) = ids.get(&id) {
            if *same != event {
                return Err(format!("two facts with one id: {same} and {event}"));
            }
            continue;
        }
        let name = text("name").unwrap_or_default();
        let is_arrival = matches!(&*name, "channel_occupied" | "member_added");
        let occurred = event["occurred_ms"].as_u64().unwrap_or_default();
        let subject = (text("channel").unwrap_or_default(), text("user_id"));
        facts.entry(subject).or_default().push(Fact { occurred, is_arrival });
        ids.insert(id, event);
    }
    for facts in facts.values_mut() {
        facts.sort_by_key(|fact| fact.occurred);
        put_in_turn(facts);
    }
    Ok(facts)
}

/// Within one millisecond, the order is that of Redis, which nobody is told.
fn put_in_turn(facts: &mut [Fact]) {
    let mut is_arrival = true;
    for at in 0..facts.len() {
        let same_time = facts[at..].iter().take_while(|it| it.occurred == facts[at].occurred);
        if let Some(found) = same_time.clone().position(|it| it.is_arrival == is_arrival) {
            facts.swap(at, at + found);
        }
        is_arrival = !facts[at].is_arrival;
    }
}

/// Arrivals and departures take turns, except where Redis has lost its data in between.
fn out_of_turn(subject: &Subject, facts: &[Fact], losses: &Losses) -> Option<String> {
    let name = tell(subject);
    let first = facts.first()?;
    if !first.is_arrival && !losses.concern(0, first.occurred) {
        return Some(format!("{name} left before it came: {facts:?}"));
    }
    let pair = facts.windows(2).find(|pair| {
        pair[0].is_arrival == pair[1].is_arrival
            && !losses.concern(pair[0].occurred, pair[1].occurred)
    })?;
    let what = if pair[0].is_arrival { "came" } else { "left" };
    Some(format!(
        "{name} {what} twice in a row, at {} and at {}: {facts:?}",
        pair[0].occurred, pair[1].occurred
    ))
}

fn tell((channel, user): &Subject) -> String {
    match user {
        Some(user) => format!("{user} on {channel}"),
        None => channel.clone(),
    }
}
