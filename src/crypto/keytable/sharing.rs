//! A table as several servers share it.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
};

use super::{KeyEntry, KeyState, KeyTable, MemberRevocation, REMEMBERED, REVOCATION_SECONDS};
use crate::{
    crypto::{
        epochs::CounterId,
        key::{Fingerprint, MasterKey},
        secret::SharedSalt,
        shared_keys::{SharedKey, SharedKeys},
    },
    domain::time::UnixSeconds,
};

/// The bytes of keys, by fingerprint.
pub type MasterKeys = HashMap<Fingerprint, Arc<MasterKey>>;

/// Nothing can be sealed or opened without the bytes of this key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissingKey(pub Fingerprint);

impl KeyTable {
    /// What this table says to other servers. The numbers of a table that is not shared mean
    /// nothing to them.
    pub fn shared(&self) -> SharedKeys {
        let mut shared = SharedKeys::default();
        for key in self.keys.iter().filter(|_| self.is_shared) {
            let KeyEntry { number, id, state, since, until, grace, .. } = key.clone();
            // A table has each number once.
            let _ = shared.add_key(number, SharedKey { state, until, since, grace, id });
        }
        for (channel, counters) in &self.epochs {
            shared.add_epoch(channel.clone(), counters);
        }
        self.revocations.iter().cloned().for_each(|it| shared.add_revocation(it));
        shared.add_salt(self.salt);
        shared
    }

    /// From now on, the numbers are those of several servers.
    pub fn as_shared(&self) -> Self {
        Self { is_shared: true, ..self.clone() }
    }

    pub fn with_salt(self, salt: SharedSalt) -> Self {
        Self { salt: self.salt.max(Some(salt)), ..self }
    }

    pub fn masters(&self) -> MasterKeys {
        let with_bytes = |key: &KeyEntry| Some((key.id.clone(), key.master.clone()?));
        self.keys.iter().filter_map(with_bytes).collect()
    }

    /// This server's table of what all have. A key in grace whose bytes are nowhere is retired here.
    pub fn viewing(&self, shared: &SharedKeys, masters: &MasterKeys) -> Result<Self, MissingKey> {
        let active = shared.active();
        let grace_until = active.and_then(|active| shared.keys().get(&active)).map(|key| {
            // Of an active key that a newer one follows.
            key.since.saturating_add(key.grace)
        });
        let mut has_pending = false;
        let mut keys = Vec::new();
        for (number, key) in shared.keys() {
            let SharedKey { state, until, since, grace, id } = key.clone();
            let (state, until) = match state {
                _ if Some(*number) == active => (KeyState::Active, None),
                KeyState::Active => (KeyState::Grace, grace_until),
                // One at a time.
                KeyState::Pending if has_pending => continue,
                KeyState::Grace if !masters.contains_key(&id) => (KeyState::Retired, None),
                state => (state, until),
            };
            has_pending |= state == KeyState::Pending;
            let master = masters.get(&id).filter(|_| state != KeyState::Retired).cloned();
            if master.is_none() && state != KeyState::Retired {
                return Err(MissingKey(id));
            }
            keys.push(KeyEntry { number: *number, id, state, master, since, until, grace });
        }
        let Some(_) = active else { return Err(MissingKey(self.active().id.clone())) };
        let revocations = shared.revocations().map(|((channel, user), at)| MemberRevocation {
            channel: channel.clone(),
            user: user.clone(),
            at: *at,
        });
        Ok(Self {
            keys,
            epochs: shared.epochs().iter().map(|(at, it)| (at.clone(), it.clone())).collect(),
            counter: self.counter,
            floor: self.floor,
            salt: shared.salt(),
            is_shared: true,
            revocations: revocations.collect(),
            configured: self.configured.clone(),
        })
    }

    /// True if a file of this table would say the same.
    pub fn is_kept_as(&self, other: &Self) -> bool {
        let keys = |table: &Self| {
            let key = |key: &KeyEntry| {
                let KeyEntry { number, id, state, since, until, grace, .. } = key.clone();
                (number, id, state, since, until, grace)
            };
            table.keys.iter().map(key).collect::<Vec<_>>()
        };
        let revocations = |table: &Self| {
            table
                .revocations
                .iter()
                .map(|it| (it.channel.clone(), it.user.clone(), it.at))
                .collect::<HashSet<_>>()
        };
        keys(self) == keys(other)
            && self.epochs == other.epochs
            && revocations(self) == revocations(other)
            && self.configured == other.configured
    }

    /// The channels whose epoch is above that in `before`.
    pub fn raised_since<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a Arc<str>> {
        let is_above = |channel: &&Arc<str>| self.epoch(channel) > before.epoch(channel);
        self.epochs.keys().filter(is_above)
    }

    /// The users who were taken off the channel since `before`.
    pub fn revoked_since<'a>(
        &'a self,
        before: &'a Self,
        channel: &'a str,
    ) -> impl Iterator<Item = &'a MemberRevocation> {
        let of = move |it: &&MemberRevocation| &*it.channel == channel;
        let is_new =
            move |it: &&MemberRevocation| before.is_revoked(channel, &it.user) < Some(it.at);
        self.revocations.iter().filter(of).filter(is_new)
    }

    /// Also of a restored file, so that a revocation here raises a counter of its own.
    pub fn with_counter(self, counter: CounterId) -> Self {
        Self { counter, ..self }
    }

    /// As before a key was announced.
    pub fn without_pending(&self) -> Self {
        let mut before = self.clone();
        before.keys.retain(|key| key.state != KeyState::Pending);
        before
    }

    /// The named key, as the configuration that was last followed.
    pub fn following(&self, configured: Fingerprint) -> Self {
        Self { configured, ..self.clone() }
    }
}

