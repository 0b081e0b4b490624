//! This process as a node of the cluster.
//!
//! One thread ([`thread`]) owns the connections. It seals what leaves this process and opens what
//! comes. [`ClusterNode`] is the way to it: a queue of [`commands`] that never waits. The thread tells
//! the holder of each followed channel its [`news`].
//!
//! Commands of one channel are carried out in the order in which they were given, and so are the
//! answers of Redis.

pub mod asking;
pub mod commands;
pub mod host;
pub mod keys;
pub mod letters;
pub mod logs;
pub mod news;
pub mod opening;
pub mod queries;
pub mod sealing;
pub mod slots;
pub mod status;
pub mod thread;

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use commands::{FactNote, FollowedChannel, NodeCommand, Publication};
use news::ReplicaHolder;
use parking_lot::Mutex;
use slots::NodeSlots;
use status::NodeStatus;
use tokio::sync::mpsc::{
    UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel,
};

use super::{
    content::FactContent,
    envelope::EnvelopeOpener,
    key_tables::KeyTables,
    names::{AppHash, ChannelId, ChannelLocation, ClusterNames, EPOCH_BYTES, KeyLayout, NodeSlot},
    redis::{backlog::Backlog, log::LogLife, scripts::Scripts},
    settings::{ClusterSettings, WhenAway},
    stored::StoredValues,
};
use crate::{channels::fact::ChannelFact, domain::channel::Channel};

/// The way to the thread of this node.
pub struct ClusterNode {
    names: Arc<ClusterNames>,
    commands: UnboundedSender<NodeCommand>,
    /// The publications that wait in the queue, and those that wait for Redis.
    backlog: Backlog,
    status: Arc<NodeStatus>,
    when_away: WhenAway,
    lease: Duration,
    layout: KeyLayout,
    stored: Arc<StoredValues>,
    opener: Mutex<EnvelopeOpener>,
    slots: Arc<NodeSlots>,
    key_tables: Arc<KeyTables>,
    scripts: Arc<Scripts>,
    /// Of the positions of all logs in Redis.
    history_epoch: [u8; EPOCH_BYTES],
}

/// What the thread needs to begin.
pub struct NodeParts {
    pub settings: ClusterSettings,
    pub names: Arc<ClusterNames>,
    pub commands: UnboundedReceiver<NodeCommand>,
    pub backlog: Backlog,
    pub status: Arc<NodeStatus>,
    pub slots: Arc<NodeSlots>,
    pub scripts: Arc<Scripts>,
    /// For what the host is done with later. Weak, as the thread ends when nobody can give commands.
    pub own_commands: WeakUnboundedSender<NodeCommand>,
}

/// A channel, with the names that Redis has for it.
#[derive(Clone, Debug)]
pub struct ClusterChannel {
    pub app: Arc<str>,
    pub app_hash: AppHash,
    pub channel: Channel,
    pub location: ChannelLocation,
    /// Of a user's own channel that of the user's watchers, and the other way round.
    pub twin: Option<ChannelId>,
}

impl ClusterChannel {
    pub fn new(names: &ClusterNames, app: Arc<str>, channel: Channel) -> Self {
        let twin = channel.subject().map(|user| match channel.user() {
            Some(_) => Channel::of_watchers(user),
            None => Channel::of_user(user),
        });
        Self {
            app_hash: names.app(&app),
            location: names.channel(&app, &channel),
            twin: twin.map(|twin| names.channel(&app, &twin).id),
            app,
            channel,
        }
    }

    /// True for the channel of a user's watchers: it mirrors the user's own.
    pub fn is_mirror(&self) -> bool {
        self.twin.is_some() && self.channel.user().is_none()
    }
}

impl ClusterNode {
    pub fn new(settings: ClusterSettings) -> (Self, NodeParts) {
        let (sender, commands) = unbounded_channel();
        let own_commands = sender.downgrade();
        let names = Arc::new(ClusterNames::new(&settings.key));
        let backlog = Backlog::new(settings.backlog_bytes);
        let status = Arc::<NodeStatus>::default();
        let slots = Arc::new(NodeSlots::new(NodeSlot::random()));
        let scripts = Arc::new(Scripts::new());
        let node = Self {
            names: names.clone(),
            commands: sender,
            backlog: backlog.clone(),
            status: status.clone(),
            when_away: settings.when_away,
            lease: settings.lease,
            layout: KeyLayout::new(settings.prefix.clone()),
            stored: Arc::new(StoredValues::new(&settings.key)),
            opener: Mutex::new(EnvelopeOpener::new(&settings.key)),
            slots: slots.clone(),
            key_tables: Arc::new(KeyTables::new(&settings.key)),
            scripts: scripts.clone(),
            history_epoch: names.history_epoch(),
        };
        (
            node,
            NodeParts { settings, names, commands, backlog, status, slots, scripts, own_commands },
        )
    }

    pub fn names(&self) -> &ClusterNames {
        &self.names
    }

    pub fn channel(&self, app: &Arc<str>, channel: &Channel) -> ClusterChannel {
        ClusterChannel::new(&self.names, app.clone(), channel.clone())
    }

    /// False if too much waits for Redis. State is sent without room: its backlog is the state.
    pub fn has_room(&self) -> bool {
        self.backlog.has_room()
    }

    /// What waits for Redis.
    pub fn backlog_bytes(&self) -> usize {
        self.backlog.bytes()
    }

    /// The same on all nodes.
    pub fn history_epoch(&self) -> [u8; EPOCH_BYTES] {
        self.history_epoch
    }

    pub fn slots(&self) -> &NodeSlots {
        &self.slots
    }

    pub fn key_tables(&self) -> &KeyTables {
        &self.key_tables
    }

    pub fn status(&self) -> &NodeStatus {
        &self.status
    }

    /// False if Redis is away, and with it the master of the channel.
    pub fn reaches(&self, app: &str, channel: &Channel) -> bool {
        self.status.reaches(self.names.channel(app, channel).partition)
    }

    pub fn lease(&self) -> Duration {
        self.lease
    }

    pub fn when_away(&self) -> WhenAway {
        self.when_away
    }

    /// A channel whose replica `holder` holds. Nothing is sent before its first command.
    pub fn followed(
        &self,
        channel: ClusterChannel,
        log: Option<LogLife>,
        holder: Arc<dyn ReplicaHolder>,
    ) -> Arc<FollowedChannel> {
        Arc::new(FollowedChannel { channel, log, holder })
    }

    /// Call it under the lock of the channel's replica, so that commands keep their order.
    pub fn send(&self, command: NodeCommand) {
        // The thread ends after everything that gives commands.
        let _ = self.commands.send(command);
    }

    /// A fact that no change in Redis makes. It is of now.
    pub fn note(&self, channel: ClusterChannel, fact: ChannelFact<'_>) {
        let is_miss = fact == ChannelFact::CacheMiss;
        let (app, name) = (&*channel.app, &**channel.channel.name());
        let at_ms = self.status.redis_ms().unwrap_or_else(|| unix_ms(SystemTime::now()));
        let content = FactContent { app, channel: name, at_ms, fact }.to_bytes();
        self.backlog.add(content.len());
        self.send(NodeCommand::Note(FactNote { content: content.into(), channel, is_miss }));
    }

    pub fn publish(&self, publication: Publication) {
        self.backlog.add(publication.content.len());
        self.send(NodeCommand::Publish(publication));
    }
}

fn unix_ms(time: SystemTime) -> u64 {
    let since_1970 = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}
