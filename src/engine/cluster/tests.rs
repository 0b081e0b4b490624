//! Sessions of a node, with the test in place of the node's thread and of Redis.

use std::{sync::Arc, time::Instant};

use serde_json::json;
use tokio::sync::mpsc::UnboundedReceiver;

use crate::{
    app::App,
    cluster::{
        content::{EventContent, EventData, TableContent},
        key::tests::example_key,
        key_tables::{KeyTables, KeyWraps},
        names::Incarnation,
        node::{
            commands::{FollowedChannel, NodeCommand, Publication},
            host::Company,
            news::ReplicaNews,
        },
        replica::{
            effect::{RequestNumber, StateVerb, VerbReply},
            input::{HeardChange, HeardEvent, HeardMessage, MasterChange, OpenedSnapshot, SentId},
        },
        settings::{ClusterSettings, KeyPrefix, RedisTls, WhenAway},
        url::ClusterUrl,
    },
    crypto::{
        key::MasterKey, keyring::KeyRing, padding::Padding, secret::Derivation,
        vectors::example_salt,
    },
    hub::channel_opener::OPENING_TIMEOUT,
    test_node::{TestClient, TestNode},
};

/// The thread and Redis, as far as a test plays them.
struct FakeThread {
    commands: UnboundedReceiver<NodeCommand>,
    followed: Option<Arc<FollowedChannel>>,
}

/// What the engine has asked for.
#[derive(Default)]
struct GivenCommands {
    changes: Vec<(RequestNumber, StateVerb)>,
    snapshots: Vec<RequestNumber>,
    published: Vec<Publication>,
    unfollowed: usize,
}

fn settings() -> ClusterSettings {
    ClusterSettings {
        url: ClusterUrl::parse("redis://127.0.0.1").expect("a URL"),
        key: example_key(),
        prefix: KeyPrefix::parse("SC").expect("a prefix"),
        lease: std::time::Duration::from_secs(12),
        when_away: WhenAway::Local,
        backlog_bytes: 1 << 20,
        tls: RedisTls::default(),
    }
}

fn start() -> (TestNode, FakeThread) {
    let (node, parts) = TestNode::in_cluster(App::for_tests("a"), settings());
    (node, FakeThread { commands: parts.commands, followed: None })
}

impl FakeThread {
    fn asked(&mut self) -> GivenCommands {
        let mut asked = GivenCommands::default();
        while let Ok(command) = self.commands.try_recv() {
            match command {
                NodeCommand::Follow(followed) => self.followed = Some(followed),
                NodeCommand::Unfollow(_) => asked.unfollowed += 1,
                NodeCommand::Snapshot { request, .. } => asked.snapshots.push(request),
                NodeCommand::Change { request, verb, .. } => asked.changes.push((request, verb)),
                NodeCommand::Publish(publication) => asked.published.push(publication),
                _ => {}
            }
        }
        asked
    }

    fn tell(&mut self, news: ReplicaNews) -> GivenCommands {
        self.followed.as_ref().expect("a followed channel").holder.take(news);
        self.asked()
    }

    fn link(&mut self) -> GivenCommands {
        self.asked();
        self.tell(ReplicaNews::Linked(MasterChange::Same))
    }
}

fn receive(node: &TestNode, client: &mut TestClient) -> Vec<String> {
    node.shard.handle_posted();
    client.handle_commands();
    client.received()
}

fn heard(publication: &Publication, counter: u64) -> HeardEvent {
    HeardEvent {
        id: SentId { sender: Incarnation::from_bytes([1; 16]), counter },
        sent_ms: counter,
        content: publication.content.clone(),
        is_posted: false,
        lacks_key: false,
        logged: None,
    }
}

const SUCCESS: &str = "pusher_internal:subscription_succeeded";

#[test]
fn subscription_is_answered_once_its_topic_is_subscribed() {
    let (node, mut thread) = start();
    let mut client = node.connect();
    client.subscribe("news");
    thread.link();
    assert!(receive(&node, &mut client).is_empty());
    thread.tell(ReplicaNews::Subscribed);
    assert_eq!(receive(&node, &mut client), [SUCCESS]);
    assert!(node.runtime.directory.has_followed());
}

