//! Carries out what the engine asks for.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    AUDIT_INTERVAL, NodeDriver, Reach, held,
    token::{NodeToken, SnapshotOnItsWay},
};
use crate::cluster::{
    node::{
        commands::{FollowedChannel, NodeCommand, NodeRead},
        keys,
        news::ReplicaNews,
    },
    redis::{lane::CommandKind, listener::TopicGroup, verbs::Verb},
    replica::{
        effect::{RequestNumber, StateVerb},
        input::{MasterChange, VerbFailure},
    },
    stored::StoredError,
};

/// Users who return to another node within this time were never gone.
const LINGER_MS: u64 = 10_000;

impl NodeDriver {
    pub(super) fn carry_out(&mut self, command: NodeCommand) {
        match command {
            NodeCommand::Follow(followed) => self.follow(followed),
            NodeCommand::Unfollow(followed) => self.unfollow(&followed),
            NodeCommand::Snapshot { followed, request, log_after } => {
                self.snapshot(followed, request, log_after);
            }
            NodeCommand::ReadLog { followed, number, query } => {
                self.read_log(followed, number, &query);
            }
            NodeCommand::AskHeld { followed, request } => self.ask_held(followed, request),
            NodeCommand::Change { followed, request, verb } => {
                self.change(followed, request, &verb);
            }
            NodeCommand::WakeAt { followed, at } => self.wakes.set(followed, at),
            NodeCommand::Publish(publication) => self.publish(publication),
            NodeCommand::Note(noted) => self.note(&noted),
            NodeCommand::FactSettled { place, endpoint } => {
                self.membership.fact_settled(&place, endpoint);
            }
            NodeCommand::FactsDone { partition, entries } => {
                self.membership.facts_done(partition, entries);
            }
            NodeCommand::Read(read) => self.read_for_request(read),
            NodeCommand::Ask(question) => self.ask(question),
            NodeCommand::Announce(announcement) => self.announce_to_all(announcement),
            NodeCommand::AppsChanged => {
                self.read_tables();
                self.revocations.suspect();
            }
            NodeCommand::Tell { to, body } => self.tell(to, &body),
            NodeCommand::Drain => self.linger_ms = LINGER_MS,
            NodeCommand::Leave(answer) => {
                self.leave_answers.push(answer);
                self.leave();
            }
        }
    }

    /// Not before the node is known to be of this cluster: with another key it would find its own,
    /// empty places.
    fn read_for_request(&mut self, NodeRead { commands, done }: NodeRead) {
        if !matches!(self.reach, Reach::Unknown | Reach::Refused) {
            self.links.read(commands, NodeToken::Read(done));
        }
    }

    fn follow(&mut self, followed: Arc<FollowedChannel>) {
        let channel = &followed.channel;
        let topic = keys::topic(&self.sealing.layout, channel);
        let partition = channel.location.partition;
        if self.reaches(partition) {
            followed.holder.take(ReplicaNews::Linked(MasterChange::Same));
        }
        self.links.subscribe(TopicGroup::Partition(partition), topic.clone());
        self.audits.set(followed.clone(), Instant::now() + audit_phase(&followed));
        self.followers.insert(topic, followed);
    }

    fn unfollow(&mut self, followed: &Arc<FollowedChannel>) {
        let topic = keys::topic(&self.sealing.layout, &followed.channel);
        self.audits.remove(followed);
        if self.followers.remove(&topic, followed) {
            let group = TopicGroup::Partition(followed.channel.location.partition);
            self.links.unsubscribe(group, &topic);
        }
    }

    /// Without a connection the replica asks again when it is linked.
    fn snapshot(
        &mut self,
        followed: Arc<FollowedChannel>,
        request: RequestNumber,
        log_after: Option<u64>,
    ) {
        let (channel, location) = (&followed.channel, followed.channel.location);
        let keys = keys::snapshot_keys(&self.sealing.layout, channel, &self.sealing.incarnation());
        let id = *location.id.as_bytes();
        let mark = self.links.snapshot(location.partition, id, keys, log_after);
        if let Some(mark) = mark {
            let asked =
                SnapshotOnItsWay { followed, request, is_marked: false, is_answered: false };
            self.snapshots.insert(mark.snapshot, asked);
        }
    }

    fn ask_held(&mut self, followed: Arc<FollowedChannel>, request: RequestNumber) {
        let incarnation = self.sealing.incarnation();
        let commands = held::commands(&self.sealing, &followed.channel);
        let partition = followed.channel.location.partition;
        let token = NodeToken::Held { followed, request, incarnation };
        self.links.read_in(partition, commands, token);
    }

    fn change(&mut self, followed: Arc<FollowedChannel>, request: RequestNumber, verb: &StateVerb) {
        let channel = &followed.channel;
        let Ok(verb) = self.sealed(&followed, verb) else {
            let refused = ReplicaNews::VerbFailed(request, VerbFailure::Refused);
            return followed.holder.take(refused);
        };
        let command = verb.command(&self.scripts, &self.sealing.keys(channel));
        let partition = channel.location.partition;
        if matches!(verb, Verb::Count { count: 1.., .. } | Verb::Join { .. }) {
            self.membership.announced(partition);
        }
        let (script, incarnation) = (verb.script(), self.sealing.incarnation());
        let token = NodeToken::Change { followed, request, script, incarnation };
        self.links.push(partition, CommandKind::State, command, token);
    }

    fn sealed(&self, followed: &FollowedChannel, verb: &StateVerb) -> Result<Verb, StoredError> {
        let (channel, acting) = (&followed.channel, self.sealing.acting(self.linger_ms));
        match verb {
            StateVerb::Count(count) => self.sealing.count(channel, acting, *count, followed.log),
            StateVerb::Join { member, limit } => self.sealing.join(channel, member, *limit),
            StateVerb::Leave { member } => {
                self.sealing.leave(channel, acting, member.id, &member.member.user_id)
            }
        }
    }

    pub(super) fn run_timers(&mut self, now: Instant) {
        while let Some(followed) = self.wakes.take_due(now) {
            followed.holder.take(ReplicaNews::Tick);
        }
        while let Some(followed) = self.audits.take_due(now) {
            if self.reaches(followed.channel.location.partition) {
                followed.holder.take(ReplicaNews::Audit);
            }
            self.audits.set(followed, now + AUDIT_INTERVAL);
        }
        self.tick_membership(now);
        self.questions.expire(now);
        self.check_revocations(now);
        self.check_tables(now);
        self.read_clock_in_time(now);
        self.look_for_strays(now);
        self.publications.forget_returned(now, &mut self.opening);
    }
}

/// By the channel's hash, so that the audits of channels that began together are spread.
fn audit_phase(followed: &FollowedChannel) -> Duration {
    let [high, low, ..] = *followed.channel.location.id.as_bytes();
    let part = f64::from(u16::from_be_bytes([high, low])) / f64::from(u16::MAX);
    AUDIT_INTERVAL.mul_f64(part)
}
