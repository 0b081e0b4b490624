//! A silent master, and what happens to its connections.

use std::time::Duration;

use bytes::Bytes;

use super::{
    engine::ACL,
    link_scene::{LinkScene, Seen, USER, add_user, endpoint, link_to, partition, topic},
    names::{channel, keys, node},
    proxy::Flow,
    server::{RedisServer, ask},
};
use crate::cluster::redis::{link::LinkError, listener::TopicGroup};

fn is_up(seen: &Seen) -> bool {
    matches!(seen, Seen::Up { .. })
}

fn is_away(seen: &Seen) -> bool {
    matches!(seen, Seen::Away(_))
}

/// How often connections were opened.
fn openings(scene: &LinkScene) -> usize {
    scene.seen.iter().filter(|seen| matches!(seen, Seen::Connected { .. })).count()
}

/// Lets the link run for this time.
async fn run_for(scene: &mut LinkScene, time: Duration) {
    let ended = tokio::time::timeout(time, scene.until(|_| false)).await;
    assert!(ended.is_err());
}

fn assert_heard(scene: &mut LinkScene, events: &[u64]) {
    assert_eq!(scene.own.events, events, "this node");
    assert_eq!(scene.other.events(), events, "another node");
}

#[tokio::test]
async fn j_stopped_redis_goes_on_with_the_same_connections() {
    let mut scene = LinkScene::start().await;
    scene.server.stop();
    (1..=10).for_each(|event| scene.publish(event));
    assert_eq!(scene.until(is_away).await, Seen::Away(LinkError::Silent));
    assert!(!scene.link.is_up());
    (11..=20).for_each(|event| scene.publish(event));
    run_for(&mut scene, Duration::from_secs(1)).await;
    scene.seen.clear();
    scene.server.go_on();
    assert_eq!(scene.until(is_up).await, Seen::Up { changed: false });
    // The owner learns again what is heard.
    assert!(scene.seen.contains(&Seen::Subscribed(topic())));
    scene.until_done(1..=20).await;
    scene.until_heard(20).await;
    assert_heard(&mut scene, &(1..=20).collect::<Vec<_>>());
    assert_eq!((openings(&scene), scene.backlog.bytes()), (0, 0));
    let mark = scene.link.snapshot(partition(0), channel(0), keys(&node(1), &channel(0)), None);
    let mark = mark.expect("it is up");
    scene.until(|seen| *seen == Seen::Mark(mark.snapshot)).await;
}

/// Redis answers the old connections before the new ones that were opened in vain.
#[tokio::test]
async fn j_stop_of_15_seconds_loses_what_waited_for_too_long_and_nothing_else() {
    let mut scene = LinkScene::start().await;
    scene.server.stop();
    scene.publish(1);
    scene.until(is_away).await;
    scene.publish(2);
    scene.seen.clear();
    run_for(&mut scene, Duration::from_secs(13)).await;
    assert!(scene.seen.contains(&Seen::Expired(2)));
    let failed = scene.seen.iter().filter(|seen| is_away(seen)).count();
    assert!(failed > 0, "others were tried");
    scene.publish(3);
    scene.server.go_on();
    scene.until(is_up).await;
    scene.until_done([1, 3]).await;
    scene.until_heard(2).await;
    assert_heard(&mut scene, &[1, 3]);
    assert_eq!(openings(&scene), 0);
}

#[tokio::test]
async fn j_connections_without_an_end_are_replaced_when_they_stay_silent() {
    let mut scene = LinkScene::start().await;
    scene.publish(1);
    scene.until_done([1]).await;
    scene.until_heard(1).await;
    scene.proxy.stall_present();
    scene.seen.clear();
    scene.publish(2);
    assert_eq!(scene.until(is_away).await, Seen::Away(LinkError::Silent));
    scene.publish(3);
    assert_eq!(scene.until(is_up).await, Seen::Up { changed: false });
    scene.until_done([2, 3]).await;
    scene.until_heard(3).await;
    assert_heard(&mut scene, &[1, 2, 3]);
    assert_eq!(openings(&scene), 1);
}

