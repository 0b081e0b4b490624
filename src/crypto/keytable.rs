//! The master keys of one app and their states, as a value: a change makes a new table, which can
//! be written to disk before it takes effect (encryption.md 3 to 5).

use std::{collections::HashMap, fmt, sync::Arc};

use super::{
    epochs::{CounterId, EpochCounters},
    key::{Fingerprint, MasterKey},
    secret::SharedSalt,
};
use crate::domain::time::UnixSeconds;

/// The version of a channel's secret: a key of the table, and an epoch that grows with each
/// revocation of a member.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Version {
    pub key: u32,
    pub epoch: u64,
}

impl Version {
    /// Channels that this server only relays: it does not know their secret.
    pub const BLIND: Self = Self { key: 0, epoch: 0 };

    /// True if a subscriber with this version has to move to `target`. A version may be ahead: a
    /// secret may be issued before its channel has the new target.
    pub fn is_behind(self, target: Self) -> bool {
        self.key < target.key || self.epoch < target.epoch
    }

    /// No secret: the gate handles the subscriber's frames.
    pub const REKEYING: Self = Self { key: u32::MAX, epoch: u64::MAX };
}

/// In this order a key advances.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize, serde::Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum KeyState {
    /// Announced: envelopes sealed with it are accepted, nothing is sealed.
    Pending,
    /// Seals new frames.
    Active,
    /// Seals for subscribers that have not yet moved to the active key.
    Grace,
    /// Forgotten except its fingerprint, so that it can never be used again.
    Retired,
}

impl fmt::Display for KeyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Pending => "pending",
            Self::Active => "active",
            Self::Grace => "grace",
            Self::Retired => "retired",
        })
    }
}

#[derive(Clone)]
pub struct KeyEntry {
    /// The number in the table, never reused.
    pub number: u32,
    pub id: Fingerprint,
    pub state: KeyState,
    /// `None` once retired.
    pub master: Option<Arc<MasterKey>>,
    /// The time of the last change of state.
    pub since: UnixSeconds,
    /// The time at which it becomes active, or retires.
    pub until: Option<UnixSeconds>,
    /// Seconds for which the previous key is served after this one becomes active.
    pub grace: u64,
}

impl KeyEntry {
    /// True if the time of its next change of state has come.
    pub fn is_due(&self, now: UnixSeconds) -> bool {
        self.until.is_some_and(|until| until <= now)
    }
}

/// The revocation of a member's access to a channel.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct MemberRevocation {
    pub channel: Arc<str>,
    pub user: Arc<str>,
    pub at: UnixSeconds,
}

/// What a key file keeps of a table.
pub struct KeptTable {
    pub keys: Vec<KeyEntry>,
    pub epochs: HashMap<Arc<str>, EpochCounters>,
    /// `None` in a file that has none yet.
    pub counter: Option<CounterId>,
    pub is_shared: bool,
    pub revocations: Vec<MemberRevocation>,
    pub configured: Fingerprint,
}

#[derive(Clone)]
pub struct KeyTable {
    /// In ascending order of numbers; exactly one is active, at most one pending.
    keys: Vec<KeyEntry>,
    /// Of channels with revocations; all others are in the first epoch.
    epochs: HashMap<Arc<str>, EpochCounters>,
    /// The counter that revocations made here raise.
    counter: CounterId,
    /// The lowest epoch of all channels. It is not persisted: it distinguishes an app that comes
    /// back within one start, and so with the same salt, from its earlier runtime.
    floor: u64,
    /// The salt that several servers share. It is not persisted.
    salt: Option<SharedSalt>,
    /// The numbers are those of several servers.
    is_shared: bool,
    revocations: Vec<MemberRevocation>,
    /// The fingerprint of the last configured key: another one in the configuration means a
    /// rotation.
    pub configured: Fingerprint,
}

/// The number of retired keys remembered by fingerprint.
const REMEMBERED: usize = 100;
/// Longer than the lifetime of tokens issued before a revocation.
const REVOCATION_SECONDS: u64 = 30 * 24 * 60 * 60;
/// Epochs are seconds since 1970 where the clock is right. A file with a larger one was tampered
/// with: counting on from it would reach the end of the numbers, and those of JavaScript sooner.
const MAX_EPOCH: u64 = 1 << 52;

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeyError {
    #[error("the key {0} is active already: a rotation needs another key")]
    Same(Fingerprint),
    #[error(
        "the key {0} has been in use before ({1}): keys are never reused, make a new one (`sealcast keys generate`)"
    )]
    Known(Fingerprint, KeyState),
    #[error("the key {0} is pending: wait until it is active, or take it back")]
    Pending(Fingerprint),
    #[error("there is no key {0} here")]
    Unknown(String),
    #[error("the key {0} is retired already")]
    Retired(Fingerprint),
}

