//! Topics that are asked for, change, move and come back.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn partition(index: usize) -> TopicGroup {
    TopicGroup::Partition(Partition::all().nth(index).expect("a partition"))
}

fn topic(number: usize) -> Bytes {
    Bytes::from(format!("topic {number}"))
}

/// The name of the command and its topics, in any order.
fn read(command: &Cmd) -> (String, Vec<Bytes>) {
    let mut words = command.args_iter().filter_map(|arg| match arg {
        redis::Arg::Simple(word) => Some(Bytes::copy_from_slice(word)),
        _ => None,
    });
    let name = words.next().expect("a name");
    (str::from_utf8(&name).expect("text").to_owned(), words.collect())
}

/// Confirms all commands; each with its time.
fn settle(topics: &mut Topics, start: Instant) -> Vec<(Instant, usize)> {
    let (mut now, mut commands) = (start, Vec::new());
    while !topics.are_settled() {
        now = topics.next_at(now).expect("a next command").max(now);
        let Some(command) = topics.next_command(now) else { continue };
        let (name, names) = read(&command);
        let change = match name.as_str() {
            "SSUBSCRIBE" => TopicChange::Subscribe,
            _ => TopicChange::Unsubscribe,
        };
        assert!(topics.next_command(now + SECOND).is_none(), "one command at a time");
        commands.push((now, names.len()));
        for name in names {
            let confirmation = topics.confirmed(change, &name);
            assert!(!matches!(confirmation, Confirmation::Ended(_)));
        }
    }
    commands
}

#[test]
fn j12_command_has_topics_of_one_partition_and_500_at_most() {
    let mut topics = Topics::default();
    let partitions: HashMap<Bytes, usize> =
        (0..1200).map(|number| (topic(number), usize::from(number >= 1100))).collect();
    for (name, at) in &partitions {
        topics.subscribe(partition(*at), name.clone());
    }
    let (mut now, mut sizes) = (Instant::now(), Vec::new());
    while let Some(command) = topics.next_command(now) {
        let (_, names) = read(&command);
        sizes.push(names.len());
        let first = partitions[&names[0]];
        for name in names {
            assert_eq!(partitions[&name], first);
            let confirmation = topics.confirmed(TopicChange::Subscribe, &name);
            assert_eq!(confirmation, Confirmation::Subscribed);
        }
        now += SECOND;
    }
    // The partitions take turns.
    assert_eq!(sizes, [500, 100, 500, 100]);
}

#[test]
fn j20_reconnection_asks_for_all_topics_again_at_a_bounded_rate() {
    let mut topics = Topics::default();
    let start = Instant::now();
    for number in 0..10_000 {
        topics.subscribe(partition(number % 128), topic(number));
    }
    settle(&mut topics, start);
    topics.unsubscribe(&topic(3));
    topics.connection_lost();
    let commands = settle(&mut topics, start);
    assert_eq!(commands.iter().map(|(_, topics)| topics).sum::<usize>(), 9_999);
    let (last, size) = commands.last().expect("commands");
    let whole = *last - start + SECOND / TOPICS_PER_SECOND * *size as u32;
    assert_eq!(whole, SECOND / TOPICS_PER_SECOND * 9_999);
}

#[test]
fn topic_that_changes_on_its_way_ends_as_wanted() {
    let mut topics = Topics::default();
    let now = Instant::now();
    topics.subscribe(partition(0), topic(1));
    assert!(topics.next_command(now).is_some());
    topics.unsubscribe(&topic(1));
    let subscribed = topics.confirmed(TopicChange::Subscribe, &topic(1));
    assert_eq!(subscribed, Confirmation::Outdated);
    let (name, _) = read(&topics.next_command(now + SECOND).expect("a command"));
    assert_eq!(name, "SUNSUBSCRIBE");
    topics.subscribe(partition(0), topic(1));
    let unsubscribed = topics.confirmed(TopicChange::Unsubscribe, &topic(1));
    assert_eq!(unsubscribed, Confirmation::Outdated);
    assert_eq!(settle(&mut topics, now + SECOND * 2).len(), 1);
    topics.unsubscribe(&topic(1));
    settle(&mut topics, now + SECOND * 3);
    assert!(topics.topics.is_empty());
}

