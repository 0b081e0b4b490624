//! Pitfalls of the connections, each by its row in docs/internals/cluster.md.

use super::{
    link_scene::{LinkScene, Seen, partition, topic},
    names::{channel, keys, node, user},
    proxy::Flow,
    scene::{join_verb, leave_verb},
    server::{RedisServer, ask},
};
use crate::cluster::redis::{
    link::LinkError,
    listener::TopicGroup,
    refusals::Refusal,
    scripts::Scripts,
    verbs::{Fence, Verb},
};

fn administer(server: &RedisServer, words: &[&str]) {
    let mut command = redis::cmd(words[0]);
    words[1..].iter().for_each(|word| {
        command.arg(word);
    });
    ask(&mut server.connect(), &command).expect("an answer");
}

fn limit_readers_of_topics(server: &RedisServer, limits: &str) {
    let limits = format!("pubsub {limits}");
    administer(server, &["CONFIG", "SET", "client-output-buffer-limit", &limits]);
}

#[tokio::test]
async fn j22_je1_forgotten_scripts_within_a_pipeline_lose_no_event() {
    let mut scene = LinkScene::start().await;
    administer(&scene.server, &["SCRIPT", "FLUSH"]);
    for event in 1..=100 {
        match event % 2 {
            0 => scene.publish(event),
            _ => scene.publish_last(event),
        }
    }
    scene.until_done(1..=100).await;
    scene.until_heard(100).await;
    assert!(scene.seen.contains(&Seen::NotDone(1, Refusal::ScriptMissing)));
    for events in [scene.own.events.clone(), scene.other.events().to_vec()] {
        // The refused ones come behind those that passed, in the same order on all nodes.
        let expected: Vec<_> = (2..=100).step_by(2).chain((1..=100).step_by(2)).collect();
        assert_eq!(events, expected);
    }
    // Later ones find the scripts.
    scene.publish_last(101);
    scene.until_done([101]).await;
    assert!(!scene.seen.contains(&Seen::NotDone(101, Refusal::ScriptMissing)));
    assert!(!scene.seen.iter().any(|seen| matches!(seen, Seen::Away(_))));
}

/// A replica confirms events that reach nobody.
#[tokio::test]
async fn j11_je9_demoted_master_that_answers_is_away() {
    let mut scene = LinkScene::start().await;
    scene.publish(1);
    scene.until_done([1]).await;
    administer(&scene.server, &["REPLICAOF", "127.0.0.1", "1"]);
    let mut event = 1;
    while scene.link.is_up() {
        event += 1;
        assert!(event < 1_000_000, "a replica passes for a master");
        scene.publish(event);
        scene.until(|seen| matches!(seen, Seen::Done(_) | Seen::Away(_))).await;
    }
    assert!(scene.seen.contains(&Seen::Away(LinkError::Replica)));
    administer(&scene.server, &["REPLICAOF", "NO", "ONE"]);
    let back = scene.until(|seen| matches!(seen, Seen::Up { .. })).await;
    // It may have lost what it had confirmed.
    assert!(matches!(back, Seen::Up { changed: true, .. }));
    scene.until_done(1..=event).await;
}

