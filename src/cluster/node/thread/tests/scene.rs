//! Nodes on one Redis, each behind a proxy of its own.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    runtime::{Builder, Handle},
    sync::oneshot,
};

use super::{
    host::TestHost,
    record::{RecordState, TestRecord},
};
use crate::{
    channels::members::Member,
    cluster::{
        content::{EventContent, EventData},
        key::{ClusterKey, tests::example_key},
        names::{ChannelLocation, Incarnation, KeyLayout, NodeSlot, Partition},
        node::{
            ClusterChannel, ClusterNode,
            commands::{NodeCommand, Publication, PublicationEnd},
            keys::partition_keys,
            news::ReplicaNews,
            thread::NodeThread,
        },
        redis::{
            scripts::Scripts,
            tests::{
                engine::ACL,
                link_scene::{USER, add_user},
                proxy::Proxy,
                server::{RedisServer, ask},
            },
            verbs::Verb,
        },
        replica::input::{ChannelMemory, ClusterMember, WaitingId},
        settings::{ClusterSettings, KeyPrefix, RedisTls, WhenAway},
        url::ClusterUrl,
    },
    domain::{channel::Channel, ids::SocketId},
};

/// Far beyond every deadline of a node: a test that reaches it has failed.
pub const PATIENCE: Duration = Duration::from_secs(60);
const LEASE: Duration = Duration::from_secs(12);
pub const APP: &str = "the-app";

static NEXT_SOCKET: AtomicU64 = AtomicU64::new(1);

pub struct NodeScene {
    lease: Duration,
    pub nodes: Vec<ThreadNode>,
    pub server: RedisServer,
    proxies: ProxyThread,
}

/// Runs the proxies.
struct ProxyThread {
    handle: Handle,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

pub struct ThreadNode {
    pub node: Arc<ClusterNode>,
    pub host: Arc<TestHost>,
    pub proxy: Proxy,
    thread: Option<NodeThread>,
}

/// A session of a user, or of nobody in particular.
#[derive(Clone)]
pub struct ThreadSession {
    pub id: WaitingId,
    pub member: Option<ClusterMember>,
}

impl NodeScene {
    pub fn start(nodes: usize) -> Self {
        Self::start_with(nodes, LEASE)
    }

    pub fn start_with(nodes: usize, lease: Duration) -> Self {
        let server = RedisServer::start();
        add_user(&server, &acl());
        let proxies = ProxyThread::start();
        let mut scene = Self { lease, nodes: Vec::new(), server, proxies };
        (0..nodes).for_each(|_| scene.add_node());
        scene
    }

    pub fn add_node(&mut self) {
        self.add_node_with(example_key(), None);
    }

    /// A node that does not have the keys of the cluster.
    pub fn add_node_that_refuses(&mut self, reason: &str) {
        let host = TestHost::default();
        host.tables.lock().refuses = Some(reason.to_owned());
        self.add_host(example_key(), None, host);
    }

    /// It takes the tables of keys when it is told to, two times in turn.
    pub fn add_node_that_waits(&mut self) -> [oneshot::Sender<()>; 2] {
        let (host, gates) = (TestHost::default(), [oneshot::channel(), oneshot::channel()]);
        let (senders, receivers): (Vec<_>, VecDeque<_>) = gates.into_iter().unzip();
        host.tables.lock().gates = receivers;
        self.add_host(example_key(), None, host);
        senders.try_into().expect("two")
    }

    /// `slot`: the one that it draws at first.
    pub fn add_node_with(&mut self, key: ClusterKey, slot: Option<NodeSlot>) {
        self.add_host(key, slot, TestHost::default());
    }

    fn add_host(&mut self, key: ClusterKey, slot: Option<NodeSlot>, host: TestHost) {
        let proxy = self.proxies.handle.block_on(Proxy::start(self.server.port()));
        let url = format!("redis://{USER}127.0.0.1:{}", proxy.port);
        let (node, parts) = ClusterNode::new(ClusterSettings {
            url: ClusterUrl::parse(&url).expect("a URL"),
            key,
            prefix: KeyPrefix::parse("SC").expect("a prefix"),
            lease: self.lease,
            when_away: WhenAway::Local,
            backlog_bytes: 1 << 20,
            tls: RedisTls::default(),
        });
        slot.into_iter().for_each(|slot| node.slots().take(slot));
        let host = Arc::new(host);
        let thread = Some(parts.start(host.clone()).expect("a thread"));
        self.nodes.push(ThreadNode { node: Arc::new(node), host, proxy, thread });
    }

    /// It has lost everything, its users included.
    pub fn restart_redis(&mut self) {
        self.server.restart();
        add_user(&self.server, &acl());
    }

    /// Fences off all nodes in a partition. Returns their number.
    pub fn bury_all(&self, partition: Partition) -> usize {
        let layout = layout();
        let (scripts, mut connection) = (Scripts::new(), self.server.connect());
        let mut nodes = redis::cmd("HKEYS");
        nodes.arg(layout.partition(partition).incarnations());
        let nodes = ask(&mut connection, &nodes).expect("the nodes");
        let nodes: Vec<Vec<u8>> = redis::from_redis_value(nodes).expect("names");
        for node in &nodes {
            let node = node.as_slice().try_into().expect("an incarnation");
            let keys = partition_keys(&layout, partition, &Incarnation::from_bytes(node));
            ask(&mut connection, &Verb::Bury.command(&scripts, &keys)).expect("a burial");
        }
        nodes.len()
    }

