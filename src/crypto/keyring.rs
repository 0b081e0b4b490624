//! The keys of one app in use: secrets of its channels, sealing and opening.

use std::sync::Arc;

use parking_lot::RwLock;
use zeroize::Zeroizing;

use super::{
    keytable::{KeyTable, Version},
    padding::Padding,
    resealer::Resealer,
    sealer::{SealError, Sealed, open, seal},
    secret::{Context, Derivation, Salt, SharedSecret},
};
use crate::domain::channel::Channel;

pub struct KeyRing {
    app: Arc<str>,
    derivation: Derivation,
    /// Of this start. Servers that share their channels have another one, in the table.
    salt: Salt,
    padding: Padding,
    in_use: Arc<RwLock<KeysInUse>>,
}

/// Replaced as a whole, so that each reader sees one state.
struct KeysInUse {
    table: Arc<KeyTable>,
    /// Still seals while channels are told the versions of `table`.
    former: Option<Arc<KeyTable>>,
    /// The salts of before, the last one first, each with the table that ended it.
    ended: Vec<(Salt, Arc<KeyTable>)>,
}

/// Salts that still open events on their way.
const ENDED_SALTS: usize = 3;

impl KeyRing {
    pub fn new(
        app: &str,
        table: KeyTable,
        derivation: Derivation,
        salt: Salt,
        padding: Padding,
    ) -> Self {
        let in_use = KeysInUse { table: Arc::new(table), former: None, ended: Vec::new() };
        let in_use = Arc::new(RwLock::new(in_use));
        Self { app: app.into(), derivation, salt, padding, in_use }
    }

    /// A ring that shares this one's keys, with the padding of the other.
    pub fn padded_as(&self, other: &Self) -> Self {
        let (app, in_use) = (self.app.clone(), self.in_use.clone());
        let Self { derivation, salt, .. } = *self;
        Self { app, in_use, derivation, salt, padding: other.padding }
    }

    pub fn table(&self) -> Arc<KeyTable> {
        self.in_use.read().table.clone()
    }

    pub fn install(&self, table: KeyTable) {
        self.replace(table);
    }

    /// Installs a table beside the former one. Until `settle`, events may still be sealed for the
    /// versions of the former: channels learn of the next ones in turn.
    pub fn install_beside(&self, table: KeyTable) {
        let former = self.replace(table);
        self.in_use.write().former = Some(former);
    }

    pub fn settle(&self) {
        self.in_use.write().former = None;
    }

    fn replace(&self, table: KeyTable) -> Arc<KeyTable> {
        let (table, mut in_use) = (Arc::new(table), self.in_use.write());
        let former = std::mem::replace(&mut in_use.table, table.clone());
        let salt = self.salt_of(&former);
        if salt != self.salt_of(&table) {
            in_use.ended.insert(0, (salt, table));
            in_use.ended.truncate(ENDED_SALTS);
        }
        former
    }

    fn salt_of(&self, table: &KeyTable) -> Salt {
        table.shared_salt().map_or(self.salt, |shared| shared.salt)
    }

    /// The salt of this start: for other servers, if there is no other one yet.
    pub fn own_salt(&self) -> Salt {
        self.salt
    }

    pub fn derivation(&self) -> Derivation {
        self.derivation
    }

    /// The version that seals new frames of the channel.
    pub fn target(&self, channel: &Channel) -> Version {
        self.in_use.read().table.target(channel.name())
    }

    /// True if frames may still be sealed with this version. A channel's earlier epochs end at
    /// once: a revoked member has their secrets.
    pub fn serves(&self, channel: &Channel, version: Version) -> bool {
        serves(&self.in_use.read().table, channel, version)
    }

    /// True while a channel has not been told its next version.
    fn still_seals(&self, channel: &Channel, version: Version) -> bool {
        let in_use = self.in_use.read();
        let tables = [Some(&in_use.table), in_use.former.as_ref()];
        tables.into_iter().flatten().any(|table| serves(table, channel, version))
    }

    /// `None` if the key is retired.
    pub fn secret(&self, channel: &Channel, version: Version) -> Option<SharedSecret> {
        let in_use = self.in_use.read();
        let is_ended =
            |(_, next): &&(Salt, Arc<KeyTable>)| version.epoch < next.epoch(channel.name());
        let ended = in_use.ended.iter().take_while(is_ended).last();
        let salt = ended.map_or_else(|| self.salt_of(&in_use.table), |(salt, _)| *salt);
        self.derive(&in_use, channel, version, salt)
    }

    fn derive(
        &self,
        in_use: &KeysInUse,
        channel: &Channel,
        version: Version,
        salt: Salt,
    ) -> Option<SharedSecret> {
        let former = || in_use.former.as_ref()?.by_number(version.key)?.master.as_ref();
        let key = in_use.table.by_number(version.key);
        let master = key.and_then(|key| key.master.as_ref()).or_else(former)?;
        let (app, channel) = (&*self.app, &**channel.name());
        let context = Context { salt, app, channel, epoch: version.epoch };
        Some(SharedSecret::derive(self.derivation, master, &context))
    }

    pub fn seal(
        &self,
        channel: &Channel,
        version: Version,
        plaintext: &[u8],
    ) -> Result<Sealed, SealError> {
        if !self.still_seals(channel, version) {
            return Err(SealError::KeyRetired);
        }
        let secret = self.secret(channel, version).ok_or(SealError::KeyRetired)?;
        seal(channel, version, &secret, &self.padding.pad(plaintext))
    }

    /// `None` if one of the keys is retired.
    pub fn resealer(&self, channel: &Channel, from: Version, to: Version) -> Option<Resealer> {
        let with_secret = |version| Some((version, self.secret(channel, version)?));
        Some(Resealer { channel: channel.clone(), from: with_secret(from)?, to: with_secret(to)? })
    }

    /// Opens a publisher's envelope with any key in use, and returns the version.
    pub fn open(&self, channel: &Channel, envelope: &str) -> Option<(Version, Zeroizing<Vec<u8>>)> {
        let table = self.table();
        let epoch = table.epoch(channel.name());
        table.opening().find_map(|key| {
            let version = Version { key: key.number, epoch };
            let plaintext = open(&self.secret(channel, version)?, envelope)?;
            Some((version, plaintext))
        })
    }

    /// Opens an envelope of this version, whose epoch may be over: another server has sealed it, or
    /// this one did so earlier.
    pub fn open_as(
        &self,
        channel: &Channel,
        version: Version,
        envelope: &str,
    ) -> Option<Zeroizing<Vec<u8>>> {
        if let Some(opened) = open(&self.secret(channel, version)?, envelope) {
            return Some(opened);
        }
        // Another server may have begun with the next salt in another epoch.
        let in_use = self.in_use.read();
        let salts = in_use.ended.iter().map(|(salt, _)| *salt);
        let secrets = salts.filter_map(|salt| self.derive(&in_use, channel, version, salt));
        secrets.into_iter().find_map(|secret| open(&secret, envelope))
    }
}

fn serves(table: &KeyTable, channel: &Channel, version: Version) -> bool {
    let key = table.by_number(version.key);
    key.is_some_and(|key| key.master.is_some()) && version.epoch == table.epoch(channel.name())
}
