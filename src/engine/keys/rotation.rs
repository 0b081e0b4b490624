//! Rotation of master keys in a running server (encryption.md 3 to 5).

use std::{sync::Arc, time::Instant};

use zeroize::Zeroizing;

pub use super::key_errors::{RevokeError, RotationError};
use super::sealed_channels::renew_last_event;
use crate::{
    crypto::{
        key::{Fingerprint, MasterKey},
        keyring::KeyRing,
        keytable::{KeyError, KeyState, KeyTable, Version},
    },
    domain::{channel::Channel, time::UnixSeconds},
    engine::{AppRuntime, Engine, facts::Fact},
    hub::{
        mailbox::{ForcedRekey, Rekey, WorkerCommand},
        record::{LockedRecord, TopicId},
    },
    observe::audit::{AuditFact, RevocationList},
    platform::clock::unix_now,
    protocol::content::Content,
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
        let rotated = match self.cluster.node() {
            None => self.try_rotate(runtime, asked),
            Some(node) => self.rotate_in_cluster(node, runtime, asked),
        };
        rotated.inspect_err(|error| {
            if !error.goes_on() {
                self.note_refusal(runtime, error);
            }
        })
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
        let key = runtime.next_key(asked.key)?;
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
        self.note_installed(runtime, &ring.table(), &next);
        ring.install(next);
    }

    /// What operators are told of a table.
    pub(super) fn note_installed(&self, runtime: &AppRuntime, before: &KeyTable, next: &KeyTable) {
        note_changes(self, &runtime.id, before, next);
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

    pub(super) fn rekey(
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
pub(super) fn note_changes(engine: &Engine, app: &Arc<str>, before: &KeyTable, after: &KeyTable) {
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

/// Also of an epoch that is over: the table may be a later one by now.
pub(super) fn last_plaintext(
    ring: &KeyRing,
    locked: &LockedRecord<'_>,
) -> Option<Zeroizing<Vec<u8>>> {
    let (last, channel) = (locked.kept_event()?, locked.channel());
    let version = match &last.content {
        Content::Sealed(frames) => frames.version(),
        Content::Same(_) => None,
    };
    let opened = version.and_then(|version| ring.open_as(channel, version, &last.data));
    opened.or_else(|| ring.open(channel, &last.data).map(|(_, plaintext)| plaintext))
}

impl AppRuntime {
    /// The user, and the topic of the connections signed in as such.
    pub(super) fn revoked_user(&self, user: &str) -> (Arc<str>, Option<TopicId>) {
        let theirs = self.directory.find(Channel::of_user(user).name());
        (user.into(), theirs.map(|record| record.topic()))
    }

    /// The given key, one that waits, or another one.
    pub(in crate::engine) fn next_key(
        &self,
        given: Option<MasterKey>,
    ) -> Result<Arc<MasterKey>, RotationError> {
        match given.map(Arc::new).or_else(|| self.waiting_key()) {
            Some(key) => Ok(key),
            None => Ok(MasterKey::generate().map_err(|_| RotationError::NoRandomness)?.into()),
        }
    }

    pub(in crate::engine) fn refused_key(&self, reason: KeyError) -> RotationError {
        RotationError::Key { app: self.id.clone(), reason }
    }
}