/// Writers go on beside the reader.
#[tokio::test]
async fn j01_snapshot_stands_at_its_mark_among_joins() {
    let mut scene = LinkScene::start().await;
    let writer = std::thread::spawn({
        let mut connection = scene.server.connect();
        move || {
            let (scripts, names) = (Scripts::new(), keys(&node(1), &channel(0)));
            for at in 0..300 {
                let join = join_verb(1, at % 7, *b"info one", 0);
                let leave = leave_verb(1, (at + 3) % 7, 0, Fence::Heeded);
                for verb in [join, leave] {
                    ask(&mut connection, &verb.command(&scripts, &names)).expect("an answer");
                }
            }
        }
    });
    let mut snapshots = 0;
    while !writer.is_finished() || snapshots < 20 {
        snapshots += 1;
        let names = keys(&node(1), &channel(0));
        let mark = scene.link.snapshot(partition(0), channel(0), names, None).expect("it is up");
        let (mut number, mut before) = (None, None);
        while number.is_none() || before.is_none() {
            match scene.until(|seen| matches!(seen, Seen::Snapshot(..) | Seen::Mark(_))).await {
                Seen::Snapshot(of, state) if of == mark.snapshot => number = state,
                Seen::Mark(of) if of == mark.snapshot => {
                    before = Some(scene.own.numbers.last().map_or(0, |(_, number)| *number));
                }
                other => panic!("{other:?}"),
            }
        }
        // The channel is as it was at the last message before the mark, or as it was before the
        // first one.
        assert!(before == number || before == Some(0), "{before:?} {number:?}");
    }
    writer.join().expect("the writer");
    let chain: Vec<_> = scene.own.numbers.windows(2).map(|pair| pair[0].1 == pair[1].0).collect();
    assert!(chain.len() > 100 && chain.iter().all(|follows| *follows));
}

/// A reader of channels is cut at a far smaller limit than a reader of answers.
#[tokio::test]
async fn je22_large_snapshots_pass_where_a_listener_would_be_cut() {
    let mut scene = LinkScene::start().await;
    limit_readers_of_topics(&scene.server, "256kb 256kb 1");
    let mut fill = redis::cmd("HSET");
    fill.arg(&keys(&node(1), &channel(0)).m[..]);
    (0..20_000).for_each(|at| {
        fill.arg(&user(at)[..]).arg(format!("12345678{}", "r".repeat(200)));
    });
    ask(&mut scene.server.connect(), &fill).expect("members");
    for _ in 0..3 {
        let names = keys(&node(1), &channel(0));
        let mark = scene.link.snapshot(partition(0), channel(0), names, None).expect("it is up");
        scene.until(|seen| *seen == Seen::Snapshot(mark.snapshot, Some(0))).await;
    }
    assert!(!scene.seen.iter().any(|seen| matches!(seen, Seen::Away(_))));
}

