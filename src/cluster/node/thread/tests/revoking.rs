//! What Redis keeps of revocations, on a real Redis.

use std::collections::BTreeMap;

use redis::Value;

use super::scene::{APP, NodeScene, ThreadNode, layout, wait};
use crate::cluster::{
    content::RevocationContent,
    key::tests::example_key,
    names::ClusterNames,
    node::asking::Unacknowledged,
    redis::{
        revocations::{LIFETIME_MS, PAGE},
        tests::{proxy::Flow, server::ask},
    },
};

fn revoke(node: &ThreadNode, revocation: RevocationContent<'_>) -> Result<(), Unacknowledged> {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(node.node.revoke(APP, revocation))
}

fn tokens_of(user: &str, at: u64) -> RevocationContent<'_> {
    RevocationContent::UserTokens { user, at }
}

fn has(node: &ThreadNode, revocation: RevocationContent<'_>) -> bool {
    node.host.revoked.lock().contains(&revocation.to_bytes()[..])
}

fn key() -> Vec<u8> {
    layout().control().revoked_tokens(&ClusterNames::new(&example_key()).app(APP))
}

/// Puts foreign values into the hash that look as if they were written at `at_ms`.
fn fill(scene: &NodeScene, count: usize, at_ms: u64) {
    let script = "for at = 1, ARGV[1] do redis.call('HSET', KEYS[1], at, ARGV[2]) end return 1";
    let mut command = redis::cmd("EVAL");
    command.arg(script).arg(1).arg(key()).arg(count).arg(format!("{at_ms}:x"));
    assert_eq!(ask(&mut scene.server.connect(), &command).expect("an answer"), Value::Int(1));
}

/// Calls of each command since the last time.
fn calls(scene: &NodeScene) -> BTreeMap<String, u64> {
    let mut connection = scene.server.connect();
    let stats = ask(&mut connection, redis::cmd("INFO").arg("commandstats")).expect("statistics");
    let stats: String = redis::from_redis_value(stats).expect("text");
    let calls = stats.lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("cmdstat_")?.split_once(":calls=")?;
        Some((name.to_owned(), rest.split_once(',')?.0.parse().ok()?))
    });
    let calls = calls.collect();
    ask(&mut connection, redis::cmd("CONFIG").arg("RESETSTAT")).expect("an answer");
    calls
}

/// A question that waits is sent again on each connection.
#[test]
fn older_revocation_that_was_held_up_does_not_replace_a_later_one() {
    let mut scene = NodeScene::start(2);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    assert_eq!(revoke(&scene.nodes[1], tokens_of("u", 1_900_000_102)), Ok(()));
    assert_eq!(revoke(&scene.nodes[0], tokens_of("u", 1_900_000_100)), Ok(()));
    scene.add_node();
    scene.nodes[2].until_up();
    assert!(has(&scene.nodes[2], tokens_of("u", 1_900_000_102)));
}

#[test]
fn node_reads_all_pages_once_before_it_is_a_member() {
    let mut scene = NodeScene::start(1);
    scene.nodes[0].until_up();
    fill(&scene, 4 * PAGE, 1_900_000_000_000);
    assert_eq!(revoke(&scene.nodes[0], tokens_of("u", 1_900_000_100)), Ok(()));
    scene.add_node();
    scene.nodes[1].until_up();
    assert!(has(&scene.nodes[1], tokens_of("u", 1_900_000_100)));
    let [node, other] = &scene.nodes[..] else { panic!("two nodes") };
    other.proxy.set(Flow::Cut);
    other.until_away();
    calls(&scene);
    node.proxy.set(Flow::Cut);
    node.until_away();
    node.proxy.set(Flow::Open);
    node.until_up();
    let read = calls(&scene);
    let pages = read.get("hscan").copied().unwrap_or_default();
    assert!((2..=8).contains(&pages), "{read:?}");
}

#[test]
fn expired_revocations_are_taken_away_by_who_reads_them() {
    let mut scene = NodeScene::start(1);
    scene.nodes[0].until_up();
    let sealed_at = 1_000_000 + LIFETIME_MS;
    let old = RevocationContent::Connections { user: "u", at_ms: sealed_at };
    assert_eq!(revoke(&scene.nodes[0], old), Ok(()));
    assert!(scene.has(&key()));
    scene.add_node();
    wait("it is gone", || !scene.has(&key()));
    assert!(!has(&scene.nodes[1], old));
}
