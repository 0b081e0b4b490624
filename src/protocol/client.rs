//! Frames from clients. The only place that knows that `data` may be an object or a JSON string of
//! that object (protocol.md 1.8).

use std::borrow::Cow;

use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, value::RawValue};

use super::{
    code::ErrorCode,
    dialect::Dialect,
    json::{InvalidJson, object, object_in, string},
    well_formed::WellFormed,
};
use crate::domain::refusal::RefusalCode;

#[derive(Debug)]
pub enum ClientFrame<'a> {
    Ping,
    Pong,
    Subscribe(Subscribe),
    Unsubscribe { channel: String },
    Signin(Signin),
    Event(ClientEvent<'a>),
}

#[derive(Debug, Deserialize)]
#[serde(from = "RawSubscribe")]
pub struct Subscribe {
    pub channel: String,
    pub auth: Option<String>,
    pub channel_data: Option<String>,
    pub recover: Option<Recover>,
    /// Kept, so that the refusal can name the channel.
    pub invalid_field: Option<InvalidField>,
}

/// The wish to be told positions in the channel's log.
#[derive(Debug, PartialEq, Eq)]
pub enum Recover {
    FromNow,
    /// With the events since this position, as far as the log has them.
    From(String),
}

impl Recover {
    /// Other values than `true` and a text are no wish.
    fn of(value: Value) -> Option<Self> {
        match value {
            Value::Bool(true) => Some(Self::FromNow),
            Value::String(position) => Some(Self::From(position)),
            Value::Null
            | Value::Bool(false)
            | Value::Number(_)
            | Value::Array(_)
            | Value::Object(_) => None,
        }
    }
}

#[derive(Deserialize)]
struct RawSubscribe {
    channel: String,
    #[serde(default)]
    auth: Value,
    #[serde(default)]
    channel_data: Value,
    #[serde(default)]
    recover: Value,
}

