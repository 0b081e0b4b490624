//! Several nodes and the engine, in any order, with all disasters.
//!
//! The checks at each step are in `node`: a member is announced to those alone who lack it, a
//! newcomer is in its own roster, no event is delivered twice, nobody is refused after an answer.

use std::{collections::BTreeSet, time::Duration};

use proptest::{collection::vec, prelude::*};

use super::world::ReplicaWorld;
use crate::cluster::replica::{
    ReplicaState,
    effect::Entered,
    input::{ChannelMemory, MemberDeparture},
};

const NODES: usize = 3;
const USERS: u8 = 4;
const LIMIT: u32 = 3;

/// What happens, at which node, and to whom.
type ModelStep = (u8, u8, u8);

/// Some queues move by one item, others by many.
fn repeat(who: u8, mut step: impl FnMut() -> bool) {
    let _ = (0..=who % 8).all(|_| step());
}

fn steps(most: usize) -> impl Strategy<Value = Vec<ModelStep>> {
    vec((0..100_u8, 0..NODES as u8, any::<u8>()), 1..most)
}

struct ReplicaModel {
    world: ReplicaWorld,
    memory: ChannelMemory,
    has_disasters: bool,
}

impl ReplicaModel {
    fn run(&mut self, (what, at, who): ModelStep) {
        let (world, at) = (&mut self.world, usize::from(at));
        match what {
            0..=13 => self.arrive(at, who),
            14..=24 => self.leave(at, who),
            25..=39 => repeat(who, || world.execute(at)),
            40..=52 => repeat(who, || world.reply(at)),
            53..=66 => repeat(who, || world.hear(at)),
            67..=72 => drop(world.confirm(at)),
            73..=78 => drop(world.call(at)),
            79..=83 => self.publish(at, who),
            84..=85 => world.elapse(Duration::from_millis(u64::from(who) * 10)),
            86..=87 if self.has_disasters => self.overdue(at, who),
            88 => world.admit(at),
            89 => world.find_keys(at),
            _ if self.has_disasters => self.disaster(what, at, who),
            _ => {}
        }
    }

    fn disaster(&mut self, what: u8, at: usize, who: u8) {
        let world = &mut self.world;
        match what {
            90 => world.cut(at),
            91..=93 => drop(world.reconnect(at)),
            94 if who < 80 => world.flush(),
            94 | 95 => world.save(),
            96 => world.fail_over(),
            97 if who < 128 => world.kill(at),
            97 => self.bury(at),
            98 => world.engine.is_full = who.is_multiple_of(4),
            _ => {
                world.engine.lingers = who.is_multiple_of(2);
                if who % 4 == 1 {
                    world.engine.end_lingering();
                    world.publish_messages();
                }
            }
        }
    }

    fn publish(&mut self, at: usize, who: u8) {
        let mut event = self.world.new_event(at as u8);
        event.lacks_key = self.has_disasters && who.is_multiple_of(11);
        self.world
            .publish_event(event, self.memory == ChannelMemory::State && who.is_multiple_of(2));
    }

    fn arrive(&mut self, at: usize, who: u8) {
        let has_members = self.memory == ChannelMemory::State;
        let user = (has_members && !who.is_multiple_of(5)).then_some(1 + who % USERS);
        let info = if who > 200 { "\"other\"" } else { "\"info\"" };
        let limit = if who.is_multiple_of(3) { LIMIT } else { 0 };
        let _ = self.world.arrive_with(at, user, info, limit);
    }

    fn leave(&mut self, at: usize, who: u8) {
        let sessions = &self.world.nodes[at].sessions;
        if sessions.is_empty() {
            return;
        }
        let session = sessions[usize::from(who) % sessions.len()].clone();
        let held = who.is_multiple_of(7) && sessions.len() > 1;
        let departure = if held { MemberDeparture::Held } else { MemberDeparture::Now };
        self.world.depart(at, session.id, departure);
        if let Some(user) = session.user.filter(|_| held && who.is_multiple_of(2)) {
            self.world.end_hold(at, super::names::member_id(user));
        }
        if self.world.nodes[at].sessions.is_empty() {
            self.end_holds(at);
        }
    }

