//! Entries of the sorted set of what ends at a time.

use super::{ID_BYTES, Id};

/// Something that the owner of its partition ends when its time is over.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Lingering {
    pub channel: Id,
    pub kind: LingeringKind,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LingeringKind {
    /// A channel whose last subscribers left a draining node.
    Channel,
    /// A member who was on a draining node.
    Member(Id),
    /// A last event. It expires by itself, and its channel's state is then looked at.
    LastEvent,
    /// A log without events or subscribers.
    Log,
}

impl Lingering {
    pub fn parse(entry: &[u8]) -> Option<Self> {
        let (kind, rest) = entry.split_first()?;
        let (channel, member) = rest.split_first_chunk::<ID_BYTES>()?;
        let kind = match (kind, member) {
            (b'v', []) => LingeringKind::Channel,
            (b'm', member) => LingeringKind::Member(member.try_into().ok()?),
            (b'l', []) => LingeringKind::LastEvent,
            (b'h', []) => LingeringKind::Log,
            _ => return None,
        };
        Some(Self { channel: *channel, kind })
    }

    pub(super) fn letter(&self) -> &'static str {
        match self.kind {
            LingeringKind::Channel => "v",
            LingeringKind::Member(_) => "m",
            LingeringKind::LastEvent => "l",
            LingeringKind::Log => "h",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_other_lengths_or_kinds_are_refused() {
        let entry = |kind: u8, bytes: usize| [vec![kind], vec![7; bytes]].concat();
        let channel = [7; 16];
        let parsed = |kind| Some(Lingering { channel, kind });
        assert_eq!(Lingering::parse(&entry(b'v', 16)), parsed(LingeringKind::Channel));
        assert_eq!(Lingering::parse(&entry(b'm', 32)), parsed(LingeringKind::Member(channel)));
        assert_eq!(Lingering::parse(&entry(b'l', 16)), parsed(LingeringKind::LastEvent));
        assert_eq!(Lingering::parse(&entry(b'h', 16)), parsed(LingeringKind::Log));
        for (kind, bytes) in [(b'v', 0), (b'v', 15), (b'v', 17), (b'm', 16), (b'm', 33), (b'x', 16)]
        {
            assert_eq!(Lingering::parse(&entry(kind, bytes)), None);
        }
        assert_eq!(Lingering::parse(b""), None);
    }
}
