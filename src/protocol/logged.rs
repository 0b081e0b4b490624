//! A frame's place in its channel's log, with the encodings that name it. They are made on first
//! need, and shared by all receivers.

use std::sync::OnceLock;

use bytes::Bytes;
use memchr::memmem;

use super::{form::text_frame, websocket};

/// Follows the event's name, which has every quote escaped.
const CHANNEL: &[u8] = br#"","channel":"#;

pub struct LoggedFrame {
    /// The number in the channel's log.
    number: u64,
    position: OnceLock<Box<str>>,
    with_position: OnceLock<Bytes>,
}

impl LoggedFrame {
    pub fn new(number: u64) -> Self {
        Self { number, position: OnceLock::new(), with_position: OnceLock::new() }
    }

    pub fn number(&self) -> u64 {
        self.number
    }

    /// The position of a reader of this channel alone, directly after the event. `None` until it is
    /// set: making it takes a key.
    pub fn position(&self) -> Option<&str> {
        self.position.get().map(|position| &**position)
    }

    pub fn position_or(&self, make: impl FnOnce() -> String) -> &str {
        self.position.get_or_init(|| make().into())
    }

    /// The WebSocket frame with a member `position`, once the position is set.
    pub fn with_position(&self, plain: &Bytes) -> Option<&Bytes> {
        let position = self.position()?;
        Some(self.with_position.get_or_init(|| insert(plain, position)))
    }

    /// Bytes of memory beyond those of the frame.
    pub fn bytes(&self) -> usize {
        size_of::<Self>()
            + self.position().map_or(0, str::len)
            + self.with_position.get().map_or(0, Bytes::len)
    }
}

/// Writes the position before the channel. The tripwire reads from there to the end.
fn insert(plain: &Bytes, position: &str) -> Bytes {
    let json = websocket::payload(plain);
    // Logged events have a channel. Without one the frame stays as it is.
    let Some(quote) = memmem::find(json, CHANNEL) else { return plain.clone() };
    let (start, rest) = json.split_at(quote + 1);
    text_frame(json.len() + position.len() + 16, |out| {
        out.extend_from_slice(start);
        out.extend_from_slice(br#","position":""#);
        out.extend_from_slice(position.as_bytes());
        out.push(b'"');
        out.extend_from_slice(rest);
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;
    use crate::{
        domain::channel::Channel,
        protocol::{dialect::Dialect, frame::Frame, message::Message},
    };

    fn json(frame: &Bytes) -> Value {
        serde_json::from_slice(websocket::payload(frame)).expect("JSON")
    }

    #[test]
    fn position_stands_before_the_channel() {
        let channel = Channel::parse("private-a", 200).expect("a name");
        let message = Message::event(&channel, "e", "x").expect("not encrypted");
        let frame = Frame::new(&message).logged(7, Some("AQ3x"));
        let text = websocket::payload(frame.with_position(Dialect::Pusher));
        assert_eq!(text, br#"{"event":"e","position":"AQ3x","channel":"private-a","data":"x"}"#);
        let unset = Frame::new(&message).logged(7, None);
        assert_eq!(unset.with_position(Dialect::Pusher), unset.in_dialect(Dialect::Pusher));
        assert_eq!((unset.number(), Frame::new(&message).number()), (Some(7), None));
    }

    proptest! {
        #[test]
        fn any_event_keeps_its_members(event in "\\PC{0,60}", data in "\\PC{0,300}") {
            let channel = Channel::parse("private-a", 200).expect("a name");
            for event in [event, r#"","channel":"#.to_owned(), r#"\","channel":""#.to_owned()] {
                let message = Message::event(&channel, &event, &data).expect("not encrypted");
                let frame = Frame::new(&message);
                let mut plain = json(frame.in_dialect(Dialect::Pusher));
                let logged = frame.logged(1, Some("AQ3x_-"));
                plain["position"] = "AQ3x_-".into();
                prop_assert_eq!(json(logged.with_position(Dialect::Jetsocket)), plain);
            }
        }
    }
}
