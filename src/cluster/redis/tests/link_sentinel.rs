//! A master that Sentinels name.

use std::{sync::Arc, time::Duration};

use super::{
    engine::ACL,
    link_scene::{Endpoint, USER, add_user, endpoint, link_to},
    names::{channel, keys, node},
    sentinels::{MASTER, Sentinel, SentinelScene},
    server::{RedisServer, ask, free_port},
};
use crate::cluster::{
    redis::{
        backlog::Backlog,
        lane::{Answered, CommandKind},
        link::{LinkError, LinkEvent, MasterAddress, MasterLink},
        scripts::Scripts,
    },
    url::RedisHost,
};

const PATIENCE: Duration = Duration::from_secs(60);

fn sentinels(ports: &[u16], master: &str, user: &str) -> Endpoint {
    let host = |port: &u16| RedisHost { host: "127.0.0.1".into(), port: *port };
    let hosts = ports.iter().map(host).collect();
    let address = MasterAddress::Sentinels { hosts, master: master.into() };
    Endpoint { address, ..endpoint(1, user) }
}

fn link(endpoint: Endpoint) -> MasterLink<u64> {
    link_to(endpoint, &Arc::new(Scripts::new()), &Backlog::new(1))
}

async fn first_error(endpoint: Endpoint) -> LinkError {
    let mut link = link(endpoint);
    loop {
        match link.next().await {
            LinkEvent::Connected { .. } => panic!("no error"),
            LinkEvent::Away { error, .. } => return error,
            _ => {}
        }
    }
}

/// True if it is another master than before.
async fn until_up(link: &mut MasterLink<u64>) -> bool {
    let up = async {
        loop {
            if let LinkEvent::Up { changed, .. } = link.next().await {
                return !changed.is_empty();
            }
        }
    };
    tokio::time::timeout(PATIENCE, up).await.expect("the link is up")
}

/// Both connections of the link end there.
fn has_link(server: &RedisServer) -> bool {
    let list = ask(&mut server.connect(), redis::cmd("CLIENT").arg("LIST")).expect("CLIENT LIST");
    let list: String = redis::from_redis_value(list).expect("text");
    ["sealcast-talking", "sealcast-listening"].iter().all(|name| list.contains(name))
}

#[tokio::test]
async fn wrong_sentinels_names_and_logins_are_told_apart() {
    let server = RedisServer::start();
    let open = Sentinel::start(server.port(), "");
    let closed = Sentinel::start(server.port(), "secret");
    for (ports, name, user, expected) in [
        (vec![free_port()], MASTER, USER, LinkError::SentinelsAway),
        (vec![open.port], "another", USER, LinkError::UnknownMaster),
        (vec![server.port()], MASTER, USER, LinkError::NotSentinel),
        (vec![closed.port], MASTER, "", LinkError::SentinelLogin),
        (vec![closed.port], MASTER, ":wrong@", LinkError::SentinelLogin),
        // It is right for the Sentinel. This Redis has no password, and takes any.
        (vec![closed.port], MASTER, ":secret@", LinkError::UnsafeReplicas),
        // The error of the server that was named says more than those of other Sentinels.
        (vec![free_port(), open.port, closed.port], MASTER, "", LinkError::UnsafeReplicas),
    ] {
        assert_eq!(first_error(sentinels(&ports, name, user)).await, expected, "{name} {user}");
        assert!(!expected.to_string().contains("secret"));
    }
}

#[tokio::test]
async fn je9_master_of_sentinels_must_wait_for_replicas_even_while_it_has_none() {
    let server = RedisServer::start();
    add_user(&server, ACL);
    let sentinel = Sentinel::start(server.port(), "");
    let endpoint = || sentinels(&[sentinel.port], MASTER, USER);
    assert_eq!(first_error(endpoint()).await, LinkError::UnsafeReplicas);
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("min-replicas-to-write").arg(1);
    ask(&mut server.connect(), &set).expect("CONFIG SET");
    assert_eq!(first_error(endpoint()).await, LinkError::ReplicasMissing);
}

/// A silent Sentinel and one that names a replica are passed over.
#[tokio::test]
async fn sentinels_are_asked_in_turn_until_one_names_a_master() {
    let scene = SentinelScene::start();
    scene.servers.iter().for_each(|server| add_user(server, ACL));
    let misled = Sentinel::start(scene.servers[1].port(), "");
    scene.sentinels[0].stop();
    let ports = [free_port(), scene.sentinels[0].port, misled.port, scene.sentinels[1].port];
    let mut up = link(sentinels(&ports, MASTER, USER));
    assert!(!until_up(&mut up).await && has_link(&scene.servers[0]));
}

#[tokio::test]
async fn j11_failover_leads_the_link_to_the_new_master_with_what_waited() {
    let scene = SentinelScene::start();
    scene.servers.iter().for_each(|server| add_user(server, ACL));
    let mut link = link(sentinels(&scene.ports(), MASTER, USER));
    assert!(!until_up(&mut link).await && has_link(&scene.servers[0]));
    scene.fail_over();
    assert!(until_up(&mut link).await, "another master");
    let master = scene.master_port().expect("a master");
    let promoted = scene.servers.iter().find(|it| it.port() == master).expect("ours");
    assert!(has_link(promoted) && !has_link(&scene.servers[0]));
    // The old one answers, and takes no writes.
    assert_eq!(first_error(endpoint(scene.servers[0].port(), USER)).await, LinkError::Replica);
    let mut write = redis::cmd("HSET");
    write.arg(&keys(&node(1), &channel(0)).f[..]).arg("x").arg(1);
    link.push(super::link_scene::partition(0), CommandKind::State, write, 7);
    let done = async {
        while !matches!(link.next().await, LinkEvent::Answered(Answered::Done { token: 7, .. })) {}
    };
    tokio::time::timeout(PATIENCE, done).await.expect("the new master takes writes");
}
