//! Rotations over all nodes.
//!
//! A key is announced first: every living node saves and installs it, and says so. Only then it
//! becomes active, so that no node hears an event that it cannot open. The node that is asked does
//! both, if it lives and all others answer. Else the **first node** does the second step, and whatever
//! else is due: the one whose name is the lowest. Two nodes that take each other's part do no harm,
//! as what they do is the same.

use std::{
    collections::hash_map::Entry,
    sync::Arc,
    time::{Duration, Instant},
};

use crate::{
    cluster::node::ClusterNode,
    crypto::{
        key::{Fingerprint, MasterKey},
        keytable::{KeyEntry, KeyError, KeyState, KeyTable},
    },
    domain::time::UnixSeconds,
    engine::{
        AppRuntime, Engine,
        keys::{
            key_deadlines::RETIREMENT_PERIOD,
            key_errors::RotationError,
            rotation::{RotationOutcome, RotationRequest},
        },
    },
};

/// Another node may announce a key at the same moment, and one of both yields.
const ATTEMPTS: usize = 3;

/// What a rotation is about.
struct Announcement {
    key: Arc<MasterKey>,
    activate_in: u64,
    grace: u64,
    may_close: bool,
}

impl Engine {
    /// For threads that may wait.
    pub(in crate::engine) fn rotate_in_cluster(
        &self,
        node: &ClusterNode,
        runtime: &AppRuntime,
        asked: RotationRequest,
    ) -> Result<RotationOutcome, RotationError> {
        let _turn = runtime.cluster_keys.turn.lock();
        if !node.status().is_up() {
            return Err(RotationError::Away);
        }
        let announcement = Announcement {
            key: runtime.next_key(asked.key)?,
            activate_in: asked.activate_in,
            grace: asked.grace.unwrap_or(runtime.app().rotation.grace_seconds),
            may_close: asked.force,
        };
        let id = announcement.key.fingerprint();
        self.refuse_shared(runtime, &id)?;
        let behind = self.key_counts_of_all(runtime).behind;
        let closed = runtime.refuse_stragglers(behind, announcement.may_close)?;
        for _ in 0..ATTEMPTS {
            self.announce_key(runtime, &announcement)?;
            if announcement.activate_in > 0 || self.activate_everywhere(runtime, &id)? {
                return Ok(RotationOutcome { id, closed });
            }
        }
        Err(RotationError::Key {
            app: runtime.id.clone(),
            reason: KeyError::Unknown(id.to_string()),
        })
    }

    /// On every living node.
    fn announce_key(
        &self,
        runtime: &AppRuntime,
        announcement: &Announcement,
    ) -> Result<(), RotationError> {
        let before = {
            let _one_at_a_time = runtime.key_changes.lock();
            let ring = runtime.keys().ok_or(RotationError::NoKeys)?;
            let (before, now) = (ring.table(), self.key_clock());
            self.check_numbers(&before)?;
            let Announcement { key, activate_in, grace, .. } = announcement;
            let at = now.saturating_add(*activate_in);
            let next = before.announced(key.clone(), now, at, *grace);
            let next = next.map_err(|reason| runtime.refused_key(reason))?;
            self.change(runtime, &ring, next)?;
            before
        };
        let id = announcement.key.fingerprint();
        let told = self.tell_keys(runtime, &before);
        told.map_err(|reason| RotationError::Announced { id, reason })
    }

    /// False if the key has yielded to that of another node.
    fn activate_everywhere(
        &self,
        runtime: &AppRuntime,
        id: &Fingerprint,
    ) -> Result<bool, RotationError> {
        let before = {
            let _one_at_a_time = runtime.key_changes.lock();
            let ring = runtime.keys().ok_or(RotationError::NoKeys)?;
            let before = ring.table();
            match before.by_id(id.as_str()).map(|key| key.state) {
                None => return Ok(false),
                Some(KeyState::Pending) => {}
                // Another node was quicker.
                Some(_) => return Ok(true),
            }
            if let Some(next) = before.activated(self.key_clock()) {
                self.change_and_cut(runtime, &ring, next)?;
            }
            before
        };
        self.tell_keys(runtime, &before)?;
        Ok(true)
    }