#[test]
fn topic_that_is_wanted_again_before_its_end_needs_no_confirmation() {
    let mut topics = Topics::default();
    let now = Instant::now();
    assert!(!topics.subscribe(partition(0), topic(1)));
    settle(&mut topics, now);
    topics.unsubscribe(&topic(1));
    assert!(topics.subscribe(partition(0), topic(1)));
    assert!(settle(&mut topics, now + SECOND).is_empty());
    // Once Redis has been asked to end it, only a confirmation tells when it begins.
    topics.unsubscribe(&topic(1));
    assert!(topics.next_command(now + SECOND * 2).is_some());
    assert!(!topics.subscribe(partition(0), topic(1)));
}

#[test]
fn topic_that_is_given_up_before_it_was_asked_for_is_forgotten() {
    let mut topics = Topics::default();
    topics.subscribe(partition(0), topic(1));
    topics.unsubscribe(&topic(1));
    assert!(topics.next_command(Instant::now()).is_none());
    assert!(topics.are_settled() && topics.topics.is_empty());
}

#[test]
fn topics_on_their_way_are_not_heard() {
    let mut topics = Topics::default();
    let now = Instant::now();
    (1..=2).for_each(|number| assert!(!topics.subscribe(partition(0), topic(number))));
    assert_eq!(topics.heard().count(), 0);
    settle(&mut topics, now);
    topics.unsubscribe(&topic(1));
    assert!(topics.next_command(now + SECOND).is_some());
    // Redis may have ended it by now.
    topics.subscribe(partition(0), topic(1));
    assert_eq!(topics.heard().collect::<Vec<_>>(), [&topic(2)]);
}

#[test]
fn subscription_that_redis_ends_is_told() {
    let mut topics = Topics::default();
    topics.subscribe(partition(0), topic(1));
    settle(&mut topics, Instant::now());
    let ended = topics.confirmed(TopicChange::Unsubscribe, &topic(1));
    assert_eq!(ended, Confirmation::Ended(partition(0)));
    let unknown = topics.confirmed(TopicChange::Unsubscribe, &topic(2));
    assert_eq!(unknown, Confirmation::Outdated);
}

#[test]
fn ju15_group_leaves_when_all_its_topics_have_ended() {
    let mut topics = Topics::default();
    let now = Instant::now();
    (1..=3).for_each(|number| _ = topics.subscribe(partition(0), topic(number)));
    topics.subscribe(partition(1), topic(9));
    settle(&mut topics, now);
    // A fourth topic is asked for when its slot has moved already.
    topics.subscribe(partition(0), topic(4));
    assert!(topics.next_command(now + SECOND).is_some());
    for number in 1..=2 {
        let ended = topics.confirmed(TopicChange::Unsubscribe, &topic(number));
        assert_eq!(ended, Confirmation::Ended(partition(0)));
    }
    topics.begin_leaving(partition(0));
    assert_eq!(topics.refused(), Some(partition(0)));
    assert!(!topics.has_ended(partition(0)) && topics.are_settled());
    topics.confirmed(TopicChange::Unsubscribe, &topic(3));
    assert!(topics.has_ended(partition(0)) && !topics.has_ended(partition(1)));
    // What changes meanwhile is for the next master.
    topics.unsubscribe(&topic(1));
    topics.subscribe(partition(0), topic(5));
    assert!(topics.next_command(now + SECOND * 2).is_none());
    let mut taken = topics.take_group(partition(0));
    taken.sort_unstable();
    assert_eq!(taken, [2, 3, 4, 5].map(topic));
    assert_eq!(topics.heard().collect::<Vec<_>>(), [&topic(9)]);
    topics.subscribe(partition(0), topic(1));
    assert_eq!(settle(&mut topics, now + SECOND * 3).len(), 1);
}

#[test]
fn later_topics_do_not_hold_up_the_restoration() {
    let (mut topics, mut now) = (Topics::default(), Instant::now());
    (0..3).for_each(|number| assert!(!topics.subscribe(partition(number), topic(number))));
    topics.unsubscribe(&topic(2));
    topics.connected();
    for next in 3..100 {
        if topics.are_restored() {
            return assert!(next <= 7, "{next}");
        }
        let (_, names) = read(&topics.next_command(now).expect("a command"));
        for name in names {
            topics.confirmed(TopicChange::Subscribe, &name);
        }
        topics.subscribe(partition(next), topic(next));
        now += SECOND;
    }
    panic!("never restored");
}

#[test]
fn topics_that_are_given_up_or_move_are_not_waited_for() {
    let mut topics = Topics::default();
    (1..=2).for_each(|number| assert!(!topics.subscribe(partition(number), topic(number))));
    topics.connected();
    assert!(!topics.are_restored());
    topics.unsubscribe(&topic(1));
    topics.begin_leaving(partition(2));
    assert!(topics.are_restored());
}
