//! What this node has on the channel, and what of that the engine has acknowledged.

mod repairs;

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::{Duration, Instant},
};

use super::{
    announced::Announced,
    effect::{ReplicaEffect, RequestNumber, StateVerb},
    input::{ClusterMember, MemberDeparture},
    local_member::LocalMember,
};
use crate::cluster::names::MemberId;

/// Changes of a count above 1 are gathered for this long: one subscriber more or less is not worth
/// a verb.
const GATHERING: Duration = Duration::from_millis(100);

/// A verb that the engine has refused is not sent again before.
const REFUSED_PAUSE: Duration = Duration::from_secs(1);

/// The numbers that are remembered between a join and its answer.
const MAX_PASSED: usize = 1024;

/// What a request was about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum RequestSubject {
    Count,
    Member(MemberId),
}

pub(super) struct LocalPart {
    answered: u32,
    waiting: u32,
    count: Announced<u32>,
    members: BTreeMap<MemberId, LocalMember>,
    /// Members to be compared with what the engine has.
    dirty: BTreeSet<MemberId>,
    /// Members whose join the replica has not reached yet.
    joining: BTreeSet<MemberId>,
    /// The number that was applied when somebody began to join, and those since then.
    passed: VecDeque<u64>,
    has_forgotten_passed: bool,
    in_flight: BTreeMap<RequestNumber, RequestSubject>,
    last_request: RequestNumber,
    gathered_at: Option<Instant>,
    /// When the total may be told.
    recount_at: Option<Instant>,
    refused: BTreeSet<MemberId>,
    is_count_refused: bool,
    retry_at: Option<Instant>,
}

impl Default for LocalPart {
    fn default() -> Self {
        Self {
            answered: 0,
            waiting: 0,
            count: Announced::initially(0),
            members: BTreeMap::new(),
            dirty: BTreeSet::new(),
            joining: BTreeSet::new(),
            passed: VecDeque::new(),
            has_forgotten_passed: false,
            in_flight: BTreeMap::new(),
            last_request: RequestNumber::default(),
            gathered_at: None,
            recount_at: None,
            refused: BTreeSet::new(),
            is_count_refused: false,
            retry_at: None,
        }
    }
}

impl LocalPart {
    pub(super) fn next_request(&mut self) -> RequestNumber {
        self.last_request.0 += 1;
        self.last_request
    }

    pub(super) fn answered(&self) -> u32 {
        self.answered
    }

    /// What this node has last told the engine.
    pub(super) fn sent_count(&self) -> u32 {
        self.count.sent().unwrap_or_default()
    }

    /// All sessions, answered or not.
    pub(super) fn sessions(&self) -> u32 {
        self.answered + self.waiting
    }

    pub(super) fn member(&self, id: &MemberId) -> Option<&LocalMember> {
        self.members.get(id)
    }

    pub(super) fn is_shown(&self, id: &MemberId) -> bool {
        self.members.get(id).is_some_and(LocalMember::is_shown)
    }

    /// The engine has nothing of this node, and has said so.
    pub(super) fn is_idle(&self) -> bool {
        self.sessions() == 0 && self.members.is_empty() && self.count.is_acknowledged(0)
    }

    pub(super) fn wait(&mut self, member: Option<(ClusterMember, u32)>) {
        self.waiting += 1;
        if let Some((who, limit)) = member {
            let id = who.id;
            let held =
                self.members.entry(id).or_insert_with(|| LocalMember::new(who.clone(), limit));
            held.wait(who, limit);
            self.dirty.insert(id);
        }
    }

    pub(super) fn stop_waiting(&mut self, member: Option<MemberId>) {
        self.waiting -= 1;
        self.change(member, |held| held.waiting -= 1);
    }

    pub(super) fn answer(&mut self, member: Option<MemberId>) {
        self.waiting -= 1;
        self.answered += 1;
        self.change(member, |held| {
            held.waiting -= 1;
            held.answered += 1;
            held.is_held = false;
        });
    }

    pub(super) fn leave(&mut self, member: Option<MemberId>, departure: MemberDeparture) {
        debug_assert!(self.answered > 0, "only a subscriber leaves");
        self.answered = self.answered.saturating_sub(1);
        self.change(member, |held| {
            held.answered = held.answered.saturating_sub(1);
            held.is_held |= departure == MemberDeparture::Held && held.answered == 0;
        });
    }

