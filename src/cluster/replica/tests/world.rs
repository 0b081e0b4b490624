//! Nodes and the engine, and all that may happen to them.

use std::time::{Duration, Instant};

use super::{
    engine::{Life, ModelEngine},
    names::{LEASE, event, member, waiting_id},
    node::{LaneItem, LaneReply, ReplicaNode, TestSession, TopicItem},
};
use crate::cluster::{
    names::MemberId,
    replica::{
        ChannelReplica, ReplicaState,
        effect::{Entered, Entrance},
        input::{
            ArrivingSubscriber, ChannelMemory, HeardEvent, MasterChange, MemberDeparture, SentId,
            VerbFailure, WaitingId,
        },
    },
};

pub const NO_LIMIT: u32 = 0;

pub struct ReplicaWorld {
    pub engine: ModelEngine,
    pub nodes: Vec<ReplicaNode>,
    pub now: Instant,
    memory: ChannelMemory,
    lives: Life,
    ids: u64,
    /// In the order of the engine.
    pub published: Vec<SentId>,
    saved: Option<ModelEngine>,
    /// Lives that are over. Some reaper or other ends what they had.
    dead: Vec<Life>,
}

impl ReplicaWorld {
    pub fn new(nodes: usize) -> Self {
        Self::over(nodes, ChannelMemory::State)
    }

    pub fn over(nodes: usize, memory: ChannelMemory) -> Self {
        let mut world = Self {
            engine: ModelEngine { clock: 1000, ..ModelEngine::default() },
            nodes: Vec::new(),
            now: Instant::now(),
            memory,
            lives: 0,
            ids: 0,
            published: Vec::new(),
            saved: None,
            dead: Vec::new(),
        };
        for _ in 0..nodes {
            let life = world.next_life();
            world.nodes.push(ReplicaNode::new(life, memory));
        }
        world
    }

    fn next_life(&mut self) -> Life {
        self.lives += 1;
        self.lives
    }

    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    pub fn state(&self, at: usize) -> ReplicaState {
        self.nodes[at].replica.state()
    }

    // Sessions ---------------------------------------------------------------------------------

    pub fn arrive(&mut self, at: usize, user: Option<u8>) -> WaitingId {
        self.arrive_with(at, user, "{}", NO_LIMIT).0
    }

    pub fn arrive_with(
        &mut self,
        at: usize,
        user: Option<u8>,
        info: &str,
        member_limit: u32,
    ) -> (WaitingId, Entrance) {
        let id = waiting_id(self.next_id());
        let (node, now) = (&mut self.nodes[at], self.now);
        let member = user.map(|user| member(user, info));
        let newcomer = ArrivingSubscriber { id, member, member_limit };
        node.sessions.push(TestSession { id, user, is_answered: false });
        let (entrance, effects) = node.replica.arrive(newcomer, now);
        node.carry_out(effects);
        match entrance {
            Entrance::Now => assert_eq!(self.enter(at, id, false), Entered::Answered),
            Entrance::Later => {}
            Entrance::Full => node.sessions.retain(|session| session.id != id),
        }
        (id, entrance)
    }

    pub fn enter(&mut self, at: usize, id: WaitingId, is_overdue: bool) -> Entered {
        let (node, now) = (&mut self.nodes[at], self.now);
        let (entered, effects) = node.replica.enter(id, is_overdue, now);
        if entered == Entered::Answered {
            node.session(id).expect("a session").is_answered = true;
        }
        node.carry_out(effects);
        entered
    }

    pub fn leave(&mut self, at: usize, id: WaitingId) {
        self.depart(at, id, MemberDeparture::Now);
    }

    pub fn depart(&mut self, at: usize, id: WaitingId, departure: MemberDeparture) {
        let (node, now) = (&mut self.nodes[at], self.now);
        let Some(index) = node.sessions.iter().position(|session| session.id == id) else { return };
        let session = node.sessions.remove(index);
        node.calls.retain(|called| *called != id);
        if session.is_answered {
            let member = session.user.map(super::names::member_id);
            node.run(|replica| replica.leave(member, departure, now));
        } else {
            node.run(|replica| replica.cancel(id, now));
        }
    }

