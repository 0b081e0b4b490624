//! What our auth endpoint has said of one connection and one channel, as its worker remembers it.
//!
//! A signature says nothing of an end: the client could leave and join with it again and again. So what
//! is bounded is remembered for as long as the connection lives, also when its time is over.

use std::{collections::HashMap, sync::Arc};

use super::directory::TopicId;
use crate::{
    auth::{Abilities, access::TokenId, revoked::Revocation},
    crypto::keytable::{UnixSeconds, Version},
};

/// How far an authorization goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bounds {
    pub expires: Option<UnixSeconds>,
    pub abilities: Abilities,
    /// The access token that it was given for.
    pub token: Option<TokenId>,
}

impl Bounds {
    pub const NONE: Self = Self { expires: None, abilities: Abilities::ALL, token: None };

    pub fn are_none(&self) -> bool {
        *self == Self::NONE
    }
}

pub struct Granted {
    /// Of the secret that was given out with it.
    pub version: Option<Version>,
    pub user: Option<Arc<str>>,
    pub bounds: Bounds,
    /// While the client is subscribed.
    pub topic: Option<TopicId>,
    /// It has been subscribed.
    used: bool,
    /// The client has been made to ask again.
    nudged: bool,
    /// Half of the time that it was given for.
    half_life: u64,
}

/// That a subscription with it is over, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The application has taken the user off the channel.
    Removed,
    Expired,
    TokenRevoked,
}

/// The authorization is over, or was forgotten: the client has to ask again.
#[derive(Debug, PartialEq, Eq)]
pub struct AskAgain;

/// Authorizations that one connection may be given for channels that it has not joined.
const MOST: usize = 1000;

#[derive(Default)]
pub struct GrantBook {
    all: HashMap<Arc<str>, Granted>,
    /// Some that were bounded are no longer in the book, so that who is not may have been.
    forgetful: bool,
    /// When the next of them is to be looked at.
    pub due: Option<UnixSeconds>,
}

/// What a subscription begins with.
pub struct Taken {
    pub version: Option<Version>,
    pub user: Option<Arc<str>>,
}

/// How long before its end a client is made to ask again, at least; and up to how much more, so that
/// clients that came together do not ask together.
const LEAD: u64 = 10;
const LEAD_SPREAD: u64 = 20;

impl GrantBook {
    /// False if there is no room.
    #[must_use]
    pub fn may_add(&mut self, name: &str) -> bool {
        if self.all.len() < MOST || self.all.contains_key(name) {
            return true;
        }
        if self.not_joined() >= MOST {
            // Those that were left first: whoever comes back to their channels asks again.
            let before = self.all.len();
            self.all.retain(|_, granted| granted.topic.is_some() || !granted.used);
            self.forgetful |= self.all.len() < before;
        }
        self.not_joined() < MOST
    }

    fn not_joined(&self) -> usize {
        self.all.values().filter(|granted| granted.topic.is_none()).count()
    }

    /// The newest word counts, also for a subscription that runs.
    pub fn add(
        &mut self,
        name: Arc<str>,
        version: Option<Version>,
        user: Option<Arc<str>>,
        bounds: Bounds,
        now: UnixSeconds,
    ) {
        let topic = self.all.get(&name).and_then(|before| before.topic);
        let used = topic.is_some();
        if version.is_none() && bounds.are_none() {
            self.all.remove(&name);
            return;
        }
        let half_life = bounds.expires.map_or(0, |expires| expires.saturating_sub(now) / 2);
        let granted = Granted { version, user, bounds, topic, used, nudged: false, half_life };
        self.all.insert(name, granted);
        self.plan();
    }

    /// What the client was given for a channel that it is about to join. Nothing, if it was our
    /// endpoint that signed for it.
    pub fn take(&mut self, name: &str, now: UnixSeconds) -> Result<Option<Taken>, AskAgain> {
        let Some(granted) = self.all.get_mut(name) else {
            return if self.forgetful { Err(AskAgain) } else { Ok(None) };
        };
        if granted.is_over(now) {
            return Err(AskAgain);
        }
        let taken = Taken { version: granted.version, user: granted.user.clone() };
        if granted.bounds.are_none() {
            self.all.remove(name);
        }
        Ok(Some(taken))
    }

