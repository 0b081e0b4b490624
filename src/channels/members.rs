//! The members of a presence channel: users, each with the number of its connections (protocol.md
//! 3).

mod recent_departures;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use indexmap::IndexMap;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use recent_departures::{DEPARTURE_HOLD, RecentDepartures};

use crate::{
    domain::rate_limit::{GcraParams, LocalRateLimiter},
    protocol::{
        escape::{Escaped, escape, escaped_capacity, quote},
        json::object_in,
        well_formed::WellFormed,
    },
};

/// A user as described by its first connection.
#[derive(Clone, Debug)]
pub struct Member {
    pub user_id: Arc<str>,
    /// JSON text.
    pub info: Option<Arc<str>>,
}

#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum InvalidMember {
    #[error("channel_data must be JSON with a user_id ({0})")]
    NotJson(String),
    #[error("user_id is empty")]
    EmptyUserId,
    #[error("user_id is {length} characters long, the limit is {limit}")]
    LongUserId { length: usize, limit: usize },
    #[error("channel_data is {size} bytes long, the limit is {limit}")]
    TooLarge { size: usize, limit: usize },
}

#[derive(Clone, Copy, Debug)]
pub struct MemberLimits {
    pub bytes: usize,
    pub user_id_chars: usize,
}

/// Accepts a string or an integer; the id is a string from then on.
fn string_or_integer<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged, expecting = "user_id must be a string or an integer")]
    enum Id {
        Text(String),
        Natural(u64),
        Integer(i64),
    }
    Ok(match Id::deserialize(deserializer)? {
        Id::Text(text) => text,
        Id::Natural(number) => number.to_string(),
        Id::Integer(number) => number.to_string(),
    })
}

#[derive(Deserialize)]
struct MemberJson<'a> {
    #[serde(deserialize_with = "string_or_integer")]
    user_id: String,
    #[serde(borrow, default)]
    user_info: Option<&'a RawValue>,
}

impl Member {
    pub fn parse(channel_data: &str, limits: MemberLimits) -> Result<Self, InvalidMember> {
        if channel_data.len() > limits.bytes {
            return Err(InvalidMember::TooLarge { size: channel_data.len(), limit: limits.bytes });
        }
        let text = WellFormed::new(channel_data);
        let data: MemberJson<'_> =
            object_in(text.as_str()).map_err(|e| InvalidMember::NotJson(e.to_string()))?;
        let length = data.user_id.chars().count();
        if length == 0 {
            return Err(InvalidMember::EmptyUserId);
        }
        if length > limits.user_id_chars {
            return Err(InvalidMember::LongUserId { length, limit: limits.user_id_chars });
        }
        Ok(Self {
            user_id: data.user_id.into(),
            info: data.user_info.filter(|raw| raw.get() != "null").map(|raw| raw.get().into()),
        })
    }
}

/// The effect of a join or leave on the other members.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MemberTransition {
    /// The user's first connection came, or its last one went.
    Changed,
    /// The user has other connections, or is within a held departure: no message is sent.
    Unchanged,
    /// The user's last connection went, and the departure is announced at this time unless the user
    /// returns. Returned once for all departures until `end_hold`.
    Held(Instant),
}

/// The state of a held departure when its time comes.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HoldOutcome {
    /// The user is still away and was removed: announce the departure.
    Gone,
    /// The user returned and left again: the departure is held until then.
    Until(Instant),
    Over,
}

/// The kind of a departure.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LeaveMode {
    /// The user may return, so the departure may be held.
    MayReturn,
    /// An event stream was cut, and its client opens it again within seconds: the departure is
    /// held.
    Resumes,
    /// The departure is announced at once.
    Final,
}

#[derive(Debug)]
struct MemberEntry {
    /// `"id":info`, as in the roster.
    pair: Escaped,
    /// The end of the id in `pair`.
    id_end: usize,
    /// 0: the user has left, and its departure is held.
    connections: u32,
    hold: Option<Box<DepartureHold>>,
}

