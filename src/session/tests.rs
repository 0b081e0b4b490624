//! Sessions on a `TestNode`: the test decides when channels open.

mod event_model;
mod recovery;

use std::time::Instant;

use serde_json::json;

use crate::{
    app::App,
    auth::{Abilities, access::TokenId, revoked::TokenRevocation},
    crypto::secret::Derivation,
    hub::{
        authorization_cache::{AuthorizationScope, EndReason},
        channel_opener::{OPENING_TIMEOUT, WaitingSubscription},
        socket::{SessionCommand, Socket as _},
    },
    platform::clock::KnownAsOf,
    protocol::code::Close,
    test_node::{TestClient, TestNode},
};

const SUCCEEDED: &str = "pusher_internal:subscription_succeeded";
/// The two frames of a refusal.
const REFUSED: [&str; 2] = ["pusher:subscription_error", "pusher:error"];
const NOTHING: [&str; 0] = [];

fn local() -> TestNode {
    TestNode::new(App::for_tests("a"))
}

fn late() -> TestNode {
    TestNode::late(App::for_tests("a"))
}

/// The one subscription that has begun to wait.
fn waiting(node: &TestNode) -> WaitingSubscription {
    let [waiting] = node.waiting().try_into().expect("one waits");
    waiting
}

fn open(node: &TestNode, client: &mut TestClient, waiting: WaitingSubscription) {
    node.open(waiting);
    client.handle_commands();
}

#[test]
fn open_channel_is_joined_in_the_call() {
    let node = local();
    let mut client = node.connect();
    client.subscribe("room");
    assert_eq!(client.received(), [SUCCEEDED]);
    client.subscribe("room");
    assert_eq!(client.received(), ["pusher:error"], "it is subscribed already");
    assert_eq!((node.subscriptions(), node.waiting().len()), (1, 0));
    assert!(client.socket.commands.borrow().is_empty());
    client.unsubscribe("room");
    assert_eq!((node.subscriptions(), client.received().len()), (0, 0));
    client.subscribe("room");
    assert_eq!(client.received(), [SUCCEEDED]);
}

#[test]
fn wrong_signature_is_refused_and_changes_nothing() {
    for node in [local(), late()] {
        let mut client = node.connect();
        client.say("pusher:subscribe", &json!({"channel": "private-room", "auth": "a:00"}));
        assert_eq!(client.received(), REFUSED);
        assert_eq!((node.subscriptions(), node.waiting().len()), (0, 0));
        assert!(!client.session().is_authorized() && client.session().bytes() == 0);
    }
}

#[test]
fn opening_channel_is_joined_when_it_is_open() {
    let node = late();
    let mut client = node.connect();
    client.subscribe("private-room");
    assert_eq!((client.received().len(), node.subscriptions()), (0, 0));
    assert!(client.session().awaits_authorized_channel(), "the client has done its part");
    assert!(!client.session().is_authorized(), "it may yet be refused");
    let charged = client.session().bytes();
    assert!(charged > 0, "it is charged while it waits");
    let waiting = waiting(&node);
    open(&node, &mut client, waiting.clone());
    assert_eq!(client.received(), [SUCCEEDED]);
    assert_eq!((node.subscriptions(), client.session().bytes()), (1, charged));
    assert!(client.session().is_authorized() && !client.session().awaits_authorized_channel());
    open(&node, &mut client, waiting);
    assert_eq!(client.received(), NOTHING, "it is joined once");
}

#[test]
fn opening_member_is_charged_like_a_joined_one() {
    let node = late();
    let mut client = node.connect();
    client.subscribe_as("presence-room", &"u".repeat(100));
    let charged = client.session().bytes();
    assert!(charged > 1000, "{charged}");
    open(&node, &mut client, waiting(&node));
    assert_eq!((client.received(), client.session().bytes()), (vec![SUCCEEDED.into()], charged));
}

#[test]
fn channels_are_joined_in_the_order_in_which_they_open() {
    let node = late();
    let mut client = node.connect();
    ["cache-a", "b"].iter().for_each(|channel| client.subscribe(channel));
    let [first, second] = node.waiting().try_into().expect("both wait");
    open(&node, &mut client, second);
    assert_eq!(client.received(), [SUCCEEDED]);
    open(&node, &mut client, first);
    assert_eq!(client.received(), [SUCCEEDED, "pusher:cache_miss"]);
}

#[test]
fn unsubscribe_cancels_an_opening_subscription() {
    let node = late();
    let mut client = node.connect();
    client.subscribe("room");
    client.unsubscribe("room");
    assert_eq!(client.session().bytes(), 0);
    open(&node, &mut client, waiting(&node));
    assert_eq!((client.received().len(), node.subscriptions()), (0, 0));
    assert!(node.runtime.directory.find("room").is_none());
}

