//! The facts recorded in the audit log: a closed set.
//!
//! Field types admit no secret, token or payload: fingerprints, channels, ids, and names from the
//! program. New facts must keep it so.

use std::{net::IpAddr, sync::Arc};

use serde::{Serialize, Serializer};

use crate::{
    crypto::key::Fingerprint,
    domain::{channel::Channel, ids::SocketId, time::UnixSeconds},
    observe::explain::RefusalId,
    platform::address::Address,
};

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum AuditFact {
    ServerStarted {
        version: &'static str,
        pid: u32,
        listen: Address,
    },
    ServerStopped {
        reason: &'static str,
    },
    KeyCreated {
        app: Arc<str>,
        key: Fingerprint,
    },
    KeyActivated {
        app: Arc<str>,
        key: Fingerprint,
    },
    /// The key opens earlier envelopes and seals nothing new.
    KeyGrace {
        app: Arc<str>,
        key: Fingerprint,
    },
    KeyRetired {
        app: Arc<str>,
        key: Fingerprint,
    },
    KeyRevoked {
        app: Arc<str>,
        key: Fingerprint,
    },
    /// First use since the start.
    KeyUsed {
        app: Arc<str>,
        key: Fingerprint,
    },
    RotationStarted {
        app: Arc<str>,
        from: Fingerprint,
        to: Fingerprint,
    },
    RotationRefused {
        app: Arc<str>,
        reason: &'static str,
    },
    RotationFinished {
        app: Arc<str>,
        from: Fingerprint,
        to: Fingerprint,
    },
    /// Stragglers of the last rotation were closed for the next.
    RotationForced {
        app: Arc<str>,
        /// Number of subscriptions.
        closed: u32,
    },
    /// A member was removed: from this epoch on, its secret opens nothing.
    ChannelRevoked {
        app: Arc<str>,
        #[serde(serialize_with = "name")]
        channel: Channel,
        epoch: u64,
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<Arc<str>>,
    },
    AuthGranted {
        app: Arc<str>,
        #[serde(flatten)]
        asked: AuthRequestFields,
        by: &'static str,
        /// Channel pattern of the rule in the configuration.
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<Arc<str>>,
    },
    /// Access tokens were revoked, with everything granted to them.
    TokensRevoked {
        app: Arc<str>,
        #[serde(skip_serializing_if = "Option::is_none")]
        jti: Option<Arc<str>>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user: Option<Arc<str>>,
    },
    TokenMade {
        app: Arc<str>,
        jti: Arc<str>,
        user: Arc<str>,
    },
    AuthDenied {
        app: Arc<str>,
        #[serde(flatten)]
        asked: AuthRequestFields,
        by: &'static str,
        /// HTTP status of the response.
        status: u16,
        code: &'static str,
        /// Id of the refusal in the server's log.
        #[serde(skip_serializing_if = "Option::is_none")]
        refusal: Option<RefusalId>,
    },
    /// A shared secret was requested for a socket that is gone, belongs to another app, or never
    /// existed.
    AuthRefusedSocket {
        app: Arc<str>,
        #[serde(flatten)]
        asked: AuthRequestFields,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        refusal: Option<RefusalId>,
    },
    /// A revocation is in force but could not be written: a restart would undo it.
    RevocationNotWritten {
        app: Arc<str>,
        list: RevocationList,
    },
    /// All revocations in force are on disk.
    RevocationWritten {
        app: Arc<str>,
        list: RevocationList,
    },
    PlaintextRefused {
        app: Arc<str>,
        #[serde(serialize_with = "name")]
        channel: Channel,
    },
    /// Events on encrypted channels stopped because they were plaintext.
    Tripwire {
        dropped: u64,
    },
    AdminAction {
        action: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        app: Option<Arc<str>>,
        /// `socket`, `token`, or `console` and the number of the session; `cluster` if another node
        /// asked.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Arc<str>>,
        #[serde(flatten)]
        subject: AdminSubject,
    },
    /// A reload. Names of settings, never their values.
    ConfigReloaded {
        /// `signal`, `file` or `operator`.
        by: &'static str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        taken: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        later: Vec<String>,
        /// Keys waiting for a rotation to end.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        waits: Vec<String>,
    },
    /// A reload was refused.
    ConfigRefused {
        by: &'static str,
    },
    /// A watcher connected to the live feed.
    WatchBegun {
        #[serde(flatten)]
        watcher: WatchOrigin,
    },
    WatchEnded {
        #[serde(flatten)]
        watcher: WatchOrigin,
        reason: &'static str,
    },
    /// An operator signed in to the console.
    ConsoleSignedIn {
        /// `console` and the number of the session.
        by: Arc<str>,
        /// `code` or `token`.
        means: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        peer: Option<IpAddr>,
    },
    /// The code or the token was wrong.
    ConsoleSignInRefused {
        code: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        peer: Option<IpAddr>,
    },
    ConsoleSignedOut {
        by: Arc<str>,
        reason: &'static str,
    },
    /// The console shows payloads from here on.
    RevealBegun {
        #[serde(flatten)]
        scope: RevealScope,
        until: UnixSeconds,
        /// The operator's words.
        reason: String,
    },
    RevealEnded {
        #[serde(flatten)]
        scope: RevealScope,
        reason: &'static str,
    },
    /// The last line of the file was incomplete; it is kept in a file beside it.
    LineTorn {
        bytes: u64,
        kept_in: String,
    },
    /// The file was moved or deleted; a new file took its name.
    FileReplaced {
        /// Hash of the last line in the previous file.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Facts dropped because the queue to the file was full.
    FactsLost {
        count: u64,
    },
}

/// An authorization request, as far as it could be parsed.
#[derive(Debug, Default, Serialize)]
pub struct AuthRequestFields {
    #[serde(serialize_with = "optional_name", skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// The user, once authenticated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Arc<str>>,
    #[serde(serialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub socket_id: Option<SocketId>,
}

/// What an operator's action was about.
#[derive(Debug, Default, Serialize)]
pub struct AdminSubject {
    #[serde(serialize_with = "names", skip_serializing_if = "Vec::is_empty")]
    channels: Vec<Channel>,
    #[serde(serialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    socket_id: Option<SocketId>,
    /// Name of a node of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    node: Option<Arc<str>>,
}

impl AdminSubject {
    pub fn channels(channels: &[Channel]) -> Self {
        Self { channels: channels.to_vec(), ..Self::default() }
    }

    pub fn connection(socket: SocketId) -> Self {
        Self { socket_id: Some(socket), ..Self::default() }
    }

    pub fn node(name: &str) -> Self {
        Self { node: Some(name.into()), ..Self::default() }
    }
}

/// The list a revocation is written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationList {
    /// The key file: keys and channel members.
    Keys,
    /// Access tokens.
    Tokens,
}

