//! Identifiers on the wire, each parsed once.

use std::{fmt, str::FromStr};

/// A connection's id, `<digits>.<digits>`: unique, and hard to guess because it is the only
/// nonce in channel signatures (protocol.md 1.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SocketId {
    first: u64,
    second: u64,
}

/// Both halves stay below 2^53, so that clients may convert them to numbers without loss.
const HALF_BITS: u64 = (1 << 53) - 1;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a socket_id is two numbers with a dot between them, such as 123.456")]
pub struct InvalidSocketId;

/// The lowest bits of the first half are the worker number, so that a socket is found without a
/// table of all sockets.
const WORKER_BITS: u32 = 9;
pub const MAX_WORKER_COUNT: usize = 1 << WORKER_BITS;

/// In a cluster the highest bits of the first half are the slot of the node.
pub const NODE_BITS: u32 = 12;
const NODE_SHIFT: u32 = 53 - NODE_BITS;

impl SocketId {
    pub const RANDOM_BYTES: usize = 16;

    /// The id of a socket of `worker`, which is below `MAX_WORKER_COUNT`.
    pub fn of_random(worker: usize, random: &[u8; Self::RANDOM_BYTES]) -> Self {
        let (first, second) = random.split_at(8);
        let half =
            |bytes: &[u8]| bytes.iter().fold(0u64, |n, b| n << 8 | u64::from(*b)) & HALF_BITS;
        let first = half(first) >> WORKER_BITS << WORKER_BITS | worker as u64;
        Self { first, second: half(second) }
    }

    /// The same id on the node with this slot.
    pub fn on_node(self, slot: u16) -> Self {
        let rest = self.first & ((1 << NODE_SHIFT) - 1);
        Self { first: (u64::from(slot) << NODE_SHIFT | rest) & HALF_BITS, ..self }
    }

    /// The slot of the socket's node. Random without a cluster, and arbitrary for forged ids.
    pub fn node_slot(self) -> u16 {
        (self.first >> NODE_SHIFT) as u16 & ((1 << NODE_BITS) - 1)
    }

    /// For other nodes. `from_bytes` gives the same id again.
    pub fn to_bytes(self) -> [u8; 16] {
        let both = u128::from(self.first) << 64 | u128::from(self.second);
        both.to_be_bytes()
    }

    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let both = u128::from_be_bytes(bytes);
        Self { first: (both >> 64) as u64, second: both as u64 }
    }

    /// The worker of the socket. Arbitrary for forged ids; bounds-check.
    pub fn worker(self) -> usize {
        self.first as usize % MAX_WORKER_COUNT
    }
}

impl FromStr for SocketId {
    type Err = InvalidSocketId;

    fn from_str(text: &str) -> Result<Self, InvalidSocketId> {
        let (first, second) = text.split_once('.').ok_or(InvalidSocketId)?;
        let half = |digits: &str| {
            // u64::from_str would also take "+1".
            if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
                return Err(InvalidSocketId);
            }
            // Well-formed, but larger than any id of ours: no socket has it, and that is no parse
            // error.
            Ok(digits.parse().unwrap_or(u64::MAX))
        };
        Ok(Self { first: half(first)?, second: half(second)? })
    }
}

impl fmt::Display for SocketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.first, self.second)
    }
}

/// App ids appear in paths and in names of settings.
pub fn is_app_id(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_keep_the_worker_and_all_other_random_bits() {
        let id = |worker, byte| SocketId::of_random(worker, &[byte; SocketId::RANDOM_BYTES]);
        assert_eq!(id(0, 0).to_string(), "0.0");
        assert_eq!(id(5, 0).to_string(), "5.0");
        assert_eq!(id(5, 255).to_string(), format!("{}.{HALF_BITS}", HALF_BITS - 511 + 5));
        assert_eq!(id(511, 255).worker(), 511);
    }

    #[test]
    fn ids_of_a_node_name_its_slot_and_keep_all_other_bits() {
        let id = SocketId::of_random(5, &[255; SocketId::RANDOM_BYTES]);
        for slot in [0, 1, 4095] {
            let there = id.on_node(slot);
            assert_eq!((there.node_slot(), there.worker(), there.second), (slot, 5, id.second));
            assert_eq!(there.first & ((1 << 41) - 1), id.first & ((1 << 41) - 1));
            assert!(there.first <= HALF_BITS && there.to_string().parse() == Ok(there));
        }
        assert_eq!(id.on_node(4095), id);
        // A slot that does not exist stays within the bits of the slot.
        assert!(id.on_node(u16::MAX).first <= HALF_BITS);
    }

    #[test]
    fn ids_keep_all_bits_on_the_way_to_another_node() {
        for text in ["1.2", "9007199254740991.0", "0.9007199254740991", "99999999999999999999.7"] {
            let id: SocketId = text.parse().unwrap();
            assert_eq!(SocketId::from_bytes(id.to_bytes()), id, "{text}");
        }
        assert_eq!("1.2".parse::<SocketId>().unwrap().to_bytes()[7..], [1, 0, 0, 0, 0, 0, 0, 0, 2]);
    }

    #[test]
    fn malformed_ids_are_rejected() {
        for text in
            ["", ".", "1", "1.", ".1", "a.1", "1.a", "1.2.3", "+1.2", "-1.2", " 1.2", "1.2\n"]
        {
            assert_eq!(text.parse::<SocketId>(), Err(InvalidSocketId), "{text:?}");
        }
        assert!("1.99999999999999999999999".parse::<SocketId>().is_ok());
    }
}
