//! A node within a unit test: an engine with one app, one worker's shard, and clients with a
//! session each. Several nodes fit into one process.
//!
//! Nothing happens by itself: the test delivers posted commands, and answers waiting subscriptions.

use std::{
    cell::RefCell,
    path::Path,
    rc::Rc,
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
};

use serde_json::{Value, json};

use crate::{
    app::{App, AppRegistry},
    cluster::{
        node::{ClusterNode, NodeParts},
        settings::ClusterSettings,
    },
    domain::{channel::Channel, ids::SocketId},
    engine::{
        AppRuntime, Engine, cluster::Cluster, event::PublishedEvent, history::outcome::Publishing,
        keys::keyfile::KeyFile,
    },
    hub::{
        Hub,
        channel_opener::{ChannelOpener, WaitingSubscription},
        fake_socket::FakeSocket,
        mailbox::WorkerCommand,
        shard::Shard,
        socket::Peer,
        socket_ids::SocketIds,
        topics::Slot,
    },
    protocol::signed::signed_for_channel,
    session::{Session, SessionContext},
};

pub struct TestNode {
    pub engine: Arc<Engine>,
    pub runtime: Arc<AppRuntime>,
    pub shard: Rc<Shard>,
    ids: RefCell<SocketIds>,
    /// Subscriptions that wait for their channel.
    waiting: Receiver<WaitingSubscription>,
}

pub struct TestClient {
    /// `None` once the connection is closed.
    session: Option<Session>,
    pub socket: Rc<FakeSocket>,
    pub id: SocketId,
    pub slot: Slot,
    shard: Rc<Shard>,
    runtime: Arc<AppRuntime>,
}

impl TestNode {
    /// Every channel is open.
    pub fn new(app: App) -> Self {
        Self::with(app, |_| ChannelOpener::Local)
    }

    /// Channels open when the test answers.
    pub fn late(app: App) -> Self {
        Self::with(app, ChannelOpener::Late)
    }

    /// One of a cluster. The test is its thread.
    pub fn in_cluster(app: App, settings: ClusterSettings) -> (Self, NodeParts) {
        let (node, parts) = ClusterNode::new(settings);
        let cluster = Cluster::Redis(node);
        (Self::with_cluster(app, |_| ChannelOpener::Local, cluster), parts)
    }

    fn with(
        app: App,
        opener: impl FnOnce(std::sync::mpsc::Sender<WaitingSubscription>) -> ChannelOpener,
    ) -> Self {
        Self::with_cluster(app, opener, Cluster::Local)
    }

    fn with_cluster(
        app: App,
        opener: impl FnOnce(std::sync::mpsc::Sender<WaitingSubscription>) -> ChannelOpener,
        cluster: Cluster,
    ) -> Self {
        let (sender, waiting) = channel();
        let hub = Hub::new(1, 1 << 20, 1000);
        let (id, key) = (app.id.clone(), app.key.clone());
        // The path cannot be written: key changes take effect in memory alone.
        let keys = KeyFile::of_app(Path::new("/nowhere"), &id);
        let runtime = Arc::new(AppRuntime::new(app, keys, hub.clone()));
        let mut runtimes = AppRegistry::new();
        runtimes.insert(id, key, runtime.clone());
        let mut engine = Engine::new(hub.clone(), runtimes);
        engine.opener = opener(sender);
        engine.cluster = cluster;
        let ids = RefCell::new(SocketIds::of_worker(0));
        Self { engine: Arc::new(engine), runtime, shard: Shard::new(hub), ids, waiting }
    }

    pub fn connect(&self) -> TestClient {
        let socket = FakeSocket::new(1 << 20);
        let id = self.ids.borrow_mut().next_id().expect("random bytes");
        let peer = Peer { runtime: Some(self.runtime.rekey_policy.runtime), ..FakeSocket::PEER };
        let slot = self.shard.add(id, peer, socket.clone());
        let context = SessionContext {
            engine: self.engine.clone(),
            runtime: self.runtime.clone(),
            shard: self.shard.clone(),
            socket: socket.clone(),
            slot,
            id,
        };
        let guard = self.runtime.connect().expect("no limit of connections");
        let session = Some(Session::new(context, guard));
        let (shard, runtime) = (self.shard.clone(), self.runtime.clone());
        TestClient { session, socket, id, slot, shard, runtime }
    }

