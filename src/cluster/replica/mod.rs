//! One channel as this node sees it: what the engine has, what this node has, and what the node's
//! subscribers have been told.
//!
//! A replica is pure: it has no lock, no clock and no connection. The holder of the channel's
//! record tells it what happens and carries out the [`effect::ReplicaEffect`]s under the same lock.
//!
//! | State | It begins when | What this node knows | A newcomer |
//! |---|---|---|---|
//! | Closed | no session wants the channel, for 5 seconds | nothing | begins *Opening* |
//! | Opening | a session comes, or a connection is lost | the roster of before, if any | waits, at most 3 seconds |
//! | Open | the topic is subscribed and the snapshot's mark has come | all, as of `applied` | without a member: enters at once; with one: when its join has come back |
//! | Detached | a session waited in vain, or an event's key did not come | its own members, and the roster of before | enters at once |
//!
//! *Detached* ends when the channel is synchronized and the engine has all members of this node.
//!
//! **Order.** A numbered message is applied if its predecessor is what was applied last. Anything
//! else is a gap and asks for a snapshot, which *replaces* what was applied: numbers are never
//! compared by size, since a promoted master may give out smaller ones. What is heard before the
//! snapshot's mark is in the snapshot, what is heard after it waits for the snapshot. Events without
//! a number are posted as they come.
//!
//! **Levels.** `local` compares what is wanted with what was sent and writes the difference as
//! verbs: the count first, then joins, then leaves; the count 0 last. A lost answer is repeated with
//! the same bytes by the lane. A verb that was not done is asked for anew by `verb_failed`. After a
//! change of master, or when a snapshot lacks what the engine had acknowledged, everything
//! differs and is sent again.
//!
//! **Newcomers.** A session with a member is answered when the engine has acknowledged the join,
//! the replica has applied the number of the answer *and has the member*. So a newcomer is in its
//! own roster, and none of the roster is announced to it afterwards.
//!
//! **One roster.** All subscribers of the node have the same roster, since each change of it is
//! posted to all of them. A member of this node stays in it while the engine has lost it. Members
//! of other nodes whom the engine has lost stay for a lease in which this node is connected, so that
//! they can be announced anew: who is not back by then is dead. The same holds for the users whom a
//! mirror shows.
//!
//! **The log.** Logged events are numbered, and are told in their order alone. What was missed comes
//! with the next snapshot, from the log. What the log does not have any more is a gap, which readers
//! with positions are told once.
//!
//! **The contract.** Requests of a replica reach the engine in the order of their effects, and so do
//! their answers; an answer that is lost with its connection comes after the connection is back.

mod announced;
pub mod effect;
mod events;
mod inbox;
pub mod input;
mod link;
mod local;
mod local_member;
mod log;
mod newcomers;
mod reading;
pub mod repair;
mod roster;
mod settle;
#[cfg(test)]
mod tests;
mod topic;

use std::time::{Duration, Instant};

use effect::{Entered, Entrance, ReplicaEffect};
use events::ToldEvents;
use inbox::ReplicaInbox;
use input::{ArrivingSubscriber, ChannelMemory, MemberDeparture, WaitingId};
use local::LocalPart;
use log::ToldLog;
use newcomers::Newcomers;
use reading::Reading;
use roster::ToldRoster;

use super::names::MemberId;

/// The topic outlives the last session for this long.
const CLOSING_DELAY: Duration = Duration::from_secs(5);

/// A newcomer is told the total after this time, if none was told meanwhile. The total that counts the
/// newcomer mostly comes before.
const GREETING_DELAY: Duration = Duration::from_millis(300);

/// The longest wait for the key of an event.
const KEY_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplicaState {
    Closed,
    Opening,
    Open,
    Detached,
}