/// The state of a user that has left before.
#[derive(Debug)]
struct DepartureHold {
    limiter: LocalRateLimiter,
    /// The time of the announcement, while there are no connections.
    until: Instant,
    /// The caller was asked to call `end_hold`.
    noted: bool,
}

impl DepartureHold {
    fn new(limiter: LocalRateLimiter, now: Instant) -> Box<Self> {
        Box::new(Self { limiter, until: now, noted: false })
    }
}

impl MemberEntry {
    fn new(user_id: &str, info: Option<&str>) -> Self {
        let info = info.unwrap_or("null");
        let mut id = Vec::with_capacity(escaped_capacity(user_id));
        quote(user_id, &mut id);
        let id = String::from_utf8(id).expect("a JSON string of text is text");
        let mut pair = Vec::with_capacity(escaped_capacity(&id) + escaped_capacity(info));
        escape(&id, &mut pair);
        let id_end = pair.len();
        pair.push(b':');
        escape(info, &mut pair);
        pair.shrink_to_fit();
        Self { pair: Escaped::from_bytes(pair), id_end, connections: 0, hold: None }
    }

    fn id(&self) -> &str {
        &self.pair.as_str()[..self.id_end]
    }

    /// The time until which the departure is held. `None`: it is announced at once.
    fn hold_departure(
        &mut self,
        returns: Option<GcraParams>,
        linger: Option<Duration>,
        now: Instant,
    ) -> Option<Instant> {
        if returns.is_none() && linger.is_none() {
            return None;
        }
        let hold =
            self.hold.get_or_insert_with(|| DepartureHold::new(LocalRateLimiter::new(now), now));
        let too_often = returns.is_some_and(|returns| hold.limiter.take(returns, now).is_err());
        let held_for = too_often.then_some(DEPARTURE_HOLD).or(linger)?;
        hold.until = now + held_for;
        Some(hold.until)
    }
}

/// Members in no particular order: clients sort, and a departure must not shift the others.
///
/// A user that leaves and returns very often stays a member in between: see `recent_departures`.
#[derive(Default, Debug)]
pub struct Members {
    present: IndexMap<Arc<str>, MemberEntry>,
    /// `None` on most channels.
    left: Option<Box<RecentDepartures>>,
}

impl Members {
    /// The number of users, not connections.
    pub fn count(&self) -> usize {
        self.present.len()
    }

    pub fn contains(&self, user_id: &str) -> bool {
        self.present.contains_key(user_id)
    }