impl KeyTable {
    pub fn new(master: impl Into<Arc<MasterKey>>, now: UnixSeconds) -> Self {
        let master = master.into();
        let id = master.fingerprint();
        let mut table = Self {
            keys: Vec::new(),
            epochs: HashMap::new(),
            counter: CounterId::random(),
            floor: 0,
            salt: None,
            is_shared: false,
            revocations: Vec::new(),
            configured: id,
        };
        table.push(master, KeyState::Active, now, None, 0);
        table
    }

    /// Restores a table from its file. `None` unless exactly one key is active, numbers ascend, and
    /// epochs are within `MAX_EPOCH`.
    pub fn restored(kept: KeptTable) -> Option<Self> {
        let KeptTable { keys, epochs, counter, is_shared, revocations, configured } = kept;
        let count = |state| keys.iter().filter(|key| key.state == state).count();
        let ordered = keys.windows(2).all(|pair| pair[0].number < pair[1].number);
        let whole = keys.iter().all(|key| key.master.is_some() != (key.state == KeyState::Retired));
        let good = count(KeyState::Active) == 1
            && count(KeyState::Pending) <= 1
            && epochs.values().all(|counters| counters.sum() <= MAX_EPOCH);
        let (counter, floor, salt) = (counter.unwrap_or_else(CounterId::random), 0, None);
        let table = Self { keys, epochs, counter, floor, salt, is_shared, revocations, configured };
        (ordered && whole && good).then_some(table)
    }

    /// The table with this epoch as the lowest of all channels.
    pub fn raised_to(self, floor: u64) -> Self {
        Self { floor, ..self }
    }

    fn push(
        &mut self,
        master: Arc<MasterKey>,
        state: KeyState,
        since: UnixSeconds,
        until: Option<UnixSeconds>,
        grace: u64,
    ) {
        let number = self.keys.last().map_or(1, |key| key.number + 1);
        let id = master.fingerprint();
        self.keys.push(KeyEntry { number, id, state, master: Some(master), since, until, grace });
    }

    pub fn keys(&self) -> &[KeyEntry] {
        &self.keys
    }

    pub fn epochs(&self) -> &HashMap<Arc<str>, EpochCounters> {
        &self.epochs
    }

    pub fn counter(&self) -> CounterId {
        self.counter
    }

    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    pub fn shared_salt(&self) -> Option<SharedSalt> {
        self.salt
    }

    pub fn revocations(&self) -> &[MemberRevocation] {
        &self.revocations
    }

    pub fn active(&self) -> &KeyEntry {
        let active = self.keys.iter().find(|key| key.state == KeyState::Active);
        active.expect("a table has an active key at any time")
    }

    /// The version that seals new frames of the channel.
    pub fn target(&self, channel: &str) -> Version {
        Version { key: self.active().number, epoch: self.epoch(channel) }
    }

    pub fn epoch(&self, channel: &str) -> u64 {
        let first = self.salt.map_or(0, |salt| salt.drawn);
        let raised = self.epochs.get(channel).map_or(0, EpochCounters::sum);
        self.floor.max(first.saturating_add(raised))
    }

    pub fn by_number(&self, number: u32) -> Option<&KeyEntry> {
        self.keys.iter().find(|key| key.number == number)
    }

    pub fn by_id(&self, id: &str) -> Option<&KeyEntry> {
        self.keys.iter().find(|key| key.id.as_str() == id)
    }

    /// Keys that open published envelopes: the active one first, then the newest.
    pub fn opening(&self) -> impl Iterator<Item = &KeyEntry> {
        let others = self
            .keys
            .iter()
            .rev()
            .filter(|k| matches!(k.state, KeyState::Grace | KeyState::Pending));
        std::iter::once(self.active()).chain(others)
    }

    pub fn newest_revocation(&self) -> Option<UnixSeconds> {
        self.revocations.iter().map(|revocation| revocation.at).max()
    }

    pub fn is_revoked(&self, channel: &str, user: &str) -> Option<UnixSeconds> {
        let of = |r: &&MemberRevocation| &*r.channel == channel && &*r.user == user;
        self.revocations.iter().rev().find(of).map(|revocation| revocation.at)
    }

    fn refuse_known(&self, id: &Fingerprint) -> Result<(), KeyError> {
        if let Some(pending) = self.keys.iter().find(|key| key.state == KeyState::Pending) {
            return Err(KeyError::Pending(pending.id.clone()));
        }
        match self.by_id(id.as_str()) {
            Some(key) if key.state == KeyState::Active => Err(KeyError::Same(id.clone())),
            Some(key) => Err(KeyError::Known(id.clone(), key.state)),
            None => Ok(()),
        }
    }

