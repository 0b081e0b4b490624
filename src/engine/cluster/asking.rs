//! Asks the node that has a connection.

use std::sync::Arc;

use super::{Cluster, granting};
use crate::{
    cluster::{
        content::{NodeRequest, ReplyContent, RequestContent, RequestRefusal},
        names::NodeSlot,
        node::{
            ClusterNode,
            asking::{AskError, NodeTeller},
        },
    },
    domain::{channel::Channel, ids::SocketId},
    engine::{
        AppRuntime, Engine,
        grants::{AskedChannel, GrantError, Granted},
    },
    hub::mailbox::{FoundReader, KeyRequestError},
};

/// On drop, tells the node of the connection that the auth response has been built.
pub(in crate::engine) struct RemoteAnswerGuard {
    teller: NodeTeller,
    socket: SocketId,
    app: Arc<str>,
    channel: Arc<str>,
}

impl Drop for RemoteAnswerGuard {
    fn drop(&mut self) {
        let Self { app, channel, socket, .. } = self;
        let request = NodeRequest::AuthAnswered { socket: *socket, channel };
        let body = RequestContent { app, request }.to_bytes();
        self.teller.tell(NodeSlot::of_socket(*socket), body.into());
    }
}

impl Cluster {
    /// The cluster, if the connection may be one of another node.
    fn other_node(&self, socket: SocketId, here: Here) -> Option<&ClusterNode> {
        let node = self.node()?;
        let is_ours = node.slots().has(NodeSlot::of_socket(socket));
        match here {
            Here::NotAsked => (!is_ours).then_some(node),
            // Two nodes can have drawn one slot. Without Redis there is none to ask.
            Here::Unknown => (is_ours && node.status().is_member()).then_some(node),
        }
    }
}

/// Whether this node has looked for the connection.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Here {
    NotAsked,
    Unknown,
}

impl Engine {
    /// Looks for a connection on this node, or on that of its id.
    async fn on_its_node<T>(
        &self,
        socket: SocketId,
        here: impl AsyncFnOnce() -> Result<T, GrantError>,
        there: impl AsyncFnOnce(&ClusterNode) -> Result<T, GrantError>,
    ) -> Result<T, GrantError> {
        if let Some(node) = self.cluster.other_node(socket, Here::NotAsked) {
            return there(node).await;
        }
        match here().await {
            Err(GrantError::Connection(KeyRequestError::UnknownSocket)) => {}
            found => return found,
        }
        match self.cluster.other_node(socket, Here::Unknown) {
            Some(node) => there(node).await,
            None => Err(KeyRequestError::UnknownSocket.into()),
        }
    }

    pub(in crate::engine) async fn grant_on_its_node(
        &self,
        runtime: &AppRuntime,
        socket: SocketId,
        asked: AskedChannel<'_>,
    ) -> Result<Granted, GrantError> {
        let remote = asked.clone();
        let here = async || self.grant_here(runtime, socket, asked).await;
        let there = async |node: &ClusterNode| {
            let request = NodeRequest::Grant(granting::request(socket, &remote));
            let reply = ask(node, runtime, socket, request).await?;
            let ReplyContent::Granted { version, is_held, user } = parse(&reply)? else {
                return Err(GrantError::Busy);
            };
            let guard = is_held.then(|| RemoteAnswerGuard {
                teller: node.teller(),
                socket,
                app: runtime.id.clone(),
                channel: remote.channel.name().clone(),
            });
            let answer_guard = guard.map(Into::into);
            Ok(Granted { version, answer_guard, user: user.map(Arc::from) })
        };
        self.on_its_node(socket, here, there).await
    }

    pub async fn check_connection(
        &self,
        runtime: &AppRuntime,
        socket: SocketId,
    ) -> Result<(), GrantError> {
        let here = async || self.check_connection_here(runtime, socket).await;
        let there = async |node: &ClusterNode| {
            let reply = ask(node, runtime, socket, NodeRequest::FindSocket { socket }).await?;
            parse(&reply).map(drop)
        };
        self.on_its_node(socket, here, there).await
    }

    /// A live connection of the app, as far as it is authorized for the channel.
    pub async fn find_reader(
        &self,
        runtime: &AppRuntime,
        socket: SocketId,
        channel: &Channel,
    ) -> Result<FoundReader, GrantError> {
        let here = async || self.find_reader_here(runtime, socket, channel).await;
        let there = async |node: &ClusterNode| {
            let request = NodeRequest::FindReader { socket, channel: channel.name() };
            let reply = ask(node, runtime, socket, request).await?;
            match parse(&reply)? {
                ReplyContent::Reader { version, user } => {
                    Ok(FoundReader { version, user: user.map(Arc::from) })
                }
                _ => Err(GrantError::Busy),
            }
        };
        self.on_its_node(socket, here, there).await
    }
}

async fn ask(
    node: &ClusterNode,
    runtime: &AppRuntime,
    socket: SocketId,
    request: NodeRequest<'_>,
) -> Result<bytes::Bytes, GrantError> {
    let body = RequestContent { app: &runtime.id, request }.to_bytes();
    node.ask(NodeSlot::of_socket(socket), body.into()).await.map_err(|error| match error {
        AskError::Nobody => KeyRequestError::UnknownSocket.into(),
        AskError::Busy => GrantError::Busy,
    })
}

/// A reply of another version of this server says nothing.
fn parse(reply: &[u8]) -> Result<ReplyContent<'_>, GrantError> {
    Err(match ReplyContent::parse(reply) {
        Ok(ReplyContent::Refused(refused)) => match refused {
            RequestRefusal::UnknownSocket => KeyRequestError::UnknownSocket.into(),
            RequestRefusal::TooMany => KeyRequestError::TooMany.into(),
            RequestRefusal::TokenRevoked => KeyRequestError::TokenRevoked.into(),
            RequestRefusal::Revoked => KeyRequestError::Revoked.into(),
            RequestRefusal::Busy => GrantError::Busy,
        },
        Ok(reply) => return Ok(reply),
        Err(_) => GrantError::Busy,
    })
}
