//! What the server says, as frames ready for any socket.
//!
//! A frame is encoded once per dialect, never per socket. `data` is a string that holds JSON, the
//! double encoding that clients expect, in every frame but `pusher:error` (PROTOCOL 1.5).

use std::fmt::Write as _;

use bytes::Bytes;
use serde::Serialize;

use super::{
    code::{Close, ErrorCode},
    dialect::Dialect,
    websocket::{self, CONTROL_BYTES, MAX_HEADER, opcode},
};
use crate::{
    channel::{Access, Channel},
    crypto::sealer::Sealed,
    ids::SocketId,
};

/// One message with its WebSocket header, in both dialects. Cloning copies no payload.
#[derive(Clone)]
pub struct Frame {
    pusher: Bytes,
    jetsocket: Bytes,
}

impl Frame {
    pub fn in_dialect(&self, dialect: Dialect) -> &Bytes {
        match dialect {
            Dialect::Pusher => &self.pusher,
            Dialect::Jetsocket => &self.jetsocket,
        }
    }

    /// Bytes that one socket's queue is charged for it.
    pub fn bytes(&self) -> usize {
        self.pusher.len()
    }

    fn same(bytes: Bytes) -> Self {
        Self { jetsocket: bytes.clone(), pusher: bytes }
    }

    fn per_dialect(encode: impl Fn(Dialect) -> Bytes) -> Self {
        Self { pusher: encode(Dialect::Pusher), jetsocket: encode(Dialect::Jetsocket) }
    }

    /// A publisher's event on a channel that is not encrypted. `None` on an encrypted one, whose
    /// frames only `Frame::sealed` makes.
    pub fn clear(channel: &Channel, event: &str, data: &str) -> Option<Self> {
        (channel.access() != Access::Encrypted).then(|| {
            Self::same(text(&Event { event, channel: Some(channel.name()), data, user_id: None }))
        })
    }

    /// A publisher's event on the encrypted channel that it was sealed for.
    pub fn sealed(event: &str, sealed: &Sealed) -> Self {
        let channel = Some(&**sealed.channel().name());
        Self::same(text(&Event { event, channel, data: &**sealed.envelope(), user_id: None }))
    }

    /// A client's event. `None` on an encrypted channel: clients send none there (PROTOCOL 6).
    pub fn from_client(
        channel: &Channel,
        event: &str,
        data: &str,
        user_id: Option<&str>,
    ) -> Option<Self> {
        (channel.access() != Access::Encrypted).then(|| {
            Self::same(text(&Event { event, channel: Some(channel.name()), data, user_id }))
        })
    }

    pub fn subscription_count(channel: &Channel, count: u32) -> Self {
        #[derive(Serialize)]
        struct Count {
            subscription_count: u32,
        }
        let data = json(&Count { subscription_count: count });
        Self::internal("subscription_count", Some(channel), &data)
    }

    pub fn member_added(channel: &Channel, user_id: &str, info: Option<&str>) -> Self {
        let mut data = format!(r#"{{"user_id":{}"#, json(user_id));
        if let Some(info) = info {
            let _ = write!(data, r#","user_info":{info}"#);
        }
        data.push('}');
        Self::internal("member_added", Some(channel), &data)
    }

    pub fn member_removed(channel: &Channel, user_id: &str) -> Self {
        Self::internal(
            "member_removed",
            Some(channel),
            &format!(r#"{{"user_id":{}}}"#, json(user_id)),
        )
    }

    /// `online` and `offline` users of a watchlist, empty groups omitted (PROTOCOL 5.3).
    pub fn watchlist(online: &[&str], offline: &[&str]) -> Self {
        #[derive(Serialize)]
        struct Group<'a> {
            name: &'a str,
            user_ids: &'a [&'a str],
        }
        #[derive(Serialize)]
        struct Groups<'a> {
            events: Vec<Group<'a>>,
        }
        let events = [("online", online), ("offline", offline)]
            .into_iter()
            .filter(|(_, user_ids)| !user_ids.is_empty())
            .map(|(name, user_ids)| Group { name, user_ids })
            .collect();
        Self::internal("watchlist_events", None, &json(&Groups { events }))
    }

    fn internal(event: &str, channel: Option<&Channel>, data: &str) -> Self {
        let channel = channel.map(|c| &**c.name());
        Self::per_dialect(|dialect| {
            let event = format!("{}_internal:{event}", dialect.prefix());
            text(&Event { event: &event, channel, data, user_id: None })
        })
    }
}

/// Frames for one socket, which has one dialect: answers to what it said itself.
pub mod answer {
    use super::*;

    pub fn connection_established(
        dialect: Dialect,
        socket_id: SocketId,
        activity_timeout: u64,
    ) -> Bytes {
        let data =
            format!(r#"{{"socket_id":"{socket_id}","activity_timeout":{activity_timeout}}}"#);
        plain(dialect, "connection_established", None, &data)
    }

    pub fn pong(dialect: Dialect) -> Bytes {
        plain(dialect, "pong", None, "{}")
    }

    /// `data` is `{}` on all channels but presence channels: a Java client tries to decrypt
    /// anything else on an encrypted one (PROTOCOL 2.2).
    pub fn subscription_succeeded(dialect: Dialect, channel: &Channel, data: &str) -> Bytes {
        let event = format!("{}_internal:subscription_succeeded", dialect.prefix());
        text(&Event { event: &event, channel: Some(channel.name()), data, user_id: None })
    }

    pub fn cache_miss(dialect: Dialect, channel: &Channel) -> Bytes {
        plain(dialect, "cache_miss", Some(channel), "{}")
    }

    pub fn signin_success(dialect: Dialect, user_data: &str) -> Bytes {
        #[derive(Serialize)]
        struct Success<'a> {
            user_data: &'a str,
        }
        plain(dialect, "signin_success", None, &json(&Success { user_data }))
    }