#[test]
fn answer_to_an_earlier_attempt_is_ignored() {
    let node = late();
    let mut client = node.connect();
    client.subscribe("room");
    client.unsubscribe("room");
    client.subscribe("room");
    let [first, second] = node.waiting().try_into().expect("both wait");
    open(&node, &mut client, first);
    assert_eq!((client.received().len(), node.subscriptions()), (0, 0));
    open(&node, &mut client, second);
    assert_eq!((client.received(), node.subscriptions()), (vec![SUCCEEDED.into()], 1));
}

#[test]
fn close_cancels_an_opening_subscription() {
    let node = late();
    let (mut closing, mut closed) = (node.connect(), node.connect());
    for client in [&mut closing, &mut closed] {
        client.subscribe("room");
    }
    let [first, second] = node.waiting().try_into().expect("both wait");
    closing.socket.outbox().close(Close::ShuttingDown);
    open(&node, &mut closing, first);
    closed.close();
    node.open(second);
    assert_eq!(node.subscriptions(), 0);
}

#[test]
fn opening_subscription_is_a_duplicate_and_counts() {
    let mut app = App::for_tests("a");
    app.limits.channels_per_connection = 2;
    let node = TestNode::late(app);
    let mut client = node.connect();
    client.subscribe("a");
    client.subscribe("a");
    assert_eq!(client.received(), ["pusher:error"], "it is subscribed already");
    client.subscribe("b");
    client.subscribe("c");
    assert_eq!(client.received(), REFUSED, "two are the limit");
    assert_eq!(node.waiting().len(), 2);
}

#[test]
fn client_event_on_an_opening_channel_is_refused() {
    let mut app = App::for_tests("a");
    app.client_events = true;
    let node = TestNode::late(app);
    let mut client = node.connect();
    let event = json!({"event": "client-x", "channel": "private-room", "data": "1"}).to_string();
    client.subscribe("private-room");
    client.session().on_text(&event);
    assert_eq!(client.received(), ["pusher:error"], "it is not subscribed");
    open(&node, &mut client, waiting(&node));
    client.session().on_text(&event);
    assert_eq!(client.received(), [SUCCEEDED]);
}

#[test]
fn end_of_the_channel_cancels_an_opening_subscription() {
    let node = late();
    let mut client = node.connect();
    client.subscribe("private-room");
    let end = SessionCommand::End { channel: "private-room".into(), why: EndReason::Removed };
    client.socket.command(end);
    client.handle_commands();
    assert_eq!(client.received(), [REFUSED[0]]);
    open(&node, &mut client, waiting(&node));
    assert_eq!((client.received().len(), node.subscriptions()), (0, 0));
}

/// Gives the client an authorization of our auth endpoint, for an access token of `u`.
fn granted(node: &TestNode, client: &TestClient, channel: &str, jti: &str) {
    let token = TokenId { jti: jti.into(), user: "u".into(), issued: KnownAsOf::NEVER };
    let scope =
        AuthorizationScope { expires: None, abilities: Abilities::LEGACY, token: Some(token) };
    let channel = node.runtime.app().channel(channel).expect("a channel");
    let as_of = KnownAsOf::now(node.engine.clock.now());
    let grant =
        node.engine.grant(&node.runtime, client.id, &channel, Some("u".into()), as_of, scope);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let answered = runtime.expect("a runtime").block_on(async {
        let shard = node.shard.clone();
        tokio::join!(grant, async move { shard.handle_posted() }).0
    });
    assert!(answered.is_ok());
}

#[test]
fn token_revoked_during_the_wait_is_refused() {
    let node = late();
    let mut client = node.connect();
    for (channel, jti) in [("private-a", "1"), ("private-b", "2")] {
        granted(&node, &client, channel, jti);
        client.subscribe(channel);
    }
    let [a, b] = node.waiting().try_into().expect("both wait");
    node.engine.revoke_tokens(&node.runtime, TokenRevocation::Token("1".into())).expect("room");
    open(&node, &mut client, a);
    assert_eq!(client.received(), REFUSED);
    open(&node, &mut client, b);
    assert_eq!((client.received(), node.subscriptions()), (vec![SUCCEEDED.into()], 1));
}

