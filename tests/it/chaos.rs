//! Random actions and disasters against a real cluster.
//!
//! Three to five nodes on one Redis, each behind a proxy of its own. Clients join and leave,
//! publishers publish, nodes are killed, frozen and cut off, Redis is frozen, killed and emptied. In
//! times of calm in between, rosters, counts, queries and webhooks equal a plain model, and the events
//! that clients have seen are those that docs/cluster.md promises: in one order, none twice, and none
//! lost but in the times that are named there.
//!
//! | Module | Contents |
//! |---|---|
//! | `action`, `plan`, `random` | what happens, drawn from a seed |
//! | `model` | what should be |
//! | `world`, `node`, `proxy`, `client`, `ask` | the real thing |
//! | `record`, `trouble` | what was seen, and when something may be missed |
//! | `checks` | what must be true |
//! | `round` | one run of all of it |
//!
//! The same seed gives the same actions. The servers run in real time, so a fault may need several
//! runs to come again.

mod action;
mod ask;
mod checks;
mod client;
mod model;
mod node;
mod plan;
mod proxy;
mod random;
mod record;
mod round;
mod trouble;
mod world;

use round::{Round, Settings, Tally};

/// The long form: `CHAOS_SEED=7 CHAOS_STEPS=2000 CHAOS_ROUNDS=20 cargo test --test it -- chaos`.
/// Without them it is one round of a fixed seed, with each kind of disaster.
#[tokio::test]
async fn j_cluster_is_right_after_every_disaster() {
    let number = |name: &str| -> Option<u64> {
        let text = std::env::var(name).ok()?;
        Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
    };
    let seed = number("CHAOS_SEED").unwrap_or(1);
    let steps = number("CHAOS_STEPS").unwrap_or(480) as usize;
    for seed in seed..seed + number("CHAOS_ROUNDS").unwrap_or(1) {
        let began = std::time::Instant::now();
        let nodes = 3 + (seed as usize + 2) % 3;
        // A short round has each kind of disaster, a long one more traffic in between.
        let steps_between_disasters = if steps < 1000 { 24 } else { 48 };
        let settings = Settings { seed, steps, nodes, steps_between_disasters };
        let tally = Round::run(settings).await;
        println!("{}", report(seed, nodes, &tally, began.elapsed()));
    }
}

fn report(seed: u64, nodes: usize, tally: &Tally, took: std::time::Duration) -> String {
    let Tally { actions, disasters, events, deliveries, facts, calms } = tally;
    format!(
        "seed {seed}: {nodes} nodes, {actions} actions, {deliveries} deliveries, {facts} facts, \
         {calms} times of calm, {} s\n  events {events:?}\n  disasters {disasters:?}",
        took.as_secs()
    )
}
