//! The entries of the living nodes, and the claims on the dead.

use bytes::Bytes;
use redis::Cmd;

use super::{
    ID_BYTES, Id,
    keys::ControlKeys,
    replies::{Reply, UnexpectedReply},
    scripts::{Script, Scripts},
};

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ControlVerb {
    /// Raises a node's sealed beat, and registers its slot.
    Beat { node: Id, slot: u16, beat: Bytes },
    /// Takes over a node whose entry stood still. `seen` is the whole entry.
    Claim { node: Id, seen: Bytes, claimer: Id },
    /// Ends the entry of a node that was reaped, or the own one of a node that leaves.
    Forget { node: Id, slot: u16, claimer: Id },
}

impl ControlVerb {
    pub fn script(&self) -> Script {
        match self {
            Self::Beat { .. } => Script::Beat,
            Self::Claim { .. } => Script::Claim,
            Self::Forget { .. } => Script::Forget,
        }
    }

    pub fn command(&self, scripts: &Scripts, keys: &ControlKeys) -> Cmd {
        let mut command = redis::cmd("EVALSHA");
        command.arg(scripts.sha1(self.script())).arg(2).arg(&keys.nodes[..]).arg(&keys.slots[..]);
        match self {
            Self::Beat { node, slot, beat } => command.arg(&node[..]).arg(slot).arg(&beat[..]),
            Self::Claim { node, seen, claimer } => {
                command.arg(&node[..]).arg(&seen[..]).arg(&claimer[..])
            }
            Self::Forget { node, slot, claimer } => {
                command.arg(&node[..]).arg(slot).arg(&claimer[..])
            }
        };
        command
    }

    pub fn parse(&self, value: &redis::Value) -> Result<Reply, UnexpectedReply> {
        Reply::parse(self.script(), value)
    }
}

/// A node's entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NodeEntry<'a> {
    Alive {
        beat: &'a [u8],
    },
    /// The last beat stands beside its claimer, since it names the slot.
    Dying {
        claimer: Id,
        beat: &'a [u8],
    },
}

impl<'a> NodeEntry<'a> {
    pub fn parse(entry: &'a [u8]) -> Option<Self> {
        match entry.split_first()? {
            (b'A', beat) => Some(Self::Alive { beat }),
            (b'D', rest) => {
                let (claimer, beat) = rest.split_first_chunk::<ID_BYTES>()?;
                Some(Self::Dying { claimer: *claimer, beat })
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_alive_or_dying() {
        assert_eq!(NodeEntry::parse(b"Abeat"), Some(NodeEntry::Alive { beat: b"beat" }));
        let dying = [&b"D"[..], &[9; 16], b"beat"].concat();
        let expected = NodeEntry::Dying { claimer: [9; 16], beat: b"beat" };
        assert_eq!(NodeEntry::parse(&dying), Some(expected));
        for bad in [&b""[..], b"D", b"Dshort", b"Xbeat"] {
            assert_eq!(NodeEntry::parse(bad), None);
        }
    }
}
