//! Recent decisions, by credentials and channel.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use parking_lot::Mutex;
use sha2::{Digest, Sha256};

use super::Decided;
use crate::crypto::keytable::UnixSeconds;

/// A hash, so that neither cookies nor tokens are kept.
#[derive(PartialEq, Eq, Hash, Clone, Copy, Debug)]
pub struct Key([u8; 32]);

#[derive(Default)]
pub struct Cache(Mutex<State>);

#[derive(Default)]
struct State {
    kept: HashMap<Key, Kept>,
    /// Time of the latest revocation. Decisions requested earlier are not cached: one in flight at
    /// that moment would restore revoked access.
    last_revocation: UnixSeconds,
}

struct Kept {
    decided: Decided,
    dropped: Instant,
}

const MOST: usize = 4096;

impl Key {
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
    pub fn get(&self, key: &Key) -> Option<Decided> {
        let state = self.0.lock();
        let kept = state.kept.get(key).filter(|kept| Instant::now() < kept.dropped)?;
        Some(kept.decided.clone())
    }

    pub fn put(&self, key: Key, decided: &Decided, life: Duration) {
        if life.is_zero() {
            return;
        }
        let now = Instant::now();
        let mut state = self.0.lock();
        if !decided.as_of.is_after(state.last_revocation) {
            return;
        }
        if state.kept.len() >= MOST {
            state.kept.retain(|_, kept| now < kept.dropped);
        }
        if state.kept.len() < MOST {
            state.kept.insert(key, Kept { decided: decided.clone(), dropped: now + life });
        }
    }

    /// A decision without a user may be about any user.
    pub fn forget(&self, user: &str, revoked_at: UnixSeconds) {
        let mut state = self.0.lock();
        state.last_revocation = state.last_revocation.max(revoked_at);
        let is_other = |kept: &Kept| {
            kept.decided.decision.user_id.as_deref().is_some_and(|other| other != user)
        };
        state.kept.retain(|_, kept| is_other(kept));
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Decision, *};
    use crate::clock::{KnownAsOf, Now};

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

    fn decided(user: Option<&str>, asked: UnixSeconds) -> Decided {
        let user_id = user.map(str::to_owned);
        let decision = Decision { user_id, ..Decision::default() };
        Decided { decision, as_of: KnownAsOf::now(Now::at(asked)), until: Some(5) }
    }

    const LIFE: Duration = Duration::from_secs(60);

    #[test]
    fn what_is_old_is_not_given() {
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
    fn an_answer_is_as_old_as_its_question_however_often_it_is_given() {
        let (cache, key) = (Cache::default(), key(&[("a", "b")], None).unwrap());
        cache.put(key, &decided(Some("u"), 100), LIFE);
        for _ in 0..3 {
            let as_of = cache.get(&key).expect("it is kept").as_of;
            assert!(as_of.is_after(99) && !as_of.is_after(100));
        }
    }

    #[test]
    fn a_revocation_drops_what_is_kept_for_the_user_and_for_nobody_by_name() {
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
    fn an_answer_that_was_under_way_at_a_revocation_is_not_kept() {
        let (cache, key) = (Cache::default(), key(&[("a", "b")], None).unwrap());
        cache.forget("u", 100);
        cache.forget("u", 90);
        for (asked, is_kept) in [(99, false), (100, false), (101, true)] {
            cache.put(key, &decided(Some("u"), asked), LIFE);
            assert_eq!(cache.get(&key).is_some(), is_kept, "{asked}");
        }
    }
}