#[test]
fn event_is_delivered_when_it_comes_back_and_once() {
    let (node, mut thread) = start();
    let mut client = node.connect();
    client.subscribe("news");
    thread.link();
    thread.tell(ReplicaNews::Subscribed);
    assert_eq!(receive(&node, &mut client), [SUCCESS]);
    node.publish("news", "1");
    let first = thread.asked().published.pop().expect("a publication");
    assert!(receive(&node, &mut client).is_empty(), "it is on its way");
    thread.tell(ReplicaNews::Heard(HeardMessage::Event(heard(&first, 1))));
    assert_eq!(receive(&node, &mut client), ["e 1"]);
    // Redis is away: it is posted early, and comes back later.
    node.publish("news", "2");
    let second = thread.asked().published.pop().expect("a publication");
    let event = heard(&second, 2);
    thread.tell(ReplicaNews::PostEarly { event: event.clone(), is_kept: false });
    assert_eq!(receive(&node, &mut client), ["e 2"]);
    let event = HeardEvent { is_posted: true, ..event };
    thread.tell(ReplicaNews::Heard(HeardMessage::Event(event)));
    assert!(receive(&node, &mut client).is_empty());
}

#[test]
fn member_is_answered_with_a_roster_that_has_it() {
    let (node, mut thread) = start();
    let mut client = node.connect();
    client.subscribe_as("presence-room", "u1");
    let Some((request, StateVerb::Join { member, .. })) = thread.link().changes.pop() else {
        panic!("a join")
    };
    let asked = thread.tell(ReplicaNews::Subscribed);
    let [snapshot] = asked.snapshots[..] else { panic!("a snapshot") };
    thread.tell(ReplicaNews::Marked(snapshot));
    thread.tell(ReplicaNews::SnapshotTaken(snapshot, OpenedSnapshot::default()));
    assert!(receive(&node, &mut client).is_empty(), "the others do not know the member");
    let change = HeardChange::Added(member);
    let added = HeardMessage::Numbered { number: 5, predecessor: 0, change };
    thread.tell(ReplicaNews::Heard(added));
    thread.tell(ReplicaNews::Replied(request, VerbReply::Joined { number: 5 }));
    assert_eq!(receive(&node, &mut client), [SUCCESS]);
    assert_eq!(node.runtime.users(&node.channel("presence-room")), ["u1"]);
}

#[test]
fn full_room_refuses_a_subscription_that_waits() {
    let (node, mut thread) = start();
    let mut client = node.connect();
    client.subscribe_as("presence-room", "u1");
    let mut asked = thread.link();
    asked.changes.extend(thread.tell(ReplicaNews::Subscribed).changes);
    let join = asked.changes.iter().find(|(_, verb)| matches!(verb, StateVerb::Join { .. }));
    let (request, _) = join.expect("a join");
    thread.tell(ReplicaNews::Replied(*request, VerbReply::Full));
    let received = receive(&node, &mut client);
    assert_eq!(received, ["pusher:subscription_error", "pusher:error"]);
}

/// The replica has forgotten it before the session has read so, and its time comes first.
#[test]
fn refused_subscription_does_not_enter_when_it_is_overdue() {
    let (node, mut thread) = start();
    let mut client = node.connect();
    client.subscribe_as("presence-room", "u1");
    let asked = thread.link();
    let join = asked.changes.iter().find(|(_, verb)| matches!(verb, StateVerb::Join { .. }));
    let (request, _) = join.expect("a join");
    thread.tell(ReplicaNews::Subscribed);
    thread.tell(ReplicaNews::Replied(*request, VerbReply::Full));
    node.shard.tick(Instant::now() + 2 * OPENING_TIMEOUT);
    client.handle_commands();
    let refused = ["pusher:subscription_error", "pusher:error"];
    assert_eq!(client.received(), refused);
    assert!(receive(&node, &mut client).is_empty(), "it was refused once");
    client.close();
    assert_eq!(node.subscriptions(), 0);
}