#[test]
fn member_revoked_during_the_wait_is_refused() {
    let node = TestNode::late(App::for_tests("a").sealed(Derivation::Hkdf));
    let channel = node.runtime.app().channel("private-encrypted-room").expect("a channel");
    let (mut removed, mut other) = (node.connect(), node.connect());
    for (client, user) in [(&mut removed, "u"), (&mut other, "v")] {
        client.sign_in(user);
        client.subscribe(channel.name());
        client.received();
    }
    let [first, second] = node.waiting().try_into().expect("both wait");
    // The test has no key file to write.
    let _ = node.engine.revoke_member(&node.runtime, &channel, "u");
    open(&node, &mut removed, first);
    assert_eq!(removed.received(), REFUSED);
    open(&node, &mut other, second);
    assert_eq!(other.received(), [SUCCEEDED]);
}

#[test]
fn full_channel_is_refused_after_the_wait() {
    let mut app = App::for_tests("a");
    app.limits.presence_members = 1;
    let node = TestNode::late(app);
    let (mut first, mut second) = (node.connect(), node.connect());
    for (client, user) in [(&mut first, "u"), (&mut second, "v")] {
        client.subscribe_as("presence-room", user);
    }
    let [one, other] = node.waiting().try_into().expect("both wait");
    open(&node, &mut second, other);
    open(&node, &mut first, one);
    assert_eq!(
        (second.received(), first.received()),
        (vec![SUCCEEDED.into()], REFUSED.map(String::from).into())
    );
    assert_eq!((node.subscriptions(), first.session().bytes()), (1, 0));
}

#[test]
fn authorization_of_an_opening_channel_is_not_evicted() {
    let node = late();
    let mut client = node.connect();
    let names: Vec<String> = (0..120).map(|n| format!("private-{n}")).collect();
    for name in &names {
        granted(&node, &client, name, name);
        client.subscribe(name);
        client.unsubscribe(name);
    }
    node.waiting();
    // It was left long ago, and is joined again while many others are left.
    client.subscribe(&names[20]);
    for name in &names[21..] {
        granted(&node, &client, name, name);
    }
    for n in 0..110 {
        let name = format!("private-later-{n}");
        granted(&node, &client, &name, &name);
        client.subscribe(&name);
        client.unsubscribe(&name);
    }
    client.received();
    let opened = node.waiting().into_iter().find(|waiting| *waiting.channel == *names[20]);
    open(&node, &mut client, opened.expect("it waits"));
    assert_eq!(client.received(), [SUCCEEDED]);
}

#[test]
fn channel_that_does_not_open_in_time_is_joined_all_the_same() {
    let node = late();
    let mut client = node.connect();
    let start = Instant::now();
    client.subscribe("room");
    node.shard.tick(start + OPENING_TIMEOUT / 2);
    client.handle_commands();
    assert_eq!(client.received(), NOTHING);
    node.shard.tick(Instant::now() + OPENING_TIMEOUT);
    client.handle_commands();
    assert_eq!(client.received(), [SUCCEEDED]);
    open(&node, &mut client, waiting(&node));
    assert_eq!((client.received().len(), node.subscriptions()), (0, 1));
}

#[test]
fn time_to_authorize_goes_on_after_a_refused_wait() {
    let mut app = App::for_tests("a");
    app.limits.presence_members = 1;
    let node = TestNode::late(app);
    let (mut first, mut second) = (node.connect(), node.connect());
    first.subscribe_as("presence-room", "u1");
    open(&node, &mut first, waiting(&node));
    second.subscribe_as("presence-room", "u2");
    assert!(second.session().awaits_authorized_channel());
    open(&node, &mut second, waiting(&node));
    assert_eq!(second.received(), REFUSED);
    assert!(!second.session().awaits_authorized_channel() && !second.session().is_authorized());
}

#[test]
fn deadlines_of_openings_are_one_for_each_connection() {
    let node = late();
    let mut client = node.connect();
    for _ in 0..1000 {
        client.subscribe("room");
        client.unsubscribe("room");
    }
    client.subscribe("room");
    assert_eq!(node.shard.opening_deadlines(), 1);
    assert!(client.session().bytes() < 2000, "cancelled ones are charged no longer");
    drop(client);
    assert_eq!(node.shard.opening_deadlines(), 0);
    node.shard.tick(Instant::now() + OPENING_TIMEOUT);
}

#[test]
fn overdue_channels_are_joined_in_order_each_at_its_time() {
    let node = late();
    let mut client = node.connect();
    let names = ["b", "a", "c"];
    names.iter().for_each(|name| client.subscribe(name));
    node.shard.tick(Instant::now() + OPENING_TIMEOUT);
    client.handle_commands();
    assert_eq!(client.channels(), names);
    assert_eq!((node.subscriptions(), node.shard.opening_deadlines()), (3, 0));
}
