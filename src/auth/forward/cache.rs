//! Decisions that were made a moment ago, for the same credentials and the same channel.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::Decision;

/// A hash: neither cookies nor tokens are kept.
#[derive(PartialEq, Eq, Hash, Clone, Copy, Debug)]
pub struct Key([u8; 32]);

#[derive(Default)]
pub struct Cache(Mutex<HashMap<Key, Kept>>);

struct Kept {
    decision: Decision,
    /// Seconds since 1970, if the decision itself ends.
    until: Option<u64>,
    dropped: Instant,
}

const MOST: usize = 4096;

impl Key {
    /// `None` for who shows nothing: the application may tell such clients apart by what we do not see.
    pub fn of(credentials: &[(String, String)], channel: Option<&str>) -> Option<Self> {
        if credentials.is_empty() {
            return None;
        }
        let mut hash = Sha256::new();
        let mut part = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        };
        credentials.iter().for_each(|(name, value)| {
            part(name);
            part(value);
        });
        channel.into_iter().for_each(part);
        Some(Self(hash.finalize().into()))
    }
}

impl Cache {
    pub fn get(&self, key: &Key) -> Option<(Decision, Option<u64>)> {
        let kept = self.0.lock();
        let kept = kept.get(key).filter(|kept| Instant::now() < kept.dropped)?;
        Some((kept.decision.clone(), kept.until))
    }

    pub fn put(&self, key: Key, decision: &Decision, until: Option<u64>, life: Duration) {
        if life.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut kept = self.0.lock();
        if kept.len() >= MOST {
            kept.retain(|_, kept| now < kept.dropped);
        }
        if kept.len() < MOST {
            let decision = decision.clone();
            kept.insert(key, Kept { decision, until, dropped: now + life });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(credentials: &[(&str, &str)], channel: Option<&str>) -> Option<Key> {
        let owned: Vec<_> =
            credentials.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Key::of(&owned, channel)
    }

    #[test]
    fn keys_tell_users_and_channels_apart() {
        let keys = [
            key(&[("cookie", "a=1")], Some("c")),
            key(&[("cookie", "a=2")], Some("c")),
            key(&[("cookie", "a=1")], Some("d")),
            key(&[("cookie", "a=1")], None),
            key(&[("cookie", "a=1c")], None),
            key(&[("cookie", "a=1"), ("x", "y")], Some("c")),
            key(&[("cookiea", "=1")], Some("c")),
        ];
        let different: std::collections::HashSet<_> = keys.iter().map(|k| k.unwrap()).collect();
        assert_eq!(different.len(), keys.len());
        assert_eq!(key(&[], Some("c")), None);
    }

    #[test]
    fn what_is_old_is_not_given() {
        let (cache, key) = (Cache::default(), key(&[("a", "b")], None).unwrap());
        cache.put(key, &Decision::default(), Some(5), Duration::ZERO);
        assert!(cache.get(&key).is_none());
        cache.put(key, &Decision::default(), Some(5), Duration::from_secs(60));
        assert_eq!(cache.get(&key).unwrap().1, Some(5));
        cache.0.lock().get_mut(&key).unwrap().dropped = Instant::now();
        assert!(cache.get(&key).is_none());
    }
}
