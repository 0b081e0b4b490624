//! The key file of an app, `STATE_DIR/APP.keys.json`, readable by its owner alone. It is written
//! before a change of keys takes effect, so that no frame is ever sealed with a key unknown after a
//! restart.

use std::{
    collections::HashMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    crypto::{
        epochs::{CounterId, EpochCounters},
        key::{Fingerprint, MasterKey},
        keytable::{KeptTable, KeyEntry, KeyState, KeyTable, MemberRevocation},
    },
    domain::time::UnixSeconds,
    platform::state_dir::{self, Staged},
};

pub struct KeyFile {
    path: PathBuf,
}

#[derive(Debug, thiserror::Error)]
#[error(
    "the key file {path} cannot be used: {reason}. Restore it from a backup; without it, what its keys sealed cannot be opened"
)]
pub struct KeyFileError {
    path: String,
    reason: String,
}

#[derive(Serialize, Deserialize)]
struct Saved {
    format: u32,
    configured: Fingerprint,
    keys: Vec<SavedKey>,
    /// The sums of `counters`: versions before it read and write these alone.
    #[serde(default)]
    epochs: HashMap<Arc<str>, u64>,
    #[serde(default)]
    counters: HashMap<Arc<str>, EpochCounters>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    counter: Option<CounterId>,
    /// The numbers are those of a cluster.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    shared: bool,
    #[serde(default)]
    revocations: Vec<MemberRevocation>,
}

#[derive(Serialize, Deserialize)]
struct SavedKey {
    number: u32,
    id: Fingerprint,
    state: KeyState,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key: Option<Zeroizing<String>>,
    since: UnixSeconds,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    until: Option<UnixSeconds>,
    #[serde(default)]
    grace: u64,
}

const FORMAT: u32 = 1;

impl KeyFile {
    pub fn of_app(directory: &Path, app: &str) -> Self {
        Self { path: directory.join(format!("{app}{}", state_dir::KEYS)) }
    }

    /// `None` if the keys have never changed.
    pub fn load(&self) -> Result<Option<KeyTable>, KeyFileError> {
        self.table(state_dir::read(&self.path))
    }

    /// `load` for commands that change nothing.
    pub fn look(&self) -> Result<Option<KeyTable>, KeyFileError> {
        self.table(state_dir::look(&self.path))
    }

    fn table(
        &self,
        read: io::Result<Option<Zeroizing<Vec<u8>>>>,
    ) -> Result<Option<KeyTable>, KeyFileError> {
        // A file that cannot be seen must not pass for none: the keys that it has would be lost.
        let text = read.map_err(|e| self.unusable(e.to_string()))?;
        let Some(text) = text else { return Ok(None) };
        let saved: Saved = serde_json::from_slice(&text)
            .map_err(|e| self.unusable(format!("line {} is not what was written", e.line())))?;
        if saved.format != FORMAT {
            return Err(self.unusable(format!("its format {} is of another version", saved.format)));
        }
        let keys = saved.keys.into_iter().map(|key| self.key(key)).collect::<Result<_, _>>()?;
        let counter = saved.counter.unwrap_or_else(CounterId::random);
        let epochs = counters(counter, saved.epochs, saved.counters);
        let kept = KeptTable {
            keys,
            epochs,
            counter: Some(counter),
            is_shared: saved.shared,
            revocations: saved.revocations,
            configured: saved.configured,
        };
        KeyTable::restored(kept)
            .ok_or_else(|| self.unusable("its keys are inconsistent".into()))
            .map(Some)
    }

    fn key(&self, saved: SavedKey) -> Result<KeyEntry, KeyFileError> {
        let SavedKey { number, id, state, key, since, until, grace } = saved;
        let master = key.map(|text| MasterKey::parse(&text)).transpose();
        let master = master.map_err(|e| self.unusable(e.to_string()))?.map(|(key, _)| key);
        if master.as_ref().is_some_and(|key| key.fingerprint() != id) {
            return Err(self.unusable(format!("the key {id} does not match its fingerprint")));
        }
        Ok(KeyEntry { number, id, state, master: master.map(Arc::new), since, until, grace })
    }

    fn unusable(&self, reason: String) -> KeyFileError {
        KeyFileError { path: self.path.display().to_string(), reason }
    }

    /// Replaces the file atomically.
    pub fn save(&self, table: &KeyTable) -> io::Result<()> {
        self.stage(table)?.publish()
    }

    /// Writes the new file without putting it in place; only the last step can still fail.
    pub fn stage(&self, table: &KeyTable) -> io::Result<Staged> {
        let text = Zeroizing::new(serde_json::to_vec_pretty(&saved(table))?);
        state_dir::stage(&self.path, &text)
    }
}

/// A version that does not know counters leaves epochs alone.
fn counters(
    own: CounterId,
    epochs: HashMap<Arc<str>, u64>,
    mut counters: HashMap<Arc<str>, EpochCounters>,
) -> HashMap<Arc<str>, EpochCounters> {
    for (channel, epoch) in epochs {
        counters.entry(channel).or_default().raise_sum(own, epoch);
    }
    counters
}

