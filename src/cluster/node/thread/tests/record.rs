//! A channel's record on one node: sessions, a replica, and what clients have been told.

use std::{
    collections::{BTreeMap, HashSet, VecDeque},
    sync::{Arc, OnceLock, Weak},
    time::Instant,
};

use parking_lot::Mutex;

use crate::{
    channels::members::Member,
    cluster::{
        content::{EventContent, EventData},
        node::{
            ClusterChannel, ClusterNode,
            commands::{FollowedChannel, NodeCommand},
            news::{ReplicaHolder, ReplicaNews},
        },
        replica::{
            ChannelReplica,
            effect::{Entered, Entrance, ReplicaEffect},
            input::{
                ArrivingSubscriber, ChannelMemory, ClusterMember, HeardEvent, MemberDeparture,
                SentId, WaitingId,
            },
        },
    },
};

pub struct TestRecord {
    node: Arc<ClusterNode>,
    followed: OnceLock<Arc<FollowedChannel>>,
    state: Mutex<RecordState>,
}

/// The thread's way to a record.
struct TestHolder(Weak<TestRecord>);

pub struct RecordState {
    pub replica: ChannelReplica,
    /// Sessions that may enter.
    called: VecDeque<WaitingId>,
    pub answered: HashSet<WaitingId>,
    pub refused: HashSet<WaitingId>,
    /// The roster that clients have been told, with infos.
    pub shown: BTreeMap<String, String>,
    pub story: Vec<String>,
    delivered_ids: HashSet<SentId>,
    pub delivered: Vec<String>,
    pub kept: Option<String>,
    pub total: Option<u64>,
    pub posted_early: usize,
    pub links: usize,
}

impl TestRecord {
    pub fn new(
        node: &Arc<ClusterNode>,
        channel: ClusterChannel,
        memory: ChannelMemory,
    ) -> Arc<Self> {
        let state = RecordState {
            replica: ChannelReplica::new(memory, false, node.lease()),
            called: VecDeque::new(),
            answered: HashSet::new(),
            refused: HashSet::new(),
            shown: BTreeMap::new(),
            story: Vec::new(),
            delivered_ids: HashSet::new(),
            delivered: Vec::new(),
            kept: None,
            total: None,
            posted_early: 0,
            links: 0,
        };
        let followed = OnceLock::new();
        let record = Arc::new(Self { node: node.clone(), followed, state: Mutex::new(state) });
        let holder = Arc::new(TestHolder(Arc::downgrade(&record)));
        let _ = record.followed.set(node.followed(channel, None, holder));
        record
    }

    pub fn channel(&self) -> &ClusterChannel {
        &self.followed().channel
    }

    fn followed(&self) -> &Arc<FollowedChannel> {
        self.followed.get().expect("it is set with the record")
    }

    pub fn read<T>(&self, read: impl FnOnce(&RecordState) -> T) -> T {
        read(&self.state.lock())
    }

    pub fn arrive(&self, id: WaitingId, member: Option<ClusterMember>, member_limit: u32) {
        let state = &mut *self.state.lock();
        let newcomer = ArrivingSubscriber { id, member, member_limit };
        let (entrance, effects) = state.replica.arrive(newcomer, Instant::now());
        match entrance {
            Entrance::Now => state.called.push_back(id),
            Entrance::Later => {}
            Entrance::Full => {
                state.refused.insert(id);
            }
        }
        self.carry_out(state, effects);
    }

    pub fn leave(&self, id: WaitingId, member: Option<ClusterMember>) {
        self.run(|state| {
            assert!(state.answered.remove(&id), "only a subscriber leaves");
            let member = member.map(|member| member.id);
            state.replica.leave(member, MemberDeparture::Now, Instant::now())
        });
    }

    fn run(&self, call: impl FnOnce(&mut RecordState) -> Vec<ReplicaEffect>) {
        let state = &mut *self.state.lock();
        let effects = call(state);
        self.carry_out(state, effects);
    }

