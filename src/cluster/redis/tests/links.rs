//! Links to the masters of a Redis Cluster: its slots move, and its masters die.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use redis::Value;

use super::{
    links_scene::{LinksNode, layout, slot, topic},
    masters::Masters,
    server::RedisServer,
};
use crate::cluster::{
    names::{Partition, PartitionSet},
    redis::link::LinkError,
};

fn partition(index: usize) -> Partition {
    Partition::all().nth(index).expect("a partition")
}

async fn start(masters: &Masters, nodes: u8) -> Vec<LinksNode> {
    let mut nodes: Vec<_> =
        (1..=nodes).map(|number| LinksNode::new(masters.servers[1].port(), number)).collect();
    LinksNode::until(&mut nodes, "all partitions have a master", |nodes| {
        nodes.iter().all(LinksNode::is_whole)
    })
    .await;
    nodes
}

async fn follow(nodes: &mut [LinksNode], partition: Partition) {
    nodes.iter_mut().for_each(|node| node.follow(partition));
    LinksNode::until(nodes, "the topic is heard", |nodes| {
        nodes.iter().all(|node| node.subscribed.contains(&topic(partition)))
    })
    .await;
}

/// Everything was heard once, and in one order.
fn assert_heard(nodes: &[LinksNode], events: u64) {
    let (first, second) = (&nodes[0].receiver.events, &nodes[1].receiver.events);
    assert_eq!(first, second, "one order");
    let mut sorted = first.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, (1..=events).collect::<Vec<_>>(), "each event once");
}

#[tokio::test]
async fn j12_commands_topics_and_reads_find_the_masters_of_their_slots() {
    let masters = Masters::start(0);
    let mut nodes = start(&masters, 1).await;
    let node = &mut nodes[0];
    assert!(node.changed.is_empty(), "there was no other master before");
    for (event, partition) in (1..).zip(Partition::all()) {
        node.follow(partition);
        node.publish_last(partition, event);
    }
    // One answer for keys of all masters, in the order of the question.
    let floor = |partition| layout().partition(partition).floor();
    let exists = |partition| {
        let mut command = redis::cmd("EXISTS");
        command.arg(floor(partition)).clone()
    };
    node.links.read(Partition::all().map(exists).chain([redis::cmd("PING")]).collect(), 9);
    LinksNode::until(&mut nodes, "all is done and heard", |nodes| {
        let node = &nodes[0];
        let topics = Partition::all().all(|it| node.subscribed.contains(&topic(it)));
        node.done.len() == Partition::COUNT && topics && !node.reads.is_empty()
    })
    .await;
    let (token, answers) = &nodes[0].reads[0];
    let (ping, floors) = answers.split_last().expect("answers");
    assert_eq!((*token, floors.len()), (9, Partition::COUNT));
    assert!(floors.iter().all(|floor| *floor == Value::Int(1)), "{floors:?}");
    assert_eq!(*ping, Value::SimpleString("PONG".into()));
}

#[tokio::test]
async fn j13_moved_slot_under_traffic_keeps_one_order_and_loses_nothing() {
    const EVENTS: u64 = 3000;
    let masters = Masters::start(0);
    let mut nodes = start(&masters, 2).await;
    let moved = partition(7);
    follow(&mut nodes, moved).await;
    let from = Masters::master_of(slot(moved));
    let to = (from + 1) % 3;
    let mut event = 0;
    while event < EVENTS {
        for _ in 0..5 {
            event += 1;
            match event % 2 {
                0 => nodes[0].publish(moved, event),
                _ => nodes[0].publish_last(moved, event),
            }
        }
        LinksNode::run_for(&mut nodes, Duration::from_millis(2)).await;
        if event == EVENTS / 2 {
            masters.move_slot(slot(moved), from, to, || {});
        }
    }
    LinksNode::until(&mut nodes, "all is done and heard", |nodes| {
        let heard = nodes.iter().all(|node| node.receiver.events.len() == EVENTS as usize);
        nodes[0].done.len() == EVENTS as usize && heard
    })
    .await;
    assert_heard(&nodes, EVENTS);
    for node in &nodes {
        let only = [moved].into_iter().collect::<PartitionSet>();
        assert_eq!(node.changed, only, "its master is another one");
        assert!(node.away.is_empty() && node.is_whole(), "{:?}", node.errors);
    }
    // The numbers went on as well.
    let numbers = &nodes[1].receiver.numbers;
    assert!(numbers.windows(2).all(|pair| pair[1].0 == pair[0].1), "each names the one before");
}