    pub fn end_hold(&mut self, at: usize, member: MemberId) {
        let now = self.now;
        self.nodes[at].run(|replica| replica.end_hold(member, now));
    }

    /// Lets a called session come.
    pub fn call(&mut self, at: usize) -> bool {
        let Some(id) = self.nodes[at].calls.pop_front() else { return false };
        let _ = self.enter(at, id, false);
        true
    }

    // Messages ---------------------------------------------------------------------------------

    /// The engine does the first item of a lane.
    pub fn execute(&mut self, at: usize) -> bool {
        if !self.nodes[at].is_linked {
            return false;
        }
        let Some(item) = self.nodes[at].lane.pop_front() else { return false };
        let life = self.nodes[at].life;
        let reply = match &item {
            LaneItem::Verb(request, verb) => match self.engine.apply(life, verb) {
                Ok(Some(reply)) => LaneReply::Verb(*request, reply),
                Ok(None) => LaneReply::Fenced,
                Err(_) => LaneReply::Failed(*request, VerbFailure::Refused),
            },
            LaneItem::Snapshot(request, log_after) => {
                self.nodes[at].topic.push_back(TopicItem::Mark(*request));
                LaneReply::Snapshot(*request, self.engine.snapshot(*log_after))
            }
            LaneItem::Held(request) => LaneReply::Held(*request, self.engine.held_by(life)),
        };
        self.publish_messages();
        self.nodes[at].replies.push_back((item, reply));
        true
    }

    pub fn publish_messages(&mut self) {
        for message in std::mem::take(&mut self.engine.messages) {
            for node in self.nodes.iter_mut().filter(|node| node.is_subscribed) {
                node.topic.push_back(TopicItem::Message(message.clone()));
            }
        }
    }

    pub fn reply(&mut self, at: usize) -> bool {
        let now = self.now;
        let Some((_, reply)) = self.nodes[at].replies.pop_front() else { return false };
        let run = |node: &mut ReplicaNode, call: &dyn Fn(&mut ChannelReplica) -> _| {
            node.run(|it| call(it))
        };
        let node = &mut self.nodes[at];
        match reply {
            LaneReply::Verb(request, reply) => run(node, &|it| it.replied(request, reply, now)),
            LaneReply::Failed(request, why) => run(node, &|it| it.verb_failed(request, why, now)),
            LaneReply::Snapshot(request, taken) => {
                run(node, &|it| it.snapshot_taken(request, taken.clone(), now));
            }
            LaneReply::Held(request, held) => {
                run(node, &|it| it.audited(request, held.clone(), now))
            }
            LaneReply::Fenced => self.be_born_again(at),
        }
        true
    }

    pub fn hear(&mut self, at: usize) -> bool {
        let (node, now) = (&mut self.nodes[at], self.now);
        let Some(item) = node.topic.pop_front() else { return false };
        match item {
            TopicItem::Message(message) => node.run(|replica| replica.hear(message, now)),
            TopicItem::Mark(request) => node.run(|replica| replica.marked(request, now)),
        }
        true
    }

    pub fn confirm(&mut self, at: usize) -> bool {
        let (node, now) = (&mut self.nodes[at], self.now);
        if !node.is_linked || !node.wants_topic || node.is_subscribed {
            return false;
        }
        node.is_subscribed = true;
        node.run(|replica| replica.subscribed(now));
        true
    }

    pub fn new_event(&mut self, sender: u8) -> HeardEvent {
        let number = self.next_id();
        event(sender, number, number)
    }

    /// The node has all keys from now on.
    pub fn find_keys(&mut self, at: usize) {
        let now = self.now;
        self.nodes[at].run(|replica| replica.keys_changed(|_| true, now));
    }

    pub fn publish(&mut self, sender: u8, is_last: bool) -> HeardEvent {
        let published = self.new_event(sender);
        self.publish_event(published.clone(), is_last);
        published
    }

    pub fn publish_event(&mut self, event: HeardEvent, is_last: bool) {
        self.published.push(event.id);
        if is_last {
            self.engine.publish_last(event);
        } else {
            self.engine.messages.push(crate::cluster::replica::input::HeardMessage::Event(event));
        }
        self.publish_messages();
    }

