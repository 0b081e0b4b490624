//! Errors of key changes.

use std::{
    io,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use crate::{
    cluster::node::asking::Unacknowledged,
    crypto::{key::Fingerprint, keytable::KeyError},
    domain::{channel::Channel, refusal::RefusalCode, time::UnixSeconds},
    platform::state_dir::UntilRestart,
};

#[derive(Debug, thiserror::Error)]
pub enum RotationError {
    #[error("the application relays encrypted channels blindly: this server holds no key of it")]
    NoKeys,
    #[error("{reason}{}", command(app, reason))]
    Key { app: Arc<str>, reason: KeyError },
    #[error(
        "{}, or close them and go on: `sealcast keys rotate --app {app} --force`",
        in_progress(app, *behind, *until)
    )]
    InProgress { app: Arc<str>, behind: u32, until: Option<UnixSeconds> },
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
    #[error(
        "this node is not part of its cluster at the moment, so nothing was changed: its /ready and its log say why"
    )]
    Away,
    /// It is announced here, and becomes active without another request.
    #[error("the key {id} is announced, and becomes active by itself: {reason}")]
    Announced { id: Fingerprint, reason: Unacknowledged },
    #[error("the change holds on this node and on those that have confirmed it: {0}")]
    Unacknowledged(#[from] Unacknowledged),
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
    #[error("the member is off the channel on this node and on those that have confirmed it: {0}")]
    Unacknowledged(#[from] Unacknowledged),
}

/// The next command to run, complete, so that it can be pasted.
fn command(app: &str, reason: &KeyError) -> String {
    match reason {
        KeyError::Pending(key) => format!(" (`sealcast keys revoke --app {app} --now {key}`)"),
        KeyError::Unknown(_) => format!(" (`sealcast keys list --app {app}` shows them)"),
        KeyError::Same(_) | KeyError::Known(..) | KeyError::Retired(_) => String::new(),
    }
}

/// `until`: when the stragglers are closed.
pub(in crate::engine) fn in_progress(app: &str, behind: u32, until: Option<UnixSeconds>) -> String {
    let until = until.map_or_else(String::new, |until| {
        let at = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(until));
        format!(", or until its grace time ends at {at}")
    });
    format!(
        "{behind} subscriptions have not moved from the previous key yet: wait until they have (`sealcast keys list --app {app}`){until}"
    )
}

impl RotationError {
    /// The change holds here, and other nodes have not confirmed it.
    pub(in crate::engine) fn goes_on(&self) -> bool {
        matches!(self, Self::Announced { .. } | Self::Unacknowledged(_))
    }

    pub fn code(&self) -> RefusalCode {
        match self {
            Self::NoKeys => RefusalCode::NoKeys,
            Self::Key { reason: KeyError::Same(_), .. } => RefusalCode::SameKey,
            Self::Key { reason: KeyError::Known(..), .. } => RefusalCode::KnownKey,
            Self::Key { reason: KeyError::Pending(_), .. } => RefusalCode::KeyPending,
            Self::Key { reason: KeyError::Unknown(_), .. } => RefusalCode::UnknownKey,
            Self::Key { reason: KeyError::Retired(_), .. } => RefusalCode::KeyRetired,
            Self::InProgress { .. } => RefusalCode::RotationInProgress,
            Self::Shared { .. } => RefusalCode::SharedKey,
            Self::NotWritten(_) => RefusalCode::StateNotWritten,
            Self::UntilRestart(_) => RefusalCode::RevokedUntilRestart,
            Self::NoRandomness => RefusalCode::NoRandomness,
            Self::Away => RefusalCode::ClusterAway,
            Self::Announced { .. } | Self::Unacknowledged(_) => RefusalCode::ClusterUnacknowledged,
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
            Self::Unacknowledged(_) => RefusalCode::ClusterUnacknowledged,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::key::MasterKey;

    #[test]
    fn f28_refused_key_change_names_the_whole_command() {
        let app: Arc<str> = "1001".into();
        let key = MasterKey::generate().expect("random bytes").fingerprint();
        let of = |reason| RotationError::Key { app: app.clone(), reason }.to_string();
        let revoke = format!("`sealcast keys revoke --app 1001 --now {key}`");
        assert!(of(KeyError::Pending(key.clone())).contains(&revoke));
        assert!(of(KeyError::Unknown("x".into())).contains("`sealcast keys list --app 1001`"));
        assert!(!of(KeyError::Retired(key)).contains("sealcast"));
        let waits = RotationError::InProgress { app, behind: 2, until: None }.to_string();
        for command in
            ["`sealcast keys list --app 1001`", "`sealcast keys rotate --app 1001 --force`"]
        {
            assert!(waits.contains(command), "{waits}");
        }
    }
}
