//! What the thread of a node asks of the server around it.

use std::{pin::Pin, sync::Arc};

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::{
    channels::{fact::ChannelFactKind, fact_receipt::SourcedFact},
    cluster::{
        content::{FactContent, RevocationContent},
        membership::effect::NodeLoad,
    },
    domain::channel::Channel,
};

/// A `ReplyContent`. `None`: the request is for another node.
pub type HostAnswer = Pin<Box<dyn Future<Output = Option<Bytes>> + Send>>;

/// The key table of an app in Redis, as `TableContent`. `None`: there is none.
pub type HostTable = (Arc<str>, Option<Zeroizing<Vec<u8>>>);

/// The apps of which Redis lacks something; or why this node cannot be a member.
pub type TablesTaken = Pin<Box<dyn Future<Output = Result<Vec<Arc<str>>, String>> + Send>>;

/// Who else is there when a node joins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Company {
    /// No other node is alive.
    None,
    Others,
}

/// Called by the thread alone. Nothing of it may wait.
pub trait NodeHost: Send + Sync {
    /// What all nodes of the cluster must share. Asked once, at the start.
    fn identity(&self) -> Bytes;

    fn load(&self) -> NodeLoad;

    /// Whether a backend is told such facts. Others are not written.
    fn wants_fact(&self, app: &str, channel: &Channel, kind: ChannelFactKind) -> bool;

    /// A fact for webhooks. Facts of a channel come in their order, and some of them twice.
    /// It is held by the thread until the call returns.
    fn fact(&self, fact: &FactContent<'_>, source: &Arc<SourcedFact>);

    /// False while endpoints cannot take more facts.
    fn has_fact_room(&self) -> bool;

    /// Redis has something of this node on a channel that nobody follows here: the host follows it,
    /// and tells its replica to look after it.
    fn look_after(&self, app: &str, channel: &Channel);

    /// The answer to a `RequestContent` of another node. The future may wait.
    fn answer(&self, request: Bytes) -> HostAnswer;

    /// The apps whose revocations the nodes share.
    fn apps(&self) -> Vec<Arc<str>>;

    /// The apps whose keys the nodes share.
    fn sealed_apps(&self) -> Vec<Arc<str>>;

    /// Takes the key tables that Redis has. The future may wait for files.
    fn take_tables(&self, stored: Vec<HostTable>, company: Company) -> TablesTaken;

    /// All that this node knows of the keys of an app, as `TableContent`. `None`: nothing that Redis
    /// should have.
    fn table(&self, app: &str) -> Option<Bytes>;

    /// Takes all revocations of an app that Redis has. Returns those that it lacks, as
    /// `RevocationContent`.
    fn take_revocations(&self, app: &Arc<str>, stored: &[RevocationContent<'_>]) -> Vec<Bytes>;
}
