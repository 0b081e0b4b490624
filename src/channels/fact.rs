//! Facts about channels.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::domain::ids::SocketId;

/// Holds names of channels and users, and client events, which are plaintext. Payloads of encrypted
/// channels never occur. Its JSON is that of webhooks (protocol.md 8).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "name", rename_all = "snake_case")]
pub enum ChannelFact<'a> {
    ChannelOccupied,
    ChannelVacated,
    MemberAdded {
        user_id: Arc<str>,
    },
    MemberRemoved {
        user_id: Arc<str>,
    },
    ClientEvent {
        event: &'a str,
        data: &'a str,
        /// `None`: it came over HTTP, and named no connection.
        #[serde(serialize_with = "text", skip_serializing_if = "Option::is_none")]
        socket_id: Option<SocketId>,
        #[serde(skip_serializing_if = "Option::is_none")]
        user_id: Option<&'a str>,
    },
    CacheMiss,
    SubscriptionCount {
        subscription_count: u32,
    },
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChannelFactKind {
    ChannelOccupied,
    ChannelVacated,
    MemberAdded,
    MemberRemoved,
    ClientEvent,
    CacheMiss,
    SubscriptionCount,
}

impl ChannelFact<'_> {
    pub fn kind(&self) -> ChannelFactKind {
        match self {
            Self::ChannelOccupied => ChannelFactKind::ChannelOccupied,
            Self::ChannelVacated => ChannelFactKind::ChannelVacated,
            Self::MemberAdded { .. } => ChannelFactKind::MemberAdded,
            Self::MemberRemoved { .. } => ChannelFactKind::MemberRemoved,
            Self::ClientEvent { .. } => ChannelFactKind::ClientEvent,
            Self::CacheMiss => ChannelFactKind::CacheMiss,
            Self::SubscriptionCount { .. } => ChannelFactKind::SubscriptionCount,
        }
    }
}

impl ChannelFactKind {
    /// The opposite fact, if there is one.
    pub fn opposite(self) -> Option<Self> {
        match self {
            Self::ChannelOccupied => Some(Self::ChannelVacated),
            Self::ChannelVacated => Some(Self::ChannelOccupied),
            Self::MemberAdded => Some(Self::MemberRemoved),
            Self::MemberRemoved => Some(Self::MemberAdded),
            Self::ClientEvent | Self::CacheMiss | Self::SubscriptionCount => None,
        }
    }
}

fn text<S: Serializer>(id: &Option<SocketId>, serializer: S) -> Result<S::Ok, S::Error> {
    match id {
        Some(id) => serializer.collect_str(id),
        None => serializer.serialize_none(),
    }
}