    /// Each user with its connections: none while its departure is held.
    pub fn connections(&self) -> impl Iterator<Item = (&str, u32)> {
        self.present.iter().map(|(id, entry)| (&**id, entry.connections))
    }

    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.present.keys().map(|id| &**id)
    }

    /// Keeps the info of the user's first connection: the other members would not learn of a
    /// change.
    pub fn join(&mut self, member: Member, now: Instant) -> MemberTransition {
        if let Some(entry) = self.present.get_mut(&member.user_id) {
            entry.connections += 1;
            return MemberTransition::Unchanged;
        }
        let mut entry = MemberEntry::new(&member.user_id, member.info.as_deref());
        entry.connections = 1;
        let limiter = self.left.as_mut().and_then(|left| left.take(&member.user_id));
        entry.hold = limiter.map(|limiter| DepartureHold::new(limiter, now));
        self.present.insert(member.user_id, entry);
        MemberTransition::Changed
    }

    /// `returns`: the rate of announced returns; `None`: it has no limit. `linger`: the time for
    /// which any departure is held; `None`: announce it at once.
    pub fn leave(
        &mut self,
        user_id: &str,
        returns: Option<GcraParams>,
        linger: Option<Duration>,
        now: Instant,
    ) -> MemberTransition {
        let Some(entry) = self.present.get_mut(user_id) else { return MemberTransition::Unchanged };
        entry.connections = entry.connections.saturating_sub(1);
        if entry.connections > 0 {
            return MemberTransition::Unchanged;
        }
        let Some(until) = entry.hold_departure(returns, linger, now) else {
            self.remove(user_id, now);
            return MemberTransition::Changed;
        };
        match entry.hold.as_mut().map(|hold| std::mem::replace(&mut hold.noted, true)) {
            Some(true) => MemberTransition::Unchanged,
            Some(false) | None => MemberTransition::Held(until),
        }
    }

    /// Removes the user, whatever its connections. False if it is no member.
    pub fn drop_member(&mut self, user_id: &str, now: Instant) -> bool {
        let is_member = self.contains(user_id);
        self.remove(user_id, now);
        is_member
    }

    /// The time until which the departure of a user is to be held, as in `leave`, where another
    /// place counts the connections. `None`: it is announced at once.
    pub fn hold_departure(
        &mut self,
        user_id: &str,
        returns: Option<GcraParams>,
        linger: Option<Duration>,
        now: Instant,
    ) -> Option<Instant> {
        let entry = self.present.get_mut(user_id)?;
        entry.hold_departure(returns, linger, now)
    }

    /// Until when the user's departure is held, if it was.
    pub fn held_until(&self, user_id: &str) -> Option<Instant> {
        Some(self.present.get(user_id)?.hold.as_ref()?.until)
    }

    /// Called at the time of `MemberTransition::Held`.
    pub fn end_hold(&mut self, user_id: &str, now: Instant) -> HoldOutcome {
        let Some(entry) = self.present.get_mut(user_id) else { return HoldOutcome::Over };
        let Some(hold) = entry.hold.as_mut().filter(|hold| hold.noted) else {
            return HoldOutcome::Over;
        };
        if entry.connections == 0 && hold.until > now {
            return HoldOutcome::Until(hold.until);
        }
        hold.noted = false;
        if entry.connections > 0 {
            return HoldOutcome::Over;
        }
        self.remove(user_id, now);
        HoldOutcome::Gone
    }

    /// Ends up to `most` held departures, and returns the users that are removed.
    pub fn end_holds(&mut self, most: usize, now: Instant) -> Vec<Arc<str>> {
        let held = self.present.iter().filter(|(_, entry)| entry.connections == 0);
        let gone: Vec<Arc<str>> = held.take(most).map(|(id, _)| id.clone()).collect();
        gone.iter().for_each(|id| self.remove(id, now));
        gone
    }

    /// Forgets departures older than their rate limit's memory.
    pub fn forget_left(&mut self, now: Instant) {
        if let Some(left) = &mut self.left {
            left.forget(now);
        }
        self.left.take_if(|left| left.is_empty());
    }

    fn remove(&mut self, user_id: &str, now: Instant) {
        let Some((id, entry)) = self.present.swap_remove_entry(user_id) else { return };
        if let Some(hold) = entry.hold {
            self.left.get_or_insert_default().insert(id, hold.limiter, now);
        }
    }

    /// The `data` of a presence channel's success frame. `hash` has a key for every id, `null`
    /// without info: clients enumerate it. Members are stored in this encoding, since the roster is
    /// built for every join.
    pub fn roster(&self) -> Escaped {
        const ROSTER_OVERHEAD: usize = 80;
        let room: usize = self.present.values().map(|e| e.pair.as_str().len() + e.id_end + 2).sum();
        let mut out = Vec::with_capacity(ROSTER_OVERHEAD + room);
        escape(r#"{"presence":{"ids":["#, &mut out);
        list(self.present.values().map(MemberEntry::id), &mut out);
        escape(r#"],"hash":{"#, &mut out);
        list(self.present.values().map(|entry| entry.pair.as_str()), &mut out);
        escape(&format!(r#"}},"count":{}}}}}"#, self.count()), &mut out);
        Escaped::from_bytes(out)
    }
}

fn list<'a>(elements: impl Iterator<Item = &'a str>, out: &mut Vec<u8>) {
    for (index, element) in elements.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        out.extend_from_slice(element.as_bytes());
    }
}

#[cfg(test)]
mod tests;