    pub fn joined(&mut self, name: &str, topic: TopicId) {
        if let Some(granted) = self.all.get_mut(name) {
            (granted.topic, granted.used) = (Some(topic), true);
            self.plan();
        }
    }

    pub fn left(&mut self, name: &str) {
        if let Some(granted) = self.all.get_mut(name) {
            granted.topic = None;
        }
    }

    /// What was given for the channel before is worth nothing from here on.
    pub fn revoke(&mut self, name: &str) {
        if self.all.get(name).is_some_and(|granted| granted.bounds.are_none()) {
            self.all.remove(name);
        }
        if let Some(granted) = self.all.get_mut(name) {
            granted.end();
        }
    }

    pub fn abilities(&self, name: &str) -> Abilities {
        self.all.get(name).map_or(Abilities::ALL, |granted| granted.bounds.abilities)
    }

    /// Ends those that are over, and names what is subscribed by them.
    pub fn expire(&mut self, now: UnixSeconds) -> Vec<(Arc<str>, TopicId)> {
        self.end_all(|granted| granted.is_over(now))
    }

    pub fn revoke_tokens(
        &mut self,
        which: &Revocation,
        at: UnixSeconds,
    ) -> Vec<(Arc<str>, TopicId)> {
        self.end_all(|granted| {
            granted.bounds.token.as_ref().is_some_and(|token| match which {
                Revocation::Token(jti) => *token.jti == **jti,
                Revocation::User(user) => *token.user == **user && token.issued <= at,
            })
        })
    }

    fn end_all(&mut self, over: impl Fn(&Granted) -> bool) -> Vec<(Arc<str>, TopicId)> {
        let mut ended = Vec::new();
        for (name, granted) in self.all.iter_mut().filter(|(_, granted)| over(granted)) {
            ended.extend(granted.topic.map(|topic| (name.clone(), topic)));
            granted.end();
        }
        self.plan();
        ended
    }

    /// Subscriptions to sealed channels that are about to end, each once.
    pub fn to_nudge(&mut self, now: UnixSeconds, jitter: u64) -> Vec<TopicId> {
        let lead = LEAD + jitter % LEAD_SPREAD;
        let mut topics = Vec::new();
        for granted in self.all.values_mut() {
            if let (Some(topic), Some(at)) = (granted.topic, granted.nudge_at(lead))
                && at <= now
            {
                granted.nudged = true;
                topics.push(topic);
            }
        }
        self.plan();
        topics
    }

    fn plan(&mut self) {
        let subscribed = self.all.values().filter(|granted| granted.topic.is_some());
        let next =
            |granted: &Granted| granted.nudge_at(LEAD + LEAD_SPREAD).or(granted.bounds.expires);
        self.due = subscribed.filter_map(next).min();
    }
}

impl Granted {
    fn is_over(&self, now: UnixSeconds) -> bool {
        self.bounds.expires.is_some_and(|expires| expires <= now)
    }

    fn end(&mut self) {
        (self.bounds.expires, self.topic) = (Some(0), None);
    }

