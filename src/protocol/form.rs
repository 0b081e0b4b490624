//! The encodings of messages for each kind of connection, with pings, errors and the close.

use bytes::Bytes;

use super::{
    code::Close,
    dialect::Dialect,
    message::Message,
    websocket::{self, CONTROL_BYTES, FIN, MAX_HEADER, opcode},
};

/// A WebSocket in one of the two dialects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Pusher,
    Jetsocket,
}

impl From<Dialect> for Form {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Pusher => Self::Pusher,
            Dialect::Jetsocket => Self::Jetsocket,
        }
    }
}

impl Form {
    pub const fn dialect(self) -> Dialect {
        match self {
            Self::Pusher => Dialect::Pusher,
            Self::Jetsocket => Dialect::Jetsocket,
        }
    }

    /// A message for one connection. Messages for many are encoded once, by `Frame::new`.
    pub fn encode(self, message: &Message<'_>) -> Bytes {
        text_frame(message.capacity(), |out| message.write(self.dialect(), out))
    }

    /// The answer to the protocol's own ping. Shared by all sockets, so that a flood of pings
    /// allocates nothing.
    pub fn pong(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Pusher => b"\x81\x23{\"event\":\"pusher:pong\",\"data\":\"{}\"}",
            Self::Jetsocket => b"\x81\x26{\"event\":\"jetsocket:pong\",\"data\":\"{}\"}",
        })
    }

    pub fn ping(self) -> Bytes {
        match self {
            Self::Pusher | Self::Jetsocket => Bytes::from_static(&[FIN | opcode::PING, 0]),
        }
    }

    /// Its pong returns the number.
    pub fn numbered_ping(self, number: u64) -> Bytes {
        match self {
            Self::Pusher | Self::Jetsocket => control(opcode::PING, &number.to_be_bytes()),
        }
    }

    /// The end of a connection: an error for the protocol's client, if there is one, then the close
    /// of the transport.
    pub fn close(self, close: &Close) -> impl Iterator<Item = Bytes> {
        let error = Message::error_before_close(close).map(|error| self.encode(&error));
        error.into_iter().chain([self.close_frame(close)])
    }

    fn close_frame(self, close: &Close) -> Bytes {
        let mut payload = Vec::with_capacity(CONTROL_BYTES);
        if let Some(code) = close.code() {
            payload.extend_from_slice(&code.to_be_bytes());
            let message = close.message();
            payload.extend_from_slice(clipped(&message, CONTROL_BYTES - 2).as_bytes());
        }
        match self {
            Self::Pusher | Self::Jetsocket => control(opcode::CLOSE, &payload),
        }
    }
}

/// The answer to a WebSocket ping. Without a payload, the usual case, the frame is shared by all
/// sockets.
pub fn websocket_pong(payload: &[u8]) -> Bytes {
    match payload {
        [] => Bytes::from_static(&[FIN | opcode::PONG, 0]),
        payload => control(opcode::PONG, payload),
    }
}

pub(super) fn text_frame(capacity: usize, text: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    framed(capacity, opcode::TEXT, text)
}

fn control(opcode: u8, payload: &[u8]) -> Bytes {
    framed(payload.len(), opcode, |out| out.extend_from_slice(payload))
}

/// Writes the payload behind space for the longest header, then the header directly before it.
fn framed(capacity: usize, opcode: u8, payload: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::with_capacity(MAX_HEADER + capacity);
    out.extend_from_slice(&[0; MAX_HEADER]);
    payload(&mut out);
    let mut header = [0; MAX_HEADER];
    let start = websocket::header(opcode, out.len() - MAX_HEADER, &mut header);
    out[start..MAX_HEADER].copy_from_slice(&header[start..]);
    Bytes::from(out).slice(start..)
}

fn clipped(text: &str, bytes: usize) -> &str {
    let end = (0..=bytes.min(text.len())).rev().find(|i| text.is_char_boundary(*i));
    &text[..end.unwrap_or(0)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f14_shared_answers_equal_built_ones() {
        for form in [Form::Pusher, Form::Jetsocket] {
            let text = format!(r#"{{"event":"{}:pong","data":"{{}}"}}"#, form.dialect().prefix());
            let built = text_frame(0, |out| out.extend_from_slice(text.as_bytes()));
            assert_eq!(form.pong(), built);
            assert_eq!(form.pong().as_ptr(), form.pong().as_ptr());
            assert_eq!(form.ping(), control(opcode::PING, b""));
        }
        assert_eq!(websocket_pong(b""), control(opcode::PONG, b""));
        assert_eq!(websocket_pong(b"x"), control(opcode::PONG, b"x"));
    }

    #[test]
    fn f14_frame_rate_error_is_4301_and_its_close_allows_reconnect() {
        let frames: Vec<_> = Form::Pusher.close(&Close::TooManyFrames).collect();
        let [error, close] = &frames[..] else { panic!("{frames:?}") };
        assert!(String::from_utf8_lossy(error).contains(r#""code":4301"#), "{error:?}");
        assert_eq!(close[2..4], 4100u16.to_be_bytes());
    }

    #[test]
    fn close_frame_fits_its_limit() {
        let close = Close::UnknownApp { key: "é".repeat(100) };
        let bytes = Form::Pusher.close(&close).last().expect("a close frame");
        assert!(bytes.len() <= 2 + CONTROL_BYTES);
        assert!(std::str::from_utf8(&bytes[4..]).is_ok());
        let of_client: Vec<_> = Form::Pusher.close(&Close::ByClient(None)).collect();
        assert_eq!(of_client, [[0x88, 0].as_slice()]);
    }
}