    /// With its channel, so that pusher-js reports it there like a refusal by the application's
    /// own auth endpoint (PROTOCOL 2.4).
    pub fn subscription_error(
        dialect: Dialect,
        channel: &str,
        kind: &str,
        error: &str,
        status: u16,
    ) -> Bytes {
        #[derive(Serialize)]
        struct Refusal<'a> {
            r#type: &'a str,
            error: &'a str,
            status: u16,
        }
        let event = format!("{}:subscription_error", dialect.prefix());
        let data = Refusal { r#type: kind, error, status };
        text(&Event { event: &event, channel: Some(channel), data, user_id: None })
    }

    pub fn error(dialect: Dialect, code: ErrorCode, message: &str) -> Bytes {
        error_frame(dialect, code.number(), message)
    }

    /// The `pusher:error` that goes before a close frame, where one does (PROTOCOL 1.4).
    pub fn error_before_close(dialect: Dialect, close: &Close) -> Option<Bytes> {
        close.has_error_frame().then(|| error_frame(dialect, close.code(), &close.message()))
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
        control(opcode::PING, b"")
    }

    pub fn websocket_pong(payload: &[u8]) -> Bytes {
        control(opcode::PONG, payload)
    }

    fn plain(dialect: Dialect, event: &str, channel: Option<&Channel>, data: &str) -> Bytes {
        let event = format!("{}:{event}", dialect.prefix());
        text(&Event { event: &event, channel: channel.map(|c| &**c.name()), data, user_id: None })
    }

    fn error_frame(dialect: Dialect, code: Option<u16>, message: &str) -> Bytes {
        #[derive(Serialize)]
        struct Error<'a> {
            code: Option<u16>,
            message: &'a str,
        }
        let event = format!("{}:error", dialect.prefix());
        text(&Event { event: &event, channel: None, data: Error { code, message }, user_id: None })
    }

    fn control(opcode: u8, payload: &[u8]) -> Bytes {
        framed(opcode, |out| out.extend_from_slice(payload))
    }
}

#[derive(Serialize)]
struct Event<'a, D> {
    event: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'a str>,
    data: D,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<&'a str>,
}

fn text(event: &impl Serialize) -> Bytes {
    framed(opcode::TEXT, |out| {
        serde_json::to_writer(out, event).expect("structures of strings and numbers become JSON");
    })
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("structures of strings and numbers become JSON")
}

/// The payload is written behind room for the longest header, then the header right before it.
fn framed(opcode: u8, payload: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = vec![0; MAX_HEADER];
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

    fn payload(bytes: &Bytes) -> &str {
        let header = if bytes[1] < 126 { 2 } else { 4 };
        std::str::from_utf8(&bytes[header..]).unwrap()
    }

    #[test]
    fn the_wire_of_each_frame() {
        let channel = Channel::parse("presence-x", 200).unwrap();
        let both = |frame: Frame| {
            [Dialect::Pusher, Dialect::Jetsocket].map(|d| payload(frame.in_dialect(d)).to_owned())
        };
        let id = "1.2".parse().unwrap();
        assert_eq!(
            payload(&answer::connection_established(Dialect::Pusher, id, 120)),
            r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.2\",\"activity_timeout\":120}"}"#
        );
        assert_eq!(
            payload(&answer::error(Dialect::Jetsocket, ErrorCode::None, "no")),
            r#"{"event":"jetsocket:error","data":{"code":null,"message":"no"}}"#
        );
        assert_eq!(
            payload(&answer::subscription_error(Dialect::Pusher, "c", "AuthError", "no", 401)),
            r#"{"event":"pusher:subscription_error","channel":"c","data":{"type":"AuthError","error":"no","status":401}}"#
        );
        assert_eq!(
            payload(&answer::signin_success(Dialect::Pusher, r#"{"id":"u"}"#)),
            r#"{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\":\\\"u\\\"}\"}"}"#
        );
        assert_eq!(
            both(Frame::member_added(&channel, "1", Some(r#"{"a":1}"#)))[1],
            r#"{"event":"jetsocket_internal:member_added","channel":"presence-x","data":"{\"user_id\":\"1\",\"user_info\":{\"a\":1}}"}"#
        );
        assert_eq!(
            both(Frame::watchlist(&["a"], &[]))[0],
            r#"{"event":"pusher_internal:watchlist_events","data":"{\"events\":[{\"name\":\"online\",\"user_ids\":[\"a\"]}]}"}"#
        );
        let event =
            both(Frame::from_client(&channel, "client-x", r#"{"é":1}"#, Some("7")).unwrap());
        assert_eq!(
            event[0],
            r#"{"event":"client-x","channel":"presence-x","data":"{\"é\":1}","user_id":"7"}"#
        );
        assert_eq!(event[0], event[1]);
    }

    #[test]
    fn an_encrypted_channel_has_no_clear_frame() {
        let channel = Channel::parse("private-encrypted-x", 200).unwrap();
        assert!(Frame::clear(&channel, "e", "secret").is_none());
        assert!(Frame::from_client(&channel, "client-e", "secret", None).is_none());
    }

    #[test]
    fn a_close_frame_fits_its_limit() {
        let close = Close::UnknownApp { key: "é".repeat(100) };
        let bytes = answer::close(&close);
        assert!(bytes.len() <= 2 + CONTROL_BYTES);
        assert!(std::str::from_utf8(&bytes[4..]).is_ok());
        assert_eq!(answer::close(&Close::ByClient(None)).as_ref(), [0x88, 0]);
    }
}
