//! A node that brings the engine to what its sockets want, as a server does: by the difference to
//! what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use super::{
    book::Holder,
    engine::CHANNELS,
    names::{added, channel, node, occupied, removed, total, vacated},
    random::Random,
    world::{ANY, World},
};
use crate::cluster::redis::{
    Id,
    control::ControlVerb,
    replies::Reply,
    verbs::{Fence, Verb},
};

const LOST_ANSWERS: usize = 25;
/// Verbs of one change in another order, since a refused one is sent again behind the others.
const REORDERED: usize = 10;

#[derive(Clone, Default)]
pub struct Wanted {
    /// Tabs and tag of each member.
    pub members: BTreeMap<Id, (u32, [u8; 8])>,
    /// Subscribers beyond the members.
    pub more: u32,
}

#[derive(Clone, Default)]
struct Acknowledged {
    count: u32,
    members: BTreeSet<Id>,
}

pub struct Node {
    pub incarnation: Id,
    pub slot: u16,
    pub wanted: BTreeMap<Id, Wanted>,
    acknowledged: BTreeMap<Id, Acknowledged>,
    beats: u64,
    announced: Option<u64>,
    pub linger_ms: u64,
    run: Bytes,
}

impl Wanted {
    fn count(&self) -> u32 {
        self.members.values().map(|(tabs, _)| tabs).sum::<u32>() + self.more
    }
}

/// Gives out incarnations and slots.
#[derive(Default)]
pub struct Births {
    pub born: usize,
    pub slots: BTreeMap<Id, u16>,
}

impl Births {
    fn next(&mut self) -> (Id, u16) {
        self.born += 1;
        let (incarnation, slot) = (node(self.born), (self.born % 4096) as u16);
        self.slots.insert(incarnation, slot);
        (incarnation, slot)
    }
}

/// Everything around a node.
pub struct Surroundings<'a> {
    pub world: &'a mut World,
    pub random: &'a mut Random,
    pub births: &'a mut Births,
}

impl Surroundings<'_> {
    fn repeats(&mut self) -> usize {
        usize::from(self.random.percent(LOST_ANSWERS))
    }
}

impl Node {
    pub fn born(around: &mut Surroundings, run: &Bytes) -> Self {
        let (incarnation, slot) = around.births.next();
        let wanted = (0..CHANNELS).map(|at| (channel(at), Wanted::default())).collect();
        let mut node = Self {
            incarnation,
            slot,
            wanted,
            acknowledged: BTreeMap::new(),
            beats: 0,
            announced: None,
            linger_ms: 0,
            run: Bytes::new(),
        };
        node.connect(around, run);
        node.beat(around);
        node
    }

    /// The first thing on a connection. A mere reconnection leaves the floor as it is.
    pub fn connect(&mut self, around: &mut Surroundings, run: &Bytes) {
        let known = around.world.known();
        let came_from = std::mem::replace(&mut self.run, run.clone());
        let verb = Verb::Floor { came_from, run: run.clone(), known };
        let repeats = around.repeats();
        around.world.run(&verb, &self.incarnation, &ANY, repeats);
    }

    fn rebirth(&mut self, around: &mut Surroundings) {
        (self.incarnation, self.slot) = around.births.next();
        self.acknowledged.clear();
        self.announced = None;
        self.beat(around);
    }

    /// The beat, and the announcement to the partition.
    pub fn beat(&mut self, around: &mut Surroundings) {
        self.beats += 1;
        let beat = Bytes::from(format!("beat {}", self.beats));
        let node = self.incarnation;
        let repeats = around.repeats();
        match around.world.control(&ControlVerb::Beat { node, slot: self.slot, beat }, repeats) {
            Reply::Dying => return self.rebirth(around),
            Reply::New | Reply::Here => {}
            other => panic!("{other:?}"),
        }
        let (known, announcement) = (self.announced, self.announced.unwrap_or_default() + 1);
        let admit = Verb::Admit { node, known, announcement };
        let repeats = around.repeats();
        match around.world.run(&admit, &node, &ANY, repeats) {
            Some(Reply::Fenced) => self.rebirth(around),
            Some(Reply::New) => {
                self.announced = Some(announcement);
                self.acknowledged.clear();
                self.synchronize_all(around);
            }
            Some(Reply::Here) => {}
            other => panic!("{other:?}"),
        }
    }

