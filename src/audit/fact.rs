//! What is worth an entry in the audit log: a closed set.
//!
//! Fields are of types that no secret, token or payload has: fingerprints, channels, ids, and names
//! that stand in the program. Whoever adds one keeps it so.

use std::{net::IpAddr, sync::Arc};

use serde::{Serialize, Serializer};

use crate::{
    address::Address, channel::Channel, crypto::key::Fingerprint, explain::RefusalId, ids::SocketId,
};

#[derive(Debug, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Fact {
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
    /// It opens what was sealed with it and seals nothing new.
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
    /// For the first time since the start.
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
    /// Subscribers that had not moved since the last rotation were closed for the next.
    RotationForced {
        app: Arc<str>,
        /// Subscriptions.
        closed: u32,
    },
    /// A member was removed: its secret opens nothing from this epoch on.
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
        asked: Asked,
        by: &'static str,
        /// Of the configuration.
        #[serde(skip_serializing_if = "Option::is_none")]
        rule: Option<Arc<str>>,
    },
    /// What let its bearer in is good no longer.
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
        asked: Asked,
        by: &'static str,
        /// Of the HTTP answer.
        status: u16,
        code: &'static str,
        /// Under which it stands in the server's log.
        #[serde(skip_serializing_if = "Option::is_none")]
        refusal: Option<RefusalId>,
    },
    /// A shared secret was asked for a socket that is gone, another app's, or made up.
    AuthRefusedSocket {
        app: Arc<str>,
        #[serde(flatten)]
        asked: Asked,
        reason: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        refusal: Option<RefusalId>,
    },
    /// A revocation is in force and could not be written: a restart would undo it.
    RevocationNotWritten {
        app: Arc<str>,
        list: RevocationList,
    },
    /// All revocations in force are on disk again.
    RevocationWritten {
        app: Arc<str>,
        list: RevocationList,
    },
    PlaintextRefused {
        app: Arc<str>,
        #[serde(serialize_with = "name")]
        channel: Channel,
    },
    /// Events of encrypted channels that would have left in clear.
    Tripwire {
        dropped: u64,
    },
    AdminAction {
        action: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        app: Option<Arc<str>>,
        /// The way in: `socket` or `token`.
        #[serde(skip_serializing_if = "Option::is_none")]
        by: Option<Arc<str>>,
    },
    /// The configuration was read again. Names of settings, never what they are.
    ConfigReloaded {
        /// `signal` or `file`.
        by: &'static str,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        taken: Vec<String>,
        #[serde(skip_serializing_if = "Vec::is_empty")]
        later: Vec<String>,
        /// Keys that wait for a rotation to end.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        waits: Vec<String>,
    },
    /// And something was wrong with it.
    ConfigRefused {
        by: &'static str,
    },
    /// Somebody looks at the live feed.
    WatchBegun {
        #[serde(flatten)]
        watcher: Watcher,
    },
    WatchEnded {
        #[serde(flatten)]
        watcher: Watcher,
        reason: &'static str,
    },
    /// The last line of the file was torn, and is kept in a file beside it.
    LineTorn {
        bytes: u64,
        kept_in: String,
    },
    /// The file was moved or deleted, and this is the one that has its name now.
    FileReplaced {
        /// The hash of the last line of the one before.
        #[serde(skip_serializing_if = "Option::is_none")]
        after: Option<String>,
    },
    /// Facts that found no room on their way to the file.
    FactsLost {
        count: u64,
    },
}

/// What somebody wanted to be authorized for, as far as it could be understood.
#[derive(Debug, Default, Serialize)]
pub struct Asked {
    #[serde(serialize_with = "optional_name", skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// Who it is, once that has been decided.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Arc<str>>,
    #[serde(serialize_with = "optional_text", skip_serializing_if = "Option::is_none")]
    pub socket_id: Option<SocketId>,
}

/// Where revocations are written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RevocationList {
    /// The key file: keys, and members of channels.
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

/// How somebody came in to watch.
#[derive(Clone, Debug, Serialize)]
pub struct Watcher {
    /// `socket` or `token`.
    pub by: &'static str,
    /// The address that it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peer: Option<IpAddr>,
}

impl Fact {
    /// Whether it must survive a loss of power: what happened to keys is asked for years later.
    pub fn must_last(&self) -> bool {
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
            | Self::FactsLost { .. } => false,
        }
    }
}

fn name<S: Serializer>(channel: &Channel, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(channel.name())
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