#[tokio::test]
async fn mark_that_is_late_leaves_the_connections() {
    let mut scene = LinkScene::start().await;
    scene.seen.clear();
    scene.proxy.set_listening(Flow::Stalled);
    let mark = scene.link.snapshot(partition(0), channel(0), keys(&node(1), &channel(0)), None);
    let mark = mark.expect("it is up");
    assert_eq!(scene.until(is_away).await, Seen::Away(LinkError::MarkMissing));
    run_for(&mut scene, Duration::from_secs(1)).await;
    scene.proxy.set(Flow::Open);
    scene.until(|seen| *seen == Seen::Mark(mark.snapshot)).await;
    scene.until(is_up).await;
    assert_eq!(openings(&scene), 0);
}

/// The owner forgets what was subscribed before a stall, and is told again after it.
#[tokio::test]
async fn stall_while_topics_are_restored_forgets_none() {
    const TOPICS: usize = 5000;
    let mut scene = LinkScene::start().await;
    let names = (0..TOPICS).map(|at| Bytes::from(format!("SC1:{{7}}t:more {at}")));
    let names: Vec<_> = names.collect();
    names
        .iter()
        .for_each(|name| scene.link.subscribe(TopicGroup::Partition(partition(0)), name.clone()));
    scene.until(|seen| *seen == Seen::Subscribed(names[TOPICS - 1].clone())).await;
    scene.proxy.set(Flow::Cut);
    scene.until(is_away).await;
    scene.proxy.set(Flow::Open);
    scene.until(|seen| matches!(seen, Seen::Subscribed(_))).await;
    scene.server.stop();
    scene.seen.clear();
    scene.until(is_away).await;
    scene.seen.clear();
    scene.server.go_on();
    scene.until(is_up).await;
    let told = |name: &Bytes| scene.seen.contains(&Seen::Subscribed(name.clone()));
    assert!(names.iter().all(told));
    assert_eq!(openings(&scene), 0);
}

/// Redis has ended the talking connection alone, or a proxy has.
#[tokio::test]
async fn j_events_of_others_are_heard_while_the_talking_connection_is_lost() {
    let mut scene = LinkScene::start().await;
    scene.publish(1);
    scene.until_done([1]).await;
    scene.seen.clear();
    scene.proxy.set_talking(Flow::Cut);
    assert_eq!(scene.until(is_away).await, Seen::Away(LinkError::Closed));
    let mut command = redis::cmd("SPUBLISH");
    command.arg(&topic()[..]).arg(&scene.seal(2)[..]);
    ask(&mut scene.server.connect(), &command).expect("an event");
    scene.until_heard(2).await;
    assert!(!scene.link.is_up());
    scene.publish(3);
    scene.proxy.set(Flow::Open);
    assert_eq!(scene.until(is_up).await, Seen::Up { changed: false });
    assert!(scene.seen.contains(&Seen::Subscribed(topic())));
    scene.until_done([3]).await;
    scene.until_heard(3).await;
    assert_heard(&mut scene, &[1, 2, 3]);
    assert_eq!(openings(&scene), 0);
}

/// The next talking connection leads to a Redis that the kept one does not hear.
#[tokio::test]
async fn listening_connection_to_another_redis_is_not_kept() {
    let mut scene = LinkScene::start().await;
    let second = RedisServer::start();
    add_user(&second, ACL);
    scene.proxy.set_talking(Flow::Cut);
    scene.until(is_away).await;
    scene.proxy.set_targets(&[second.port()]);
    scene.seen.clear();
    scene.proxy.set(Flow::Open);
    assert_eq!(scene.until(is_up).await, Seen::Up { changed: true });
    assert_eq!(openings(&scene), 1);
    scene.publish(1);
    scene.until_heard(1).await;
}

#[tokio::test]
async fn stop_during_the_first_connection_is_told_and_passes() {
    let mut scene = LinkScene::start().await;
    scene.server.stop();
    let endpoint = endpoint(scene.proxy.port, USER);
    scene.link = link_to(endpoint, &scene.scripts, &scene.backlog);
    scene.publish(1);
    assert_eq!(scene.until(is_away).await, Seen::Away(LinkError::Silent));
    scene.server.go_on();
    scene.until(is_up).await;
    scene.until_done([1]).await;
}

/// A short stall is no outage.
#[tokio::test]
async fn stop_of_half_a_second_is_not_told() {
    let mut scene = LinkScene::start().await;
    scene.seen.clear();
    scene.server.stop();
    scene.publish(1);
    run_for(&mut scene, Duration::from_millis(500)).await;
    scene.server.go_on();
    scene.until_done([1]).await;
    assert!(!scene.seen.iter().any(is_away));
}