    pub fn floor_of(&self, partition: Partition) -> Vec<u8> {
        layout().partition(partition).floor()
    }

    pub fn state_of(&self, channel: &ClusterChannel) -> Vec<u8> {
        let ChannelLocation { id, partition } = channel.location;
        layout().partition(partition).channel(id).state()
    }

    pub fn has(&self, key: &[u8]) -> bool {
        let exists = ask(&mut self.server.connect(), redis::cmd("EXISTS").arg(key));
        exists.expect("an answer") == redis::Value::Int(1)
    }

    /// The record of a channel on each node.
    pub fn records(&self, channel: &str, memory: ChannelMemory) -> Vec<Arc<TestRecord>> {
        self.nodes.iter().map(|node| node.record(channel, memory)).collect()
    }
}

pub fn layout() -> KeyLayout {
    KeyLayout::new(KeyPrefix::parse("SC").expect("a prefix"))
}

/// The rights of the documents: the cluster's identity has the plain prefix.
fn acl() -> String {
    ACL.replace("SC1*", "SC*")
}

impl ProxyThread {
    fn start() -> Self {
        let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
        let handle = runtime.handle().clone();
        let (stop, stopped) = oneshot::channel::<()>();
        let run = move || {
            let _ = runtime.block_on(stopped);
        };
        Self { handle, stop: Some(stop), thread: Some(std::thread::spawn(run)) }
    }
}

impl Drop for ProxyThread {
    fn drop(&mut self) {
        drop(self.stop.take());
        let has_ended = self.thread.take().is_some_and(|thread| thread.join().is_ok());
        assert!(has_ended || std::thread::panicking(), "the proxies have not ended well");
    }
}

impl ThreadNode {
    pub fn record(&self, channel: &str, memory: ChannelMemory) -> Arc<TestRecord> {
        self.record_of(&Channel::parse(channel, 200).expect("a channel"), memory)
    }

    pub fn record_of(&self, channel: &Channel, memory: ChannelMemory) -> Arc<TestRecord> {
        TestRecord::new(&self.node, self.node.channel(&Arc::from(APP), channel), memory)
    }

    pub fn session(&self, record: &TestRecord, user: Option<&str>) -> ThreadSession {
        let number = NEXT_SOCKET.fetch_add(1, Ordering::Relaxed);
        let mut bytes = [0; SocketId::RANDOM_BYTES];
        bytes[8..].copy_from_slice(&number.to_be_bytes());
        let id = WaitingId { socket: SocketId::of_random(0, &bytes), attempt: 0 };
        let member = user.map(|user| {
            let (names, info) = (self.node.names(), r#"{"name":"secret-info"}"#);
            let id = names.member(&record.channel().location.id, user);
            let tag = names.info_tag(&id, Some(info));
            let (user_id, info) = (Arc::from(user), Some(Arc::from(info)));
            ClusterMember { id, tag, member: Member { user_id, info } }
        });
        ThreadSession { id, member }
    }

    pub fn arrive(&self, record: &TestRecord, user: Option<&str>) -> ThreadSession {
        let session = self.session(record, user);
        record.arrive(session.id, session.member.clone(), 0);
        session
    }

    /// Arrives, and waits for the answer.
    pub fn enter(&self, record: &TestRecord, user: Option<&str>) -> ThreadSession {
        let session = self.arrive(record, user);
        until(record, "an answered session", |state| state.answered.contains(&session.id));
        session
    }

    pub fn publish(
        &self,
        record: &TestRecord,
        data: &str,
        keep: Option<Duration>,
    ) -> oneshot::Receiver<PublicationEnd> {
        let content = EventContent {
            name: "an-event",
            data: EventData::Clear(data),
            except: None,
            user_id: None,
            keep_ms: keep.map(|keep| keep.as_millis() as u64),
            is_logged: false,
        };
        let (done, answer) = oneshot::channel();
        self.node.publish(Publication {
            channel: record.channel().clone(),
            content: content.to_bytes().into(),
            keep,
            log: None,
            done: Some(done),
        });
        answer
    }

    pub fn until_up(&self) {
        wait("the node is up", || self.node.status().is_up());
    }

    pub fn until_away(&self) {
        wait("the node is away", || !self.node.status().is_up());
    }
}

impl Drop for ThreadNode {
    fn drop(&mut self) {
        let (answer, _) = oneshot::channel();
        self.node.send(NodeCommand::Leave(answer));
        let has_ended = self.thread.take().is_some_and(|thread| thread.join(PATIENCE));
        if !std::thread::panicking() {
            assert!(has_ended, "the thread has not ended well");
        }
    }
}

/// What the engine's audit would say once a minute.
pub fn audit(record: &TestRecord) {
    record.take(ReplicaNews::Audit);
}

pub fn until(record: &TestRecord, what: &str, found: impl Fn(&RecordState) -> bool) {
    wait(what, || record.read(&found));
}

pub fn wait(what: &str, found: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !found() {
        assert!(Instant::now() < deadline, "it does not come to this: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// The answer to a publication.
pub fn answer(receiver: oneshot::Receiver<PublicationEnd>) -> PublicationEnd {
    receiver.blocking_recv().expect("an answer")
}
