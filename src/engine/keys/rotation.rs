//! Rotation of master keys in a running server (encryption.md 3 to 5).

use std::{collections::HashMap, sync::Arc, time::Instant};

pub use super::key_errors::{RevokeError, RotationError};
use super::sealed_channels::renew_last_event;
use crate::{
    crypto::{
        key::{Fingerprint, MasterKey},
        keyring::KeyRing,
        keytable::{KeyError, KeyState, KeyTable, Version},
        secret::Derivation,
    },
    domain::{channel::Channel, time::UnixSeconds},
    engine::{AppRuntime, Engine, facts::Fact},
    hub::{
        mailbox::{ForcedRekey, Rekey, WorkerCommand},
        record::LockedRecord,
    },
    observe::audit::{AuditFact, RevocationList},
    platform::clock::{ClockReading, unix_now},
};

/// Parameters of a rotation.
#[derive(Default)]
pub struct RotationRequest {
    /// `None` generates a new key.
    pub key: Option<MasterKey>,
    /// Seconds until activation. A delay lets a backend with its own copy of the key switch at the
    /// same time.
    pub activate_in: u64,
    /// Grace period in seconds; `None` uses the configured one.
    pub grace: Option<u64>,
    /// Closes stragglers of the last rotation instead of waiting for them.
    pub force: bool,
}

/// Result of a rotation.
pub struct RotationOutcome {
    pub id: Fingerprint,
    /// Subscriptions closed by `force`.
    pub closed: u32,
}

impl Engine {
    /// Persists the key, then seals new events with it and starts to rekey the subscriptions.
    pub fn rotate(
        &self,
        runtime: &AppRuntime,
        asked: RotationRequest,
    ) -> Result<RotationOutcome, RotationError> {
        self.try_rotate(runtime, asked).inspect_err(|error| self.note_refusal(runtime, error))
    }

    pub(in crate::engine) fn note_refusal(&self, runtime: &AppRuntime, error: &RotationError) {
        let (app, reason) = (runtime.id.clone(), error.code().name());
        self.note(Fact::Audited(AuditFact::RotationRefused { app, reason }));
    }

    fn try_rotate(
        &self,
        runtime: &AppRuntime,
        asked: RotationRequest,
    ) -> Result<RotationOutcome, RotationError> {
        let _one_at_a_time = runtime.key_changes.lock();
        let ring = runtime.keys().ok_or(RotationError::NoKeys)?;
        self.refuse_in_cluster(runtime)?;
        let key = match asked.key.map(Arc::new).or_else(|| runtime.waiting_key()) {
            Some(key) => key,
            None => MasterKey::generate().map_err(|_| RotationError::NoRandomness)?.into(),
        };
        let (id, now) = (key.fingerprint(), unix_now());
        let grace = asked.grace.unwrap_or(runtime.app().rotation.grace_seconds);
        self.refuse_shared(runtime, &id)?;
        let at = now.saturating_add(asked.activate_in);
        let announced = ring.table().announced(key, now, at, grace);
        let announced = announced.map_err(|reason| runtime.refused_key(reason))?;
        let closed = runtime.stragglers(asked.force)?;
        let activated = (asked.activate_in == 0).then(|| announced.activated(now)).flatten();
        let begins = activated.is_some();
        self.change(runtime, &ring, activated.unwrap_or(announced))?;
        self.close_stragglers(runtime, closed);
        if begins {
            self.announce(runtime, &ring, None);
        }
        Ok(RotationOutcome { id, closed })
    }

    /// Two applications with one master key could read each other's channels.
    pub(in crate::engine) fn refuse_shared(
        &self,
        runtime: &AppRuntime,
        id: &Fingerprint,
    ) -> Result<(), RotationError> {
        let allowed =
            |other: &AppRuntime| runtime.app().shares_master_key && other.app().shares_master_key;
        let has_it = |other: &&Arc<AppRuntime>| {
            let table = other.keys().map(|ring| ring.table());
            let key = table.as_ref().and_then(|table| table.by_id(id.as_str()));
            key.is_some_and(|key| key.state != KeyState::Retired)
        };
        let runtimes = self.runtimes();
        let mut others = runtimes.iter().filter(|other| other.id != runtime.id);
        match others.find(|other| has_it(other) && !allowed(other)) {
            Some(other) => Err(RotationError::Shared { other: other.id.clone() }),
            None => Ok(()),
        }
    }

    pub(in crate::engine) fn activate(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
        announced: &KeyTable,
        now: UnixSeconds,
    ) -> Result<(), RotationError> {
        let Some(next) = announced.activated(now) else { return Ok(()) };
        self.change(runtime, ring, next)?;
        self.announce(runtime, ring, None);
        Ok(())
    }

    pub(in crate::engine) fn change(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
        next: KeyTable,
    ) -> Result<(), RotationError> {
        let install = |next| self.install(runtime, ring, next);
        let had_waited = runtime.key_store.change(next, install)?;
        self.note_written(runtime, RevocationList::Keys, had_waited);
        Ok(())
    }

