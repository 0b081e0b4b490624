//! Revocation of keys, and of members of channels. In a cluster each node cuts what it has, and then
//! tells the others.

use std::{sync::Arc, time::Instant};

use super::rotation::{RevokeError, RotationError, last_plaintext, note_changes};
use crate::{
    crypto::{
        key::{Fingerprint, MasterKey},
        keyring::KeyRing,
        keytable::{KeyError, KeyState, KeyTable},
        secret::Derivation,
    },
    domain::channel::Channel,
    engine::{AppRuntime, Engine, facts::Fact},
    hub::mailbox::ForcedRekey,
    observe::audit::AuditFact,
    platform::clock::ClockReading,
};

impl Engine {
    /// Forgets a key immediately. If it is the active one, a new key replaces it and nothing more
    /// is sealed with the old one. The change is written last: a failing disk must not prevent a
    /// revocation.
    pub fn revoke_key(&self, runtime: &AppRuntime, id: &str) -> Result<Fingerprint, RotationError> {
        let (ring, before) = self.forget_key(runtime, id)?;
        if let Some(key) =
            runtime.keys().and_then(|ring| ring.table().by_id(id).map(|key| key.id.clone()))
        {
            self.note(Fact::Audited(AuditFact::KeyRevoked { app: runtime.id.clone(), key }));
        }
        let written = self.write_keys(runtime, &ring);
        self.tell_keys(runtime, &before)?;
        written?;
        Ok(ring.table().active().id.clone())
    }

    fn forget_key(
        &self,
        runtime: &AppRuntime,
        id: &str,
    ) -> Result<(Arc<KeyRing>, Arc<KeyTable>), RotationError> {
        let _one_at_a_time = runtime.key_changes.lock();
        let ring = runtime.keys().ok_or(RotationError::NoKeys)?;
        let (table, now) = (ring.table(), self.key_clock());
        self.check_numbers(&table)?;
        let refused = |reason| runtime.refused_key(reason);
        let key = table.by_id(id).ok_or_else(|| refused(KeyError::Unknown(id.to_owned())))?;
        if key.state != KeyState::Active {
            self.install(runtime, &ring, table.retired(id, now).map_err(refused)?);
            self.close_subscribers(runtime, key.number, Instant::now());
            return Ok((ring, table));
        }
        let successor = MasterKey::generate().map_err(|_| RotationError::NoRandomness)?;
        let announced = table.announced(successor, now, now, 0).map_err(refused)?;
        let activated = announced.activated(now).unwrap_or(announced);
        let without = activated.retired(id, now).map_err(refused)?;
        note_changes(self, &runtime.id, &table, &without);
        ring.install(activated);
        self.announce(runtime, &ring, Some(&ForcedRekey::default()));
        ring.install(without);
        Ok((ring, table))
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
        let before = ring.table();
        let epoch = self.apply_revocation(runtime, &ring, channel, user);
        self.note(Fact::Audited(AuditFact::ChannelRevoked {
            app: runtime.id.clone(),
            channel: channel.clone(),
            epoch,
            user: Some(user.into()),
        }));
        let written = self.write_keys(runtime, &ring);
        self.tell_keys(runtime, &before)?;
        written?;
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
        let forced = ForcedRekey { revoked: vec![runtime.revoked_user(user)] };
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
}
