//! What Redis sees.

use std::time::Duration;

use redis::{Connection, Value};

use super::{
    asking::{find, revoke, socket},
    scene::{APP, NodeScene, ThreadNode, answer, until},
};
use crate::cluster::{
    node::commands::PublicationEnd, redis::tests::server::ask, replica::input::ChannelMemory,
};

const KEPT: Option<Duration> = Some(Duration::from_secs(600));
const USER: &str = "secret-user";
const PAYLOAD: &str = "secret-payload";
const CHANNEL: &str = "presence-cache-secret-room";
const TOKEN: &str = "secret-token";
const SECRETS: [&str; 7] = [USER, PAYLOAD, CHANNEL, TOKEN, "secret-info", APP, "an-event"];

fn contains(bytes: &[u8], secret: &str) -> bool {
    bytes.windows(secret.len()).any(|part| part == secret.as_bytes())
}

fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::BulkString(bytes) => bytes,
        Value::SimpleString(text) => text.into_bytes(),
        Value::Nil => Vec::new(),
        other => panic!("{other:?}"),
    }
}

/// All keys, and the dump of each.
fn dump(connection: &mut Connection) -> Vec<u8> {
    let Value::Array(keys) = ask(connection, redis::cmd("KEYS").arg("*")).expect("keys") else {
        panic!("no keys");
    };
    let mut all = Vec::new();
    for key in keys.into_iter().map(bytes) {
        all.extend(bytes(ask(connection, redis::cmd("DUMP").arg(&key)).expect("a dump")));
        all.extend(key);
    }
    all
}

#[test]
fn redis_sees_neither_names_nor_users_nor_payloads() {
    let scene = NodeScene::start(2);
    // A dump would hide what it compresses.
    let mut admin = scene.server.connect();
    let mut uncompressed = redis::cmd("CONFIG");
    ask(&mut admin, uncompressed.arg("SET").arg("rdbcompression").arg("no")).expect("OK");
    let monitor = scene.server.monitor();
    let records = scene.records(CHANNEL, ChannelMemory::State);
    scene.nodes[0].enter(&records[0], Some(USER));
    let other = scene.nodes[1].enter(&records[1], Some("secret-user-2"));
    for keep in [None, KEPT] {
        let publishing = answer(scene.nodes[0].publish(&records[0], PAYLOAD, keep));
        assert_eq!(publishing, PublicationEnd::Published);
    }
    until(&records[1], "both events", |state| state.delivered.len() == 2);
    scene.nodes.iter().for_each(ThreadNode::until_up);
    revoke(&scene.nodes[0], TOKEN).expect("both nodes have it");
    find(&scene.nodes[0], socket(scene.nodes[1].node.slots().of_new_sockets(), 1))
        .expect_err("no socket");
    records[1].leave(other.id, other.member);
    until(&records[0], "one user", |state| state.users() == [USER]);
    let dump = dump(&mut admin);
    let seen = monitor.read_until(&mut admin, "the end");
    // Both saw what happened.
    assert!(contains(&dump, "SC1:{") && contains(&seen, "SC1:{") && contains(&seen, "SPUBLISH"));
    for secret in SECRETS {
        assert!(!contains(&dump, secret), "{secret} is in a dump");
        assert!(!contains(&seen, secret), "{secret} was sent");
    }
}
