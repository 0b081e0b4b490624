//! Frames for one socket in its dialect: answers to its own messages.

use bytes::Bytes;
use serde::Serialize;

use super::{Data, SubscriptionError, TextFrame, clipped, framed, json};
use crate::{
    domain::{channel::Channel, ids::SocketId},
    protocol::{
        code::{Close, ErrorCode},
        dialect::Dialect,
        escape::Escaped,
        websocket::{CONTROL_BYTES, FIN, opcode},
    },
};

pub fn connection_established(
    dialect: Dialect,
    socket_id: SocketId,
    activity_timeout: u64,
) -> Bytes {
    let data = format!(r#"{{"socket_id":"{socket_id}","activity_timeout":{activity_timeout}}}"#);
    plain(dialect, ":connection_established", None, &data)
}

/// Shared by all sockets, so that a flood of pings allocates nothing.
pub fn pong(dialect: Dialect) -> Bytes {
    Bytes::from_static(match dialect {
        Dialect::Pusher => b"\x81\x23{\"event\":\"pusher:pong\",\"data\":\"{}\"}",
        Dialect::Jetsocket => b"\x81\x26{\"event\":\"jetsocket:pong\",\"data\":\"{}\"}",
    })
}

/// `roster` on presence channels. On all others `data` is `{}`: a Java client tries to decrypt any
/// other value on an encrypted channel (protocol.md 2.2).
pub fn subscription_succeeded(
    dialect: Dialect,
    channel: &Channel,
    roster: Option<&Escaped>,
) -> Bytes {
    let event = [dialect.prefix(), "_internal:subscription_succeeded"];
    let data = roster.map_or(Data::Text("{}"), Data::Escaped);
    TextFrame { event, channel: Some(channel.name()), data, user_id: None }.frame()
}

pub fn cache_miss(dialect: Dialect, channel: &Channel) -> Bytes {
    plain(dialect, ":cache_miss", Some(channel), "{}")
}

pub fn signin_success(dialect: Dialect, user_data: &str) -> Bytes {
    #[derive(Serialize)]
    struct Success<'a> {
        user_data: &'a str,
    }
    plain(dialect, ":signin_success", None, &json(&Success { user_data }))
}

/// Names the channel, so that pusher-js reports it there like a refusal by the app's auth endpoint
/// (protocol.md 2.4).
pub fn subscription_error(dialect: Dialect, channel: &str, error: &SubscriptionError<'_>) -> Bytes {
    let event = [dialect.prefix(), ":subscription_error"];
    let data = json(error);
    TextFrame { event, channel: Some(channel), data: Data::Json(&data), user_id: None }.frame()
}

pub fn error(dialect: Dialect, code: ErrorCode, message: &str) -> Bytes {
    error_frame(dialect, code.number(), message)
}

/// The `pusher:error` before a close frame, if there is one (protocol.md 1.4).
pub fn error_before_close(dialect: Dialect, close: &Close) -> Option<Bytes> {
    close.has_error_frame().then(|| error_frame(dialect, close.error_code(), &close.message()))
}

pub fn close(close: &Close) -> Bytes {
    let mut payload = Vec::with_capacity(CONTROL_BYTES);
    if let Some(code) = close.code() {
        payload.extend_from_slice(&code.to_be_bytes());
        let message = close.message();
        payload.extend_from_slice(clipped(&message, CONTROL_BYTES - 2).as_bytes());
    }
    control(opcode::CLOSE, &payload)
}

pub fn ping() -> Bytes {
    Bytes::from_static(&[FIN | opcode::PING, 0])
}

/// Its pong returns the number.
pub fn numbered_ping(number: u64) -> Bytes {
    control(opcode::PING, &number.to_be_bytes())
}

/// Without a payload, the usual case, the frame is shared by all sockets.
pub fn websocket_pong(payload: &[u8]) -> Bytes {
    match payload {
        [] => Bytes::from_static(&[FIN | opcode::PONG, 0]),
        payload => control(opcode::PONG, payload),
    }
}

fn plain(dialect: Dialect, event: &str, channel: Option<&Channel>, data: &str) -> Bytes {
    let (event, channel) = ([dialect.prefix(), event], channel.map(|c| &**c.name()));
    TextFrame { event, channel, data: Data::Text(data), user_id: None }.frame()
}

fn error_frame(dialect: Dialect, code: Option<u16>, message: &str) -> Bytes {
    #[derive(Serialize)]
    struct ErrorData<'a> {
        code: Option<u16>,
        message: &'a str,
    }
    let event = [dialect.prefix(), ":error"];
    let data = json(&ErrorData { code, message });
    TextFrame { event, channel: None, data: Data::Json(&data), user_id: None }.frame()
}

fn control(opcode: u8, payload: &[u8]) -> Bytes {
    framed(payload.len(), opcode, |out| out.extend_from_slice(payload))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f14_shared_answers_equal_built_ones() {
        for dialect in [Dialect::Pusher, Dialect::Jetsocket] {
            assert_eq!(pong(dialect), plain(dialect, ":pong", None, "{}"));
            let shared = [pong(dialect).as_ptr(), pong(dialect).as_ptr()];
            assert_eq!(shared[0], shared[1]);
        }
        assert_eq!(ping(), control(opcode::PING, b""));
        assert_eq!(websocket_pong(b""), control(opcode::PONG, b""));
        assert_eq!(websocket_pong(b"x"), control(opcode::PONG, b"x"));
    }

    #[test]
    fn f14_frame_rate_error_is_4301_and_its_close_allows_reconnect() {
        let close = Close::TooManyFrames;
        let error = error_before_close(Dialect::Pusher, &close).expect("an error frame");
        assert!(String::from_utf8_lossy(&error).contains(r#""code":4301"#), "{error:?}");
        assert_eq!(super::close(&close)[2..4], 4100u16.to_be_bytes());
    }
}
