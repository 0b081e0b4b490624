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
    salt: Salt,
    padding: Padding,
    /// Replaced as a whole, so that each reader sees one state.
    table: Arc<RwLock<Arc<KeyTable>>>,
}

impl KeyRing {
    pub fn new(
        app: &str,
        table: KeyTable,
        derivation: Derivation,
        salt: Salt,
        padding: Padding,
    ) -> Self {
        let table = Arc::new(RwLock::new(Arc::new(table)));
        Self { app: app.into(), derivation, salt, padding, table }
    }

    /// A ring that shares this one's keys, with the padding of the other.
    pub fn padded_as(&self, other: &Self) -> Self {
        let (app, table) = (self.app.clone(), self.table.clone());
        let Self { derivation, salt, .. } = *self;
        Self { app, table, derivation, salt, padding: other.padding }
    }

    pub fn table(&self) -> Arc<KeyTable> {
        self.table.read().clone()
    }

    pub fn install(&self, table: KeyTable) {
        *self.table.write() = Arc::new(table);
    }

    pub fn derivation(&self) -> Derivation {
        self.derivation
    }

    /// The version that seals new frames of the channel.
    pub fn target(&self, channel: &Channel) -> Version {
        self.table.read().target(channel.name())
    }

    /// True if frames may still be sealed with this version. A channel's earlier epochs end at
    /// once: a revoked member has their secrets.
    pub fn serves(&self, channel: &Channel, version: Version) -> bool {
        let table = self.table.read();
        let key = table.by_number(version.key);
        key.is_some_and(|key| key.master.is_some()) && version.epoch == table.epoch(channel.name())
    }

    /// `None` if the key is retired.
    pub fn secret(&self, channel: &Channel, version: Version) -> Option<SharedSecret> {
        let table = self.table.read();
        let master = table.by_number(version.key)?.master.as_ref()?;
        let context = Context {
            salt: self.salt,
            app: &self.app,
            channel: channel.name(),
            epoch: version.epoch,
        };
        Some(SharedSecret::derive(self.derivation, master, &context))
    }

    pub fn seal(
        &self,
        channel: &Channel,
        version: Version,
        plaintext: &[u8],
    ) -> Result<Sealed, SealError> {
        if !self.serves(channel, version) {
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
}
