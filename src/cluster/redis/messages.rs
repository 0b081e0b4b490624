//! What arrives on the topics.

use bytes::Bytes;

use super::{ID_BYTES, Id, numbers};

/// A message of a channel's topic. A blob is sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum TopicMessage {
    /// An event without a number: an envelope as its publisher sent it.
    Event(Bytes),
    Numbered(NumberedMessage),
    /// The total of subscribers.
    Total(u64),
}

/// A receiver that has not applied the predecessor has missed something.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NumberedMessage {
    pub number: u64,
    /// 0 if the engine had nothing of the channel.
    pub predecessor: u64,
    /// Of logged events and clearings: the number of the one before.
    pub logged_before: u64,
    pub kind: NumberedKind,
    pub blob: Bytes,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NumberedKind {
    Added,
    Removed,
    LastEvent,
    /// An event of the log.
    Logged,
    /// The same, which is the last event too.
    LoggedLast,
    /// All events of the log and the last event are gone.
    Cleared,
}

/// Not a message of ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a message on a topic of the cluster has an unknown form")]
pub struct UnknownMessage;

/// An envelope begins with its version. All other kinds begin with a printable letter.
const ENVELOPE_VERSIONS: u8 = b' ';

impl TopicMessage {
    /// `most` bounds the bytes of a blob.
    pub fn parse(message: &Bytes, most: usize) -> Result<Self, UnknownMessage> {
        Self::parsed(message).filter(|parsed| parsed.blob_bytes() <= most).ok_or(UnknownMessage)
    }

    fn parsed(message: &Bytes) -> Option<Self> {
        let (first, rest) = message.split_first()?;
        let kind = match first {
            b'+' => NumberedKind::Added,
            b'-' => NumberedKind::Removed,
            b'*' => NumberedKind::LastEvent,
            b'=' => NumberedKind::Logged,
            b'%' => NumberedKind::LoggedLast,
            b'~' => NumberedKind::Cleared,
            b'#' => return numbers::parse(rest).map(Self::Total),
            version if *version < ENVELOPE_VERSIONS => return Some(Self::Event(message.clone())),
            _ => return None,
        };
        let (number, rest) = numbers::split(rest)?;
        let (predecessor, blob) = numbers::split(rest)?;
        let (logged_before, blob) = match kind {
            NumberedKind::Logged | NumberedKind::LoggedLast | NumberedKind::Cleared => {
                numbers::split(blob)?
            }
            NumberedKind::Added | NumberedKind::Removed | NumberedKind::LastEvent => (0, blob),
        };
        let blob = message.slice_ref(blob);
        let is_in_order = predecessor < number && logged_before < number;
        is_in_order.then_some(Self::Numbered(NumberedMessage {
            number,
            predecessor,
            logged_before,
            kind,
            blob,
        }))
    }

    fn blob_bytes(&self) -> usize {
        match self {
            Self::Event(blob) | Self::Numbered(NumberedMessage { blob, .. }) => blob.len(),
            Self::Total(_) => 0,
        }
    }
}

/// Arrives on a node's own topic when one of its snapshots was taken, in the order of the channel's
/// messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    pub channel: Id,
    /// Drawn by the node for each snapshot.
    pub snapshot: u64,
}

impl Mark {
    const LETTER: u8 = b'@';

    pub fn encode(&self) -> Vec<u8> {
        [&[Self::LETTER][..], &self.channel, &self.snapshot.to_be_bytes()].concat()
    }

    pub fn parse(message: &[u8]) -> Result<Self, UnknownMessage> {
        let parsed = || {
            let rest = message.strip_prefix(&[Self::LETTER])?;
            let (channel, snapshot) = rest.split_first_chunk::<ID_BYTES>()?;
            let snapshot = u64::from_be_bytes(snapshot.try_into().ok()?);
            Some(Self { channel: *channel, snapshot })
        };
        parsed().ok_or(UnknownMessage)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(message: &[u8]) -> Result<TopicMessage, UnknownMessage> {
        TopicMessage::parse(&Bytes::copy_from_slice(message), 64)
    }

    #[test]
    fn messages_of_all_kinds_are_read() {
        let numbered = |kind, blob: &'static [u8]| {
            let blob = Bytes::from_static(blob);
            let logged_before = 0;
            let message = NumberedMessage { number: 12, predecessor: 7, logged_before, kind, blob };
            Ok(TopicMessage::Numbered(message))
        };
        let logged = |kind, blob| match numbered(kind, blob) {
            Ok(TopicMessage::Numbered(message)) => {
                Ok(TopicMessage::Numbered(NumberedMessage { logged_before: 5, ..message }))
            }
            other => other,
        };
        assert_eq!(parse(b"+12:7:a:b"), numbered(NumberedKind::Added, b"a:b"));
        assert_eq!(parse(b"-12:7:"), numbered(NumberedKind::Removed, b""));
        assert_eq!(parse(b"*12:7:x"), numbered(NumberedKind::LastEvent, b"x"));
        assert_eq!(parse(b"=12:7:5:x:y"), logged(NumberedKind::Logged, b"x:y"));
        assert_eq!(parse(b"%12:7:5:x"), logged(NumberedKind::LoggedLast, b"x"));
        assert_eq!(parse(b"~12:7:5:"), logged(NumberedKind::Cleared, b""));
        assert_eq!(parse(b"#104"), Ok(TopicMessage::Total(104)));
        assert_eq!(parse(b"\x01..."), Ok(TopicMessage::Event(Bytes::from_static(b"\x01..."))));
    }

    #[test]
    fn messages_of_others_and_long_ones_are_refused() {
        for bad in [
            "",
            "+",
            "+12",
            "+12:7",
            "+7:7:x",
            "+7:12:x",
            "+1.8e15:7:x",
            "#",
            "#-1",
            "!x",
            "=12:7:x",
            "=12:7:12:x",
        ] {
            assert_eq!(parse(bad.as_bytes()), Err(UnknownMessage), "{bad}");
        }
        assert!(parse(&[&b"+2:1:"[..], &[b'x'; 64]].concat()).is_ok());
        assert!(parse(&[&b"+2:1:"[..], &[b'x'; 65]].concat()).is_err());
        assert!(parse(&[1; 64]).is_ok() && parse(&[1; 65]).is_err());
    }

    #[test]
    fn marks_are_read_back() {
        let mark = Mark { channel: [3; 16], snapshot: u64::MAX - 1 };
        assert_eq!(Mark::parse(&mark.encode()), Ok(mark));
        for bad in [&b""[..], b"@", b"@short", &[b'@'; 24], &[b'@'; 26]] {
            assert_eq!(Mark::parse(bad), Err(UnknownMessage));
        }
    }

    proptest! {
        #[test]
        fn parsing_never_panics(message: Vec<u8>) {
            let _ = (parse(&message), Mark::parse(&message));
        }
    }
}
