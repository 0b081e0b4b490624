//! What Redis still has when all clients are gone, and then all nodes.

use redis::Value;

use crate::chaos::engine::Engine;
use crate::chaos::world::World;
use crate::support::*;

/// Kinds of keys that stay, as docs/cluster.md lists them: the floor of numbers, and for a day the
/// dead nodes. The identity goes a minute after the last node, if that was killed.
const STAYS: [&str; 3] = ["f", "d:", ":id"];

/// While nodes run: their entries, their ownerships, their last changes of logs and the lists of nodes.
const OF_NODES: [&str; 6] = ["o", "p", "e", "nodes", "slots", "v:"];

pub fn while_running(world: &World) -> Vec<String> {
    let allowed: Vec<_> = STAYS.into_iter().chain(OF_NODES).collect();
    left(&world.engine, &world.prefix, &allowed)
}

pub fn at_the_end(engine: &Engine, prefix: &str) -> Vec<String> {
    left(engine, prefix, &STAYS)
}

fn left(engine: &Engine, prefix: &str, allowed: &[&str]) -> Vec<String> {
    let masters = engine.masters();
    masters.into_iter().flat_map(|redis| left_in(redis, prefix, allowed)).collect()
}

fn left_in(redis: &Redis, prefix: &str, allowed: &[&str]) -> Vec<String> {
    let Ok(Value::Array(keys)) = redis.ask(&["KEYS", "*"]) else {
        return vec!["Redis does not list its keys".to_owned()];
    };
    let mut found = Vec::new();
    for key in keys {
        let Value::BulkString(key) = key else { continue };
        let name = String::from_utf8_lossy(&key).into_owned();
        let kind = name.strip_prefix(prefix).map(kind).unwrap_or(&name);
        let is_allowed = allowed
            .iter()
            .any(|it| if it.ends_with(':') { kind.starts_with(it) } else { kind == *it });
        if !is_allowed {
            found.push(format!("Redis still has the key {}", name.escape_debug()));
        }
    }
    found
}

/// What stands behind the hash tag.
fn kind(rest: &str) -> &str {
    rest.split_once('}').map_or(rest, |(_, kind)| kind)
}