    fn carry_out(&self, state: &mut RecordState, effects: Vec<ReplicaEffect>) {
        effects.into_iter().for_each(|effect| self.carry_out_one(state, effect));
        while let Some(id) = state.called.pop_front() {
            let (entered, effects) = state.replica.enter(id, false, Instant::now());
            if entered == Entered::Answered {
                state.answered.insert(id);
            }
            effects.into_iter().for_each(|effect| self.carry_out_one(state, effect));
        }
        let told = state.replica.members().count();
        assert_eq!(told, state.shown.len(), "the roster is what clients have been told");
        if let Some(at) = state.replica.next_deadline() {
            self.node.send(NodeCommand::WakeAt { followed: self.followed().clone(), at });
        }
    }

    fn carry_out_one(&self, state: &mut RecordState, effect: ReplicaEffect) {
        let followed = self.followed().clone();
        match effect {
            ReplicaEffect::MemberAdded(member) => state.add(&member),
            ReplicaEffect::MemberRemoved { user_id } => {
                state.story.push(format!("-{user_id}"));
                assert!(state.shown.remove(&*user_id).is_some(), "{user_id} was not there");
            }
            ReplicaEffect::Deliver(event) => state.deliver(&event),
            ReplicaEffect::KeepLast(event) => state.kept = Some(text(&event)),
            ReplicaEffect::DropLast => state.kept = None,
            ReplicaEffect::TellTotal(total) => state.total = Some(total),
            ReplicaEffect::Answer(id) => state.called.push_back(id),
            ReplicaEffect::RefuseFull(id) => {
                state.refused.insert(id);
            }
            ReplicaEffect::DroppedKeyless => panic!("no event has a key"),
            ReplicaEffect::Repairing(cause) => self.node.status().repairs.add(cause),
            ReplicaEffect::Subscribe => self.node.send(NodeCommand::Follow(followed)),
            ReplicaEffect::Unsubscribe => {
                state.shown.clear();
                self.node.send(NodeCommand::Unfollow(followed));
            }
            ReplicaEffect::TellLogGap(_) | ReplicaEffect::LogSynced => {}
            ReplicaEffect::AskSnapshot { request, log_after } => {
                self.node.send(NodeCommand::Snapshot { followed, request, log_after });
            }
            ReplicaEffect::AskHeld(request) => {
                self.node.send(NodeCommand::AskHeld { followed, request });
            }
            ReplicaEffect::Send { request, verb } => {
                self.node.send(NodeCommand::Change { followed, request, verb });
            }
        }
    }
}

impl TestRecord {
    pub fn take(&self, news: ReplicaNews) {
        self.run(|state| state.take(news));
    }
}

impl ReplicaHolder for TestHolder {
    fn take(&self, news: ReplicaNews) {
        if let Some(record) = self.0.upgrade() {
            record.take(news);
        }
    }
}

impl RecordState {
    fn take(&mut self, news: ReplicaNews) -> Vec<ReplicaEffect> {
        match &news {
            ReplicaNews::Linked(_) => self.links += 1,
            ReplicaNews::PostEarly { event, is_kept } => {
                self.posted_early += 1;
                if !is_kept {
                    self.deliver(event);
                }
            }
            _ => {}
        }
        news.apply(&mut self.replica, Instant::now())
    }

    fn add(&mut self, member: &Member) {
        self.story.push(format!("+{}", member.user_id));
        let info = member.info.as_deref().unwrap_or_default().to_owned();
        let before = self.shown.insert(member.user_id.to_string(), info);
        assert!(before.is_none(), "{member:?} was announced to those who have it");
    }

    fn deliver(&mut self, event: &HeardEvent) {
        assert!(self.delivered_ids.insert(event.id), "{event:?} was delivered twice");
        self.delivered.push(text(event));
    }

    pub fn users(&self) -> Vec<&str> {
        self.shown.keys().map(String::as_str).collect()
    }
}

fn text(event: &HeardEvent) -> String {
    let content = EventContent::parse(&event.content).expect("an event");
    match content.data {
        EventData::Clear(data) => data.to_owned(),
        EventData::Sealed { .. } => panic!("nothing is sealed here"),
    }
}