    fn end_holds(&mut self, at: usize) {
        (1..=USERS).for_each(|user| self.world.end_hold(at, super::names::member_id(user)));
    }

    fn overdue(&mut self, at: usize, who: u8) {
        let waiting: Vec<_> =
            self.world.nodes[at].sessions.iter().filter(|it| !it.is_answered).collect();
        if waiting.is_empty() {
            return;
        }
        let id = waiting[usize::from(who) % waiting.len()].id;
        self.world.nodes[at].calls.retain(|called| *called != id);
        assert_eq!(self.world.enter(at, id, true), Entered::Answered);
    }

    fn bury(&mut self, at: usize) {
        let life = self.world.nodes[at].life;
        self.world.engine.reap(life);
        self.world.publish_messages();
    }

    /// Without disasters nobody waits for a repair.
    fn check_answers(&mut self) {
        self.world.rest();
        for node in &self.world.nodes {
            assert!(node.sessions.iter().all(|it| it.is_answered), "{:?}", node.sessions);
        }
    }

    /// At rest all replicas and the engine have what the sessions want.
    fn check_rest(&mut self) {
        (0..NODES).for_each(|at| self.end_holds(at));
        self.world.recover();
        let world = &self.world;
        let wanted: BTreeSet<String> = world
            .nodes
            .iter()
            .flat_map(|node| &node.sessions)
            .filter_map(|session| session.user)
            .map(|user| format!("u{user}"))
            .collect();
        let held: BTreeSet<String> = world
            .engine
            .members
            .values()
            .map(|(member, _)| member.member.user_id.to_string())
            .collect();
        assert_eq!(held, wanted, "the engine, then the sessions");
        let sessions: usize = world.nodes.iter().map(|node| node.sessions.len()).sum();
        assert_eq!(world.engine.total(), sessions as u64);
        let kept = world.engine.last_event.as_ref().map(|event| event.id);
        for node in world.nodes.iter().filter(|node| !node.sessions.is_empty()) {
            assert_eq!(node.replica.state(), ReplicaState::Open);
            assert!(node.sessions.iter().all(|it| it.is_answered), "{:?}", node.sessions);
            assert!(node.shown.keys().eq(wanted.iter()), "{:?} {wanted:?}", node.shown);
            assert_eq!((node.total, node.kept), (Some(sessions as u64), kept));
            for (member, _) in world.engine.members.values() {
                assert_eq!(
                    Some(&*node.shown[&*member.member.user_id]),
                    member.member.info.as_deref()
                );
            }
        }
    }

    fn check_end(&mut self) {
        for at in 0..NODES {
            while let Some(session) = self.world.nodes[at].sessions.first().cloned() {
                self.world.leave(at, session.id);
            }
        }
        self.world.engine.lingers = false;
        self.world.recover();
        assert!(self.world.nodes.iter().all(|node| node.replica.is_closed()));
        assert!(self.world.engine.counts.is_empty() && self.world.engine.members.is_empty());
    }

    /// Each node delivers in the order of the engine.
    fn check_order(&self) {
        for node in &self.world.nodes {
            let mut published = self.world.published.iter();
            let in_order = node.delivered.iter().all(|id| published.any(|other| other == id));
            assert!(in_order, "{:?} {:?}", node.delivered, self.world.published);
        }
    }
}

fn run(steps: Vec<ModelStep>, memory: ChannelMemory, has_disasters: bool) {
    let world = ReplicaWorld::over(NODES, memory);
    let mut model = ReplicaModel { world, memory, has_disasters };
    for step in steps {
        model.run(step);
        if !has_disasters {
            model.check_order();
        }
    }
    if !has_disasters {
        model.check_answers();
    }
    model.check_rest();
    model.check_end();
}

proptest! {
    #[test]
    fn nodes_without_disasters_have_one_story_and_one_order(steps in steps(300)) {
        run(steps, ChannelMemory::State, false);
    }

    #[test]
    fn nodes_with_disasters_come_to_agree(steps in steps(500)) {
        run(steps, ChannelMemory::State, true);
    }

    #[test]
    fn nodes_of_a_channel_without_state_come_to_agree(steps in steps(300)) {
        run(steps, ChannelMemory::CountAlone, true);
    }
}
