//! What an answer belongs to.

use std::time::Duration;

use bytes::Bytes;

use crate::cluster::{
    names::{ChannelId, Incarnation, MemberId, NodeSlot, Partition},
    redis::lingering::Lingering,
};

/// Opaque for the thread, which returns it with the answer.
#[derive(Clone, Debug)]
pub struct MembershipToken {
    /// What was asked over an earlier connection, or by an earlier incarnation, says nothing now.
    pub(super) round: u64,
    pub(super) purpose: Purpose,
}

#[derive(Clone, Debug)]
pub(super) enum Purpose {
    Identity,
    /// `asked`: the time since boot.
    Beat {
        asked: Duration,
    },
    Admit {
        partition: Partition,
        announcement: u64,
    },
    Own {
        partition: Partition,
        asked: Duration,
    },
    Claim {
        node: Incarnation,
        slot: Option<NodeSlot>,
    },
    Bury(Grave),
    ListChannels(Grave),
    ReadChannels {
        grave: Grave,
        channels: Vec<ChannelId>,
    },
    ReadReferences {
        grave: Grave,
        channels: Vec<ChannelId>,
    },
    ReadRecords {
        grave: Grave,
        members: Vec<(ChannelId, MemberId)>,
    },
    TakeAway(Grave),
    Retire(Grave),
    Forget {
        node: Incarnation,
    },
    ListLingering(Vec<Partition>),
    ReadLingering(Vec<(Partition, Lingering)>),
    End(Partition),
    /// With the most facts of each.
    TakeFacts(Vec<(Partition, usize)>),
    Acknowledge {
        partition: Partition,
        entries: Vec<Bytes>,
    },
    Mark,
    CountFacts,
    ListNodes {
        partitions: Vec<Partition>,
        asked: Duration,
    },
    GiveBack,
    RetireSelf,
    ForgetSelf,
    RemoveIdentity,
    /// Nobody waits for the answer.
    Nothing,
}

impl Purpose {
    pub fn is_of_leaving(&self) -> bool {
        matches!(self, Self::GiveBack | Self::RetireSelf | Self::ForgetSelf | Self::RemoveIdentity)
    }

    /// The burial that a step belongs to.
    pub fn grave(&self) -> Option<Grave> {
        match self {
            Self::Bury(grave)
            | Self::ListChannels(grave)
            | Self::ReadChannels { grave, .. }
            | Self::ReadReferences { grave, .. }
            | Self::ReadRecords { grave, .. }
            | Self::TakeAway(grave)
            | Self::Retire(grave) => Some(*grave),
            _ => None,
        }
    }
}

/// A dead node in one partition.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Grave {
    pub node: Incarnation,
    pub partition: Partition,
    /// Counts the attempts. Answers to an earlier one are passed over.
    pub attempt: u32,
}

impl Grave {
    pub fn new(node: Incarnation, partition: Partition) -> Self {
        Self { node, partition, attempt: 0 }
    }

    pub fn again(self) -> Self {
        Self { attempt: self.attempt.wrapping_add(1), ..self }
    }

    pub fn is_same_place(&self, other: &Self) -> bool {
        (self.node, self.partition) == (other.node, other.partition)
    }
}
