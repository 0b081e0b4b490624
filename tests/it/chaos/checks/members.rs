//! What clients were told of members, at all times.

use crate::chaos::client::lock;
use crate::chaos::model::{Model, user_name};
use crate::chaos::record::{Stay, Told};
use crate::chaos::trouble::Troubles;
use crate::chaos::world::World;

pub fn faults(world: &World, model: &Model) -> Vec<String> {
    let mut found = Vec::new();
    for client in &world.clients {
        let seen = lock(&client.seen);
        found.extend(seen.faults.iter().cloned());
        found.extend(seen.stays.iter().filter_map(|stay| stay.members_now().err()));
    }
    for (number, client) in model.clients.iter().enumerate().filter(|(_, it)| it.is_steadfast()) {
        let seen = lock(&world.clients[number].seen);
        for stay in &seen.stays {
            found.extend(removals(world, stay, number, &user_name(client.user)));
        }
    }
    found
}

/// Whoever was told that a user has left who never left, and whose node was never dead for others.
/// Outages of Redis and of other nodes are no reason.
fn removals(world: &World, own: &Stay, number: usize, user: &str) -> Vec<String> {
    let others: Vec<Troubles> = (0..world.nodes.len())
        .filter(|at| *at != own.node)
        .map(|at| world.nodes[at].troubles.clone())
        .collect();
    let death = world.nodes[own.node].troubles.death(&others, own.answered);
    let mut found = Vec::new();
    for (_, client) in world.clients.iter().enumerate().filter(|(at, _)| *at != number) {
        for stay in lock(&client.seen).stays.iter().filter(|stay| stay.channel == own.channel) {
            let removed = stay.told.iter().find(|(at, told)| {
                *told == Told::Removed(user.to_owned())
                    && own.answered < *at
                    && own.ended.is_none_or(|ended| *at < ended)
                    && death.is_none_or(|death| *at < death)
            });
            if let Some((at, _)) = removed {
                let ago = at.elapsed();
                found.push(format!("{stay} was told {ago:?} ago that {user} left, who never left"));
            }
        }
    }
    found
}
