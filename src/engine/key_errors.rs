//! Why keys were not changed.

use std::{io, sync::Arc};

use crate::{channel::Channel, crypto::keytable::KeyError};

#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error("the application relays encrypted channels blindly: this server holds no key of it")]
    NoKeys,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(
        "{behind} subscriptions have not moved from the previous key yet: wait until they have (`sealcast keys list`), or until its grace time ends"
    )]
    InProgress { behind: u32 },
    #[error(
        "the app {other} has that key: give each its own, or set allow_shared_master_key = true in both"
    )]
    Shared { other: Arc<str> },
    #[error("the change could not be written to the state directory, so nothing was changed: {0}")]
    NotWritten(#[from] io::Error),
    #[error("the operating system gave no random bytes; try again")]
    NoRandomness,
}

#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    #[error(
        "{0} is not an encrypted channel: only what is sealed can be taken back by a new secret"
    )]
    NotEncrypted(Channel),
    #[error("{0} is relayed blindly: its secrets are the application's own")]
    Blind(Channel),
    #[error(
        "taking a member off a channel needs derivation = \"hkdf\": other derivations know one secret for a channel, whoever has left"
    )]
    Derivation,
    #[error(transparent)]
    Rotation(#[from] RotationError),
}

impl RotationError {
    /// A stable name, for answers and the audit log.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NoKeys => "no_keys",
            Self::Key(KeyError::Same(_)) => "same_key",
            Self::Key(KeyError::Known(..)) => "known_key",
            Self::Key(KeyError::Pending(_)) => "key_pending",
            Self::Key(KeyError::Unknown(_)) => "unknown_key",
            Self::Key(KeyError::Retired(_)) => "key_retired",
            Self::InProgress { .. } => "rotation_in_progress",
            Self::Shared { .. } => "shared_key",
            Self::NotWritten(_) => "state_not_written",
            Self::NoRandomness => "no_randomness",
        }
    }
}

impl RevokeError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotEncrypted(_) => "not_an_encrypted_channel",
            Self::Blind(_) => "blind_channel",
            Self::Derivation => "revocation_needs_hkdf",
            Self::Rotation(error) => error.code(),
        }
    }
}
