//! The history keys: what is logged at rest is sealed with the newest; older ones stay until their
//! last record has expired.
//!
//! Without a configured key the server makes one, beside the history. It then protects copies of
//! the history alone, and not of the whole state directory.

use std::{
    collections::HashSet,
    fmt, io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{
    crypto::key::{Fingerprint, MasterKey},
    domain::time::UnixSeconds,
    platform::state_dir,
};

/// Never empty. Has no `Debug` of its contents.
#[derive(Clone)]
pub struct HistoryKeys {
    /// The newest first.
    keys: Vec<Arc<HistoryKeyEntry>>,
}

pub struct HistoryKeyEntry {
    pub key: MasterKey,
    /// Rises by one with each key that the server makes. `None`: configured.
    pub number: Option<u32>,
    pub since: Option<UnixSeconds>,
}

/// `STATE_DIR/history-keys.json`, readable by its owner alone.
pub struct HistoryKeyFile {
    path: PathBuf,
}

#[derive(Debug, thiserror::Error)]
pub enum HistoryKeyError {
    #[error(
        "the file of history keys {path} cannot be used: {reason}. Restore it from a backup; without it, the history that its keys sealed cannot be opened"
    )]
    Unusable { path: String, reason: String },
    #[error(
        "the history key cannot be written to {path}: {reason}. Make the directory writable, or configure a key (history.key)"
    )]
    Unwritable { path: String, reason: io::Error },
    #[error("the system gives no random bytes for a history key: {0}")]
    Random(#[from] getrandom::Error),
}

#[derive(Serialize, Deserialize)]
struct SavedHistoryKeys {
    format: u32,
    /// The newest first.
    keys: Vec<SavedHistoryKey>,
}

#[derive(Serialize, Deserialize)]
struct SavedHistoryKey {
    number: u32,
    id: Fingerprint,
    since: UnixSeconds,
    key: Zeroizing<String>,
}

const FORMAT: u32 = 1;

impl HistoryKeys {
    fn of(keys: impl IntoIterator<Item = HistoryKeyEntry>) -> Self {
        Self { keys: keys.into_iter().map(Arc::new).collect() }
    }

    pub fn newest(&self) -> &MasterKey {
        &self.keys.first().expect("there is a key at all times").key
    }

    pub fn newest_first(&self) -> impl Iterator<Item = &MasterKey> {
        self.keys.iter().map(|entry| &entry.key)
    }

    pub fn entries(&self) -> impl Iterator<Item = &HistoryKeyEntry> {
        self.keys.iter().map(|entry| &**entry)
    }
}

impl fmt::Debug for HistoryKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.newest_first().map(MasterKey::fingerprint)).finish()
    }
}

impl HistoryKeyFile {
    pub fn of(directory: &Path) -> Self {
        Self { path: directory.join(state_dir::HISTORY_KEYS) }
    }

    /// A configured key seals from now on, and those in the file open what they sealed. Without
    /// either a key is made.
    pub fn load(
        &self,
        configured: Option<MasterKey>,
        now: UnixSeconds,
    ) -> Result<HistoryKeys, HistoryKeyError> {
        // A file that cannot be seen must not pass for none: a new key would hide the old history.
        let found = self.parse(state_dir::read(&self.path))?;
        let configured = configured.map(|key| HistoryKeyEntry { key, number: None, since: None });
        if configured.is_none() && found.is_empty() {
            return self.make(now);
        }
        if configured.is_none() {
            self.warn();
        }
        Ok(HistoryKeys::of(configured.into_iter().chain(found)))
    }

    fn make(&self, now: UnixSeconds) -> Result<HistoryKeys, HistoryKeyError> {
        let key = MasterKey::generate()?;
        let keys = HistoryKeys::of([HistoryKeyEntry { key, number: Some(1), since: Some(now) }]);
        self.save(&keys)?;
        self.warn();
        Ok(keys)
    }

    /// A new key before all others, written before it is used.
    pub fn rotate(
        &self,
        keys: &HistoryKeys,
        now: UnixSeconds,
    ) -> Result<HistoryKeys, HistoryKeyError> {
        let number = keys.entries().filter_map(|entry| entry.number).max().unwrap_or(0) + 1;
        let key = MasterKey::generate()?;
        let newest = HistoryKeyEntry { key, number: Some(number), since: Some(now) };
        let all = [Arc::new(newest)].into_iter().chain(keys.keys.iter().cloned());
        let rotated = HistoryKeys { keys: all.collect() };
        self.save(&rotated)?;
        Ok(rotated)
    }

