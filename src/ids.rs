//! Identifiers that travel on the wire, each parsed once.

use std::{fmt, str::FromStr};

/// A connection's id, `<digits>.<digits>`: unique, and hard to guess because it is the only
/// nonce in channel signatures (PROTOCOL 1.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct SocketId {
    first: u64,
    second: u64,
}

/// Both halves stay below 2^53, so that a client that turns them into numbers loses nothing.
const HALF_BITS: u64 = (1 << 53) - 1;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("a socket_id is two numbers with a dot between them, such as 123.456")]
pub struct InvalidSocketId;

impl SocketId {
    pub fn random() -> Result<Self, getrandom::Error> {
        let mut halves = [0u8; 16];
        getrandom::fill(&mut halves)?;
        let (first, second) = halves.split_at(8);
        let half =
            |bytes: &[u8]| bytes.iter().fold(0u64, |n, b| n << 8 | u64::from(*b)) & HALF_BITS;
        Ok(Self { first: half(first), second: half(second) })
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
            // Well-formed but larger than any id of ours: it names no socket, which is not an error.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_ids_differ_and_survive_printing() {
        let (a, b) = (SocketId::random().unwrap(), SocketId::random().unwrap());
        assert_ne!(a, b);
        assert_eq!(a.to_string().parse(), Ok(a));
    }

    #[test]
    fn malformed_ids_are_refused() {
        for text in
            ["", ".", "1", "1.", ".1", "a.1", "1.a", "1.2.3", "+1.2", "-1.2", " 1.2", "1.2\n"]
        {
            assert_eq!(text.parse::<SocketId>(), Err(InvalidSocketId), "{text:?}");
        }
        assert!("1.99999999999999999999999".parse::<SocketId>().is_ok());
    }
}
