//! Messages to clients, independent of their encoding.
//!
//! `data` is a string of JSON in every message but errors: the double encoding that clients expect
//! (protocol.md 1.5). Types keep plaintext off encrypted channels: see `Message::event`.

use std::borrow::Cow;

use serde::Serialize;

use super::{
    code::{Close, ErrorCode},
    dialect::Dialect,
    escape::{Escaped, escape, escaped_capacity, quote},
};
use crate::{
    crypto::sealer::Sealed,
    domain::{channel::Channel, ids::SocketId},
};

pub struct Message<'a> {
    kind: MessageKind,
    channel: Option<&'a str>,
    event: &'a str,
    data: MessageData<'a>,
    user_id: Option<&'a str>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageKind {
    /// An event of a backend or a client: its name is the same in every dialect.
    Event,
    /// The protocol's own: its name begins with the prefix of the dialect.
    Protocol,
}

enum MessageData<'a> {
    Clear(Cow<'a, str>),
    Sealed(&'a Sealed),
    /// The escaped content of a JSON string.
    Escaped(&'a Escaped),
    /// JSON text inserted as it is: errors have no double encoding.
    Json(String),
}

impl<'a> Message<'a> {
    /// A publisher's event on a channel that is not encrypted. `None` on an encrypted one: its
    /// messages come from `Message::sealed` alone.
    pub fn event(channel: &'a Channel, event: &'a str, data: &'a str) -> Option<Self> {
        (!channel.kind().is_encrypted()).then(|| Self {
            kind: MessageKind::Event,
            channel: Some(channel.name()),
            event,
            data: MessageData::Clear(data.into()),
            user_id: None,
        })
    }

    /// A publisher's event on the encrypted channel for which it was sealed.
    pub fn sealed(event: &'a str, user_id: Option<&'a str>, sealed: &'a Sealed) -> Self {
        Self {
            kind: MessageKind::Event,
            channel: Some(sealed.channel().name()),
            event,
            data: MessageData::Sealed(sealed),
            user_id,
        }
    }

    /// Plaintext on any channel, to test the tripwire: no other constructor permits it.
    #[cfg(test)]
    pub fn plaintext(channel: &'a Channel, event: &'a str, data: &'a str) -> Self {
        let data = MessageData::Clear(data.into());
        let (kind, channel) = (MessageKind::Event, Some(&**channel.name()));
        Self { kind, channel, event, data, user_id: None }
    }

    /// A client's event. `None` on an encrypted channel: clients send none there (protocol.md 6).
    pub fn from_client(
        channel: &'a Channel,
        event: &'a str,
        data: &'a str,
        user_id: Option<&'a str>,
    ) -> Option<Self> {
        Self::event(channel, event, data).map(|message| Self { user_id, ..message })
    }

    pub fn subscription_count(channel: &'a Channel, count: u32) -> Self {
        let data = format!(r#"{{"subscription_count":{count}}}"#);
        Self::protocol("_internal:subscription_count", Some(channel.name()), text(data))
    }

    pub fn member_added(channel: &'a Channel, user_id: &str, info: Option<&str>) -> Self {
        let info = info.map_or(["", ""], |info| [r#","user_info":"#, info]);
        Self::protocol(
            "_internal:member_added",
            Some(channel.name()),
            text(member_data(user_id, info)),
        )
    }

    pub fn member_removed(channel: &'a Channel, user_id: &str) -> Self {
        let data = member_data(user_id, ["", ""]);
        Self::protocol("_internal:member_removed", Some(channel.name()), text(data))
    }

    /// `online` and `offline` users of a watchlist, empty groups omitted (protocol.md 5.3).
    pub fn watchlist<T: Serialize>(online: &[T], offline: &[T]) -> Self {
        #[derive(Serialize)]
        struct Group<'a, T> {
            name: &'a str,
            user_ids: &'a [T],
        }
        #[derive(Serialize)]
        struct Groups<'a, T> {
            events: Vec<Group<'a, T>>,
        }
        let events = [("online", online), ("offline", offline)]
            .into_iter()
            .filter(|(_, user_ids)| !user_ids.is_empty())
            .map(|(name, user_ids)| Group { name, user_ids })
            .collect();
        Self::protocol("_internal:watchlist_events", None, text(json(&Groups { events })))
    }

    /// Times in seconds.
    pub fn connection_established(socket_id: SocketId, activity_timeout: u64) -> Self {
        let data =
            format!(r#"{{"socket_id":"{socket_id}","activity_timeout":{activity_timeout}}}"#);
        Self::protocol(":connection_established", None, text(data))
    }

    /// The handshake of an event stream, which has no activity timeout.
    pub fn stream_established(socket_id: SocketId) -> Self {
        let data = format!(r#"{{"socket_id":"{socket_id}"}}"#);
        Self::protocol(":connection_established", None, text(data))
    }

    /// `roster` on presence channels. On all others `data` is `{}`: a Java client tries to decrypt
    /// any other value on an encrypted channel (protocol.md 2.2).
    pub fn subscription_succeeded(channel: &'a Channel, roster: Option<&'a Escaped>) -> Self {
        let data = roster.map_or(NOTHING, MessageData::Escaped);
        Self::protocol("_internal:subscription_succeeded", Some(channel.name()), data)
    }

    /// The same for a client that recovers: `data` has a member `recover`.
    pub fn subscription_recovered(
        channel: &'a Channel,
        roster: Option<&Escaped>,
        recovery: &RecoveryAnswer<'_>,
    ) -> Self {
        let roster = roster.map_or("{}", Escaped::as_str);
        let start = roster.strip_suffix('}').unwrap_or(roster);
        let comma = if start == "{" { "" } else { "," };
        let recover = json(recovery);
        let recover = Escaped::new(&recover);
        let data = format!(r#""{start}{comma}\"recover\":{}}}""#, recover.as_str());
        let data = MessageData::Json(data);
        Self::protocol("_internal:subscription_succeeded", Some(channel.name()), data)
    }

    /// Events after the reader's position are gone. Written to one reader, never posted.
    pub fn gap(channel: &'a Channel, reason: &str, position: &str) -> Self {
        #[derive(Serialize)]
        struct Gap<'a> {
            reason: &'a str,
            position: &'a str,
        }
        Self {
            kind: MessageKind::Event,
            channel: Some(channel.name()),
            event: "sealcast:gap",
            data: text(json(&Gap { reason, position })),
            user_id: None,
        }
    }

    pub fn cache_miss(channel: &'a Channel) -> Self {
        Self::protocol(":cache_miss", Some(channel.name()), NOTHING)
    }

    pub fn signin_success(user_data: &str) -> Self {
        #[derive(Serialize)]
        struct Success<'a> {
            user_data: &'a str,
        }
        Self::protocol(":signin_success", None, text(json(&Success { user_data })))
    }

    /// Names the channel as it was sent, so that pusher-js reports the error there like a refusal
    /// by the app's auth endpoint (protocol.md 2.4).
    pub fn subscription_error(channel: &'a str, error: &SubscriptionError<'_>) -> Self {
        let data = MessageData::Json(json(error));
        Self::protocol(":subscription_error", Some(channel), data)
    }

    pub fn error(code: ErrorCode, message: &str) -> Self {
        Self::numbered_error(code.number(), message)
    }

    /// The `pusher:error` before a close frame, if there is one (protocol.md 1.4).
    pub fn error_before_close(close: &Close) -> Option<Self> {
        close.has_error_frame().then(|| Self::numbered_error(close.error_code(), &close.message()))
    }

    /// The last message of an event stream.
    pub fn stream_end(code: Option<u16>, message: &str) -> Self {
        #[derive(Serialize)]
        struct StreamEnd<'a> {
            code: Option<u16>,
            message: &'a str,
        }
        let data = text(json(&StreamEnd { code, message }));
        let kind = MessageKind::Event;
        Self { kind, channel: None, event: "sealcast:end", data, user_id: None }
    }

    fn numbered_error(code: Option<u16>, message: &str) -> Self {
        #[derive(Serialize)]
        struct ErrorData<'a> {
            code: Option<u16>,
            message: &'a str,
        }
        let data = MessageData::Json(json(&ErrorData { code, message }));
        Self::protocol(":error", None, data)
    }

    fn protocol(event: &'a str, channel: Option<&'a str>, data: MessageData<'a>) -> Self {
        Self { kind: MessageKind::Protocol, channel, event, data, user_id: None }
    }
}

impl Message<'_> {
    pub fn kind(&self) -> MessageKind {
        self.kind
    }

    /// The message as JSON, in a dialect.
    pub(super) fn write(&self, dialect: Dialect, out: &mut Vec<u8>) {
        self.write_start(dialect, out);
        self.write_rest(out);
    }

    /// The part that differs between dialects.
    pub(super) fn write_start(&self, dialect: Dialect, out: &mut Vec<u8>) {
        out.extend_from_slice(br#"{"event":""#);
        if self.kind == MessageKind::Protocol {
            out.extend_from_slice(dialect.prefix().as_bytes());
        }
    }

    pub(super) fn write_rest(&self, out: &mut Vec<u8>) {
        escape(self.event, out);
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

    /// Room for the text, with some to spare.
    pub(super) fn capacity(&self) -> usize {
        /// Bytes for field names and the prefix.
        const OVERHEAD: usize = 80;
        let names = self.channel.iter().chain(&self.user_id).map(|name| name.len());
        OVERHEAD + self.event.len() + names.sum::<usize>() + self.data.capacity()
    }
}

impl MessageData<'_> {
    fn capacity(&self) -> usize {
        match self {
            Self::Clear(text) => escaped_capacity(text),
            Self::Sealed(sealed) => escaped_capacity(sealed.envelope()),
            Self::Escaped(text) => text.as_str().len(),
            Self::Json(text) => text.len(),
        }
    }

    fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Clear(text) => quote(text, out),
            Self::Sealed(sealed) => quote(sealed.envelope(), out),
            Self::Escaped(text) => [r#"""#, text.as_str(), r#"""#]
                .iter()
                .for_each(|part| out.extend_from_slice(part.as_bytes())),
            Self::Json(text) => out.extend_from_slice(text.as_bytes()),
        }
    }
}

/// The `data` of messages that say all by their name.
const NOTHING: MessageData<'static> = MessageData::Clear(Cow::Borrowed("{}"));

fn text(data: String) -> MessageData<'static> {
    MessageData::Clear(data.into())
}

/// The member `recover` of a success frame.
#[derive(Serialize)]
pub struct RecoveryAnswer<'a> {
    /// Where the channel's log stands: the client is told all later events.
    pub position: &'a str,
    /// True if the events since the client's position follow.
    pub recovered: bool,
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

/// A member's id, followed by `more`.
fn member_data(user_id: &str, more: [&str; 2]) -> String {
    let mut data = String::from(r#"{"user_id":""#);
    data.push_str(Escaped::new(user_id).as_str());
    data.push('"');
    more.iter().for_each(|more| data.push_str(more));
    data.push('}');
    data
}

fn json(value: &(impl Serialize + ?Sized)) -> String {
    serde_json::to_string(value).expect("structures of strings and numbers become JSON")
}

#[cfg(test)]
mod tests;
