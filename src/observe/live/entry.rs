//! Entries of the live feed. No field can hold a payload, a secret or a token: events of encrypted
//! channels are shown as envelopes, all others by size.

use std::{fmt::Display, sync::Arc, time::SystemTime};

use bytestring::ByteString;
use serde::{Deserialize, Serialize, Serializer};

use super::class::EntryClass;
use crate::{
    crypto::key::Fingerprint,
    domain::{ids::SocketId, refusal::RefusalCode},
    observe::explain::RefusalId,
};

macro_rules! types {
    ($($name:ident = $text:literal,)*) => {
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum EntryType { $($name,)* }

        impl EntryType {
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
    ConsoleSignedIn = "console_signed_in",
    ConsoleSignInRefused = "console_sign_in_refused",
    ConsoleSignedOut = "console_signed_out",
    RevealBegun = "reveal_begun",
    RevealEnded = "reveal_ended",
    ServerStarted = "server_started",
    ServerDraining = "server_draining",
    ServerStopped = "server_stopped",
    FactsLost = "facts_lost",
    LineTorn = "line_torn",
    FileReplaced = "file_replaced",
}

/// Filters look at these fields; the rest is in `what`.
#[derive(Serialize)]
pub struct LiveEntry<'a> {
    #[serde(serialize_with = "name")]
    pub r#type: EntryType,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "text")]
    pub socket_id: Option<SocketId>,
    /// Channel name; as sent, in a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<&'a str>,
    #[serde(flatten)]
    pub what: EntryDetail<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub enum EntryDetail<'a> {
    /// No more than the type says.
    Itself {},
    /// `None`: the connection was lost, or closed without a code.
    Closed {
        #[serde(skip_serializing_if = "Option::is_none")]
        code: Option<u16>,
        #[serde(skip_serializing_if = "String::is_empty")]
        reason: String,
    },
    Subscribers {
        subscribers: u32,
    },
    Call(ApiCallDetail<'a>),
    Refused {
        code: RefusalCode,
        /// Id in the log, also sent to the client. `None` if the log had no room for it.
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<RefusalId>,
    },
    Event(LiveEvent<'a>),
    Webhook {
        /// Host and port only: paths of webhooks may contain secrets.
        endpoint: &'a str,
        events: usize,
        attempt: u32,
        #[serde(skip_serializing_if = "Option::is_none")]
        reason: Option<&'a str>,
    },
    /// A fact of the audit log, without the fields already in the entry.
    Fact(serde_json::Map<String, serde_json::Value>),
}

/// An answered request to the HTTP API.
#[derive(Clone, Copy, Serialize)]
pub struct ApiCallDetail<'a> {
    pub method: &'a str,
    /// Route template, with names for parameters.
    pub route: &'a str,
    pub status: u16,
    /// Code of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<RefusalCode>,
    #[serde(skip_serializing_if = "<[String]>::is_empty")]
    pub events: &'a [String],
    #[serde(skip_serializing_if = "<[Arc<str>]>::is_empty")]
    pub channels: &'a [Arc<str>],
    /// Size of the body.
    pub bytes: usize,
    pub microseconds: u64,
}

#[derive(Serialize)]
pub struct LiveEvent<'a> {
    pub name: &'a str,
    /// Size of the payload as sent.
    pub bytes: usize,
    pub subscribers: u32,
    /// Fingerprint of the key this server sealed it with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<Fingerprint>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub envelope: Option<LiveEnvelope>,
}

/// These two fields alone, even if a publisher added others.
#[derive(Serialize, Deserialize)]
pub struct LiveEnvelope {
    nonce: String,
    ciphertext: String,
}

impl<'a> LiveEvent<'a> {
    pub fn clear(name: &'a str, bytes: usize, subscribers: u32) -> Self {
        Self { name, bytes, subscribers, key: None, envelope: None }
    }
}

impl LiveEnvelope {
    pub fn of(text: &str) -> Option<Self> {
        serde_json::from_str(text).ok()
    }
}

impl<'a> LiveEntry<'a> {
    pub fn new(r#type: EntryType) -> Self {
        let what = EntryDetail::Itself {};
        Self { r#type, app: None, socket_id: None, channel: None, user: None, what }
    }

    pub fn of_app(r#type: EntryType, app: &'a str) -> Self {
        Self { app: Some(app), ..Self::new(r#type) }
    }

    pub(super) fn class(&self) -> EntryClass {
        self.r#type.class()
    }

    /// True for refusals, failures and keys: a busy feed shows them first.
    pub(super) fn is_urgent(&self) -> bool {
        match &self.what {
            EntryDetail::Call(call) => call.status >= 400,
            _ => self.class() == EntryClass::Refusal || self.r#type.is_about_keys(),
        }
    }

    /// All channels of the entry.
    pub(super) fn channels(&self) -> impl Iterator<Item = &str> {
        let more = match &self.what {
            EntryDetail::Call(call) => call.channels,
            _ => &[],
        };
        self.channel.into_iter().chain(more.iter().map(|name| &**name))
    }

    pub(super) fn to_json(&self) -> ByteString {
        #[derive(Serialize)]
        struct EntryLine<'a> {
            time: String,
            #[serde(flatten)]
            entry: &'a LiveEntry<'a>,
        }
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        serde_json::to_string(&EntryLine { time, entry: self }).unwrap_or_default().into()
    }
}

fn name<S: Serializer>(kind: &EntryType, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(kind.name())
}

fn text<S: Serializer>(value: &Option<impl Display>, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
