//! Classes of entries, for counts and for their order.

use super::entry::EntryType;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EntryClass {
    Event,
    /// Connections, subscriptions, authorizations, keys, and the server itself.
    Access,
    Call,
    /// Refusals and failures.
    Refusal,
}

impl EntryType {
    pub(super) fn class(self) -> EntryClass {
        match self {
            Self::Event | Self::ClientEvent | Self::WebhookDelivered => EntryClass::Event,
            Self::ApiCall => EntryClass::Call,
            Self::ConnectionRefused
            | Self::Refused
            | Self::WebhookFailed
            | Self::AuthDenied
            | Self::AuthRefusedSocket
            | Self::RevocationNotWritten
            | Self::PlaintextRefused
            | Self::Tripwire
            | Self::RotationRefused
            | Self::ConfigRefused
            | Self::ConsoleSignInRefused
            | Self::FactsLost
            | Self::LineTorn => EntryClass::Refusal,
            Self::ConnectionOpened
            | Self::ConnectionClosed
            | Self::SignedIn
            | Self::Subscribed
            | Self::Unsubscribed
            | Self::AuthGranted
            | Self::TokenMade
            | Self::TokensRevoked
            | Self::RevocationWritten
            | Self::KeyCreated
            | Self::KeyActivated
            | Self::KeyGrace
            | Self::KeyRetired
            | Self::KeyRevoked
            | Self::KeyUsed
            | Self::RotationStarted
            | Self::RotationFinished
            | Self::RotationForced
            | Self::ChannelRevoked
            | Self::AdminAction
            | Self::ConfigReloaded
            | Self::WatchBegun
            | Self::WatchEnded
            | Self::ConsoleSignedIn
            | Self::ConsoleSignedOut
            | Self::RevealBegun
            | Self::RevealEnded
            | Self::ServerStarted
            | Self::ServerDraining
            | Self::ServerStopped
            | Self::FileReplaced => EntryClass::Access,
        }
    }

    pub(super) fn is_about_keys(self) -> bool {
        matches!(
            self,
            Self::KeyCreated
                | Self::KeyActivated
                | Self::KeyGrace
                | Self::KeyRetired
                | Self::KeyRevoked
                | Self::KeyUsed
                | Self::RotationStarted
                | Self::RotationFinished
                | Self::RotationForced
                | Self::ChannelRevoked
        )
    }
}
