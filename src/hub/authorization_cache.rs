//! The answers of our auth endpoint to one connection, as its worker remembers them.
//!
//! A signature says nothing of an end: the client could leave and join with it again and again. So
//! the worker remembers for the life of the connection
//! * each revocation,
//! * each authorization with scope, or for a channel sealed here, with its user: in full while it
//!   is new or subscribed, and otherwise as the hash of its channel with the user.
//!
//! A channel without any of these has been given no limited authorization on this connection. A
//! full cache never forgets: the connection is closed, and all its signatures are void with it.

mod deadlines;
mod record;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    hash::BuildHasher as _,
    sync::Arc,
};

use deadlines::Deadlines;
use record::{AuthorizationEntry, AuthorizationUsage, MAX_LEAD, lead};

use super::record::TopicId;
use crate::{
    auth::{Abilities, access::TokenId, revoked::TokenRevocation},
    crypto::keytable::Version,
    domain::time::UnixSeconds,
    platform::clock::KnownAsOf,
};

/// The limits of an authorization.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationScope {
    pub expires: Option<UnixSeconds>,
    pub abilities: Abilities,
    /// The access token that it was given for.
    pub token: Option<TokenId>,
}

impl AuthorizationScope {
    /// What a signature of the application's own backend gives.
    pub const UNRESTRICTED: Self =
        Self { expires: None, abilities: Abilities::LEGACY, token: None };

    pub fn is_unrestricted(&self) -> bool {
        *self == Self::UNRESTRICTED
    }
}

/// The user of an authorization, and the time of the decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grantee {
    /// `None` if the authorizer named no user.
    pub user: Option<Arc<str>>,
    pub as_of: KnownAsOf,
}

/// That a subscription with it is over, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum EndReason {
    /// The app revoked the user's access to the channel.
    Removed,
    Expired,
    TokenRevoked,
    /// A reload has made its name an alias (`sealing_alias`): backends publish on it, and no client
    /// subscribes to it.
    BecameAlias,
}

/// The reason for which the cache refuses a join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotGranted {
    /// The authorization is over, or its record was evicted: the client has to ask again.
    Reauthorize,
    /// The user was revoked, and no later authorization exists.
    Revoked,
}

/// Authorizations of one connection for channels that it has not joined since.
const MAX_UNUSED: usize = 500;
/// Authorizations for channels that it has left, kept in full.
const MAX_LEFT: usize = 100;
/// Channels with a limited authorization whose record is evicted.
const MAX_EVICTED: usize = 10_000;
/// Channels that its user was taken off.
const MAX_REVOKED: usize = 1000;

/// Capacity kept when few records are left. Not charged to the connection.
const KEPT_RECORDS: usize = 64;

/// Bytes of a table slot, without its text.
const EVICTED_BYTES: usize = 64;
const REVOKED_BYTES: usize = 100;

/// Why another authorization cannot be recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoRoom {
    /// The client joins none of the channels that it asks for.
    Unused,
    /// Nothing more can be evicted without being forgotten.
    Evicted,
}

#[derive(Default)]
pub struct AuthorizationCache {
    records: HashMap<Arc<str>, AuthorizationEntry>,
    /// Records that are `AuthorizationUsage::Unused`.
    unused: usize,
    /// Records that are `AuthorizationUsage::Left`, the earliest first.
    left: BTreeMap<u64, Arc<str>>,
    departures: u64,
    /// The users of evicted records, by `hash` of the channel.
    evicted: BTreeMap<u64, Option<Arc<str>>>,
    /// Never evicted: only a newer authorization ends a revocation.
    revoked: BTreeSet<Arc<str>>,
    deadlines: Deadlines,
    bytes: usize,
}

/// Subscriptions that need something done now.
#[derive(Default, Debug, PartialEq, Eq)]
pub struct Reviewed {
    pub ended: Vec<(Arc<str>, TopicId)>,
    /// Those to sealed channels that are about to end, each once: the client is made to ask.
    pub nudged: Vec<TopicId>,
}

/// The authorization with which a subscription begins.
#[derive(Clone)]
pub struct CachedAuthorization {
    pub version: Option<Version>,
    pub grantee: Grantee,
    /// The access token that it was given for.
    pub token: Option<TokenId>,
}

impl AuthorizationCache {
    pub fn has_room_for(&self, name: &str) -> Result<(), NoRoom> {
        let counted = self.records.get(name).map(|entry| entry.usage);
        match counted {
            Some(
                AuthorizationUsage::Unused
                | AuthorizationUsage::Opening
                | AuthorizationUsage::Subscribed(_),
            ) => Ok(()),
            Some(AuthorizationUsage::Left(_)) | None if self.unused >= MAX_UNUSED => {
                Err(NoRoom::Unused)
            }
            None if self.evicted.contains_key(&self.hash(name)) => Ok(()),
            None if self.evicted.len() >= MAX_EVICTED => Err(NoRoom::Evicted),
            Some(AuthorizationUsage::Left(_)) | None => Ok(()),
        }
    }

