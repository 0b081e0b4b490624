//! Facts in the live feed: the same names and fields as in the file.

use serde_json::{Map, Value};

use super::Fact;
use crate::live::{Entry, Feed, Type, What};

impl Fact {
    pub(super) fn show(&self, feed: &Feed) {
        if !feed.is_watched() {
            return;
        }
        let Ok(Value::Object(mut fields)) = serde_json::to_value(self) else { return };
        let mut text = |name| match fields.remove(name) {
            Some(Value::String(text)) => Some(text),
            _ => None,
        };
        let (app, channel, user) = (text("app"), text("channel"), text("user"));
        let socket_id = text("socket_id").and_then(|id| id.parse().ok());
        feed.note(|| Entry {
            app: app.as_deref(),
            channel: channel.as_deref(),
            user: user.as_deref(),
            socket_id,
            what: What::Fact(without_name(fields)),
            ..Entry::new(self.shown_as())
        });
    }

    fn shown_as(&self) -> Type {
        match self {
            Self::ServerStarted { .. } => Type::ServerStarted,
            Self::ServerStopped { .. } => Type::ServerStopped,
            Self::KeyCreated { .. } => Type::KeyCreated,
            Self::KeyActivated { .. } => Type::KeyActivated,
            Self::KeyGrace { .. } => Type::KeyGrace,
            Self::KeyRetired { .. } => Type::KeyRetired,
            Self::KeyRevoked { .. } => Type::KeyRevoked,
            Self::KeyUsed { .. } => Type::KeyUsed,
            Self::RotationStarted { .. } => Type::RotationStarted,
            Self::RotationRefused { .. } => Type::RotationRefused,
            Self::RotationFinished { .. } => Type::RotationFinished,
            Self::RotationForced { .. } => Type::RotationForced,
            Self::ChannelRevoked { .. } => Type::ChannelRevoked,
            Self::AuthGranted { .. } => Type::AuthGranted,
            Self::AuthDenied { .. } => Type::AuthDenied,
            Self::AuthRefusedSocket { .. } => Type::AuthRefusedSocket,
            Self::TokenMade { .. } => Type::TokenMade,
            Self::TokensRevoked { .. } => Type::TokensRevoked,
            Self::RevocationNotWritten { .. } => Type::RevocationNotWritten,
            Self::RevocationWritten { .. } => Type::RevocationWritten,
            Self::PlaintextRefused { .. } => Type::PlaintextRefused,
            Self::Tripwire { .. } => Type::Tripwire,
            Self::AdminAction { .. } => Type::AdminAction,
            Self::ConfigReloaded { .. } => Type::ConfigReloaded,
            Self::ConfigRefused { .. } => Type::ConfigRefused,
            Self::WatchBegun { .. } => Type::WatchBegun,
            Self::WatchEnded { .. } => Type::WatchEnded,
            Self::LineTorn { .. } => Type::LineTorn,
            Self::FileReplaced { .. } => Type::FileReplaced,
            Self::FactsLost { .. } => Type::FactsLost,
        }
    }
}

/// The fact's name is already the entry's type.
fn without_name(mut fields: Map<String, Value>) -> Map<String, Value> {
    fields.remove("event");
    fields
}
