//! Nodes that die, hang or leave, and an engine that forgets.

use std::collections::BTreeSet;

use bytes::Bytes;

use super::{
    model::{ClusterModel, HOUR_MS},
    names::{keys, removed, total, vacated},
    world::ANY,
};
use crate::cluster::redis::{
    ID_BYTES, Id,
    control::ControlVerb,
    replies::Reply,
    verbs::{Fence, Verb},
};

impl ClusterModel {
    pub fn kill(&mut self) {
        if self.live.len() > 1 {
            let at = self.any_node();
            self.live.remove(at);
            self.note("kill");
        }
    }

    /// The nodes that are gone: by their entries, and by the list of the partition if `{ctl}` has
    /// forgotten them.
    pub fn dead(&self) -> Vec<Id> {
        let mut known: BTreeSet<Id> = self.world.control.nodes.keys().copied().collect();
        known.extend(self.world.book.incarnations.keys());
        let live = |id: &Id| self.live.iter().any(|node| node.incarnation == *id);
        known.into_iter().filter(|id| !live(id)).collect()
    }

    /// A claimer may die at any moment: then nothing of its work is told to the next one.
    pub fn reap(&mut self, may_die: bool) {
        for dead in self.dead() {
            self.reap_one(&dead, may_die);
        }
    }

    fn reap_one(&mut self, dead: &Id, may_die: bool) -> Option<()> {
        let claimer_at = self.any_node();
        let claimer = self.live[claimer_at].incarnation;
        if let Some(seen) = self.world.control.nodes.get(dead).cloned() {
            let repeats = usize::from(self.random.percent(25));
            let claim = ControlVerb::Claim { node: *dead, seen: seen.clone(), claimer };
            assert_eq!(self.world.control(&claim, repeats), Reply::Claimed);
            if self.world.control.nodes[dead] != seen {
                let other = ControlVerb::Claim { node: *dead, seen, claimer: *b"another claimer." };
                assert_eq!(self.world.control(&other, 0), Reply::NotClaimed);
            }
        }
        let mut verbs = vec![Verb::Bury];
        verbs.extend(self.verbs_of_the_dead(dead));
        verbs.push(Verb::Retire { node: *dead });
        for verb in verbs {
            if may_die && self.random.percent(10) {
                self.note("half a reaping");
                return None;
            }
            let on = match &verb {
                Verb::Count { channel, .. } | Verb::Leave { channel, .. } => *channel,
                _ => ANY,
            };
            let repeats = usize::from(self.random.percent(25));
            self.world.run(&verb, dead, &on, repeats);
        }
        let slot = self.births.slots[dead];
        self.world.control(&ControlVerb::Forget { node: *dead, slot, claimer }, 0);
        Some(())
    }

    /// Read from the engine, as a reaper does.
    fn verbs_of_the_dead(&mut self, dead: &Id) -> Vec<Verb> {
        let mut verbs = Vec::new();
        for id in self.world.read_ids("SMEMBERS", &keys(dead, &ANY).i) {
            let Ok(id) = Id::try_from(&id[..]) else { continue };
            for field in self.world.read_ids("HKEYS", &keys(dead, &id).r) {
                if let Some((member, holder)) = field.split_first_chunk::<ID_BYTES>()
                    && holder == dead
                {
                    let removed = removed(&id, member);
                    let (fence, node, member) = (Fence::Passed, *dead, *member);
                    verbs.push(Verb::Leave {
                        fence,
                        node,
                        channel: id,
                        member,
                        removed,
                        linger_ms: 0,
                    });
                }
            }
            verbs.push(Verb::Count {
                fence: Fence::Passed,
                node: *dead,
                channel: id,
                count: 0,
                name: Bytes::new(),
                occupied: Some("no fact".into()),
                vacated: Some(vacated(&id)),
                total: Some(total(&id)),
                linger_ms: 0,
                log: None,
            });
        }
        verbs
    }

    /// A node that was reaped goes on until it is told.
    pub fn wake_a_zombie(&mut self) {
        let at = self.any_node();
        if self.live.len() < 2 {
            return;
        }
        self.note("zombie");
        let mut zombie = self.live.remove(at);
        let may_die = self.random.percent(50);
        self.reap_one(&zombie.incarnation, may_die);
        let changes = self.random.below(4);
        for _ in 0..changes {
            let id = self.any_channel();
            self.live.push(zombie);
            self.open_or_close(self.live.len() - 1, &id);
            zombie = self.live.pop().expect("the zombie");
            zombie.synchronize(&id, around!(self));
        }
        zombie.beat(around!(self));
        self.live.push(zombie);
    }

    /// Most users of a drained node return elsewhere.
    pub fn drain(&mut self) {
        if self.live.len() < 2 {
            return;
        }
        self.note("drain");
        let at = self.any_node();
        let mut node = self.live.remove(at);
        let wanted = node.wanted.clone();
        // Told before it drains that it was reaped.
        node.beat(around!(self));
        let linger_ms = HOUR_MS + self.random.below(1_000_000) as u64;
        node.drain(linger_ms, around!(self));
        for (id, wanted) in wanted {
            for (member, held) in wanted.members {
                if self.random.percent(70) {
                    let at = self.any_node();
                    let members =
                        &mut self.live[at].wanted.get_mut(&id).expect("a channel").members;
                    members.entry(member).or_insert(held);
                    self.live[at].synchronize(&id, around!(self));
                }
            }
        }
    }

    /// Nobody has noticed at first.
    pub fn flush(&mut self) {
        self.note("flush");
        self.world.set_starved(false);
        self.world.flush();
        (0..4).for_each(|_| self.change_tabs());
        for at in 0..self.live.len() {
            self.live[at].connect(around!(self), &self.run);
        }
        self.beat();
    }

    pub fn save_or_fail_over(&mut self) {
        self.world.set_starved(false);
        if self.random.percent(50) {
            self.world.save();
            return;
        }
        let keep_control = self.random.percent(50);
        if !self.world.fail_over(keep_control) {
            return;
        }
        let failovers = self.note("failover");
        self.run = format!("run {}", failovers + 1).into();
        for at in 0..self.live.len() {
            self.live[at].connect(around!(self), &self.run);
            self.live[at].audit(&self.world);
        }
        self.beat();
        for at in 0..self.live.len() {
            self.live[at].synchronize_all(around!(self));
        }
    }
}