    /// What is due for the keys of an app. For threads that may wait.
    pub(in crate::engine) fn tick_cluster_keys(
        &self,
        node: &ClusterNode,
        runtime: &AppRuntime,
        now: Instant,
    ) {
        let Some(ring) = runtime.keys() else { return };
        let (table, today) = (ring.table(), self.key_clock());
        for key in table.keys().iter().filter(|key| key.is_due(today)) {
            let done = match key.state {
                KeyState::Pending => self.activate_due(node, runtime, &table, &key.id),
                KeyState::Grace => self.end_grace_of(node, runtime, key, (today, now)),
                KeyState::Active | KeyState::Retired => Ok(()),
            };
            runtime.note_key_change(done.as_ref().err());
        }
    }

    fn is_first(&self, node: &ClusterNode) -> bool {
        node.status().is_up() && node.status().is_first()
    }

    fn activate_due(
        &self,
        node: &ClusterNode,
        runtime: &AppRuntime,
        table: &KeyTable,
        id: &Fingerprint,
    ) -> Result<(), RotationError> {
        let Some(_turn) = runtime.cluster_keys.turn.try_lock() else { return Ok(()) };
        if !self.is_first(node) {
            return Ok(());
        }
        // A node that has not confirmed it may have come back, or be gone.
        let without = table.without_pending();
        let told = self.tell_keys(runtime, &without);
        told.map_err(|reason| RotationError::Announced { id: id.clone(), reason })?;
        self.activate_everywhere(runtime, id).map(drop)
    }

    /// Each node closes its own subscribers. The first one ends the key once that is done.
    fn end_grace_of(
        &self,
        node: &ClusterNode,
        runtime: &AppRuntime,
        key: &KeyEntry,
        (today, now): (UnixSeconds, Instant),
    ) -> Result<(), RotationError> {
        let by = match runtime.retiring.lock().entry(key.number) {
            Entry::Occupied(entry) => *entry.get(),
            Entry::Vacant(entry) => {
                let by = now + RETIREMENT_PERIOD;
                self.close_subscribers(runtime, key.number, by);
                *entry.insert(by)
            }
        };
        let Some(_turn) = runtime.cluster_keys.turn.try_lock() else { return Ok(()) };
        let is_over = now >= by + Duration::from_secs(1);
        if !self.is_first(node) || !(is_over || self.serves_nobody(runtime, key.number)) {
            return Ok(());
        }
        let before = {
            let _one_at_a_time = runtime.key_changes.lock();
            let ring = runtime.keys().ok_or(RotationError::NoKeys)?;
            let before = ring.table();
            match before.retired(key.id.as_str(), today) {
                Ok(next) => self.change(runtime, &ring, next)?,
                // Another node was quicker.
                Err(_) => return Ok(()),
            }
            before
        };
        runtime.retiring.lock().remove(&key.number);
        // Who has not heard of it finds it in Redis.
        let _ = self.tell_keys(runtime, &before);
        Ok(())
    }

    fn serves_nobody(&self, runtime: &AppRuntime, key: u32) -> bool {
        let counts = self.key_counts_of_all(runtime);
        counts.by_key.get(&key).copied().unwrap_or(0) == 0
    }

    /// A key that the configuration names. True if it is in the table of all nodes by now.
    pub(in crate::engine) fn take_waiting_key_in_cluster(
        &self,
        node: &ClusterNode,
        runtime: &AppRuntime,
        key: &Arc<MasterKey>,
    ) -> Result<bool, RotationError> {
        let Some(ring) = runtime.keys() else { return Ok(true) };
        let (id, is_known) = (key.fingerprint(), |table: &KeyTable, id: &Fingerprint| {
            let key = table.by_id(id.as_str());
            key.is_some_and(|key| matches!(key.state, KeyState::Active | KeyState::Pending))
        });
        if !node.status().is_up() || !ring.table().is_shared() {
            return Ok(false);
        }
        if !is_known(&ring.table(), &id) {
            let request = RotationRequest::default();
            match self.rotate_in_cluster(node, runtime, request) {
                Ok(_) | Err(RotationError::Announced { .. } | RotationError::Unacknowledged(_)) => {
                }
                Err(RotationError::InProgress { .. } | RotationError::Away) => return Ok(false),
                Err(RotationError::Key { reason: KeyError::Pending(_), .. }) => return Ok(false),
                Err(error) => return Err(error),
            }
        }
        let _one_at_a_time = runtime.key_changes.lock();
        let table = ring.table();
        if is_known(&table, &id) {
            self.change(runtime, &ring, table.following(id))?;
        }
        Ok(true)
    }
}