pub struct ChannelReplica {
    memory: ChannelMemory,
    is_linked: bool,
    /// How long what the engine has lost of other nodes may be announced anew.
    lease: Duration,
    reading: Reading,
    inbox: ReplicaInbox,
    local: LocalPart,
    newcomers: Newcomers,
    roster: ToldRoster,
    events: ToldEvents,
    log: ToldLog,
    told_total: Option<u64>,
    /// Newcomers were told no total yet. It is due then, even if it has not changed.
    greeting_at: Option<Instant>,
    /// A session was answered without the engine.
    is_detached: bool,
    /// Events were dropped, since their key did not come.
    is_keyless: bool,
    /// No total was heard since the topic was subscribed.
    is_total_stale: bool,
    /// The engine may have lost changes since the last snapshot.
    is_suspect: bool,
    /// It has lost some. What is missing in a snapshot until then may come back.
    doubt_until: Option<Instant>,
    /// The event that waits for its key is dropped then.
    key_by: Option<Instant>,
    close_at: Option<Instant>,
    effects: Vec<ReplicaEffect>,
}

impl ChannelReplica {
    pub fn new(memory: ChannelMemory, is_linked: bool, lease: Duration) -> Self {
        Self {
            memory,
            is_linked,
            lease,
            reading: Reading::Closed,
            inbox: ReplicaInbox::default(),
            local: LocalPart::default(),
            newcomers: Newcomers::default(),
            roster: ToldRoster::default(),
            events: ToldEvents::default(),
            log: ToldLog::default(),
            told_total: None,
            greeting_at: None,
            is_detached: false,
            is_keyless: false,
            is_total_stale: true,
            is_suspect: false,
            doubt_until: None,
            key_by: None,
            close_at: None,
            effects: Vec::new(),
        }
    }

    pub fn state(&self) -> ReplicaState {
        match self.reading {
            Reading::Closed => ReplicaState::Closed,
            _ if self.is_detached || self.is_keyless => ReplicaState::Detached,
            Reading::Synced { .. } => ReplicaState::Open,
            _ => ReplicaState::Opening,
        }
    }

    /// True if nothing is lost without this replica.
    pub fn is_closed(&self) -> bool {
        matches!(self.reading, Reading::Closed)
    }

    /// The members as this node's subscribers have been told.
    pub fn members(&self) -> impl Iterator<Item = &MemberId> {
        self.roster.ids()
    }

    /// The last total of subscribers of all nodes that was heard.
    pub fn total(&self) -> Option<u64> {
        self.told_total
    }

    /// The newest number of the log that this node's subscribers have been told of. `None`: nothing is
    /// known of the log.
    pub fn log_reached(&self) -> Option<u64> {
        self.log.last()
    }

    /// True if all is known, up to the last message.
    pub fn is_synced(&self) -> bool {
        matches!(self.reading, Reading::Synced { .. })
    }

    /// A session subscribes. It counts from now on, and has to enter, leave or be refused.
    pub fn arrive(
        &mut self,
        newcomer: ArrivingSubscriber,
        now: Instant,
    ) -> (Entrance, Vec<ReplicaEffect>) {
        let (id, limit) = (newcomer.id, newcomer.member_limit);
        let member = newcomer.member.clone();
        let member_id = member.as_ref().map(|member| member.id);
        if self.is_full_here(member_id, limit) {
            return (Entrance::Full, self.settle(now));
        }
        if self.newcomers.insert(newcomer) {
            self.local.wait(member.map(|member| (member, limit)));
        }
        self.begin_subscribing();
        if self.is_ready(member_id) {
            self.newcomers.mark_called(&id, member_id);
            return (Entrance::Now, self.settle(now));
        }
        (Entrance::Later, self.settle(now))
    }

    /// The engine is not asked while this node is on its own.
    fn is_full_here(&self, member: Option<MemberId>, limit: u32) -> bool {
        let Some(member) = member.filter(|_| self.is_detached) else { return false };
        let is_new = !self.roster.contains(&member) && self.local.member(&member).is_none();
        is_new && limit > 0 && self.roster.len() >= limit as usize
    }