    /// Does not write: the table is on disk already, or the change must not wait for it.
    pub(in crate::engine) fn install(&self, runtime: &AppRuntime, ring: &KeyRing, next: KeyTable) {
        let before = ring.table();
        note_changes(self, &runtime.id, &before, &next);
        if before.active().number != next.active().number {
            let (from, to) = (before.active().id.clone(), next.active().id.clone());
            let app = runtime.id.clone();
            self.note(Fact::Audited(AuditFact::RotationStarted {
                app,
                from: from.clone(),
                to: to.clone(),
            }));
            *runtime.rotating.lock() = Some((from, to));
        }
        ring.install(next);
    }

    /// Forgets a key immediately. If it is the active one, a new key replaces it and nothing more
    /// is sealed with the old one. The change is written last: a failing disk must not prevent a
    /// revocation.
    pub fn revoke_key(&self, runtime: &AppRuntime, id: &str) -> Result<Fingerprint, RotationError> {
        let (ring, active) = self.forget_key(runtime, id)?;
        if let Some(key) =
            runtime.keys().and_then(|ring| ring.table().by_id(id).map(|key| key.id.clone()))
        {
            self.note(Fact::Audited(AuditFact::KeyRevoked { app: runtime.id.clone(), key }));
        }
        self.write_keys(runtime, &ring)?;
        Ok(active)
    }

    fn forget_key(
        &self,
        runtime: &AppRuntime,
        id: &str,
    ) -> Result<(Arc<KeyRing>, Fingerprint), RotationError> {
        let _one_at_a_time = runtime.key_changes.lock();
        let ring = runtime.keys().ok_or(RotationError::NoKeys)?;
        self.refuse_in_cluster(runtime)?;
        let (table, now) = (ring.table(), unix_now());
        let refused = |reason| runtime.refused_key(reason);
        let key = table.by_id(id).ok_or_else(|| refused(KeyError::Unknown(id.to_owned())))?;
        if key.state != KeyState::Active {
            self.install(runtime, &ring, table.retired(id, now).map_err(refused)?);
            self.close_subscribers(runtime, key.number, Instant::now());
            return Ok((ring, table.active().id.clone()));
        }
        let successor = MasterKey::generate().map_err(|_| RotationError::NoRandomness)?;
        let announced = table.announced(successor, now, now, 0).map_err(refused)?;
        let activated = announced.activated(now).unwrap_or(announced);
        let without = activated.retired(id, now).map_err(refused)?;
        note_changes(self, &runtime.id, &table, &without);
        ring.install(activated);
        self.announce(runtime, &ring, Some(&ForcedRekey { revoked: None }));
        let active = without.active().id.clone();
        ring.install(without);
        Ok((ring, active))
    }

    /// Revokes a user's access to a channel, which gets a new secret, then writes the revocation.
    /// Returns the channel's new epoch.
    pub fn revoke_member(
        &self,
        runtime: &AppRuntime,
        channel: &Channel,
        user: &str,
    ) -> Result<u64, RevokeError> {
        if !channel.kind().is_encrypted() {
            return Err(RevokeError::NotEncrypted(channel.clone()));
        }
        let ring = runtime.ring(channel).ok_or_else(|| RevokeError::Blind(channel.clone()))?;
        if ring.derivation() != Derivation::Hkdf {
            return Err(RevokeError::Derivation);
        }
        let epoch = self.apply_revocation(runtime, &ring, channel, user);
        self.note(Fact::Audited(AuditFact::ChannelRevoked {
            app: runtime.id.clone(),
            channel: channel.clone(),
            epoch,
            user: Some(user.into()),
        }));
        self.write_keys(runtime, &ring)?;
        Ok(epoch)
    }

    fn apply_revocation(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
        channel: &Channel,
        user: &str,
    ) -> u64 {
        let _one_at_a_time = runtime.key_changes.lock();
        let ClockReading { latest: at, earliest, .. } = self.clock.now();
        let next = ring.table().without_old_revocations(earliest);
        let next = next.revoked(channel.name(), user, at);
        let epoch = next.epoch(channel.name());
        let theirs = runtime.directory.find(Channel::of_user(user).name());
        let forced =
            ForcedRekey { revoked: Some((user.into(), theirs.map(|record| record.topic()))) };
        let record = runtime.directory.find(channel.name());
        match record.as_ref().and_then(|record| record.enter()) {
            // Under the record's lock nothing is published between the old epoch and the new one.
            Some(mut locked) => {
                let last = last_plaintext(ring, &locked);
                ring.install(next);
                self.rekey(
                    runtime,
                    ring,
                    &mut locked,
                    last.as_ref().map(|text| text.as_slice()),
                    Some(&forced),
                );
            }
            None => {
                ring.install(next);
                self.force_latecomers(runtime, ring, channel, &forced);
            }
        }
        runtime.app().authorizer.forget(user, at);
        epoch
    }

