//! The last events of cache channels.

use std::collections::BTreeMap;

use serde_json::json;

use crate::chaos::ask::get;
use crate::chaos::model::is_cache;
use crate::chaos::world::World;

/// Each node tells the last event of each cache channel, which is the mark.
pub async fn faults(world: &World, marks: &BTreeMap<&'static str, u64>) -> Vec<String> {
    let mut found = Vec::new();
    for (channel, mark) in marks.iter().filter(|(channel, _)| is_cache(channel)) {
        for (at, node) in world.nodes.iter().enumerate() {
            let path = format!("/channels/{channel}");
            let wanted = json!(mark.to_string());
            match get(node.addr, &path, &[("info", "cache")]).await {
                Ok(answer) if answer["cache"]["data"] == wanted => {}
                answer => found.push(format!(
                    "the last event of {channel} is {mark}, and node {at} says {answer:?}"
                )),
            }
        }
    }
    found
}