    /// An older key, for a file sealed with a configured key that has changed. Stays until its last
    /// record has expired.
    pub fn keep(&self, key: MasterKey, now: UnixSeconds) -> Result<(), HistoryKeyError> {
        let mut keys = self.parse(state_dir::look(&self.path))?;
        let number = keys.iter().filter_map(|entry| entry.number).max().unwrap_or(0) + 1;
        keys.retain(|entry| entry.key.fingerprint() != key.fingerprint());
        keys.push(HistoryKeyEntry { key, number: Some(number), since: Some(now) });
        self.save(&HistoryKeys::of(keys))
    }

    /// Drops the older keys that no record needs.
    pub fn retire(
        &self,
        keys: &HistoryKeys,
        used: &HashSet<[u8; 6]>,
    ) -> Result<HistoryKeys, HistoryKeyError> {
        let mut kept = keys.keys.clone();
        let newest = keys.newest().fingerprint_bytes();
        kept.retain(|entry| {
            let id = entry.key.fingerprint_bytes();
            entry.number.is_none() || id == newest || used.contains(&id)
        });
        let retired = HistoryKeys { keys: kept };
        if retired.keys.len() < keys.keys.len() {
            self.save(&retired)?;
        }
        Ok(retired)
    }

    fn warn(&self) {
        tracing::info!(
            history.keys = %self.path.display(),
            "the history key was made by the server and lies beside the history: it protects copies of the history file, but not of the whole directory. history.key keeps it elsewhere"
        );
    }

    /// For commands that change nothing. `None` without keys.
    pub fn look(&self) -> Result<Option<HistoryKeys>, HistoryKeyError> {
        let found = self.parse(state_dir::look(&self.path))?;
        Ok((!found.is_empty()).then(|| HistoryKeys::of(found)))
    }

    fn parse(
        &self,
        read: io::Result<Option<Zeroizing<Vec<u8>>>>,
    ) -> Result<Vec<HistoryKeyEntry>, HistoryKeyError> {
        let text = read.map_err(|e| self.unusable(e.to_string()))?;
        let Some(text) = text else { return Ok(Vec::new()) };
        let saved: SavedHistoryKeys = serde_json::from_slice(&text)
            .map_err(|e| self.unusable(format!("line {} is not what was written", e.line())))?;
        if saved.format != FORMAT {
            return Err(self.unusable(format!("its format {} is of another version", saved.format)));
        }
        saved.keys.into_iter().map(|key| self.entry(key)).collect()
    }

    fn entry(&self, saved: SavedHistoryKey) -> Result<HistoryKeyEntry, HistoryKeyError> {
        let SavedHistoryKey { number, id, since, key } = saved;
        let (key, _) = MasterKey::parse(&key).map_err(|e| self.unusable(e.to_string()))?;
        if key.fingerprint() != id {
            return Err(self.unusable(format!("the key {id} does not match its fingerprint")));
        }
        Ok(HistoryKeyEntry { key, number: Some(number), since: Some(since) })
    }

    /// Configured keys stay out of it: they are kept elsewhere on purpose.
    fn save(&self, keys: &HistoryKeys) -> Result<(), HistoryKeyError> {
        let saved = |entry: &HistoryKeyEntry| {
            Some(SavedHistoryKey {
                number: entry.number?,
                id: entry.key.fingerprint(),
                since: entry.since.unwrap_or_default(),
                key: entry.key.to_text(),
            })
        };
        let keys = keys.entries().filter_map(saved).collect();
        let unwritable =
            |reason| HistoryKeyError::Unwritable { path: self.path.display().to_string(), reason };
        let text = serde_json::to_vec_pretty(&SavedHistoryKeys { format: FORMAT, keys });
        let text = Zeroizing::new(text.map_err(|error| unwritable(error.into()))?);
        let staged = state_dir::stage(&self.path, &text).map_err(unwritable)?;
        staged.publish().map_err(unwritable)
    }