impl From<RawSubscribe> for Subscribe {
    fn from(raw: RawSubscribe) -> Self {
        let mut invalid_field = None;
        Self {
            channel: raw.channel,
            auth: text(Field::Auth, raw.auth, &mut invalid_field),
            channel_data: text(Field::ChannelData, raw.channel_data, &mut invalid_field),
            recover: Recover::of(raw.recover),
            invalid_field,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(from = "RawSignin")]
pub struct Signin {
    pub auth: String,
    pub user_data: String,
    pub invalid_field: Option<InvalidField>,
}

#[derive(Deserialize)]
struct RawSignin {
    #[serde(default)]
    auth: Value,
    #[serde(default)]
    user_data: Value,
}

impl From<RawSignin> for Signin {
    fn from(raw: RawSignin) -> Self {
        let mut invalid_field = None;
        Self {
            auth: text(Field::Auth, raw.auth, &mut invalid_field).unwrap_or_default(),
            user_data: text(Field::UserData, raw.user_data, &mut invalid_field).unwrap_or_default(),
            invalid_field,
        }
    }
}

/// A field with a value other than a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{} is {kind}, and must be a string: pass on the auth endpoint's response unchanged", field.name())]
pub struct InvalidField {
    field: Field,
    kind: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Auth,
    ChannelData,
    UserData,
}

impl Field {
    fn name(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::ChannelData => "channel_data",
            Self::UserData => "user_data",
        }
    }
}

impl InvalidField {
    pub fn code(self) -> RefusalCode {
        match self.field {
            Field::Auth => RefusalCode::AuthNotAString,
            Field::ChannelData => RefusalCode::ChannelDataNotAString,
            Field::UserData => RefusalCode::UserDataNotAString,
        }
    }
}

/// Records the first invalid field.
fn text(field: Field, value: Value, invalid_field: &mut Option<InvalidField>) -> Option<String> {
    let kind = match value {
        Value::Null => return None,
        Value::String(text) => return Some(text),
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    invalid_field.get_or_insert(InvalidField { field, kind });
    None
}

#[derive(Deserialize)]
struct Unsubscribe {
    channel: String,
}

/// A `client-*` event; the engine decides on it.
#[derive(Debug)]
pub struct ClientEvent<'a> {
    pub event: Cow<'a, str>,
    pub channel: Option<Cow<'a, str>>,
    /// The JSON text as sent.
    pub data: Option<&'a str>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FrameError {
    #[error("Invalid frame: expected a JSON object with a string \"event\" ({0})")]
    NotAFrame(InvalidJson),
    #[error("Invalid data of {event}: {reason}")]
    InvalidData { event: &'static str, reason: String },
    #[error("Unsupported event received on socket: {0}")]
    Unsupported(String),
}

impl FrameError {
    pub fn code(&self) -> ErrorCode {
        match self {
            // A failed sign-in, for any reason (protocol.md 5.1).
            Self::InvalidData { event: "signin", .. } => ErrorCode::Unauthorized,
            Self::InvalidData { .. } | Self::NotAFrame(_) | Self::Unsupported(_) => ErrorCode::None,
        }
    }
}

#[derive(Deserialize)]
struct Raw<'a> {
    #[serde(borrow)]
    event: Cow<'a, str>,
    /// Read in client events only, so that an invalid value in other frames does no harm.
    #[serde(borrow, default)]
    channel: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data: Option<&'a RawValue>,
}

impl<'a> ClientFrame<'a> {
    pub fn parse(text: &'a WellFormed<'_>, dialect: Dialect) -> Result<Self, FrameError> {
        let raw: Raw<'a> = object_in(text.as_str()).map_err(FrameError::NotAFrame)?;
        match dialect.strip(&raw.event) {
            Some("ping") => Ok(Self::Ping),
            Some("pong") => Ok(Self::Pong),
            Some("subscribe") => data("subscribe", raw.data).map(Self::Subscribe),
            Some("unsubscribe") => data("unsubscribe", raw.data)
                .map(|Unsubscribe { channel }| Self::Unsubscribe { channel }),
            Some("signin") => data("signin", raw.data).map(Self::Signin),
            None if raw.event.starts_with("client-") => Ok(Self::Event(ClientEvent {
                channel: raw.channel.and_then(|c| serde_json::from_str(c.get()).ok()),
                event: raw.event,
                data: raw.data.map(|data| text.as_sent(data.get())),
            })),
            _ => Err(FrameError::Unsupported(shortened(&raw.event))),
        }
    }
}

fn data<T: DeserializeOwned>(event: &'static str, raw: Option<&RawValue>) -> Result<T, FrameError> {
    let invalid = |reason: String| FrameError::InvalidData { event, reason };
    let raw = raw.ok_or_else(|| invalid("it is missing".into()))?.get();
    let parsed = match string(raw) {
        Some(text) => object(&text),
        // A part of the frame, which is well-formed already.
        None => object_in(raw),
    };
    parsed.map_err(|e| invalid(e.to_string()))
}

/// Repeats the start of a client's text in an error, not all of it.
fn shortened(event: &str) -> String {
    event.chars().take(60).collect()
}

/// A client event's `data` as subscribers get it: a string stays as it is, other values become
/// their JSON text (protocol.md 6).
pub fn data_as_text(data: &str) -> Cow<'_, str> {
    string(data).unwrap_or(Cow::Borrowed(data))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn parse(text: &str) -> Result<ClientFrame<'_>, FrameError> {
        ClientFrame::parse(Box::leak(Box::new(WellFormed::new(text))), Dialect::Pusher)
    }

    #[test]
    fn pings_in_every_shape() {
        for text in [
            r#"{"event":"pusher:ping","data":{}}"#,
            r#"{"event":"pusher:ping"}"#,
            r#"{"event":"pusher:ping","data":""}"#,
            r#"{"data":null,"event":"pusher:ping","channel":5}"#,
        ] {
            assert!(matches!(parse(text), Ok(ClientFrame::Ping)), "{text}");
        }
    }

    #[test]
    fn subscribe_in_every_shape() {
        for (text, auth) in [
            (
                r#"{"event":"pusher:subscribe","data":{"channel":"c","auth":"k:s","shared_secret":"x"}}"#,
                Some("k:s"),
            ),
            (
                r#"{"event":"pusher:subscribe","data":{"channel":"c","auth":null,"channel_data":null}}"#,
                None,
            ),
            (r#"{"event":"pusher:subscribe","data":{"channel":"c"}}"#, None),
            (
                r#"{"event":"pusher:subscribe","data":"{\"channel\":\"c\",\"auth\":\"k:s\"}"}"#,
                Some("k:s"),
            ),
        ] {
            let Ok(ClientFrame::Subscribe(subscribe)) = parse(text) else { panic!("{text}") };
            assert_eq!(
                (subscribe.channel.as_str(), subscribe.auth.as_deref()),
                ("c", auth),
                "{text}"
            );
        }
    }

    #[test]
    fn wrong_types_are_errors() {
        for text in [
            "",
            "x",
            "[]",
            "5",
            "null",
            "{}",
            r#"{"event":5}"#,
            r#"{"event":null}"#,
            r#"["pusher:ping"]"#,
            r#"{"event":"pusher:subscribe","data":["c"]}"#,
            r#"{"event":"pusher:subscribe","data":"[\"c\"]"}"#,
            r#"{"event":"pusher:subscribe"}"#,
            r#"{"event":"pusher:subscribe","data":[]}"#,
            r#"{"event":"pusher:subscribe","data":{"channel":5}}"#,
            r#"{"event":"pusher:subscribe","data":"x"}"#,
            r#"{"event":"pusher:unknown"}"#,
            r#"{"event":"jetsocket:ping"}"#,
            r#"{"event":"hello"}"#,
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(matches!(
            ClientFrame::parse(
                &WellFormed::new(r#"{"event":"jetsocket:ping"}"#),
                Dialect::Jetsocket
            ),
            Ok(ClientFrame::Ping)
        ));
        let nested = format!(
            r#"{{"event":"client-x","data":{}{}}}"#,
            "[".repeat(50_000),
            "]".repeat(50_000)
        );
        assert_eq!(parse(&nested).err(), Some(FrameError::NotAFrame(InvalidJson::TooDeep)));
    }

    #[test]
    fn non_string_fields_are_noted() {
        for (data, code) in [
            (r#"{"channel":"c","auth":{}}"#, RefusalCode::AuthNotAString),
            (r#"{"channel":"c","auth":5,"channel_data":[]}"#, RefusalCode::AuthNotAString),
            (r#"{"channel":"c","channel_data":{"a":1}}"#, RefusalCode::ChannelDataNotAString),
        ] {
            let text = format!(r#"{{"event":"pusher:subscribe","data":{data}}}"#);
            let Ok(ClientFrame::Subscribe(subscribe)) = parse(&text) else { panic!("{text}") };
            assert_eq!(subscribe.invalid_field.map(InvalidField::code), Some(code), "{text}");
            assert_eq!(subscribe.channel, "c");
        }
        let text = r#"{"event":"pusher:signin","data":{"auth":"x","user_data":{"id":"u"}}}"#;
        let Ok(ClientFrame::Signin(signin)) = parse(text) else { panic!("{text}") };
        assert_eq!(
            signin.invalid_field.map(InvalidField::code),
            Some(RefusalCode::UserDataNotAString)
        );
    }

    #[test]
    fn client_event_data_becomes_text() {
        for (data, text) in
            [(r#""a\nb""#, "a\nb"), (r#"{"a": 1}"#, r#"{"a": 1}"#), ("5", "5"), (r#""""#, "")]
        {
            assert_eq!(data_as_text(data), text);
        }
    }

    #[test]
    fn f22_client_events_are_well_formed_and_other_data_is_unchanged() {
        let frame =
            r#"{"\ud83d":0,"event":"client-\ud83d","channel":"c\udead","data":{"a":"\ud83d"}}"#;
        let Ok(ClientFrame::Event(event)) = parse(frame) else { panic!("{frame}") };
        assert_eq!(
            (&*event.event, event.channel.as_deref()),
            ("client-\u{fffd}", Some("c\u{fffd}"))
        );
        assert_eq!(event.data, Some(r#"{"a":"\ud83d"}"#));
        assert_eq!(data_as_text(r#""cut \ud83d""#), "cut \u{fffd}");
        let text =
            r#"{"event":"pusher:subscribe","data":"{\"channel\":\"c\",\"auth\":\"\\ud83d\"}"}"#;
        let Ok(ClientFrame::Subscribe(subscribe)) = parse(text) else { panic!("{text}") };
        assert_eq!(subscribe.auth.as_deref(), Some("\u{fffd}"));
    }

    proptest! {
        #[test]
        fn any_text_never_panics(text in "\\PC{0,200}") {
            let _ = parse(&text);
        }

        #[test]
        fn any_json_never_panics(event in "pusher:(subscribe|signin|ping|unsubscribe)|client-x", data in r#"[\[\]\{\}":,0-9a-e\\]{0,40}"#) {
            let _ = parse(&format!(r#"{{"event":"{event}","channel":{data},"data":{data}}}"#));
        }
    }
}