    /// The members who stay without a session.
    pub(super) fn held(&self) -> Vec<MemberId> {
        let held =
            self.members.iter().filter(|(_, member)| member.is_held && member.sessions() == 0);
        held.map(|(id, _)| *id).collect()
    }

    pub(super) fn end_hold(&mut self, member: MemberId) {
        self.change(Some(member), |held| held.is_held = false);
    }

    fn change(&mut self, member: Option<MemberId>, change: impl FnOnce(&mut LocalMember)) {
        let Some(id) = member else { return };
        if let Some(held) = self.members.get_mut(&id) {
            change(held);
            self.dirty.insert(id);
        }
    }

    /// Writes the difference as verbs, each value's next one after the answer to the one before. A count
    /// goes before the members that it counts, and the count 0 after them. `applied` is the number that the replica has applied last: the answer to
    /// a join may have the same.
    pub(super) fn differences(
        &mut self,
        applied: Option<u64>,
        now: Instant,
        effects: &mut Vec<ReplicaEffect>,
    ) {
        if self.sessions() > 0 {
            self.send_count(now, effects);
        }
        let (mut joins, mut leaves) = (Vec::new(), Vec::new());
        let is_vacating = self.count.is_on_its_way() && self.sent_count() == 0;
        for id in std::mem::take(&mut self.dirty) {
            let Some(held) = self.members.get(&id) else { continue };
            if held.is_over() {
                self.members.remove(&id);
            } else if held.reference.is_on_its_way() {
                // Its answer makes the member dirty.
            } else if is_vacating && held.is_wanted() {
                self.dirty.insert(id);
            } else if held.reference.differs(held.is_wanted()) {
                let side = if held.is_wanted() { &mut joins } else { &mut leaves };
                side.push(id);
            }
        }
        if self.joining.is_empty() && !joins.is_empty() {
            self.passed = applied.into_iter().collect();
        }
        joins.into_iter().chain(leaves).for_each(|id| self.send_member(id, effects));
        if self.sessions() == 0 && !self.members.values().any(LocalMember::is_to_leave) {
            self.send_count(now, effects);
        }
    }

    fn send_count(&mut self, now: Instant, effects: &mut Vec<ReplicaEffect>) {
        let wanted = self.sessions();
        let is_recount = self.recount_at.is_some_and(|at| at <= now);
        if self.is_count_refused || !(self.count.differs(wanted) || is_recount) {
            self.gathered_at = None;
            return;
        }
        let is_gathered = wanted > 1 && !is_recount && self.count.sent().is_some_and(|it| it > 0);
        if is_gathered && *self.gathered_at.get_or_insert(now + GATHERING) > now {
            return;
        }
        if self.count.is_on_its_way() {
            return;
        }
        (self.gathered_at, self.recount_at) = (None, None);
        let request = self.begin(RequestSubject::Count);
        self.count.send(wanted, request);
        effects.push(ReplicaEffect::Send { request, verb: StateVerb::Count(wanted) });
    }

    /// Asks for the total that may have been missed. A count on its way may be older.
    pub(super) fn recount(&mut self, now: Instant) {
        if self.sessions() > 0 {
            self.recount_at = Some(now);
        }
    }

    fn send_member(&mut self, id: MemberId, effects: &mut Vec<ReplicaEffect>) {
        let request = self.begin(RequestSubject::Member(id));
        let Some(held) = self.members.get_mut(&id) else { return };
        let is_join = held.is_wanted();
        held.reference.send(is_join, request);
        (held.number, held.is_reached) = (None, false);
        let verb = held.verb();
        if is_join {
            self.joining.insert(id);
        } else {
            self.stop_joining(&id);
        }
        effects.push(ReplicaEffect::Send { request, verb });
    }

    fn begin(&mut self, subject: RequestSubject) -> RequestNumber {
        let request = self.next_request();
        self.in_flight.insert(request, subject);
        request
    }

    fn stop_joining(&mut self, id: &MemberId) {
        self.joining.remove(id);
        if self.joining.is_empty() {
            self.passed.clear();
        }
    }

    pub(super) fn answered_request(&mut self, request: RequestNumber) -> Option<RequestSubject> {
        self.in_flight.remove(&request)
    }