    fn unusable(&self, reason: String) -> HistoryKeyError {
        HistoryKeyError::Unusable { path: self.path.display().to_string(), reason }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn directory(name: &str) -> PathBuf {
        let path = std::env::temp_dir()
            .join(format!("sealcast-history-keys-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    fn ids(keys: &HistoryKeys) -> Vec<Fingerprint> {
        keys.newest_first().map(MasterKey::fingerprint).collect()
    }

    #[test]
    fn made_key_is_found_again_and_private() {
        let dir = directory("made");
        let file = HistoryKeyFile::of(&dir);
        let made = file.load(None, 7).unwrap();
        assert_eq!(ids(&file.load(None, 8).unwrap()), ids(&made));
        let path = dir.join("history-keys.json");
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        // Keys are never printed.
        let text = made.newest().to_text();
        assert!(!format!("{made:?}").contains(text.trim_start_matches("base64:")));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn configured_key_seals_and_is_never_written() {
        let dir = directory("configured");
        let file = HistoryKeyFile::of(&dir);
        let own = MasterKey::generate().unwrap();
        let (text, id) = (own.to_text(), own.fingerprint());
        let keys = file.load(Some(own), 7).unwrap();
        assert_eq!(ids(&keys), std::slice::from_ref(&id));
        assert!(!dir.join("history-keys.json").exists());
        // So does one that was configured before.
        let earlier = MasterKey::generate().unwrap();
        let earlier_id = earlier.fingerprint();
        file.keep(earlier, 7).unwrap();
        let keys = file.load(Some(MasterKey::parse(&text).unwrap().0), 7).unwrap();
        assert_eq!(ids(&keys), [id.clone(), earlier_id]);
        assert!(file.retire(&keys, &HashSet::new()).unwrap().keys.len() == 1);
        // A key made earlier still opens.
        let made = ids(&file.load(None, 7).unwrap());
        let own = MasterKey::parse(&text).unwrap().0;
        let keys = file.load(Some(own), 8).unwrap();
        assert_eq!(ids(&keys), [id, made[0].clone()]);
        let written = std::fs::read_to_string(dir.join("history-keys.json")).unwrap();
        assert!(!written.contains(text.trim_start_matches("base64:")));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn rotated_keys_stay_while_records_need_them() {
        let dir = directory("rotated");
        let file = HistoryKeyFile::of(&dir);
        let first = file.load(None, 1).unwrap();
        let second = file.rotate(&first, 2).unwrap();
        let third = file.rotate(&second, 3).unwrap();
        assert_eq!(ids(&third)[1..], ids(&second));
        assert_eq!(ids(&file.load(None, 4).unwrap()), ids(&third));
        let numbers: Vec<_> = third.entries().map(|entry| entry.number).collect();
        assert_eq!(numbers, [Some(3), Some(2), Some(1)]);
        let used = HashSet::from([first.newest().fingerprint_bytes()]);
        let left = file.retire(&third, &used).unwrap();
        assert_eq!(ids(&left), [ids(&third)[0].clone(), ids(&first)[0].clone()]);
        assert_eq!(ids(&file.load(None, 5).unwrap()), ids(&left));
        std::fs::remove_dir_all(&dir).unwrap();
    }

    #[test]
    fn damaged_file_is_rejected_and_not_echoed() {
        let dir = directory("damaged");
        let file = HistoryKeyFile::of(&dir);
        file.load(None, 1).unwrap();
        let path = dir.join("history-keys.json");
        let good = std::fs::read_to_string(&path).unwrap();
        let key = good.split("\"base64:").nth(1).unwrap().split('"').next().unwrap();
        let other = MasterKey::generate().unwrap().to_text();
        for bad in [
            good[..good.len() / 2].to_owned(),
            good.replace(&format!("base64:{key}"), &other),
            good.replace("\"format\": 1", "\"format\": 2"),
            String::new(),
        ] {
            std::fs::write(&path, &bad).unwrap();
            let error = file.load(None, 2).err().unwrap_or_else(|| panic!("{bad}")).to_string();
            assert!(!error.contains(&key[..20]) && error.contains("Restore it"), "{error}");
        }
        std::fs::remove_dir_all(&dir).unwrap();
    }
}