    pub fn synchronize_all(&mut self, around: &mut Surroundings) {
        (0..CHANNELS).for_each(|at| self.synchronize(&channel(at), around));
    }

    pub fn synchronize(&mut self, id: &Id, around: &mut Surroundings) {
        let mut verbs = self.differences(id, around.random);
        if around.random.percent(REORDERED) {
            around.random.shuffle(&mut verbs);
        }
        let mut refused = false;
        for verb in verbs {
            let repeats = around.repeats();
            match around.world.run(&verb, &self.incarnation, id, repeats) {
                Some(Reply::Fenced) => return self.rebirth(around),
                Some(Reply::Full { .. }) => refused |= self.turn_away(&verb),
                Some(_) => self.acknowledge(&verb),
                None => {}
            }
        }
        if refused {
            self.synchronize(id, around);
        }
    }

    fn differences(&self, id: &Id, random: &mut Random) -> Vec<Verb> {
        let (wanted, held) =
            (&self.wanted[id], self.acknowledged.get(id).cloned().unwrap_or_default());
        let node = self.incarnation;
        let count = (wanted.count() != held.count).then(|| Verb::Count {
            fence: Fence::Heeded,
            node,
            channel: *id,
            count: wanted.count(),
            name: "name".into(),
            occupied: Some(occupied(id)),
            vacated: Some(vacated(id)),
            total: Some(total(id)),
            linger_ms: self.linger_ms,
            log: None,
        });
        let limit = if random.percent(20) { 4 } else { 0 };
        let joins = wanted.members.iter().filter(|(member, _)| !held.members.contains(*member));
        let joins = joins.map(|(member, (_, tag))| Verb::Join {
            node,
            channel: *id,
            member: *member,
            tag: *tag,
            record: "record".into(),
            limit,
            added: added(id, member),
            removed: removed(id, member),
        });
        let leaves = held.members.iter().filter(|member| !wanted.members.contains_key(*member));
        let leaves = leaves.map(|member| Verb::Leave {
            fence: Fence::Heeded,
            node,
            channel: *id,
            member: *member,
            removed: removed(id, member),
            linger_ms: self.linger_ms,
        });
        let mut verbs: Vec<_> = joins.chain(leaves).collect();
        let at = if wanted.count() > 0 { 0 } else { verbs.len() };
        count.into_iter().for_each(|count| verbs.insert(at, count));
        verbs
    }

    fn acknowledge(&mut self, verb: &Verb) {
        match verb {
            Verb::Count { channel, count, .. } => {
                self.acknowledged.entry(*channel).or_default().count = *count;
            }
            Verb::Join { channel, member, .. } => {
                self.acknowledged.entry(*channel).or_default().members.insert(*member);
            }
            Verb::Leave { channel, member, .. } => {
                self.acknowledged.entry(*channel).or_default().members.remove(member);
            }
            _ => {}
        }
    }

    fn turn_away(&mut self, verb: &Verb) -> bool {
        let Verb::Join { channel, member, .. } = verb else { return false };
        self.wanted.get_mut(channel).is_some_and(|it| it.members.remove(member).is_some())
    }

    /// Reads what the engine has of this node. After a change of master nothing is acknowledged.
    pub fn audit(&mut self, world: &World) {
        self.acknowledged.clear();
        for (id, held) in &world.book.channels {
            let mine =
                |holders: &BTreeSet<Holder>| holders.contains(&Holder::Node(self.incarnation));
            let members = held.members.iter().filter(|(_, it)| mine(&it.holders));
            let members = members.map(|(member, _)| *member).collect();
            let count = held.counts.get(&self.incarnation).copied().unwrap_or_default();
            self.acknowledged.insert(*id, Acknowledged { count, members });
        }
    }

    /// Leaves the cluster in order.
    pub fn drain(&mut self, linger_ms: u64, around: &mut Surroundings) {
        self.linger_ms = linger_ms;
        self.wanted.values_mut().for_each(|wanted| *wanted = Wanted::default());
        self.synchronize_all(around);
        let (node, slot) = (self.incarnation, self.slot);
        let repeats = around.repeats();
        let reply = around.world.run(&Verb::Retire { node }, &node, &ANY, repeats);
        assert_eq!(reply, Some(Reply::Retired));
        let forget = ControlVerb::Forget { node, slot, claimer: node };
        around.world.control(&forget, 0);
    }
}
