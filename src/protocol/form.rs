//! The encodings of messages for each kind of connection, with pings, errors and the close.

use std::time::Duration;

use bytes::Bytes;

use super::{
    code::Close,
    dialect::Dialect,
    message::Message,
    websocket::{self, CONTROL_BYTES, FIN, MAX_HEADER, opcode},
};

/// A WebSocket in one of the two dialects, or an event stream.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    Pusher,
    Jetsocket,
    /// Server-sent events. Each message is an event without a type: types such as `open` and
    /// `error` would call the browser's own handlers.
    Stream,
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
            Self::Pusher | Self::Stream => Dialect::Pusher,
            Self::Jetsocket => Dialect::Jetsocket,
        }
    }

    /// A message for one connection. Messages for many are encoded once, by `Frame::new`.
    pub fn encode(self, message: &Message<'_>) -> Bytes {
        let write = |out: &mut Vec<u8>| message.write(self.dialect(), out);
        match self {
            Self::Pusher | Self::Jetsocket => text_frame(message.capacity(), write),
            Self::Stream => stream_event(message.capacity(), write, b""),
        }
    }

    /// The answer to the protocol's own ping. Shared by all sockets, so that a flood of pings
    /// allocates nothing.
    pub fn pong(self) -> Bytes {
        Bytes::from_static(match self {
            Self::Pusher => b"\x81\x23{\"event\":\"pusher:pong\",\"data\":\"{}\"}",
            Self::Jetsocket => b"\x81\x26{\"event\":\"jetsocket:pong\",\"data\":\"{}\"}",
            // Streams receive no pings.
            Self::Stream => COMMENT,
        })
    }

    pub fn ping(self) -> Bytes {
        match self {
            Self::Pusher | Self::Jetsocket => Bytes::from_static(&[FIN | opcode::PING, 0]),
            Self::Stream => Bytes::from_static(COMMENT),
        }
    }

    /// Its pong returns the number. Streams return nothing.
    pub fn numbered_ping(self, number: u64) -> Bytes {
        match self {
            Self::Pusher | Self::Jetsocket => control(opcode::PING, &number.to_be_bytes()),
            Self::Stream => Bytes::from_static(COMMENT),
        }
    }

    /// The client's wait before it reconnects; `None` if the form cannot tell it.
    pub fn retry(self, after: Duration) -> Option<Bytes> {
        match self {
            Self::Pusher | Self::Jetsocket => None,
            Self::Stream => Some(format!("retry: {}\n", after.as_millis()).into()),
        }
    }

    /// The end of a connection: an error for the protocol's client, if there is one, then the close
    /// of the transport.
    pub fn close(self, close: &Close) -> impl Iterator<Item = Bytes> {
        let frames = match self {
            Self::Pusher | Self::Jetsocket => {
                let error = Message::error_before_close(close).map(|error| self.encode(&error));
                [error, Some(close_frame(close))]
            }
            // Behind dropped frames the end would become part of an incomplete event.
            Self::Stream if close.drops_what_waits() => [None, None],
            Self::Stream => {
                let end = Message::stream_end(close.error_code(), &close.message());
                [Some(self.encode(&end)), None]
            }
        };
        frames.into_iter().flatten()
    }
}

fn close_frame(close: &Close) -> Bytes {
    let mut payload = Vec::with_capacity(CONTROL_BYTES);
    if let Some(code) = close.code() {
        payload.extend_from_slice(&code.to_be_bytes());
        let message = close.message();
        payload.extend_from_slice(clipped(&message, CONTROL_BYTES - 2).as_bytes());
    }
    control(opcode::CLOSE, &payload)
}

/// Keeps a stream alive, and means nothing to its client.
const COMMENT: &[u8] = b":\n\n";

/// The message as one line of data, then `more` whole lines. JSON has no line break.
fn stream_event(capacity: usize, json: impl FnOnce(&mut Vec<u8>), more: &[u8]) -> Bytes {
    /// Bytes for the name of the field and the line breaks.
    const OVERHEAD: usize = 8;
    let mut out = Vec::with_capacity(OVERHEAD + capacity + more.len());
    out.extend_from_slice(b"data: ");
    json(&mut out);
    debug_assert!(!out.contains(&b'\n') && !out.contains(&b'\r'), "JSON on one line");
    out.push(b'\n');
    out.extend_from_slice(more);
    out.push(b'\n');
    out.into()
}

/// A message for one stream, with the `id` from which it resumes.
pub fn stream_message(message: &Message<'_>, id: Option<&str>) -> Bytes {
    let write = |out: &mut Vec<u8>| message.write(Form::Stream.dialect(), out);
    stream_event(message.capacity(), write, &id_field(id))
}

fn id_field(id: Option<&str>) -> Vec<u8> {
    id.map_or_else(Vec::new, |id| format!("id: {id}\n").into())
}

/// A WebSocket's text frame as an event of a stream.
pub(super) fn as_stream_event(frame: &Bytes, id: Option<&str>) -> Bytes {
    let json = websocket::payload(frame);
    stream_event(json.len(), |out| out.extend_from_slice(json), &id_field(id))
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
    use crate::protocol::code::ErrorCode;

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
    fn stream_has_one_line_of_json_for_each_message() {
        let text = |bytes: Bytes| String::from_utf8(bytes.to_vec()).unwrap();
        let message = Message::error(ErrorCode::None, "a\n\rb");
        assert_eq!(
            text(Form::Stream.encode(&message)),
            "data: {\"event\":\"pusher:error\",\"data\":{\"code\":null,\"message\":\"a\\n\\rb\"}}\n\n"
        );
        assert_eq!(text(Form::Stream.ping()), ":\n\n");
        assert_eq!(text(Form::Stream.retry(Duration::from_millis(1730)).unwrap()), "retry: 1730\n");
        assert_eq!(Form::Pusher.retry(Duration::ZERO), None);
    }

    #[test]
    fn stream_ends_with_a_message_unless_frames_were_dropped() {
        let end = |close: Close| {
            let frames: Vec<_> = Form::Stream.close(&close).collect();
            String::from_utf8(frames.concat()).unwrap()
        };
        assert_eq!(
            end(Close::ShuttingDown),
            "data: {\"event\":\"sealcast:end\",\"data\":\"{\\\"code\\\":4200,\\\"message\\\":\\\"Server is shutting down, please reconnect\\\"}\"}\n\n"
        );
        for dropping in [Close::TooSlow, Close::Stalled, Close::Shed] {
            assert_eq!(end(dropping), "");
        }
    }

    #[test]
    fn frame_of_any_length_becomes_a_stream_event() {
        for length in [0, 1, 125, 126, 65_535, 65_536] {
            let json = vec![b'x'; length];
            let frame = text_frame(length, |out| out.extend_from_slice(&json));
            let event = as_stream_event(&frame, None);
            assert!(event.starts_with(b"data: ") && event.ends_with(b"\n\n"));
            assert!(event[6..event.len() - 2] == json, "{length}");
        }
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