fn saved(table: &KeyTable) -> Saved {
    let key = |key: &KeyEntry| SavedKey {
        number: key.number,
        id: key.id.clone(),
        state: key.state,
        key: key.master.as_ref().map(|master| master.to_text()),
        since: key.since,
        until: key.until,
        grace: key.grace,
    };
    Saved {
        format: FORMAT,
        configured: table.configured.clone(),
        keys: table.keys().iter().map(key).collect(),
        epochs: table.epochs().iter().map(|(at, it)| (at.clone(), it.sum())).collect(),
        counters: table.epochs().clone(),
        counter: Some(table.counter()),
        shared: table.is_shared(),
        revocations: table.revocations().to_vec(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn directory(name: &str) -> PathBuf {
        let path =
            std::env::temp_dir().join(format!("sealcast-keyfile-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn saved_state_round_trips() {
        let dir = directory("back");
        let file = KeyFile::of_app(&dir, "shop");
        assert!(file.load().unwrap().is_none());
        let (a, b) = (MasterKey::generate().unwrap(), MasterKey::generate().unwrap());
        let id = a.fingerprint();
        let table = KeyTable::new(a, 1).announced(b, 2, 2, 7).unwrap().activated(2).unwrap();
        let table = table.revoked("private-encrypted-x", "u", 3);
        file.save(&table).unwrap();
        let mode = std::fs::metadata(dir.join("shop.keys.json")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let back = file.load().unwrap().unwrap();
        let shown = |t: &KeyTable| {
            t.keys().iter().map(|k| (k.number, k.id.clone(), k.state, k.until)).collect::<Vec<_>>()
        };
        assert_eq!(shown(&back), shown(&table));
        assert_eq!((back.epoch("private-encrypted-x"), back.revocations().len()), (3, 1));
        file.save(&back.retired(id.as_str(), 10).unwrap()).unwrap();
        assert!(file.load().unwrap().unwrap().keys()[0].master.is_none());
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn damaged_file_is_rejected_and_not_echoed() {
        let dir = directory("damaged");
        let file = KeyFile::of_app(&dir, "shop");
        file.save(&KeyTable::new(MasterKey::generate().unwrap(), 1)).unwrap();
        let path = dir.join("shop.keys.json");
        let good = std::fs::read_to_string(&path).unwrap();
        let key = good.split("\"base64:").nth(1).unwrap().split('"').next().unwrap();
        let other = MasterKey::generate().unwrap().to_text();
        for bad in [
            good[..good.len() / 2].to_owned(),
            good.replace("active", "grace"),
            good.replace(&format!("base64:{key}"), &other),
            good.replace("\"format\": 1", "\"format\": 2"),
            String::new(),
        ] {
            std::fs::write(&path, &bad).unwrap();
            let error = file.load().err().unwrap_or_else(|| panic!("{bad}")).to_string();
            assert!(!error.contains(&key[..20]), "{error}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn unreadable_file_is_not_treated_as_missing() {
        let dir = directory("unseen");
        assert!(KeyFile::of_app(&dir, "shop").load().unwrap().is_none());
        std::fs::remove_dir(&dir).unwrap();
        std::os::unix::fs::symlink(&dir, &dir).unwrap();
        assert!(KeyFile::of_app(&dir, "shop").load().is_err());
        std::fs::remove_file(&dir).unwrap();
    }

    #[test]
    fn f3_small_epochs_of_older_files_continue() {
        let dir = directory("epochs");
        let file = KeyFile::of_app(&dir, "shop");
        let table = KeyTable::new(MasterKey::generate().unwrap(), 1).revoked("c", "u", 1);
        file.save(&table).unwrap();
        let path = dir.join("shop.keys.json");
        let text = std::fs::read_to_string(&path).unwrap();
        let with = |epoch: &str| text.replace("\"c\": 1", &format!("\"c\": {epoch}"));
        std::fs::write(&path, with("4294967295")).unwrap();
        let old = file.load().unwrap().unwrap();
        assert_eq!(old.epoch("c"), u64::from(u32::MAX));
        file.save(&old.revoked("c", "v", 7)).unwrap();
        assert_eq!(file.load().unwrap().unwrap().epoch("c"), 1 << 32);
        for bad in ["18446744073709551615", "18446744073709551616", "-1", "1.5", "\"1\""] {
            std::fs::write(&path, with(bad)).unwrap();
            assert!(file.load().is_err(), "{bad}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }

    /// A full disk is tested in `tests/it/full_disk.rs`.
    #[test]
    fn failed_write_keeps_the_old_file() {
        let dir = directory("kept");
        let file = KeyFile::of_app(&dir, "shop");
        let table = KeyTable::new(MasterKey::generate().unwrap(), 1);
        file.save(&table).unwrap();
        drop(file.stage(&table.revoked("c", "u", 2)).unwrap());
        assert_eq!(file.load().unwrap().unwrap().epoch("c"), 0);
        assert_eq!(std::fs::read_dir(&dir).unwrap().count(), 1);
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