    /// A session is to be answered. If it has waited for too long (`is_overdue`), it is answered
    /// from what this node knows.
    pub fn enter(
        &mut self,
        id: WaitingId,
        is_overdue: bool,
        now: Instant,
    ) -> (Entered, Vec<ReplicaEffect>) {
        let Some(newcomer) = self.newcomers.get(&id) else {
            return (Entered::Unknown, self.settle(now));
        };
        let member = newcomer.member.as_ref().map(|member| member.id);
        if !self.is_ready(member) {
            if !is_overdue {
                self.newcomers.uncall(id);
                return (Entered::NotYet, self.settle(now));
            }
            self.is_detached = true;
        }
        let Some(newcomer) = self.newcomers.remove(&id) else {
            return (Entered::Unknown, self.settle(now));
        };
        self.local.answer(member);
        if let Some(member) = newcomer.member {
            // Known already, unless this node is on its own.
            self.roster.add_alone(member, &mut self.effects);
        }
        (Entered::Answered, self.settle(now))
    }

    /// A session has entered whose client is told totals. Its own arrival may change none: another one
    /// has left meanwhile, or the total came before the session entered.
    pub fn greet(&mut self, now: Instant) -> Vec<ReplicaEffect> {
        self.greeting_at.get_or_insert(now + GREETING_DELAY);
        self.settle(now)
    }

    /// A session gives up before it was answered.
    pub fn cancel(&mut self, id: WaitingId, now: Instant) -> Vec<ReplicaEffect> {
        if let Some(newcomer) = self.newcomers.remove(&id) {
            self.local.stop_waiting(newcomer.member.map(|member| member.id));
        }
        self.settle(now)
    }

    /// An answered session leaves.
    pub fn leave(
        &mut self,
        member: Option<MemberId>,
        departure: MemberDeparture,
        now: Instant,
    ) -> Vec<ReplicaEffect> {
        self.local.leave(member, departure);
        self.drop_unshown(member);
        self.settle(now)
    }

    /// True if a departure of the user now would be that of its last session on this node, while the
    /// channel goes on, here or elsewhere: such a departure may be held.
    pub fn may_hold(&self, member: MemberId) -> bool {
        let is_last = self.local.member(&member).is_some_and(|held| held.sessions() == 1);
        is_last && (self.local.sessions() > 1 || self.has_others())
    }

    /// True if the channel is vacant once the next session leaves, as far as this node knows.
    pub fn has_last_session(&self) -> bool {
        self.local.sessions() == 1 && !self.has_others()
    }

    fn has_others(&self) -> bool {
        self.told_total.is_some_and(|total| total > self.local.sent_count().into())
    }

    /// The channel has no session left: nobody waits for those who may return.
    pub fn end_all_holds(&mut self, now: Instant) -> Vec<ReplicaEffect> {
        for member in self.local.held() {
            self.local.end_hold(member);
            self.drop_unshown(Some(member));
        }
        self.settle(now)
    }

    /// The time of a held departure has come. Without effect on a user who is back.
    pub fn end_hold(&mut self, member: MemberId, now: Instant) -> Vec<ReplicaEffect> {
        self.local.end_hold(member);
        self.drop_unshown(Some(member));
        self.settle(now)
    }

    fn drop_unshown(&mut self, member: Option<MemberId>) {
        if let Some(id) = member.filter(|id| !self.local.is_shown(id)) {
            self.roster.leave_alone(&id, &mut self.effects);
        }
    }

    /// A session may enter.
    fn is_ready(&self, member: Option<MemberId>) -> bool {
        let has_joined = |id: &MemberId| {
            let joined = self.local.member(id).is_some_and(|member| member.has_joined());
            joined && self.roster.is_confirmed(id)
        };
        let is_synced = matches!(self.reading, Reading::Synced { .. });
        self.is_detached || is_synced && member.as_ref().is_none_or(has_joined)
    }
}
