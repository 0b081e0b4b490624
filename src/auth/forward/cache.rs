//! Recent decisions, by credentials and channel.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::TimedDecision;
use crate::domain::time::UnixSeconds;

/// A hash, so that neither cookies nor tokens are kept.
#[derive(PartialEq, Eq, Hash, Clone, Copy, Debug)]
pub struct CacheKey([u8; 32]);

#[derive(Default)]
pub struct Cache(Mutex<CacheState>);

#[derive(Default)]
struct CacheState {
    kept: HashMap<CacheKey, CacheEntry>,
    /// Time of the latest revocation. Decisions requested earlier are not cached: one in flight at
    /// that moment would restore revoked access.
    last_revocation: UnixSeconds,
}

struct CacheEntry {
    decided: TimedDecision,
    dropped: Instant,
}

const MAX_ENTRIES: usize = 4096;

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

impl Cache {
    pub fn get(&self, key: &CacheKey) -> Option<TimedDecision> {
        let state = self.0.lock();
        let kept = state.kept.get(key).filter(|kept| Instant::now() < kept.dropped)?;
        Some(kept.decided.clone())
    }

    pub fn put(&self, key: CacheKey, decided: &TimedDecision, life: Duration) {
        if life.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut state = self.0.lock();
        if !decided.as_of.is_after(state.last_revocation) {
            return;
        }
        if state.kept.len() >= MAX_ENTRIES {
            state.kept.retain(|_, kept| now < kept.dropped);
        }
        if state.kept.len() < MAX_ENTRIES {
            state.kept.insert(key, CacheEntry { decided: decided.clone(), dropped: now + life });
        }
    }

    /// A decision without a user may be about any user.
    pub fn forget(&self, user: &str, revoked_at: UnixSeconds) {
        let mut state = self.0.lock();
        state.last_revocation = state.last_revocation.max(revoked_at);
        let is_other = |kept: &CacheEntry| {
            kept.decided.decision.user_id.as_deref().is_some_and(|other| other != user)
        };
        state.kept.retain(|_, kept| is_other(kept));
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

    const LIFE: Duration = Duration::from_secs(60);

    #[test]
    fn expired_answers_are_not_returned() {
        let (cache, key) = (Cache::default(), key(&[("a", "b")], None).unwrap());
        let decided = decided(None, 100);
        cache.put(key, &decided, Duration::ZERO);
        assert!(cache.get(&key).is_none());
        cache.put(key, &decided, LIFE);
        assert_eq!(cache.get(&key), Some(decided));
        cache.0.lock().kept.get_mut(&key).unwrap().dropped = Instant::now();
        assert!(cache.get(&key).is_none());
    }

    #[test]
    fn age_of_an_answer_counts_from_its_request() {
        let (cache, key) = (Cache::default(), key(&[("a", "b")], None).unwrap());
        cache.put(key, &decided(Some("u"), 100), LIFE);
        for _ in 0..3 {
            let as_of = cache.get(&key).expect("it is kept").as_of;
            assert!(as_of.is_after(99) && !as_of.is_after(100));
        }
    }

    #[test]
    fn revocation_drops_answers_about_the_user_or_without_one() {
        let cache = Cache::default();
        let keys = ["u", "v", "nobody"].map(|name| key(&[("a", name)], Some("c")).unwrap());
        for (key, user) in keys.iter().zip([Some("u"), Some("v"), None]) {
            cache.put(*key, &decided(user, 100), LIFE);
        }
        cache.forget("u", 101);
        let kept = keys.map(|key| cache.get(&key).is_some());
        assert_eq!(kept, [false, true, false]);
    }

    #[test]
    fn answer_in_flight_during_a_revocation_is_not_cached() {
        let (cache, key) = (Cache::default(), key(&[("a", "b")], None).unwrap());
        cache.forget("u", 100);
        cache.forget("u", 90);
        for (asked, is_kept) in [(99, false), (100, false), (101, true)] {
            cache.put(key, &decided(Some("u"), asked), LIFE);
            assert_eq!(cache.get(&key).is_some(), is_kept, "{asked}");
        }
    }
}
