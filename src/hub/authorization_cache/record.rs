//! One authorization, as the cache keeps it.

use super::{AuthorizationScope, Grantee, deadlines::DeadlineId};
use crate::{crypto::keytable::Version, domain::time::UnixSeconds, hub::record::TopicId};

/// How the client uses it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum AuthorizationUsage {
    /// It has not been subscribed since it was given.
    Unused,
    /// A subscription waits for its channel.
    Opening,
    Subscribed(TopicId),
    /// With its place in the order of leaving.
    Left(u64),
}

pub(super) struct AuthorizationEntry {
    pub(super) grantee: Grantee,
    /// The version of the secret given out with the authorization.
    pub(super) version: Option<Version>,
    pub(super) scope: AuthorizationScope,
    pub(super) usage: AuthorizationUsage,
    /// The client has been made to ask again.
    pub(super) nudged: bool,
    /// Half of the time that it was given for, in seconds.
    pub(super) half_life: u64,
    pub(super) deadline: Option<(UnixSeconds, DeadlineId)>,
}

/// How long before its end a client is made to ask again, at least; and up to how much more, so that
/// clients that came together do not ask together. In seconds.
const RENEWAL_LEAD: u64 = 10;
const RENEWAL_LEAD_SPREAD: u64 = 20;
pub(super) const MAX_LEAD: u64 = RENEWAL_LEAD + RENEWAL_LEAD_SPREAD;

pub(super) fn lead(jitter: u64) -> u64 {
    RENEWAL_LEAD + jitter % RENEWAL_LEAD_SPREAD
}

/// Bytes of a record without its texts: its place in the tables, its deadline, and the
/// headers of the texts. Measured with 1,000 records.
const RECORD_BYTES: usize = 400;

impl AuthorizationEntry {
    pub(super) fn topic(&self) -> Option<TopicId> {
        match self.usage {
            AuthorizationUsage::Subscribed(topic) => Some(topic),
            AuthorizationUsage::Unused
            | AuthorizationUsage::Opening
            | AuthorizationUsage::Left(_) => None,
        }
    }

    pub(super) fn is_expired(&self, now: UnixSeconds) -> bool {
        self.scope.expires.is_some_and(|expires| expires <= now)
    }

    /// When a subscriber of a sealed channel is made to ask again.
    pub(super) fn nudge_at(&self, lead: u64) -> Option<UnixSeconds> {
        let expires = self.scope.expires.filter(|_| self.version.is_some() && !self.nudged)?;
        Some(expires.saturating_sub(lead.min(self.half_life)))
    }

    pub(super) fn next_look(&self, lead: u64) -> Option<UnixSeconds> {
        self.topic().and_then(|_| self.nudge_at(lead)).or(self.scope.expires)
    }

    /// The same for as long as the record lives.
    pub(super) fn bytes(&self, name: &str) -> usize {
        let user = self.grantee.user.as_ref().map_or(0, |user| user.len());
        let token = self.scope.token.as_ref().map_or(0, |token| token.jti.len() + token.user.len());
        RECORD_BYTES + name.len() + user + token
    }
}