    /// The table with `master` announced. It becomes active at `at`, and the previous key is served
    /// for `grace` more seconds.
    pub fn announced(
        &self,
        master: impl Into<Arc<MasterKey>>,
        now: UnixSeconds,
        at: UnixSeconds,
        grace: u64,
    ) -> Result<Self, KeyError> {
        let master = master.into();
        self.refuse_known(&master.fingerprint())?;
        let mut next = self.clone();
        next.push(master, KeyState::Pending, now, Some(at), grace);
        Ok(next)
    }

    /// The table with the pending key active, and the active one in grace.
    pub fn activated(&self, now: UnixSeconds) -> Option<Self> {
        let mut next = self.clone();
        let pending = next.keys.iter().find(|key| key.state == KeyState::Pending)?;
        let grace_until = now.saturating_add(pending.grace);
        for key in &mut next.keys {
            let (state, until) = match key.state {
                KeyState::Active => (KeyState::Grace, Some(grace_until)),
                KeyState::Pending => (KeyState::Active, None),
                KeyState::Grace | KeyState::Retired => continue,
            };
            (key.state, key.since, key.until) = (state, now, until);
        }
        Some(next)
    }

    /// The table with the key retired; it must not be the active one.
    pub fn retired(&self, id: &str, now: UnixSeconds) -> Result<Self, KeyError> {
        let mut next = self.clone();
        let key = next.keys.iter_mut().find(|key| key.id.as_str() == id);
        let key = key.ok_or_else(|| KeyError::Unknown(id.to_owned()))?;
        match key.state {
            KeyState::Active => return Err(KeyError::Same(key.id.clone())),
            KeyState::Retired => return Err(KeyError::Retired(key.id.clone())),
            KeyState::Pending | KeyState::Grace => {}
        }
        (key.state, key.since, key.until, key.master) = (KeyState::Retired, now, None, None);
        let retired = next.keys.iter().filter(|key| key.state == KeyState::Retired).count();
        let mut surplus = retired.saturating_sub(REMEMBERED);
        next.keys.retain(|key| {
            let forgotten = key.state == KeyState::Retired && surplus > 0;
            surplus -= usize::from(forgotten);
            !forgotten
        });
        Ok(next)
    }

    /// The table after a change of the configured key: another key than last time means a rotation.
    /// `None` if there is nothing to change.
    pub fn reconciled(
        &self,
        configured: &Arc<MasterKey>,
        now: UnixSeconds,
        grace: u64,
    ) -> Result<Option<Self>, KeyError> {
        let id = configured.fingerprint();
        if self.configured == id {
            return Ok(None);
        }
        let is_coming = |key: &KeyEntry| matches!(key.state, KeyState::Active | KeyState::Pending);
        let mut next = if self.by_id(id.as_str()).is_some_and(is_coming) {
            // The configuration now names the key that a command announced.
            self.clone()
        } else {
            let announced = self.announced(configured.clone(), now, now, grace)?;
            announced.activated(now).unwrap_or(announced)
        };
        next.configured = id;
        Ok(Some(next))
    }

    /// With `user` off the channel, and the channel in a later epoch. The counter is at least the
    /// time, so that a table which knows nothing of this revocation does not give the number to
    /// another one.
    pub fn revoked(&self, channel: &str, user: &str, at: UnixSeconds) -> Self {
        let mut next = self.clone();
        let counters = next.epochs.entry(channel.into()).or_default();
        counters.raise(self.counter, at.min(MAX_EPOCH));
        if next.epoch(channel) <= self.epoch(channel) {
            // The floor is above all counters.
            let counters = next.epochs.entry(channel.into()).or_default();
            counters.raise_sum(self.counter, self.floor.saturating_add(1));
        }
        next.revocations.retain(|r| (&*r.channel, &*r.user) != (channel, user));
        next.revocations.push(MemberRevocation { channel: channel.into(), user: user.into(), at });
        next
    }

    /// Without the revocations that no token is older than. `earliest` must not be ahead of the true
    /// time: a clock that runs ahead for a while would let revoked members in again.
    pub fn without_old_revocations(&self, earliest: UnixSeconds) -> Self {
        let mut next = self.clone();
        next.revocations.retain(|r| r.at.saturating_add(REVOCATION_SECONDS) > earliest);
        next
    }

    /// When the user was last taken off any channel.
    pub fn last_revocation_of(&self, user: &str) -> Option<UnixSeconds> {
        self.revocations.iter().filter(|r| &*r.user == user).map(|r| r.at).max()
    }
}

pub mod sharing;
#[cfg(test)]
mod tests;
