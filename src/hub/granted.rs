//! What our auth endpoint has said of one connection and one channel, as its worker remembers it.
//!
//! A signature says nothing of an end: the client could leave and join with it again and again. So what
//! is bounded is remembered for as long as the connection lives, also when its time is over; and so is
//! for whom, and as of when, a channel that is sealed here was granted: they may be taken off it.

use std::{collections::HashMap, sync::Arc};

use super::directory::TopicId;
use crate::{
    auth::{Abilities, access::TokenId, revoked::Revocation},
    clock::KnownAsOf,
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

/// For whom a channel was granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grantee {
    /// As far as the authorizer knows.
    pub user: Option<Arc<str>>,
    pub as_of: KnownAsOf,
}

struct Granted {
    grantee: Grantee,
    /// Of the secret that was given out with it.
    version: Option<Version>,
    bounds: Bounds,
    /// The user has been taken off the channel since.
    revoked: bool,
    /// While the client is subscribed.
    topic: Option<TopicId>,
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
    /// The configuration has made its name one to publish on, and no channel (sealing_alias).
    BecameAlias,
}

/// Why a channel is not to be joined with what was granted before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotGranted {
    /// The authorization is over, or was forgotten: the client has to ask again.
    AskAgain,
    /// The user has been taken off the channel, and nothing has been granted since.
    Revoked,
}

/// Authorizations, and revocations, that one connection may have for channels that it has not joined.
const MOST: usize = 1000;

#[derive(Default)]
pub struct GrantBook {
    all: HashMap<Arc<str>, Granted>,
    /// Some are no longer in the book: what it does not have may have been over, or revoked.
    forgetful: bool,
    /// When the next of them is to be looked at.
    pub due: Option<UnixSeconds>,
}

/// What a subscription begins with.
pub struct Taken {
    pub version: Option<Version>,
    pub grantee: Grantee,
    /// The access token that it was given for.
    pub token: Option<TokenId>,
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
        self.make_room();
        self.not_joined() < MOST
    }

    /// Those that were left give way: whoever comes back to their channels asks again.
    fn make_room(&mut self) {
        if self.not_joined() >= MOST {
            let before = self.all.len();
            self.all.retain(|_, granted| granted.topic.is_some() || !granted.used);
            self.forgetful |= self.all.len() < before;
        }
    }

    fn not_joined(&self) -> usize {
        self.all.values().filter(|granted| granted.topic.is_none()).count()
    }

    /// The newest word counts, also for a subscription that runs.
    pub fn add(
        &mut self,
        name: Arc<str>,
        mut grantee: Grantee,
        version: Option<Version>,
        bounds: Bounds,
        now: UnixSeconds,
    ) {
        let before = self.all.get(&name);
        let topic = before.and_then(|before| before.topic);
        let used = topic.is_some();
        // Asking once more without a name makes nobody somebody else.
        grantee.user =
            grantee.user.or_else(|| before.and_then(|before| before.grantee.user.clone()));
        if version.is_none() && bounds.are_none() {
            self.all.remove(&name);
            return;
        }
        let half_life = bounds.expires.map_or(0, |expires| expires.saturating_sub(now) / 2);
        let had_an_end = before.is_some_and(|before| before.bounds.expires.is_some());
        let plan = had_an_end || bounds.expires.is_some();
        let (revoked, nudged) = (false, false);
        let granted = Granted { grantee, version, bounds, revoked, topic, used, nudged, half_life };
        self.all.insert(name, granted);
        if plan {
            self.plan();
        }
    }

    /// What the client was given for a channel that it is about to join. `None` if our endpoint gave it
    /// nothing that it has to remember: the application's backend signed, or the channel is not sealed
    /// here and the authorization was unlimited.
    pub fn take(&self, name: &str, now: UnixSeconds) -> Result<Option<Taken>, NotGranted> {
        match self.all.get(name) {
            None if self.forgetful => Err(NotGranted::AskAgain),
            None => Ok(None),
            Some(granted) if granted.revoked => Err(NotGranted::Revoked),
            Some(granted) if granted.is_over(now) => Err(NotGranted::AskAgain),
            Some(Granted { version, grantee, bounds, .. }) => Ok(Some(Taken {
                version: *version,
                grantee: grantee.clone(),
                token: bounds.token.clone(),
            })),
        }
    }

    pub fn joined(&mut self, name: &str, topic: TopicId) {
        if let Some(granted) = self.all.get_mut(name) {
            (granted.topic, granted.used) = (Some(topic), true);
            if granted.bounds.expires.is_some() {
                self.plan();
            }
        }
    }

    pub fn left(&mut self, name: &str) {
        if let Some(granted) = self.all.get_mut(name) {
            granted.topic = None;
        }
    }

    /// What was given for the channel before is worth nothing from here on, whoever gave it: that there
    /// is no record of it does not make it good.
    pub fn revoke(&mut self, name: &Arc<str>) {
        if !self.all.contains_key(name) {
            self.make_room();
        }
        let granted = self.all.entry(name.clone()).or_insert_with(Granted::by_others);
        granted.revoked = true;
        granted.end();
        self.plan();
    }

    /// Whether the connection's user was taken off the channel, and no newer word has come since.
    pub fn is_revoked(&self, name: &str) -> bool {
        self.all.get(name).is_some_and(|granted| granted.revoked)
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
                Revocation::User(user) => *token.user == **user && !token.issued.is_after(at),
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
    /// What the application's backend has signed, which says neither for whom nor when.
    fn by_others() -> Self {
        Self {
            grantee: Grantee { user: None, as_of: KnownAsOf::NEVER },
            version: None,
            bounds: Bounds::NONE,
            revoked: false,
            topic: None,
            used: true,
            nudged: false,
            half_life: 0,
        }
    }

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
mod tests;
