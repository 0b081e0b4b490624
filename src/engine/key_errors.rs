//! Errors of key changes.

use std::{
    io,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use crate::{
    channel::Channel,
    crypto::keytable::{KeyError, UnixSeconds},
    refusal::RefusalCode,
    state_dir::UntilRestart,
};

#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error("the application relays encrypted channels blindly: this server holds no key of it")]
    NoKeys,
    #[error(transparent)]
    Key(#[from] KeyError),
    #[error(
        "{}, or close them and go on: `sealcast keys rotate --force`",
        in_progress(*behind, *until)
    )]
    InProgress { behind: u32, until: Option<UnixSeconds> },
    #[error(
        "the app {other} has that key: give each its own, or set allow_shared_master_key = true in both"
    )]
    Shared { other: Arc<str> },
    #[error("the change could not be written to the state directory, so nothing was changed: {0}")]
    NotWritten(#[from] io::Error),
    #[error("the key is forgotten and opens nothing more: {0}")]
    UntilRestart(#[from] UntilRestart),
    #[error("the operating system gave no random bytes; try again")]
    NoRandomness,
}

#[derive(Debug, thiserror::Error)]
pub enum RevokeError {
    #[error("{0} is not an encrypted channel: only sealed channels can get a new secret")]
    NotEncrypted(Channel),
    #[error("{0} is relayed blindly: its secrets are the application's own")]
    Blind(Channel),
    #[error(
        "taking a member off a channel needs derivation = \"hkdf\": other derivations know one secret for a channel, whoever has left"
    )]
    Derivation,
    #[error("the member is off the channel, whose secret has been replaced: {0}")]
    UntilRestart(#[from] UntilRestart),
}

/// `until`: when the stragglers are closed.
pub(super) fn in_progress(behind: u32, until: Option<UnixSeconds>) -> String {
    let until = until.map_or_else(String::new, |until| {
        let at = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(until));
        format!(", or until its grace time ends at {at}")
    });
    format!(
        "{behind} subscriptions have not moved from the previous key yet: wait until they have (`sealcast keys list`){until}"
    )
}

impl RotationError {
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::NoKeys => RefusalCode::NoKeys,
            Self::Key(KeyError::Same(_)) => RefusalCode::SameKey,
            Self::Key(KeyError::Known(..)) => RefusalCode::KnownKey,
            Self::Key(KeyError::Pending(_)) => RefusalCode::KeyPending,
            Self::Key(KeyError::Unknown(_)) => RefusalCode::UnknownKey,
            Self::Key(KeyError::Retired(_)) => RefusalCode::KeyRetired,
            Self::InProgress { .. } => RefusalCode::RotationInProgress,
            Self::Shared { .. } => RefusalCode::SharedKey,
            Self::NotWritten(_) => RefusalCode::StateNotWritten,
            Self::UntilRestart(_) => RefusalCode::RevokedUntilRestart,
            Self::NoRandomness => RefusalCode::NoRandomness,
        }
    }
}

impl RevokeError {
    pub fn code(&self) -> RefusalCode {
        match self {
            Self::NotEncrypted(_) => RefusalCode::NotAnEncryptedChannel,
            Self::Blind(_) => RefusalCode::RevocationOnBlindChannel,
            Self::Derivation => RefusalCode::RevocationNeedsHkdf,
            Self::UntilRestart(_) => RefusalCode::RevokedUntilRestart,
        }
    }
}
