//! A changed master key in the configuration: all that can fail is prepared first, then the key is
//! taken.

use std::{io, sync::Arc};

use parking_lot::MutexGuard;

use super::{
    key_store::StagedKeys,
    rotation::RotationError,
    waiting_keys::{WaitReason, WaitingKey},
};
use crate::{
    crypto::{
        key::MasterKey,
        keyring::KeyRing,
        keytable::{KeyError, KeyTable},
    },
    engine::{AppRuntime, Engine},
    observe::audit::RevocationList,
    platform::clock::unix_now,
};

/// Effect of the configured key on a running app.
pub(in crate::engine) enum ConfiguredKey<'a> {
    /// The same key as before.
    Unchanged,
    Change(Box<KeyChange<'a>>),
    /// Subscriptions are still moving to the previous key.
    Waits {
        key: Arc<MasterKey>,
        why: WaitingKey,
    },
}

/// Holds the lock on the app's keys: no other change can come between.
#[must_use]
pub struct KeyChange<'a> {
    runtime: &'a AppRuntime,
    ring: Arc<KeyRing>,
    next: KeyTable,
    staged: StagedKeys<'a>,
    rotates: bool,
    _one_at_a_time: MutexGuard<'a, ()>,
}

impl KeyChange<'_> {
    pub(in crate::engine) fn app(&self) -> &Arc<str> {
        &self.runtime.id
    }
}

impl Engine {
    pub(in crate::engine) fn prepare_key<'a>(
        &self,
        runtime: &'a AppRuntime,
        configured: &Arc<MasterKey>,
        grace: u64,
    ) -> Result<ConfiguredKey<'a>, RotationError> {
        let _one_at_a_time = runtime.key_changes.lock();
        let ring = runtime.keys().ok_or(RotationError::NoKeys)?;
        let table = ring.table();
        let next = table.reconciled(configured, unix_now(), grace);
        let next = match (next, self.cluster.node()) {
            (Ok(None), _) => return Ok(ConfiguredKey::Unchanged),
            // All nodes have to take it, after the one that they are about to take.
            (Ok(Some(_)) | Err(KeyError::Pending(_)), Some(_)) => {
                let why = WaitingKey::for_cluster(runtime, configured);
                return Ok(ConfiguredKey::Waits { key: configured.clone(), why });
            }
            (Ok(Some(next)), None) => next,
            (Err(reason), _) => return Err(runtime.refused_key(reason)),
        };
        let rotates = next.active().number != table.active().number;
        if rotates
            && let Err(RotationError::InProgress { behind, until, .. }) = runtime.stragglers(false)
        {
            let (app, id) = (runtime.id.clone(), configured.fingerprint());
            let why = WaitingKey { app, key: id, reason: WaitReason::Stragglers { behind, until } };
            return Ok(ConfiguredKey::Waits { key: configured.clone(), why });
        }
        let staged = runtime.key_store.stage(&next)?;
        let change = KeyChange { runtime, ring, next, staged, rotates, _one_at_a_time };
        Ok(ConfiguredKey::Change(Box::new(change)))
    }

    /// Activates the key and starts the rotation.
    pub(in crate::engine) fn take_key(&self, change: KeyChange<'_>) -> io::Result<()> {
        let KeyChange { runtime, ring, next, staged, rotates, _one_at_a_time } = change;
        let key = next.active().id.clone();
        let had_waited = staged.publish(|| self.install(runtime, &ring, next))?;
        self.note_written(runtime, RevocationList::Keys, had_waited);
        if rotates {
            self.announce(runtime, &ring, None);
            tracing::info!(app.id = &*runtime.id, key.id = %key, "the configuration names another master key: subscribers move to it");
        }
        Ok(())
    }
}
