use proptest::prelude::*;

use super::*;

const LIMITS: QueueLimits =
    QueueLimits { bytes: 100_000, batch_events: 1, batch_delay: Duration::ZERO };

fn event(channel: &str, json: &str, since: Instant) -> QueuedEvent {
    QueuedEvent { channel: channel.into(), json: json.into(), since, letter: None, receipt: None }
}

fn queue(limits: QueueLimits, events: &[(&str, &str)], since: Instant) -> DeliveryQueue {
    let mut queue = DeliveryQueue::new(limits);
    for (channel, json) in events {
        assert_eq!(queue.push(event(channel, json, since)), PushOutcome::Queued);
    }
    queue
}

fn next(queue: &mut DeliveryQueue, now: Instant) -> Option<DeliveryBatch> {
    match queue.next(now, false) {
        NextBatch::Ready(batch) => Some(batch),
        NextBatch::NotBefore(_) | NextBatch::Empty => None,
    }
}

fn texts(batch: &DeliveryBatch) -> Vec<&str> {
    batch.events.iter().map(|event| &*event.json).collect()
}

#[test]
fn channel_in_flight_blocks_itself_only() {
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
fn batch_waits_briefly_to_fill() {
    let limits = QueueLimits { batch_events: 3, batch_delay: Duration::from_secs(1), ..LIMITS };
    let now = Instant::now();
    let mut queue = queue(limits, &[("a", "a1"), ("b", "b1")], now);
    assert!(
        matches!(queue.next(now, false), NextBatch::NotBefore(due) if due == now + limits.batch_delay)
    );
    assert_eq!(queue.push(event("a", "a2", now)), PushOutcome::Queued);
    let full = next(&mut queue, now).unwrap();
    assert_eq!(texts(&full), ["a1", "a2", "b1"]);
    queue.finish(&full);
    assert_eq!(queue.push(event("a", "a3", now)), PushOutcome::Queued);
    assert!(next(&mut queue, now).is_none());
    assert_eq!(texts(&next(&mut queue, now + limits.batch_delay).unwrap()), ["a3"]);
    assert_eq!(queue.push(event("c", "c1", now)), PushOutcome::Queued);
    assert!(matches!(queue.next(now, true), NextBatch::Ready(batch) if texts(&batch) == ["c1"]));
}

#[test]
fn body_size_is_limited() {
    let limits = QueueLimits { bytes: usize::MAX, batch_events: 10, ..LIMITS };
    let (now, long) = (Instant::now(), "x".repeat(MAX_BODY_BYTES / 2));
    let mut queue = queue(limits, &[("a", &long), ("b", &long), ("c", "c1")], now);
    let first = next(&mut queue, now).unwrap();
    assert_eq!(first.events.len(), 2);
    assert_eq!(texts(&next(&mut queue, now).unwrap()), ["c1"]);
    let alone = "x".repeat(2 * MAX_BODY_BYTES);
    assert_eq!(queue.push(event("d", &alone, now)), PushOutcome::Queued);
    assert_eq!(next(&mut queue, now).unwrap().events.len(), 1);
}

#[test]
fn overflow_is_spilled_then_dropped_and_counted() {
    let now = Instant::now();
    let limits = QueueLimits { bytes: 3 * (EVENT_OVERHEAD_BYTES + 3), ..LIMITS };
    let mut queue = queue(limits, &[("a", "a1"), ("a", "a2"), ("b", "b1")], now);
    assert_eq!(queue.push(event("b", "b2", now)), PushOutcome::Spilled);
    let again = QueuedEvent { letter: Some(LetterId(1)), ..event("b", "b3", now) };
    assert_eq!(queue.push(again), PushOutcome::Lost);
    let huge = event("b", &"x".repeat(MAX_SPILL_BYTES), now);
    assert_eq!(queue.push(huge), PushOutcome::Lost);
    assert_eq!(queue.take_spilled().len(), 1);
    let batch = next(&mut queue, now).unwrap();
    queue.finish(&batch);
    assert_eq!(queue.push(event("b", "b4", now)), PushOutcome::Queued);
}

proptest! {
    /// Whatever is pushed, taken and finished in whatever order: each channel comes out in its
    /// order, nothing twice, nothing lost, and never two batches of a channel at once.
    #[test]
    fn channels_keep_their_order(
        steps in prop::collection::vec((0u8..5, 0usize..4), 0..200),
        batch_events in 1usize..5,
    ) {
        let limits = QueueLimits { batch_events, ..LIMITS };
        let (mut queue, now) = (DeliveryQueue::new(limits), Instant::now());
        let (mut pushed, mut out, mut under_way) = ([0usize; 4], vec![Vec::new(); 4], Vec::<DeliveryBatch>::new());
        for (step, which) in steps {
            match step {
                0..=2 => {
                    let json = pushed[which].to_string();
                    let place = queue.push(event(&which.to_string(), &json, now));
                    prop_assert_eq!(place, PushOutcome::Queued);
                    pushed[which] += 1;
                }
                3 => if let Some(batch) = next(&mut queue, now) {
                    prop_assert!(!batch.events.is_empty() && batch.events.len() <= batch_events);
                    for event in &batch.events {
                        let same = |e: &QueuedEvent| e.channel == event.channel;
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
