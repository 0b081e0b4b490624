use proptest::prelude::*;

use super::*;

const LIMITS: Limits = Limits { bytes: 100_000, batch_events: 1, batch_delay: Duration::ZERO };

fn event(channel: &str, json: &str, since: Instant) -> Event {
    Event { channel: channel.into(), json: json.into(), since, letter: None }
}

fn queue(limits: Limits, events: &[(&str, &str)], since: Instant) -> Queue {
    let mut queue = Queue::new(limits);
    for (channel, json) in events {
        assert_eq!(queue.push(event(channel, json, since)), Place::Waits);
    }
    queue
}

fn next(queue: &mut Queue, now: Instant) -> Option<Batch> {
    match queue.next(now, false) {
        Next::Batch(batch) => Some(batch),
        Next::At(_) | Next::Nothing => None,
    }
}

fn texts(batch: &Batch) -> Vec<&str> {
    batch.events.iter().map(|event| &*event.json).collect()
}

#[test]
fn a_channel_under_way_holds_up_itself_alone() {
    let now = Instant::now();
    let mut queue = queue(LIMITS, &[("a", "a1"), ("a", "a2"), ("b", "b1")], now);
    let first = next(&mut queue, now).unwrap();
    assert_eq!(texts(&first), ["a1"]);
    let other = next(&mut queue, now).unwrap();
    assert_eq!(texts(&other), ["b1"]);
    assert!(next(&mut queue, now).is_none());
    queue.finish(&first);
    let second = next(&mut queue, now).unwrap();
    assert_eq!(texts(&second), ["a2"]);
    queue.finish(&second);
    queue.finish(&other);
    assert!(queue.is_empty() && queue.bytes() == 0 && queue.lines.is_empty());
}

#[test]
fn a_batch_waits_to_become_full_but_not_for_long() {
    let limits = Limits { batch_events: 3, batch_delay: Duration::from_secs(1), ..LIMITS };
    let now = Instant::now();
    let mut queue = queue(limits, &[("a", "a1"), ("b", "b1")], now);
    assert!(matches!(queue.next(now, false), Next::At(due) if due == now + limits.batch_delay));
    assert_eq!(queue.push(event("a", "a2", now)), Place::Waits);
    let full = next(&mut queue, now).unwrap();
    assert_eq!(texts(&full), ["a1", "a2", "b1"]);
    queue.finish(&full);
    assert_eq!(queue.push(event("a", "a3", now)), Place::Waits);
    assert!(next(&mut queue, now).is_none());
    assert_eq!(texts(&next(&mut queue, now + limits.batch_delay).unwrap()), ["a3"]);
    assert_eq!(queue.push(event("c", "c1", now)), Place::Waits);
    assert!(matches!(queue.next(now, true), Next::Batch(batch) if texts(&batch) == ["c1"]));
}

#[test]
fn a_body_has_a_size() {
    let limits = Limits { bytes: usize::MAX, batch_events: 10, ..LIMITS };
    let (now, long) = (Instant::now(), "x".repeat(BODY_BYTES / 2));
    let mut queue = queue(limits, &[("a", &long), ("b", &long), ("c", "c1")], now);
    let first = next(&mut queue, now).unwrap();
    assert_eq!(first.events.len(), 2);
    assert_eq!(texts(&next(&mut queue, now).unwrap()), ["c1"]);
    let alone = "x".repeat(2 * BODY_BYTES);
    assert_eq!(queue.push(event("d", &alone, now)), Place::Waits);
    assert_eq!(next(&mut queue, now).unwrap().events.len(), 1);
}

#[test]
fn what_finds_no_room_is_spilled_and_then_lost_and_all_of_it_is_counted() {
    let now = Instant::now();
    let limits = Limits { bytes: 3 * (OVERHEAD + 3), ..LIMITS };
    let mut queue = queue(limits, &[("a", "a1"), ("a", "a2"), ("b", "b1")], now);
    assert_eq!(queue.push(event("b", "b2", now)), Place::Spilled);
    let again = Event { letter: Some(LetterId(1)), ..event("b", "b3", now) };
    assert_eq!(queue.push(again), Place::Lost);
    let huge = event("b", &"x".repeat(SPILL_BYTES), now);
    assert_eq!(queue.push(huge), Place::Lost);
    assert_eq!(queue.take_spilled().len(), 1);
    let batch = next(&mut queue, now).unwrap();
    queue.finish(&batch);
    assert_eq!(queue.push(event("b", "b4", now)), Place::Waits);
}

proptest! {
    /// Whatever is pushed, taken and finished in whatever order: each channel comes out in its
    /// order, nothing twice, nothing lost, and never two batches of a channel at once.
    #[test]
    fn channels_keep_their_order(
        steps in prop::collection::vec((0u8..5, 0usize..4), 0..200),
        batch_events in 1usize..5,
    ) {
        let limits = Limits { batch_events, ..LIMITS };
        let (mut queue, now) = (Queue::new(limits), Instant::now());
        let (mut pushed, mut out, mut under_way) = ([0usize; 4], vec![Vec::new(); 4], Vec::<Batch>::new());
        for (step, which) in steps {
            match step {
                0..=2 => {
                    let json = pushed[which].to_string();
                    let place = queue.push(event(&which.to_string(), &json, now));
                    prop_assert_eq!(place, Place::Waits);
                    pushed[which] += 1;
                }
                3 => if let Some(batch) = next(&mut queue, now) {
                    prop_assert!(!batch.events.is_empty() && batch.events.len() <= batch_events);
                    for event in &batch.events {
                        let same = |e: &Event| e.channel == event.channel;
                        prop_assert!(!under_way.iter().any(|b| b.events.iter().any(same)));
                        out[event.channel.parse::<usize>().unwrap()].push(event.json.parse::<usize>().unwrap());
                    }
                    under_way.push(batch);
                },
                _ => if !under_way.is_empty() {
                    let batch = under_way.swap_remove(which % under_way.len());
                    queue.finish(&batch);
                },
            }
        }
        for event in queue.take_rest() {
            out[event.channel.parse::<usize>().unwrap()].push(event.json.parse::<usize>().unwrap());
        }
        under_way.iter().for_each(|batch| queue.finish(batch));
        prop_assert!(queue.is_empty() && queue.lines.is_empty());
        prop_assert_eq!((queue.bytes(), queue.ready_events, queue.ready.len()), (0, 0, 0));
        for (which, seen) in out.iter().enumerate() {
            prop_assert_eq!(seen, &(0..pushed[which]).collect::<Vec<_>>());
        }
    }
}
