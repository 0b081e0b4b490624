//! What should be true of the cluster once it is calm.

use std::collections::{BTreeMap, BTreeSet};

use super::action::{Action, ChannelName};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NodeState {
    Up,
    Frozen,
    Down,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RedisState {
    Up,
    Frozen,
    Down,
    /// In the middle of a failover.
    Unsafe,
}

pub struct ModelClient {
    pub node: usize,
    pub user: usize,
    pub channels: BTreeSet<ChannelName>,
    pub is_open: bool,
}

impl ModelClient {
    /// It stays until the next time of calm.
    pub fn is_steadfast(&self) -> bool {
        self.user >= FIRST_STEADFAST
    }
}

/// The users from here on are steadfast.
pub const FIRST_STEADFAST: usize = 100;

pub struct Model {
    pub nodes: Vec<NodeState>,
    /// The present disaster of each node.
    pub is_troubled: Vec<bool>,
    pub redis: RedisState,
    pub clients: Vec<ModelClient>,
}

impl Model {
    pub fn new(nodes: usize) -> Self {
        Self {
            nodes: vec![NodeState::Up; nodes],
            is_troubled: vec![false; nodes],
            redis: RedisState::Up,
            clients: Vec::new(),
        }
    }

    pub fn apply(&mut self, action: &Action) {
        match action {
            Action::Connect { node, user, channels, .. } => {
                let channels = channels.iter().copied().collect();
                self.clients.push(ModelClient {
                    node: *node,
                    user: *user,
                    channels,
                    is_open: true,
                });
            }
            Action::Subscribe { client, channel } => {
                self.clients[*client].channels.insert(channel);
            }
            Action::Unsubscribe { client, channel } => {
                self.clients[*client].channels.remove(channel);
            }
            Action::Close { client } | Action::Vanish { client } => self.end(*client),
            Action::Kill { node } | Action::Drain { node } => {
                self.set_node(*node, NodeState::Down);
                let of_node = |client: &ModelClient| client.node == *node;
                let ended: Vec<_> =
                    (0..self.clients.len()).filter(|at| of_node(&self.clients[*at])).collect();
                ended.into_iter().for_each(|client| self.end(client));
            }
            Action::Start { node } | Action::Thaw { node } => self.set_node(*node, NodeState::Up),
            Action::Freeze { node, .. } => self.set_node(*node, NodeState::Frozen),
            Action::Stall { node, .. }
            | Action::LoseReplies { node, .. }
            | Action::Sever { node, .. } => {
                self.is_troubled[*node] = true;
            }
            Action::Mend { node } => self.is_troubled[*node] = false,
            Action::FreezeRedis { .. } => self.redis = RedisState::Frozen,
            Action::HoldReplication => self.redis = RedisState::Unsafe,
            Action::KillRedis => self.redis = RedisState::Down,
            Action::Promote | Action::Depose => self.redis = RedisState::Unsafe,
            Action::ThawRedis | Action::StartRedis { .. } | Action::Rejoin => {
                self.redis = RedisState::Up;
            }
            Action::Reload { .. }
            | Action::Publish { .. }
            | Action::Crowd { .. }
            | Action::Say { .. }
            | Action::Cut { .. }
            | Action::Flush
            | Action::MoveSlots { .. } => {}
        }
    }

    fn set_node(&mut self, node: usize, state: NodeState) {
        self.nodes[node] = state;
        self.is_troubled[node] = state != NodeState::Up;
    }

    fn end(&mut self, client: usize) {
        self.clients[client].is_open = false;
        self.clients[client].channels.clear();
    }

    pub fn nodes_up(&self) -> Vec<usize> {
        (0..self.nodes.len()).filter(|at| self.nodes[*at] == NodeState::Up).collect()
    }

    pub fn open_clients(&self) -> Vec<usize> {
        (0..self.clients.len()).filter(|at| self.clients[*at].is_open).collect()
    }

    fn subscribed(&self, channel: &str) -> impl Iterator<Item = &ModelClient> {
        self.clients.iter().filter(move |client| client.channels.contains(channel))
    }

    pub fn count(&self, channel: &str) -> usize {
        self.subscribed(channel).count()
    }

    pub fn members(&self, channel: &str) -> BTreeSet<String> {
        self.subscribed(channel).map(|client| user_name(client.user)).collect()
    }

    /// The counts of all channels with subscribers.
    pub fn counts(&self) -> BTreeMap<ChannelName, usize> {
        let mut counts = BTreeMap::new();
        for channel in self.clients.iter().flat_map(|client| &client.channels) {
            *counts.entry(*channel).or_default() += 1;
        }
        counts
    }
}

pub fn user_name(user: usize) -> String {
    format!("u{user}")
}

pub fn is_presence(channel: &str) -> bool {
    channel.starts_with("presence-")
}

pub fn is_cache(channel: &str) -> bool {
    channel.contains("cache-")
}

/// It has a log, and its clients read positions.
pub fn is_logged(channel: &str) -> bool {
    channel.contains("log-")
}
