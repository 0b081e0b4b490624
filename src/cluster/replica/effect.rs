//! What follows from a change of a replica.

use std::sync::Arc;

use super::{
    input::{ClusterMember, HeardEvent, WaitingId},
    repair::RepairCause,
};
use crate::{
    channels::{log::GapReason, members::Member},
    cluster::redis::replies::Reply,
};

/// The number of a verb or question of one replica. They only rise.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct RequestNumber(pub(super) u64);

/// The tasks of the caller, to be carried out in this order and under the same lock. Requests go
/// into the lane of the channel's partition in this order.
#[derive(Clone, Debug)]
pub enum ReplicaEffect {
    /// For all subscribers who have been answered.
    MemberAdded(Member),
    MemberRemoved {
        user_id: Arc<str>,
    },
    /// Post the event.
    Deliver(HeardEvent),
    /// It is the channel's last event from now on.
    KeepLast(HeardEvent),
    /// The channel has no last event.
    DropLast,
    /// For subscribers that are told positions.
    TellLogGap(LogGap),
    /// The snapshot is applied: what is read of the log from now on joins what is heard.
    LogSynced,
    /// Tell the total of subscribers.
    TellTotal(u64),
    /// The session may enter.
    Answer(WaitingId),
    /// The channel is full: the session is to be refused, and the replica has forgotten it.
    RefuseFull(WaitingId),
    /// An event was dropped, since its key never came.
    DroppedKeyless,
    /// Something was missed or lost. For metrics: the effects that mend it follow.
    Repairing(RepairCause),
    /// Subscribe to the topic, and report it with `subscribed`.
    Subscribe,
    /// The roster and all else is forgotten without a word: there is nobody to tell.
    Unsubscribe,
    /// Take a snapshot with a mark, and report the mark and the snapshot. With the logged events behind
    /// this number.
    AskSnapshot {
        request: RequestNumber,
        log_after: Option<u64>,
    },
    /// Read what the engine has of this node, and report it with `audited`.
    AskHeld(RequestNumber),
    Send {
        request: RequestNumber,
        verb: StateVerb,
    },
}

/// Logged events are missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogGap {
    pub reason: GapReason,
    /// Readers behind this number go on without a further gap.
    pub at: u64,
}

/// A change of this node in the engine. Each says what is to be, so that a repetition is harmless.
#[derive(Clone, Debug)]
pub enum StateVerb {
    Count(u32),
    /// `limit` is 0 for a user who has been answered.
    Join {
        member: ClusterMember,
        limit: u32,
    },
    Leave {
        member: ClusterMember,
    },
}

/// What the engine answered to a verb.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum VerbReply {
    Counted {
        total: u64,
        due_ms: u64,
    },
    /// This node refers to the member.
    Joined {
        number: u64,
    },
    Full,
    /// This node does not refer to the member.
    Left,
}

/// Whether a subscription is answered now.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entrance {
    /// It enters in the same call.
    Now,
    /// It waits for `ReplicaEffect::Answer`.
    Later,
    /// The channel is full as far as this node knows, and the replica has forgotten it.
    Full,
}

/// Whether a waiting subscription has been answered. From then on it counts as a subscriber.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Entered {
    /// Its member is in the roster, if it has one.
    Answered,
    /// The connection was lost meanwhile: it waits again.
    NotYet,
    /// The replica does not know it, or has refused it.
    Unknown,
}

impl VerbReply {
    /// `None` for a buried node, which announces everything under a new incarnation.
    pub fn of(reply: Reply) -> Option<Self> {
        Some(match reply {
            Reply::Counted { total, due_ms } => Self::Counted { total, due_ms },
            Reply::First { number } | Reply::More { number } | Reply::Same { number } => {
                Self::Joined { number }
            }
            Reply::Full { .. } => Self::Full,
            Reply::Gone { .. }
            | Reply::Lingers { .. }
            | Reply::Others { .. }
            | Reply::NotThere { .. } => Self::Left,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_of_scripts_say_what_the_engine_has_of_this_node() {
        let number = 7;
        for (reply, expected) in [
            (
                Reply::Counted { total: 3, due_ms: 9 },
                Some(VerbReply::Counted { total: 3, due_ms: 9 }),
            ),
            (Reply::First { number }, Some(VerbReply::Joined { number })),
            (Reply::More { number }, Some(VerbReply::Joined { number })),
            (Reply::Same { number }, Some(VerbReply::Joined { number })),
            (Reply::Full { number }, Some(VerbReply::Full)),
            (Reply::Gone { number }, Some(VerbReply::Left)),
            (Reply::Lingers { number }, Some(VerbReply::Left)),
            (Reply::Others { number }, Some(VerbReply::Left)),
            (Reply::NotThere { number }, Some(VerbReply::Left)),
            (Reply::Fenced, None),
        ] {
            assert_eq!(VerbReply::of(reply), expected, "{reply:?}");
        }
    }
}
