//! Random events, joins and answers against a plain model of what the client must receive.

use proptest::prelude::*;

use super::{SUCCEEDED, late, open, waiting};
use crate::hub::mailbox::WorkerCommand;

#[derive(Clone, Copy, Debug)]
enum EventStep {
    Publish,
    /// The worker handles its commands.
    Deliver,
    /// The connection's task handles the commands that the worker passed on.
    Turn,
    Subscribe,
    Unsubscribe,
    /// The oldest waiting subscription gets its answer, or the newest.
    Open {
        oldest: bool,
    },
}

fn event_steps() -> impl Strategy<Value = Vec<EventStep>> {
    let step = prop_oneof![
        4 => Just(EventStep::Publish),
        2 => Just(EventStep::Deliver),
        3 => Just(EventStep::Turn),
        2 => Just(EventStep::Subscribe),
        1 => Just(EventStep::Unsubscribe),
        3 => any::<bool>().prop_map(|oldest| EventStep::Open { oldest }),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    /// A subscriber of a cache channel gets the last event before the join, and each one after it.
    #[test]
    fn events_before_during_and_after_the_wait_arrive_once(steps in event_steps()) {
        let node = late();
        // Another subscriber: what is published is on its way to the worker during each join.
        let mut other = node.connect();
        other.subscribe("cache-room");
        open(&node, &mut other, waiting(&node));
        let mut client = node.connect();
        let (mut published, mut unanswered) = (0, Vec::new());
        // The events that the client must have received since its last join.
        let mut expected: Option<Vec<String>> = None;
        let mut seen: Vec<String> = Vec::new();
        for step in steps {
            match step {
                EventStep::Publish => {
                    published += 1;
                    node.publish("cache-room", &published.to_string());
                    if let Some(expected) = &mut expected {
                        expected.push(format!("e {published}"));
                    }
                }
                EventStep::Deliver => node.shard.handle_posted(),
                EventStep::Turn => client.handle_commands(),
                EventStep::Subscribe => client.subscribe("cache-room"),
                EventStep::Unsubscribe => {
                    client.unsubscribe("cache-room");
                    expected = None;
                }
                EventStep::Open { oldest } => {
                    unanswered.extend(node.waiting());
                    if !unanswered.is_empty() {
                        let index = if oldest { 0 } else { unanswered.len() - 1 };
                        node.engine.hub.post_to(client.id, WorkerCommand::Opened(unanswered.remove(index)));
                    }
                    node.shard.handle_posted();
                }
            }
            for frame in client.received() {
                match frame.as_str() {
                    SUCCEEDED => {
                        prop_assert!(expected.is_none(), "it was joined already");
                        let before = if published == 0 { "pusher:cache_miss".into() } else { format!("e {published}") };
                        (expected, seen) = (Some(vec![before]), Vec::new());
                    }
                    "pusher:error" => {}
                    _ => {
                        prop_assert!(expected.is_some(), "it is not joined: {frame}");
                        seen.push(frame);
                    }
                }
            }
            if let Some(expected) = &expected {
                prop_assert!(expected.starts_with(&seen), "{seen:?} of {expected:?}");
            }
        }
        node.shard.handle_posted();
        seen.extend(client.received());
        if let Some(expected) = expected {
            prop_assert_eq!(seen, expected);
        }
    }
}
