//! Recent decisions, by credentials and channel.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::{Decision, TimedDecision};
use crate::domain::time::UnixSeconds;

/// A hash, so that neither cookies nor tokens are kept.
#[derive(PartialEq, Eq, Hash, Clone, Copy, Debug)]
pub struct CacheKey([u8; 32]);

/// Bounded in bytes, and so in entries: each counts for at least `MIN_ENTRY_BYTES`.
pub struct DecisionCache {
    /// `None` if decisions are not cached.
    kept: Option<Cache<CacheKey, TimedDecision>>,
    /// Time of the latest revocation. Decisions requested earlier are not cached: one in flight at
    /// that moment would restore revoked access.
    last_revocation: AtomicU64,
}

const MAX_BYTES: u64 = 16 * 1024 * 1024;
const MIN_ENTRY_BYTES: u32 = 4 * 1024;

impl CacheKey {
    /// `None` without credentials: the app may distinguish such clients by something the server
    /// does not see.
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

impl DecisionCache {
    /// `life`: how long a decision is cached.
    pub fn new(life: Duration) -> Self {
        let kept = (!life.is_zero()).then(|| {
            let weight = |_: &CacheKey, kept: &TimedDecision| kept.decision.weight();
            Cache::builder().max_capacity(MAX_BYTES).weigher(weight).time_to_live(life).build()
        });
        Self { kept, last_revocation: AtomicU64::new(0) }
    }

    pub fn get(&self, key: &CacheKey) -> Option<TimedDecision> {
        self.kept.as_ref()?.get(key)
    }

    pub fn put(&self, key: CacheKey, decided: &TimedDecision) {
        let Some(kept) = &self.kept else { return };
        if !self.is_current(decided) {
            return;
        }
        kept.insert(key, decided.clone());
        // A revocation between the two may have missed the entry. One after this line finds it.
        if !self.is_current(decided) {
            kept.invalidate(&key);
        }
    }

    fn is_current(&self, decided: &TimedDecision) -> bool {
        decided.as_of.is_after(self.last_revocation.load(Ordering::SeqCst))
    }

    /// Drops decisions about the user and about none, which may be about any user. Readers do not
    /// wait for the walk over all entries.
    pub fn forget(&self, user: &str, revoked_at: UnixSeconds) {
        self.last_revocation.fetch_max(revoked_at, Ordering::SeqCst);
        let Some(kept) = &self.kept else { return };
        for (key, decided) in kept {
            if decided.decision.user_id.as_deref().is_none_or(|other| other == user) {
                kept.invalidate(&*key);
            }
        }
    }
}

impl Decision {
    /// Bytes in the cache, roughly. An answer has at most `MAX_RESPONSE_BYTES`.
    fn weight(&self) -> u32 {
        let texts = self.watchlist.iter().chain(self.allow.iter().flatten()).chain(&self.user_id);
        let bytes = texts.map(|text| text.len() + size_of::<String>()).sum::<usize>();
        let info = self.user_info.as_ref().map_or(0, value_bytes);
        u32::try_from(bytes + info).unwrap_or(u32::MAX).max(MIN_ENTRY_BYTES)
    }
}

/// Parsed, small values take much more room than their text.
fn value_bytes(value: &serde_json::Value) -> usize {
    use serde_json::Value;

    size_of::<Value>()
        + match value {
            Value::String(text) => text.len(),
            Value::Array(list) => list.iter().map(value_bytes).sum(),
            Value::Object(map) => {
                map.iter().map(|(name, value)| 64 + name.len() + value_bytes(value)).sum()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => 0,
        }
}

#[cfg(test)]
mod tests {
    use super::{super::Decision, *};
    use crate::platform::clock::{ClockReading, KnownAsOf};

    fn key(credentials: &[(&str, &str)], channel: Option<&str>) -> Option<CacheKey> {
        let owned: Vec<_> =
            credentials.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        CacheKey::of(&owned, channel)
    }

    #[test]
    fn cache_keys_separate_users_and_channels() {
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

    fn decided(user: Option<&str>, asked: UnixSeconds) -> TimedDecision {
        let user_id = user.map(str::to_owned);
        let decision = Decision { user_id, ..Decision::default() };
        TimedDecision { decision, as_of: KnownAsOf::now(ClockReading::at(asked)), until: Some(5) }
    }

    fn cache() -> DecisionCache {
        DecisionCache::new(Duration::from_secs(60))
    }

    #[test]
    fn expired_answers_are_not_returned() {
        let (key, decided) = (key(&[("a", "b")], None).unwrap(), decided(None, 100));
        let never = DecisionCache::new(Duration::ZERO);
        never.put(key, &decided);
        assert!(never.get(&key).is_none());
        let cache = cache();
        cache.put(key, &decided);
        assert_eq!(cache.get(&key), Some(decided.clone()));
        let short = DecisionCache::new(Duration::from_millis(1));
        short.put(key, &decided);
        while short.get(&key).is_some() {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    #[test]
    fn age_of_an_answer_counts_from_its_request() {
        let (cache, key) = (cache(), key(&[("a", "b")], None).unwrap());
        cache.put(key, &decided(Some("u"), 100));
        for _ in 0..3 {
            let as_of = cache.get(&key).expect("it is kept").as_of;
            assert!(as_of.is_after(99) && !as_of.is_after(100));
        }
    }

    #[test]
    fn revocation_drops_answers_about_the_user_or_without_one() {
        let cache = cache();
        let keys = ["u", "v", "nobody"].map(|name| key(&[("a", name)], Some("c")).unwrap());
        for (key, user) in keys.iter().zip([Some("u"), Some("v"), None]) {
            cache.put(*key, &decided(user, 100));
        }
        cache.forget("u", 101);
        let kept = keys.map(|key| cache.get(&key).is_some());
        assert_eq!(kept, [false, true, false]);
    }

    #[test]
    fn answer_in_flight_during_a_revocation_is_not_cached() {
        let (cache, key) = (cache(), key(&[("a", "b")], None).unwrap());
        cache.forget("u", 100);
        cache.forget("u", 90);
        for (asked, is_kept) in [(99, false), (100, false), (101, true)] {
            cache.put(key, &decided(Some("u"), asked));
            assert_eq!(cache.get(&key).is_some(), is_kept, "{asked}");
        }
    }

    /// Revocations and answers at the same time: no answer from before stays.
    #[test]
    fn no_stale_answer_survives_a_race() {
        let cache = cache();
        let keys: Vec<_> = (0..200).map(|n| key(&[("a", &n.to_string())], None).unwrap()).collect();
        std::thread::scope(|scope| {
            for part in keys.chunks(50) {
                let cache = &cache;
                scope.spawn(move || {
                    part.iter().for_each(|key| cache.put(*key, &decided(Some("u"), 100)));
                });
            }
            (0..20).for_each(|_| cache.forget("u", 100));
        });
        assert!(keys.iter().all(|key| cache.get(key).is_none()));
    }

    #[test]
    fn entries_and_bytes_are_bounded() {
        let cache = cache();
        let info = serde_json::Value::String("x".repeat(8 * 1024));
        let large = Decision { user_info: Some(info), ..Decision::default() };
        let large = TimedDecision { decision: large, ..decided(None, 100) };
        let small = decided(Some("u"), 100);
        for (decided, most) in [(&small, 4096), (&large, 2048)] {
            for n in 0..6000 {
                cache.put(key(&[("a", &n.to_string())], None).unwrap(), decided);
            }
            let kept = cache.kept.as_ref().unwrap();
            kept.run_pending_tasks();
            assert!((1..=most).contains(&kept.entry_count()), "{}", kept.entry_count());
        }
    }
}