    pub fn publish_logged(&mut self, sender: u8, is_last: bool) -> HeardEvent {
        let published = self.new_event(sender);
        self.published.push(published.id);
        self.engine.publish_logged(published.clone(), is_last);
        self.publish_messages();
        published
    }

    // Disasters --------------------------------------------------------------------------------

    pub fn cut(&mut self, at: usize) {
        let now = self.now;
        self.nodes[at].cut(now);
    }

    pub fn reconnect(&mut self, at: usize) -> bool {
        let (node, now) = (&mut self.nodes[at], self.now);
        if node.is_linked {
            return false;
        }
        node.is_linked = true;
        let is_other = std::mem::take(&mut node.has_other_master);
        let change = if is_other { MasterChange::Other } else { MasterChange::Same };
        node.run(|replica| replica.reconnected(change, now));
        true
    }

    pub fn save(&mut self) {
        self.saved = Some(self.engine.clone());
    }

    /// A replica of the engine that lacks the last writes is promoted. Numbers are given out again.
    pub fn fail_over(&mut self) {
        let Some(saved) = self.saved.take() else { return };
        self.engine = saved;
        for at in 0..self.nodes.len() {
            self.cut(at);
            self.nodes[at].has_other_master = true;
        }
    }

    pub fn flush(&mut self) {
        self.engine.flush();
        self.saved = None;
    }

    /// The beat tells a node whether the engine knows it.
    pub fn admit(&mut self, at: usize) {
        let (node, now) = (&mut self.nodes[at], self.now);
        if !node.is_linked {
            return;
        }
        if self.engine.buried.contains(&node.life) {
            self.be_born_again(at);
        } else if self.engine.known.insert(node.life) {
            node.run(|replica| replica.announce_all(now));
        }
    }

    /// Its own messages in the lane were sealed by its former life.
    fn be_born_again(&mut self, at: usize) {
        let (life, now) = (self.next_life(), self.now);
        let node = &mut self.nodes[at];
        self.dead.push(node.life);
        node.life = life;
        node.lane.retain(|item| matches!(item, LaneItem::Snapshot(..)));
        node.replies.retain(|(item, _)| matches!(item, LaneItem::Snapshot(..)));
        node.run(|replica| replica.announce_all(now));
    }

    /// A process ends without a word. Another one comes in its place.
    pub fn kill(&mut self, at: usize) {
        let life = self.next_life();
        let killed = std::mem::replace(&mut self.nodes[at], ReplicaNode::new(life, self.memory));
        self.dead.push(killed.life);
        self.reap_dead();
    }

    fn reap_dead(&mut self) {
        self.dead.iter().for_each(|life| self.engine.reap(*life));
        self.publish_messages();
    }

    pub fn elapse(&mut self, time: Duration) {
        self.now += time;
        let now = self.now;
        for node in &mut self.nodes {
            node.run(|replica| replica.tick(now));
        }
    }

    // Rest -------------------------------------------------------------------------------------

    /// Moves all that can move.
    pub fn rest(&mut self) {
        const MOST: usize = 100_000;
        for _ in 0..MOST {
            let moved = (0..self.nodes.len()).fold(false, |moved, at| {
                let step = self.confirm(at) | self.execute(at) | self.hear(at);
                moved | step | self.reply(at) | self.call(at)
            });
            if !moved {
                return;
            }
        }
        panic!("it does not come to rest");
    }

    /// All are connected and known, and all time is over.
    pub fn recover(&mut self) {
        (self.engine.is_full, self.engine.lingers) = (false, false);
        if let Some(event) = &mut self.engine.last_event {
            event.lacks_key = false;
        }
        for _ in 0..3 {
            self.engine.end_lingering();
            self.reap_dead();
            for at in 0..self.nodes.len() {
                self.reconnect(at);
                self.find_keys(at);
                self.admit(at);
                let now = self.now;
                self.nodes[at].run(|replica| replica.audit(now));
            }
            self.rest();
            self.elapse(LEASE + Duration::from_secs(1));
            self.rest();
        }
    }
}