/// Commands of several keys are refused while the slot moves. After a second its partition is away.
#[tokio::test]
async fn je1_slot_that_moves_for_long_is_away_alone_and_comes_back() {
    let masters = Arc::new(Masters::start(0));
    let mut nodes = start(&masters, 2).await;
    let moved = partition(40);
    follow(&mut nodes, moved).await;
    nodes[0].publish_last(moved, 1);
    LinksNode::until(&mut nodes, "the first event", |nodes| nodes[0].done.contains(&1)).await;
    let from = Masters::master_of(slot(moved));
    let (go_on, half_way) = mpsc::channel::<()>();
    let (told, are_moved) = mpsc::channel();
    let mover = std::thread::spawn({
        let masters = masters.clone();
        move || {
            masters.move_slot(slot(moved), from, (from + 1) % 3, || {
                told.send(()).expect("the test waits");
                half_way.recv().expect("the test goes on");
            });
        }
    });
    are_moved.recv().expect("the keys are moved");
    nodes[0].publish_last(moved, 2);
    LinksNode::until(&mut nodes, "the partition is away", |nodes| !nodes[0].away.is_empty()).await;
    let only = [moved].into_iter().collect::<PartitionSet>();
    assert_eq!((nodes[0].away, nodes[1].away), (only, PartitionSet::default()));
    assert_eq!(nodes[0].errors, [LinkError::Unserved]);
    assert!(nodes[0].refused > 1 && !nodes[0].done.contains(&2));
    go_on.send(()).expect("it moves on");
    mover.join().expect("the slot has moved");
    LinksNode::until(&mut nodes, "the second event", |nodes| {
        nodes.iter().all(|node| node.receiver.events == [1, 2] && node.is_whole())
    })
    .await;
}

#[tokio::test]
async fn j11_killed_master_is_replaced_by_its_replica_and_others_go_on() {
    let masters = Masters::start(2);
    let mut nodes = start(&masters, 2).await;
    let (doomed, other) = (partition(127), partition(0));
    assert_eq!(Masters::master_of(slot(doomed)), 2);
    follow(&mut nodes, doomed).await;
    follow(&mut nodes, other).await;
    nodes[0].publish_last(doomed, 1);
    LinksNode::until(&mut nodes, "the first event", |nodes| nodes[0].done.contains(&1)).await;
    masters.servers[2].kill();
    LinksNode::until(&mut nodes, "its partitions are away", |nodes| {
        nodes.iter().all(|node| !node.reached.contains(doomed))
    })
    .await;
    nodes[0].publish_last(doomed, 2);
    nodes[0].publish_last(other, 3);
    LinksNode::until(&mut nodes, "another partition goes on", |nodes| nodes[0].done.contains(&3))
        .await;
    assert!(!nodes[0].done.contains(&2), "it waits for a master");
    // A question to both has an answer for one.
    let read = |partition| {
        let mut command = redis::cmd("EXISTS");
        command.arg(layout().partition(partition).floor()).clone()
    };
    nodes[0].links.read(vec![read(doomed), read(other)], 5);
    LinksNode::until(&mut nodes, "an answer", |nodes| !nodes[0].reads.is_empty()).await;
    let (_, answers) = &nodes[0].reads[0];
    assert!(matches!(answers[..], [Value::ServerError(_), Value::Int(1)]), "{answers:?}");
    LinksNode::until(&mut nodes, "all partitions have a master", |nodes| {
        nodes.iter().all(LinksNode::is_whole) && nodes[0].done.contains(&2)
    })
    .await;
    for node in &nodes {
        let on_third =
            Partition::all().filter(|partition| Masters::master_of(slot(*partition)) == 2);
        assert_eq!(node.changed, on_third.collect(), "no other has another master");
    }
}

#[tokio::test]
async fn redis_that_is_no_cluster_is_told() {
    let server = RedisServer::start();
    let mut nodes = [LinksNode::new(server.port(), 1)];
    LinksNode::until(&mut nodes, "an error", |nodes| !nodes[0].errors.is_empty()).await;
    assert_eq!(nodes[0].errors[0], LinkError::NotCluster);
}
