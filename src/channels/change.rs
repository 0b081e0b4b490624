//! The changes of a channel's state, and their effects.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    fact::ChannelFact,
    last_event::LastEvent,
    log::{HotFrames, LogEvent, LogNumber},
    members::Member,
};
use crate::{
    domain::{channel::Channel, rate_limit::GcraParams},
    protocol::{content::Content, message::Message},
};

pub enum Change<'a> {
    Subscribe(Newcomer),
    Unsubscribe(Leaver<'a>),
    /// The time of a held departure has come.
    EndHold {
        user_id: &'a str,
    },
    /// In a cluster, the last connection of a member on this node has gone.
    HoldDeparture {
        user_id: &'a str,
        returns: Option<GcraParams>,
        linger: Option<Duration>,
    },
    /// A count that was held back may be due.
    TellCount,
    /// A new subscriber found no last event.
    ReportMiss,
    /// An event was published on a cache channel.
    KeepEvent(LastEvent),
    /// The last event is sealed with other keys.
    ResealEvent {
        content: Content,
        data: Arc<str>,
    },
    /// The memory of the last event is needed. Without effect on a later event.
    DropEvent {
        number: u64,
    },
    /// Without effect on a channel without a log.
    InLog(LogChange),
    /// In a cluster, the engine decides who is a member.
    Replicate(ReplicatedChange),
    /// Time has passed: drops what has expired.
    Expire,
}

/// A change of the members on all nodes. It is no fact: the engine of the cluster tells those once.
pub enum ReplicatedChange {
    MemberAdded(Member),
    MemberRemoved {
        user_id: Arc<str>,
    },
    /// Nobody is left here to be told of members.
    MembersForgotten,
}

pub enum LogChange {
    /// An event is about to be logged: reserves its number.
    Reserve {
        micros: u64,
    },
    Append {
        event: LogEvent,
        number: LogNumber,
    },
    /// The log and the last event are to be forgotten.
    Clear {
        number: LogNumber,
    },
    /// A replay has sealed an entry anew.
    Warm {
        number: LogNumber,
        hot: HotFrames,
    },
    /// Memory is needed: half of the log.
    Shrink,
    /// Memory is needed: all of the log.
    GiveUp,
}

#[derive(Default)]
pub struct Newcomer {
    /// On a presence channel.
    pub member: Option<Member>,
    pub member_limit: usize,
    /// True if subscribers are told their number.
    pub tell_count: bool,
}

#[derive(Clone, Copy, Default)]
pub struct Leaver<'a> {
    /// On a presence channel.
    pub user_id: Option<&'a str>,
    /// The rate of departures that are announced at once; beyond it they are held. `None`: announce
    /// at once.
    pub returns: Option<GcraParams>,
    /// The time for which the departure is held although the rate permits it.
    pub linger: Option<Duration>,
    /// True if subscribers are told their number.
    pub tell_count: bool,
}

/// The tasks of the caller after a change, in this order: messages, count, facts.
#[must_use]
#[derive(Default)]
pub struct Effects {
    /// For all subscribers. A newcomer's own state contains them.
    pub messages: Vec<ChannelMessage>,
    /// For all subscribers, a newcomer included.
    pub count: CountEffect,
    pub facts: Vec<ChannelFact<'static>>,
    pub transition: Transition,
    /// To be announced later with `Change::EndHold`, unless the user returns.
    pub held: Option<HeldMember>,
    /// The number of the last event that the change has dropped.
    pub dropped: Option<u64>,
    /// The number that the change has reserved in the log.
    pub reserved: Option<LogNumber>,
    /// Events that the log has evicted, or kept out for lack of room.
    pub evicted: usize,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ChannelMessage {
    MemberAdded { user_id: Arc<str>, info: Option<Arc<str>> },
    MemberRemoved { user_id: Arc<str> },
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountEffect {
    #[default]
    None,
    Tell(u32),
    /// To be told later with `Change::TellCount`.
    Later,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transition {
    #[default]
    None,
    /// The first subscriber came.
    Occupied,
    /// The last subscriber left.
    Vacated,
    /// The newcomer was refused: the channel has as many members as it may.
    Full,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldMember {
    pub user_id: Arc<str>,
    pub until: Instant,
}

impl ChannelMessage {
    pub fn on<'a>(&self, channel: &'a Channel) -> Message<'a> {
        match self {
            Self::MemberAdded { user_id, info } => {
                Message::member_added(channel, user_id, info.as_deref())
            }
            Self::MemberRemoved { user_id } => Message::member_removed(channel, user_id),
        }
    }
}
