//! What is told. There is no field in which a payload of an event, a secret or a token could stand:
//! of an event of an encrypted channel its envelope is told, of any other its size.

use std::{fmt::Display, sync::Arc, time::SystemTime};

use bytestring::ByteString;
use serde::{Deserialize, Serialize, Serializer};

use crate::{crypto::key::Fingerprint, explain::RefusalId, ids::SocketId, refusal::RefusalCode};

macro_rules! types {
    ($($name:ident = $text:literal,)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Type { $($name,)* }

        impl Type {
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            pub fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
        }
    };
}

types! {
    ConnectionOpened = "connection_opened",
    ConnectionRefused = "connection_refused",
    ConnectionClosed = "connection_closed",
    SignedIn = "signed_in",
    Subscribed = "subscribed",
    Unsubscribed = "unsubscribed",
    ApiCall = "api_call",
    Refused = "refused",
    Event = "event",
    ClientEvent = "client_event",
    WebhookDelivered = "webhook_delivered",
    WebhookFailed = "webhook_failed",
    AuthGranted = "auth_granted",
    AuthDenied = "auth_denied",
    AuthRefusedSocket = "auth_refused_socket",
    TokenMade = "token_made",
    TokensRevoked = "tokens_revoked",
    RevocationNotWritten = "revocation_not_written",
    RevocationWritten = "revocation_written",
    PlaintextRefused = "plaintext_refused",
    Tripwire = "tripwire",
    KeyCreated = "key_created",
    KeyActivated = "key_activated",
    KeyGrace = "key_grace",
    KeyRetired = "key_retired",
    KeyRevoked = "key_revoked",
    KeyUsed = "key_used",
    RotationStarted = "rotation_started",
    RotationRefused = "rotation_refused",
    RotationFinished = "rotation_finished",
    RotationForced = "rotation_forced",
    ChannelRevoked = "channel_revoked",
    AdminAction = "admin_action",
    ConfigReloaded = "config_reloaded",
    ConfigRefused = "config_refused",
    WatchBegun = "watch_begun",
    WatchEnded = "watch_ended",
    ServerStarted = "server_started",
    ServerDraining = "server_draining",
    ServerStopped = "server_stopped",
    FactsLost = "facts_lost",
    LineTorn = "line_torn",
    FileReplaced = "file_replaced",
}

/// What filters look at stands here, the rest in `what`.
#[derive(Serialize)]
pub struct Entry<'a> {
    #[serde(serialize_with = "name")]
    pub r#type: Type,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub socket_id: Option<SocketId>,
    /// As it was sent, where it is that of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    #[serde(flatten)]
    pub what: What<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub enum What<'a> {
    /// What the type says, and no more.
    Itself {},
    /// Without a code: the connection was lost, or closed without one.
    Closed {
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        #[serde(skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    Subscribers {
        subscribers: u32,
    },
    Call(Call<'a>),
    Refused {
        code: RefusalCode,
        /// Under which it stands in the log, and which whoever was refused was told. Without one the
        /// log had no room for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<RefusalId>,
    },
    Event(Event<'a>),
    Webhook {
        /// Host and port. Paths of webhooks are secrets now and then.
        endpoint: &'a str,
        events: usize,
        attempt: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// One that stands in the audit log as well, without what stands in the entry itself.
    Fact(serde_json::Map<String, serde_json::Value>),
}

/// A request to the HTTP API that was answered.
#[derive(Serialize)]
pub struct Call<'a> {
    pub method: &'a str,
    /// With its parameters as names.
    pub route: &'a str,
    pub status: u16,
    /// Of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<RefusalCode>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub events: &'a [String],
    #[serde(skip_serializing_if = "<[Arc<str>]>::is_empty")]
    pub channels: &'a [Arc<str>],
    /// Of the body.
    pub bytes: usize,
    pub microseconds: u64,
}

#[derive(Serialize)]
pub struct Event<'a> {
    pub name: &'a str,
    /// Of the payload, as it is sent.
    pub bytes: usize,
    pub subscribers: u32,
    /// Of the key that it is sealed with here.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope: Option<Envelope>,
}

/// These two, whatever else a publisher has put beside them.
#[derive(Serialize, Deserialize)]
pub struct Envelope {
    nonce: String,
    ciphertext: String,
}

impl<'a> Event<'a> {
    pub fn clear(name: &'a str, bytes: usize, subscribers: u32) -> Self {
        Self { name, bytes, subscribers, key: None, envelope: None }
    }
}

impl Envelope {
    pub fn of(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl<'a> Entry<'a> {
    pub fn new(r#type: Type) -> Self {
        let what = What::Itself {};
        Self { r#type, app: None, socket_id: None, channel: None, user: None, what }
    }

    pub fn of_app(r#type: Type, app: &'a str) -> Self {
        Self { app: Some(app), ..Self::new(r#type) }
    }

    /// All that it concerns.
    pub(super) fn channels(&self) -> impl Iterator<Item = &str> {
        let more = match &self.what {
            What::Call(call) => call.channels,
            _ => &[],
        };
        self.channel.into_iter().chain(more.iter().map(|name| &**name))
    }

    pub(super) fn to_json(&self) -> ByteString {
        #[derive(Serialize)]
        struct Line<'a> {
            time: String,
            #[serde(flatten)]
            entry: &'a Entry<'a>,
        }
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        serde_json::to_string(&Line { time, entry: self }).unwrap_or_default().into()
    }
}

fn name<S: Serializer>(kind: &Type, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

fn text<S: Serializer>(value: &Option<impl Display>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
