//! Several engines in one process.

use crate::{app::App, test_node::TestNode};

#[test]
fn engines_do_not_see_each_others_channels() {
    let nodes = [TestNode::new(App::for_tests("a")), TestNode::new(App::for_tests("a"))];
    let mut clients = nodes.each_ref().map(TestNode::connect);
    for client in &mut clients {
        client.subscribe_as("presence-room", "u");
        assert_eq!(client.received(), ["pusher_internal:subscription_succeeded"]);
    }
    nodes[0].publish("presence-room", "1");
    nodes.iter().for_each(|node| node.shard.handle_posted());
    assert_eq!(clients.each_ref().map(|client| client.received()), [vec!["e 1"], vec![]]);
    clients[0].unsubscribe("presence-room");
    assert_eq!(nodes.each_ref().map(TestNode::subscriptions), [0, 1]);
    let users = nodes.each_ref().map(|node| node.engine.stats().occupancy.members);
    assert_eq!(users, [0, 1]);
}
