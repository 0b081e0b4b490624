//! Random stories of nodes that come, hang, are cut off, die and leave, over a Redis that forgets.
//! When all is quiet, Redis has what the living nodes have, and nothing else.

use std::{collections::BTreeSet, time::Duration};

use super::scene::{LEASE, MembershipScene, channel};
use crate::cluster::redis::tests::random::Random;

const USERS: [&str; 3] = ["ann", "bob", "cem"];
const ROOMS: usize = 5;
const MOST_NODES: usize = 6;

fn room(at: usize) -> String {
    format!("presence-{at}")
}

struct RandomStory {
    scene: MembershipScene,
    random: Random,
}

impl RandomStory {
    fn step(&mut self) {
        let at = self.random.below(self.scene.nodes.len());
        let on = room(self.random.below(ROOMS));
        match self.random.below(100) {
            0..40 => self.arrive(at, &on),
            40..55 => self.depart(at, &on),
            55..65 => self.scene.nodes[at].is_stopped = true,
            65..77 => self.scene.nodes[at].wake(),
            77..82 => self.relink(at),
            82..84 => self.scene.redis.forget_control(),
            84..86 => self.flush(),
            86..91 => self.leave(at),
            _ if self.scene.nodes.len() < MOST_NODES => {
                self.scene.add();
            }
            _ => self.scene.expire_owners(),
        }
        let pause = Duration::from_millis(250 * self.random.below(20) as u64);
        self.scene.pass(pause);
    }

    /// A node whose thread does something.
    fn is_active(&self, at: usize) -> bool {
        let node = &self.scene.nodes[at];
        node.is_joined() && node.is_linked && !node.is_stopped && !node.has_left
    }

    fn arrive(&mut self, at: usize, on: &str) {
        if self.is_active(at) {
            let user = USERS[self.random.below(USERS.len())];
            self.scene.arrive(at, on, user);
        }
    }

    fn depart(&mut self, at: usize, on: &str) {
        if self.is_active(at) {
            self.scene.act(at, |node, redis, _| node.depart(redis, &channel(on), 0));
        }
    }

    fn relink(&mut self, at: usize) {
        if self.is_active(at) {
            self.scene.act(at, |node, redis, now| {
                node.unlink(redis, now);
                node.link(redis, now);
            });
        }
    }

    fn flush(&mut self) {
        self.scene.redis.words(&["FLUSHALL"]);
    }

    fn leave(&mut self, at: usize) {
        if self.is_active(at) && self.scene.nodes.iter().filter(|it| !it.has_left).count() > 2 {
            (0..ROOMS).for_each(|on| self.depart(at, &room(on)));
            self.scene.act(at, |node, redis, now| node.leave_cluster(redis, now));
        }
    }

    /// Long enough for lost entries, and for ownerships that nobody renews.
    fn settle(&mut self) {
        for _ in 0..12 {
            self.scene.expire_owners();
            self.scene.pass(LEASE);
        }
    }

    fn living(&self) -> impl Iterator<Item = usize> {
        (0..self.scene.nodes.len()).filter(|at| self.is_active(*at))
    }

    fn check(&mut self, seed: u64) {
        let living: Vec<_> = self.living().collect();
        for at in 0..ROOMS {
            let held = living.iter().flat_map(|node| self.scene.nodes[*node].users(&room(at)));
            let held: Vec<_> = held.collect();
            let members: BTreeSet<_> = held.iter().collect();
            let expected = (members.len(), held.len() as u64);
            assert_eq!(self.scene.room(&room(at)), expected, "room {at} of story {seed}");
        }
        assert_eq!(self.scene.entries(), living.len(), "story {seed}");
    }
}

#[test]
fn redis_has_what_the_living_nodes_have() {
    for seed in 0..6 {
        let mut story = RandomStory { scene: MembershipScene::with(3), random: Random::new(seed) };
        (0..80).for_each(|_| story.step());
        // One node is alive at least.
        story.scene.add();
        story.settle();
        story.check(seed);
    }
}
