//! Frames from the server, encoded for any socket.
//!
//! A frame is encoded once per dialect, never per socket. `data` is a string of JSON in every frame
//! but errors: the double encoding that clients expect (protocol.md 1.5).

pub mod answer;

use bytes::Bytes;
use serde::Serialize;

use super::{
    dialect::Dialect,
    escape::{Escaped, escape, escaped_capacity, quote},
    websocket::{self, MAX_HEADER, opcode},
};
use crate::{crypto::sealer::Sealed, domain::channel::Channel};

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

    /// Bytes charged to one socket's queue.
    pub fn bytes(&self) -> usize {
        self.pusher.len()
    }

    /// An event, identical in both dialects.
    fn event(event: &str, channel: &str, data: &str, user_id: Option<&str>) -> Self {
        let data = Data::Text(data);
        let text = TextFrame { event: ["", event], channel: Some(channel), data, user_id };
        let bytes = text.frame();
        Self { jetsocket: bytes.clone(), pusher: bytes }
    }

    /// A publisher's event on a channel that is not encrypted. `None` on an encrypted one: its
    /// frames come from `Frame::sealed` alone.
    pub fn clear(channel: &Channel, event: &str, data: &str) -> Option<Self> {
        (!channel.kind().is_encrypted()).then(|| Self::event(event, channel.name(), data, None))
    }

    /// A publisher's event on the encrypted channel for which it was sealed.
    pub fn sealed(event: &str, sealed: &Sealed) -> Self {
        Self::event(event, sealed.channel().name(), sealed.envelope(), None)
    }

    /// A client's event. `None` on an encrypted channel: clients send none there (protocol.md 6).
    pub fn from_client(
        channel: &Channel,
        event: &str,
        data: &str,
        user_id: Option<&str>,
    ) -> Option<Self> {
        (!channel.kind().is_encrypted()).then(|| Self::event(event, channel.name(), data, user_id))
    }

    pub fn subscription_count(channel: &Channel, count: u32) -> Self {
        let data = format!(r#"{{"subscription_count":{count}}}"#);
        Self::internal("_internal:subscription_count", Some(channel), &data)
    }

    pub fn member_added(channel: &Channel, user_id: &str, info: Option<&str>) -> Self {
        let info = info.map_or(["", ""], |info| [r#","user_info":"#, info]);
        Self::internal("_internal:member_added", Some(channel), &member_data(user_id, info))
    }

    pub fn member_removed(channel: &Channel, user_id: &str) -> Self {
        let data = member_data(user_id, ["", ""]);
        Self::internal("_internal:member_removed", Some(channel), &data)
    }

    /// `online` and `offline` users of a watchlist, empty groups omitted (protocol.md 5.3).
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
        Self::internal("_internal:watchlist_events", None, &json(&Groups { events }))
    }

    /// Dialects differ in the first word, so the rest is encoded once.
    fn internal(event: &str, channel: Option<&Channel>, data: &str) -> Self {
        let channel = channel.map(|c| &**c.name());
        let text = TextFrame { event: ["", event], channel, data: Data::Text(data), user_id: None };
        let mut rest = Vec::with_capacity(text.room());
        text.write_rest(&mut rest);
        let whole = |dialect: Dialect| {
            framed(FRAME_OVERHEAD + rest.len(), opcode::TEXT, |out| {
                out.extend_from_slice(OPEN);
                out.extend_from_slice(dialect.prefix().as_bytes());
                out.extend_from_slice(&rest);
            })
        };
        Self { pusher: whole(Dialect::Pusher), jetsocket: whole(Dialect::Jetsocket) }
    }
}

/// A member's id, followed by `more`.
fn member_data(user_id: &str, more: [&str; 2]) -> String {
    let mut data = String::from(r#"{"user_id":""#);
    data.push_str(Escaped::new(user_id).as_str());
    data.push('"');
    more.iter().for_each(|more| data.push_str(more));
    data.push('}');
    data
}

/// The `data` of a refused subscription.
#[derive(Serialize)]
pub struct SubscriptionError<'a> {
    pub r#type: &'a str,
    pub error: &'a str,
    pub status: u16,
    pub code: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fix: Option<&'a str>,
    /// The refusal id, as in the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
}

/// The fields of a text frame, in the order of the encoding.
struct TextFrame<'a> {
    /// Two parts: the prefix of the dialect for the protocol's own events, and the rest.
    event: [&'a str; 2],
    channel: Option<&'a str>,
    data: Data<'a>,
    user_id: Option<&'a str>,
}

enum Data<'a> {
    /// Text to be encoded as a JSON string.
    Text(&'a str),
    /// The escaped content of a JSON string.
    Escaped(&'a Escaped),
    /// JSON text inserted as it is: `pusher:error` alone has no double encoding.
    Json(&'a str),
}

impl Data<'_> {
    fn room(&self) -> usize {
        match self {
            Self::Text(text) => escaped_capacity(text),
            Self::Escaped(text) => text.as_str().len(),
            Self::Json(text) => text.len(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Text(text) => quote(text, out),
            Self::Escaped(text) => [r#"""#, text.as_str(), r#"""#]
                .iter()
                .for_each(|part| out.extend_from_slice(part.as_bytes())),
            Self::Json(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
}

const OPEN: &[u8] = br#"{"event":""#;
/// Bytes for field names and the header, with some to spare.
const FRAME_OVERHEAD: usize = 80;

impl TextFrame<'_> {
    fn frame(&self) -> Bytes {
        framed(self.room(), opcode::TEXT, |out| {
            out.extend_from_slice(OPEN);
            escape(self.event[0], out);
            self.write_rest(out);
        })
    }

    fn room(&self) -> usize {
        let names = self.event.iter().chain(&self.channel).chain(&self.user_id);
        FRAME_OVERHEAD + names.map(|name| name.len()).sum::<usize>() + self.data.room()
    }

    /// Writes the fields after the first part of the event's name.
    fn write_rest(&self, out: &mut Vec<u8>) {
        escape(self.event[1], out);
        out.push(b'"');
        if let Some(channel) = self.channel {
            out.extend_from_slice(br#","channel":"#);
            quote(channel, out);
        }
        out.extend_from_slice(br#","data":"#);
        self.data.write(out);
        if let Some(user_id) = self.user_id {
            out.extend_from_slice(br#","user_id":"#);
            quote(user_id, out);
        }
        out.push(b'}');
    }
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("structures of strings and numbers become JSON")
}

/// Writes the payload behind space for the longest header, then the header directly before it.
fn framed(room: usize, opcode: u8, payload: impl FnOnce(&mut Vec<u8>)) -> Bytes {
    let mut out = Vec::with_capacity(MAX_HEADER + room);
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
    use crate::protocol::{
        code::{Close, ErrorCode},
        websocket::CONTROL_BYTES,
    };

    fn payload(bytes: &Bytes) -> &str {
        let header = if bytes[1] < 126 { 2 } else { 4 };
        std::str::from_utf8(&bytes[header..]).unwrap()
    }

    #[test]
    fn wire_format_of_each_frame() {
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
            payload(&answer::subscription_error(
                Dialect::Pusher,
                "c",
                &SubscriptionError {
                    r#type: "AuthError",
                    error: "no",
                    status: 401,
                    code: "forbidden",
                    fix: None,
                    id: Some("1".into())
                }
            )),
            r#"{"event":"pusher:subscription_error","channel":"c","data":{"type":"AuthError","error":"no","status":401,"code":"forbidden","id":"1"}}"#
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
    fn encrypted_channel_has_no_plaintext_frame() {
        let channel = Channel::parse("private-encrypted-x", 200).unwrap();
        assert!(Frame::clear(&channel, "e", "secret").is_none());
        assert!(Frame::from_client(&channel, "client-e", "secret", None).is_none());
    }

    #[test]
    fn close_frame_fits_its_limit() {
        let close = Close::UnknownApp { key: "é".repeat(100) };
        let bytes = answer::close(&close);
        assert!(bytes.len() <= 2 + CONTROL_BYTES);
        assert!(std::str::from_utf8(&bytes[4..]).is_ok());
        assert_eq!(answer::close(&Close::ByClient(None)).as_ref(), [0x88, 0]);
    }
}