    /// The channel had no record: a client may have joined while the new secret was installed.
    fn force_latecomers(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
        channel: &Channel,
        forced: &ForcedRekey,
    ) {
        let record = runtime.directory.find(channel.name());
        if let Some(mut locked) = record.as_ref().and_then(|record| record.enter()) {
            self.rekey(runtime, ring, &mut locked, None, Some(forced));
        }
    }

    /// Tells every sealed channel its new target version.
    pub(in crate::engine) fn announce(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
        forced: Option<&ForcedRekey>,
    ) {
        for record in runtime.directory.records() {
            if runtime.ring(record.channel()).is_none() {
                continue;
            }
            if let Some(mut locked) = record.enter() {
                let last = last_plaintext(ring, &locked);
                self.rekey(
                    runtime,
                    ring,
                    &mut locked,
                    last.as_ref().map(|text| text.as_slice()),
                    forced,
                );
            }
        }
    }

    fn rekey(
        &self,
        runtime: &AppRuntime,
        ring: &KeyRing,
        locked: &mut LockedRecord<'_>,
        last: Option<&[u8]>,
        forced: Option<&ForcedRekey>,
    ) {
        let channel = locked.channel();
        let target = ring.target(channel);
        let keys = locked.sealed(|| target);
        let resealer =
            forced.and_then(|_| ring.resealer(channel, keys.target, target)).map(Arc::new);
        let before = keys.wanted(|version| ring.serves(channel, version));
        let keep: Vec<Version> =
            before.into_iter().filter(|v| *v != target && forced.is_none()).collect();
        let renewed = last.map_or(Ok(()), |text| {
            renew_last_event(ring, locked, target, text, &keep, Instant::now())
        });
        runtime.directory.ledger().recharge(locked);
        let nudge = renewed.and_then(|()| runtime.nudge(ring, channel, target));
        match nudge {
            Ok(nudge) => {
                let (topic, since, forced) = (locked.topic(), locked.sequence(), forced.cloned());
                locked.rekey(&self.hub, Rekey { topic, nudge, target, since, forced, resealer });
            }
            Err(error) => {
                tracing::error!(app.id = &*runtime.id, %error, "a channel could not be told its next key");
            }
        }
    }

    pub(in crate::engine) fn close_subscribers(&self, runtime: &AppRuntime, key: u32, by: Instant) {
        let runtime = runtime.rekey_policy.runtime;
        self.hub.post_to_all(|| WorkerCommand::CloseKeyUsers { runtime, key, by });
    }
}

/// Records the differences between two tables in the audit log.
fn note_changes(engine: &Engine, app: &Arc<str>, before: &KeyTable, after: &KeyTable) {
    for key in after.keys() {
        let known = before.by_number(key.number);
        let (app, id) = (app.clone(), key.id.clone());
        if known.is_none() {
            engine.note(Fact::Audited(AuditFact::KeyCreated { app: app.clone(), key: id.clone() }));
        }
        if known.is_some_and(|known| known.state == key.state) {
            continue;
        }
        match key.state {
            KeyState::Pending => {}
            KeyState::Active => {
                engine.note(Fact::Audited(AuditFact::KeyActivated { app, key: id }))
            }
            KeyState::Grace => engine.note(Fact::Audited(AuditFact::KeyGrace { app, key: id })),
            KeyState::Retired => engine.note(Fact::Audited(AuditFact::KeyRetired { app, key: id })),
        }
    }
}

fn last_plaintext(
    ring: &KeyRing,
    locked: &LockedRecord<'_>,
) -> Option<zeroize::Zeroizing<Vec<u8>>> {
    let last = locked.kept_event()?;
    ring.open(locked.channel(), &last.data).map(|(_, plaintext)| plaintext)
}

impl AppRuntime {
    pub(in crate::engine) fn refused_key(&self, reason: KeyError) -> RotationError {
        RotationError::Key { app: self.id.clone(), reason }
    }

    /// Subscriptions to sealed channels, by key number.
    pub fn subscriptions_by_key(&self) -> HashMap<u32, u32> {
        let mut sum = HashMap::new();
        self.for_each_sealed(|keys| {
            keys.counts()
                .for_each(|(version, count)| *sum.entry(version.key).or_default() += count);
        });
        sum
    }

    /// Subscriptions still to move to their channel's target version.
    pub fn behind(&self) -> u32 {
        let mut sum = 0;
        self.for_each_sealed(|keys| sum += keys.behind());
        sum
    }

    pub(in crate::engine) fn for_each_sealed(
        &self,
        mut action: impl FnMut(&crate::hub::rekey::channel_keys::ChannelKeys),
    ) {
        for record in self.directory.records() {
            if self.ring(record.channel()).is_some()
                && let Some(locked) = record.enter()
                && let Some(keys) = locked.keys()
            {
                action(keys);
            }
        }
    }
}
