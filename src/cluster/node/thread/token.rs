//! What a command or a read was.

use std::{sync::Arc, time::Instant};

use redis::Value;
use tokio::sync::oneshot;

use super::{noting::FactOnItsWay, revocation_reading::RevocationReading};
use crate::cluster::{
    membership::MembershipToken,
    names::{ChannelLocation, Incarnation, Partition},
    node::commands::FollowedChannel,
    redis::scripts::Script,
    replica::effect::RequestNumber,
};

pub enum NodeToken {
    Change {
        followed: Arc<FollowedChannel>,
        request: RequestNumber,
        script: Script,
        /// The one in whose name it was sealed.
        incarnation: Incarnation,
    },
    Membership(MembershipToken),
    /// Its number among the publications without an answer.
    Publication(u64),
    Fact(Box<FactOnItsWay>),
    /// Its number among the questions to other nodes.
    Question(u64),
    /// What is told to other nodes. Its answer says nothing.
    Note,
    Revocations(Box<RevocationReading>),
    RevocationCounts(Vec<Arc<str>>),
    Tables(Vec<Arc<str>>),
    TableHeads(Vec<Arc<str>>),
    TableStored(Arc<str>),
    /// When it was asked.
    Clock(Instant),
    /// What Redis lists for this node in a partition.
    ListedChannels(Partition),
    StrayNames(Vec<ChannelLocation>),
    /// A question of the holder of a channel.
    Log {
        followed: Arc<FollowedChannel>,
        number: u64,
        after: u64,
    },
    /// A question of a request.
    Read(oneshot::Sender<Vec<Value>>),
    /// A question for what Redis has of this node on a channel.
    Held {
        followed: Arc<FollowedChannel>,
        request: RequestNumber,
        incarnation: Incarnation,
    },
}

/// Its answer and its mark come on two connections, in any order.
pub struct SnapshotOnItsWay {
    pub followed: Arc<FollowedChannel>,
    pub request: RequestNumber,
    pub is_marked: bool,
    pub is_answered: bool,
}
