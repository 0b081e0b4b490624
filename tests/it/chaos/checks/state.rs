//! Rosters, counts and queries, on each node and with each client.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::chaos::ask::get;
use crate::chaos::client::lock;
use crate::chaos::model::{Model, is_presence};
use crate::chaos::plan::CHANNELS;
use crate::chaos::record::Stay;
use crate::chaos::world::World;

/// Changes with time: what is still different now.
pub async fn differences(model: &Model, world: &World) -> Vec<String> {
    let mut found = clients(model, world);
    for at in 0..world.nodes.len() {
        found.extend(node(model, world, at).await);
    }
    found
}

fn clients(model: &Model, world: &World) -> Vec<String> {
    let mut found = Vec::new();
    for (number, client) in world.clients.iter().enumerate() {
        let (seen, wanted) = (lock(&client.seen), &model.clients[number]);
        if !wanted.is_open {
            continue;
        }
        if let Some(why) = &seen.end {
            found.push(format!(
                "client {number} on node {} lost its connection: {why}",
                wanted.node
            ));
            continue;
        }
        let on: BTreeSet<_> = seen.present().map(|stay| stay.channel).collect();
        if on != wanted.channels {
            let wanted = &wanted.channels;
            found.push(format!("client {number} is subscribed to {on:?}, and wants {wanted:?}"));
        }
        found.extend(seen.present().filter_map(|stay| told(model, stay)));
    }
    found
}

/// What a client has been told of members and counts.
fn told(model: &Model, stay: &Stay) -> Option<String> {
    if !is_presence(stay.channel) {
        let (told, is) = (stay.last_count(), model.count(stay.channel) as u64);
        return (told != Some(is))
            .then(|| format!("{stay} was told the count {told:?}, it is {is}"));
    }
    let members = match stay.members_now() {
        Ok(members) => members,
        Err(fault) => return Some(fault),
    };
    let are = model.members(stay.channel);
    (members != are).then(|| format!("{stay} sees the members {members:?}, they are {are:?}"))
}

async fn node(model: &Model, world: &World, at: usize) -> Vec<String> {
    let addr = world.nodes[at].addr;
    let counts = model.counts();
    let all = counts
        .iter()
        .map(|(channel, count)| ((*channel).to_owned(), json!({"subscription_count": count})));
    let presence = counts.keys().filter(|channel| is_presence(channel)).map(|channel| {
        ((*channel).to_owned(), json!({"user_count": model.members(channel).len()}))
    });
    let listed = |channels: serde_json::Map<String, Value>| json!({"channels": channels});
    let mut wanted = vec![
        ("/channels".to_owned(), vec![("info", "subscription_count")], listed(all.collect())),
        (
            "/channels".to_owned(),
            vec![("info", "user_count"), ("filter_by_prefix", "presence-")],
            listed(presence.collect()),
        ),
    ];
    for channel in CHANNELS.into_iter().filter(|it| is_presence(it)) {
        let users: Vec<_> =
            model.members(channel).into_iter().map(|id| json!({"id": id})).collect();
        wanted.push((format!("/channels/{channel}/users"), Vec::new(), json!({"users": users})));
    }
    let mut found = Vec::new();
    for (path, parameters, wanted) in wanted {
        match get(addr, &path, &parameters).await.map(sorted) {
            Ok(answer) if answer == wanted => {}
            Ok(answer) => {
                found.push(format!("node {at} answers {path} with {answer}, right is {wanted}"));
            }
            Err(fault) => found.push(format!("node {at}: {fault}")),
        }
    }
    found
}

/// Users come in any order.
fn sorted(mut answer: Value) -> Value {
    if let Some(users) = answer.get_mut("users").and_then(Value::as_array_mut) {
        users.sort_by(|one, other| one["id"].as_str().cmp(&other["id"].as_str()));
    }
    answer
}
