//! The real thing: Redis, nodes, clients and publishers, to which actions are done.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::task::JoinSet;

use super::action::{Action, ChannelName};
use super::ask;
use super::client::{ChaosClient, ClientIdentity, Order, lock};
use super::engine::{Engine, EngineKind};
use super::losses::Losses;
use super::model::user_name;
use super::node::{ChaosNode, RedisTrouble};
use super::record::{Events, ReadSoFar};
use super::trouble::TroubleKind;
use crate::support::*;

/// Of last events. They are gone soon after the end.
pub const CACHE_TTL_SECONDS: u64 = 12;

const WEBHOOKS: &str =
    "events = [\"channel_occupied\", \"channel_vacated\", \"member_added\", \"member_removed\"]\n";

/// A log leaves Redis a second after its last subscriber.
const LOGS: &str = "[[apps.it.channels]]\npattern = \"private-log-*\"\n\
                    history = { events = 2000, bytes = \"8MiB\", vacant = \"1s\", idle = \"1h\" }\n";

pub struct World {
    pub engine: Engine,
    pub prefix: String,
    pub nodes: Vec<ChaosNode>,
    pub clients: Vec<ChaosClient>,
    pub events: Arc<Mutex<Events>>,
    publishing: JoinSet<()>,
    pub receiver: WebhookReceiver,
    pub losses: Losses,
    /// Since when the replicas get nothing.
    held: u64,
    troubles_of_redis: Vec<RedisTrouble>,
}

impl World {
    pub async fn start(nodes: usize, engine: EngineKind) -> Self {
        let engine = Engine::start(engine).await;
        let receiver = WebhookReceiver::start(ReceiverReply::Status(200)).await;
        let settings = format!(
            "subscription_count = true\nlimits.member_returns_per_minute = 0\n\
             limits.client_events_per_second = 1000\nlimits.cache_ttl_seconds = {CACHE_TTL_SECONDS}\n"
        );
        let apps = with_webhooks(&settings, &[&hooks_url(&receiver, WEBHOOKS)]);
        let apps = format!("drain_seconds = 1\n{apps}\n{LOGS}");
        let section = engine.section();
        let mut started = Vec::new();
        for at in 0..nodes {
            // Two neighbours are five minutes apart.
            let clock_ahead = [150, -150, 0][at % 3];
            started.push(ChaosNode::start(engine.address(), &section, &apps, clock_ahead).await);
        }
        Self {
            engine,
            prefix: section.prefix().to_owned(),
            nodes: started,
            clients: Vec::new(),
            events: Arc::default(),
            publishing: JoinSet::new(),
            receiver,
            losses: Losses::default(),
            held: 0,
            troubles_of_redis: Vec::new(),
        }
    }

    pub async fn act(&mut self, action: &Action) {
        match action {
            Action::Connect { node, user, channels, heir_of } => {
                let read = heir_of.and_then(|at| lock(&self.clients[at].seen).read.clone());
                self.connect(*node, *user, channels, read);
            }
            Action::Subscribe { client, channel } => {
                self.clients[*client].order(Order::Subscribe(channel));
            }
            Action::Unsubscribe { client, channel } => {
                self.clients[*client].order(Order::Unsubscribe(channel));
            }
            Action::Reload { client, channel } => {
                self.clients[*client].order(Order::Unsubscribe(channel));
                self.clients[*client].order(Order::Subscribe(channel));
            }
            Action::Close { client } => self.clients[*client].order(Order::Close),
            Action::Vanish { client } => self.clients[*client].order(Order::Vanish),
            Action::Publish { node, channel, events } => {
                (0..*events).for_each(|_| _ = self.publish(*node, channel));
            }
            Action::Crowd { nodes, channel } => {
                nodes.iter().for_each(|node| _ = self.publish(*node, channel));
            }
            Action::Say { client, channel } => self.say(*client, channel),
            Action::FreezeRedis { .. }
            | Action::ThawRedis
            | Action::KillRedis
            | Action::StartRedis { .. }
            | Action::Flush
            | Action::HoldReplication
            | Action::Promote
            | Action::Depose
            | Action::Rejoin
            | Action::MoveSlots { .. } => self.act_on_engine(action).await,
            of_node => self.act_on_node(of_node).await,
        }
    }