impl SharedKeys {
    /// Without what no table keeps. `earliest`: see `KeyTable::without_old_revocations`.
    pub fn without_old(self, earliest: UnixSeconds) -> Self {
        self.pruned(earliest.saturating_sub(REVOCATION_SECONDS), REMEMBERED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crypto::secret::Salt;

    fn key(first: u8) -> MasterKey {
        MasterKey::from_bytes(std::array::from_fn(|i| first ^ (i as u8).wrapping_mul(37)))
    }

    fn table() -> KeyTable {
        KeyTable::new(key(1), 10).as_shared()
    }

    fn states(table: &KeyTable) -> Vec<KeyState> {
        table.keys().iter().map(|key| key.state).collect()
    }

    fn together(one: &KeyTable, other: &KeyTable) -> SharedKeys {
        one.shared().merged(&other.shared()).expect("no conflict")
    }

    fn all_masters(tables: &[&KeyTable]) -> MasterKeys {
        tables.iter().flat_map(|table| table.masters()).collect()
    }

    #[test]
    fn table_views_itself() {
        let table = table().announced(key(2), 20, 30, 60).unwrap().activated(30).unwrap();
        let table = table.announced(key(3), 40, 50, 60).unwrap().revoked("a", "u", 9);
        let view = table.viewing(&table.shared(), &table.masters()).unwrap();
        assert!(view.is_kept_as(&table));
        assert_eq!(states(&view), [KeyState::Grace, KeyState::Active, KeyState::Pending]);
        assert!(KeyTable::new(key(1), 10).shared().is_empty(), "its numbers are its own");
    }

    #[test]
    fn rotation_of_another_server_is_followed() {
        let own = table();
        let rotated = own.announced(key(2), 20, 20, 60).unwrap().activated(20).unwrap();
        let view = own.viewing(&together(&own, &rotated), &all_masters(&[&rotated])).unwrap();
        assert_eq!(states(&view), [KeyState::Grace, KeyState::Active]);
        assert_eq!(view.keys()[0].until, Some(80));
        let missing = own.viewing(&together(&own, &rotated), &own.masters()).err();
        assert_eq!(missing, Some(MissingKey(key(2).fingerprint())));
    }

    /// A server that was cut off revoked the key that another one made active.
    #[test]
    fn key_in_grace_seals_if_its_successor_was_revoked() {
        let own = table().announced(key(2), 20, 20, 60).unwrap();
        let revoked = own.retired(key(2).fingerprint().as_str(), 21).unwrap();
        let both = together(&own.activated(21).unwrap(), &revoked);
        let view = own.viewing(&both, &own.masters()).unwrap();
        assert_eq!(states(&view), [KeyState::Active, KeyState::Retired]);
        assert_eq!(view.keys()[0].until, None);
        assert!(view.keys()[1].master.is_none());
        // What it says does not take the others back.
        assert_eq!(view.shared().merged(&both).unwrap(), both);
    }

    #[test]
    fn pending_key_that_yields_is_dropped() {
        let [one, other] = [2, 3].map(|of| table().announced(key(of), 20, 20, 60).unwrap());
        let other = other.activated(20).unwrap();
        let view = one.viewing(&together(&one, &other), &all_masters(&[&one, &other])).unwrap();
        assert_eq!(states(&view), [KeyState::Grace, KeyState::Active]);
        assert_eq!(view.active().id, key(3).fingerprint());
        assert!(view.by_id(key(2).fingerprint().as_str()).is_none());
    }

    #[test]
    fn revocations_of_two_servers_are_two_epochs() {
        let [one, other] = [8, 9].map(|counter| {
            table().with_counter(CounterId::from_bytes([counter; 16])).revoked("a", "u", 100)
        });
        let both = together(&one, &other);
        let view = one.viewing(&both, &one.masters()).unwrap();
        assert_eq!(view.epoch("a"), 200);
        assert_eq!(view.raised_since(&one).map(|it| &**it).collect::<Vec<_>>(), ["a"]);
        assert_eq!(view.revoked_since(&one, "a").count(), 0);
        let later = view.revoked("a", "v", 150);
        assert_eq!(later.epoch("a"), 250);
        let users: Vec<_> = later.revoked_since(&view, "a").map(|it| &*it.user).collect();
        assert_eq!(users, ["v"]);
    }

    #[test]
    fn another_salt_is_another_epoch_of_all_channels() {
        let salt = |drawn| SharedSalt { drawn, salt: Salt::from_bytes([drawn as u8; 32]) };
        let old = table().with_salt(salt(1000)).revoked("a", "u", 50);
        assert_eq!((old.epoch("a"), old.epoch("b")), (1050, 1000));
        let view = old.viewing(&together(&old, &table().with_salt(salt(2000))), &old.masters());
        let view = view.unwrap();
        assert_eq!((view.epoch("a"), view.epoch("b")), (2050, 2000));
        assert_eq!(view.shared_salt(), Some(salt(2000)));
        let back = view.viewing(&together(&view, &old), &old.masters()).unwrap();
        assert_eq!(back.shared_salt(), Some(salt(2000)), "the later one stays");
    }
}