    /// Bytes of memory of the cache, beside the empty tables.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// When `review` is to be called next; too early does no harm.
    pub fn due(&self) -> Option<UnixSeconds> {
        self.deadlines.earliest()
    }

    /// The newest authorization replaces an earlier one, during a subscription as well. Returns its
    /// user.
    pub fn add(
        &mut self,
        name: Arc<str>,
        mut grantee: Grantee,
        version: Option<Version>,
        scope: AuthorizationScope,
        now: UnixSeconds,
    ) -> Option<Arc<str>> {
        self.end_revocation(&name);
        let evicted = self.take_evicted(&name);
        let before = self.remove(&name);
        // A request without a user keeps the user of the earlier one.
        let known = before.as_ref().map(|before| before.grantee.user.clone()).or(evicted);
        grantee.user = grantee.user.or(known.flatten());
        let user = grantee.user.clone();
        if version.is_none() && scope.is_unrestricted() {
            return user;
        }
        let half_life = scope.expires.map_or(0, |expires| expires.saturating_sub(now) / 2);
        let usage = match before.map(|before| before.usage) {
            Some(usage @ (AuthorizationUsage::Opening | AuthorizationUsage::Subscribed(_))) => {
                usage
            }
            Some(AuthorizationUsage::Unused | AuthorizationUsage::Left(_)) | None => {
                AuthorizationUsage::Unused
            }
        };
        let (nudged, deadline) = (false, None);
        let entry =
            AuthorizationEntry { grantee, version, scope, usage, nudged, half_life, deadline };
        self.bytes += entry.bytes(&name);
        self.count(&name, usage);
        self.records.insert(name.clone(), entry);
        self.update_due(&name, MAX_LEAD);
        user
    }

    /// The authorization for a channel that the client is about to join. `None` if our endpoint gave
    /// no limited one: the application's backend signed, or the channel is not sealed here and
    /// the authorization was unlimited.
    pub fn lookup(
        &self,
        name: &str,
        now: UnixSeconds,
    ) -> Result<Option<CachedAuthorization>, NotGranted> {
        match self.records.get(name) {
            None if self.revoked.contains(name) => Err(NotGranted::Revoked),
            None if self.evicted.contains_key(&self.hash(name)) => Err(NotGranted::Reauthorize),
            None => Ok(None),
            Some(entry) if entry.is_expired(now) => Err(NotGranted::Reauthorize),
            Some(AuthorizationEntry { version, grantee, scope, .. }) => {
                Ok(Some(CachedAuthorization {
                    version: *version,
                    grantee: grantee.clone(),
                    token: scope.token.clone(),
                }))
            }
        }
    }

    /// The channel opens for a subscription: until the join its record must not be evicted, as
    /// those of left channels may be.
    pub fn opening(&mut self, name: &str) {
        self.use_as(name, AuthorizationUsage::Opening);
    }

    pub fn joined(&mut self, name: &str, topic: TopicId) {
        self.use_as(name, AuthorizationUsage::Subscribed(topic));
        self.update_due(name, MAX_LEAD);
    }

    pub fn left(&mut self, name: &str) {
        self.departures += 1;
        self.use_as(name, AuthorizationUsage::Left(self.departures));
        if self.left.len() > MAX_LEFT
            && let Some((_, first)) = self.left.pop_first()
        {
            self.evict(&first);
        }
    }

    /// Revokes all earlier authorizations for the channel, including those without a record. False if
    /// the connection must be closed, because the cache has no room for another revocation.
    #[must_use]
    pub fn revoke(&mut self, name: &Arc<str>) -> bool {
        self.remove(name);
        self.take_evicted(name);
        if self.revoked.insert(name.clone()) {
            self.bytes += REVOKED_BYTES + name.len();
        }
        self.revoked.len() <= MAX_REVOKED
    }

    /// True if the connection's user was revoked and has no later authorization.
    pub fn is_revoked(&self, name: &str) -> bool {
        self.revoked.contains(name)
    }

    pub fn abilities(&self, name: &str) -> Abilities {
        self.records.get(name).map_or(Abilities::LEGACY, |entry| entry.scope.abilities)
    }

