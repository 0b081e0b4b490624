//! Random actions and disasters against a real cluster.
//!
//! Three to five nodes, each behind a proxy of its own. Clients join and leave, publishers publish,
//! nodes are killed, frozen and cut off. In times of calm in between, rosters, counts, queries and
//! webhooks equal a plain model, and the events that clients have seen are those that docs/cluster.md
//! promises: in one order, none twice, and none lost but in the times that are named there. Readers
//! of a log miss nothing without a gap.
//!
//! | Engine of a round | What happens to it |
//! |---|---|
//! | one Redis | it is frozen, killed, emptied, and started with its data |
//! | a master with two replicas | it is replaced after its last writes reached no replica, dead or alive; frozen, flushed |
//! | three masters of a Redis Cluster, without proxies | slots move under traffic |
//!
//! | Module | Contents |
//! |---|---|
//! | `action`, `disaster`, `plan`, `random` | what happens, drawn from a seed |
//! | `model` | what should be |
//! | `world`, `node`, `proxy`, `client`, `ask` | the real thing |
//! | `engine`, `single`, `replicas`, `slots` | Redis, one kind a round |
//! | `record`, `trouble`, `losses` | what was seen, and when something may be missed |
//! | `checks` | what must be true |
//! | `round` | one run of all of it |
//!
//! The same seed gives the same actions. The servers run in real time, so a fault may need several
//! runs to come again.

mod action;
mod ask;
mod checks;
mod client;
mod disaster;
mod engine;
mod losses;
mod model;
mod node;
mod plan;
mod proxy;
mod random;
mod record;
mod replicas;
mod round;
mod single;
mod slots;
mod trouble;
mod world;

use std::time::{Duration, Instant};

use engine::EngineKind;
use round::{Round, Settings, Tally};

/// The long form: `CHAOS_SEED=7 CHAOS_STEPS=2000 CHAOS_ROUNDS=20 cargo test --test it -- chaos`. Its
/// rounds take turns with the engines. Without these variables it is one round of a fixed seed on
/// each engine: that on a single Redis has each kind of disaster.
#[tokio::test]
async fn j_cluster_is_right_after_every_disaster() {
    let number = |name: &str| -> Option<u64> {
        let text = std::env::var(name).ok()?;
        Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is not a number")))
    };
    let given = ["CHAOS_SEED", "CHAOS_STEPS", "CHAOS_ROUNDS"].map(number);
    if given == [None; 3] {
        for (seed, steps) in SHORT_ROUNDS {
            run(seed, steps).await;
        }
        return;
    }
    let [seed, steps, rounds] = given;
    let (seed, steps) = (seed.unwrap_or(1), steps.unwrap_or(480) as usize);
    for seed in seed..seed + rounds.unwrap_or(1) {
        run(seed, steps).await;
    }
}

/// Seeds and steps.
const SHORT_ROUNDS: [(u64, usize); 3] = [(1, 480), (2, 144), (3, 120)];

async fn run(seed: u64, steps: usize) {
    let began = Instant::now();
    let engine = EngineKind::of_seed(seed);
    let nodes = 3 + (seed as usize / 3) % 3;
    // A short round has each kind of disaster, a long one more traffic in between.
    let steps_between_disasters = if steps < 1000 { 24 } else { 48 };
    let settings = Settings { seed, steps, nodes, engine, steps_between_disasters };
    let tally = Round::run(settings).await;
    println!("{}", report(seed, engine, nodes, &tally, began.elapsed()));
}

fn report(seed: u64, engine: EngineKind, nodes: usize, tally: &Tally, took: Duration) -> String {
    let Tally { actions, disasters, events, deliveries, facts, gaps, recovered, calms } = tally;
    format!(
        "seed {seed}: {engine:?}, {nodes} nodes, {actions} actions, {deliveries} deliveries, \
         {facts} facts, {gaps} gaps, {recovered} recovered, {calms} times of calm, {} s\n  \
         events {events:?}\n  disasters {disasters:?}",
        took.as_secs()
    )
}