    fn nudge_at(&self, lead: u64) -> Option<UnixSeconds> {
        let expires = self.bounds.expires.filter(|_| self.version.is_some() && !self.nudged)?;
        Some(expires.saturating_sub(lead.min(self.half_life)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOPIC: TopicId = TopicId(7);
    const SEALED: Option<Version> = Some(Version { key: 1, epoch: 0 });

    fn until(expires: u64) -> Bounds {
        Bounds { expires: Some(expires), ..Bounds::NONE }
    }

    fn name(text: &str) -> Arc<str> {
        text.into()
    }

    #[test]
    fn what_was_bounded_stays_bounded() {
        let mut book = GrantBook::default();
        assert!(matches!(book.take("a", 1), Ok(None)));
        book.add(name("a"), None, None, until(100), 1);
        assert!(matches!(book.take("a", 99), Ok(Some(_))));
        book.joined("a", TOPIC);
        assert_eq!(book.due, Some(100));
        assert_eq!(book.expire(99), []);
        assert_eq!(book.expire(100), [(name("a"), TOPIC)]);
        assert_eq!((book.expire(101), book.due), (vec![], None));
        assert_eq!(book.take("a", 50).err(), Some(AskAgain));
        book.add(name("a"), None, None, until(200), 1);
        assert!(matches!(book.take("a", 150), Ok(Some(_))));
        book.joined("a", TOPIC);
        book.left("a");
        assert_eq!(book.expire(200), []);
        assert_eq!(book.take("a", 200).err(), Some(AskAgain));
        book.add(name("a"), None, None, Bounds::NONE, 1);
        assert!(matches!(book.take("a", 500), Ok(None)));
    }

    #[test]
    fn a_newer_word_counts_for_a_subscription_that_runs() {
        let mut book = GrantBook::default();
        book.add(name("a"), SEALED, None, until(100), 1);
        book.joined("a", TOPIC);
        assert_eq!(book.due, Some(70));
        assert_eq!(book.to_nudge(89, 0), []);
        assert_eq!(book.to_nudge(90, 0), [TOPIC]);
        assert_eq!((book.to_nudge(91, 0), book.due), (vec![], Some(100)));
        book.add(name("a"), SEALED, None, until(300), 1);
        assert_eq!((book.expire(100), book.due), (vec![], Some(270)));
        book.add(name("a"), SEALED, None, Bounds::NONE, 1);
        assert_eq!((book.expire(900), book.due), (vec![], None));
        // A short life is asked for anew in its middle.
        book.add(name("a"), SEALED, None, until(11), 1);
        assert_eq!((book.to_nudge(5, 0), book.to_nudge(6, 0)), (vec![], vec![TOPIC]));
    }

    #[test]
    fn revocation_ends_what_a_token_was_given() {
        let token = |jti: &str, issued| {
            let token = TokenId { jti: jti.into(), user: "u".into(), issued };
            Bounds { token: Some(token), ..Bounds::NONE }
        };
        let mut book = GrantBook::default();
        book.add(name("a"), None, None, token("j1", 10), 1);
        book.add(name("b"), None, None, token("j2", 20), 1);
        book.joined("a", TOPIC);
        assert_eq!(book.revoke_tokens(&Revocation::User("v".into()), 99), []);
        assert_eq!(book.revoke_tokens(&Revocation::Token("j1".into()), 99), [(name("a"), TOPIC)]);
        assert_eq!(book.take("a", 1).err(), Some(AskAgain));
        assert!(book.take("b", 1).is_ok());
        assert_eq!(book.revoke_tokens(&Revocation::User("u".into()), 19), []);
        assert!(book.take("b", 1).is_ok());
        assert_eq!(book.revoke_tokens(&Revocation::User("u".into()), 20), []);
        assert_eq!(book.take("b", 1).err(), Some(AskAgain));
    }

    #[test]
    fn a_full_book_forgets_what_was_left_and_remembers_that_it_did() {
        let mut book = GrantBook::default();
        for index in 0..MOST {
            let name = name(&index.to_string());
            assert!(book.may_add(&name));
            book.add(name.clone(), None, None, until(100), 1);
            if index < 10 {
                book.joined(&name, TOPIC);
                book.left(&name);
            }
        }
        assert!(book.may_add("0"));
        assert!(matches!(book.take("nobody", 1), Ok(None)));
        assert!(book.may_add("next"));
        assert_eq!(book.take("0", 1).err(), Some(AskAgain));
        assert_eq!(book.take("nobody", 1).err(), Some(AskAgain));
        for index in 0..10 {
            book.add(name(&format!("more {index}")), None, None, until(100), 1);
        }
        assert!(!book.may_add("next"));
    }
}
