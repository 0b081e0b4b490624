//! Scheduled key changes: activation, end of the grace period, retirement.

use std::{
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};

use super::key_errors::RotationError;
use crate::{
    crypto::{
        key::Fingerprint,
        keyring::KeyRing,
        keytable::{KeyState, KeyTable},
    },
    domain::time::UnixSeconds,
    engine::{AppRuntime, Engine, facts::Fact},
    observe::audit::AuditFact,
    platform::clock::unix_now,
};

/// After the grace period, the connections still served with a key are closed over this time, so
/// that they do not all reconnect at once.
pub(in crate::engine) const RETIREMENT_PERIOD: Duration = Duration::from_secs(60);

impl Engine {
    /// True if a scheduled key change is due, or an unwritten revocation is due for its next
    /// attempt.
    pub fn key_changes_are_due(&self, now: Instant) -> bool {
        let due = |runtime: &Arc<AppRuntime>| {
            runtime.keys_due(self.key_clock()).is_some() || runtime.waiting_key_is_due()
        };
        self.runtimes().iter().any(due) || self.writes_are_due(now)
    }

    /// Called about once a second while something is due: activates announced keys, and retires
    /// keys after their grace period once no subscription uses them. Writes files.
    pub fn tick_keys(&self, now: Instant) {
        self.write_pending(now);
        for runtime in self.runtimes_snapshot().iter() {
            match self.cluster.node() {
                None => self.tick_keys_of(runtime, now),
                Some(node) => self.tick_cluster_keys(node, runtime, now),
            }
            self.tick_waiting_key(runtime);
        }
    }

    fn tick_keys_of(&self, runtime: &AppRuntime, now: Instant) {
        let Some(_one_at_a_time) = runtime.key_changes.try_lock() else { return };
        let today = unix_now();
        let Some((ring, table)) = runtime.keys_due(today) else { return };
        for key in table.keys().iter().filter(|key| key.is_due(today)) {
            let done = match key.state {
                KeyState::Pending => self.activate(runtime, &ring, &ring.table(), today),
                KeyState::Grace => self.end_grace(runtime, &ring, key.number, &key.id, now),
                KeyState::Active | KeyState::Retired => Ok(()),
            };
            runtime.note_key_change(done.as_ref().err());
        }
    }

    pub(in crate::engine) fn note_finished(&self, runtime: &AppRuntime) {
        if runtime.rotating.lock().is_none() || runtime.behind() > 0 {
            return;
        }
        if let Some((from, to)) = runtime.rotating.lock().take() {
            self.note(Fact::Audited(AuditFact::RotationFinished {
                app: runtime.id.clone(),
                from,
                to,
            }));
        }
    }

    fn end_grace(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
        number: u32,
        id: &Fingerprint,
        now: Instant,
    ) -> Result<(), RotationError> {
        let served = runtime.key_counts().by_key.get(&number).copied().unwrap_or(0);
        let by = *runtime.retiring.lock().entry(number).or_insert_with(|| {
            let by = now + RETIREMENT_PERIOD;
            self.close_subscribers(runtime, number, by);
            by
        });
        if served > 0 && now < by {
            return Ok(());
        }
        let next = ring.table().retired(id.as_str(), unix_now());
        let next = next.map_err(|reason| runtime.refused_key(reason))?;
        self.change(runtime, ring, next)?;
        runtime.retiring.lock().remove(&number);
        Ok(())
    }
}

impl AppRuntime {
    /// The keys, if one of them is due.
    fn keys_due(&self, today: UnixSeconds) -> Option<(Arc<KeyRing>, Arc<KeyTable>)> {
        let ring = self.keys()?;
        let table = ring.table();
        table.keys().iter().any(|key| key.is_due(today)).then_some((ring, table))
    }

    /// Logs a failure once, not every second.
    pub(in crate::engine) fn note_key_change(&self, error: Option<&RotationError>) {
        let failed_before = self.key_change_failed.swap(error.is_some(), Ordering::Relaxed);
        if let Some(error) = error.filter(|_| !failed_before) {
            tracing::error!(app.id = &*self.id, %error, "a change of keys that is due waits; it is tried again every second");
        }
    }
}
