//! A configured master key that waits until all subscriptions have moved to the previous one.

use std::sync::Arc;

use super::{
    key_errors::{RotationError, in_progress},
    reconcile::ConfiguredKey,
};
use crate::{
    crypto::key::{Fingerprint, MasterKey},
    domain::time::UnixSeconds,
    engine::{AppRuntime, Engine},
};

/// The reason why a configured key is not in force yet.
#[derive(Debug)]
pub struct WaitingKey {
    pub app: Arc<str>,
    pub key: Fingerprint,
    pub reason: WaitReason,
}

#[derive(Debug)]
pub enum WaitReason {
    Stragglers {
        /// Subscriptions still to move.
        behind: u32,
        /// When they are closed at the latest.
        until: Option<UnixSeconds>,
    },
    /// All nodes have to take it.
    Cluster,
}

impl WaitingKey {
    pub(in crate::engine) fn for_cluster(runtime: &AppRuntime, key: &MasterKey) -> Self {
        Self { app: runtime.id.clone(), key: key.fingerprint(), reason: WaitReason::Cluster }
    }

    pub fn warn(&self) {
        let Self { app, key, reason } = self;
        let WaitReason::Stragglers { behind, until } = reason else {
            return tracing::info!(
                app.id = &**app,
                key.id = %key,
                "the configuration names another master key: it is rotated to on all nodes as soon as this node is part of its cluster"
            );
        };
        let reason = in_progress(app, *behind, *until);
        tracing::warn!(
            app.id = &**app,
            key.id = %key,
            "the master key that the configuration names waits, since {reason}. It is taken by itself then; `sealcast keys rotate --app {app} --force` closes them and takes it at once"
        );
    }
}

impl AppRuntime {
    pub(in crate::engine) fn waiting_key(&self) -> Option<Arc<MasterKey>> {
        self.waiting_key.lock().clone()
    }

    pub(in crate::engine) fn set_waiting_key(&self, key: Option<Arc<MasterKey>>) {
        *self.waiting_key.lock() = key;
    }

    pub(in crate::engine) fn waiting_key_is_due(&self) -> bool {
        self.waiting_key.lock().is_some() && self.behind() == 0
    }

    /// Does nothing if the configuration has named another key meanwhile.
    fn forget_waiting_key(&self, key: &Arc<MasterKey>) {
        let mut waiting = self.waiting_key.lock();
        if waiting.as_ref().is_some_and(|waiting| Arc::ptr_eq(waiting, key)) {
            *waiting = None;
        }
    }
}

impl Engine {
    /// Called about once a second while a key is due. Writes a file.
    pub(in crate::engine) fn tick_waiting_key(&self, runtime: &AppRuntime) {
        let Some(key) = runtime.waiting_key() else { return };
        match self.take_waiting_key(runtime, &key) {
            Ok(true) => runtime.forget_waiting_key(&key),
            Ok(false) => {}
            Err(error @ RotationError::NotWritten(_)) => runtime.note_key_change(Some(&error)),
            Err(error) => {
                runtime.forget_waiting_key(&key);
                self.note_refusal(runtime, &error);
                tracing::error!(
                    app.id = &*runtime.id,
                    %error,
                    "the master key that the configuration names has waited for a rotation to end, and is refused now: the active key stays"
                );
            }
        }
    }

    /// True if the key no longer waits.
    fn take_waiting_key(
        &self,
        runtime: &AppRuntime,
        key: &Arc<MasterKey>,
    ) -> Result<bool, RotationError> {
        self.refuse_shared(runtime, &key.fingerprint())?;
        if let Some(node) = self.cluster.node() {
            return self.take_waiting_key_in_cluster(node, runtime, key);
        }
        let grace = runtime.app().rotation.grace_seconds;
        match self.prepare_key(runtime, key, grace)? {
            ConfiguredKey::Unchanged => Ok(true),
            ConfiguredKey::Change(change) => Ok(self.take_key(*change).map(|()| true)?),
            ConfiguredKey::Waits { .. } => Ok(false),
        }
    }
}
