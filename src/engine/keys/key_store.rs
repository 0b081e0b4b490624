//! Persistence of an app's keys. Changes are written before they take effect, so that a restart
//! cannot undo them. A revocation is the exception: it does not wait for a disk.

use std::io;

use parking_lot::{Mutex, MutexGuard};

use crate::{
    crypto::{keyring::KeyRing, keytable::KeyTable},
    engine::keys::keyfile::KeyFile,
    platform::state_dir::{PendingWrite, Staged},
};

pub struct KeyStore {
    file: KeyFile,
    /// Held from writing a table until it is in force, so that no older table is written after it.
    /// Locked after the app's `key_changes`.
    writing: Mutex<()>,
    pub pending: PendingWrite,
}

/// Keys staged beside the file they will replace. They keep the store locked until they are
/// published or dropped.
#[must_use]
pub struct StagedKeys<'a> {
    store: &'a KeyStore,
    staged: Staged,
    _writing: MutexGuard<'a, ()>,
}

/// True if a pending revocation was written along.
pub type WasPending = bool;

impl KeyStore {
    pub fn new(file: KeyFile) -> Self {
        Self { file, writing: Mutex::default(), pending: PendingWrite::none() }
    }

    /// Writes `next`, then installs it. On an error nothing has changed.
    pub fn change(&self, next: KeyTable, install: impl FnOnce(KeyTable)) -> io::Result<WasPending> {
        let _writing = self.writing.lock();
        self.file.save(&next)?;
        install(next);
        Ok(self.pending.written())
    }

    /// The first half of `change`; `StagedKeys::publish` is the second.
    pub fn stage(&self, next: &KeyTable) -> io::Result<StagedKeys<'_>> {
        let _writing = self.writing.lock();
        Ok(StagedKeys { staged: self.file.stage(next)?, store: self, _writing })
    }

    /// Writes the table that is in force, which may be newer than the caller's change.
    pub fn write_down(&self, ring: &KeyRing) -> io::Result<WasPending> {
        let _writing = self.writing.lock();
        self.file.save(&ring.table())?;
        Ok(self.pending.written())
    }
}

impl StagedKeys<'_> {
    pub fn publish(self, install: impl FnOnce()) -> io::Result<WasPending> {
        self.staged.publish()?;
        install();
        Ok(self.store.pending.written())
    }
}

#[cfg(test)]
mod tests {
    use std::{path::PathBuf, time::Instant};

    use super::*;
    use crate::crypto::{
        key::MasterKey, padding::Padding, secret::Derivation, vectors::example_salt,
    };

    fn directory(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("sealcast-store-{name}-{}", std::process::id()))
    }

    fn ring() -> KeyRing {
        let table = KeyTable::new(MasterKey::generate().unwrap(), 1);
        KeyRing::new("shop", table, Derivation::Hkdf, example_salt(), Padding::None)
    }

    #[test]
    fn f5_newest_state_is_written_last() {
        let dir = directory("newest");
        // A file where the directory should be: nothing can be written.
        std::fs::write(&dir, "").unwrap();
        let (ring, store) = (ring(), KeyStore::new(KeyFile::of_app(&dir, "shop")));
        for user in ["u1", "u2"] {
            ring.install(ring.table().revoked("c", user, 5));
            assert!(store.write_down(&ring).is_err());
            store.pending.failed(Instant::now());
        }
        assert!(store.change(ring.table().revoked("c", "u3", 5), |_| panic!("in force")).is_err());
        assert!(store.stage(&ring.table()).is_err());
        assert!(store.pending.waits());
        std::fs::remove_file(&dir).unwrap();
        std::fs::create_dir(&dir).unwrap();
        assert!(store.write_down(&ring).unwrap(), "it had waited");
        let file = || KeyFile::of_app(&dir, "shop").load().unwrap().unwrap();
        assert!(file().is_revoked("c", "u1").is_some() && file().is_revoked("c", "u2").is_some());
        assert!(!store.write_down(&ring).unwrap() && !store.pending.waits());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// Each way of writing takes along what waits.
    #[test]
    fn f5_next_change_retries_the_pending_write() {
        let dir = directory("another");
        std::fs::create_dir(&dir).unwrap();
        let (ring, store) = (ring(), KeyStore::new(KeyFile::of_app(&dir, "shop")));
        ring.install(ring.table().revoked("c", "u1", 5));
        let next = || ring.table().revoked("c", "u2", 6);
        store.pending.failed(Instant::now());
        assert!(store.change(next(), |next| ring.install(next)).unwrap());
        store.pending.failed(Instant::now());
        let staged = store.stage(&next()).unwrap();
        assert!(staged.publish(|| ring.install(next())).unwrap());
        let file = KeyFile::of_app(&dir, "shop").load().unwrap().unwrap();
        assert!(file.is_revoked("c", "u1").is_some() && !store.pending.waits());
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
