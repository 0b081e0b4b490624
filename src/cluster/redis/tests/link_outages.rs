//! Cut, stalled and one-sided connections.

use super::{
    link_scene::{LinkScene, Seen, topic},
    names::{channel, keys, node},
    proxy::Flow,
    server::{RedisServer, ask},
};
use crate::cluster::redis::{lane::CommandKind, link::LinkError, refusals::Refusal};

fn is_up(seen: &Seen) -> bool {
    matches!(seen, Seen::Up { .. })
}

fn is_away(seen: &Seen) -> bool {
    matches!(seen, Seen::Away(_))
}

/// Everything was heard once, and in order.
fn assert_heard(scene: &mut LinkScene, events: u64) {
    let expected: Vec<_> = (1..=events).collect();
    assert_eq!(scene.own.events, expected, "this node");
    assert_eq!(scene.other.events(), expected, "another node");
}

#[tokio::test]
async fn je2_answers_that_are_lost_neither_lose_nor_swap_nor_repeat_an_event() {
    let mut scene = LinkScene::start().await;
    (1..=1000).for_each(|event| scene.publish(event));
    scene.proxy.set_talking(Flow::AnswersLost);
    (1001..=1500).for_each(|event| scene.publish(event));
    let away = scene.until(is_away).await;
    assert_eq!(away, Seen::Away(LinkError::Silent));
    (1501..=2000).for_each(|event| scene.publish(event));
    scene.proxy.set(Flow::Open);
    scene.until_done(1..=2000).await;
    scene.until_heard(2000).await;
    assert_heard(&mut scene, 2000);
    assert_eq!(scene.backlog.bytes(), 0);
}

#[tokio::test]
async fn cut_connections_come_back_with_their_topics_and_what_waited() {
    for cut_talking in [true, false] {
        let mut scene = LinkScene::start().await;
        scene.publish(1);
        scene.until_done([1]).await;
        scene.until_heard(1).await;
        match cut_talking {
            true => scene.proxy.set_talking(Flow::Cut),
            false => scene.proxy.set_listening(Flow::Cut),
        }
        assert_eq!(scene.until(is_away).await, Seen::Away(LinkError::Closed));
        assert!(!scene.link.is_up());
        scene.publish(2);
        scene.proxy.set(Flow::Open);
        let back = scene.until(is_up).await;
        assert!(matches!(back, Seen::Up { changed: false, .. }));
        scene.until_done([2]).await;
        scene.until_heard(2).await;
        assert_heard(&mut scene, 2);
    }
}

#[tokio::test]
async fn stalled_master_is_away_and_keeps_the_backlog() {
    let mut scene = LinkScene::start().await;
    scene.proxy.set(Flow::Stalled);
    (1..=10).for_each(|event| scene.publish(event));
    assert_eq!(scene.until(is_away).await, Seen::Away(LinkError::Silent));
    assert!(scene.backlog.bytes() > 0);
    scene.proxy.set(Flow::Open);
    scene.until_done(1..=10).await;
    scene.until_heard(10).await;
    assert_heard(&mut scene, 10);
}

/// The engine's order is the order of all, and a short stall changes nothing of it.
#[tokio::test]
async fn j23_stall_of_600_ms_leaves_one_order_on_all_nodes() {
    let mut scene = LinkScene::start().await;
    scene.proxy.set_talking(Flow::Stalled);
    (1..=20).for_each(|event| scene.publish(event));
    let stall = tokio::time::sleep(std::time::Duration::from_millis(600));
    tokio::pin!(stall);
    let ended = tokio::select! {
        () = &mut stall => true,
        _ = scene.until(|_| false) => false,
    };
    assert!(ended);
    // Another node's event comes first for all of them.
    let mut command = redis::cmd("SPUBLISH");
    let foreign = [&[1][..], &[0; 7], &[0], &99_u64.to_be_bytes()].concat();
    ask(&mut scene.server.connect(), command.arg(&topic()[..]).arg(foreign)).expect("an event");
    scene.proxy.set(Flow::Open);
    scene.until_done(1..=20).await;
    scene.until_heard(20).await;
    assert_heard(&mut scene, 20);
}

#[tokio::test]
async fn je16_event_of_the_backlog_arrives_and_engine_time_is_measured_anew() {
    let mut scene = LinkScene::start().await;
    let first = scene.seen.iter().find_map(engine_time).expect("a time");
    scene.proxy.set(Flow::Cut);
    scene.until(is_away).await;
    scene.publish(1);
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    scene.proxy.set(Flow::Open);
    let connected = scene.until(|seen| engine_time(seen).is_some()).await;
    let second = engine_time(&connected).expect("a time");
    assert!(second > first, "{first} {second}");
    scene.until_heard(1).await;
    assert_heard(&mut scene, 1);
}

