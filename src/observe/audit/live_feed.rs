//! Facts in the live feed: the same names and fields as in the file.

use serde_json::{Map, Value};

use super::AuditFact;
use crate::observe::live::{EntryDetail, EntryType, LiveBroadcaster, LiveEntry};

impl AuditFact {
    pub(super) fn note_live(&self, feed: &LiveBroadcaster) {
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
        feed.note(|| LiveEntry {
            app: app.as_deref(),
            channel: channel.as_deref(),
            user: user.as_deref(),
            socket_id,
            what: EntryDetail::Fact(without_name(fields)),
            ..LiveEntry::new(self.entry_type())
        });
    }

    fn entry_type(&self) -> EntryType {
        match self {
            Self::ServerStarted { .. } => EntryType::ServerStarted,
            Self::ServerStopped { .. } => EntryType::ServerStopped,
            Self::KeyCreated { .. } => EntryType::KeyCreated,
            Self::KeyActivated { .. } => EntryType::KeyActivated,
            Self::KeyGrace { .. } => EntryType::KeyGrace,
            Self::KeyRetired { .. } => EntryType::KeyRetired,
            Self::KeyRevoked { .. } => EntryType::KeyRevoked,
            Self::KeyUsed { .. } => EntryType::KeyUsed,
            Self::RotationStarted { .. } => EntryType::RotationStarted,
            Self::RotationRefused { .. } => EntryType::RotationRefused,
            Self::RotationFinished { .. } => EntryType::RotationFinished,
            Self::RotationForced { .. } => EntryType::RotationForced,
            Self::ChannelRevoked { .. } => EntryType::ChannelRevoked,
            Self::AuthGranted { .. } => EntryType::AuthGranted,
            Self::AuthDenied { .. } => EntryType::AuthDenied,
            Self::AuthRefusedSocket { .. } => EntryType::AuthRefusedSocket,
            Self::TokenMade { .. } => EntryType::TokenMade,
            Self::TokensRevoked { .. } => EntryType::TokensRevoked,
            Self::RevocationNotWritten { .. } => EntryType::RevocationNotWritten,
            Self::RevocationWritten { .. } => EntryType::RevocationWritten,
            Self::PlaintextRefused { .. } => EntryType::PlaintextRefused,
            Self::Tripwire { .. } => EntryType::Tripwire,
            Self::AdminAction { .. } => EntryType::AdminAction,
            Self::ConfigReloaded { .. } => EntryType::ConfigReloaded,
            Self::ConfigRefused { .. } => EntryType::ConfigRefused,
            Self::WatchBegun { .. } => EntryType::WatchBegun,
            Self::WatchEnded { .. } => EntryType::WatchEnded,
            Self::ConsoleSignedIn { .. } => EntryType::ConsoleSignedIn,
            Self::ConsoleSignInRefused { .. } => EntryType::ConsoleSignInRefused,
            Self::ConsoleSignedOut { .. } => EntryType::ConsoleSignedOut,
            Self::RevealBegun { .. } => EntryType::RevealBegun,
            Self::RevealEnded { .. } => EntryType::RevealEnded,
            Self::LineTorn { .. } => EntryType::LineTorn,
            Self::FileReplaced { .. } => EntryType::FileReplaced,
            Self::FactsLost { .. } => EntryType::FactsLost,
        }
    }
}

/// The fact's name is already the entry's type.
fn without_name(mut fields: Map<String, Value>) -> Map<String, Value> {
    fields.remove("event");
    fields
}
