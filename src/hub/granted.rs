//! The authorization cache of one connection, kept by its worker.
//!
//! A signature carries no expiry: a client could leave and join with it again and again. So limited
//! authorizations stay in the cache for the life of the connection, even after they expire. For
//! sealed channels the cache keeps the user and the time of the decision as well, because the user
//! may be revoked later.

use std::{collections::HashMap, sync::Arc};

use super::directory::TopicId;
use crate::{
    auth::{Abilities, access::TokenId, revoked::Revocation},
    clock::KnownAsOf,
    crypto::keytable::{UnixSeconds, Version},
};

/// The limits of an authorization.
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

/// The user of an authorization, and the time of the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grantee {
    /// `None` if the authorizer named no user.
    pub user: Option<Arc<str>>,
    pub as_of: KnownAsOf,
}

struct Granted {
    grantee: Grantee,
    /// The version of the secret issued with it.
    version: Option<Version>,
    bounds: Bounds,
    /// The user was revoked since.
    revoked: bool,
    /// Set while the client is subscribed.
    topic: Option<TopicId>,
    /// The client has joined with it.
    used: bool,
    /// A renewal nudge was sent.
    nudged: bool,
    /// Half of its lifetime, in seconds.
    half_life: u64,
}

/// The reason for which a subscription ended with its authorization.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ended {
    /// The app revoked the user's access to the channel.
    Removed,
    Expired,
    TokenRevoked,
}

/// The reason for which the cache refuses a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotGranted {
    /// The authorization expired or was evicted: the client has to ask the auth endpoint again.
    AskAgain,
    /// The user was revoked, and no later authorization exists.
    Revoked,
}

/// The maximum of authorizations and revocations for channels that the connection has not joined.
const MOST: usize = 1000;

#[derive(Default)]
pub struct GrantBook {
    all: HashMap<Arc<str>, Granted>,
    /// Entries were evicted: a missing one may have expired or been revoked.
    forgetful: bool,
    /// The time of the next expiry or renewal.
    pub due: Option<UnixSeconds>,
}

/// The authorization with which a subscription begins.
pub struct Taken {
    pub version: Option<Version>,
    pub grantee: Grantee,
    /// The access token that it was given for.
    pub token: Option<TokenId>,
}

/// Seconds before expiry at which a client is asked to renew, at least; the spread is added at
/// random, so that clients that came together do not ask together.
const LEAD: u64 = 10;
const LEAD_SPREAD: u64 = 20;

impl GrantBook {
    /// False if the cache is full.
    #[must_use]
    pub fn may_add(&mut self, name: &str) -> bool {
        if self.all.len() < MOST || self.all.contains_key(name) {
            return true;
        }
        self.make_room();
        self.not_joined() < MOST
    }

    /// Evicts authorizations of channels that the client has left: when it comes back, it asks
    /// again.
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

    /// The newest authorization replaces the earlier one, for a live subscription as well.
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
        // An authorization without a user does not change the user.
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

    /// The authorization for a channel that the client is about to join. `None` if our auth
    /// endpoint recorded none: the backend signed, or it was unlimited and the channel is not
    /// sealed here.
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

    /// Invalidates every earlier authorization for the channel, including those without a record
    /// here.
    pub fn revoke(&mut self, name: &Arc<str>) {
        if !self.all.contains_key(name) {
            self.make_room();
        }
        let granted = self.all.entry(name.clone()).or_insert_with(Granted::by_others);
        granted.revoked = true;
        granted.end();
        self.plan();
    }

    /// True if the connection's user was revoked and has no later authorization.
    pub fn is_revoked(&self, name: &str) -> bool {
        self.all.get(name).is_some_and(|granted| granted.revoked)
    }

    pub fn abilities(&self, name: &str) -> Abilities {
        self.all.get(name).map_or(Abilities::ALL, |granted| granted.bounds.abilities)
    }

    /// Ends expired authorizations and returns the subscriptions that depend on them.
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

    /// Subscriptions to sealed channels that are about to expire; each is returned once.
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
    /// A signature of the app's backend, which states neither user nor time.
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
