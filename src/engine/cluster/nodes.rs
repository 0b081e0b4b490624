//! The nodes of the cluster, for operators. Without a cluster, this server is the only one.

use std::borrow::Cow;

use bytes::Bytes;
use futures_util::future::join_all;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::{
    cluster::{
        content::{NodeDescription, NodeRequest, ReplyContent, RequestContent},
        names::NodeSlot,
        node::{ClusterNode, asking::AskError, status::LivingPeer},
    },
    domain::time::UnixSeconds,
    engine::{Engine, facts::Fact},
    observe::audit::{AdminSubject, AuditFact},
    platform::clock::unix_now,
};

#[derive(Serialize, utoipa::ToSchema)]
pub struct NodeList {
    /// This one first, then by slot.
    pub nodes: Vec<NodeRow>,
    /// False for a server on its own.
    pub cluster: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
pub struct NodeRow {
    /// The slot in the cluster; `self` without one.
    pub node: String,
    /// True for the node that answers.
    pub this: bool,
    /// `None` if the node does not answer.
    pub version: Option<String>,
    pub ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
    pub connections: u64,
    /// Start of the node, in seconds since 1970.
    pub since: Option<UnixSeconds>,
    /// Since its last answer or beat.
    pub seen_seconds: f64,
    /// Whether it has the keys of the node that answers. `None` if it does not answer.
    pub keys_agree: Option<bool>,
    pub draining: bool,
}

/// The name of a server without a cluster, and of the node that answers.
pub const THIS_NODE: &str = "self";

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DrainError {
    UnknownNode,
    NoAnswer,
}

impl Engine {
    pub async fn nodes(&self) -> NodeList {
        let this = self.describe();
        let this_row = NodeRow { this: true, ..this.row(self.node_name(), this.keys) };
        let Some(node) = self.cluster.node() else {
            return NodeList { nodes: vec![this_row], cluster: false };
        };
        let peers = node.status().peers().into_iter();
        let mut others = join_all(peers.map(|peer| ask(node, peer, this.keys))).await;
        others.sort_by(|a, b| a.node.cmp(&b.node));
        let nodes = std::iter::once(this_row).chain(others).collect();
        NodeList { nodes, cluster: true }
    }

    /// The name of this node. It may change while the node joins its cluster.
    pub fn node_name(&self) -> String {
        let slot = self.cluster.node().map(|node| node.slots().of_new_sockets().number());
        slot.map_or_else(|| THIS_NODE.to_owned(), |slot| slot.to_string())
    }

    /// Ends a node, as SIGTERM does. Returns when the node has begun to end.
    pub async fn drain_node(&self, name: &str) -> Result<(), DrainError> {
        let slot = name.parse().ok().and_then(NodeSlot::new);
        let node = self.cluster.node();
        let is_this = slot.is_some_and(|slot| node.is_some_and(|node| node.slots().has(slot)));
        if name == THIS_NODE || is_this {
            self.control.drain();
            return Ok(());
        }
        let (Some(slot), Some(node)) = (slot, node) else { return Err(DrainError::UnknownNode) };
        let reply = node.ask(slot, request(NodeRequest::DrainNode)).await;
        match reply.as_deref().map(ReplyContent::parse) {
            Ok(Ok(ReplyContent::Done)) => Ok(()),
            Err(AskError::Nobody) => Err(DrainError::UnknownNode),
            Ok(_) | Err(AskError::Busy) => Err(DrainError::NoAnswer),
        }
    }

    /// Another node has been asked to end this one.
    pub(super) fn drain_for_node(&self) {
        let subject = AdminSubject::node(&self.node_name());
        let by = Some("cluster".into());
        self.note(Fact::Audited(AuditFact::AdminAction {
            action: "drain",
            app: None,
            by,
            subject,
        }));
        self.control.drain();
    }

    /// For other nodes: a `ReplyContent`.
    pub(super) fn description(&self) -> Bytes {
        let it = self.describe();
        let node = NodeDescription {
            version: env!("CARGO_PKG_VERSION"),
            unready: it.unready.as_deref(),
            connections: it.connections,
            since: it.since,
            is_draining: it.is_draining,
            keys: it.keys,
        };
        ReplyContent::Node(node).to_bytes().into()
    }

    fn describe(&self) -> Described {
        let first = self.unready().into_iter().next();
        Described {
            version: env!("CARGO_PKG_VERSION").into(),
            unready: first.map(|it| it.reason),
            connections: self.hub.sockets() as u64,
            since: unix_now().saturating_sub(self.clock.uptime().as_secs()),
            is_draining: self.hub.is_draining(),
            keys: self.keys_hash(),
        }
    }

    /// Over the fingerprints of all keys that open events, by app.
    fn keys_hash(&self) -> [u8; 32] {
        let runtimes = self.runtimes_snapshot();
        let mut apps: Vec<_> = runtimes.iter().collect();
        apps.sort_by(|a, b| a.id.cmp(&b.id));
        let mut hash = Sha256::new();
        for runtime in apps {
            let Some(ring) = runtime.keys() else { continue };
            let table = ring.table();
            let mut ids: Vec<_> = table.opening().map(|key| key.id.as_str()).collect();
            ids[1..].sort_unstable();
            for text in [&*runtime.id, ""].into_iter().chain(ids) {
                hash.update((text.len() as u64).to_be_bytes());
                hash.update(text);
            }
        }
        hash.finalize().into()
    }
}

struct Described {
    version: Cow<'static, str>,
    unready: Option<Cow<'static, str>>,
    connections: u64,
    since: UnixSeconds,
    is_draining: bool,
    keys: [u8; 32],
}

impl Described {
    fn row(&self, node: String, own_keys: [u8; 32]) -> NodeRow {
        NodeRow {
            node,
            this: false,
            version: Some(self.version.to_string()),
            ready: self.unready.is_none(),
            why: self.unready.as_ref().map(ToString::to_string),
            connections: self.connections,
            since: Some(self.since),
            seen_seconds: 0.0,
            keys_agree: Some(self.keys == own_keys),
            draining: self.is_draining,
        }
    }
}

fn request(request: NodeRequest<'_>) -> Bytes {
    RequestContent { app: "", request }.to_bytes().into()
}

async fn ask(node: &ClusterNode, peer: LivingPeer, own_keys: [u8; 32]) -> NodeRow {
    let name = peer.slot.number().to_string();
    let reply = node.ask_soon(peer.slot, request(NodeRequest::DescribeNode)).await;
    match reply.as_deref().map(ReplyContent::parse) {
        Some(Ok(ReplyContent::Node(it))) => {
            let described = Described {
                version: it.version.to_owned().into(),
                unready: it.unready.map(|reason| reason.to_owned().into()),
                connections: it.connections,
                since: it.since,
                is_draining: it.is_draining,
                keys: it.keys,
            };
            described.row(name, own_keys)
        }
        _ => silent(name, &peer),
    }
}

/// What its last beat tells of a node that does not answer.
fn silent(node: String, peer: &LivingPeer) -> NodeRow {
    let tenths = peer.seen_before().as_millis() / 100;
    NodeRow {
        node,
        this: false,
        version: None,
        ready: false,
        why: Some("The node does not answer".into()),
        connections: peer.sockets,
        since: None,
        seen_seconds: tenths as f64 / 10.0,
        keys_agree: None,
        draining: false,
    }
}