/// Also while it waits: nobody may count a connection that is gone.
#[test]
fn closed_connections_leave_nothing_behind() {
    let (node, mut thread) = start();
    let mut waiting = node.connect();
    waiting.subscribe("news");
    let mut asked = thread.link();
    waiting.close();
    asked.changes.extend(thread.asked().changes);
    asked.changes.extend(thread.tell(ReplicaNews::Subscribed).changes);
    let counts: Vec<u32> = asked
        .changes
        .iter()
        .map(|(_, verb)| match verb {
            StateVerb::Count(count) => *count,
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(matches!(counts.last(), None | Some(0)), "{counts:?}");
}

#[test]
fn sign_in_is_answered_once_the_users_channel_is_open() {
    let (node, mut thread) = start();
    let mut client = node.connect();
    client.sign_in("u1");
    thread.link();
    assert!(receive(&node, &mut client).is_empty());
    thread.tell(ReplicaNews::Subscribed);
    assert_eq!(receive(&node, &mut client), ["pusher:signin_success"]);
    let event = json!({"hello": "u1"}).to_string();
    node.publish("#server-to-user-u1", &event);
    let publication = thread.asked().published.pop().expect("a publication");
    thread.tell(ReplicaNews::Heard(HeardMessage::Event(heard(&publication, 1))));
    assert_eq!(receive(&node, &mut client), [format!("e {event}")]);
}

/// Another node seals with it before this one is told.
#[test]
fn event_of_a_later_key_waits_for_the_table() {
    let app = App::for_tests("a").sealed(Derivation::Pusher);
    let (node, parts) = TestNode::in_cluster(app, settings());
    let mut thread = FakeThread { commands: parts.commands, followed: None };
    let app = node.runtime.id.clone();
    let taken = node.engine.take_stored_table(&app, None, Company::None);
    assert!(taken.expect("the first node"), "Redis lacks its keys");
    let mut client = node.connect();
    client.subscribe("private-encrypted-x");
    thread.link();
    thread.tell(ReplicaNews::Subscribed);
    assert_eq!(receive(&node, &mut client), [SUCCESS]);
    let before = node.runtime.keys().expect("keys").table();
    let key = MasterKey::generate().expect("random bytes");
    let next = before.announced(key, 5, 5, 60).ok().and_then(|next| next.activated(5));
    let next = next.expect("a rotation");
    let (derivation, channel) = (Derivation::Pusher, node.channel("private-encrypted-x"));
    let ring = KeyRing::new(&app, next.clone(), derivation, example_salt(), Padding::None);
    let sealed = ring.seal(&channel, ring.target(&channel), b"1").expect("an envelope");
    let (envelope, version) = (&**sealed.envelope(), sealed.version());
    let content = EventContent {
        name: "e",
        data: EventData::Sealed { envelope, version },
        except: None,
        user_id: None,
        keep_ms: None,
        is_logged: false,
    };
    let event = HeardEvent {
        id: SentId { sender: Incarnation::from_bytes([1; 16]), counter: 1 },
        sent_ms: 1,
        content: content.to_bytes().into(),
        is_posted: false,
        lacks_key: false,
        logged: None,
    };
    thread.tell(ReplicaNews::Heard(HeardMessage::Event(event)));
    assert!(receive(&node, &mut client).is_empty(), "its key is not here");
    let change = next.shared().beyond(&before.shared());
    let mut wraps = KeyWraps::default();
    let tables = KeyTables::new(&example_key());
    let change = tables.close(&app, (derivation, &change), &next.masters(), &mut wraps);
    let change = change.expect("random bytes");
    let change = TableContent::parse(&change).expect("a table");
    // There is no file for it here, so it is not confirmed.
    assert_eq!(node.engine.take_changed_table(&node.runtime, &change), None);
    let received = receive(&node, &mut client);
    assert!(received.iter().any(|frame| frame.starts_with("e ")), "{received:?}");
}
