//! What happens to a cluster, one thing at a time.

use std::fmt;

use super::proxy::Line;

pub type ChannelName = &'static str;

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    Connect {
        node: usize,
        user: usize,
        channels: Vec<ChannelName>,
        /// It goes on in the log where this client has ended.
        heir_of: Option<usize>,
    },
    Subscribe {
        client: usize,
        channel: ChannelName,
    },
    Unsubscribe {
        client: usize,
        channel: ChannelName,
    },
    /// Leaves and comes back at once, as a page change does.
    Reload {
        client: usize,
        channel: ChannelName,
    },
    Close {
        client: usize,
    },
    /// Without a close frame.
    Vanish {
        client: usize,
    },
    Publish {
        node: usize,
        channel: ChannelName,
        events: usize,
    },
    /// One event on each of these nodes, at the same moment.
    Crowd {
        nodes: Vec<usize>,
        channel: ChannelName,
    },
    Say {
        client: usize,
        channel: ChannelName,
    },
    Kill {
        node: usize,
    },
    /// Ends in order; departures linger.
    Drain {
        node: usize,
    },
    Start {
        node: usize,
    },
    Freeze {
        node: usize,
        is_long: bool,
    },
    Thaw {
        node: usize,
    },
    Cut {
        node: usize,
        line: Line,
    },
    Stall {
        node: usize,
        line: Line,
        is_long: bool,
    },
    LoseReplies {
        node: usize,
        line: Line,
    },
    Sever {
        node: usize,
        is_long: bool,
    },
    /// Ends the last three.
    Mend {
        node: usize,
    },
    FreezeRedis {
        is_long: bool,
    },
    ThawRedis,
    KillRedis,
    StartRedis {
        is_empty: bool,
    },
    Flush,
    /// What the master takes from now on is lost with it.
    HoldReplication,
    /// A replica takes the place of the killed master.
    Promote,
    /// A replica takes the place of the master, which goes on as if it were one.
    Depose,
    /// The former master becomes a replica.
    Rejoin,
    /// By their place among all slots with keys.
    MoveSlots {
        first: usize,
        count: usize,
        to: usize,
    },
}

impl Action {
    /// What is counted: the kind of a disaster.
    pub fn disaster(&self) -> Option<&'static str> {
        Some(match self {
            Self::Kill { .. } => "node killed",
            Self::Drain { .. } => "node drained",
            Self::Freeze { is_long: false, .. } => "node frozen briefly",
            Self::Freeze { is_long: true, .. } => "node frozen beyond the lease",
            Self::Cut { line: Line::Both, .. } => "both connections cut",
            Self::Cut { line: Line::Talking, .. } => "talking connection cut",
            Self::Cut { line: Line::Listening, .. } => "listening connection cut",
            Self::Stall { is_long: false, .. } => "connections stalled briefly",
            Self::Stall { is_long: true, .. } => "connections stalled for long",
            Self::LoseReplies { .. } => "replies lost",
            Self::Sever { is_long: false, .. } => "node cut off briefly",
            Self::Sever { is_long: true, .. } => "node cut off beyond the lease",
            Self::FreezeRedis { is_long: false } => "Redis frozen briefly",
            Self::FreezeRedis { is_long: true } => "Redis frozen beyond the lease",
            Self::StartRedis { is_empty: false } => "Redis killed and started with its data",
            Self::StartRedis { is_empty: true } => "Redis killed and started empty",
            Self::Flush => "Redis flushed",
            Self::Promote => "master killed and replaced, with writes lost",
            Self::Depose => "master replaced while it goes on, with writes lost",
            Self::MoveSlots { .. } => "slots moved",
            _ => return None,
        })
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect { node, user, channels, heir_of } => {
                write!(f, "u{user} connects to node {node} and subscribes to {channels:?}")?;
                heir_of.map_or(Ok(()), |former| write!(f, ", in the place of client {former}"))
            }
            Self::Subscribe { client, channel } => {
                write!(f, "client {client} subscribes to {channel}")
            }
            Self::Unsubscribe { client, channel } => write!(f, "client {client} leaves {channel}"),
            Self::Reload { client, channel } => {
                write!(f, "client {client} leaves {channel} and comes back")
            }
            Self::Close { client } => write!(f, "client {client} closes its connection"),
            Self::Vanish { client } => write!(f, "client {client} vanishes"),
            Self::Publish { node, channel, events } => {
                write!(f, "node {node} is given {events} events for {channel}")
            }
            Self::Crowd { nodes, channel } => {
                write!(f, "nodes {nodes:?} are given an event each for {channel}")
            }
            Self::Say { client, channel } => {
                write!(f, "client {client} says something on {channel}")
            }
            Self::Start { node } => write!(f, "node {node} starts"),
            Self::Thaw { node } => write!(f, "node {node} goes on"),
            Self::Mend { node } => write!(f, "the connections of node {node} are mended"),
            Self::ThawRedis => write!(f, "Redis goes on"),
            Self::KillRedis => write!(f, "Redis is killed"),
            Self::HoldReplication => write!(f, "the replicas get nothing any more"),
            Self::Rejoin => write!(f, "the former master becomes a replica"),
            Self::MoveSlots { first, count, to } => {
                write!(f, "slots {first}..{} move to master {to}", first + count)
            }
            Self::Kill { node }
            | Self::Drain { node }
            | Self::Freeze { node, .. }
            | Self::Cut { node, .. }
            | Self::Sever { node, .. } => self.write_disaster(f, *node),
            Self::Stall { node, line, .. } | Self::LoseReplies { node, line } => {
                self.write_disaster(f, *node)?;
                write!(f, " ({line:?})")
            }
            Self::FreezeRedis { .. }
            | Self::StartRedis { .. }
            | Self::Flush
            | Self::Promote
            | Self::Depose => f.write_str(self.disaster().unwrap_or_default()),
        }
    }
}

impl Action {
    fn write_disaster(&self, f: &mut fmt::Formatter<'_>, node: usize) -> fmt::Result {
        write!(f, "{}: node {node}", self.disaster().unwrap_or_default())
    }
}