    /// `due_ms` is 0 if the total has been told. True unless a later answer has the total.
    pub(super) fn counted(&mut self, request: RequestNumber, due_ms: u64, now: Instant) -> bool {
        let is_last = self.count.acknowledge(request);
        let is_followed = self.recount_at.is_some_and(|at| at <= now);
        if is_last && due_ms > 0 {
            let due = now + Duration::from_millis(due_ms);
            self.recount_at = Some(self.recount_at.map_or(due, |at| at.min(due)));
        }
        is_last && !is_followed
    }

    /// True if the replica has reached the number already.
    pub(super) fn joined(&mut self, id: MemberId, request: RequestNumber, number: u64) -> bool {
        let Some(held) = self.members.get_mut(&id) else { return false };
        if !held.reference.acknowledge(request) || !held.reference.is_acknowledged(true) {
            return false;
        }
        self.dirty.insert(id);
        held.number = Some(number);
        held.is_reached |= self.passed.contains(&number);
        let is_reached = held.is_reached;
        if is_reached {
            self.stop_joining(&id);
        }
        is_reached
    }

    pub(super) fn left(&mut self, id: MemberId, request: RequestNumber) {
        let acknowledged =
            self.members.get_mut(&id).is_some_and(|held| held.reference.acknowledge(request));
        if acknowledged {
            self.dirty.insert(id);
        }
    }

    /// The engine has refused a join. True if the user is to be turned away; a user who has been
    /// answered joins again, without a limit.
    pub(super) fn refused_as_full(&mut self, id: MemberId, request: RequestNumber) -> bool {
        let Some(held) = self.members.get_mut(&id) else { return false };
        if held.reference.request() != request || !held.reference.acknowledge(request) {
            return false;
        }
        held.reference = Announced::initially(false);
        let is_turned_away = !held.is_shown();
        self.stop_joining(&id);
        self.dirty.insert(id);
        is_turned_away
    }

    pub(super) fn failed(&mut self, subject: RequestSubject, request: RequestNumber) -> bool {
        match subject {
            RequestSubject::Count => self.count.fail(request),
            RequestSubject::Member(id) => {
                self.dirty.insert(id);
                self.members.get_mut(&id).is_some_and(|held| held.reference.fail(request))
            }
        }
    }

    /// Keeps a refused verb back for a while.
    pub(super) fn postpone(&mut self, subject: RequestSubject, now: Instant) {
        match subject {
            RequestSubject::Count => self.is_count_refused = true,
            RequestSubject::Member(id) => {
                self.dirty.remove(&id);
                self.refused.insert(id);
            }
        }
        self.retry_at.get_or_insert(now + REFUSED_PAUSE);
    }

    pub(super) fn tick(&mut self, now: Instant) {
        if self.retry_at.take_if(|at| *at <= now).is_some() {
            self.dirty.append(&mut self.refused);
            self.is_count_refused = false;
        }
    }

    pub(super) fn deadlines(&self) -> [Option<Instant>; 3] {
        // The next count is sent after the answer to this one.
        let is_free = !self.count.is_on_its_way();
        let of_count = |at: Option<Instant>| at.filter(|_| is_free);
        [of_count(self.gathered_at), of_count(self.recount_at), self.retry_at]
    }

    /// The replica has applied a number. Returns the members that have been reached.
    pub(super) fn pass(&mut self, number: u64) -> Vec<MemberId> {
        if self.joining.is_empty() {
            return Vec::new();
        }
        self.has_forgotten_passed |= self.passed.len() >= MAX_PASSED;
        if self.passed.len() >= MAX_PASSED {
            self.passed.pop_front();
        }
        self.passed.push_back(number);
        self.reach(|held| held.number == Some(number))
    }

    /// True if a number may have been forgotten that somebody needs: only a snapshot tells then.
    pub(super) fn take_forgotten_passed(&mut self) -> bool {
        std::mem::take(&mut self.has_forgotten_passed)
    }

    fn reach(&mut self, is_reached: impl Fn(&LocalMember) -> bool) -> Vec<MemberId> {
        let reached = |id: &&MemberId| self.members.get(*id).is_some_and(&is_reached);
        let reached: Vec<MemberId> = self.joining.iter().filter(reached).copied().collect();
        for id in &reached {
            self.change(Some(*id), |held| held.is_reached = true);
            self.stop_joining(id);
        }
        reached
    }
}
