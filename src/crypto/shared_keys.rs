//! What several servers know of one app's keys, as a value that only grows.
//!
//! Any two such values have a union: the merge is commutative, associative and idempotent, so that
//! servers agree in whatever order they hear of each other, and however often. Nothing falls: states
//! advance, each counter of an epoch takes its maximum, revocations unite, the later salt wins. So a
//! copy that has lost something takes nothing back.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    epochs::EpochCounters,
    key::Fingerprint,
    keytable::{KeyState, MemberRevocation},
    secret::SharedSalt,
};
use crate::domain::time::UnixSeconds;

/// A key without its bytes. In this order it advances: later states last.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct SharedKey {
    pub state: KeyState,
    pub until: Option<UnixSeconds>,
    pub since: UnixSeconds,
    pub grace: u64,
    pub id: Fingerprint,
}

/// One number stands for two keys, and both have sealed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyConflict {
    pub number: u32,
    pub own: Fingerprint,
    pub other: Fingerprint,
}

type RevocationKey = (Arc<str>, Arc<str>);

#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SharedKeys {
    keys: BTreeMap<u32, SharedKey>,
    epochs: BTreeMap<Arc<str>, EpochCounters>,
    /// By channel and user.
    revocations: BTreeMap<RevocationKey, UnixSeconds>,
    salt: Option<SharedSalt>,
}

impl SharedKeys {
    pub fn add_key(&mut self, number: u32, key: SharedKey) -> Result<(), KeyConflict> {
        let merged = match self.keys.remove(&number) {
            Some(own) => merge_keys(number, own, key)?,
            None => key,
        };
        self.keys.insert(number, merged);
        Ok(())
    }

    pub fn add_epoch(&mut self, channel: Arc<str>, counters: &EpochCounters) {
        if !counters.is_empty() {
            self.epochs.entry(channel).or_default().merge(counters);
        }
    }

    pub fn add_revocation(&mut self, MemberRevocation { channel, user, at }: MemberRevocation) {
        let known = self.revocations.entry((channel, user)).or_default();
        *known = (*known).max(at);
    }

    pub fn add_salt(&mut self, salt: Option<SharedSalt>) {
        self.salt = self.salt.max(salt);
    }

    pub fn with_salt(self, salt: Option<SharedSalt>) -> Self {
        Self { salt, ..self }
    }

    pub fn keys(&self) -> &BTreeMap<u32, SharedKey> {
        &self.keys
    }

    pub fn epochs(&self) -> &BTreeMap<Arc<str>, EpochCounters> {
        &self.epochs
    }

    pub fn revocations(&self) -> impl ExactSizeIterator<Item = (&RevocationKey, &UnixSeconds)> {
        self.revocations.iter()
    }

    pub fn salt(&self) -> Option<SharedSalt> {
        self.salt
    }

    /// The key that seals: the newest that is active. Without one, the newest that is still served:
    /// its successor was revoked by a server that did not know that it was active.
    pub fn active(&self) -> Option<u32> {
        let newest = |state| self.keys.iter().rev().find(|(_, key)| key.state == state);
        newest(KeyState::Active).or_else(|| newest(KeyState::Grace)).map(|(number, _)| *number)
    }

    pub fn number_of(&self, id: &Fingerprint) -> Option<u32> {
        self.keys.iter().find(|(_, key)| key.id == *id).map(|(number, _)| *number)
    }

    /// The union. An error if one number stands for two keys.
    pub fn merged(mut self, other: &Self) -> Result<Self, KeyConflict> {
        for (number, key) in &other.keys {
            self.add_key(*number, key.clone())?;
        }
        for (channel, counters) in &other.epochs {
            self.add_epoch(channel.clone(), counters);
        }
        for ((channel, user), at) in &other.revocations {
            let (channel, user) = (channel.clone(), user.clone());
            self.add_revocation(MemberRevocation { channel, user, at: *at });
        }
        self.add_salt(other.salt);
        Ok(self)
    }

    /// What `known` does not have. Merged with it, it makes this value.
    pub fn beyond(&self, known: &Self) -> Self {
        let keys = self.keys.iter().filter(|(number, key)| known.keys.get(number) != Some(key));
        let epochs = self.epochs.iter().map(|(channel, counters)| {
            (channel.clone(), counters.beyond(known.epochs.get(channel)))
        });
        let revocations =
            self.revocations.iter().filter(|(key, at)| known.revocations.get(*key) < Some(at));
        Self {
            keys: keys.map(|(number, key)| (*number, key.clone())).collect(),
            epochs: epochs.filter(|(_, counters)| !counters.is_empty()).collect(),
            revocations: revocations.map(|(key, at)| (key.clone(), *at)).collect(),
            salt: self.salt.filter(|salt| known.salt < Some(*salt)),
        }
    }

    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// All keys are retired, and their successor seals: what begins anew with another key.
    pub fn succeeded_by(mut self, id: Fingerprint, now: UnixSeconds) -> Self {
        for key in self.keys.values_mut().filter(|key| key.state != KeyState::Retired) {
            (key.state, key.until, key.since) = (KeyState::Retired, None, now);
        }
        let number = self.keys.last_key_value().map_or(1, |(number, _)| number + 1);
        let key = SharedKey { state: KeyState::Active, until: None, since: now, grace: 0, id };
        self.keys.insert(number, key);
        self
    }

    /// Without what a table does not keep for ever: revocations that no token is older than, and
    /// retired keys beyond the newest ones.
    pub fn pruned(mut self, oldest_revocation: UnixSeconds, retired: usize) -> Self {
        self.revocations.retain(|_, at| *at > oldest_revocation);
        let all = self.keys.values().filter(|key| key.state == KeyState::Retired).count();
        let mut surplus = all.saturating_sub(retired);
        self.keys.retain(|_, key| {
            let is_forgotten = key.state == KeyState::Retired && surplus > 0;
            surplus -= usize::from(is_forgotten);
            !is_forgotten
        });
        self
    }
}

/// A pending key has sealed nothing: it yields to another one with its number.
fn merge_keys(number: u32, own: SharedKey, other: SharedKey) -> Result<SharedKey, KeyConflict> {
    let is_pending = |key: &SharedKey| key.state == KeyState::Pending;
    match (is_pending(&own), is_pending(&other)) {
        (true, true) => Ok(by_fingerprint(own, other)),
        (true, false) => Ok(other),
        (false, true) => Ok(own),
        (false, false) if own.id == other.id => Ok(own.max(other)),
        (false, false) => Err(KeyConflict { number, own: own.id, other: other.id }),
    }
}

/// Both servers have to choose the same one.
fn by_fingerprint(own: SharedKey, other: SharedKey) -> SharedKey {
    match own.id.cmp(&other.id) {
        std::cmp::Ordering::Less => other,
        std::cmp::Ordering::Equal => own.max(other),
        std::cmp::Ordering::Greater => own,
    }
}

#[cfg(test)]
mod tests;