impl RevocationList {
    pub const ALL: [Self; 2] = [Self::Keys, Self::Tokens];

    pub fn name(self) -> &'static str {
        match self {
            Self::Keys => "keys",
            Self::Tokens => "tokens",
        }
    }
}

/// The session of the console that payloads are shown to, and which.
#[derive(Clone, Debug, Serialize)]
pub struct RevealScope {
    pub by: Arc<str>,
    pub app: Arc<str>,
    /// A name or a pattern.
    pub channel: Arc<str>,
}

/// Origin of a watcher's connection.
#[derive(Clone, Debug, Serialize)]
pub struct WatchOrigin {
    /// `socket` or `token`.
    pub by: &'static str,
    /// Peer address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
}

impl AuditFact {
    /// True for facts that must survive a power loss: the history of keys may be needed years
    /// later.
    pub fn is_durable(&self) -> bool {
        match self {
            Self::KeyCreated { .. }
            | Self::KeyActivated { .. }
            | Self::KeyGrace { .. }
            | Self::KeyRetired { .. }
            | Self::KeyRevoked { .. }
            | Self::KeyUsed { .. }
            | Self::RotationStarted { .. }
            | Self::RotationRefused { .. }
            | Self::RotationFinished { .. }
            | Self::RotationForced { .. }
            | Self::ChannelRevoked { .. }
            | Self::TokensRevoked { .. }
            | Self::RevocationNotWritten { .. }
            | Self::RevocationWritten { .. }
            | Self::LineTorn { .. }
            | Self::FileReplaced { .. }
            | Self::ConfigReloaded { .. }
            | Self::ConsoleSignedIn { .. }
            | Self::RevealBegun { .. }
            | Self::RevealEnded { .. }
            | Self::AdminAction { .. } => true,
            Self::ServerStarted { .. }
            | Self::ServerStopped { .. }
            | Self::AuthGranted { .. }
            | Self::TokenMade { .. }
            | Self::AuthDenied { .. }
            | Self::AuthRefusedSocket { .. }
            | Self::PlaintextRefused { .. }
            | Self::Tripwire { .. }
            | Self::ConfigRefused { .. }
            | Self::WatchBegun { .. }
            | Self::WatchEnded { .. }
            | Self::ConsoleSignInRefused { .. }
            | Self::ConsoleSignedOut { .. }
            | Self::FactsLost { .. } => false,
        }
    }
}

fn name<S: Serializer>(channel: &Channel, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(channel.name())
}

fn names<S: Serializer>(channels: &[Channel], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(channels.iter().map(|channel| &**channel.name()))
}

fn optional_name<S: Serializer>(
    channel: &Option<Channel>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    optional_text(&channel.as_ref().map(Channel::name), serializer)
}

fn optional_text<S: Serializer>(
    value: &Option<impl std::fmt::Display>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match value {
        Some(value) => serializer.collect_str(value),
        None => serializer.serialize_none(),
    }
}