    /// The subscriptions that have begun to wait since the last call.
    pub fn waiting(&self) -> Vec<WaitingSubscription> {
        self.waiting.try_iter().collect()
    }

    pub fn open(&self, waiting: WaitingSubscription) {
        self.engine.hub.post_to(waiting.socket, WorkerCommand::Opened(waiting));
        self.shard.handle_posted();
    }

    pub fn publish(&self, channel: &str, data: &str) {
        let channels = vec![self.runtime.app().channel(channel).expect("a channel")];
        let _all_sent = self.publish_event(PublishedEvent::of_backend("e", data, channels));
    }

    pub fn publish_event(&self, event: PublishedEvent<'_>) -> Publishing {
        let app = self.runtime.app_snapshot();
        let prepared = self.engine.prepare(&self.runtime, &app, vec![event]);
        let Ok(prepared) = prepared else { panic!("the event is refused") };
        self.engine.publish(&self.runtime, prepared)
    }

    pub fn channel(&self, name: &str) -> Channel {
        self.runtime.app().channel(name).expect("a channel")
    }

    /// Takes new settings, as a reload does.
    pub fn reload(&self, app: App) {
        self.runtime.reload_for_tests(app);
    }

    pub fn subscriptions(&self) -> usize {
        self.engine.stats().occupancy.subscriptions
    }
}

impl TestClient {
    pub fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("an open connection")
    }

    pub fn say(&mut self, event: &str, data: &Value) {
        let text = json!({"event": event, "data": data}).to_string();
        self.session().on_text(&text);
    }

    /// Subscribes with a signature of the app's backend.
    pub fn subscribe(&mut self, channel: &str) {
        self.subscribe_with(channel, None);
    }

    pub fn subscribe_as(&mut self, channel: &str, user: &str) {
        let data = json!({"user_id": user}).to_string();
        self.subscribe_with(channel, Some(&data));
    }

    /// Subscribes, and asks to be told positions: with `true`, or a position.
    pub fn subscribe_recovering(&mut self, channel: &str, recover: &Value) {
        self.subscribe_and(channel, None, recover);
    }

    fn subscribe_with(&mut self, name: &str, channel_data: Option<&str>) {
        self.subscribe_and(name, channel_data, &Value::Null);
    }

    fn subscribe_and(&mut self, name: &str, channel_data: Option<&str>, recover: &Value) {
        let channel = Channel::parse(name, 200).expect("a channel");
        let signed = signed_for_channel(self.id, &channel, channel_data);
        let auth = self.runtime.app().auth(&signed);
        let mut data = json!({"channel": name, "auth": auth, "channel_data": channel_data});
        if !recover.is_null() {
            data["recover"] = recover.clone();
        }
        self.say("pusher:subscribe", &data);
    }

    pub fn unsubscribe(&mut self, channel: &str) {
        self.say("pusher:unsubscribe", &json!({"channel": channel}));
    }

    pub fn sign_in(&mut self, user: &str) {
        let data = json!({"id": user}).to_string();
        let auth = self.runtime.app().auth(&format!("{}::user::{data}", self.id));
        self.say("pusher:signin", &json!({"auth": auth, "user_data": data}));
    }

    /// Handles what the worker has passed on.
    pub fn handle_commands(&mut self) {
        let commands = self.socket.commands.take();
        commands.iter().for_each(|command| self.session().on_command(command));
    }

    /// The frames since the last call: the event and, if it is not of the protocol, its data.
    pub fn received(&self) -> Vec<String> {
        let text = |frame: Value| {
            let event = frame["event"].as_str().expect("an event").to_owned();
            match frame["data"].as_str().filter(|_| !event.starts_with("pusher")) {
                Some(data) => format!("{event} {data}"),
                None => event,
            }
        };
        self.socket.received().into_iter().map(text).collect()
    }

    /// The channels of the frames since the last call.
    pub fn channels(&self) -> Vec<String> {
        let channel = |frame: Value| frame["channel"].as_str().expect("a channel").to_owned();
        self.socket.received().into_iter().map(channel).collect()
    }

    /// Ends the session, as the connection's task does.
    pub fn close(&mut self) {
        self.session = None;
    }
}

impl Drop for TestClient {
    fn drop(&mut self) {
        self.session = None;
        self.shard.remove(self.slot);
    }
}