    /// `jitter` spreads the nudges of connections that came together.
    pub fn review(&mut self, now: UnixSeconds, jitter: u64) -> Reviewed {
        let (lead, mut reviewed) = (lead(jitter), Reviewed::default());
        while let Some((name, id)) = self.deadlines.pop_due(now) {
            let due = self.records.get_mut(&name);
            let Some(entry) = due.filter(|entry| entry.deadline.is_some_and(|d| d.1 == id)) else {
                continue;
            };
            entry.deadline = None;
            if entry.is_expired(now) {
                reviewed.ended.extend(self.end(&name));
                continue;
            }
            let nudge_now = entry.nudge_at(lead).is_some_and(|at| at <= now);
            if let Some(topic) = entry.topic().filter(|_| nudge_now) {
                entry.nudged = true;
                reviewed.nudged.push(topic);
            }
            self.update_due(&name, lead);
        }
        reviewed
    }

    pub fn revoke_tokens(
        &mut self,
        which: &TokenRevocation,
        at: UnixSeconds,
    ) -> Vec<(Arc<str>, TopicId)> {
        let is_theirs = |entry: &AuthorizationEntry| {
            entry.scope.token.as_ref().is_some_and(|token| match which {
                TokenRevocation::Token(jti) => *token.jti == **jti,
                TokenRevocation::User(user) => *token.user == **user && !token.issued.is_after(at),
            })
        };
        let theirs = self.records.iter().filter(|(_, entry)| is_theirs(entry));
        let names: Vec<Arc<str>> = theirs.map(|(name, _)| name.clone()).collect();
        names.iter().filter_map(|name| self.end(name)).collect()
    }

    /// The authorization is over; the subscription that ends with it.
    fn end(&mut self, name: &Arc<str>) -> Option<(Arc<str>, TopicId)> {
        let topic = self.records.get(name).and_then(AuthorizationEntry::topic);
        self.evict(name);
        topic.map(|topic| (name.clone(), topic))
    }

    /// Keeps no more of the authorization than that there was one, and for whom.
    fn evict(&mut self, name: &str) {
        let Some(entry) = self.remove(name) else { return };
        let user = entry.grantee.user;
        self.bytes += evicted_bytes(user.as_ref());
        let hash = self.hash(name);
        self.evicted.insert(hash, user);
    }

    fn take_evicted(&mut self, name: &str) -> Option<Option<Arc<str>>> {
        let user = self.evicted.remove(&self.hash(name))?;
        self.bytes -= evicted_bytes(user.as_ref());
        Some(user)
    }

    fn end_revocation(&mut self, name: &str) {
        if self.revoked.remove(name) {
            self.bytes -= REVOKED_BYTES + name.len();
        }
    }

    /// Keyed by chance, so that no client can choose two channels with the same.
    fn hash(&self, name: &str) -> u64 {
        self.records.hasher().hash_one(name)
    }

    fn remove(&mut self, name: &str) -> Option<AuthorizationEntry> {
        let entry = self.records.remove(name)?;
        self.bytes -= entry.bytes(name);
        self.discount(entry.usage);
        if self.records.capacity() > KEPT_RECORDS.max(4 * self.records.len()) {
            self.records.shrink_to(2 * self.records.len());
        }
        Some(entry)
    }

    fn use_as(&mut self, name: &str, usage: AuthorizationUsage) {
        let Some((name, _)) = self.records.get_key_value(name) else { return };
        let name = name.clone();
        let Some(entry) = self.records.get_mut(&name) else { return };
        let before = std::mem::replace(&mut entry.usage, usage);
        self.discount(before);
        self.count(&name, usage);
    }

    fn count(&mut self, name: &Arc<str>, usage: AuthorizationUsage) {
        match usage {
            AuthorizationUsage::Unused => self.unused += 1,
            AuthorizationUsage::Opening | AuthorizationUsage::Subscribed(_) => {}
            AuthorizationUsage::Left(place) => drop(self.left.insert(place, name.clone())),
        }
    }

    fn discount(&mut self, usage: AuthorizationUsage) {
        match usage {
            AuthorizationUsage::Unused => self.unused -= 1,
            AuthorizationUsage::Opening | AuthorizationUsage::Subscribed(_) => {}
            AuthorizationUsage::Left(place) => drop(self.left.remove(&place)),
        }
    }

    fn update_due(&mut self, name: &str, lead: u64) {
        let Self { records, deadlines, .. } = self;
        let Some((name, entry)) = records.get_key_value(name) else { return };
        let (name, next) = (name.clone(), entry.next_look(lead));
        if entry.deadline.map(|(at, _)| at) == next {
            return;
        }
        let deadline = next.map(|at| (at, deadlines.add(name.clone(), at)));
        if let Some(entry) = records.get_mut(&name) {
            entry.deadline = deadline;
        }
        deadlines.drop_left_over(records.len(), |name, id| {
            let deadline = records.get(name).and_then(|entry| entry.deadline);
            deadline.is_some_and(|(_, counts)| counts == id)
        });
    }
}

fn evicted_bytes(user: Option<&Arc<str>>) -> usize {
    EVICTED_BYTES + user.map_or(0, |user| user.len())
}

#[cfg(test)]
mod tests;