    async fn act_on_engine(&mut self, action: &Action) {
        match action {
            Action::FreezeRedis { is_long } => self.freeze_redis(*is_long),
            Action::ThawRedis => {
                self.engine.master().signal("CONT");
                self.redis_is_back();
            }
            Action::KillRedis => {
                self.redis_fails(TroubleKind::Lost, true);
                self.engine.master().signal("KILL");
            }
            Action::StartRedis { is_empty } => {
                self.losses.master_changed();
                if *is_empty {
                    self.losses.all_is_lost();
                }
                self.engine.single().restart(*is_empty).await;
                self.redis_is_back();
            }
            Action::Flush => {
                self.losses.all_is_lost();
                self.engine.master().flush();
            }
            Action::HoldReplication => {
                self.held = unix_ms();
                self.engine.replicas().hold();
            }
            Action::Promote => self.promote().await,
            Action::Depose => {
                self.redis_fails(TroubleKind::Lost, true);
                self.redis_misleads();
                self.promote().await;
            }
            Action::Rejoin => self.engine.replicas().rejoin().await,
            Action::MoveSlots { first, count, to } => {
                self.nodes.iter_mut().for_each(ChaosNode::slots_move);
                self.losses.master_changed();
                self.engine.slots().move_to(*first..first + count, *to).await;
                self.nodes.iter_mut().for_each(ChaosNode::slots_move);
            }
            other => unreachable!("{other} is not of the engine"),
        }
    }

    async fn act_on_node(&mut self, action: &Action) {
        match action {
            Action::Kill { node } => self.nodes[*node].kill().await,
            Action::Drain { node } => self.nodes[*node].drain(),
            Action::Start { node } => self.revive(*node).await,
            Action::Freeze { node, .. } => self.nodes[*node].freeze(),
            Action::Thaw { node } => self.nodes[*node].thaw(),
            Action::Cut { node, line } => self.nodes[*node].cut(*line),
            Action::Stall { node, line, is_long } => self.nodes[*node].stall(*line, *is_long),
            Action::LoseReplies { node, line } => self.nodes[*node].lose_replies(*line),
            Action::Sever { node, .. } => self.nodes[*node].sever(),
            Action::Mend { node } => self.nodes[*node].mend(),
            other => unreachable!("{other} is not of a node"),
        }
    }

    fn connect(
        &mut self,
        node: usize,
        user: usize,
        channels: &[ChannelName],
        read: Option<ReadSoFar>,
    ) {
        let addr = self.nodes[node].addr;
        let who = ClientIdentity { number: self.clients.len(), node, user: user_name(user) };
        let client = ChaosClient::start(who, read, addr, self.events.clone());
        channels.iter().for_each(|channel| client.order(Order::Subscribe(channel)));
        self.clients.push(client);
    }

    /// Returns the number of the event.
    pub fn publish(&mut self, node: usize, channel: ChannelName) -> u64 {
        let (events, addr) = (self.events.clone(), self.nodes[node].addr);
        let number = lock(&events).begin(channel, node, None);
        self.publishing.spawn(async move {
            let outcome = ask::publish(addr, channel, number).await;
            lock(&events).end(number, outcome);
        });
        number
    }

    fn say(&mut self, client: usize, channel: ChannelName) {
        let node = self.clients[client].node;
        let number = lock(&self.events).begin(channel, node, Some(client));
        self.clients[client].order(Order::Say { channel, number });
    }

    async fn revive(&mut self, node: usize) {
        self.nodes[node].revive().await;
    }

    fn redis_fails(&mut self, kind: TroubleKind, is_killed: bool) {
        let running = self.nodes.iter().enumerate().filter(|(_, node)| node.is_running());
        self.troubles_of_redis =
            running.map(|(at, node)| node.redis_fails(at, kind, is_killed)).collect();
    }

    fn redis_is_back(&mut self) {
        for trouble in std::mem::take(&mut self.troubles_of_redis) {
            self.nodes[trouble.node].redis_is_back(trouble);
        }
    }

    /// The former master goes on.
    fn redis_misleads(&mut self) {
        for trouble in &mut self.troubles_of_redis {
            trouble.mislead(&self.nodes[trouble.node]);
        }
    }

    fn freeze_redis(&mut self, is_long: bool) {
        let kind = if is_long { TroubleKind::Lost } else { TroubleKind::Slow };
        self.redis_fails(kind, false);
        self.engine.master().signal("STOP");
    }

    async fn promote(&mut self) {
        self.losses.master_changed();
        self.engine.replicas().promote().await;
        let master = self.engine.master().addr();
        self.nodes.iter().for_each(|node| node.master_is_replaced(master));
        self.losses.writes_are_lost(self.held);
        self.redis_is_back();
    }

    /// Waits for all answers to publishers.
    pub async fn until_answered(&mut self) {
        while let Some(done) = self.publishing.join_next().await {
            done.expect("no publisher fails");
        }
    }

    /// Ends all nodes in order. The engine stays.
    pub async fn stop(self) -> Engine {
        for node in self.nodes {
            node.stop().await;
        }
        self.engine
    }
}

pub fn unix_ms() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is after 1970");
    u64::try_from(now.as_millis()).expect("a time of this century")
}

/// For what takes a moment.
pub async fn pause(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}