/// Redis would cut a listener that does not read.
#[tokio::test]
async fn j14_owner_that_does_not_read_loses_events_and_not_the_connection() {
    const EVENTS: u64 = 20_000;
    let mut scene = LinkScene::start().await;
    limit_readers_of_topics(&scene.server, "4mb 2mb 2");
    let writer = std::thread::spawn({
        let mut connection = scene.server.connect();
        move || {
            for counter in 1..=EVENTS {
                let blob =
                    [&[1; 1000][..], &counter.to_be_bytes(), &counter.to_be_bytes()].concat();
                let mut publish = redis::cmd("SPUBLISH");
                ask(&mut connection, publish.arg(&topic()[..]).arg(blob)).expect("an answer");
            }
        }
    });
    while !writer.is_finished() {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    writer.join().expect("the writer");
    let dropped = scene.until(|seen| matches!(seen, Seen::Dropped(_))).await;
    let Seen::Dropped(dropped) = dropped else { panic!("{dropped:?}") };
    scene.publish_last(EVENTS + 1);
    scene.until_done([EVENTS + 1]).await;
    assert!(!scene.seen.iter().any(|seen| matches!(seen, Seen::Away(_))));
    assert!(dropped > 0 && scene.own.events.len() as u64 + dropped <= EVENTS + 1);
}

#[tokio::test]
async fn j20_thousands_of_topics_return_after_a_cut() {
    const TOPICS: usize = 5000;
    let mut scene = LinkScene::start().await;
    let name = |at: usize| bytes::Bytes::from(format!("SC1:{{7}}t:more {at}"));
    for at in 0..TOPICS {
        scene.link.subscribe(TopicGroup::Partition(partition(0)), name(at));
    }
    let last = name(TOPICS - 1);
    scene.until(|seen| *seen == Seen::Subscribed(last.clone())).await;
    scene.link.unsubscribe(&name(0));
    scene.until(|seen| *seen == Seen::Unsubscribed(name(0))).await;
    scene.seen.clear();
    scene.proxy.set(Flow::Cut);
    scene.until(|seen| matches!(seen, Seen::Away(_))).await;
    scene.proxy.set(Flow::Open);
    scene.until(|seen| matches!(seen, Seen::Up { .. })).await;
    let back = scene.seen.iter().filter(|seen| matches!(seen, Seen::Subscribed(_))).count();
    // With the topic of the scene and that of marks.
    assert_eq!(back, TOPICS - 1 + 2);
    let count: Vec<(String, usize)> = redis::cmd("PUBSUB")
        .arg("SHARDNUMSUB")
        .arg(&last[..])
        .query(&mut scene.server.connect())
        .expect("a count");
    assert_eq!(count[0].1, 1);
}

/// A cluster of one master refuses what more would refuse.
#[tokio::test]
async fn j12_commands_and_topics_of_many_slots_are_never_mixed() {
    use crate::cluster::{
        names::{Incarnation, KeyLayout, Partition},
        redis::{
            backlog::Backlog,
            keys::Keys,
            link::{LinkPartition, PartitionNames},
        },
        settings::KeyPrefix,
    };
    let server = RedisServer::start_cluster();
    let layout = KeyLayout::new(KeyPrefix::parse("SC").expect("a prefix"));
    let backlog = Backlog::new(1 << 20);
    let places = Partition::all().map(|partition| {
        let names = layout.partition(partition);
        PartitionNames {
            partition,
            keys: Keys { f: names.floor().into(), o: names.owner().into(), ..Keys::default() },
            mark_topic: names.mark_topic(&Incarnation::from_bytes([7; 16])).into(),
        }
    });
    let scripts = std::sync::Arc::new(Scripts::new());
    let endpoint = super::link_scene::endpoint(server.port(), "");
    let settings = super::link_scene::settings(endpoint, &scripts);
    let mut link = crate::cluster::redis::link::MasterLink::new(settings);
    places.for_each(|names| link.serve(LinkPartition::new(names, &backlog)));
    for partition in Partition::all() {
        let names = layout.partition(partition);
        let keys = Keys { f: names.floor().into(), ..Keys::default() };
        let verb = Verb::Floor { came_from: "".into(), run: "run".into(), known: 1 };
        let command = verb.command(&scripts, &keys);
        let kind = crate::cluster::redis::lane::CommandKind::State;
        link.push(partition, kind, command, partition.index() as u64);
    }
    let mut done = Vec::new();
    while done.len() < Partition::COUNT {
        use crate::cluster::redis::{lane::Answered, link::LinkEvent};
        match link.next().await {
            LinkEvent::Answered(Answered::Done { token, .. }) => done.push(token),
            LinkEvent::Connected { .. } | LinkEvent::Up { .. } | LinkEvent::Subscribed(_) => {}
            LinkEvent::Away { error, .. } => panic!("{error}"),
            _ => panic!("another event"),
        }
    }
    assert_eq!(done, (0..Partition::COUNT as u64).collect::<Vec<_>>());
}

/// More commands than one pipeline takes are before it, and others behind it.
#[tokio::test]
async fn snapshot_shows_what_was_sent_before_it_and_nothing_else() {
    const BEFORE: u64 = 1200;
    let mut scene = LinkScene::start().await;
    (1..=BEFORE).for_each(|event| scene.publish_last(event));
    let keys = keys(&node(1), &channel(0));
    let mark = scene.link.snapshot(partition(0), channel(0), keys, None).expect("a mark");
    (BEFORE + 1..=BEFORE + 100).for_each(|event| scene.publish_last(event));
    let is_answer = |seen: &Seen| matches!(seen, Seen::Snapshot(of, _) if *of == mark.snapshot);
    let answer = scene.until(is_answer).await;
    let Seen::Snapshot(_, shown) = answer else { panic!("{answer:?}") };
    scene.until_heard(BEFORE as usize + 100).await;
    let (_, last_before) = scene.own.numbers[BEFORE as usize - 1];
    assert_eq!(shown, Some(last_before));
}
