//! Every reason for having no master, as an operator meets it.

use std::sync::Arc;

use super::{
    engine::ACL,
    link_scene::{LinkScene, Seen, USER, add_user, endpoint, link_to, topic},
    names::{channel, keys, node},
    proxy::{Flow, Proxy},
    server::{RedisServer, ask},
};
use crate::cluster::redis::{
    backlog::Backlog,
    link::{LinkError, LinkEvent},
    scripts::Scripts,
};

/// The first error of a link to that address.
async fn first_error(port: u16, user: &str) -> LinkError {
    let scripts = Arc::new(Scripts::new());
    let mut link = link_to(endpoint(port, user), &scripts, &Backlog::new(1));
    loop {
        match link.next().await {
            // Topics are refused later than all the rest.
            LinkEvent::Connected { .. } => {}
            LinkEvent::Away { error, .. } => return error,
            _ => panic!("no error"),
        }
    }
}

fn configure(server: &RedisServer, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(word);
    });
    ask(&mut server.connect(), &command).expect("an answer");
}

#[tokio::test]
async fn j19_refusals_name_their_cure_and_no_secret() {
    let server = RedisServer::start();
    add_user(&server, ACL);
    let port = server.port();
    let mut errors = vec![(first_error(port, "sealcast:wrong-secret@").await, LinkError::Login)];
    for (missing, command) in [
        ("-script|load", "SCRIPT LOAD"),
        ("-role", "ROLE"),
        ("-info", "INFO"),
        ("-time", "TIME"),
        ("-client|setname", "CLIENT SETNAME"),
        ("-evalsha", "EVALSHA"),
        ("resetkeys", "EVALSHA"),
        ("-ssubscribe", "SSUBSCRIBE"),
        ("resetchannels", "SSUBSCRIBE"),
    ] {
        add_user(&server, &format!("{ACL} {missing}"));
        errors.push((first_error(port, USER).await, LinkError::Forbidden { command }));
        add_user(&server, ACL);
    }
    configure(&server, &["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]);
    errors.push((first_error(port, USER).await, LinkError::Evicts));
    configure(&server, &["CONFIG", "SET", "maxmemory-policy", "noeviction"]);
    configure(&server, &["CONFIG", "SET", "min-replicas-to-write", "1"]);
    errors.push((first_error(port, USER).await, LinkError::ReplicasMissing));
    configure(&server, &["CONFIG", "SET", "min-replicas-to-write", "0"]);
    configure(&server, &["REPLICAOF", "127.0.0.1", "1"]);
    errors.push((first_error(port, USER).await, LinkError::Replica));
    configure(&server, &["REPLICAOF", "NO", "ONE"]);
    configure(&server, &["CONFIG", "SET", "requirepass", "another-secret"]);
    errors.push((first_error(port, "").await, LinkError::Login));
    drop(server);
    let refused = LinkError::Unreachable(std::io::ErrorKind::ConnectionRefused);
    errors.push((first_error(port, USER).await, refused));
    for (seen, expected) in errors {
        assert_eq!(seen, expected);
        let sentence = seen.to_string();
        assert!(!sentence.contains("secret") && !sentence.contains("127.0.0.1"), "{sentence}");
    }
}

/// At a change of the rights the connections end or go on, and the node is told in both cases.
#[tokio::test]
async fn password_that_changes_is_noticed_at_the_next_connection() {
    let mut scene = LinkScene::start().await;
    configure(&scene.server, &["ACL", "SETUSER", "sealcast", "resetpass", ">other"]);
    scene.proxy.set(Flow::Cut);
    scene.until(|seen| *seen == Seen::Away(LinkError::Closed)).await;
    scene.proxy.set(Flow::Open);
    scene.until(|seen| *seen == Seen::Away(LinkError::Login)).await;
}

#[tokio::test]
async fn full_memory_is_an_answer_to_a_command_and_keeps_the_link() {
    let mut scene = LinkScene::start().await;
    configure(&scene.server, &["CONFIG", "SET", "maxmemory", "1"]);
    scene.publish_last(1);
    let refused = scene.until(|seen| matches!(seen, Seen::NotDone(..))).await;
    let full = crate::cluster::redis::refusals::Refusal::Full;
    assert_eq!(refused, Seen::NotDone(1, full));
    // Its owner sends it as a mere event, which needs no memory.
    scene.until_done([1]).await;
    scene.link.snapshot(
        super::link_scene::partition(0),
        channel(0),
        keys(&node(1), &channel(0)),
        None,
    );
    let is_mark = |seen: &Seen| matches!(seen, Seen::Mark(_));
    let snapshot = scene.until(|seen| matches!(seen, Seen::Snapshot(..))).await;
    assert!(matches!(snapshot, Seen::Snapshot(_, Some(0))));
    if !scene.seen.iter().any(is_mark) {
        scene.until(is_mark).await;
    }
    assert!(scene.link.is_up() && !scene.seen.iter().any(|seen| matches!(seen, Seen::Away(_))));
}

#[tokio::test]
async fn j24_connections_to_different_masters_are_refused() {
    let servers = [RedisServer::start(), RedisServer::start()];
    servers.iter().for_each(|server| add_user(server, ACL));
    let proxy = Proxy::start(servers[0].port()).await;
    proxy.set_targets(&servers.each_ref().map(RedisServer::port));
    assert_eq!(first_error(proxy.port, USER).await, LinkError::SplitMasters);
}

#[tokio::test]
async fn mark_that_does_not_come_renews_both_connections() {
    let mut scene = LinkScene::start().await;
    scene.proxy.set_listening(Flow::AnswersLost);
    let (partition, keys) = (super::link_scene::partition(0), keys(&node(1), &channel(0)));
    assert!(scene.link.snapshot(partition, channel(0), keys, None).is_some());
    let away = scene.until(|seen| matches!(seen, Seen::Away(_))).await;
    assert_eq!(away, Seen::Away(LinkError::MarkMissing));
    scene.proxy.set(Flow::Open);
    scene.until(|seen| *seen == Seen::Subscribed(topic())).await;
}
