//! Asks other nodes, and tells them.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use bytes::Bytes;
use tokio::sync::{
    mpsc::UnboundedSender,
    oneshot::{self, error::TryRecvError},
};

use super::{ClusterNode, commands::NodeCommand};
use crate::cluster::{content::RevocationContent, names::NodeSlot};

/// For numbers in a report: it is not worth the whole time of a question.
const REPORT_TIMEOUT: Duration = Duration::from_secs(2);
const POLL_INTERVAL: Duration = Duration::from_millis(5);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AskError {
    /// No node answers for the slot, or none of those that do is meant.
    Nobody,
    /// There is no answer in time, or too much is asked already.
    Busy,
}

/// Why it is not certain that all nodes have taken something.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unacknowledged {
    #[error("{} of the other nodes {} confirmed it (slots {})", .0.len(), have(.0.len()), list(.0))]
    Nodes(BTreeSet<NodeSlot>),
    #[error("Redis does not keep it for nodes that join later; the log of this node says why")]
    NotKept,
    #[error(
        "Redis did not answer in time, so it is not known whether any other node has been told"
    )]
    Away,
}

/// A question to the node with this slot.
pub struct NodeQuestion {
    pub to: NodeSlot,
    /// A `RequestContent`.
    pub body: Bytes,
    pub answer: oneshot::Sender<Result<Bytes, AskError>>,
}

/// What all nodes have to take, and those that join later.
pub struct NodeAnnouncement {
    pub app: String,
    pub what: ForAllNodes,
    pub done: oneshot::Sender<Result<(), Unacknowledged>>,
}

pub enum ForAllNodes {
    /// A `RevocationContent`.
    Revocation(Bytes),
    /// A `TableContent`: what has changed. The host has it already.
    Table(Bytes),
}

/// Tells other nodes, from anywhere.
#[derive(Clone)]
pub struct NodeTeller(UnboundedSender<NodeCommand>);

impl NodeTeller {
    /// `body`: a `RequestContent`. It may be lost.
    pub fn tell(&self, to: NodeSlot, body: Bytes) {
        // The thread may have ended.
        let _ = self.0.send(NodeCommand::Tell { to, body });
    }
}

impl ClusterNode {
    pub fn teller(&self) -> NodeTeller {
        NodeTeller(self.commands.clone())
    }

    /// The reply of the node with this slot, which is a `ReplyContent`.
    pub async fn ask(&self, to: NodeSlot, body: Bytes) -> Result<Bytes, AskError> {
        let (answer, answered) = oneshot::channel();
        self.send(NodeCommand::Ask(NodeQuestion { to, body, answer }));
        // The thread has a timeout, and may have ended.
        answered.await.unwrap_or(Err(AskError::Busy))
    }

    /// Returns once all living nodes have taken it.
    pub async fn revoke(
        &self,
        app: &str,
        revocation: RevocationContent<'_>,
    ) -> Result<(), Unacknowledged> {
        let what = ForAllNodes::Revocation(revocation.to_bytes().into());
        self.announce(app, what).await.unwrap_or(Err(Unacknowledged::Away))
    }

    /// Returns once all living nodes have taken a change of keys. For threads that may wait.
    pub fn share_table(&self, app: &str, change: Bytes) -> Result<(), Unacknowledged> {
        let acknowledged = self.announce(app, ForAllNodes::Table(change));
        acknowledged.blocking_recv().unwrap_or(Err(Unacknowledged::Away))
    }

    fn announce(
        &self,
        app: &str,
        what: ForAllNodes,
    ) -> oneshot::Receiver<Result<(), Unacknowledged>> {
        let (done, acknowledged) = oneshot::channel();
        self.send(NodeCommand::Announce(NodeAnnouncement { app: app.into(), what, done }));
        acknowledged
    }

    /// The reply of the node with this slot, if it answers soon.
    pub async fn ask_soon(&self, to: NodeSlot, body: Bytes) -> Option<Bytes> {
        tokio::time::timeout(REPORT_TIMEOUT, self.ask(to, body)).await.ok()?.ok()
    }

    /// The replies of the other living nodes, as far as they answer soon. For threads that may wait.
    pub fn ask_others(&self, body: &Bytes) -> Vec<Bytes> {
        let ask = |to| {
            let ((answer, answered), body) = (oneshot::channel(), body.clone());
            self.send(NodeCommand::Ask(NodeQuestion { to, body, answer }));
            answered
        };
        let asked: Vec<_> = self.status.others().into_iter().map(ask).collect();
        let deadline = Instant::now() + REPORT_TIMEOUT;
        asked.into_iter().filter_map(|answered| receive(answered, deadline)?.ok()).collect()
    }
}

/// Blocks the thread, for other nodes may be stopped.
fn receive<T>(mut answer: oneshot::Receiver<T>, deadline: Instant) -> Option<T> {
    loop {
        match answer.try_recv() {
            Ok(answer) => return Some(answer),
            Err(TryRecvError::Empty) if Instant::now() < deadline => {
                std::thread::sleep(POLL_INTERVAL);
            }
            Err(_) => return None,
        }
    }
}

fn have(nodes: usize) -> &'static str {
    if nodes == 1 { "has not" } else { "have not" }
}

fn list(slots: &BTreeSet<NodeSlot>) -> String {
    slots.iter().map(|slot| slot.number().to_string()).collect::<Vec<_>>().join(", ")
}