fn engine_time(seen: &Seen) -> Option<u64> {
    match seen {
        Seen::Connected { engine_time_ms } => Some(*engine_time_ms),
        _ => None,
    }
}

#[tokio::test]
async fn events_expire_while_the_master_is_away_and_state_does_not() {
    let mut scene = LinkScene::start().await;
    scene.proxy.set(Flow::Cut);
    scene.until(is_away).await;
    scene.publish(1);
    let mut state = redis::cmd("PING");
    state.arg("x");
    scene.link.push(super::link_scene::partition(0), CommandKind::State, state, 2);
    scene.until(|seen| *seen == Seen::Expired(1)).await;
    scene.proxy.set(Flow::Open);
    scene.until_done([2]).await;
    assert!(scene.other.events().is_empty());
    assert_eq!(scene.backlog.bytes(), 0);
}

#[tokio::test]
async fn reads_do_not_wait_for_a_master() {
    let mut scene = LinkScene::start().await;
    scene.link.read(vec![redis::cmd("PING")], 1);
    scene.until(|seen| *seen == Seen::Read(1)).await;
    scene.proxy.set_talking(Flow::Stalled);
    scene.link.read(vec![redis::cmd("PING")], 2);
    scene.until(|seen| *seen == Seen::ReadLost(2)).await;
    scene.link.read(vec![redis::cmd("PING")], 3);
    scene.until(|seen| *seen == Seen::ReadLost(3)).await;
}

/// The new master has none of the data. The floor is the first that reaches it.
#[tokio::test]
async fn another_master_is_told_and_gets_the_floor_before_anything_else() {
    let mut scene = LinkScene::start().await;
    scene.link.saw_number(super::link_scene::partition(0), 1 << 52);
    let second = RedisServer::start();
    super::link_scene::add_user(&second, super::engine::ACL);
    scene.proxy.set(Flow::Cut);
    scene.until(is_away).await;
    scene.proxy.set_targets(&[second.port()]);
    scene.proxy.said();
    scene.publish_last(1);
    scene.proxy.set(Flow::Open);
    let back = scene.until(is_up).await;
    assert!(matches!(back, Seen::Up { changed: true, .. }));
    scene.until_done([1]).await;
    let mut floor = redis::cmd("HGET");
    floor.arg(&keys(&node(1), &channel(0)).f[..]).arg("n");
    let floor: u64 = floor.query(&mut second.connect()).expect("a floor");
    assert_eq!(floor, (1 << 52) + 1);
    scene.until_heard(1).await;
    assert_eq!(scene.own.numbers.last().map(|(_, number)| *number), Some((1 << 52) + 1));
    let said = scene.proxy.said();
    let at = |name: &[u8]| said.windows(name.len()).position(|part| part == name);
    let (name, load) = (at(b"SETNAME"), at(b"LOAD"));
    let (floor, event) = (at(b"{7}f"), at(b"{7}l:"));
    assert!(name.is_some() && name < load && load < floor && floor < event);
}

fn set_memory(scene: &LinkScene, bytes: &str) {
    let mut set = redis::cmd("CONFIG");
    set.arg("SET").arg("maxmemory").arg(bytes);
    ask(&mut scene.server.connect(), &set).expect("OK");
}

/// The link stays up, and events that nothing keeps go on.
#[tokio::test]
async fn j28_full_memory_is_told_when_it_begins_and_when_it_ends() {
    let mut scene = LinkScene::start().await;
    set_memory(&scene, "1");
    scene.publish_last(1);
    scene.until(|seen| *seen == Seen::NotDone(1, Refusal::Full)).await;
    scene.publish_last(2);
    scene.until(|seen| *seen == Seen::NotDone(2, Refusal::Full)).await;
    scene.until_done([1, 2]).await;
    scene.until_heard(2).await;
    assert!(scene.link.is_up() && scene.link.is_full());
    set_memory(&scene, "0");
    scene.until(|seen| *seen == Seen::MemoryChanged { is_full: false }).await;
    let told = scene.seen.iter().filter(|seen| matches!(seen, Seen::MemoryChanged { .. })).count();
    assert_eq!(told, 2, "{:?}", scene.seen);
    assert!(!scene.seen.iter().any(|seen| matches!(seen, Seen::Away(_))), "{:?}", scene.seen);
}

/// Nothing that is sent needs memory: the proof of the master finds it out.
#[tokio::test]
async fn full_memory_is_noticed_among_plain_events() {
    let mut scene = LinkScene::start().await;
    set_memory(&scene, "1");
    let mut event = 0;
    while !scene.link.is_full() {
        event += 1;
        assert!(event < 1_000_000, "it is not noticed");
        scene.publish(event);
        scene.until_done([event]).await;
    }
    assert!(scene.link.is_up());
}
