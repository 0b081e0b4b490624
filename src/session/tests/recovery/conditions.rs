//! Conditions of events, under the lock of the channel's record.

use super::*;

/// The number of the logged event, or the code of the refusal.
fn publish(
    node: &TestNode,
    publisher: Publisher<'_>,
    condition: Option<Condition>,
) -> Result<Vec<LoggedEvent>, &'static str> {
    let channels = vec![Channel::parse("private-room", 200).unwrap()];
    let event = PublishedEvent {
        publisher,
        condition,
        ..PublishedEvent::of_backend("client-x", "{}", channels)
    };
    let settled = node.publish_event(event).settled().now_or_never().expect("nothing waits");
    settled.map(|published| published.logged).map_err(|refused| refused.code().name())
}

#[test]
fn writers_of_one_snapshot_do_not_overwrite_each_other() {
    let node = node();
    let backend = |condition| publish(&node, Publisher::Backend, condition);
    let first = backend(Some(Condition::Empty)).unwrap()[0].number;
    assert_eq!(backend(Some(Condition::Empty)), Err("position_changed"));
    let second = backend(Some(Condition::Newest(Some(first)))).unwrap()[0].number;
    assert!(second > first);
    for stale in [Some(first), None, Some(LogNumber(second.0 + 1))] {
        assert_eq!(backend(Some(Condition::Newest(stale))), Err("position_changed"));
    }
    let channel = Channel::parse("private-room", 200).unwrap();
    let cleared = clear(&node, &channel)[0].number;
    assert_eq!(backend(Some(Condition::Newest(Some(second)))), Err("position_changed"));
    assert!(backend(Some(Condition::Newest(Some(cleared)))).is_ok());
}

#[test]
fn condition_on_a_channel_that_does_not_log_the_event_is_refused() {
    let client = Publisher::Client { user_id: Some("u") };
    let without = TestNode::new(App::for_tests("a"));
    for (node, publisher) in [(&node(), client), (&without, Publisher::Backend)] {
        assert_eq!(publish(node, publisher, Some(Condition::Empty)), Err("not_logged"));
        assert_eq!(publish(node, publisher, None), Ok(vec![]));
    }
    let settings = HistorySettings { client_events: true, ..HistorySettings::default() };
    let node = TestNode::new(logged(settings));
    assert_eq!(publish(&node, client, Some(Condition::Empty)).map(|logged| logged.len()), Ok(1));
    let mut reader = node.connect();
    reader.subscribe("private-room");
    let _sent = publish(&node, client, None);
    assert_eq!(frames(&node, &reader)[1]["user_id"], "u");
}
